//! Webhooks over HTTP: what is taken in, what is refused, and what is left behind.

use lockstep::sandbox::stripe::sign;
use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::json;

use crate::world::{SECRET, SECRET_OLD, World, charge, now};

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_not_proved_genuine_is_refused_and_stores_nothing() {
    // Invariant 1: a bad signature stores nothing.
    let world = World::acme().await;
    let body = charge("charge.succeeded", 1).to_string();
    let good = sign(SECRET, now(), body.as_bytes());
    let signature = good.split_once("v1=").unwrap().1;
    for (why, header) in [
        ("no header", String::new()),
        ("nothing readable", "hello".to_owned()),
        ("no signature", format!("t={}", now())),
        ("no time", format!("v1={signature}")),
        ("another secret", sign("whsec_of_a_stranger", now(), body.as_bytes())),
        ("another body", sign(SECRET, now(), b"{}")),
        ("another time", format!("t={},v1={signature}", now() + 1)),
        ("too old", sign(SECRET, now() - 400, body.as_bytes())),
        ("from the future", sign(SECRET, now() + 400, body.as_bytes())),
        ("another scheme", good.replace("v1=", "v0=")),
        ("another case", format!("t={},v1={}", now(), signature.to_uppercase())),
    ] {
        let (status, answer) = world.post(body.clone(), &header).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{why}: {answer}");
        assert!(answer["error"].is_string(), "{why} is said in words");
    }
    assert_eq!(world.json(&["events"]), json!({ "events": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_secret_that_is_configured_and_any_signature_that_is_sent_will_do() {
    let world = World::acme().await;
    let signed = |number: u32, header: &dyn Fn(&[u8]) -> String| {
        let body = charge("charge.succeeded", number).to_string();
        let header = header(body.as_bytes());
        (body, header)
    };
    let hex = |secret: &str, body: &[u8]| sign(secret, now(), body).split_once("v1=").unwrap().1.to_owned();
    for (body, header) in [
        signed(1, &|body| sign(SECRET, now(), body)),
        signed(2, &|body| sign(SECRET_OLD, now(), body)),
        signed(3, &|body| format!("t={},v1=00ff,v1={}", now(), hex(SECRET, body))),
        signed(4, &|body| format!("t={},v0=1234,v1={}", now(), hex(SECRET_OLD, body))),
        signed(5, &|body| sign(SECRET, now() - 200, body)),
    ] {
        assert_eq!(world.post(body, &header).await.0, StatusCode::OK, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_with_200_is_stored_and_runs_once() {
    let world = World::acme().await;
    let event = charge("charge.succeeded", 1);
    let first = world.deliver(&event).await;
    assert_eq!(
        first,
        (StatusCode::OK, json!({ "event": "evt_charge.succeeded_1", "duplicate": false, "runs": 2 }))
    );
    for _ in 0..3 {
        let again = world.deliver(&event).await;
        assert_eq!(
            again,
            (StatusCode::OK, json!({ "event": "evt_charge.succeeded_1", "duplicate": true, "runs": 0 }))
        );
    }
    world.all_ended().await;
    assert_eq!(world.sandbox().salesforce().records("Task").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_served_is_404_and_a_wrong_method_405() {
    let world = World::acme().await;
    for path in ["nobody/stripe", "acme/nothing", "acme/salesforce"] {
        let body = charge("charge.succeeded", 1).to_string();
        let signature = sign(SECRET, now(), body.as_bytes());
        let request = world.http().post(world.hook(path)).header("stripe-signature", signature).body(body);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
    let response = world.http().get(world.hook("acme/stripe")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
    let elsewhere = world.hook("acme/stripe").replace("/hooks/", "/");
    assert_eq!(world.http().get(elsewhere).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_413_and_what_is_no_event_400() {
    let world = World::acme().await;
    let large = vec![b' '; 1024 * 1024 + 1];
    let signature = sign(SECRET, now(), &large);
    assert_eq!(world.post(large, &signature).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    for body in ["", "hello", "[]", "{}", r#"{"id":"evt_1"}"#, r#"{"id":"evt_1","type":"charge.succeeded"}"#]
    {
        let signature = sign(SECRET, now(), body.as_bytes());
        assert_eq!(world.post(body, &signature).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(world.json(&["events"]), json!({ "events": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_run_asks_its_senders_to_come_back_and_the_others_go_on() {
    // Invariant 6: checking is per client.
    let world = World::with_a_broken_client().await;
    let response = world.http().post(world.hook("beta/stripe")).body("{}").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "60");
    assert_eq!(world.deliver(&charge("charge.succeeded", 1)).await.0, StatusCode::OK);
    let (status, ready) = world.admin("/readyz").await;
    assert_eq!((status, &ready["ready"]), (StatusCode::OK, &json!(true)));
    let beta = &ready["clients"][1];
    assert_eq!((&beta["client"], &beta["runs"]), (&json!("beta"), &json!(false)));
    let problems = beta["problems"].to_string();
    assert!(problems.contains("BETA_KEY") && problems.contains("BETA_WHSEC"), "{problems}");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_thin_events_are_kept_and_end_as_conflicts_with_words() {
    let world = World::acme().await;
    let with = |number: u32, key: &str, value: serde_json::Value| {
        let mut event = charge("charge.succeeded", number);
        event[key] = value;
        event
    };
    let thin = json!({
        "id": "evt_thin", "object": "v2.core.event", "type": "v1.charge.succeeded", "livemode": false,
        "created": "2026-03-09T13:00:28.435Z", "related_object": { "id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1" },
    });
    for event in [with(1, "livemode", json!(true)), with(2, "api_version", json!("2023-08-16")), thin] {
        assert_eq!(world.deliver(&event).await.0, StatusCode::OK, "{event}");
    }
    let conflicts = world.json(&["conflicts"]);
    assert_eq!(conflicts["runs"], json!([]));
    let reasons: Vec<&str> =
        conflicts["events"].as_array().unwrap().iter().map(|it| it["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), 3);
    assert!(reasons[0].starts_with("a thin event"), "{reasons:?}");
    assert!(reasons[1].contains("2023-08-16"), "{reasons:?}");
    assert!(reasons[2].contains("live mode"), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn card_data_is_gone_before_anything_is_stored() {
    // Invariant 5.
    let world = World::acme().await;
    let mut event = charge("charge.succeeded", 1);
    event["data"]["object"]["description"] = json!("paid with 4242 4242 4242 4242");
    event["data"]["object"]["payment_method_details"] = json!({ "card": { "last4": "4242", "cvc": "123" } });
    assert_eq!(world.deliver(&event).await.0, StatusCode::OK);
    world.all_ended().await;
    let shown = world.json(&["events", "show", "evt_charge.succeeded_1"]);
    let object = &shown["body"]["data"]["object"];
    assert_eq!(object["description"], "paid with [card number removed]");
    assert_eq!(object["payment_method_details"], json!({ "card": { "last4": "4242" } }));
    world.json(&["runs"]);
    let file = std::fs::read(world.folder().join("lockstep.db")).unwrap();
    let log = std::fs::read(world.folder().join("lockstep.db-wal")).unwrap_or_default();
    for bytes in [file, log] {
        assert!(!bytes.windows(19).any(|part| part == b"4242 4242 4242 4242"));
    }
}
