//! Triggers that poll, through the binary and real HTTP: what a system lists, and the events that nobody posted.

mod bulk;
mod changed;
mod erased;
mod events;
mod listing;
mod rehearsed;
mod store;
mod world;
