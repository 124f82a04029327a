//! Many worlds, each from its seed; and worlds with something broken in them, which must be seen.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::store::Sabotage;
use super::world::live;

/// Worlds in a normal run.
const SEEDS: u64 = 30;

/// Something broken on purpose is looked for in so many: the first in which it is seen is enough, and two runs that want one
/// identity at one moment are rare.
const SABOTAGED: u64 = 300;

/// A number of the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?.into_string().unwrap();
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is to be a number")))
}

/// Lives these worlds on all cores; the first seeds that fail, with what they saw.
fn failing(seeds: std::ops::Range<u64>, sabotage: Sabotage, enough: usize) -> Vec<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || failed.lock().unwrap().len() >= enough {
                break;
            }
            if let Err(violation) = live(seed, sabotage) {
                failed.lock().unwrap().push((seed, violation));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    failed
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order_in_any_world() {
    let seeds = match number("LOCKSTEP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LOCKSTEP_SEEDS").unwrap_or(SEEDS),
    };
    let failed = failing(seeds, Sabotage::None, 3);
    let told: Vec<String> =
        failed.iter().map(|(seed, what)| format!("LOCKSTEP_SEED={seed}: {what}")).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn what_is_broken_on_purpose_is_seen_and_seen_again_with_its_seed() {
    for (sabotage, expected) in [
        (Sabotage::GrantsEverything, ["invariant 2", "records are"]),
        (Sabotage::ForgetsOutcomes, ["invariant 2", "invariant 2"]),
        (Sabotage::AcknowledgesTooEarly, ["invariant 1", "invariant 9"]),
        (Sabotage::ForgetsOrder, ["invariant 3", "its newest"]),
        (Sabotage::ForgetsApplied, ["its newest", "its newest"]),
    ] {
        let failed = failing(0..SABOTAGED, sabotage, 1);
        let [(seed, violation), ..] = failed.as_slice() else {
            panic!("{sabotage:?} is not seen in {SABOTAGED} worlds");
        };
        assert!(expected.iter().any(|words| violation.contains(words)), "{sabotage:?}: {violation}");
        assert_eq!(live(*seed, sabotage), Err(violation.clone()), "seed {seed} replays");
    }
}
