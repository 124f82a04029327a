//! Signed webhooks, over as many connections as a busy sender opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use lockstep::clock::{Clock, SystemClock};
use serde_json::json;
use sha2::Sha256;

use crate::subject::Subject;

pub(crate) const SECRET: &str = "whsec_bench";
pub(crate) const API_VERSION: &str = "2026-10-28.endive";

/// Posts at once.
const SENDERS: usize = 64;

pub(crate) struct Load {
    hook: Arc<str>,
    kind: &'static str,
    run: u128,
}

impl Load {
    pub(crate) fn new(subject: &Subject, kind: &'static str) -> Self {
        Self {
            hook: subject.hook.as_str().into(),
            kind,
            run: SystemClock.now().as_nanosecond().unsigned_abs(),
        }
    }

    /// Posts so many events, and tells how long it took until the last one was acknowledged.
    pub(crate) async fn post(&self, events: usize) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "no connection of lockstep's own")]
        let client = reqwest::Client::new();
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let senders = (0..SENDERS.min(events)).map(|_| {
            let (client, hook, next) = (client.clone(), Arc::clone(&self.hook), Arc::clone(&next));
            let (kind, run) = (self.kind, self.run);
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= events {
                        break;
                    }
                    deliver(&client, &hook, &body(kind, run, number)).await;
                }
            })
        });
        for sender in senders.collect::<Vec<_>>() {
            sender.await.unwrap();
        }
        begun.elapsed()
    }
}

/// Posts one event until it is taken: a full inbox asks to come back.
async fn deliver(client: &reqwest::Client, hook: &str, body: &str) {
    loop {
        let signature = sign(body);
        let request = client.post(hook).header("stripe-signature", signature).body(body.to_owned());
        let answer = request.send().await.unwrap();
        match answer.status().as_u16() {
            200 => return,
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
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
