//! The process is killed at each named point, and at moments that nobody chose, and started again: what it has
//! acknowledged is not lost, and nothing is done twice (invariants 1, 2 and 9).
//!
//! `cargo test --features failpoints --test it kill` is the short version. The long one, with as many deaths as wanted:
//! `LOCKSTEP_KILLS=200 cargo test --features failpoints --test it at_random`; it prints its seed, and
//! `LOCKSTEP_SEED` repeats one.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use lockstep::failpoint::FAILPOINTS;

use super::hits::{Hits, note};
use super::life::{Kill, Plan, Store, live};
use crate::postgres::server::database;

/// Lives that are lived at one time.
const AT_ONCE: usize = 4;

/// More than the runs of one lane and key that are held in memory.
const BUSY_LANE: usize = 40;

/// The points at which it matters which store it is.
const OF_THE_STORE: [&str; 9] = [
    "after-take-up",
    "before-accept",
    "after-accept",
    "before-commit",
    "after-commit",
    "after-renewal",
    "after-intent",
    "after-record",
    "after-polled",
];

/// The points that only processes come to that share a store; and those of them that it takes several for (`trio`).
const OF_SHARING: [&str; 3] = ["after-renewal", "before-hand-over", "after-handed-over"];
const OF_SEVERAL: [&str; 2] = ["before-hand-over", "after-handed-over"];

/// The death at a point, and what has to be going on for it to be met.
fn plan(store: Store, point: &'static str) -> Plan {
    // The first time is the start; the second one, a change of the files.
    let of_files = ["before-kept", "after-kept", "in-reload"].iter().position(|of_files| *of_files == point);
    if let Some(number) = of_files {
        let nth = if number < 2 { 2 } else { 1 };
        return Plan { store, kills: vec![Kill::At(point, nth)], invoices: 6, customers: 10, edit: true };
    }
    let at_start = ["before-take-up", "after-take-up"].contains(&point);
    // Everything is new to the first poll alone.
    let of_polls = [("before-polled", 2), ("after-polled", 2), ("before-report", 1), ("after-report", 1)];
    let nth = of_polls.iter().find(|(of_polls, _)| *of_polls == point).map_or(3, |(_, nth)| *nth);
    // A start takes up what a death in the middle has left.
    let kills =
        if at_start { vec![Kill::Unanswered(20), Kill::At(point, 1)] } else { vec![Kill::At(point, nth)] };
    let in_a_busy_lane = ["before-blocked", "after-refill"].contains(&point);
    let kills = if point == "after-refill" { vec![Kill::At(point, 1)] } else { kills };
    Plan { store, kills, invoices: if in_a_busy_lane { BUSY_LANE } else { 6 }, customers: 10, edit: false }
}

/// Lives all these lives; prints what was hit, and gives that with what went wrong.
async fn lives(of: &str, plans: Vec<Plan>) -> Hits {
    let lives = stream::iter(plans).map(live);
    let ends: Vec<_> = lives.buffer_unordered(AT_ONCE).collect().await;
    let (mut hits, mut wrong) = (Hits::default(), Vec::new());
    for (hit, told) in ends {
        hits += hit;
        wrong.extend(told.err());
    }
    hits.print(of);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    hits
}

/// Dies at each of these points, in a life of its own each.
async fn at_each(points: Vec<&'static str>, of: &str, store: impl Fn() -> Store) {
    let plans: Vec<Plan> = points.iter().map(|point| plan(store(), point)).collect();
    let hits = lives(&format!("{of}, killed at each of {} points; hits", points.len()), plans).await;
    assert_eq!(hits.missing(&points), Vec::<&str>::new(), "points that nobody came to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_named_point_loses_none_and_doubles_none() {
    // Nobody shares an SQLite store.
    let points = FAILPOINTS.iter().copied().filter(|point| !OF_SHARING.contains(point)).collect();
    at_each(points, "SQLite", || Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_on_postgresql_killed_at_any_named_point_loses_none_and_doubles_none() {
    // A start waits until the dead process's claim is over: in the short version only where the stores differ.
    let all = number_of("LOCKSTEP_KILLS").is_some();
    let points = FAILPOINTS.iter().copied().filter(|point| all || OF_THE_STORE.contains(point));
    let points = points.filter(|point| !OF_SEVERAL.contains(point)).collect();
    at_each(points, "PostgreSQL", || Store::Postgres(database())).await;
}

/// Lives of at most ten deaths each: `LOCKSTEP_KILLS` in all.
async fn at_random(of: &str, few: u64, store: impl Fn() -> Store) {
    const OF_ONE_LIFE: u64 = 10;
    let kills = number_of("LOCKSTEP_KILLS").unwrap_or(few);
    let seed = number_of("LOCKSTEP_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut chance = Chance(seed);
    let mut left = kills;
    let mut plans = Vec::new();
    while left > 0 {
        let deaths = left.min(OF_ONE_LIFE);
        left -= deaths;
        let kills = (0..deaths).map(|_| chance.kill()).collect();
        let invoices = if chance.below(3) == 0 { BUSY_LANE } else { 6 };
        plans.push(Plan { store: store(), kills, invoices, customers: 10, edit: chance.below(2) == 0 });
    }
    let began = Instant::now();
    lives(&format!("{of}, killed {kills} times at random, LOCKSTEP_SEED={seed}; hits"), plans).await;
    note(&format!("{of}: {kills} kills in {} s", began.elapsed().as_secs()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_random_moments_loses_none_and_doubles_none() {
    at_random("SQLite", 10, || Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_on_postgresql_killed_at_random_moments_loses_none_and_doubles_none() {
    at_random("PostgreSQL", 2, || Store::Postgres(database())).await;
}

pub(super) fn number_of(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long a test takes, which no configuration can say")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}

/// `SplitMix64`: the same seed, the same deaths.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn kill(&mut self) -> Kill {
        match self.below(3) {
            0 => Kill::After(Duration::from_millis(self.below(800))),
            1 => Kill::Unanswered(1 + self.below(30)),
            _ => {
                let point = usize::try_from(self.below(FAILPOINTS.len() as u64)).unwrap();
                Kill::Perhaps(FAILPOINTS[point], 1 + self.below(12))
            }
        }
    }
}
