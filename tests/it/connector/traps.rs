//! What has caught those who wrote by hand: each trap that the simulators set (`sandbox_*.rs`), met through a
//! connection.

use lockstep::connector::{Class, Done};
use lockstep::sandbox::{Fault, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;

use super::*;

async fn stripe() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let client = Client::new();
    let (url, key) = (sandbox.stripe().url(), sandbox.stripe().api_key());
    client.open_builtin("stripe", &format!(r#"{{"base_url": "{url}", "api_key": "{key}"}}"#));
    (sandbox, client)
}

async fn salesforce(more: &str) -> (Sandbox, Client) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let client = Client::new();
    let org = sandbox.salesforce();
    let config = format!(
        r#"{{"login_url": "{}", "client_id": "{}", "client_secret": "{}"{more}}}"#,
        org.url(),
        org.client_id(),
        org.client_secret()
    );
    client.open_builtin("salesforce", &config);
    (sandbox, client)
}

/// Creates in Stripe, each time under a key of its own.
async fn made(client: &Client, object: &str, fields: &str) -> Arc<str> {
    let key = format!("{object} {fields}");
    client.call_with(create(object, fields), "null", &key).await.unwrap().id.unwrap()
}

/// A subscription with one item: its id, and the item's.
async fn subscribed(client: &Client) -> (Arc<str>, String) {
    let customer = made(client, "customer", r#"{"email": "ann@example.com"}"#).await;
    let price = price(client, 1500).await;
    let fields = format!(
        r#"{{"customer": "{customer}", "collection_method": "send_invoice", "days_until_due": 30, "items": [{{"price": "{price}", "quantity": 12}}]}}"#
    );
    let id = made(client, "subscription", &fields).await;
    let read = client.call(get("subscription", &id)).await.unwrap().record.unwrap();
    let item = read.at(&["items", "data"]).unwrap().as_list().unwrap()[0].clone();
    (id, text(&item, "id").to_owned())
}

async fn price(client: &Client, amount: u32) -> Arc<str> {
    let product = made(client, "product", r#"{"name": "Seats"}"#).await;
    let fields = format!(
        r#"{{"product": "{product}", "currency": "usd", "unit_amount": {amount}, "recurring": {{"interval": "month"}}}}"#
    );
    made(client, "price", &fields).await
}

#[tokio::test]
async fn a_500_stays_the_result_of_its_key_and_nothing_is_made_twice() {
    let (sandbox, client) = stripe().await;
    sandbox.stripe().faults().add(Fault::answer(500).on("POST", "/v1/customers"));
    for _ in 0..3 {
        let again =
            client.call_with(create("customer", r#"{"name": "Ann"}"#), "null", "k1").await.unwrap_err();
        assert_eq!((again.class, again.done), (Class::Transient, Done::Perhaps));
    }
    let keys = sandbox.stripe().calls();
    assert!(keys.iter().all(|call| call.header("idempotency-key") == Some("k1")), "no new key is minted");
    assert!(sandbox.stripe().records("customer").len() <= 1);
}

#[tokio::test]
async fn a_rate_that_is_passed_is_a_throttled_call_that_carries_its_key_again() {
    let (sandbox, client) = stripe().await;
    sandbox.stripe().faults().add(Fault::answer(429).on("POST", "/v1/customers"));
    let mut classes = Vec::new();
    for _ in 0..2 {
        let answer = client.call_with(create("customer", r#"{"name": "Ann"}"#), "null", "k1").await;
        classes.extend(answer.err().map(|failure| (failure.class, failure.done)));
    }
    assert_eq!(classes, [(Class::Throttled, Done::No)]);
    assert_eq!(sandbox.stripe().records("customer").len(), 1);
}

#[tokio::test]
async fn rows_that_are_created_while_a_listing_is_walked_shift_nothing() {
    let (_sandbox, client) = stripe().await;
    for number in 0..6 {
        made(&client, "customer", &format!(r#"{{"name": "{number}"}}"#)).await;
    }
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let page = client.call(list("customer", "{}", 2, cursor)).await.unwrap();
        names.extend(page.records.iter().map(|record| text(&record.fields, "name").to_owned()));
        made(&client, "customer", &format!(r#"{{"name": "late {}"}}"#, names.len())).await;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names, ["5", "4", "3", "2", "1", "0"], "none twice, none left out");
}

#[tokio::test]
async fn subscriptions_that_have_ended_are_listed_and_found() {
    let (_sandbox, client) = stripe().await;
    let (id, _) = subscribed(&client).await;
    let customer = client.call(get("subscription", &id)).await.unwrap().record.unwrap();
    let customer = text(&customer, "customer").to_owned();
    client.call(delete("subscription", &id)).await.unwrap();
    let filter = format!(r#"{{"customer": "{customer}"}}"#);
    let listed = client.call(list("subscription", &filter, 10, None)).await.unwrap();
    let found = client.call(find("subscription", &filter)).await.unwrap();
    for records in [listed.records, found.records] {
        assert_eq!(records.len(), 1);
        assert_eq!(text(&records[0].fields, "status"), "canceled");
    }
}

#[tokio::test]
async fn a_price_that_is_changed_together_with_its_quantity_keeps_the_quantity() {
    let (_sandbox, client) = stripe().await;
    let (id, item) = subscribed(&client).await;
    for (amount, quantity, is) in [(2500, r#", "quantity": 12"#, 12), (3500, "", 1)] {
        let dearer = price(&client, amount).await;
        let fields = format!(r#"{{"items": [{{"id": "{item}", "price": "{dearer}"{quantity}}}]}}"#);
        client.call_with(update("subscription", &id, &fields), "null", &fields).await.unwrap();
        let record = client.call(get("subscription", &id)).await.unwrap().record.unwrap();
        let items = record.at(&["items", "data"]).unwrap().as_list().unwrap();
        assert_eq!((items.len(), items[0].get("quantity")), (1, Some(&Value::Int(is))), "{fields}");
    }
}

#[tokio::test]
async fn e_mails_are_found_as_they_were_sent_and_an_index_that_lags_is_not_believed() {
    let (sandbox, client) = stripe().await;
    sandbox.stripe().search_lag(Duration::from_mins(5));
    made(&client, "customer", r#"{"email": "Ann@Example.com", "metadata": {"crm_id": "1"}}"#).await;
    let mut found = Vec::new();
    for identity in [
        r#"{"email": "Ann@Example.com"}"#,
        r#"{"email": "ann@example.com"}"#,
        r#"{"metadata": {"crm_id": "1"}}"#,
    ] {
        found.push(client.call(find("customer", identity)).await.unwrap().records.len());
    }
    assert_eq!(found, [1, 0, 0]);
    let stripe = builtin("stripe").unwrap();
    let customer = stripe.abilities().object("customer").unwrap();
    assert!(!customer.find(["metadata"]).unwrap().consistent, "so that finding nothing decides no create");
}

#[tokio::test]
async fn a_field_that_cannot_be_expanded_is_the_authors_mistake() {
    let (_sandbox, client) = stripe().await;
    let id = made(&client, "customer", r#"{"email": "ann@example.com"}"#).await;
    let expanded = client.call_with(get("customer", &id), r#"{"expand": ["email"]}"#, "k").await;
    assert_eq!(expanded.unwrap_err().class, Class::Permanent);
}

#[tokio::test]
async fn an_owner_is_not_assigned_away() {
    let (sandbox, client) = salesforce("").await;
    let owner = sandbox.salesforce().add_user("Ada", "Owner", "ada@example.com");
    let fields = format!(r#"{{"LastName": "Lee", "Company": "Acme", "OwnerId": "{owner}"}}"#);
    let id = client.call(create("Lead", &fields)).await.unwrap().id.unwrap();
    client.call(update("Lead", &id, r#"{"Title": "CFO"}"#)).await.unwrap();
    assert_eq!(text(&sandbox.salesforce().records("Lead")[0], "OwnerId"), owner);
}

#[tokio::test]
async fn a_refused_field_is_named() {
    let (_sandbox, client) = salesforce("").await;
    let long = format!(r#"{{"Name": "{}"}}"#, "x".repeat(300));
    for (object, fields, code, named) in [
        ("Account", r#"{"Name": "A", "CurrencyIsoCode": "USD"}"#, "INVALID_FIELD", ""),
        ("Account", "{}", "REQUIRED_FIELD_MISSING", "Name"),
        ("Account", &long, "STRING_TOO_LONG", "Name"),
        (
            "Account",
            r#"{"Name": "A", "Subscription_Status__c": "Unheard"}"#,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Subscription_Status__c",
        ),
    ] {
        let failure = client.call(create(object, fields)).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_deref()), (Class::Permanent, Some(code)), "{failure}");
        let fields: Vec<&str> = failure.fields.iter().map(String::as_str).collect();
        assert!(named.is_empty() || fields == [named], "{code}: {fields:?}");
    }
}

#[tokio::test]
async fn a_record_in_the_recycle_bin_is_missing() {
    let (_sandbox, client) = salesforce("").await;
    let id = client.call(create("Account", r#"{"Name": "A"}"#)).await.unwrap().id.unwrap();
    client.call(delete("Account", &id)).await.unwrap();
    for action in [get("Account", &id), update("Account", &id, r#"{"Name": "B"}"#), delete("Account", &id)] {
        assert_eq!(client.call(action).await.unwrap_err().class, Class::Missing);
    }
    assert!(client.call(find("Account", r#"{"Name": "A"}"#)).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn an_upsert_of_an_old_version_answers_without_a_body() {
    let (sandbox, client) = salesforce(r#", "api_version": "45.0""#).await;
    let upsert = |name: &str| Action::Upsert {
        object: "Account".into(),
        key: map(r#"{"Stripe_Customer_Id__c": "cus/1#2"}"#),
        fields: map(&format!(r#"{{"Name": "{name}"}}"#)),
    };
    let first = client.call(upsert("A")).await.unwrap();
    assert!(first.id.is_some());
    let second = client.call(upsert("B")).await.unwrap();
    assert_eq!((second.id, second.created), (None, None));
    let accounts = sandbox.salesforce().records("Account");
    assert_eq!((accounts.len(), text(&accounts[0], "Name")), (1, "B"));
}

#[tokio::test]
async fn a_401_that_no_new_token_would_help_is_not_renewed() {
    let (sandbox, client) = salesforce("").await;
    let body = r#"[{"message": "This session is not valid for use with the REST API", "errorCode": "INVALID_SESSION_ID"}]"#;
    sandbox.salesforce().faults().add(Fault::answer(401).json(json(body)).on("POST", "/services/data/*"));
    let failure = client.call(create("Account", r#"{"Name": "A"}"#)).await.unwrap_err();
    assert_eq!(failure.class, Class::ConnectionDown);
    let logins = sandbox.salesforce().calls().iter().filter(|call| call.path.ends_with("/token")).count();
    assert_eq!(logins, 1);
}
