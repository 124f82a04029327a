//! The simulator of Slack's incoming webhooks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::clock::SharedClock;
use crate::sandbox::calls::{Call, Counts};
use crate::sandbox::faults::Faults;
use crate::sandbox::reply::{Reply, Request};
use crate::sandbox::server::{Bound, Server, Simulator};
use crate::sandbox::world::SandboxError;
use crate::value::Value;

/// The secret path of the one webhook that exists.
const HOOK: &str = "/services/T0000SANDBOX/B0000SANDBOX/XXXXXXXXXXXXXXXXXXXXXXXX";

/// Longer texts are refused.
const TEXT_MAX: usize = 40_000;

/// More blocks are refused.
const BLOCKS_MAX: usize = 50;

/// Messages beyond this are taken but the oldest ones forgotten.
const MESSAGES_MAX: usize = 10_000;

/// A message that was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The plain text, which is also the notification's.
    pub text: String,
    /// The whole payload.
    pub payload: Value,
}

/// The Slack simulator.
#[derive(Debug)]
pub struct Slack {
    server: Server,
    channel: Arc<Channel>,
}

impl Slack {
    pub(in crate::sandbox) async fn start(port: u16, clock: SharedClock) -> Result<Self, SandboxError> {
        let bound = Bound::to(port).await.map_err(|source| SandboxError::Listen {
            simulator: "Slack",
            port,
            source,
        })?;
        let channel = Arc::new(Channel::default());
        Ok(Self { server: bound.serve(Arc::clone(&channel) as Arc<dyn Simulator>, clock), channel })
    }

    /// The base URL, without the webhook's secret path.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The webhook's URL, which is its secret.
    pub fn webhook_url(&self) -> String {
        format!("{}{HOOK}", self.server.url())
    }

    /// What goes wrong on demand.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// The requests so far, newest last.
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls.all()
    }

    /// The messages so far, newest last.
    pub fn messages(&self) -> Vec<Message> {
        self.channel.state().messages.clone()
    }

    /// What was changed so far.
    pub fn counts(&self) -> Counts {
        self.channel.counts()
    }

    /// From now on the webhook is answered as a revoked one (404 `no_service`) until it is given back.
    pub fn revoke(&self, revoked: bool) {
        self.channel.state().revoked = revoked;
    }
}

#[derive(Debug, Default)]
struct Channel(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: Vec<Message>,
    taken: u64,
    revoked: bool,
}

impl Channel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, request: &Request) -> Result<(), (u16, &'static str)> {
        let mut state = self.state();
        if state.revoked || request.path != HOOK {
            return Err((404, "no_service"));
        }
        if request.method != axum::http::Method::POST {
            return Err((400, "invalid_payload"));
        }
        let payload = payload(request).filter(Json::is_object).ok_or((400, "invalid_payload"))?;
        let text = payload["text"].as_str().unwrap_or_default();
        let blocks = payload["blocks"].as_array().map_or(0, Vec::len);
        if text.is_empty() && blocks == 0 && payload["attachments"].as_array().is_none_or(Vec::is_empty) {
            return Err((400, "no_text"));
        }
        if text.chars().count() > TEXT_MAX || blocks > BLOCKS_MAX {
            return Err((400, "invalid_payload"));
        }
        if state.messages.len() == MESSAGES_MAX {
            state.messages.remove(0);
        }
        let text = text.to_owned();
        state.messages.push(Message { text, payload: Value::from(&payload) });
        state.taken += 1;
        Ok(())
    }
}

/// JSON as the body, or in a form's field `payload`, as old integrations send it.
fn payload(request: &Request) -> Option<Json> {
    serde_json::from_slice(&request.body).ok().or_else(|| {
        let text = std::str::from_utf8(&request.body).ok()?;
        let (_, payload) =
            crate::sandbox::reply::pairs(text).into_iter().find(|(key, _)| key == "payload")?;
        serde_json::from_str(&payload).ok()
    })
}

impl Simulator for Channel {
    fn answer(&self, request: &Request) -> Reply {
        match self.post(request) {
            // Slack calls it HTML whatever it is.
            Ok(()) => Reply::of(200, "text/html", "ok".to_owned()),
            Err((status, word)) => Reply::of(status, "text/html", word.to_owned()),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        let word = match status {
            403 => "action_prohibited",
            404 => "no_service",
            410 => "channel_is_archived",
            429 => "rate_limited",
            500.. => "rollup_error",
            _ => "invalid_payload",
        };
        Reply::text(status, word)
    }

    fn records(&self) -> Json {
        let messages = self.state().messages.iter().map(|message| json!(message.payload)).collect::<Vec<_>>();
        json!({ "messages": messages })
    }

    fn counts(&self) -> Counts {
        let taken = self.state().taken;
        Counts { writes: taken, creates: IndexMap::from([("message".to_owned(), taken)]) }
    }
}
