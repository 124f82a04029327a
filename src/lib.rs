//! `lockstep` keeps a billing system and the CRMs of many clients telling the same story.

pub mod admin;
pub mod catalog;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connector;
pub mod diagnostic;
pub mod engine;
pub mod expr;
pub mod listing;
pub mod metrics;
pub mod nearest;
pub mod project;
pub mod rehearsal;
pub mod sandbox;
pub mod secret;
pub mod serving;
pub mod steps;
pub mod store;
pub mod value;
pub mod words;
pub mod written;
pub mod yaml;
