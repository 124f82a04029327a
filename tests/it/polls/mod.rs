//! Triggers that poll, through the binary and real HTTP: what a system lists, and the events that nobody posted.

mod listing;
mod world;
