//! A CRM on loopback: it reads and writes accounts at once, and keeps nothing but their number.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::marks::Marks;

#[derive(Clone)]
struct Shared {
    written: Arc<AtomicUsize>,
    marks: Arc<Mutex<Arc<Marks>>>,
    still: watch::Receiver<bool>,
}

pub(crate) struct Crm {
    pub(crate) address: SocketAddr,
    shared: Shared,
    still: watch::Sender<bool>,
}

impl Crm {
    pub(crate) async fn start() -> Self {
        let (still, stands) = watch::channel(false);
        let marks = Arc::new(Mutex::new(Marks::new(0)));
        let shared = Shared { written: Arc::default(), marks, still: stands };
        let app = Router::new().route("/accounts/{id}", get(read).patch(write)).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, shared, still }
    }

    pub(crate) fn written(&self) -> usize {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// From now on the first call about each event is noted here.
    pub(crate) fn note(&self, marks: &Arc<Marks>) {
        *self.shared.marks.lock().unwrap() = Arc::clone(marks);
    }

    /// Answers nothing any more, or goes on.
    pub(crate) fn stand_still(&self, still: bool) {
        self.still.send_replace(still);
    }
}

async fn read(State(mut shared): State<Shared>, Path(id): Path<String>) -> Json<Value> {
    let marks = Arc::clone(&shared.marks.lock().unwrap());
    if let Some(number) = id.rsplit('_').next().and_then(|number| number.parse().ok()) {
        marks.called(number);
    }
    shared.still.wait_for(|still| !still).await.unwrap();
    Json(json!({ "id": id, "name": "Before", "status": "Trial" }))
}

async fn write(State(mut shared): State<Shared>, Path(id): Path<String>, _: Json<Value>) -> Json<Value> {
    shared.still.wait_for(|still| !still).await.unwrap();
    shared.written.fetch_add(1, Ordering::Relaxed);
    Json(json!({ "id": id }))
}
