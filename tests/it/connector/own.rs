//! Manifests of a project's own, and the built-in `http`, against small servers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use lockstep::connector::{AfterUnknown, Class, Done, Kept, Record, Repeat, VaultError};
use pretty_assertions::assert_eq;

use super::*;

/// One request that a small server got.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) method: Method,
    pub(super) uri: String,
    headers: HeaderMap,
    pub(super) body: String,
}

/// A server that answers every request by a function, and remembers them.
pub(super) struct Server {
    pub(super) url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    pub(super) async fn answering(answer: impl Fn(&Got) -> Response + Send + Sync + 'static) -> Self {
        let got = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&got), Arc::new(answer));
        let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let body = String::from_utf8_lossy(&body).into_owned();
            let got = Got { method, uri: uri.to_string(), headers, body };
            let reply = answer(&got);
            seen.lock().unwrap().push(got);
            async move { reply }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, got }
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    fn header(&self, at: usize, name: &str) -> String {
        let got = self.got();
        got[at].headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}

pub(super) fn ok(body: &str) -> Response {
    (StatusCode::OK, [("content-type", "application/json")], body.to_owned()).into_response()
}

pub(super) fn manifest(yaml: &str) -> Arc<Manifest> {
    match Manifest::read("own.yaml", yaml) {
        Ok(manifest) => Arc::new(manifest),
        Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

const PLAIN: &str = r#"
name: own
title: Own
config:
  base_url: { type: url, required: true, description: The address. }
  token: { secret: true, description: A token. }
base_url: "${config.base_url}/api"
auth:
  first:
    - { given: [token], auth: { headers: { X-Api-Token: $.config.token } } }
    - auth: none
errors:
  code: $.response.body.error
  rules:
    - { status: 400, text: "try (again|later)", class: throttled, wait: "${response.body.seconds}" }
    - { status: 403, body: html, class: throttled, wait: 5m }
    - { header: { x-locked: "" }, class: locked }
    - { when: response.body.success == false, class: permanent }
operations:
  thing.get:
    params: { id: { description: Its id., required: true } }
    request: { method: GET, path: "/things/${params.id}" }
    response: { success: response.body.success == true, result: $.response.body.data }
  thing.make:
    request: { method: POST, path: /things, body: $.rest }
  query:
    params: { id: { description: Its id. } }
    request:
      method: POST
      path: /graphql
      encoding: graphql
      body: { query: "query($id: ID!) { thing(id: $id) { name } }", variables: { id: $.params.id } }
    repeat: harmless
  call:
    request: { method: POST, path: /jsonrpc, encoding: jsonrpc, body: { method: call, params: $.rest } }
objects:
  thing:
    list:
      request: { method: GET, path: /things, query: { limit: $.limit } }
      response: { records: $.response.body.data, next_url: $.response.body.next }
"#;

async fn own(answer: impl Fn(&Got) -> Response + Send + Sync + 'static) -> (Server, Client) {
    let server = Server::answering(answer).await;
    let client = Client::new();
    let config = format!(r#"{{"base_url": "{}", "token": "token-4242"}}"#, server.url);
    client.open(manifest(PLAIN), &config);
    (server, client)
}

#[tokio::test]
async fn a_manifest_of_a_projects_own_talks() {
    let (server, client) = own(|_| ok(r#"{"success": true, "data": {"name": "x"}}"#)).await;
    let reply = client.call(operation("thing.get", r#"{"id": "a/b?c#d"}"#)).await.unwrap();
    assert_eq!(text(&reply.result, "name"), "x");
    assert_eq!(server.got()[0].uri, "/api/things/a%2Fb%3Fc%23d");
    assert_eq!(server.header(0, "x-api-token"), "token-4242");
}

#[tokio::test]
async fn no_value_climbs_out_of_its_segment() {
    let (server, client) = own(|_| ok("{}")).await;
    for id in ["", "  ", ".", ".."] {
        let params = Value::map([("id", Value::from(id))]).to_json();
        let failure = client.call(operation("thing.get", &params)).await.unwrap_err();
        assert_eq!(failure.class, Class::Permanent, "{id}");
    }
    assert!(server.got().is_empty());
}

#[tokio::test]
async fn envelopes_are_put_around_bodies() {
    let (server, client) = own(|_| ok(r#"{"data": {}}"#)).await;
    client.call(operation("query", r#"{"id": "1\"}"}"#)).await.unwrap();
    assert_eq!(
        json(&server.got()[0].body),
        json(r#"{"query": "query($id: ID!) { thing(id: $id) { name } }", "variables": {"id": "1\"}"}}"#)
    );
    client.call(operation("call", r#"{"a": 1}"#)).await.unwrap();
    assert_eq!(
        json(&server.got()[1].body),
        json(r#"{"jsonrpc": "2.0", "method": "call", "params": {"a": 1}, "id": 1}"#)
    );
}

#[tokio::test]
async fn rules_decide_in_order() {
    let answers = [
        (400, "text/plain", "please try later", "", Class::Throttled),
        (403, "text/html", "<html>abuse</html>", "", Class::Throttled),
        (403, "application/json", r#"{"error": "no"}"#, "", Class::Permanent),
        (500, "application/json", "{}", "yes", Class::Locked),
        (200, "application/json", r#"{"success": false, "error": "E1"}"#, "", Class::Permanent),
        (418, "text/plain", "teapot", "", Class::Permanent),
        (409, "text/plain", "", "", Class::Locked),
        (404, "application/json", "{}", "", Class::Permanent),
        (302, "text/plain", "", "", Class::Permanent),
    ];
    for (status, kind, body, locked, expected) in answers {
        let answer = move |_: &Got| {
            let mut response =
                (StatusCode::from_u16(status).unwrap(), [("content-type", kind)], body).into_response();
            if !locked.is_empty() {
                response.headers_mut().insert("x-locked", locked.parse().unwrap());
            }
            response
        };
        let (_server, client) = own(answer).await;
        let failure = client.call(operation("thing.get", r#"{"id": "1"}"#)).await.unwrap_err();
        assert_eq!(failure.class, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn a_throttled_call_waits_as_long_as_it_is_told() {
    for (answer, seconds) in [
        ((429, "Retry-After", "7", "{}"), 7),
        ((400, "X-Nothing", "0", r#"{"error": "try again", "seconds": 11}"#), 11),
        ((403, "Content-Type", "text/html", "<html>"), 300),
        ((503, "Retry-After", "garbage", "{}"), 0),
    ] {
        let (status, name, value, body) = answer;
        let (_server, client) = own(move |_| {
            (
                StatusCode::from_u16(status).unwrap(),
                [("content-type", "application/json"), (name, value)],
                body,
            )
                .into_response()
        })
        .await;
        let failure = client.call(operation("thing.get", r#"{"id": "1"}"#)).await.unwrap_err();
        assert_eq!(failure.wait.map_or(0, |wait| wait.as_secs()), seconds, "{failure:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_carries_no_credential_away() {
    let away = Server::answering(|_| ok("{}")).await;
    let to = away.url.clone();
    let (server, client) =
        own(move |_| (StatusCode::FOUND, [("location", to.as_str())]).into_response()).await;
    client.call(operation("thing.make", r#"{"a": 1}"#)).await.unwrap_err();
    assert_eq!((server.got().len(), away.got().len()), (1, 0));
}

#[tokio::test]
async fn the_next_page_is_only_asked_for_where_requests_may_go() {
    let page = r#"{"data": [{"id": 1}], "next": "http://evil.example/things?page=2"}"#;
    let (server, client) = own(move |_| ok(page)).await;
    let first = client.call(list("thing", "{}", 10, None)).await.unwrap();
    let failure = client.call(list("thing", "{}", 10, first.next)).await.unwrap_err();
    assert!(failure.message.contains("requests may not go to evil.example"), "{failure}");
    assert_eq!(server.got().len(), 1);

    let (server, client) = own(|got| {
        ok(if got.uri.contains("page=2") {
            r#"{"data": []}"#
        } else {
            r#"{"data": [{"id": 1}], "next": "/api/things?page=2"}"#
        })
    })
    .await;
    let first = client.call(list("thing", "{}", 10, None)).await.unwrap();
    assert_eq!(first.records, [Record { id: Some("1".into()), fields: json(r#"{"id": 1}"#) }]);
    let second = client.call(list("thing", "{}", 10, first.next)).await.unwrap();
    assert_eq!((second.records.len(), second.next), (0, None));
    assert_eq!(server.got()[1].uri, "/api/things?page=2");
}

#[tokio::test]
async fn a_list_that_is_not_where_it_should_be_is_not_an_empty_one() {
    let (_server, client) = own(|_| ok(r#"{"items": []}"#)).await;
    let failure = client.call(list("thing", "{}", 10, None)).await.unwrap_err();
    assert!(failure.message.contains("no list of records"), "{failure}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let yaml = PLAIN.replace("errors:", "defaults: { max_response: 1000 }\nerrors:");
    let server =
        Server::answering(|_| ok(&format!(r#"{{"success": true, "x": "{}"}}"#, "y".repeat(2000)))).await;
    let client = Client::new();
    client.open(manifest(&yaml), &format!(r#"{{"base_url": "{}"}}"#, server.url));
    let failure = client.call(operation("thing.get", r#"{"id": "1"}"#)).await.unwrap_err();
    assert!(failure.message.contains("larger than 1000 bytes"), "{failure}");
    let failure = client.call(operation("thing.make", "{}")).await.unwrap_err();
    assert_eq!(failure.class, Class::Unknown, "it was done, but nobody knows what came of it");
}

#[test]
fn unencrypted_requests_stay_on_this_machine() {
    let own = manifest(PLAIN);
    let faults = |config: &str| -> Vec<String> {
        own.check_config(&map(config)).iter().map(ToString::to_string).collect()
    };
    for fine in [
        r#"{"base_url": "https://crm.example.com"}"#,
        r#"{"base_url": "http://127.0.0.1:8080"}"#,
        r#"{"base_url": "http://[::1]:8080"}"#,
        r#"{"base_url": "http://localhost"}"#,
        r#"{"base_url": "http://crm.example.com", "allow_http": true}"#,
        r#"{"base_url": "${CRM_URL}"}"#,
    ] {
        assert_eq!(faults(fine), Vec::<String>::new(), "{fine}");
    }
    for clear in [
        r#"{"base_url": "http://crm.example.com"}"#,
        r#"{"base_url": "http://crm.example.com", "allow_http": false}"#,
        r#"{"base_url": "http://127.0.0.1.example.com"}"#,
        r#"{"base_url": "http://192.0.2.1"}"#,
    ] {
        let found = faults(clear);
        assert!(found[0].contains("must be https, not http"), "{clear}: {found:?}");
    }
}

#[test]
fn an_unencrypted_address_of_a_manifest_is_refused_when_it_is_opened() {
    let yaml = PLAIN.replace("\"${config.base_url}/api\"", "http://crm.example.com/api");
    let client = Client::new();
    let opened = client.try_open(manifest(&yaml), r#"{"base_url": "https://crm.example.com"}"#);
    let faults = opened.unwrap_err();
    assert!(faults[0].message.contains("requests to crm.example.com must be https"), "{faults:?}");
}

#[tokio::test]
async fn a_redirect_is_followed_to_where_the_manifest_allows_it_as_the_same_request() {
    let there = Server::answering(|_| ok(r#"{"id": 1}"#)).await;
    // Another host than the one of the settings, and allowed by name.
    let to = there.url.replace("127.0.0.1", "localhost");
    for (status, followed) in [(301, true), (302, true), (307, true), (308, true), (303, false), (300, false)]
    {
        let (location, before) = (format!("{to}/moved?a=1"), there.got().len());
        let server = Server::answering(move |_| {
            (StatusCode::from_u16(status).unwrap(), [("location", location.clone())]).into_response()
        })
        .await;
        let client = Client::new();
        let yaml = PLAIN.replace("errors:", "redirects: [localhost]\nerrors:");
        let config = format!(r#"{{"base_url": "{}", "token": "token-4242"}}"#, server.url);
        client.open(manifest(&yaml), &config);
        let answer = client.call(operation("thing.make", r#"{"a": 1}"#)).await;
        assert_eq!(
            (answer.is_ok(), there.got().len() - before),
            (followed, usize::from(followed)),
            "{status}"
        );
    }
    let got = there.got().remove(0);
    assert_eq!((got.method, &*got.uri, &*got.body), (Method::POST, "/moved?a=1", r#"{"a":1}"#));
    assert_eq!(got.headers["x-api-token"], "token-4242");
}

#[tokio::test]
async fn a_redirect_that_leads_in_a_circle_ends() {
    let url = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&url);
    let server = Server::answering(move |_| {
        let to = to.lock().unwrap().clone();
        (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response()
    })
    .await;
    url.lock().unwrap().push_str(&server.url);
    let client = Client::new();
    client.open(
        manifest(&PLAIN.replace("errors:", "redirects: [127.0.0.1]\nerrors:")),
        &format!(r#"{{"base_url": "{}"}}"#, server.url),
    );
    let failure = client.call(operation("thing.make", "{}")).await.unwrap_err();
    assert_eq!(failure.message, "redirects to 127.0.0.1, which is not followed");
    assert_eq!(server.got().len(), 4);
}

#[tokio::test]
async fn headers_without_end_are_cut_off() {
    let server = Server::answering(|_| {
        let mut response = ok("{}");
        for number in 0..2000 {
            let name = axum::http::HeaderName::try_from(format!("x-{number}")).unwrap();
            response.headers_mut().insert(name, "y".repeat(500).parse().unwrap());
        }
        response
    })
    .await;
    let client = Client::new();
    client.open(manifest(PLAIN), &format!(r#"{{"base_url": "{}"}}"#, server.url));
    let failure = client.call(operation("thing.make", "{}")).await.unwrap_err();
    assert_eq!((failure.class, failure.done), (Class::Unknown, Done::Perhaps), "{failure}");
}

#[tokio::test]
async fn a_connection_waits_as_long_as_its_client_says() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It takes every connection, and says nothing.
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    let client = Client { timeout: Some(Duration::from_millis(50)), ..Client::new() };
    client.open(manifest(PLAIN), &format!(r#"{{"base_url": "{url}"}}"#));
    let failure = client.call(operation("thing.make", "{}")).await.unwrap_err();
    assert_eq!((failure.class, &*failure.message), (Class::Unknown, "no answer within 50ms"));
}

#[tokio::test]
async fn calls_beyond_the_concurrency_wait() {
    let busy = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let app = {
        let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
        Router::new().fallback(move || {
            let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
            async move {
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
                busy.fetch_sub(1, Ordering::SeqCst);
                ok(r#"{"success": true}"#)
            }
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let yaml = PLAIN.replace("errors:", "limits: { concurrency: 3 }\nerrors:");
    let client = Client::new();
    client.open(manifest(&yaml), &format!(r#"{{"base_url": "{url}"}}"#));
    let calls = (0..12).map(|_| client.call(operation("thing.get", r#"{"id": "1"}"#)));
    for reply in futures_util::future::join_all(calls).await {
        reply.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

const ROTATING: &str = r#"
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
    prefix: Zoho-oauthtoken
operations:
  ping: { request: { method: GET, path: /ping } }
"#;

/// A vault that can be broken.
#[derive(Default)]
struct Fragile {
    inner: MemoryVault,
    broken: AtomicBool,
}

impl Vault for Fragile {
    fn ready(&self) -> Result<(), VaultError> {
        Ok(())
    }

    fn load<'a>(&'a self, client: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<Kept>, VaultError>> {
        self.inner.load(client, name)
    }

    fn keep<'a>(
        &'a self,
        client: &'a str,
        name: &'a str,
        kept: Kept,
    ) -> BoxFuture<'a, Result<(), VaultError>> {
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(VaultError::OutOfReach("the disk is full".into())) });
        }
        self.inner.keep(client, name, kept)
    }
}

/// Gives `access-n` and `refresh-n+1` for `refresh-n`, each once.
fn rotating() -> impl Fn(&Got) -> Response + Send + Sync {
    let round = AtomicUsize::new(1);
    move |got: &Got| {
        if !got.uri.starts_with("/token") {
            return ok("{}");
        }
        let now = round.load(Ordering::SeqCst);
        if !got.body.contains(&format!("refresh_token=refresh-{now}")) {
            return ok(r#"{"error": "invalid_code"}"#);
        }
        round.store(now + 1, Ordering::SeqCst);
        ok(&format!(
            r#"{{"access_token": "access-{now}", "refresh_token": "refresh-{}", "expires_in": 20}}"#,
            now + 1
        ))
    }
}

#[tokio::test]
async fn a_replaced_refresh_token_is_kept_before_its_access_token_is_used() {
    let server = Server::answering(rotating()).await;
    let vault = Arc::new(Fragile::default());
    let config = format!(r#"{{"base_url": "{}", "refresh_token": "refresh-1"}}"#, server.url);
    let client = Client::with_vault(Arc::clone(&vault) as Arc<dyn Vault>);
    client.open(manifest(ROTATING), &config);
    // A token of 20 seconds is within the margin: every call asks for a new one.
    client.call(operation("ping", "null")).await.unwrap();
    assert_eq!(server.header(1, "authorization"), "Zoho-oauthtoken access-1");
    assert_eq!(vault.load("acme", "crm").await.unwrap().unwrap().token.expose(), "refresh-2");

    // After a restart the kept token is used, not the one of the settings.
    let client = Client::with_vault(Arc::clone(&vault) as Arc<dyn Vault>);
    client.open(manifest(ROTATING), &config);
    client.call(operation("ping", "null")).await.unwrap();
    assert_eq!(server.header(3, "authorization"), "Zoho-oauthtoken access-2");
}

#[tokio::test]
async fn a_refresh_token_that_cannot_be_kept_is_not_used() {
    let server = Server::answering(rotating()).await;
    let vault = Arc::new(Fragile::default());
    vault.broken.store(true, Ordering::SeqCst);
    let client = Client::with_vault(Arc::clone(&vault) as Arc<dyn Vault>);
    let config = format!(r#"{{"base_url": "{}", "refresh_token": "refresh-1"}}"#, server.url);
    client.open(manifest(ROTATING), &config);
    let failure = client.call(operation("ping", "null")).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert!(failure.message.contains("the disk is full"), "{failure}");
    assert_eq!(server.got().len(), 1, "the access token was not used");
}

#[tokio::test]
async fn a_token_that_a_person_puts_into_the_settings_takes_the_place_of_the_kept_one() {
    let server = Server::answering(|got| {
        ok(match got.body.split_once("refresh_token=") {
            Some((_, "refresh-1")) => r#"{"access_token": "one", "refresh_token": "refresh-2"}"#,
            Some((_, "refresh-9")) => r#"{"access_token": "nine", "refresh_token": "refresh-10"}"#,
            Some(_) => r#"{"error": "revoked"}"#,
            None => "{}",
        })
    })
    .await;
    let vault: Arc<dyn Vault> = Arc::new(MemoryVault::default());
    for (settings, header) in [("refresh-1", "Zoho-oauthtoken one"), ("refresh-9", "Zoho-oauthtoken nine")] {
        let client = Client::with_vault(Arc::clone(&vault));
        let config = format!(r#"{{"base_url": "{}", "refresh_token": "{settings}"}}"#, server.url);
        client.open(manifest(ROTATING), &config);
        client.call(operation("ping", "null")).await.unwrap();
        assert_eq!(server.header(server.got().len() - 1, "authorization"), header);
    }
}

#[tokio::test]
async fn a_token_that_another_process_has_replaced_meanwhile_is_read_anew() {
    let server = Server::answering(rotating()).await;
    let vault: Arc<dyn Vault> = Arc::new(MemoryVault::default());
    let config = format!(r#"{{"base_url": "{}", "refresh_token": "refresh-1"}}"#, server.url);
    let clients = [Client::with_vault(Arc::clone(&vault)), Client::with_vault(vault)];
    for client in clients.iter().chain(&clients).chain(&clients) {
        client.open(manifest(ROTATING), &config);
        client.call(operation("ping", "null")).await.unwrap();
    }
    assert_eq!(server.header(11, "authorization"), "Zoho-oauthtoken access-6");
}

#[tokio::test]
async fn a_token_endpoint_that_refuses_with_200_has_refused() {
    let server =
        Server::answering(|_| ok(r#"{"error": "invalid_code", "error_description": "bad refresh-1"}"#)).await;
    let client = Client::new();
    let config = format!(r#"{{"base_url": "{}", "refresh_token": "refresh-1"}}"#, server.url);
    client.open(manifest(ROTATING), &config);
    for _ in 0..3 {
        let failure = client.call(operation("ping", "null")).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_deref()), (Class::ConnectionDown, Some("invalid_code")));
        assert!(!failure.message.contains("refresh-1"), "{failure}");
    }
    assert_eq!(server.got().len(), 1, "who was refused does not ask at once again");
}

#[tokio::test]
async fn a_jwt_is_signed_as_its_receiver_verifies_it() {
    let pem = include_str!("jwt-test-key.pem");
    let server =
        Server::answering(|_| ok(r#"{"access_token": "a", "instance_url": "http://127.0.0.1:1"}"#)).await;
    let client = Client::new();
    let config = Value::map(
        [
            ("login_url", &*server.url),
            ("client_id", "key"),
            ("username", "u@acme.example"),
            ("private_key", pem),
        ]
        .map(|(name, value)| (name, Value::from(value))),
    );
    client.open_builtin("salesforce", &config.to_json());
    let _ = client.call(get("Account", "001")).await;
    let body = server.got()[0].body.clone();
    assert!(
        body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="),
        "{body}"
    );
    let jwt = body.split_once("assertion=").unwrap().1;
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let decode = |part: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()
    };
    let der = {
        use base64::Engine as _;
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
    };
    let key = ring::signature::RsaKeyPair::from_pkcs8(&der).unwrap();
    let public = ring::signature::UnparsedPublicKey::new(
        &ring::signature::RSA_PKCS1_2048_8192_SHA256,
        key.public().as_ref().to_vec(),
    );
    public.verify(signed.as_bytes(), &decode(signature)).unwrap();
    let claims = Value::from_json(&decode(signed.split_once('.').unwrap().1)).unwrap();
    assert_eq!(text(&claims, "iss"), "key");
    assert_eq!(text(&claims, "sub"), "u@acme.example");
    assert_eq!(text(&claims, "aud"), "https://login.salesforce.com");
    let at = |name| claims.get(name).unwrap().as_i64().unwrap();
    assert_eq!(at("exp") - at("iat"), 180);
}

#[tokio::test]
async fn any_json_api_can_be_called() {
    let server = Server::answering(|got| {
        ok(match (got.method.as_str(), got.uri.as_str()) {
            ("GET", uri) if uri.starts_with("/api/orders?") => {
                r#"{"items": [{"no": 7, "ref": "a"}, {"no": 8, "ref": "b"}]}"#
            }
            ("POST", "/api/orders") => r#"{"no": 9}"#,
            _ => r#"{"done": true}"#,
        })
    })
    .await;
    let client = Client::new();
    let config = format!(
        r#"{{"base_url": "{}/api/", "headers": {{"X-Key": "key-424242"}}, "id_field": "no", "records_field": "items", "user": "u", "password": "p"}}"#,
        server.url
    );
    let connection = client.open_builtin("http", &config);
    let found = client.call(find("orders", r#"{"ref": "b"}"#)).await.unwrap();
    assert_eq!(found.records.len(), 1, "a server that knows no such parameter gives everything");
    assert_eq!(found.records[0].id.as_deref(), Some("8"));
    assert_eq!(server.header(0, "x-key"), "key-424242");
    assert_eq!(server.header(0, "authorization"), "Basic dTpw");
    let made = client.call(create("orders", r#"{"ref": "c"}"#)).await.unwrap();
    assert_eq!(made.id.as_deref(), Some("9"));
    client
        .call(operation("post", r#"{"path": ["orders", "a/b", "close"], "body": {"x": 1}}"#))
        .await
        .unwrap();
    client.call(operation("put", r#"{"path": "/orders/7/", "query": {"v": [1, 2]}}"#)).await.unwrap();
    let uris: Vec<String> = server.got().iter().map(|got| got.uri.clone()).collect();
    assert_eq!(uris[2..], ["/api/orders/a%2Fb/close", "/api/orders/7?v[0]=1&v[1]=2"]);
    let abilities = connection.manifest().abilities();
    assert_eq!(abilities.operation("put").unwrap().repeat, Repeat::Harmless);
    assert_eq!(abilities.operation("post").unwrap().repeat, Repeat::Doubles);
    assert_eq!(abilities.operation("post").unwrap().after_unknown, AfterUnknown::LookUp);
    assert!(abilities.any_object());
}

#[test]
fn a_connections_settings_are_checked_as_the_manifest_says() {
    let salesforce = builtin("salesforce").unwrap();
    let faults = |manifest: &Manifest, config: &str| -> Vec<String> {
        manifest.check_config(&map(config)).iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        faults(
            &salesforce,
            r#"{"login_url": "https://acme.my.salesforce.com", "client_id": "x", "client_secret": "${SECRET}"}"#
        ),
        Vec::<String>::new()
    );
    let wrong = r#"{"login_url": "acme", "client_idd": "x", "client_secret": 1, "assignment_rules": "yes", "api_version": "66"}"#;
    let found = faults(&salesforce, wrong);
    assert_eq!(found.len(), 4, "one slip is told once: {found:#?}");
    for said in [
        "login_url: expected an address that begins with https://",
        "client_idd: `client_idd` is not a setting of this connector (did you mean `client_id`?)",
        "assignment_rules: expected true or false, found text",
        "api_version: the value does not look as it should",
    ] {
        assert!(found.iter().any(|fault| fault.contains(said)), "{said}: {found:#?}");
    }
    let found = faults(&salesforce, r#"{"login_url": "https://a.example", "client_secret": "x"}"#);
    assert!(found[0].contains("the setting `client_id` is missing"), "{found:#?}");
    let found = faults(&salesforce, r#"{"login_url": "https://a.example", "client_id": "x"}"#);
    assert!(found[0].contains("give private_key and username, or client_secret"), "{found:#?}");
    let slack = builtin("slack").unwrap();
    assert!(slack.settings().get("url").unwrap().secret);
}

#[test]
fn a_manifests_mistakes_are_found_at_their_places() {
    let yaml = r#"
name: own
title: Own
base_url: "${config.bas_url}"
hosts: ["*.com"]
config:
  base_url: { type: url, description: The address., default: nonsense }
  key: { secret: true, default: x, description: A key., pattern: "(" }
languages:
  sql: { quote: "'", escape: {} }
  odd: { quote: "'", escape: { "'": "\\'" } }
shapes:
  row: { get: { request: { method: GET, path: "/rows/${vars.tabel}" } } }
objects:
  a: { like: rwo }
  b: { like: row, vars: { table: x } }
  c:
    find:
      - request: { method: GET, path: "rows", query: { q: { quoted: sqll, text: [] } } }
    get:
      by: [x]
      request: { method: GET, path: "/c?x=1", body: { quoted: sql, text: ["a ${id}", { pair: 1 }] } }
operations:
  do:
    request: { method: POST, path: /do, headers: { "Bad Header": x } }
    errors: { rules: [{ message: "[", class: missing }] }
"#;
    let faults = Manifest::read("own.yaml", yaml).unwrap_err();
    let mut places: Vec<String> = faults.iter().map(|fault| fault.path.to_string()).collect();
    places.sort();
    assert_eq!(
        places,
        [
            "base_url",
            "config.base_url.default",
            "config.key.default",
            "config.key.pattern",
            "hosts[0]",
            "languages.odd.escape",
            "languages.sql.escape",
            "objects.a.like",
            "objects.c.find[0].request.path",
            "objects.c.find[0].request.query.q.quoted",
            "objects.c.get.by",
            "objects.c.get.request.body.text[0]",
            "objects.c.get.request.body.text[1]",
            "objects.c.get.request.path",
            "operations.do.errors.rules[0].message",
            "operations.do.request.headers[\"Bad Header\"]",
            "shapes.row.get.request.path",
        ],
        "{faults:#?}"
    );
}
