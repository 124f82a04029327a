//! A CRM that counts what reaches it, and outlives those who write to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Records on a page of a listing.
const PAGE: usize = 3;

/// Records that are listed by a poll: several pages.
pub(super) const MEMBERS: usize = 2 * PAGE + 1;

/// Every so many writes one is refused: nothing was done, and it may come again.
const MOOD: u64 = 13;

/// The CRM.
#[derive(Clone, Default)]
pub(super) struct Crm(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<Counted>,
    changed: Notify,
}

/// What reached it.
#[derive(Default)]
pub(super) struct Counted {
    /// Object -> records, in the order in which they were made.
    pub(super) records: BTreeMap<String, Vec<Value>>,
    /// How often each record was changed after it was made.
    pub(super) patches: BTreeMap<String, usize>,
    /// Whom something was told, each time.
    pub(super) messages: Vec<String>,
    /// Letters by their idempotency keys.
    keys: BTreeMap<String, Value>,
    writes: u64,
    /// Who dies at which write: when it was done, and before it is answered.
    victim: Option<(u64, u32)>,
}

type Answer = Result<Json<Value>, StatusCode>;

impl Crm {
    pub(super) async fn start() -> (Self, SocketAddr) {
        let crm = Self::default();
        let prices = (0..=2 * PAGE).map(|number| json!({ "id": format!("price_{number}") })).collect();
        crm.counted().records.insert("prices".into(), prices);
        let members = (0..MEMBERS).map(|number| json!({ "id": format!("member_{number}") })).collect();
        crm.counted().records.insert("members".into(), members);
        let app = Router::new()
            .route("/messages", post(message))
            .route("/{object}", get(find).post(create))
            .route("/{object}/{id}", get(read).patch(update))
            .with_state(crm.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (crm, address)
    }

    pub(super) fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.state.lock().unwrap()
    }

    /// True when every member was welcomed.
    pub(super) fn has_welcomed_all(&self) -> bool {
        self.counted().records.get("welcomes").is_some_and(|welcomes| welcomes.len() >= MEMBERS)
    }

    /// Has the process die at the `nth` write from now.
    pub(super) fn kill_at(&self, nth: u64, process: u32) {
        let mut counted = self.counted();
        counted.victim = Some((counted.writes + nth, process));
    }

    /// Waits until fewer than `limit` of so many customers are still to be told something.
    pub(super) async fn keeps_up(&self, customers: usize, limit: usize) {
        loop {
            let changed = self.0.changed.notified();
            let told = self.counted().messages.iter().collect::<BTreeSet<_>>().len();
            if customers < told + limit {
                return;
            }
            changed.await;
        }
    }

    /// A write: refused now and then; done; and the end of whoever asked for it, when that was wanted.
    fn write<T>(&self, done: impl FnOnce(&mut Counted) -> Result<T, StatusCode>) -> Result<T, StatusCode> {
        let mut counted = self.counted();
        counted.writes += 1;
        let due = counted.victim.is_some_and(|(nth, _)| nth <= counted.writes);
        if !due && counted.writes.is_multiple_of(MOOD) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let answer = done(&mut counted);
        if due && let Some((_, process)) = counted.victim.take() {
            // It may be gone already, killed in another way.
            let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
        }
        drop(counted);
        self.0.changed.notify_waiters();
        answer
    }
}

impl Counted {
    fn add(&mut self, object: &str, mut record: Value) -> Value {
        let records = self.records.entry(object.to_owned()).or_default();
        record["id"] = json!(format!("{object}_{}", records.len()));
        records.push(record.clone());
        record
    }
}

async fn find(
    State(crm): State<Crm>,
    Path(object): Path<String>,
    Query(mut wanted): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    let after = wanted.remove("after").map_or(0, |after| after.parse().unwrap());
    let counted = crm.counted();
    let records = counted.records.get(&object).map_or(&[][..], Vec::as_slice);
    let fits = |record: &&Value| wanted.iter().all(|(name, value)| record[name] == *value);
    let found: Vec<&Value> = records.iter().filter(fits).collect();
    let page: Vec<&Value> = found.iter().skip(after).take(PAGE).copied().collect();
    let next = (found.len() > after + PAGE).then_some(after + PAGE);
    Json(json!({ "items": page, "next": next }))
}

async fn read(State(crm): State<Crm>, Path((object, id)): Path<(String, String)>) -> Answer {
    let counted = crm.counted();
    let record = counted.records.get(&object).and_then(|records| records.iter().find(|it| it["id"] == *id));
    record.cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn create(
    State(crm): State<Crm>,
    Path(object): Path<String>,
    headers: HeaderMap,
    Json(record): Json<Value>,
) -> Answer {
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    crm.write(|counted| {
        if let Some(first) = key.as_ref().and_then(|key| counted.keys.get(key)) {
            return Ok(Json(first.clone()));
        }
        let record = counted.add(&object, record);
        if let Some(key) = key {
            counted.keys.insert(key, record.clone());
        }
        Ok(Json(record))
    })
}

async fn update(
    State(crm): State<Crm>,
    Path((object, id)): Path<(String, String)>,
    Json(fields): Json<Value>,
) -> Answer {
    crm.write(|counted| {
        let mut records = counted.records.get_mut(&object).into_iter().flatten();
        let record = records.find(|record| record["id"] == *id).ok_or(StatusCode::NOT_FOUND)?;
        for (name, value) in fields.as_object().unwrap() {
            record[name] = value.clone();
        }
        let record = record.clone();
        *counted.patches.entry(id).or_default() += 1;
        Ok(Json(record))
    })
}

async fn message(State(crm): State<Crm>, Json(message): Json<Value>) -> Answer {
    let to = message["to"].as_str().unwrap().to_owned();
    crm.write(|counted| {
        counted.messages.push(to);
        Ok(Json(json!({})))
    })
}
