//! The simulated account behind HTTP: who calls, the limits; and the handle that tests and the demo hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Map, Value as Json, json};
use tokio::task::JoinHandle;

use super::account::Account;
use super::error::ApiError;
use super::events::{Hook, Outbox};
use super::router;
use super::schema::PropertyShape;
use crate::clock::SharedClock;
use crate::sandbox::calls::{Call, Counts};
use crate::sandbox::control;
use crate::sandbox::faults::Faults;
use crate::sandbox::reply::{Reply, Request, pairs};
use crate::sandbox::server::{Bound, Server, Simulator};
use crate::sandbox::world::SandboxError;
use crate::value::Value;

/// What the HubSpot simulator is started with.
#[derive(Debug, Clone)]
pub struct HubSpotOptions {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The token of the one private app.
    pub token: String,
    /// The app's id, secret and refresh token; the secret signs webhooks.
    pub app: (String, String, String),
}

impl Default for HubSpotOptions {
    fn default() -> Self {
        let app = ["sandbox-app", "sandbox-app-secret", "sandbox-refresh"].map(str::to_owned);
        Self { port: 0, token: "pat-sandbox-0001".to_owned(), app: app.into() }
    }
}

/// The HubSpot simulator.
#[derive(Debug)]
pub struct HubSpot {
    server: Server,
    site: Arc<Site>,
    postman: JoinHandle<()>,
}

impl Drop for HubSpot {
    fn drop(&mut self) {
        self.postman.abort();
    }
}

impl HubSpot {
    pub(in crate::sandbox) async fn start(
        options: HubSpotOptions,
        clock: SharedClock,
    ) -> Result<Self, SandboxError> {
        let port = options.port;
        let bound = Bound::to(port).await.map_err(|source| SandboxError::Listen {
            simulator: "HubSpot",
            port,
            source,
        })?;
        let (outbox, work) = Outbox::open(options.app.1.clone(), Arc::clone(&clock))?;
        let access = Access {
            tokens: vec![options.token.clone()],
            token: options.token,
            app: options.app,
            granted: 0,
        };
        let account = Account::new(Arc::clone(&clock), outbox);
        let site = Arc::new(Site { account: Mutex::new(account), access: Mutex::new(access) });
        let server = bound.serve(Arc::clone(&site) as Arc<dyn Simulator>, clock);
        Ok(Self { server, site, postman: tokio::spawn(work) })
    }

    /// The API's address.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The token of the private app.
    pub fn token(&self) -> String {
        self.site.access().token.clone()
    }

    /// The secret that signs webhooks.
    pub fn webhook_secret(&self) -> String {
        self.site.access().app.1.clone()
    }

    /// What goes wrong on demand.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// The requests so far, newest last.
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls.all()
    }

    /// What was changed so far. Seeded records count too.
    pub fn counts(&self) -> Counts {
        self.site.counts()
    }

    /// The properties of the records of a kind (`contacts`, `deals`, `notes`) that are not archived, oldest first.
    pub fn records(&self, kind: &str) -> Vec<Value> {
        self.site.records()[kind].as_array().into_iter().flatten().map(Value::from).collect()
    }

    /// The ids of the records of a kind with which one is associated.
    pub fn associated(&self, kind: &str, id: u64, to: &str) -> Vec<u64> {
        self.site.account().links.of((kind, id), to).map(|(other, _)| other).collect()
    }

    /// Creates a record by the account's rules; gives its id. What is refused comes as the answer's text.
    pub fn seed(&self, kind: &str, properties: &Value) -> Result<u64, String> {
        let given: Map<String, Json> = serde_json::to_value(properties)
            .ok()
            .and_then(|json| json.as_object().cloned())
            .unwrap_or_default();
        self.site.account().create(kind, &given, &Json::Null).map_err(|error| error.reply().body)
    }

    /// Changes properties of a record, as a person would.
    pub fn change(&self, kind: &str, id: u64, properties: &Value) -> Result<(), String> {
        let given: Map<String, Json> = serde_json::to_value(properties)
            .ok()
            .and_then(|json| json.as_object().cloned())
            .unwrap_or_default();
        self.site.account().update(kind, id, &given).map_err(|error| error.reply().body)
    }

    /// Associates two records by the default type.
    pub fn associate(&self, from: &str, id: u64, to: &str, other: u64) -> Result<(), String> {
        let (id, other) = (id.to_string(), other.to_string());
        let done = self.site.account().associate((from, &id), (to, &other), None);
        done.map(drop).map_err(|error| error.reply().body)
    }

    /// Adds a property, of a standard kind or of a custom object, which comes into being with it.
    pub fn declare(&self, kind: &str, property: &str, shape: PropertyShape) {
        self.site.account().schema.declare(kind, property, shape);
    }

    /// Adds an owner; gives its id.
    pub fn employ(&self, first_name: &str, last_name: &str, email: &str) -> u64 {
        self.site.account().employ(first_name, last_name, email)
    }

    /// The search is behind by so much from now on.
    pub fn search_lag(&self, lag: Duration) {
        self.site.account().lag = SignedDuration::try_from(lag).unwrap_or(SignedDuration::MAX);
    }

    /// A search ends after so many results; 10,000 unless it is said.
    pub fn search_end(&self, results: usize) {
        self.site.account().search_end = results;
    }

    /// So many calls are allowed in ten seconds, and so many searches in one.
    pub fn rate(&self, calls: usize, searches: usize) {
        let mut account = self.site.account();
        (account.limits.window_max, account.limits.search_max) = (calls, searches);
    }

    /// So many calls are allowed since the start; more are answered as over the day's limit.
    pub fn daily_limit(&self, calls: u64) {
        self.site.account().limits.daily_max = calls;
    }

    /// Has events sent to this address: `contact.creation`, `contact.propertyChange:email`; all of them when none is named.
    pub fn register_webhook(&self, url: &str, events: &[&str]) {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        self.site.account().outbox.hooks.push(Hook { url: url.to_owned(), events });
    }
}

/// Who may call.
#[derive(Debug)]
struct Access {
    token: String,
    /// All tokens that live, those of the app among them.
    tokens: Vec<String>,
    app: (String, String, String),
    granted: u64,
}

#[derive(Debug)]
struct Site {
    account: Mutex<Account>,
    access: Mutex<Access>,
}

impl Site {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `POST /oauth/v1/token`: the refresh token stays the same.
    fn grant(&self, request: &Request) -> Reply {
        let form = pairs(&String::from_utf8_lossy(&request.body));
        let given = |name: &str| {
            form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let mut access = self.access();
        let asked = (given("client_id"), given("client_secret"), given("refresh_token"));
        if asked != access.app || given("grant_type") != "refresh_token" {
            let refused = json!({"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token", "correlationId": "c0ffee"});
            return Reply::json(400, &refused);
        }
        access.granted += 1;
        let token = format!("sandbox-access-{}", access.granted);
        access.tokens.push(token.clone());
        let refresh = access.app.2.clone();
        Reply::json(
            200,
            &json!({"access_token": token, "refresh_token": refresh, "expires_in": 1800, "token_type": "bearer"}),
        )
    }

    fn admits(&self, request: &Request) -> Result<(), ApiError> {
        let token = token(request).ok_or_else(|| ApiError::of_status(401))?;
        let access = self.access();
        if access.tokens.iter().any(|known| known == token) {
            return Ok(());
        }
        let of_app = token.starts_with("sandbox-access-");
        let category = if of_app { "EXPIRED_AUTHENTICATION" } else { "INVALID_AUTHENTICATION" };
        Err(ApiError::new(401, category, "The access token is invalid or expired."))
    }
}

fn token(request: &Request) -> Option<&str> {
    request.header("authorization")?.strip_prefix("Bearer ")
}

impl Simulator for Site {
    fn answer(&self, request: &Request) -> Reply {
        if request.path == "/oauth/v1/token" {
            return self.grant(request);
        }
        if let Err(refused) = self.admits(request) {
            return refused.reply();
        }
        let mut account = self.account();
        let (now, is_search) = (account.clock.now(), router::is_search(request));
        let taken = account.limits.take(now, is_search);
        let answer = taken.and_then(|()| router::route(&mut account, request));
        let reply = answer.unwrap_or_else(ApiError::reply);
        if is_search { reply } else { account.limits.told(reply) }
    }

    fn refusal(&self, status: u16) -> Reply {
        ApiError::of_status(status).reply()
    }

    fn expire(&self, request: &Request) {
        if let Some(token) = token(request) {
            self.access().tokens.retain(|known| known != token);
        }
    }

    fn records(&self) -> Json {
        let account = self.account();
        let kinds = account.records.iter().map(|(kind, records)| {
            let living = records.values().filter(|record| !record.archived);
            (kind.clone(), living.map(|record| json!(record.properties)).collect())
        });
        Json::Object(kinds.collect())
    }

    fn counts(&self) -> Counts {
        self.account().counts.clone()
    }

    /// `PUT /_sandbox/properties/{kind}/{name}` declares a property, `POST /_sandbox/records/{kind}` creates a record, `PUT
    /// /_sandbox/search` sets how far the search is behind and where it ends, `POST /_sandbox/webhook` has events sent somewhere.
    fn control(&self, request: &Request) -> Option<Reply> {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("PUT", ["properties", kind, name]) => Some(control::read(request, |shape: PropertyShape| {
                self.account().schema.declare(kind, name, shape);
            })),
            ("POST", ["records", kind]) => Some(match serde_json::from_slice(&request.body) {
                Ok(Json::Object(given)) => match self.account().create(kind, &given, &Json::Null) {
                    Ok(id) => Reply::json(200, &json!({"id": id.to_string()})),
                    Err(error) => error.reply(),
                },
                _ => Reply::json(400, &json!({"error": "the properties of a record are a JSON object"})),
            }),
            ("PUT", ["search"]) => Some(control::read(request, |search: Search| {
                let mut account = self.account();
                account.lag = SignedDuration::from_millis(search.lag_ms);
                account.search_end = search.end;
            })),
            ("POST", ["webhook"]) => Some(control::read(request, |hook: Hook| {
                self.account().outbox.hooks.push(hook);
            })),
            _ => None,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[serde(default)]
    lag_ms: i64,
    #[serde(default = "end")]
    end: usize,
}

fn end() -> usize {
    10_000
}
