//! `lockstep schema`: the JSON Schemas of the files; and what the accounts behind connections have (`pull`, `diff`).

mod command;
mod diff;
mod files;
mod look;
mod pull;

pub(super) use command::Schema;
