//! A Slack incoming webhook: takes messages, answers in plain text, reads nothing back.

mod simulator;

pub use simulator::{Message, Slack};
