//! `lockstep plan`: what changed YAML would write otherwise than what runs now, over recorded events; nothing is written.
//!
//! Each run is carried out twice in memory, with the files that it ran with and with the changed ones, over what is kept of what
//! it has read. Begin reading at [`Plan`]: `base` finds what runs now, `events` what has happened, `told` shows it.

mod base;
mod command;
mod events;
mod told;

pub(super) use command::Plan;
