//! `lockstep demo`: the whole of lockstep on one machine, with no account anywhere.
//!
//! `stage.rs` sets it up: simulators, the example client in a temporary project, a runtime over a temporary store.
//! `story.rs` is what happens to the example's customers; `view.rs` tells what became of it.

mod command;
mod stage;
mod story;
mod view;

pub(super) use command::Demo;
