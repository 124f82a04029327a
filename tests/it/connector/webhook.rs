//! Signatures and envelopes of events.

use axum::http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use lockstep::connector::{EnvelopeError, Events, Posted, SignatureError, Webhook, matches_type};
use lockstep::secret::Secret;
use pretty_assertions::assert_eq;

use super::*;

fn stripe() -> Arc<Manifest> {
    builtin("stripe").unwrap()
}

fn verify(
    webhook: &Webhook,
    header: &str,
    body: &str,
    secrets: &[Secret],
    now: i64,
) -> Result<(), SignatureError> {
    let mut headers = HeaderMap::new();
    headers.insert("stripe-signature", HeaderValue::from_str(header).unwrap());
    let posted = Posted { target: "/hooks/acme/stripe", headers: &headers, body: body.as_bytes() };
    webhook.verify(&posted, &Map::new(), secrets, Timestamp::from_second(now).unwrap())
}

#[test]
fn signatures_are_judged_as_the_vendors_own_library_does() {
    let vectors = json(include_str!("stripe-signature-vectors.json"));
    let manifest = stripe();
    let webhook = manifest.webhook().unwrap();
    let mut judged = 0;
    for case in vectors.get("cases").unwrap().as_list().unwrap() {
        let name = text(case, "name");
        let secrets: Vec<Secret> = case
            .get("secrets")
            .unwrap()
            .as_list()
            .unwrap()
            .iter()
            .map(|secret| secret.as_str().unwrap().into())
            .collect();
        let now = case.get("now").unwrap().as_i64().unwrap();
        let verified = verify(webhook, text(case, "header"), text(case, "body"), &secrets, now);
        let expected = match name {
            // Stricter on purpose: a signature from the future is as suspicious as an old one.
            // And there is no way to switch the check off.
            "far future timestamp, correctly signed" | "tolerance 0 switches the age check off" => false,
            _ => case.get("accept").unwrap().as_bool().unwrap(),
        };
        assert_eq!(verified.is_ok(), expected, "{name}: {verified:?}");
        judged += 1;
    }
    assert_eq!(judged, 18);
}

#[test]
fn what_is_wrong_with_a_signature_is_told() {
    let manifest = stripe();
    let webhook = manifest.webhook().unwrap();
    let secrets = [Secret::from("whsec_a"), Secret::from("whsec_b")];
    let unsigned = SignatureError::Unsigned { header: "stripe-signature".into() };
    assert_eq!(verify(webhook, "", "{}", &secrets, 0), Err(unsigned.clone()));
    assert_eq!(verify(webhook, "t=12a,v1=00", "{}", &secrets, 0), Err(unsigned));
    assert_eq!(
        verify(webhook, "t=12,v0=00", "{}", &secrets, 0),
        Err(SignatureError::NoSignature { header: "stripe-signature".into() })
    );
    assert_eq!(verify(webhook, "t=12,v1=00", "{}", &secrets, 0), Err(SignatureError::Mismatch { tried: 2 }));
    assert_eq!(verify(webhook, "t=12,v1=00", "{}", &[], 0), Err(SignatureError::Mismatch { tried: 0 }));
}

#[test]
fn the_secrets_come_from_the_connections_settings() {
    let manifest = stripe();
    let webhook = manifest.webhook().unwrap();
    let secrets = webhook.secrets(&map(r#"{"webhook_secrets": ["whsec_a", "", "whsec_b"]}"#));
    assert_eq!(secrets.iter().map(Secret::expose).collect::<Vec<_>>(), ["whsec_a", "whsec_b"]);
    assert!(webhook.secrets(&map("{}")).is_empty());
}

const EVENT: &str = r#"{"id": "evt_1", "object": "event", "type": "customer.subscription.updated", "created": 1700000000,
    "api_version": "2026-10-28.endive", "livemode": true, "account": "acct_1",
    "request": {"id": "req_1", "idempotency_key": "lockstep-7"},
    "data": {"object": {"id": "sub_1", "customer": "cus_1"}, "previous_attributes": {"status": "trialing"}}}"#;

fn events(manifest: &Manifest) -> &Events {
    manifest.events().unwrap()
}

#[test]
fn an_event_tells_its_envelope() {
    let manifest = stripe();
    let envelope = events(&manifest).envelope(&json(EVENT)).unwrap();
    assert_eq!((&*envelope.id, &*envelope.kind), ("evt_1", "customer.subscription.updated"));
    assert_eq!(envelope.created.as_second(), 1_700_000_000);
    assert_eq!((envelope.object_id.as_deref(), &*envelope.order_key), (Some("sub_1"), "cus_1"));
    assert_eq!(envelope.previous, json(r#"{"status": "trialing"}"#));
    assert_eq!((envelope.livemode, envelope.account.as_deref()), (Some(true), Some("acct_1")));
    assert_eq!(envelope.mark.as_deref(), Some("lockstep-7"));
    assert!(!envelope.thin && !envelope.occurrence);
}

#[test]
fn the_order_key_is_the_customer_else_the_record_else_the_event() {
    let manifest = stripe();
    let key = |object: &str| {
        let event =
            format!(r#"{{"id": "evt_1", "type": "x", "created": 1, "data": {{"object": {object}}}}}"#);
        events(&manifest).envelope(&json(&event)).unwrap().order_key
    };
    assert_eq!(&*key(r#"{"id": "in_1", "customer": "cus_1"}"#), "cus_1");
    assert_eq!(&*key(r#"{"id": "in_1", "customer": {"id": "cus_1", "object": "customer"}}"#), "cus_1");
    assert_eq!(&*key(r#"{"id": "cus_2", "object": "customer"}"#), "cus_2");
    assert_eq!(&*key(r#"{"id": "prod_1", "customer": null}"#), "prod_1");
    assert_eq!(&*key("{}"), "evt_1");
}

#[test]
fn foreign_events_are_told_from_ones_own() {
    let manifest = stripe();
    let events = events(&manifest);
    let envelope = events.envelope(&json(EVENT)).unwrap();
    let foreign = |config: &str| events.expected(&map(config)).unfit(&envelope);
    assert_eq!(
        foreign(r#"{"api_key": "sk_live_1", "api_version": "2026-10-28.endive", "account": "acct_1"}"#),
        None
    );
    assert_eq!(foreign(r#"{"api_key": "odd"}"#), None, "what nobody knows is not foreign");
    assert!(foreign(r#"{"api_key": "sk_test_1"}"#).unwrap().contains("live mode event on a test mode"));
    assert!(foreign(r#"{"api_key": "sk_live_1", "account": "acct_2"}"#).unwrap().contains("acct_1"));
    assert!(
        foreign(r#"{"api_key": "sk_live_1", "api_version": "2023-08-16"}"#).unwrap().contains("2026-10-28")
    );
}

#[test]
fn states_go_stale_and_occurrences_do_not() {
    let manifest = stripe();
    let events = events(&manifest);
    for kind in [
        "invoice.payment_failed",
        "charge.refunded",
        "customer.subscription.trial_will_end",
        "charge.succeeded",
    ] {
        assert!(events.is_occurrence(kind), "{kind}");
    }
    for kind in [
        "customer.created",
        "customer.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "invoice.created",
    ] {
        assert!(!events.is_occurrence(kind), "{kind}");
    }
}

#[test]
fn records_are_born_before_they_change_and_end_last() {
    let manifest = stripe();
    let events = events(&manifest);
    let lives = [
        vec!["customer.created", "customer.updated", "customer.deleted"],
        vec![
            "customer.subscription.created",
            "customer.subscription.updated",
            "customer.subscription.deleted",
        ],
        vec![
            "invoice.created",
            "invoice.finalized",
            "invoice.payment_failed",
            "invoice.paid",
            "invoice.voided",
        ],
        vec!["charge.pending", "charge.succeeded", "charge.captured", "charge.updated", "charge.refunded"],
        vec!["charge.pending", "charge.failed"],
        vec![
            "payment_intent.created",
            "payment_intent.requires_action",
            "payment_intent.processing",
            "payment_intent.payment_failed",
            "payment_intent.succeeded",
            "payment_intent.canceled",
        ],
        vec!["setup_intent.created", "setup_intent.requires_action", "setup_intent.succeeded"],
        vec![
            "checkout.session.completed",
            "checkout.session.async_payment_failed",
            "checkout.session.expired",
        ],
        vec!["payment_method.attached", "payment_method.updated", "payment_method.detached"],
        vec![
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
            "charge.dispute.closed",
        ],
        vec!["refund.created", "refund.updated", "refund.failed"],
        vec!["payout.created", "payout.updated", "payout.paid", "payout.failed"],
        vec!["quote.created", "quote.finalized", "quote.accepted", "quote.canceled"],
    ];
    for life in lives {
        let ranks: Vec<u8> = life.iter().map(|kind| events.rank(kind)).collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{life:?} {ranks:?}");
    }
}

#[test]
fn of_two_updates_in_one_second_the_record_tells_which_is_later() {
    let manifest = stripe();
    let standing = |kind: &str, object: &str, status: &str| {
        let event = format!(
            r#"{{"id":"evt_1","type":"{kind}","created":1,"data":{{"object":{{"id":"x","object":"{object}","status":"{status}"}}}}}}"#
        );
        events(&manifest).envelope(&json(&event)).unwrap().standing()
    };
    let invoice = |status| standing("invoice.updated", "invoice", status);
    let subscription = |status| standing("customer.subscription.updated", "subscription", status);
    assert!(["draft", "open", "uncollectible", "paid"].map(invoice).is_sorted_by(|a, b| a < b));
    assert!(["incomplete", "active", "canceled"].map(subscription).is_sorted_by(|a, b| a < b));
    // A subscription goes back and forth between these: they tell nothing.
    assert_eq!(subscription("active"), subscription("past_due"));
    // The type comes first.
    assert!(standing("invoice.finalized", "invoice", "paid") < invoice("draft"));
    assert!(invoice("paid") < standing("invoice.paid", "invoice", "paid"));
}

#[test]
fn what_is_no_event_is_refused_and_thin_ones_are_known() {
    let manifest = stripe();
    let envelope = |event: &str| events(&manifest).envelope(&json(event));
    assert_eq!(envelope("{}"), Err(EnvelopeError::NoId));
    assert_eq!(envelope("[1]"), Err(EnvelopeError::NoId));
    assert_eq!(envelope(r#"{"id": "evt_1"}"#), Err(EnvelopeError::NoType));
    assert_eq!(envelope(r#"{"id": "evt_1", "type": "a", "created": {}}"#), Err(EnvelopeError::NoTime));
    let thin = r#"{"id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter", "created": "2026-03-09T13:00:28.435Z", "related_object": {"id": "x"}}"#;
    assert!(envelope(thin).unwrap().thin);
}

#[test]
fn patterns_stand_for_types() {
    for (pattern, kind, fits) in [
        ("invoice.paid", "invoice.paid", true),
        ("invoice.paid", "invoice.paid2", false),
        ("customer.*", "customer.subscription.updated", true),
        ("customer.*", "customer", false),
        ("*.deleted", "customer.deleted", true),
        ("*.deleted", "customer.deleted.x", false),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXcYb", false),
        ("*", "anything", true),
    ] {
        assert_eq!(matches_type(pattern, kind), fits, "{pattern} {kind}");
    }
}

#[test]
fn a_form_that_nothing_signs_is_proved_by_its_address_and_names_a_record() {
    let manifest = builtin("activecampaign").unwrap();
    let webhook = manifest.webhook().unwrap();
    let secrets = webhook.secrets(&map(r#"{"webhook_tokens": ["guess-me-not-4242", "the-next-one-4242"]}"#));
    let body = b"type=update&date_time=2026-02-03T10:00:00-06:00&initiated_by=admin&contact[id]=10&contact[email]=ann%40example.com";
    let now = Timestamp::from_second(1_770_000_000).unwrap();
    let verified = |target: &str| {
        let posted = Posted { target, headers: &HeaderMap::new(), body };
        webhook.verify(&posted, &Map::new(), &secrets, now).is_ok()
    };
    for (target, genuine) in [
        ("/hooks/acme/crm?key=guess-me-not-4242", true),
        ("/hooks/acme/crm?key=the-next-one-4242", true),
        ("/hooks/acme/crm?key=guess-me-not-4243", false),
        ("/hooks/acme/crm?key=", false),
        ("/hooks/acme/crm", false),
    ] {
        assert_eq!(verified(target), genuine, "{target}");
    }
    let event = webhook.kept(webhook.read(body).unwrap().value, || "delivery-7".to_owned(), now);
    let envelope = events(&manifest).envelope(&event).unwrap();
    assert_eq!((&*envelope.id, &*envelope.kind), ("delivery-7", "update"));
    assert_eq!(
        (envelope.object_id.as_deref(), envelope.object_type.as_deref()),
        (Some("10"), Some("contact"))
    );
    assert_eq!((envelope.created, &*envelope.order_key), (now, "10"));

    let gone = json(
        r#"{"type": "deal_update", "deal": {"id": "3"}, "contact": {"id": "10"}, "delivery": {"id": "d", "received": 1770000000}}"#,
    );
    let envelope = events(&manifest).envelope(&gone).unwrap();
    assert_eq!((envelope.object_id.as_deref(), envelope.object_type.as_deref()), (Some("3"), Some("deal")));
}
