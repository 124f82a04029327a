//! A clock that is set while lockstep runs: a day ahead, and back again.

use std::fs;

use lockstep::sandbox::stripe::sign;
use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use super::shim;
use super::stop::charges;
use crate::world::{SECRET, World, charge, now};

const DAY: i64 = 86_400;

/// A process whose clock can be set.
struct Set {
    world: World,
    folder: TempDir,
}

impl Set {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let library = shim::compile(folder.path());
        let mut set = Self { world: World::at_rest().await, folder };
        set.clock(0);
        let clock = set.folder.path().join("clock");
        let environment =
            [("LD_PRELOAD", library.to_str().unwrap()), ("SHIM_CLOCK", clock.to_str().unwrap())];
        set.world.start(&environment);
        set
    }

    /// Lets its clock go wrong by so many seconds.
    fn clock(&self, wrong_by: i64) {
        // In place: the process looks at this very file.
        use std::io::Write;
        let clock = self.folder.path().join("clock");
        let mut file = fs::File::options().create(true).truncate(false).write(true).open(clock).unwrap();
        file.write_all(&wrong_by.to_ne_bytes()).unwrap();
    }

    /// Delivers an event that was signed by a clock that is wrong by so many seconds.
    async fn deliver(&self, event: &Value, wrong_by: i64) -> StatusCode {
        let body = event.to_string();
        let signature = sign(SECRET, now() + wrong_by, body.as_bytes());
        self.world.post(body, &signature).await.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_and_doubles_nothing() {
    let set = Set::start().await;
    let mut number = 0;
    for wrong_by in [0, DAY, 0, -DAY, 0] {
        set.clock(wrong_by);
        for _ in 0..10 {
            let event = charge("charge.succeeded", number);
            assert_eq!(
                set.deliver(&event, wrong_by).await,
                StatusCode::OK,
                "the clock is {wrong_by} s wrong"
            );
            number += 1;
        }
    }
    set.world.all_ended().await;
    let mut expected: Vec<String> = (0..number).map(|number| format!("ch_{number}")).collect();
    expected.sort_unstable();
    assert_eq!(charges(&set.world), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_too_old_by_the_clock_is_refused_and_leaves_nothing() {
    let set = Set::start().await;
    set.clock(DAY);
    assert_eq!(set.deliver(&charge("charge.succeeded", 1), 0).await, StatusCode::BAD_REQUEST);
    assert_eq!(set.world.json(&["events", "list"])["events"], serde_json::json!([]));
    // The sender comes again, and by then the clock is right.
    set.clock(0);
    assert_eq!(set.deliver(&charge("charge.succeeded", 1), 0).await, StatusCode::OK);
}
