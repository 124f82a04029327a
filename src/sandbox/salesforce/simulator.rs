//! The simulated org behind HTTP: sessions, limits; and the handle that tests and the demo hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::describe;
use super::duplicates::DuplicateRule;
use super::error::ApiError;
use super::oauth::Sessions;
use super::org::Org;
use super::router;
use super::schema::FieldShape;
use super::write::Manner;
use crate::clock::SharedClock;
use crate::sandbox::calls::{Call, Counts};
use crate::sandbox::control;
use crate::sandbox::faults::{Fault, Faults};
use crate::sandbox::reply::{Reply, Request};
use crate::sandbox::server::{Bound, Server, Simulator};
use crate::sandbox::world::SandboxError;
use crate::value::Value;

/// The API version that records seeded from Rust are written with.
const VERSION: u32 = 66;

/// What the Salesforce simulator is started with.
#[derive(Debug, Clone)]
pub struct SalesforceOptions {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The consumer key of the one app that exists.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The user that a JWT must be for.
    pub username: String,
    /// The RSA public key that JWTs are verified with, as DER `RSAPublicKey`. Without one no JWT is accepted.
    pub jwt_public_key: Option<Vec<u8>>,
}

impl Default for SalesforceOptions {
    fn default() -> Self {
        Self {
            port: 0,
            client_id: "sandbox_client".to_owned(),
            client_secret: "sandbox_secret".to_owned(),
            username: "integration@sandbox.example".to_owned(),
            jwt_public_key: None,
        }
    }
}

/// The Salesforce simulator.
#[derive(Debug)]
pub struct Salesforce {
    server: Server,
    site: Arc<Site>,
}

/// Why a record could not be seeded.
#[derive(Debug, thiserror::Error)]
#[error("the simulated org refused: {0}")]
pub struct SeedError(String);

impl From<ApiError> for SeedError {
    fn from(error: ApiError) -> Self {
        Self(error.reply().body)
    }
}

impl Salesforce {
    pub(in crate::sandbox) async fn start(
        options: SalesforceOptions,
        clock: SharedClock,
    ) -> Result<Self, SandboxError> {
        let port = options.port;
        let bound = Bound::to(port).await.map_err(|source| SandboxError::Listen {
            simulator: "Salesforce",
            port,
            source,
        })?;
        let mut sessions =
            Sessions::new(options.client_id, options.client_secret, options.username, bound.url());
        sessions.jwt_public_key = options.jwt_public_key;
        let site = Arc::new(Site(Mutex::new(Org::new(Arc::clone(&clock), sessions))));
        Ok(Self { server: bound.serve(Arc::clone(&site) as Arc<dyn Simulator>, clock), site })
    }

    /// The login host, and the first `instance_url`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The consumer key of the app.
    pub fn client_id(&self) -> String {
        self.site.org().sessions.client_id.clone()
    }

    /// The app's secret.
    pub fn client_secret(&self) -> String {
        self.site.org().sessions.client_secret.clone()
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

    /// The records of an object that are not deleted, oldest first.
    pub fn records(&self, object: &str) -> Vec<Value> {
        let org = self.site.org();
        let live = org.records.all(object).filter(|record| !record.deleted);
        live.map(|record| Value::from(&Json::Object(record.fields.clone()))).collect()
    }

    /// Creates a record by the org's rules, without assignment; gives its id.
    pub fn seed(&self, object: &str, fields: &Value) -> Result<String, SeedError> {
        Ok(self.site.seed(object, &map(fields))?)
    }

    /// Changes a record by the org's rules, as a person does who works there.
    pub fn change(&self, object: &str, id: &str, fields: &Value) -> Result<(), SeedError> {
        let manner = Manner { version: VERSION, auto_assign: false, allow_duplicates: true };
        self.site.org().update(object, id, &map(fields), manner)?;
        Ok(())
    }

    /// Adds a user; gives its id.
    pub fn add_user(&self, first_name: &str, last_name: &str, email: &str) -> String {
        self.site.org().person(first_name, last_name, email)
    }

    /// Declares a field, of a standard object or of a custom one, which comes into being with it.
    pub fn declare(&self, object: &str, field: &str, shape: FieldShape) {
        self.site.org().schema.declare(object, field, shape);
    }

    /// Takes new records for duplicates when this field is like another's. `allow_save`: the rule only warns.
    pub fn duplicate_rule(&self, object: &str, field: &str, allow_save: bool) {
        let rule = DuplicateRule { object: object.to_owned(), field: field.to_owned(), allow_save };
        self.site.org().duplicate_rules.push(rule);
    }

    /// How long a session lives after its last call; two hours unless it is said.
    pub fn session_lifetime(&self, lifetime: Duration) {
        self.site.org().sessions.lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    }

    /// Ends all sessions now.
    pub fn expire_sessions(&self) {
        self.site.org().sessions.end_all();
    }

    /// Moves the org: all sessions end, and new ones are good at another `instance_url` only.
    pub fn move_instance(&self) {
        let mut org = self.site.org();
        org.sessions.instance_url = org.sessions.instance_url.replace("127.0.0.1", "localhost");
        org.sessions.end_all();
    }

    /// How many calls a day are allowed; more are answered 403.
    pub fn daily_limit(&self, calls: u64) {
        self.site.org().usage.1 = calls;
    }

    /// Pages of queries have at most this many rows; Salesforce's own begin at 200.
    pub fn page_length(&self, rows: usize) {
        self.site.org().page_length = Some(rows.max(1));
    }

    /// How often a query job of the Bulk API is asked after and found to be under way before it is done; once unless it is said.
    pub fn job_questions(&self, questions: u32) {
        self.site.org().works.questions = questions;
    }

    /// Query jobs fail with these words from now on; with none they do not.
    pub fn jobs_fail(&self, failure: Option<&str>) {
        self.site.org().works.failure = failure.map(str::to_owned);
    }

    /// The ids of the query jobs that were not thrown away, oldest first.
    pub fn jobs(&self) -> Vec<String> {
        self.site.org().jobs.keys().cloned().collect()
    }

    /// A query job goes as if it had grown too old.
    pub fn forget_job(&self, id: &str) {
        self.site.org().jobs.shift_remove(id);
    }

    /// The answer to a write that met another one on the same parent.
    pub fn row_lock() -> Fault {
        let error = ApiError::new("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record");
        Fault::answer(400).json(Value::from_json(error.reply().body.as_bytes()).unwrap_or_default())
    }
}

fn map(fields: &Value) -> Map<String, Json> {
    serde_json::to_value(fields).ok().and_then(|json| json.as_object().cloned()).unwrap_or_default()
}

#[derive(Debug)]
struct Site(Mutex<Org>);

impl Site {
    /// Creates a record by the org's rules, without assignment.
    fn seed(&self, object: &str, fields: &Map<String, Json>) -> Result<String, ApiError> {
        let manner = Manner { version: VERSION, auto_assign: false, allow_duplicates: true };
        self.org().create(object, fields, manner)
    }

    fn org(&self) -> MutexGuard<'_, Org> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of a request; malformed when the header is none of the right form.
fn token(request: &Request) -> Result<&str, ApiError> {
    let header = request.header("authorization").ok_or_else(ApiError::expired)?;
    match header.split_once(' ') {
        Some(("Bearer" | "OAuth", token)) if !token.is_empty() => Ok(token),
        _ => Err(ApiError::new("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE").status(401)),
    }
}

impl Simulator for Site {
    fn answer(&self, request: &Request) -> Reply {
        let mut org = self.org();
        let now = org.clock.now();
        let (seconds, millis) = (now.as_second(), now.as_millisecond());
        match request.path.trim_end_matches('/') {
            "/services/oauth2/token" if request.method == axum::http::Method::POST => {
                let user = org.user.clone();
                return org.sessions.token(request, &user, seconds, millis);
            }
            "/services/oauth2/revoke" => {
                let form = crate::sandbox::reply::pairs(&String::from_utf8_lossy(&request.body));
                if let Some((_, token)) = form.iter().find(|(key, _)| key == "token") {
                    org.sessions.end(token);
                }
                return Reply::empty(200);
            }
            "/services/data" => return Reply::json(200, &describe::versions()),
            _ => {}
        }
        let refused = match token(request) {
            Err(error) => Some(error),
            Ok(token) if !org.sessions.holds(token, request.header("host"), seconds) => {
                Some(ApiError::expired())
            }
            Ok(_) => None,
        };
        if let Some(error) = refused {
            return error.reply();
        }
        org.usage.0 += 1;
        let (used, max) = org.usage;
        let reply =
            if used > max { ApiError::of_status(403).reply() } else { router::route(&mut org, request) };
        reply.header("Sforce-Limit-Info", format!("api-usage={}/{max}", used.min(max)))
    }

    fn refusal(&self, status: u16) -> Reply {
        ApiError::of_status(status).reply()
    }

    fn expire(&self, request: &Request) {
        if let Ok(token) = token(request) {
            self.org().sessions.end(token);
        }
    }

    fn records(&self) -> Json {
        self.org().records.everything()
    }

    fn counts(&self) -> Counts {
        self.org().counts.clone()
    }

    /// `PUT /_sandbox/fields/{object}/{field}` declares a field, `POST /_sandbox/records/{object}` creates a record,
    /// `POST /_sandbox/expire` ends all sessions.
    fn control(&self, request: &Request) -> Option<Reply> {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("PUT", ["fields", object, field]) => Some(control::read(request, |shape: FieldShape| {
                self.org().schema.declare(object, field, shape);
            })),
            ("POST", ["records", object]) => Some(match serde_json::from_slice(&request.body) {
                Ok(Json::Object(fields)) => match self.seed(object, &fields) {
                    Ok(id) => Reply::json(200, &json!({"id": id})),
                    Err(error) => error.reply(),
                },
                _ => Reply::json(400, &json!({"error": "the fields of a record are a JSON object"})),
            }),
            ("POST", ["expire"]) => {
                self.org().sessions.end_all();
                Some(Reply::empty(204))
            }
            _ => None,
        }
    }
}
