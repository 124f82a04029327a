//! Webhooks of CRMs as triggers: who is believed, what is stored, what runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use lockstep::value::Value as Tree;
use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{SECRET, SECRET_OLD, World, now};

/// A client of a portal that calls: one task for a deal that is won.
const PORTAL: &str = r#"
# file: pipelines/acme/client.yaml
name: acme
connections:
  bitrix24:
    connector: bitrix24
    config: { webhook_url: "${BITRIX24_URL}", application_tokens: ["${ACME_WHSEC}", "${ACME_WHSEC_OLD}"] }
  salesforce:
    connector: salesforce
    config: { login_url: "${SF_URL}", client_id: "${SF_ID}", client_secret: "${SF_SECRET}" }
# file: pipelines/acme/deal-won.yaml
name: deal-won
trigger: { webhook: { connection: bitrix24, events: [ONCRMDEALUPDATE, ONCRMDEALDELETE] } }
when: event.type == "ONCRMDEALDELETE" || object.STAGE_ID == "WON"
steps:
  - create:
      object: salesforce.Task
      key: { Stripe_Charge_Id__c: "${event.type} ${object.ID}" }
      fields: { Subject: { from: $.object.TITLE, default: gone }, Status: Completed, Priority: Normal }
"#;

/// A client of a system that signs the whole request and sends lists.
const SIGNING: &str = r#"
# file: connectors/signing-crm.yaml
name: signing-crm
title: Signing CRM
config:
  app_secret: { secret: true, required: true, description: The app's secret. }
  password: { secret: true, description: A password in the address. }
  public_url: { type: url, description: Where the world sees us. }
base_url: https://api.signing.example
webhook:
  secrets: $.config.app_secret
  url: $.config.public_url
  signature:
    header: X-Signature-v3
    encoding: base64
    scheme: { request: { parts: [method, url, body, time], time: X-Request-Timestamp } }
events:
  id: $.event.eventId
  type: $.event.subscriptionType
  created: $.event.occurredAt
  object: $.event
  object_id: $.event.objectId
  types: { contact.changed: { object: contact }, contact.deleted: { object: contact, gone: true } }
objects:
  contact: { get: { request: { method: GET, path: "/contacts/${id}" }, response: { record: $.response.body } } }
# file: pipelines/acme/client.yaml
name: acme
connections:
  crm:
    connector: signing-crm
    config: { app_secret: "${ACME_WHSEC}", public_url: "https://hooks.acme.example" }
# file: pipelines/acme/changed.yaml
name: changed
trigger: { webhook: { connection: crm, events: [contact.changed] } }
steps:
  - set: { id: $.object.objectId }
"#;

/// What the portal posts.
fn told(event: &str, id: u64, token: &str) -> String {
    format!(
        "event={event}&event_handler_id=11&data%5BFIELDS%5D%5BID%5D={id}&ts={}&auth%5Bdomain%5D=acme.bitrix24.example\
         &auth%5Bmember_id%5D=a223&auth%5Baccess_token%5D=secret_access&auth%5Bapplication_token%5D={token}",
        now()
    )
}

async fn post(world: &World, path: &str, body: String, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let request =
        world.http().post(world.hook(path)).header("content-type", "application/x-www-form-urlencoded");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.body(body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn won(world: &World, title: &str) -> u64 {
    let deal = json!({"TITLE": title, "STAGE_ID": "WON"});
    world.sandbox().bitrix24().seed("deal", &Tree::from(&deal)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_knows_the_token_is_believed_and_no_token_is_kept() {
    let mut world = World::with(PORTAL).await;
    world.start(&[]);
    let id = won(&world, "Annual");
    let event = |token: &str| told("ONCRMDEALUPDATE", id, token);
    for (why, body) in [
        ("another token", event("guessed")),
        ("no token", event("")),
        ("no form", "{\"event\": \"ONCRMDEALUPDATE\"}".to_owned()),
        ("brackets that do not match", "event[=x".to_owned()),
        ("nothing", String::new()),
    ] {
        let (status, answer) = post(&world, "acme/bitrix24", body, &[]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{why}: {answer}");
    }
    assert_eq!(world.json(&["events"]), json!({ "events": [] }), "nothing is stored of what is refused");
    for token in [SECRET, SECRET_OLD] {
        assert_eq!(post(&world, "acme/bitrix24", event(token), &[]).await.0, StatusCode::OK);
    }
    world.all_ended().await;
    let events = world.json(&["events"]);
    assert_eq!(events["events"].as_array().unwrap().len(), 2, "a delivery has no id: each is an event");
    let store = std::fs::read(world.folder().join("lockstep.db")).unwrap();
    let holds = |text: &str| store.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds("secret_access") && !holds(SECRET), "tokens are thrown away before anything is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_only_names_its_record_has_it_read_when_a_run_begins() {
    let mut world = World::with(PORTAL).await;
    world.start(&[]);
    let portal = world.sandbox().bitrix24();
    let id = won(&world, "Annual");
    let gone = won(&world, "Gone");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let removed =
        client.get(format!("{}crm.deal.delete?id={gone}", portal.webhook_url())).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::OK);
    for event in [
        told("ONCRMDEALUPDATE", id, SECRET),
        told("oncrmdealupdate", id, SECRET),
        told("ONCRMDEALUPDATE", gone, SECRET),
        told("ONCRMDEALDELETE", gone, SECRET),
        told("ONCRMDEALADD", id, SECRET),
    ] {
        assert_eq!(post(&world, "acme/bitrix24", event, &[]).await.0, StatusCode::OK);
    }
    world.all_ended().await;
    let tasks = world.sandbox().salesforce().records("Task");
    let mut subjects: Vec<String> =
        tasks.iter().map(|task| task.get("Subject").unwrap().to_string()).collect();
    subjects.sort_unstable();
    assert_eq!(
        subjects,
        ["Annual", "gone"],
        "one for the deal, however often it is told; one for the one that went"
    );
    let skipped = world.json(&["runs", "--outcome", "skipped"]);
    assert_eq!(
        skipped["runs"][0]["reason"],
        json!(format!("bitrix24.deal {gone}, which the event is about, is not there any more"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_from_the_portal_itself_is_taken_in_whole() {
    let mut world = World::with(PORTAL).await;
    // The token is the portal's own choice, and lockstep is told of it.
    let portal = world.sandbox().bitrix24();
    portal.bucket(10_000, 10_000);
    let token = portal.register_webhook("http://127.0.0.1:1/hooks/acme/bitrix24");
    world.start(&[("ACME_WHSEC", &token)]);
    let portal = world.sandbox().bitrix24();
    let own = portal.register_webhook(&world.hook("acme/bitrix24"));
    assert_ne!(own, token);
    for number in 0..20 {
        let id = won(&world, &format!("D{number}"));
        let event = told("ONCRMDEALUPDATE", id, &token);
        for _ in 0..3 {
            assert_eq!(post(&world, "acme/bitrix24", event.clone(), &[]).await.0, StatusCode::OK);
        }
    }
    world.all_ended().await;
    assert_eq!(world.sandbox().salesforce().records("Task").len(), 20, "each once");
    let refused = world.log().contains("delivery refused");
    assert!(refused, "the other webhook's deliveries carry a token that nobody has named");
}

fn signed(secret: &str, url: &str, body: &str, time: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("POST{url}{body}{time}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_over_the_whole_request_is_checked_with_address_and_time() {
    let mut world = World::with(SIGNING).await;
    world.start(&[]);
    let event = |id: u64, kind: &str| json!({"eventId": id, "subscriptionType": kind, "occurredAt": now() * 1000, "objectId": 512});
    let body = json!([event(1, "contact.changed"), event(2, "contact.changed"), event(3, "contact.deleted")])
        .to_string();
    let url = "https://hooks.acme.example/hooks/acme/crm";
    let time = (now() * 1000).to_string();
    let old = ((now() - 400) * 1000).to_string();
    for (why, signature, time) in [
        ("another address", signed(SECRET, "https://elsewhere.example/hooks/acme/crm", &body, &time), &time),
        ("another body", signed(SECRET, url, "[]", &time), &time),
        ("another time", signed(SECRET, url, &body, &old), &time),
        ("another secret", signed("guessed", url, &body, &time), &time),
        ("too old", signed(SECRET, url, &body, &old), &old),
        ("none", String::new(), &time),
    ] {
        let headers = [("x-signature-v3", signature.as_str()), ("x-request-timestamp", time.as_str())];
        assert_eq!(
            post(&world, "acme/crm", body.clone(), &headers).await.0,
            StatusCode::BAD_REQUEST,
            "{why}"
        );
    }
    assert_eq!(world.json(&["events"]), json!({ "events": [] }));
    let signature = signed(SECRET, url, &body, &time);
    let headers = [("x-signature-v3", signature.as_str()), ("x-request-timestamp", time.as_str())];
    let (status, receipt) = post(&world, "acme/crm", body.clone(), &headers).await;
    assert_eq!((status, &receipt["events"], &receipt["runs"]), (StatusCode::OK, &json!(3), &json!(2)));
    let (status, receipt) = post(&world, "acme/crm", body, &headers).await;
    assert_eq!(
        (status, &receipt["duplicate"], &receipt["runs"]),
        (StatusCode::OK, &json!(true), &json!(0)),
        "repeated"
    );
    let soft = format!("{url}?next=a:b");
    let one = json!([event(4, "contact.changed")]).to_string();
    let signature = signed(SECRET, &soft, &one, &time);
    let headers = [("x-signature-v3", signature.as_str()), ("x-request-timestamp", time.as_str())];
    let (status, _) = post(&world, "acme/crm?next=a%3Ab", one, &headers).await;
    assert_eq!(status, StatusCode::OK, "the address is signed with some of its characters decoded");
    world.all_ended().await;
    assert_eq!(world.json(&["runs"])["runs"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_or_a_key_in_the_address_will_do_where_a_manifest_says_so() {
    for (proof, path, headers, wrong) in [
        (
            "basic: acme",
            "acme/crm",
            vec![("authorization", format!("Basic {}", STANDARD.encode(format!("acme:{SECRET}"))))],
            "acme/crm",
        ),
        ("token: $.query.key", &format!("acme/crm?key={SECRET}")[..], vec![], "acme/crm?key=x"),
        ("token: $.headers['x-token']", "acme/crm", vec![("x-token", SECRET.to_owned())], "acme/crm"),
    ] {
        let (begin, rest) = SIGNING.split_once("  url: $.config.public_url\n").unwrap();
        let (_, rest) = rest.split_once("events:\n").unwrap();
        let mut world = World::with(&format!("{begin}  {proof}\nevents:\n{rest}")).await;
        world.start(&[]);
        let body =
            json!({"eventId": 1, "subscriptionType": "contact.changed", "occurredAt": now(), "objectId": 5})
                .to_string();
        assert_eq!(post(&world, wrong, body.clone(), &[]).await.0, StatusCode::BAD_REQUEST, "{proof}");
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(post(&world, path, body, &headers).await.0, StatusCode::OK, "{proof}");
    }
}

#[tokio::test]
async fn the_events_of_a_trigger_are_those_that_the_connector_has() {
    let world =
        World::with(&PORTAL.replace(
            "[ONCRMDEALUPDATE, ONCRMDEALDELETE]",
            "[onCrmDealUpdated, ONCRMCONTACTADD, ONCRMDEALADD]",
        ))
        .await;
    let output = world.lockstep(&["validate"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "error[unknown-event]: Bitrix24 has no event `onCrmDealUpdated`",
        "did you mean `ONCRMDEALUPDATE`?",
        "these events are about `contact` and about `deal`, and each only names its record",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}
