//! Whether lockstep lives, and whether it is ready for work.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use jiff::Timestamp;
use serde::Serialize;

use super::server::Admin;
use crate::store::{CircuitState, ConnectionState, PARTS, Replica};

/// Which clients run, as the process that loads them knows.
#[derive(Debug, Default)]
pub struct Health(ArcSwap<Vec<ClientHealth>>);

/// One client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientHealth {
    /// Its name.
    pub client: Arc<str>,
    /// Whether its events are taken and its pipelines run.
    pub runs: bool,
    /// True when it has passed its checks before, and is opened when its first event comes.
    pub dormant: bool,
    /// What runs of it: a hash over its files.
    pub version: Option<Arc<str>>,
    /// True when what runs is its last good version, because its files as they are have problems.
    pub last_good: bool,
    /// Why it does not run as its files are: their findings, secrets that are not set.
    pub problems: Vec<String>,
}

impl Health {
    /// These clients there are.
    pub fn set(&self, clients: Vec<ClientHealth>) {
        self.0.store(Arc::new(clients));
    }

    /// The clients there are.
    pub fn clients(&self) -> Arc<Vec<ClientHealth>> {
        self.0.load_full()
    }
}

/// Lives: it can answer.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    #[serde(flatten)]
    details: Option<Details>,
}

#[derive(Serialize)]
struct Details {
    store: String,
    clients: Vec<ClientHealth>,
    paused: Vec<PausedConnection>,
    unfinished_runs: u64,
    oldest_unfinished: Option<Timestamp>,
    role: &'static str,
    /// Of the 256 partitions of the work, those that this process carries out.
    partitions: usize,
    /// The processes that share the store, where several can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replicas: Vec<ReplicaView>,
}

#[derive(Serialize)]
struct ReplicaView {
    id: Arc<str>,
    this: bool,
    role: Arc<str>,
    since: Timestamp,
    partitions: u64,
}

#[derive(Serialize)]
struct PausedConnection {
    client: Arc<str>,
    connection: Arc<str>,
    since: Timestamp,
    next_try: Timestamp,
    reason: String,
}

/// Ready: the store can be reached and takes writes, and there is a client that runs, or none at all. One broken client among others
/// does not take the whole instance out of service. Who may not look is told the bare answer, which is all that a
/// load balancer needs.
pub(super) async fn readyz(State(admin): State<Arc<Admin>>, request: Request<Body>) -> Response {
    let may_look = admin.access.allows(request.uri(), request.headers());
    let clients = admin.health.clients();
    let some_run = clients.is_empty() || clients.iter().any(|client| client.runs);
    let readiness = match store(&admin).await {
        Ok(details) => Readiness { ready: some_run, details: Some(details) },
        Err(error) => {
            let details = Details {
                store: error.to_string(),
                clients: clients.to_vec(),
                paused: Vec::new(),
                unfinished_runs: 0,
                oldest_unfinished: None,
                role: admin.role.word(),
                partitions: 0,
                replicas: Vec::new(),
            };
            Readiness { ready: false, details: Some(details) }
        }
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let details = readiness.details.filter(|_| may_look);
    (status, Json(Readiness { details, ..readiness })).into_response()
}

async fn store(admin: &Admin) -> Result<Details, crate::store::StoreError> {
    admin.store.writable()?;
    let counts = admin.store.counts().await?;
    let connections = admin.store.connections().await?;
    let sharing = admin.store.sharing();
    let replicas = match sharing {
        Some(sharing) => sharing.replicas().await?,
        None => Vec::new(),
    };
    Ok(Details {
        store: "ok".to_owned(),
        clients: admin.health.clients().to_vec(),
        paused: connections.into_iter().filter_map(paused).collect(),
        unfinished_runs: counts.unfinished.values().sum(),
        oldest_unfinished: counts.oldest,
        role: admin.role.word(),
        partitions: sharing.map_or(PARTS, |sharing| sharing.tenure().borrow().parts.count()),
        replicas: replicas.into_iter().map(ReplicaView::from).collect(),
    })
}

impl From<Replica> for ReplicaView {
    fn from(replica: Replica) -> Self {
        let Replica { id, own, role, since, partitions } = replica;
        Self { id, this: own, role, since, partitions }
    }
}

fn paused(state: ConnectionState) -> Option<PausedConnection> {
    let CircuitState::Open { probe_at, .. } = state.circuit else { return None };
    let ConnectionState { client, connection, since, reason, .. } = state;
    Some(PausedConnection { client, connection, since, next_try: probe_at, reason })
}
