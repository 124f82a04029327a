//! What a run is executed with: its input, the world it acts on, and who watches.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::journal::Journal;
use super::observe::Observer;
use super::spent::Spent;
use crate::clock::Clock;
use crate::connector::Gateway;
use crate::value::Value;

/// One execution of a run: the same in every attempt, but for `attempt`.
#[derive(Debug, Clone)]
pub struct RunInput {
    /// The run's id. Idempotency keys are derived from it.
    pub id: Arc<str>,
    /// Which attempt this is, from 1. A wait for a throttled or paused connection uses up none.
    pub attempt: u32,
    /// What steps with rules of their own have used up in earlier attempts.
    pub spent: Spent,
    /// True when an earlier execution may have done more than the journal tells: it was cut off, or an answer was lost.
    pub resumed: bool,
    /// When the run began: the life of idempotency keys counts from here.
    pub began: Timestamp,
    /// What `now` and `today()` give: frozen for the run, the same in every attempt.
    pub now: Timestamp,
    /// What happened.
    pub event: Arc<EventInput>,
}

/// What happened, as the trigger tells it.
#[derive(Debug, Clone, Default)]
pub struct EventInput {
    /// The whole event as it came: `event` in expressions.
    pub envelope: Value,
    /// What the event is about: `object`.
    pub object: Value,
    /// The old values of the changed keys: `previous`; nothing on a first sight.
    pub previous: Value,
    /// How it came here: `webhook`, `replay`, ...; `event.source`.
    pub source: Arc<str>,
}

/// What of a client its runs need.
#[derive(Debug, Clone)]
pub struct ClientFacts {
    /// The client's name.
    pub name: Arc<str>,
    /// The zone of its dates.
    pub zone: TimeZone,
    /// Its variables: a map.
    pub vars: Value,
}

/// What a run acts on.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The way to the systems.
    pub gateway: &'a dyn Gateway,
    /// What this run has done.
    pub journal: &'a dyn Journal,
    /// The real time, to tell whether an idempotency key still holds.
    pub clock: &'a dyn Clock,
    /// The client.
    pub client: &'a ClientFacts,
    /// Who watches, if anybody does.
    pub observer: Option<&'a dyn Observer>,
}
