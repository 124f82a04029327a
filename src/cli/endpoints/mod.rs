//! `lockstep endpoints`: where a system sends its events, one endpoint a connection.
//!
//! Begin at `command.rs`. `needed.rs` says which events the pipelines need, `settle.rs` settles one connection, `secret_file.rs` is where a
//! signing secret goes.

mod command;
mod needed;
mod secret_file;
mod settle;

pub(super) use command::EndpointsCommand;
