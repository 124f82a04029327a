//! What processes that carry out the runs of one store have to do with each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use super::error::StoreError;
use super::parts::{Part, Parts};

/// A store whose runs several processes carry out. Each lane and key belongs to a partition, and each partition to one
/// process at most: what that one reads as due is its own, and what it writes about runs is refused
/// ([`StoreError::Fenced`]) from the moment on at which another one may have taken over.
pub trait Sharing: Send + Sync {
    /// The partition of a lane and key.
    fn part(&self, client: &str, lane: &str, key: &str) -> Part;

    /// What this process has, as it changes.
    fn tenure(&self) -> watch::Receiver<Tenure>;

    /// Gives partitions to whoever wants them. Nothing of them may be under way here any more.
    /// Tells how many runs of each client stand in the store as held and as blocked that are not this process's now.
    fn hand_over(&self, parts: Parts) -> BoxFuture<'static, Result<HandedOver, StoreError>>;

    /// This process was taken for dead, and has dropped everything that it held under the tenure with this number: it
    /// takes part again. What was handed over for the store before this is refused.
    fn begin_again(&self, number: u64) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Claims nothing any more: all that this process has is to be handed over.
    fn retire(&self);

    /// Tells whoever has these partitions that there is something new in them. It may be missing: they look around by
    /// themselves too.
    fn nudge(&self, parts: Parts);

    /// The processes that live.
    fn replicas(&self) -> BoxFuture<'_, Result<Vec<Replica>, StoreError>>;

    /// Wins the right to try whether a paused connection is back, which was to be tried at `due`; until `until` nobody
    /// else does. False: somebody has won it before, or the connection is not paused any more.
    fn win_try<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        due: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Takes turns out of a pace that all processes share.
    fn take_turns<'a>(&'a self, asked: TurnsAsked<'a>) -> BoxFuture<'a, Result<Turns, StoreError>>;

    /// Nobody calls over a shared pace before so much time has passed.
    fn hold_back<'a>(&'a self, pace: PaceName<'a>, wait: Duration) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The paces over which nobody calls now, and for how long.
    fn held_back(&self) -> BoxFuture<'_, Result<Vec<HeldBack>, StoreError>>;
}

/// What a process has of the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tenure {
    /// Which time this process takes part; another time after it was taken for dead.
    pub number: u64,
    /// True when it was taken for dead: what it had is another's.
    pub lost: bool,
    /// Its partitions.
    pub parts: Parts,
    /// Those among them that it has too many: to be handed over when nothing of them is under way.
    pub leaving: Parts,
    /// How many processes carry runs out, this one included.
    pub workers: u32,
    /// True when no other process takes events in: nothing comes into the store that this one does not know of.
    pub alone: bool,
    /// Counts how often others have told that there is something new.
    pub nudges: u64,
}

/// What a process begins to carry out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenUp {
    /// These partitions of the work.
    pub parts: Parts,
    /// Held runs in them, by client.
    pub held: BTreeMap<Arc<str>, u64>,
}

/// Held and blocked runs, by client, of partitions that were handed over.
pub type HandedOver = BTreeMap<Arc<str>, (u64, u64)>;

/// What a process of `lockstep run` does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// It takes events in and carries runs out.
    #[default]
    All,
    /// It takes events in.
    Ingest,
    /// It carries runs out.
    Worker,
}

impl Role {
    /// The word of flags, columns and listings.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Ingest => "ingest",
            Self::Worker => "worker",
        }
    }

    /// True when it takes events in.
    pub fn ingests(self) -> bool {
        self != Self::Worker
    }

    /// True when it carries runs out.
    pub fn works(self) -> bool {
        self != Self::Ingest
    }
}

/// A process that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Names it.
    pub id: Arc<str>,
    /// True when it is this one.
    pub own: bool,
    /// What it does.
    pub role: Arc<str>,
    /// Since when, by the database's clock.
    pub since: Timestamp,
    /// How many partitions it has.
    pub partitions: u64,
}

/// Names what is paced: a connection, or one of its operations with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceName<'a> {
    /// The client.
    pub client: &'a str,
    /// The connection.
    pub connection: &'a str,
    /// The operation; empty for the connection as a whole.
    pub operation: &'a str,
}

/// A pace over which nobody calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The client.
    pub client: Arc<str>,
    /// The connection.
    pub connection: Arc<str>,
    /// The operation; empty for the connection as a whole.
    pub operation: Arc<str>,
    /// For how long.
    pub wait: Duration,
}

/// A rate that calls keep: this many at once, then one in each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// How much time one call takes up.
    pub interval: Duration,
    /// How much may be taken up ahead of time.
    pub burst: Duration,
}

/// A wish for turns.
#[derive(Debug, Clone, Copy)]
pub struct TurnsAsked<'a> {
    /// Of what.
    pub pace: PaceName<'a>,
    /// Its rates, all of which hold.
    pub buckets: &'a [Bucket],
    /// How many, at most.
    pub count: usize,
    /// Turns that are further off are not taken.
    pub patience: Duration,
}

/// Turns that were taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns {
    /// How long each has to wait from now on, the next one first.
    pub waits: Vec<Duration>,
    /// When there is none: how far off the next one is.
    pub next: Duration,
}
