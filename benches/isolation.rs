//! What one client notices of another one's dead CRM: `cargo bench --bench isolation`.
//!
//! Two clients in one process. Webhooks for `busy` come all the time; for `steady` one after the other, each timed from
//! its delivery to the write in its CRM. First busy's CRM answers, then it takes calls and says nothing. An optional
//! argument: the number of events that are timed in each phase.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench tells its figures, and ends when something is wrong"
)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use lockstep::admin::Access;
use lockstep::clock::{Clock, SystemClock};
use lockstep::config::env::Environment;
use lockstep::engine::Jitter;
use lockstep::runtime::{ProjectFiles, Runtime, RuntimeOptions};
use lockstep::sandbox::stripe::sign;
use lockstep::secret::Redactor;
use lockstep::serving::Listener;
use serde_json::json;
use tokio::sync::mpsc;

const SECRET: &str = "whsec_bench";

/// Between two webhooks for the busy client.
const BUSY_EVERY: Duration = Duration::from_millis(10);

/// A CRM with any account, which tells of each write, and can be made to hang.
struct Crm {
    url: String,
    hangs: Arc<AtomicBool>,
    written: mpsc::UnboundedReceiver<String>,
}

impl Crm {
    async fn start() -> Self {
        let hangs = Arc::new(AtomicBool::new(false));
        let (tell, written) = mpsc::unbounded_channel();
        let hanging = Arc::clone(&hangs);
        let app = Router::new().fallback(move |method: Method, uri: Uri| {
            let (tell, hanging) = (tell.clone(), Arc::clone(&hanging));
            async move {
                if hanging.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                let id = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
                if method != Method::GET {
                    // Nobody listens to the busy one.
                    drop(tell.send(id.clone()));
                }
                let body = json!({ "id": id, "name": "before" }).to_string();
                (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, hangs, written }
    }
}

struct Variables(HashMap<String, String>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        Err(std::io::Error::new(std::io::ErrorKind::NotFound, path))
    }
}

fn main() {
    let argument = std::env::args().skip(1).find(|argument| argument != "--bench");
    let events = argument.map_or(1_000, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(events));
}

async fn measure(events: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (mut steady, busy) = (Crm::start().await, Crm::start().await);
    let mut variables = HashMap::from([("SECRET".to_owned(), SECRET.to_owned())]);
    for (client, crm) in [("steady", &steady), ("busy", &busy)] {
        write_client(folder.path(), client);
        variables.insert(format!("{}_URL", client.to_uppercase()), crm.url.clone());
    }
    let runtime = start(folder.path(), variables).await;
    let public = format!("http://{}", runtime.addresses().public.unwrap());
    let load = tokio::spawn(load(format!("{public}/hooks/busy/stripe")));
    let hook = format!("{public}/hooks/steady/stripe");
    timed(&hook, &mut steady, "warm", events / 10).await;
    let well = timed(&hook, &mut steady, "well", events).await;
    busy.hangs.store(true, Ordering::Relaxed);
    // Until all places that the dead one can take are taken.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let dead = timed(&hook, &mut steady, "dead", events).await;
    load.abort();
    println!("{events} events; from webhook to CRM, milliseconds\n");
    println!("| the other client's CRM | p50 | p99 |\n| --- | --- | --- |");
    for (name, times) in [("answers", &well), ("hangs", &dead)] {
        println!("| {name} | {:.1} | {:.1} |", share(times, 50), share(times, 99));
    }
    println!(
        "| ratio | {:.2} | {:.2} |",
        share(&dead, 50) / share(&well, 50),
        share(&dead, 99) / share(&well, 99)
    );
    runtime.shutdown(Duration::ZERO).await.unwrap();
}

/// How long each of these events took, in milliseconds, in order of size.
async fn timed(hook: &str, crm: &mut Crm, phase: &str, events: usize) -> Vec<f64> {
    let http = client();
    let mut times = Vec::with_capacity(events);
    for number in 0..events {
        let id = format!("cus_{phase}_{number}");
        let began = Instant::now();
        deliver(&http, hook, &id).await;
        while crm.written.recv().await.unwrap() != id {}
        times.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    times
}

fn share(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100]
}

async fn load(hook: String) {
    let http = client();
    for number in 0.. {
        deliver(&http, &hook, &format!("cus_{number}")).await;
        tokio::time::sleep(BUSY_EVERY).await;
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn deliver(http: &reqwest::Client, hook: &str, id: &str) {
    let now = SystemClock.now().as_second();
    let body = json!({
        "id": format!("evt_{id}"), "object": "event", "api_version": "2026-10-28.endive", "created": now,
        "livemode": false, "type": "customer.updated",
        "data": { "object": { "id": id, "object": "customer", "name": "After", "email": "a@example.com" } },
    })
    .to_string();
    let signature = sign(SECRET, now, body.as_bytes());
    let answer = http.post(hook).header("stripe-signature", signature).body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

fn write_client(folder: &Path, name: &str) {
    let client = folder.join("pipelines").join(name);
    fs::create_dir_all(&client).unwrap();
    let at = name.to_uppercase();
    fs::write(
        client.join("client.yaml"),
        format!(
            "name: {name}\nconnections:\n  stripe: {{ connector: stripe, config: {{ api_key: \"${{SECRET}}\", \
             webhook_secrets: [\"${{SECRET}}\"], api_version: 2026-10-28.endive }} }}\n  crm: {{ connector: http, \
             config: {{ base_url: \"${{{at}_URL}}\" }} }}\n"
        ),
    )
    .unwrap();
    fs::write(
        client.join("sync.yaml"),
        "name: sync\ntrigger: { stripe: { events: [customer.updated] } }\nsteps:\n  - update:\n      \
         object: crm.accounts\n      record: $.object.id\n      fields: { name: $.object.name }\n",
    )
    .unwrap();
}

async fn start(folder: &Path, variables: HashMap<String, String>) -> Runtime {
    let files = ProjectFiles { paths: Vec::new(), here: folder.into(), env: None };
    let loopback = "127.0.0.1:0".parse().unwrap();
    let admin = Listener::bind(loopback).await.unwrap();
    Runtime::start(RuntimeOptions {
        files,
        found: Box::new(|_| ()),
        watch: None,
        environment: Arc::new(Variables(variables)),
        retain: None,
        store: lockstep::store::StoreAddress::of_project(folder),
        role: lockstep::store::Role::All,
        public: Some(Listener::bind(loopback).await.unwrap()),
        access: Access::to(admin.address(), None).unwrap(),
        admin,
        clock: Arc::new(SystemClock),
        jitter: Jitter::full(),
        redactor: Redactor::default(),
    })
    .await
    .unwrap()
}
