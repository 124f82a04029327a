//! Secrets stay in memory (invariant 5): planted in every place where one can be, and looked for in everything that
//! lockstep says and keeps.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep::sandbox::stripe::sign;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::example::project;
use crate::world::{charge, now};

const API_KEY: &str = "sk_test_planted0api0key0aaaaaaaa";
const WHSEC: &str = "whsec_planted0webhook0secret0bbb";
const USER_INFO: &str = "planted0password0in0the0address";
const HEADER: &str = "planted0header0of0every0request0";
const FIRST_REFRESH: &str = "planted0first0refresh0token00000";
const NEXT_REFRESH: &str = "planted0next0refresh0token000000";
const ACCESS: &str = "planted0access0token000000000000";
const ADMIN: &str = "planted0admin0token0000000000000";
const STORE_KEY: &str = "91a5d0c7f3e2b8649017aa55cc33ee7712d4f6a89bb0135e7c2d4e6f80a1b3c5";

/// All of them, and what a card number would be.
const PLANTED: [&str; 10] = [
    API_KEY,
    WHSEC,
    USER_INFO,
    HEADER,
    FIRST_REFRESH,
    NEXT_REFRESH,
    ACCESS,
    ADMIN,
    STORE_KEY,
    "4242424242424242",
];

const PROJECT: &str = r#"
# file: connectors/own.yaml
name: own
title: Own
config:
  base_url: { type: url, required: true, description: The address. }
  refresh_token: { secret: true, required: true, description: The first refresh token. }
base_url: $.config.base_url
auth:
  oauth2:
    token:
      url: "${config.base_url}/token"
      form: { grant_type: refresh_token, refresh_token: $.auth.refresh_token }
    refresh: $.config.refresh_token
errors: { message: $.response.body.error, code: $.response.body.code }
objects:
  thing:
    find:
      - by: [ref]
        request: { method: GET, path: /things, query: { ref: $.identity.ref } }
        response: { records: $.response.body.items }
    create:
      request: { method: POST, path: /things, body: $.fields }
      response: { id: $.response.body.id }
    get:
      request: { method: GET, path: "/things/${id}" }
      response: { record: $.response.body }
# file: pipelines/acme/client.yaml
name: acme
vars: { note: "${API_KEY}" }
connections:
  stripe:
    connector: stripe
    config: { api_key: "${API_KEY}", webhook_secrets: ["${WHSEC}"], api_version: 2026-10-28.endive }
  api:
    connector: http
    config: { base_url: "${API_URL}", headers: { X-Key: "${HEADER}" }, records_field: items }
  own: { connector: own, config: { base_url: "${OWN_URL}", refresh_token: "${REFRESH}" } }
# file: pipelines/acme/echoed.yaml
name: echoed
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - create: { object: own.thing, key: { ref: $.object.id }, fields: { note: "${vars.note}" } }
# file: pipelines/acme/written.yaml
name: written
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - id: read
    get: { object: api.orders, record: "1" }
  - create:
      object: api.orders
      key: $.object.id
      fields: { Note: "${vars.note} ${steps.read.record.leak}", Said: $.object.description }
# file: pipelines/acme/asked.yaml
name: asked
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - check: { that: object.amount == 0, reason: "who wrote ${vars.note} and ${object.description}?" }
# file: pipelines/acme/broken.yaml
name: broken
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - set: { at: { from: $.vars.note, datetime: date } }
"#;

/// A system that tells whoever asks all that it was told.
async fn indiscreet() -> (String, Arc<Mutex<Vec<String>>>) {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&heard);
    let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let body = String::from_utf8_lossy(&body).into_owned();
        let told = format!("{uri} {headers:?} {body}");
        seen.lock().unwrap().push(told.clone());
        async move { answer(uri.path(), &headers, &body, &told) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, heard)
}

fn answer(path: &str, headers: &HeaderMap, body: &str, told: &str) -> Response {
    let leak = format!("{} {told} card 4242 4242 4242 4242", STANDARD.encode(HEADER));
    let (status, answer) = match path {
        "/token" => {
            let next = json!({ "access_token": ACCESS, "refresh_token": NEXT_REFRESH, "expires_in": 3600 });
            (StatusCode::OK, next)
        }
        "/things" if body.is_empty() => (StatusCode::OK, json!({ "items": [] })),
        "/things" => (StatusCode::BAD_REQUEST, json!({ "error": leak, "code": ACCESS })),
        "/orders/1" => {
            let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            (
                StatusCode::OK,
                json!({ "id": 1, "leak": authorization, "more": [leak], "card": { "cvc": "123" } }),
            )
        }
        _ => (StatusCode::OK, json!({ "id": 7, "echo": leak })),
    };
    (status, [("content-type", "application/json")], answer.to_string()).into_response()
}

fn lockstep(folder: &Path, address: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command
        .current_dir(folder)
        .env_clear()
        .envs([("API_KEY", API_KEY), ("WHSEC", WHSEC), ("HEADER", HEADER), ("REFRESH", FIRST_REFRESH)])
        .env("API_URL", format!("http://keeper:{USER_INFO}@{address}"))
        .env("OWN_URL", format!("http://{address}"))
        .args(arguments);
    command
}

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was found where: the name of the place, and the secret.
fn search(place: &str, bytes: &[u8], found: &mut Vec<String>) {
    for secret in PLANTED {
        for form in [secret.to_owned(), STANDARD.encode(secret), STANDARD.encode(format!("keeper:{secret}"))]
        {
            let form = form.trim_end_matches('=').as_bytes();
            if bytes.windows(form.len()).any(|part| part == form) {
                found.push(format!("{place}: {secret}"));
            }
        }
    }
}

async fn get(http: &reqwest::Client, url: &str) -> String {
    http.get(url).bearer_auth(ADMIN).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_said_or_kept_anywhere() {
    let (address, heard) = indiscreet().await;
    let folder = project(PROJECT);
    let log = folder.path().join("log.txt");
    let arguments = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--format", "json"];
    let mut run = lockstep(folder.path(), &address, &arguments);
    run.env("LOCKSTEP_ADMIN_TOKEN", ADMIN)
        .env("LOCKSTEP_STORE_KEY", STORE_KEY)
        .env("LOCKSTEP_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(File::create(&log).unwrap());
    let mut running = Running(run.spawn().unwrap());
    let told = serde_json::Deserializer::from_reader(running.0.stdout.take().unwrap());
    let told: Value = told.into_iter::<Value>().next().unwrap().unwrap();
    assert_eq!(told["clients"][0]["runs"], json!(true), "{told}");
    let admin = format!("http://{}", told["admin"].as_str().unwrap());

    let mut event = charge("charge.succeeded", 1);
    event["data"]["object"]["description"] =
        json!(format!("{API_KEY} and {WHSEC}, {}", STANDARD.encode(HEADER)));
    event["data"]["object"]["metadata"] = json!({ "card": "4242 4242 4242 4242", "token": FIRST_REFRESH });
    let body = event.to_string();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let hook = told["hooks"][0].as_str().unwrap();
    let signature = sign(WHSEC, now(), body.as_bytes());
    let posted =
        http.post(hook).header("stripe-signature", signature).body(body.clone()).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::OK);
    let began = Instant::now();
    while serde_json::from_str::<Value>(&get(&http, &format!("{admin}/readyz")).await).unwrap()["unfinished_runs"]
        != json!(0)
    {
        assert!(began.elapsed() < Duration::from_mins(1), "the runs do not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The secrets were used, so that there was something to leak.
    let heard = heard.lock().unwrap().join("\n");
    for used in [FIRST_REFRESH, HEADER, ACCESS, &STANDARD.encode(format!("keeper:{USER_INFO}"))] {
        assert!(heard.contains(used), "{used} was never sent: {heard}");
    }
    assert!(heard.contains(API_KEY), "what is mapped is sent as it is");

    let mut found = Vec::new();
    for path in [
        "/metrics",
        "/readyz",
        "/api/v1/events",
        "/api/v1/runs",
        "/api/v1/dead",
        "/api/v1/conflicts",
        "/api/v1/audit",
    ] {
        search(path, get(&http, &format!("{admin}{path}")).await.as_bytes(), &mut found);
    }
    fs::write(folder.path().join("event.json"), &body).unwrap();
    let shown = ["events", "show", "evt_charge.succeeded_1"];
    let commands: [&[&str]; 9] = [
        &["events"],
        &shown,
        &["runs"],
        &["runs", "show", "1"],
        &["runs", "show", "2"],
        &["dead"],
        &["conflicts"],
        &["audit"],
        &["dry-run", "acme/written", "--event", "event.json"],
    ];
    for command in commands {
        for format in ["human", "json"] {
            let arguments = [command, &["--format", format]].concat();
            let output = lockstep(folder.path(), &address, &arguments).output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            search(&format!("{command:?}"), &[output.stdout, output.stderr].concat(), &mut found);
        }
    }
    for file in ["log.txt", "lockstep.db", "lockstep.db-wal"] {
        search(file, &fs::read(folder.path().join(file)).unwrap_or_default(), &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("[redacted]") || !log.contains("planted"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_refresh_token_outlives_a_restart_and_needs_a_key() {
    let (address, heard) = indiscreet().await;
    let folder = project(PROJECT);
    let arguments = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--format", "json"];
    let start = |key: Option<&str>| {
        let mut run = lockstep(folder.path(), &address, &arguments);
        run.envs(key.map(|key| ("LOCKSTEP_STORE_KEY", key))).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = Running(run.spawn().unwrap());
        let told = serde_json::Deserializer::from_reader(running.0.stdout.take().unwrap());
        let told: Option<Value> = told.into_iter::<Value>().next().and_then(Result::ok);
        (running, told)
    };
    let (running, told) = start(None);
    let problems = told.unwrap()["clients"][0]["problems"].to_string();
    assert!(
        problems.contains("connections.own: ") && problems.contains("set LOCKSTEP_STORE_KEY"),
        "{problems}"
    );
    drop(running);

    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (number, refresh) in [(1, FIRST_REFRESH), (2, NEXT_REFRESH)] {
        let (running, told) = start(Some(STORE_KEY));
        let told = told.unwrap();
        let body = charge("charge.succeeded", number).to_string();
        let signature = sign(WHSEC, now(), body.as_bytes());
        let hook = told["hooks"][0].as_str().unwrap();
        http.post(hook).header("stripe-signature", signature).body(body).send().await.unwrap();
        let began = Instant::now();
        let asked = || {
            let heard = heard.lock().unwrap();
            heard.iter().rfind(|told| told.starts_with("/token")).cloned().unwrap_or_default()
        };
        while !asked().contains(refresh) {
            assert!(began.elapsed() < Duration::from_mins(1), "{refresh} is not used: {}", asked());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The token that came with it is used only when its successor is kept.
        let is_used = || {
            let heard = heard.lock().unwrap();
            let after = heard.iter().rev().take_while(|told| !told.starts_with("/token"));
            after.into_iter().any(|told| told.starts_with("/things"))
        };
        while !is_used() {
            assert!(
                began.elapsed() < Duration::from_mins(1),
                "the token is not used: {:?}",
                heard.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(running);
    }

    let (_running, told) = start(Some("not a key"));
    assert_eq!(told, None, "nothing is started with a key that is none");
}
