//! The simulated portal behind HTTP: who calls, the bucket; and the handle that tests and the demo hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tokio::task::JoinHandle;

use super::error::ApiError;
use super::events::{Hook, Outbox};
use super::params::Params;
use super::portal::Portal;
use super::router;
use crate::clock::SharedClock;
use crate::sandbox::calls::{Call, Counts};
use crate::sandbox::control;
use crate::sandbox::faults::Faults;
use crate::sandbox::reply::{Reply, Request};
use crate::sandbox::server::{Bound, Server, Simulator};
use crate::sandbox::world::SandboxError;
use crate::value::Value;

/// What the Bitrix24 simulator is started with.
#[derive(Debug, Clone)]
pub struct Bitrix24Options {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The secret of the one inbound webhook.
    pub secret: String,
    /// The app's id, secret and first refresh token.
    pub app: (String, String, String),
}

impl Default for Bitrix24Options {
    fn default() -> Self {
        let app = ["local.sandbox", "sandbox_app_secret", "sandbox_refresh_0"].map(str::to_owned);
        Self { port: 0, secret: "sandboxsecret".to_owned(), app: app.into() }
    }
}

/// A note that a user was told by the bell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The user's id.
    pub user: u64,
    /// What it says.
    pub text: String,
}

/// The Bitrix24 simulator.
#[derive(Debug)]
pub struct Bitrix24 {
    server: Server,
    site: Arc<Site>,
    postman: JoinHandle<()>,
}

impl Drop for Bitrix24 {
    fn drop(&mut self) {
        self.postman.abort();
    }
}

impl Bitrix24 {
    pub(in crate::sandbox) async fn start(
        options: Bitrix24Options,
        clock: SharedClock,
    ) -> Result<Self, SandboxError> {
        let port = options.port;
        let bound = Bound::to(port).await.map_err(|source| SandboxError::Listen {
            simulator: "Bitrix24",
            port,
            source,
        })?;
        let (outbox, work) = Outbox::open()?;
        let access = Access { secret: options.secret, app: options.app, tokens: Vec::new(), granted: 0 };
        let portal = Portal::new(Arc::clone(&clock), outbox);
        let site = Arc::new(Site { portal: Mutex::new(portal), access: Mutex::new(access) });
        let server = bound.serve(Arc::clone(&site) as Arc<dyn Simulator>, clock);
        Ok(Self { server, site, postman: tokio::spawn(work) })
    }

    /// The portal's address.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The address of its inbound webhook, which is its secret.
    pub fn webhook_url(&self) -> String {
        format!("{}/rest/1/{}/", self.server.url(), self.site.access().secret)
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

    /// The records of a kind (`contact`, `deal`, `user`, `task`), oldest first.
    pub fn records(&self, kind: &str) -> Vec<Value> {
        self.site.records()[kind].as_array().into_iter().flatten().map(Value::from).collect()
    }

    /// Creates a record by the portal's rules; gives its id. `None` for a kind that it does not have.
    pub fn seed(&self, kind: &str, fields: &Value) -> Option<u64> {
        let fields: Map<String, Json> =
            serde_json::to_value(fields).ok().and_then(|json| json.as_object().cloned()).unwrap_or_default();
        self.site.seed(kind, &fields).ok()
    }

    /// Adds a field of the portal's own, with the options of an enumeration.
    pub fn declare(&self, kind: &str, name: &str, of: &str, options: &[&str]) {
        self.site.portal().declare(kind, name, of, options);
    }

    /// Adds a member of staff; gives the id.
    pub fn employ(&self, first_name: &str, last_name: &str, email: &str) -> u64 {
        self.site.portal().people.employ(first_name, last_name, email)
    }

    /// Adds a workgroup.
    pub fn found_group(&self, id: u64, name: &str, owner: u64) {
        self.site.portal().people.found(id, name, owner);
    }

    /// The members of a workgroup, by their e-mail addresses.
    pub fn members(&self, group: u64) -> Vec<String> {
        let portal = self.site.portal();
        let members = portal.people.groups.get(&group).map(|group| group.members.clone()).unwrap_or_default();
        members
            .iter()
            .filter_map(|id| Some(portal.people.users.get(id)?["EMAIL"].as_str()?.to_owned()))
            .collect()
    }

    /// Who was sent an invitation by mail, in order.
    pub fn invitations(&self) -> Vec<String> {
        self.site.portal().people.invitations.clone()
    }

    /// What users were told by the bell, oldest first.
    pub fn notifications(&self) -> Vec<Notification> {
        let portal = self.site.portal();
        let notes = portal.people.notes.values();
        notes.map(|note| Notification { user: note.user, text: note.text.clone() }).collect()
    }

    /// Registers an outbound webhook for all events; gives its application token.
    pub fn register_webhook(&self, url: &str) -> String {
        let mut portal = self.site.portal();
        let token = format!("{:032x}", 0x5185 + portal.outbox.hooks.len());
        portal.outbox.hooks.push(Hook { url: url.to_owned(), token: token.clone() });
        token
    }

    /// How many requests the bucket holds, and how many leak out of it in a second.
    pub fn bucket(&self, capacity: u32, per_second: u32) {
        let mut portal = self.site.portal();
        (portal.bucket.capacity, portal.bucket.per_second) = (capacity.into(), per_second.into());
    }

    /// How much time each method has in ten minutes, and how much of it one call takes.
    pub fn method_time(&self, limit: Duration, each: Duration) {
        let mut portal = self.site.portal();
        (portal.operating.limit, portal.operating.each) = (limit, each);
    }

    /// Ends all access tokens now; refresh tokens stay.
    pub fn expire_tokens(&self) {
        self.site.access().tokens.clear();
    }
}

/// Who may call.
#[derive(Debug)]
struct Access {
    secret: String,
    /// The app's id, secret and present refresh token.
    app: (String, String, String),
    /// Access tokens that live.
    tokens: Vec<String>,
    granted: u64,
}

#[derive(Debug)]
struct Site {
    portal: Mutex<Portal>,
    access: Mutex<Access>,
}

impl Site {
    fn portal(&self) -> MutexGuard<'_, Portal> {
        self.portal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seed(&self, kind: &str, fields: &Map<String, Json>) -> Result<u64, ApiError> {
        let mut portal = self.portal();
        let kind = portal.fields.kind(kind).ok_or_else(ApiError::not_found)?;
        portal.add(kind, fields)
    }

    /// `/rest/{user}/{secret}/{method}`, or `/rest/{method}` with the parameter `auth`.
    fn call(&self, request: &Request) -> Result<Json, ApiError> {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        let params = Params::of(request);
        let method = match path.as_slice() {
            ["rest", _, secret, method] if *secret == self.access().secret => *method,
            ["rest", method] => {
                let token = params.get("auth").map(super::params::text).unwrap_or_default();
                if token.is_empty() {
                    return Err(ApiError::new("NO_AUTH_FOUND", "Wrong authorization data").status(401));
                }
                if !self.access().tokens.contains(&token) {
                    return Err(
                        ApiError::new("expired_token", "The access token provided has expired.").status(401)
                    );
                }
                *method
            }
            _ => return Err(ApiError::of_status(401)),
        };
        let mut portal = self.portal();
        let now = portal.clock.now();
        if !portal.bucket.takes(now) {
            return Err(ApiError::of_status(503));
        }
        router::call(&mut portal, method, &params)
    }

    /// A new access token, and a new refresh token with it: the old one is worth nothing from now on.
    fn grant(&self, params: &Params) -> Reply {
        let given = |name: &str| params.get(name).map(super::params::text).unwrap_or_default();
        let mut access = self.access();
        let (id, secret, refresh) = access.app.clone();
        if (given("client_id"), given("client_secret")) != (id, secret) {
            return ApiError::new("invalid_client", "Invalid client").reply();
        }
        if given("grant_type") != "refresh_token" || given("refresh_token") != refresh {
            return ApiError::new("invalid_grant", "Invalid grant").reply();
        }
        access.granted += 1;
        let number = access.granted;
        let token = format!("sandbox_access_{number}");
        access.tokens.push(token.clone());
        access.app.2 = format!("sandbox_refresh_{number}");
        let granted = json!({"access_token": token, "refresh_token": access.app.2, "expires_in": 3600, "scope": "crm,user,sonet_group,im,task"});
        Reply::json(200, &granted)
    }
}

impl Simulator for Site {
    fn answer(&self, request: &Request) -> Reply {
        if request.path.trim_end_matches('/') == "/oauth/token" {
            return self.grant(&Params::of(request));
        }
        match self.call(request) {
            Ok(answer) => Reply::of(200, "application/json; charset=utf-8", answer.to_string()),
            Err(error) => error.reply(),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        ApiError::of_status(status).reply()
    }

    fn expire(&self, request: &Request) {
        if let Some(token) = Params::of(request).get("auth").map(super::params::text) {
            self.access().tokens.retain(|known| *known != token);
        }
    }

    fn records(&self) -> Json {
        let portal = self.portal();
        let kinds =
            portal.records.iter().map(|(kind, records)| (kind.clone(), records.values().cloned().collect()));
        let entries = portal.tasks.entries.iter();
        let entries =
            entries.map(|(kind, entries)| ((*kind).to_owned(), entries.values().cloned().collect()));
        let users = std::iter::once(("user".to_owned(), portal.people.users.values().cloned().collect()));
        let notes =
            portal.people.notes.values().map(|note| json!({"USER_ID": note.user, "MESSAGE": note.text}));
        let notes = std::iter::once(("notification".to_owned(), notes.collect()));
        let groups = portal.people.groups.iter().map(|(id, group)| {
            json!({"ID": id, "NAME": group.name, "members": group.members, "invited": group.asked})
        });
        let groups = std::iter::once(("group".to_owned(), groups.collect()));
        Json::Object(kinds.chain(entries).chain(users).chain(notes).chain(groups).collect())
    }

    fn counts(&self) -> Counts {
        self.portal().counts.clone()
    }

    /// `POST /_sandbox/records/{kind}` creates a record, `POST /_sandbox/webhook` registers an outbound webhook, `POST
    /// /_sandbox/expire` ends all access tokens.
    fn control(&self, request: &Request) -> Option<Reply> {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("POST", ["records", kind]) => Some(match serde_json::from_slice(&request.body) {
                Ok(Json::Object(fields)) => match self.seed(kind, &fields) {
                    Ok(id) => Reply::json(200, &json!({"id": id})),
                    Err(error) => error.reply(),
                },
                _ => Reply::json(400, &json!({"error": "the fields of a record are a JSON object"})),
            }),
            ("POST", ["expire"]) => {
                self.access().tokens.clear();
                Some(Reply::empty(204))
            }
            ("POST", ["webhook"]) => {
                let mut token = String::new();
                let read = control::read(request, |wanted: Wanted| {
                    let mut portal = self.portal();
                    token = format!("{:032x}", 0x5185 + portal.outbox.hooks.len());
                    portal.outbox.hooks.push(Hook { url: wanted.url, token: token.clone() });
                });
                Some(if token.is_empty() {
                    read
                } else {
                    Reply::json(200, &json!({"application_token": token}))
                })
            }
            _ => None,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    url: String,
}
