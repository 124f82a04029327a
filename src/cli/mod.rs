//! The command line: one file a command, each thin over the modules that do the work.
//!
//! `app.rs` is the list of commands; `output.rs` is the only way to standard output; an error travels as
//! [`anyhow::Error`] to [`run`], which shows it once. A new command is a file here, a variant and an arm in `app.rs`
//! and its name in a group of `help.rs`. No command decides anything that another part of lockstep would need to
//! know.

mod account;
mod address;
mod app;
mod audit;
mod audit_verify;
mod block_on;
mod by;
mod completions;
mod conflicts;
mod connectors;
mod connectors_page;
mod dead;
mod demo;
mod dry_run;
mod endpoints;
mod events;
mod exit;
mod fix;
mod given;
mod help;
mod init;
mod kept_run;
mod look;
mod no_vault;
mod online;
mod open;
mod output;
mod pipeline;
mod plan;
mod purge;
mod quota;
mod reports;
mod rules;
mod run;
mod runs;
mod sandbox;
mod schema;
mod settle;
mod show;
mod signals;
mod test;
mod tips;
mod validate;
mod why;

pub use app::run;
use block_on::runtime;
pub use exit::ExitCode;
pub use help::command;
