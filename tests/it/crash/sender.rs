//! Somebody who sends webhooks: signed, some twice, and again whatever was not acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use lockstep::sandbox::stripe::sign;

use super::crm::Crm;
use super::project::{Event, SECRET};
use crate::world::now;

/// How far the sender may be ahead of what the CRM has seen: load, and no backlog without end.
const AHEAD: usize = 12;

/// How many deliveries are under way at once.
const AT_ONCE: usize = 8;

/// Sends to whoever listens, until it is told that it was enough.
#[derive(Clone)]
pub(super) struct Sender {
    http: reqwest::Client,
    /// Where it sends to, while somebody listens.
    hook: Arc<Mutex<Option<String>>>,
    enough: Arc<AtomicBool>,
}

impl Sender {
    pub(super) fn new() -> Self {
        Self { http: http(), hook: Arc::default(), enough: Arc::default() }
    }

    /// Sends there from now on.
    pub(super) fn send_to(&self, hook: Option<String>) {
        *self.hook.lock().unwrap() = hook;
    }

    /// No new events from now on; what is not acknowledged is still sent again.
    pub(super) fn enough(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Sends `invoices` at once and `customers` after them, then more customers until it was enough. Gives what was
    /// acknowledged, which is everything.
    pub(super) async fn send(self, crm: Crm, invoices: usize, customers: usize) -> Vec<Event> {
        let burst = stream::iter((0..invoices).map(Event::Invoice));
        let rest = stream::unfold(0, |number| {
            let (sender, crm) = (self.clone(), crm.clone());
            async move {
                if number >= customers && sender.enough.load(Ordering::Relaxed) {
                    return None;
                }
                crm.keeps_up(number, AHEAD).await;
                Some((Event::Customer(number), number + 1))
            }
        });
        let all = burst.chain(rest).map(|event| {
            let sender = self.clone();
            async move {
                sender.deliver(event).await;
                event
            }
        });
        all.buffer_unordered(AT_ONCE).collect().await
    }

    /// Delivers until it is acknowledged; every fifth event is sent twice at a time, and once more afterwards.
    async fn deliver(&self, event: Event) {
        let body = event.body(now());
        let (Event::Customer(number) | Event::Invoice(number)) = event;
        let often = number % 5 == 0;
        loop {
            let acknowledged = if often {
                let (first, second) = tokio::join!(self.post(&body), self.post(&body));
                first || second
            } else {
                self.post(&body).await
            };
            if acknowledged {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if often {
            self.post(&body).await;
        }
    }

    async fn post(&self, body: &str) -> bool {
        let hook = self.hook.lock().unwrap().clone();
        let Some(hook) = hook else { return false };
        let signature = sign(SECRET, now(), body.as_bytes());
        let request = self.http.post(hook).header("stripe-signature", signature).body(body.to_owned());
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }
}

/// A client for whatever a test asks for.
pub(super) fn http() -> reqwest::Client {
    // Somebody else may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}
