//! A process that is killed while it erases what is old.

use futures_util::stream::{self, StreamExt};
use pretty_assertions::assert_eq;

use super::stop::send;
use crate::world::World;

/// A few times as many as go in one commit.
const EVENTS: u32 = 100;

/// A store in which everything has ended and is sealed, and no process.
async fn after_a_day() -> World {
    let mut world = World::acme().await;
    assert_eq!(send(&world, 0..EVENTS).await.len(), EVENTS as usize);
    world.all_ended().await;
    world
        .until("the audit is sealed", async || {
            let verdict = world.json(&["audit", "verify"]);
            verdict["entries"] == EVENTS && verdict["not_sealed_yet"] == 0
        })
        .await;
    world.kill();
    world
}

/// Erases again and again, killed each time at this point, until it comes to its end; gives how often it died.
async fn erase_dying(point: &str) -> u32 {
    let world = after_a_day().await;
    let purge = ["purge", "--before", "0s"];
    let mut left = u64::from(EVENTS);
    for deaths in 0.. {
        let output = world.command(&purge).env("LOCKSTEP_FAILPOINT", point).output().unwrap();
        // Whatever was under way: an event is whole or gone, and the audit's chain says so of each.
        let verdict = world.json(&["audit", "verify"]);
        let still = world.json(&["purge", "--before", "0s", "--dry-run"])["events"].as_u64().unwrap();
        assert!(still <= left, "{point}: {still} are left, and before it were {left}");
        assert_eq!(verdict["erased_by_retention"], u64::from(EVENTS) - still, "{point}");
        left = still;
        if output.status.success() {
            assert_eq!(left, 0, "{point}");
            return deaths;
        }
        assert_eq!(output.status.code(), None, "{point}: {}", String::from_utf8_lossy(&output.stderr));
    }
    unreachable!("a sweep ends when nothing is left")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_events_are_erased_leaves_each_whole_or_gone() {
    let points = ["before-commit:2", "after-commit:1"];
    let deaths: Vec<u32> = stream::iter(points).map(erase_dying).buffered(2).collect().await;
    assert!(deaths.iter().all(|deaths| *deaths >= 2), "{deaths:?}");
}
