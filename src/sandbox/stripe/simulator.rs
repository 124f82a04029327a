//! The simulated account behind HTTP: credentials, version, idempotency; and the handle that tests and the demo hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::delivery::{Delivery, Postman};
use super::error::{Answer, ApiError};
use super::params::Params;
use super::state::{Cause, State};
use super::stories::{self, Person, Played, Story};
use super::{endpoints, expand, form, idempotency, router};
use crate::catalog::{Catalog, lay_over};
use crate::clock::SharedClock;
use crate::sandbox::calls::{Call, Counts};
use crate::sandbox::control;
use crate::sandbox::faults::{Fault, Faults};
use crate::sandbox::reply::{Reply, Request, pairs};
use crate::sandbox::server::{Bound, Server, Simulator};
use crate::sandbox::world::SandboxError;
use crate::value::Value;

/// Deliveries that wait to be sent; beyond this the newest are dropped, with a warning.
const OUTBOX_MAX: usize = 20_000;

/// What the Stripe simulator is started with.
#[derive(Debug, Clone)]
pub struct StripeOptions {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The one key that is accepted.
    pub api_key: String,
}

impl Default for StripeOptions {
    fn default() -> Self {
        Self { port: 0, api_key: "sk_test_sandbox".to_owned() }
    }
}

/// The Stripe simulator.
#[derive(Debug)]
pub struct Stripe {
    server: Server,
    account: Arc<Account>,
    postman: Postman,
    postman_task: tokio::task::JoinHandle<()>,
}

impl Drop for Stripe {
    fn drop(&mut self) {
        self.postman_task.abort();
    }
}

impl Stripe {
    pub(in crate::sandbox) async fn start(
        options: StripeOptions,
        clock: SharedClock,
    ) -> Result<Self, SandboxError> {
        let port = options.port;
        let bound = Bound::to(port).await.map_err(|source| SandboxError::Listen {
            simulator: "Stripe",
            port,
            source,
        })?;
        let postman = Postman::new(Arc::clone(&clock))?;
        let (outbox, due) = mpsc::channel(OUTBOX_MAX);
        let postman_task = tokio::spawn(postman.clone().work(due, outbox.downgrade()));
        let account = Arc::new(Account {
            state: Mutex::new(State::new(Arc::clone(&clock))),
            api_key: options.api_key,
            outbox,
            rules: Mutex::new(Rules::default()),
        });
        Ok(Self {
            server: bound.serve(Arc::clone(&account) as Arc<dyn Simulator>, clock),
            account,
            postman,
            postman_task,
        })
    }

    /// The base URL, without `/v1`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The key that is accepted.
    pub fn api_key(&self) -> &str {
        &self.account.api_key
    }

    /// What goes wrong on demand.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// The requests so far, newest last.
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls.all()
    }

    /// What was changed so far.
    pub fn counts(&self) -> Counts {
        self.account.counts()
    }

    /// The objects of a kind (`customer`, `invoice`, `event`), oldest first.
    pub fn records(&self, kind: &str) -> Vec<Value> {
        self.account.state().all(kind).map(Value::from).collect()
    }

    /// Registers a webhook endpoint for all events; gives its secret.
    pub fn register_webhook(&self, url: &str) -> Result<String, StripeError> {
        let endpoint = self.account.act(|state| endpoints::register(state, url))?;
        Ok(endpoint["secret"].as_str().unwrap_or_default().to_owned())
    }

    /// Keeps deliveries back: [`Stripe::held`] then gives them to be delivered in any order, twice, or never.
    pub fn hold_deliveries(&self, hold: bool) {
        self.account.rules().hold = hold;
        self.account.flush(&mut self.account.state());
    }

    /// Takes the deliveries that were kept back, in the order of their events.
    pub fn held(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.account.state().due)
    }

    /// Delivers now, signed at this moment; gives the receiver's status.
    pub async fn deliver(&self, delivery: &Delivery) -> Result<u16, StripeError> {
        Ok(self.postman.deliver(delivery).await?)
    }

    /// Signs any event with a secret and sends it to a URL: other API versions, duplicates, old events.
    pub async fn send(&self, event: &Value, url: &str, secret: &str) -> Result<u16, StripeError> {
        let event = serde_json::to_value(event).unwrap_or(Json::Null);
        self.deliver(&Delivery::new(url.to_owned(), secret.to_owned(), event)).await
    }

    /// A whole event of this type with `given` laid over it, as pipeline tests do it; its id is new and it happens
    /// now. `None` when Stripe has no such type.
    pub fn event(&self, event_type: &str, given: &Value) -> Option<Value> {
        let sample = Catalog::newest().sample(event_type)?;
        let mut state = self.account.state();
        let envelope =
            Value::map([("id", Value::from(state.id("evt"))), ("created", Value::from(state.now()))]);
        Some(lay_over(&lay_over(&sample, &envelope), given))
    }

    /// Plays a story of a customer through the account's own calls; its webhooks are delivered.
    pub fn play(&self, story: Story, person: &Person) -> Result<Played, StripeError> {
        Ok(self.account.act(|state| stories::play(state, story, person))?)
    }

    /// Carries out a call of the API as somebody does who works in the account's dashboard: `path` is what follows `/v1/`,
    /// `form` what stands in the query or the body. Gives the answer.
    pub fn ask(&self, method: &str, path: &str, form: &str) -> Result<Value, StripeError> {
        let answer = self.account.act(|state| stories::ask(state, method, path, form))?;
        Ok(Value::from(&answer))
    }

    /// Search knows of a change only after this time.
    pub fn search_lag(&self, lag: Duration) {
        self.account.state().search_lag = i64::try_from(lag.as_secs()).unwrap_or(i64::MAX);
    }

    /// More requests within one second are answered 429; `None` takes the limit away.
    pub fn rate_limit(&self, per_second: Option<u32>) {
        self.account.rules().per_second = per_second;
    }

    /// The answer to a write that met another one on the same object: 429, but no rate limit.
    pub fn lock_timeout() -> Fault {
        Fault::answer(429)
            .json(Value::from_json(ApiError::lock_timeout().reply().body.as_bytes()).unwrap_or_default())
    }
}

/// Why something that was asked of the simulator itself did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// The simulated API refused it.
    #[error("the simulated API refused: {0}")]
    Refused(String),
    /// A webhook did not reach its receiver.
    #[error("the webhook could not be sent")]
    Send(#[from] reqwest::Error),
}

impl From<ApiError> for StripeError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error.reply().body)
    }
}

#[derive(Debug)]
struct Account {
    state: Mutex<State>,
    api_key: String,
    outbox: mpsc::Sender<Delivery>,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    hold: bool,
    per_second: Option<u32>,
    /// The current second, and the requests in it.
    second: (i64, u32),
}

impl Account {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the account that no request asked for.
    fn act<T>(&self, act: impl FnOnce(&mut State) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut state = self.state();
        state.cause = Cause::default();
        let done = act(&mut state);
        self.flush(&mut state);
        done
    }

    /// Hands over what is due, unless it is kept back.
    fn flush(&self, state: &mut State) {
        if self.rules().hold {
            return;
        }
        for delivery in state.due.drain(..) {
            if self.outbox.try_send(delivery).is_err() {
                tracing::warn!("simulated webhooks are dropped: the receiver is too slow");
            }
        }
    }

    fn authorize(&self, request: &Request) -> Result<(), ApiError> {
        let given = request.header("authorization").and_then(|header| match header.split_once(' ') {
            Some(("Bearer", key)) => Some(key.to_owned()),
            Some(("Basic", pair)) => {
                let pair = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, pair).ok()?;
                Some(String::from_utf8(pair).ok()?.split(':').next().unwrap_or_default().to_owned())
            }
            _ => None,
        });
        match given {
            Some(key) if key == self.api_key => Ok(()),
            Some(key) => {
                let shown = key.get(key.len().saturating_sub(4)..).unwrap_or_default();
                let message = format!("Invalid API Key provided: sk_test_****{shown}");
                Err(ApiError::invalid(message).status(401))
            }
            None => Err(ApiError::invalid(
                "You did not provide an API key. You need to provide your API key in the Authorization header.",
            )
            .status(401)),
        }
    }

    fn within_rate(&self, now: i64) -> Result<(), Reply> {
        let mut rules = self.rules();
        let Some(limit) = rules.per_second else { return Ok(()) };
        let (second, count) = rules.second;
        rules.second = if second == now { (now, count + 1) } else { (now, 1) };
        if rules.second.1 <= limit {
            return Ok(());
        }
        Err(ApiError::of_status(429).reply().header("stripe-rate-limited-reason", "global-rate"))
    }
}

/// Reads a request's parameters and carries it out.
fn call(state: &mut State, request: &Request) -> Answer {
    let text = if request.method == axum::http::Method::POST {
        String::from_utf8_lossy(&request.body).into_owned()
    } else {
        request.query.clone()
    };
    let params = Params::new(form::tree(pairs(&text))?);
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let mut answer = router::call(state, request.method.as_str(), &path, &params)?;
    expand::expand(state, &mut answer, &params.texts("expand"))?;
    Ok(answer)
}

/// What makes two requests with one key the same: in whatever order their parameters stand.
fn fingerprint(request: &Request) -> String {
    let mut pairs = pairs(&String::from_utf8_lossy(&request.body));
    pairs.sort();
    format!("{} {} {pairs:?}", request.method, request.path)
}

/// `2026-10-28.endive`, or a plain date.
fn is_version(text: &str) -> bool {
    let (date, train) = text.split_once('.').unwrap_or((text, "train"));
    date.parse::<jiff::civil::Date>().is_ok()
        && !train.is_empty()
        && train.bytes().all(|byte| byte.is_ascii_lowercase())
}

impl Simulator for Account {
    fn admit(&self, request: &Request) -> Result<(), Reply> {
        let mut state = self.state();
        let now = state.now();
        self.authorize(request).map_err(ApiError::reply)?;
        self.within_rate(now)?;
        match idempotency::key(request) {
            Some(key) => state.keys.begin(key, &fingerprint(request), now),
            None => Ok(()),
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut state = self.state();
        let id = state.id("req");
        let key = idempotency::key(request);
        state.cause = Cause { request: Some(id.clone()), idempotency_key: key.map(str::to_owned) };
        let version = request.header("stripe-version").unwrap_or(Catalog::newest().api_version());
        let answer = if is_version(version) {
            call(&mut state, request)
        } else {
            Err(ApiError::invalid(format!("Invalid Stripe API version: {version}")))
        };
        let executed = answer.as_ref().map_or_else(ApiError::executed, |_| true);
        let mut reply = match answer {
            Ok(answer) => Reply::json(200, &answer),
            Err(error) => error.reply(),
        };
        reply = reply.header("request-id", id).header("stripe-version", version);
        if let Some(key) = key {
            reply = reply.header("idempotency-key", key);
            if executed {
                let now = state.now();
                state.keys.keep(key, fingerprint(request), reply.clone(), now);
            }
        }
        self.flush(&mut state);
        reply
    }

    fn settle(&self, request: &Request, told: Option<&Reply>) {
        let Some(key) = idempotency::key(request) else { return };
        let mut state = self.state();
        state.keys.end(key);
        // A 500 is a result like any other: the key gives it again.
        if let Some(reply) = told.filter(|reply| reply.status == 500) {
            let now = state.now();
            state.keys.keep(key, fingerprint(request), reply.clone(), now);
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        let id = self.state().id("req");
        ApiError::of_status(status).reply().header("request-id", id)
    }

    fn records(&self) -> Json {
        self.state().everything()
    }

    fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// `POST /_sandbox/play` with a story and a person, `POST /_sandbox/webhook` with a URL.
    fn control(&self, request: &Request) -> Option<Reply> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Play {
            story: Story,
            #[serde(flatten)]
            person: Person,
        }
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Hook {
            url: String,
        }
        let mut answer = Ok(Json::Null);
        let read = match request.path.as_str() {
            "/_sandbox/play" => control::read(request, |play: Play| {
                answer = self
                    .act(|state| stories::play(state, play.story, &play.person))
                    .map(|played| json!(played));
            }),
            "/_sandbox/webhook" => control::read(request, |hook: Hook| {
                answer = self.act(|state| endpoints::register(state, &hook.url));
            }),
            _ => return None,
        };
        if !read.is_ok() {
            return Some(read);
        }
        Some(answer.map_or_else(ApiError::reply, |answer| Reply::json(200, &answer)))
    }
}
