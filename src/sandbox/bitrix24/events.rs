//! Outbound webhooks: form-encoded, without a signature, told once and never again.

use std::fmt::Write;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::sandbox::reply::encode;

/// Events that wait to be sent; beyond this they are lost, as they are when a receiver fails.
const OUTBOX_MAX: usize = 10_000;

/// A receiver that takes longer has missed it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One outbound webhook.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    pub(super) url: String,
    pub(super) token: String,
}

/// Where events go.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) hooks: Vec<Hook>,
    due: mpsc::Sender<(String, String)>,
}

impl Outbox {
    /// An outbox, and the task that empties it.
    pub(super) fn open() -> Result<(Self, impl Future<Output = ()> + Send), reqwest::Error> {
        // Whoever installs a provider first wins; any of them serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        let (due, mut coming) = mpsc::channel::<(String, String)>(OUTBOX_MAX);
        let work = async move {
            while let Some((url, body)) = coming.recv().await {
                let request =
                    client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
                // Whether it is heard is of no interest to it.
                drop(request.send().await);
            }
        };
        Ok((Self { hooks: Vec::new(), due }, work))
    }

    /// Tells everybody that a record came, changed or went.
    pub(super) fn tell(&self, event: &str, id: u64, now: i64) {
        for (number, hook) in self.hooks.iter().enumerate() {
            let body = body(event, id, now, number + 1, &hook.token);
            if self.due.try_send((hook.url.clone(), body)).is_err() {
                tracing::warn!(event, "an event of the simulated portal was lost");
            }
        }
    }
}

fn body(event: &str, id: u64, now: i64, handler: usize, token: &str) -> String {
    let id = id.to_string();
    let (handler, now) = (handler.to_string(), now.to_string());
    let pairs = [
        ("event", event),
        ("event_handler_id", &handler),
        ("data[FIELDS][ID]", &id),
        ("ts", &now),
        ("auth[domain]", "club.bitrix24.example"),
        ("auth[client_endpoint]", "https://club.bitrix24.example/rest/"),
        ("auth[server_endpoint]", "https://oauth.bitrix.example/rest/"),
        ("auth[member_id]", "a223c6b3710f85df22e9377d6c4f7553"),
        ("auth[application_token]", token),
    ];
    pairs.iter().fold(String::new(), |mut body, (name, value)| {
        let and = if body.is_empty() { "" } else { "&" };
        // Writing into a text has no way to fail.
        let _ = write!(body, "{and}{}={}", encode(name), encode(value));
        body
    })
}
