//! What is lost or doubled when the process, its machine, its disk or its clock fails: nothing.
//!
//! The binary runs as it is, as a process under load; a counting CRM in this process (`crm`) outlives its deaths. A
//! `life` is one store with many processes after and beside each other, each killed in its own way; at its end `truth`
//! holds what senders were told, what the store and its audit say, and what the CRM counted against each other.
//!
//! `kill`: SIGKILL at each named point and at moments that nobody chose. `trio`: of three processes that share a store, one
//! after another. `stop`: asked to stop, and killed in the middle
//! of a thousand events. `sweep`: in the middle of erasing what is old. `power`: all that was not synced is gone. `disk`: full, read-only, damaged. `clock`: set ahead
//! and back. `database`: it goes away and comes back.

mod clock;
#[cfg(feature = "failpoints")]
mod crm;
mod database;
mod disk;
#[cfg(feature = "failpoints")]
mod hits;
#[cfg(feature = "failpoints")]
mod kill;
#[cfg(feature = "failpoints")]
mod life;
#[cfg(feature = "failpoints")]
mod power;
#[cfg(feature = "failpoints")]
mod process;
#[cfg(feature = "failpoints")]
mod project;
#[cfg(feature = "failpoints")]
mod sender;
mod shim;
mod stop;
#[cfg(feature = "failpoints")]
mod sweep;
#[cfg(feature = "failpoints")]
mod trio;
#[cfg(feature = "failpoints")]
mod truth;
