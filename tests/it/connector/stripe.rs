//! The built-in `stripe` against the simulator.

use lockstep::connector::{Class, Done, Repeat};
use lockstep::sandbox::{Fault, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;

use super::*;

async fn world() -> (Sandbox, Client, Arc<Connection>) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let client = Client::new();
    let config = format!(
        r#"{{"base_url": "{}", "api_key": "{}", "webhook_secrets": ["whsec_test_secret"]}}"#,
        sandbox.stripe().url(),
        sandbox.stripe().api_key()
    );
    let connection = client.open_builtin("stripe", &config);
    (sandbox, client, connection)
}

#[tokio::test]
async fn a_customer_is_created_found_changed_and_deleted() {
    let (sandbox, client, connection) = world().await;
    connection.check_health().await.unwrap();
    let fields =
        r#"{"email": "Ann+1@example.com", "metadata": {"crm_id": "001", "a b": "c&d"}, "name": "Zoë"}"#;
    let id = client.call_with(create("customer", fields), "null", "k1").await.unwrap().id.unwrap();
    let found = client.call(find("customer", r#"{"email": "Ann+1@example.com"}"#)).await.unwrap();
    assert_eq!(found.records.len(), 1);
    assert_eq!(found.records[0].id.as_deref(), Some(&*id));
    assert_eq!(text(found.records[0].fields.get("metadata").unwrap(), "a b"), "c&d");

    client
        .call_with(update("customer", &id, r#"{"name": null, "metadata": {"crm_id": "002"}}"#), "null", "k2")
        .await
        .unwrap();
    let read = client.call(find("customer", &format!(r#"{{"id": "{id}"}}"#))).await.unwrap();
    assert_eq!(read.records[0].fields.get("name"), Some(&Value::Null));

    client.call(delete("customer", &id)).await.unwrap();
    assert_eq!(
        client.call(get("customer", &id)).await.unwrap_err().class,
        Class::Missing,
        "a stub is no record"
    );
    assert!(client.call(find("customer", &format!(r#"{{"id": "{id}"}}"#))).await.unwrap().records.is_empty());
    assert!(client.call(find("customer", r#"{"id": "cus_none"}"#)).await.unwrap().records.is_empty());
    let posts: Vec<_> = sandbox.stripe().calls().into_iter().filter(|call| call.method == "POST").collect();
    assert_eq!(posts[0].header("idempotency-key"), Some("k1"));
    assert_eq!(posts[0].header("stripe-version"), Some("2026-10-28.endive"));
    assert_eq!(
        posts[0].body,
        "email=Ann%2B1%40example.com&metadata[crm_id]=001&metadata[a%20b]=c%26d&name=Zo%C3%AB"
    );
    assert_eq!(posts[1].body, "name=&metadata[crm_id]=002");
}

#[tokio::test]
async fn the_same_key_creates_once() {
    let (sandbox, client, connection) = world().await;
    sandbox.stripe().faults().add(Fault::reset().after_the_work().on("POST", "/v1/customers"));
    let fields = r#"{"email": "ann@example.com"}"#;
    let lost = client.call_with(create("customer", fields), "null", "k1").await.unwrap_err();
    assert_eq!(lost.class, Class::Transient, "a repeat with the key is as good as one");
    assert_eq!(lost.done, Done::Perhaps, "and yet it may have been created");
    client.call_with(create("customer", fields), "null", "k1").await.unwrap();
    assert_eq!(sandbox.stripe().records("customer").len(), 1);

    let other = client.call_with(create("customer", r#"{"email": "b@example.com"}"#), "null", "k1").await;
    assert_eq!(other.unwrap_err().class, Class::Permanent);

    sandbox.stripe().faults().add(Fault::reset().on("POST", "/v1/customers"));
    assert_eq!(client.call(create("customer", fields)).await.unwrap_err().class, Class::Unknown);
    let facts = connection
        .manifest()
        .abilities()
        .object("customer")
        .unwrap()
        .action(lockstep::connector::ActionKind::Create);
    assert!(matches!(facts.unwrap().repeat, Repeat::HarmlessWithKey(_)));
}

#[tokio::test]
async fn a_failure_tells_whether_the_write_may_have_been_done() {
    let in_use = json(r#"{"error": {"code": "idempotency_key_in_use"}}"#);
    let cases = [
        (Fault::reset(), Done::Perhaps),
        (Fault::truncated(), Done::Perhaps),
        (Fault::answer(500), Done::Perhaps),
        (Fault::answer(503).header("Stripe-Should-Retry", "false"), Done::Perhaps),
        (Fault::answer(409).json(in_use), Done::Perhaps),
        (lockstep::sandbox::Stripe::lock_timeout(), Done::No),
        (Fault::answer(429), Done::No),
        (Fault::answer(402), Done::No),
    ];
    for (fault, expected) in cases {
        let (sandbox, client, _) = world().await;
        let shown = format!("{fault:?}");
        sandbox.stripe().faults().add(fault);
        let failure = client.call_with(create("customer", "{}"), "null", "k").await.unwrap_err();
        assert_eq!(failure.done, expected, "{shown}: {failure}");
    }
}

#[tokio::test]
async fn only_consistent_look_ups_are_called_so() {
    let (_sandbox, client, connection) = world().await;
    let abilities = Arc::clone(connection.manifest().abilities());
    let customer = abilities.object("customer").unwrap();
    assert!(customer.find(["email"]).unwrap().consistent);
    assert!(customer.find(["id"]).unwrap().consistent);
    assert!(!customer.find(["metadata"]).unwrap().consistent);
    assert!(customer.find(["address"]).is_none());
    let failure = client.call(find("customer", r#"{"address": "x"}"#)).await.unwrap_err();
    assert!(failure.message.contains("cannot look up customer by address"), "{failure}");
}

#[tokio::test]
async fn a_hostile_value_cannot_change_a_search() {
    let (sandbox, client, connection) = world().await;
    let identity = r#"{"metadata": {"crm\"]:null OR name:\"": "a\" OR email:\"b\\"}}"#;
    let call = Call::new("crm", find("customer", identity));
    let url = connection.preview(&call).unwrap().url;
    let query = url.split("query=").nth(1).unwrap();
    let query: String = form_decode(query);
    assert_eq!(query, r#"metadata["crm\"]:null OR name:\""]:"a\" OR email:\"b\\""#);
    client.call(find("customer", r#"{"metadata": {"crm_id": "x\" OR name~\"y"}}"#)).await.unwrap();
    drop(sandbox);
}

fn form_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_listing_is_walked_by_its_last_id() {
    let (_sandbox, client, _) = world().await;
    for number in 0..5 {
        let fields = format!(r#"{{"email": "{number}@example.com"}}"#);
        client.call_with(create("customer", &fields), "null", &format!("k{number}")).await.unwrap();
    }
    let (mut emails, mut cursor) = (Vec::new(), None);
    loop {
        let page = client.call(list("customer", "{}", 2, cursor)).await.unwrap();
        emails.extend(page.records.iter().map(|record| text(&record.fields, "email").to_owned()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(emails, ["4@example.com", "3@example.com", "2@example.com", "1@example.com", "0@example.com"]);
}

#[tokio::test]
async fn answers_are_classified() {
    let error =
        |status: u16, error: &str| Fault::answer(status).json(json(&format!(r#"{{"error": {error}}}"#)));
    let cases = [
        (lockstep::sandbox::Stripe::lock_timeout(), Class::Locked),
        (Fault::answer(429), Class::Throttled),
        (Fault::answer(500), Class::Transient),
        (Fault::answer(503).header("Stripe-Should-Retry", "false"), Class::Permanent),
        (Fault::answer(402).header("Stripe-Should-Retry", "true"), Class::Transient),
        (error(409, r#"{"code": "idempotency_key_in_use"}"#), Class::Locked),
        (error(400, r#"{"type": "idempotency_error"}"#), Class::Permanent),
        (error(401, r#"{"message": "Invalid API Key provided: sk_test_sandbox"}"#), Class::ConnectionDown),
        (
            error(402, r#"{"type": "card_error", "code": "card_declined", "param": "source"}"#),
            Class::Permanent,
        ),
        (error(404, r#"{"code": "resource_missing"}"#), Class::Permanent),
        (Fault::answer(424), Class::Transient),
        (Fault::html(503), Class::Transient),
    ];
    for (fault, expected) in cases {
        let (sandbox, client, _) = world().await;
        let shown = format!("{fault:?}");
        sandbox.stripe().faults().add(fault);
        let failure = client.call_with(create("customer", "{}"), "null", "k").await.unwrap_err();
        assert_eq!(failure.class, expected, "{shown}: {failure}");
        assert!(!failure.message.contains("sk_test_sandbox"), "{failure}");
    }
}

#[tokio::test]
async fn named_operations_pass_their_parameters_on() {
    let (sandbox, client, _) = world().await;
    let customer = client.call_with(create("customer", "{}"), "null", "k1").await.unwrap().id.unwrap();
    let fields =
        format!(r#"{{"customer": "{customer}", "collection_method": "send_invoice", "days_until_due": 30}}"#);
    let invoice = client.call_with(create("invoice", &fields), "null", "k2").await.unwrap().id.unwrap();
    let item =
        format!(r#"{{"customer": "{customer}", "invoice": "{invoice}", "amount": 4500, "currency": "gbp"}}"#);
    client.call_with(create("invoiceitem", &item), "null", "k5").await.unwrap();
    let finalized = client
        .call_with(operation("invoice.finalize", &format!(r#"{{"invoice": "{invoice}"}}"#)), "null", "k3")
        .await
        .unwrap();
    assert_eq!(text(&finalized.result, "status"), "open");
    let pay = operation("invoice.pay", &format!(r#"{{"invoice": "{invoice}", "paid_out_of_band": true}}"#));
    let paid = client.call_with(pay, "null", "k4").await.unwrap();
    assert_eq!(text(&paid.result, "status"), "paid");
    let last = sandbox.stripe().calls().pop().unwrap();
    assert_eq!(
        (&*last.path, &*last.body),
        (&*format!("/v1/invoices/{invoice}/pay"), "paid_out_of_band=true")
    );
    let failure = client.call(operation("invoice.pay", "{}")).await.unwrap_err();
    assert!(failure.message.contains("needs the parameter `invoice`"), "{failure}");
}

#[tokio::test]
async fn past_events_are_listed_and_read_like_delivered_ones() {
    let (_sandbox, client, connection) = world().await;
    let id = client.call_with(create("customer", "{}"), "null", "lockstep-1").await.unwrap().id.unwrap();
    let past = Action::Events { types: vec!["customer.*".into()], since: None, limit: 100, cursor: None };
    let page = client.call(past).await.unwrap();
    let envelope = connection.manifest().events().unwrap().envelope(&page.records[0].fields).unwrap();
    assert_eq!((&*envelope.kind, envelope.object_id.as_deref()), ("customer.created", Some(&*id)));
    assert_eq!(envelope.mark.as_deref(), Some("lockstep-1"));
    assert_eq!(connection.manifest().events().unwrap().expected(connection.config()).unfit(&envelope), None);
}
