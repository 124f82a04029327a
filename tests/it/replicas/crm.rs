//! A CRM that keeps what reached it, in its order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderName, RETRY_AFTER};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// The CRM.
#[derive(Clone, Default)]
pub(super) struct Crm(Arc<Inner>);

#[derive(Default)]
struct Inner {
    records: Mutex<Vec<Value>>,
    calls: Mutex<Vec<Instant>>,
    /// Milliseconds that a write takes.
    slow: AtomicU64,
    /// True while it takes nobody's credentials.
    down: AtomicBool,
    /// How many seconds whoever calls next is asked to wait.
    throttles: AtomicU64,
}

impl Crm {
    pub(super) async fn start() -> (Self, SocketAddr) {
        let crm = Self::default();
        let app = Router::new().route("/{object}", get(find).post(create)).with_state(crm.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (crm, address)
    }

    /// Has each write take so long.
    pub(super) fn is_slow(&self, time: Duration) {
        self.0.slow.store(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Has it refuse everybody, or nobody any more.
    pub(super) fn is_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// Asks whoever calls next to wait for so long, and nobody after that.
    pub(super) fn throttles_once(&self, seconds: u64) {
        self.0.throttles.store(seconds, Ordering::SeqCst);
    }

    /// True when it has.
    pub(super) fn has_throttled(&self) -> bool {
        self.0.throttles.load(Ordering::SeqCst) == 0
    }

    /// When it was called.
    pub(super) fn calls(&self) -> Vec<Instant> {
        self.0.calls.lock().unwrap().clone()
    }

    /// What was written, of one kind, in its order.
    pub(super) fn records(&self, object: &str) -> Vec<Value> {
        let records = self.0.records.lock().unwrap();
        records.iter().filter(|record| record["object"] == object).cloned().collect()
    }

    /// The entries' numbers by customer, in the order in which they were written.
    pub(super) fn by_customer(&self) -> BTreeMap<String, Vec<u64>> {
        let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for entry in self.records("entries") {
            let number = entry["number"].as_str().unwrap().parse().unwrap();
            all.entry(entry["customer"].as_str().unwrap().to_owned()).or_default().push(number);
        }
        all
    }

    fn called(&self) -> Result<(), Refusal> {
        self.0.calls.lock().unwrap().push(Instant::now());
        let wait = self.0.throttles.swap(0, Ordering::SeqCst);
        if wait > 0 {
            return Err((StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, wait.to_string())]));
        }
        if self.0.down.load(Ordering::SeqCst) {
            return Err((StatusCode::UNAUTHORIZED, [(RETRY_AFTER, String::new())]));
        }
        Ok(())
    }
}

type Refusal = (StatusCode, [(HeaderName, String); 1]);

async fn find(
    State(crm): State<Crm>,
    Path(object): Path<String>,
    Query(wanted): Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, Refusal> {
    crm.called()?;
    let fits = |record: &Value| wanted.iter().all(|(name, value)| record[name] == *value);
    let found: Vec<Value> = crm.records(&object).into_iter().filter(fits).collect();
    Ok(Json(json!({ "items": found })))
}

async fn create(
    State(crm): State<Crm>,
    Path(object): Path<String>,
    Json(mut record): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    crm.called()?;
    let slow = crm.0.slow.load(Ordering::SeqCst);
    if slow > 0 {
        tokio::time::sleep(Duration::from_millis(slow)).await;
    }
    let mut records = crm.0.records.lock().unwrap();
    record["object"] = json!(object);
    record["id"] = json!(format!("{object}_{}", records.len()));
    records.push(record.clone());
    Ok(Json(record))
}
