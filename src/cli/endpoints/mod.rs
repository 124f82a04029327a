//! `lockstep endpoints`: where a system sends its events, one endpoint a connection.
//!
//! Begin at `command.rs`. `needed.rs` says which events the pipelines need, `settle.rs` settles one connection, `secret_file.rs` is where a
//! signing secret goes, `no_vault.rs` refuses
//! connections whose tokens would have to be kept.

mod command;
mod needed;
mod no_vault;
mod secret_file;
mod settle;

pub(super) use command::EndpointsCommand;
