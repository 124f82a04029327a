//! Webhooks of the account's app: lists of events, signed (v3), tried again when they fail.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use sha2::Sha256;
use tokio::sync::mpsc;

use crate::clock::SharedClock;

/// Events that wait to be sent; beyond this they are lost.
const OUTBOX_MAX: usize = 10_000;

/// A receiver that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// HubSpot tries for a day; a demo has no day.
const TRIES: u32 = 5;

/// Between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A subscription of the app.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hook {
    pub(super) url: String,
    /// `contact.creation`, `contact.propertyChange:email`; everything when left out.
    #[serde(default)]
    pub(super) events: Vec<String>,
}

impl Hook {
    fn hears(&self, kind: &str, property: Option<&str>) -> bool {
        let of_property = property.map(|property| format!("{kind}:{property}"));
        let named = |event: &String| *event == kind || Some(event) == of_property.as_ref();
        self.events.is_empty() || self.events.iter().any(named)
    }
}

/// Where events go.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) hooks: Vec<Hook>,
    due: mpsc::Sender<(String, Json)>,
    last_event: u64,
}

impl Outbox {
    /// An outbox, and the task that empties it, signing with `secret`.
    pub(super) fn open(
        secret: String,
        clock: SharedClock,
    ) -> Result<(Self, impl Future<Output = ()> + Send), reqwest::Error> {
        // Whoever installs a provider first wins; any of them serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        let (due, mut coming) = mpsc::channel::<(String, Json)>(OUTBOX_MAX);
        let work = async move {
            while let Some((url, event)) = coming.recv().await {
                for attempt in 0..TRIES {
                    if deliver(&client, &secret, &clock, &url, &event, attempt).await {
                        break;
                    }
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        };
        Ok((Self { hooks: Vec::new(), due, last_event: 0 }, work))
    }

    /// Tells everybody what happened to a record.
    pub(super) fn tell(
        &mut self,
        label: &str,
        what: &str,
        id: u64,
        change: Option<(&str, &str)>,
        now: Timestamp,
    ) {
        let kind = format!("{}.{what}", label.to_lowercase());
        for hook in self.hooks.iter().filter(|hook| hook.hears(&kind, change.map(|(property, _)| property))) {
            self.last_event += 1;
            let mut event = json!({
                "eventId": self.last_event,
                "subscriptionId": 25,
                "portalId": 33,
                "appId": 1_160_452,
                "occurredAt": now.as_millisecond(),
                "subscriptionType": kind,
                "objectId": id,
                "changeSource": "CRM_UI",
                "sourceId": "userId:4711",
            });
            if let Some((property, value)) = change {
                event["propertyName"] = json!(property);
                event["propertyValue"] = json!(value);
            }
            if self.due.try_send((hook.url.clone(), event)).is_err() {
                tracing::warn!(what, "an event of the simulated account was lost");
            }
        }
    }
}

/// One delivery; false when it has to be tried again.
async fn deliver(
    client: &reqwest::Client,
    secret: &str,
    clock: &SharedClock,
    url: &str,
    event: &Json,
    attempt: u32,
) -> bool {
    let mut event = event.clone();
    event["attemptNumber"] = json!(attempt);
    let body = Json::Array(vec![event]).to_string();
    let time = clock.now().as_millisecond().to_string();
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("x-hubspot-request-timestamp", &time)
        .header("x-hubspot-signature-v3", sign(secret, url, &body, &time))
        .body(body);
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}

/// The header `X-HubSpot-Signature-v3` of a POST.
pub(super) fn sign(secret: &str, url: &str, body: &str, time: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    for part in ["POST", url, body, time] {
        mac.update(part.as_bytes());
    }
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_covers_method_address_body_and_time() {
        let signed = |url: &str, body: &str, time: &str| sign("secret", url, body, time);
        let one = signed("https://a.example/h", "[]", "1");
        assert_eq!(one.len(), 44);
        for other in [
            signed("https://b.example/h", "[]", "1"),
            signed("https://a.example/h", "[{}]", "1"),
            signed("https://a.example/h", "[]", "2"),
        ] {
            assert_ne!(one, other);
        }
    }
}
