//! Signed webhooks, over as many connections as a busy sender opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use lockstep::clock::{Clock, SystemClock};
use serde_json::json;
use sha2::Sha256;
use tokio::time::MissedTickBehavior;

use crate::figures::Spread;
use crate::marks::Marks;

pub(crate) const SECRET: &str = "whsec_bench";
pub(crate) const API_VERSION: &str = "2026-10-28.endive";

/// Posts at once.
const SENDERS: usize = 64;

/// Events of one type, each about a customer of its own.
#[derive(Clone)]
pub(crate) struct Load {
    client: reqwest::Client,
    /// They take turns.
    hooks: Arc<[String]>,
    kind: &'static str,
    run: u128,
    marks: Arc<Marks>,
}

/// What came of a load.
pub(crate) struct Posted {
    /// From the first post to the last acknowledgement.
    pub(crate) took: Duration,
    /// From each post to its acknowledgement.
    pub(crate) acknowledgement: Spread,
}

impl Load {
    pub(crate) fn new(hooks: &[String], kind: &'static str, marks: &Arc<Marks>) -> Self {
        Self {
            #[expect(clippy::disallowed_methods, reason = "no connection of lockstep's own")]
            client: reqwest::Client::new(),
            hooks: hooks.into(),
            kind,
            run: SystemClock.now().as_nanosecond().unsigned_abs(),
            marks: Arc::clone(marks),
        }
    }

    /// Posts so many events, as fast as they are acknowledged.
    pub(crate) async fn post(&self, events: usize) -> Posted {
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let senders = (0..SENDERS.min(events)).map(|_| {
            let (load, next) = (self.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut took = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= events {
                        return took;
                    }
                    took.push(load.deliver(number).await);
                }
            })
        });
        let mut all = Vec::with_capacity(events);
        for sender in senders.collect::<Vec<_>>() {
            all.extend(sender.await.unwrap());
        }
        Posted { took: begun.elapsed(), acknowledgement: Spread::of(all) }
    }

    /// Posts so many events at a steady rate, whether or not the earlier ones are acknowledged.
    pub(crate) async fn pace(&self, events: usize, each: Duration) -> Posted {
        let mut ticks = tokio::time::interval(each);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let begun = Instant::now();
        let mut posts = Vec::with_capacity(events);
        for number in 0..events {
            ticks.tick().await;
            let load = self.clone();
            posts.push(tokio::spawn(async move { load.deliver(number).await }));
        }
        let mut all = Vec::with_capacity(events);
        for post in posts {
            all.push(post.await.unwrap());
        }
        Posted { took: begun.elapsed(), acknowledgement: Spread::of(all) }
    }

    /// Posts one event until it is taken: a full inbox asks to come back.
    async fn deliver(&self, number: usize) -> Duration {
        let body = body(self.kind, self.run, number);
        let hook = &self.hooks[number % self.hooks.len()];
        let begun = Instant::now();
        loop {
            let request = self.client.post(hook).header("stripe-signature", sign(&body));
            let answer = request.body(body.clone()).send().await.unwrap();
            match answer.status().as_u16() {
                200 => break,
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                other => panic!("{other}: {}", answer.text().await.unwrap()),
            }
        }
        self.marks.acknowledged(number);
        begun.elapsed()
    }
}

/// An event of about 4 kB about a customer of its own.
fn body(kind: &str, run: u128, number: usize) -> String {
    let padding: serde_json::Map<_, _> = (0..40)
        .map(|key| {
            (format!("metadata_key_{key}"), json!("a value of some fifty characters, as people write them"))
        })
        .collect();
    json!({
        "id": format!("evt_{run}_{number}"),
        "object": "event",
        "api_version": API_VERSION,
        "created": 1_793_000_000,
        "livemode": false,
        "type": kind,
        "data": { "object": {
            "id": format!("cus_{run}_{number}"),
            "object": "customer",
            "name": format!("Customer {number}"),
            "email": "somebody@example.com",
            "metadata": padding,
        } },
    })
    .to_string()
}

fn sign(body: &str) -> String {
    let time = SystemClock.now().as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    let signature: String =
        mac.finalize().into_bytes().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("t={time},v1={signature}")
}
