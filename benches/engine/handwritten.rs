//! The same job, written by hand for this one case: verify, store in groups, acknowledge, read the account, write what
//! differs, mark as done. Nothing of lockstep's: no journal, no audit, no order, no retries, no configuration. And less
//! of it still: verify, store in groups, acknowledge.

use std::path::Path;
use std::sync::{Arc, mpsc};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::{Mutex, oneshot};

use crate::load::SECRET;

/// The argument that makes this program do the whole job.
pub(crate) const WHOLE: &str = "--by-hand";

/// The argument that makes this program keep what comes, and that is all.
pub(crate) const GROUP_COMMIT: &str = "--group-commit";

/// Calls at once, as many as lockstep is allowed.
const WORKERS: usize = 64;

enum Op {
    Store { id: String, body: Bytes, stored: oneshot::Sender<Option<i64>> },
    Done { seq: i64 },
}

#[derive(Clone)]
struct Shared {
    writer: mpsc::Sender<Op>,
    /// Absent when nothing is carried out.
    work: Option<tokio::sync::mpsc::UnboundedSender<(i64, Value)>>,
}

pub(crate) async fn run(argument: &str, crm: &str, store: &Path) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let connection = open(store);
    let (writer, ops) = mpsc::channel();
    std::thread::spawn(move || write(connection, &ops));
    let work = (argument == WHOLE).then(|| workers(crm, &writer));
    let app = Router::new().route("/hook", post(hook)).with_state(Shared { writer, work });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", json!({ "hooks": [format!("http://{}/hook", listener.local_addr().unwrap())] }));
    axum::serve(listener, app).await.unwrap();
}

fn workers(crm: &str, writer: &mpsc::Sender<Op>) -> tokio::sync::mpsc::UnboundedSender<(i64, Value)> {
    let (work, waiting) = tokio::sync::mpsc::unbounded_channel();
    let waiting = Arc::new(Mutex::new(waiting));
    #[expect(clippy::disallowed_methods, reason = "no connection of lockstep's own")]
    let client = reqwest::Client::new();
    for _ in 0..WORKERS {
        let accounts = format!("http://{crm}/accounts");
        tokio::spawn(worker(client.clone(), accounts, Arc::clone(&waiting), writer.clone()));
    }
    work
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE inbox (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, done INTEGER NOT NULL DEFAULT 0);
             CREATE TABLE payload (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);",
        )
        .unwrap();
    connection
}

/// Whatever queued during the last commit is the next one.
fn write(mut connection: Connection, ops: &mpsc::Receiver<Op>) {
    while let Ok(first) = ops.recv() {
        let mut batch = vec![first];
        batch.extend(ops.try_iter().take(511));
        let transaction = connection.transaction().unwrap();
        let mut answers = Vec::new();
        for op in batch {
            match op {
                Op::Store { id, body, stored } => {
                    let insert = "INSERT INTO inbox (id) VALUES (?1) ON CONFLICT DO NOTHING";
                    let new = transaction.prepare_cached(insert).unwrap().execute([id]).unwrap() == 1;
                    let seq = transaction.last_insert_rowid();
                    if new {
                        let insert = "INSERT INTO payload (seq, body) VALUES (?1, ?2)";
                        transaction.prepare_cached(insert).unwrap().execute((seq, &body[..])).unwrap();
                    }
                    answers.push((stored, new.then_some(seq)));
                }
                Op::Done { seq } => {
                    let update = "UPDATE inbox SET done = 1 WHERE seq = ?1";
                    transaction.prepare_cached(update).unwrap().execute([seq]).unwrap();
                }
            }
        }
        transaction.commit().unwrap();
        for (stored, seq) in answers {
            let _ = stored.send(seq);
        }
    }
}

async fn hook(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !genuine(&headers, &body) {
        return StatusCode::BAD_REQUEST;
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let id = event["id"].as_str().unwrap_or_default().to_owned();
    let (stored, answer) = oneshot::channel();
    shared.writer.send(Op::Store { id, body, stored }).unwrap();
    if let Some(seq) = answer.await.unwrap()
        && event["type"] == "customer.updated"
        && let Some(work) = &shared.work
    {
        work.send((seq, event)).unwrap();
    }
    StatusCode::OK
}

fn genuine(headers: &HeaderMap, body: &[u8]) -> bool {
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let part = |name: &str| header.split(',').find_map(|part| part.strip_prefix(name)).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(part("t=").as_bytes());
    mac.update(b".");
    mac.update(body);
    let bytes = |text: &str| -> Option<Vec<u8>> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
    };
    bytes(part("v1=")).is_some_and(|given| mac.verify_slice(&given).is_ok())
}

async fn worker(
    client: reqwest::Client,
    accounts: String,
    waiting: Arc<Mutex<tokio::sync::mpsc::UnboundedReceiver<(i64, Value)>>>,
    writer: mpsc::Sender<Op>,
) {
    loop {
        let Some((seq, event)) = waiting.lock().await.recv().await else { return };
        let object = &event["data"]["object"];
        let address = format!("{accounts}/{}", object["id"].as_str().unwrap());
        let account: Value = client.get(&address).send().await.unwrap().json().await.unwrap();
        let wanted = json!({ "name": object["name"], "status": "Active" });
        if account["name"] != wanted["name"] || account["status"] != wanted["status"] {
            client.patch(&address).json(&wanted).send().await.unwrap().bytes().await.unwrap();
        }
        writer.send(Op::Done { seq }).unwrap();
    }
}
