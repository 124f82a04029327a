//! Webhook deliveries: signed as Stripe signs them, sent in the order of the events, tried again when they fail.

use std::fmt::Write;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value as Json;
use sha2::Sha256;
use tokio::sync::mpsc;

use crate::clock::SharedClock;
use crate::value::Value;

/// Waits before the second, third and fourth try. Stripe's test mode spreads three tries over hours; a demo has
/// no hours.
const WAITS: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(3), Duration::from_secs(15)];

/// A receiver that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One event on its way to one endpoint.
#[derive(Debug, Clone)]
pub struct Delivery {
    url: String,
    secret: String,
    event: Json,
    attempt: usize,
}

impl Delivery {
    pub(super) fn new(url: String, secret: String, event: Json) -> Self {
        Self { url, secret, event, attempt: 0 }
    }

    /// Where it goes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The event's id.
    pub fn event_id(&self) -> &str {
        self.event["id"].as_str().unwrap_or_default()
    }

    /// The event's type.
    pub fn event_type(&self) -> &str {
        self.event["type"].as_str().unwrap_or_default()
    }

    /// The event.
    pub fn event(&self) -> Value {
        Value::from(&self.event)
    }
}

/// The header `Stripe-Signature` for a body: HMAC-SHA256 over the time, a dot and the body, with the whole secret.
pub fn sign(secret: &str, unix_seconds: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{unix_seconds}.").as_bytes());
    mac.update(body);
    let mut header = format!("t={unix_seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        // Writing into a text has no way to fail.
        let _ = write!(header, "{byte:02x}");
    }
    header
}

/// Sends deliveries.
#[derive(Debug, Clone)]
pub(super) struct Postman {
    client: reqwest::Client,
    clock: SharedClock,
}

impl Postman {
    pub(super) fn new(clock: SharedClock) -> Result<Self, reqwest::Error> {
        // Whoever installs a provider first wins; any of them serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { client, clock })
    }

    /// Sends one delivery, signed at this moment. The body is pretty-printed, as Stripe's are.
    pub(super) async fn deliver(&self, delivery: &Delivery) -> Result<u16, reqwest::Error> {
        let body = serde_json::to_string_pretty(&delivery.event).unwrap_or_default();
        let signature = sign(&delivery.secret, self.clock.now().as_second(), body.as_bytes());
        let request = self
            .client
            .post(&delivery.url)
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .header("stripe-signature", signature)
            .body(body);
        Ok(request.send().await?.status().as_u16())
    }

    /// Sends what comes until no one can send any more.
    pub(super) async fn work(self, mut due: mpsc::Receiver<Delivery>, again: mpsc::WeakSender<Delivery>) {
        while let Some(mut delivery) = due.recv().await {
            let delivered = self.deliver(&delivery).await.is_ok_and(|status| (200..300).contains(&status));
            let Some(wait) = WAITS.get(delivery.attempt).filter(|_| !delivered) else { continue };
            delivery.attempt += 1;
            let (again, wait) = (again.clone(), *wait);
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                if let Some(again) = again.upgrade() {
                    let _ = again.send(delivery).await;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_stripes() {
        assert_eq!(
            sign("whsec_test_secret", 1_700_000_000, br#"{"id":"evt_test_1","object":"event"}"#),
            "t=1700000000,v1=29ab30b7065c11b28e53ac114fac5d6c492ed811a12d11ed2c2aad5bb4cf9809"
        );
    }
}
