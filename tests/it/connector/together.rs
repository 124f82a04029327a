//! Several calls as few requests, and each with an answer of its own (invariant 10): the batches of the built-in
//! connectors against their simulators, and of a manifest of our own.

use lockstep::connector::{Class, Done};
use lockstep::sandbox::hubspot::PropertyShape;
use lockstep::sandbox::salesforce::FieldShape;
use lockstep::sandbox::{Fault, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;

use super::*;

impl Client {
    async fn call_many(&self, actions: impl IntoIterator<Item = Action>) -> Vec<Result<Reply, Failure>> {
        let calls: Vec<Call> = actions.into_iter().map(|action| Call::new("crm", action)).collect();
        self.connections.call_many("acme", &calls).await
    }
}

/// `ok` with the id, or the class with its code.
fn told(answers: &[Result<Reply, Failure>]) -> Vec<String> {
    let one = |answer: &Result<Reply, Failure>| match answer {
        Ok(reply) => "ok".to_owned() + reply.id.as_deref().map_or("", |_| " with its id"),
        Err(failure) => {
            format!("{} {}", failure.class, failure.code.as_deref().unwrap_or_default()).trim().to_owned()
        }
    };
    answers.iter().map(one).collect()
}

/// The requests by method and path, in order, each with how often it came in a row.
fn requests(calls: &[lockstep::sandbox::Call]) -> Vec<String> {
    let mut all: Vec<(String, usize)> = Vec::new();
    for call in
        calls.iter().filter(|call| !call.path.contains("oauth") && !call.path.contains("/properties/"))
    {
        let path = call.path.rsplit_once("66.0").map_or(&*call.path, |(_, path)| path);
        let request = format!("{} {path}", call.method);
        match all.last_mut().filter(|(last, _)| *last == request) {
            Some((_, count)) => *count += 1,
            None => all.push((request, 1)),
        }
    }
    all.into_iter().map(|(request, count)| format!("{count} {request}")).collect()
}

async fn salesforce() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let (org, client) = (sandbox.salesforce(), Client::new());
    org.declare("Account", "Stripe_Customer_Id__c", FieldShape::external_id(true));
    let config = format!(
        r#"{{"login_url": "{}", "client_id": "{}", "client_secret": "{}"}}"#,
        org.url(),
        org.client_id(),
        org.client_secret()
    );
    client.open_builtin("salesforce", &config);
    (sandbox, client)
}

#[tokio::test]
async fn salesforce_takes_200_records_and_refuses_them_one_by_one() {
    let (sandbox, client) = salesforce().await;
    let account = |n: usize| match n {
        7 => create("Account", r#"{"Phone": "1"}"#),
        9 => create("Account", r#"{"Name": "A", "Stripe_Customer_Id__c": "cus_8"}"#),
        n => create("Account", &format!(r#"{{"Name": "A{n}", "Stripe_Customer_Id__c": "cus_{n}"}}"#)),
    };
    let made = client.call_many((0..230).map(account)).await;
    assert_eq!(made.iter().filter(|answer| answer.is_ok()).count(), 228);
    assert_eq!(
        told(&made[6..10]),
        ["ok with its id", "permanent REQUIRED_FIELD_MISSING", "ok with its id", "duplicate DUPLICATE_VALUE"]
    );
    let other = made[9].as_ref().unwrap_err().other.clone();
    assert_eq!(other, made[8].as_ref().unwrap().id, "the other record is named");
    assert_eq!(requests(&sandbox.salesforce().calls()), ["2 POST /composite/sobjects"]);

    let ids: Vec<Arc<str>> = made.iter().flatten().filter_map(|reply| reply.id.clone()).collect();
    client.call(delete("Account", &ids[1])).await.unwrap();
    let changed =
        client.call_many(ids[..3].iter().map(|id| update("Account", id, r#"{"Phone": "2"}"#))).await;
    assert_eq!(told(&changed), ["ok with its id", "missing ENTITY_IS_DELETED", "ok with its id"]);
    let read = client.call_many(ids[..30].iter().map(|id| get("Account", id))).await;
    assert_eq!(told(&read[..2]), ["ok with its id", "missing ENTITY_IS_DELETED"]);
    assert_eq!(text(read[2].as_ref().unwrap().record.as_ref().unwrap(), "Phone"), "2");
    let found = client
        .call_many(
            ["cus_0", "nobody", "' OR Name != '"]
                .map(|id| find("Account", &Value::map([("stripe_id", Value::from(id))]).to_json())),
        )
        .await;
    assert_eq!(
        found.iter().map(|reply| reply.as_ref().unwrap().records.len()).collect::<Vec<_>>(),
        [1, 0, 0]
    );
    assert_eq!(
        text(&found[0].as_ref().unwrap().records[0].fields, "stripe_id"),
        "cus_0",
        "in the client's words"
    );
    let gone = client.call_many(ids[..3].iter().map(|id| delete("Account", id))).await;
    assert_eq!(told(&gone), ["ok with its id", "missing ENTITY_IS_DELETED", "ok with its id"]);
    assert_eq!(
        requests(&sandbox.salesforce().calls())[2..],
        ["1 PATCH /composite/sobjects", "3 POST /composite/batch", "1 DELETE /composite/sobjects"]
    );
}

#[tokio::test]
async fn salesforce_upserts_200_by_an_external_id_and_tells_which_were_new() {
    let (sandbox, client) = salesforce().await;
    let upsert = |n: usize| Action::Upsert {
        object: "Account".into(),
        key: map(&format!(r#"{{"Stripe_Customer_Id__c": "cus_{n}"}}"#)),
        fields: map(r#"{"Name": "A"}"#),
    };
    client.call(upsert(1)).await.unwrap();
    let told: Vec<_> =
        client.call_many((0..3).map(upsert)).await.into_iter().map(|reply| reply.unwrap().created).collect();
    assert_eq!(told, [Some(true), Some(false), Some(true)]);
    assert_eq!(sandbox.salesforce().records("Account").len(), 3);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_leaves_each_of_its_creates_unknown() {
    let (sandbox, client) = salesforce().await;
    sandbox.salesforce().faults().add(Fault::reset().after_the_work().on("POST", "*/composite/sobjects"));
    let accounts =
        |from: usize, to: usize| (from..to).map(|n| create("Account", &format!(r#"{{"Name": "A{n}"}}"#)));
    let made = client.call_many(accounts(0, 230)).await;
    let classes = |class: Class| {
        made.iter().filter(|answer| answer.as_ref().is_err_and(|it| it.class == class)).count()
    };
    assert_eq!((classes(Class::Unknown), classes(Class::Throttled)), (200, 30), "the rest was not sent");
    assert!(
        made[..200].iter().all(|answer| answer.as_ref().is_err_and(|failure| failure.done == Done::Perhaps))
    );
    assert_eq!(sandbox.salesforce().records("Account").len(), 200);

    sandbox.salesforce().faults().add(Fault::expired_session().on("POST", "*/composite/sobjects"));
    let made = client.call_many(accounts(230, 232)).await;
    assert_eq!(told(&made), ["ok with its id"; 2], "a new token, once");
}

async fn hubspot() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let (crm, client) = (sandbox.hubspot(), Client::new());
    crm.declare("contacts", "stripe_id", PropertyShape::unique());
    client
        .open_builtin("hubspot", &format!(r#"{{"base_url": "{}", "token": "{}"}}"#, crm.url(), crm.token()));
    (sandbox, client)
}

#[tokio::test]
async fn hubspot_answers_in_any_order_and_what_it_refuses_as_a_whole_goes_in_halves() {
    let (sandbox, client) = hubspot().await;
    let contact =
        |n: usize| create("contact", &format!(r#"{{"email": "c{n}@x.io", "stripe_id": "cus_{n}"}}"#));
    let made = client.call_many((0..120).map(contact)).await;
    let ids: Vec<Arc<str>> = made.iter().map(|reply| reply.as_ref().unwrap().id.clone().unwrap()).collect();
    assert_eq!(requests(&sandbox.hubspot().calls()), ["2 POST /crm/v3/objects/contacts/batch/create"]);
    let emails = client.call_many(ids[..3].iter().map(|id| get("contact", id))).await;
    let emails: Vec<_> = emails
        .iter()
        .map(|reply| text(reply.as_ref().unwrap().record.as_ref().unwrap(), "email").to_owned())
        .collect();
    assert_eq!(emails, ["c0@x.io", "c1@x.io", "c2@x.io"], "each its own, though the answer turns them round");

    let found =
        client.call_many([3, 999, 4].map(|n| find("contact", &format!(r#"{{"email": "C{n}@x.io"}}"#)))).await;
    let found: Vec<_> = found
        .iter()
        .map(|reply| reply.as_ref().unwrap().records.first().and_then(|record| record.id.clone()))
        .collect();
    assert_eq!(found, [Some(ids[3].clone()), None, Some(ids[4].clone())]);

    let changed = client
        .call_many([&*ids[5], "999", &*ids[6]].map(|id| update("contact", id, r#"{"phone": "5"}"#)))
        .await;
    assert_eq!(told(&changed), ["ok with its id", "missing OBJECT_NOT_FOUND", "ok with its id"]);
    // A value that is taken is told apart; a property that does not exist refuses all of them.
    let taken = create("contact", r#"{"email": "new@x.io", "stripe_id": "cus_1"}"#);
    let wrong = create("contact", r#"{"email": "wrong@x.io", "no_such": "1"}"#);
    let made = client.call_many([contact(200), taken, contact(201), wrong, contact(202)]).await;
    assert_eq!(
        told(&made),
        [
            "ok with its id",
            "duplicate VALIDATION_ERROR",
            "ok with its id",
            "permanent VALIDATION_ERROR",
            "ok with its id"
        ]
    );
    assert_eq!(made[1].as_ref().unwrap_err().other, Some(ids[1].clone()));
    let gone = client.call_many(ids[..2].iter().map(|id| delete("contact", id))).await;
    assert_eq!(told(&gone), ["ok with its id"; 2]);
}

#[tokio::test]
async fn bitrix24_takes_50_commands_and_its_200_is_read_command_by_command() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let (portal, client) = (sandbox.bitrix24(), Client::new());
    client.open_builtin("bitrix24", &format!(r#"{{"webhook_url": "{}"}}"#, portal.webhook_url()));
    let contact =
        |n: usize| create("contact", &format!(r#"{{"NAME": "Ann & Ben = {n}", "EMAIL": ["c{n}@x.io"]}}"#));
    let made = client.call_many((0..60).map(contact)).await;
    let ids: Vec<Arc<str>> = made.iter().map(|reply| reply.as_ref().unwrap().id.clone().unwrap()).collect();
    let of = |word: &str| portal.calls().iter().filter(|call| call.path.ends_with(word)).count();
    assert_eq!((of("/batch"), of("/crm.contact.add")), (2, 0));

    let read = client.call_many([&*ids[7], "999999", &*ids[8]].map(|id| get("contact", id))).await;
    assert_eq!(told(&read), ["ok with its id", "missing", "ok with its id"]);
    assert_eq!(
        text(read[0].as_ref().unwrap().record.as_ref().unwrap(), "NAME"),
        "Ann & Ben = 7",
        "escaped once"
    );
    let changed = client
        .call_many(["999999", &*ids[0], &*ids[1]].map(|id| update("contact", id, r#"{"NAME": "Cy"}"#)))
        .await;
    assert_eq!(told(&changed), ["missing", "ok with its id", "ok with its id"]);
    let found =
        client.call_many([5, 99].map(|n| find("contact", &format!(r#"{{"EMAIL": "c{n}@x.io"}}"#)))).await;
    let found: Vec<usize> = found.iter().map(|reply| reply.as_ref().unwrap().records.len()).collect();
    assert_eq!(found, [1, 0]);
    assert_eq!((of("/batch"), portal.records("contact").len()), (5, 60));
}

/// A system that takes lists of things, each with a `ref`, and answers as the test says.
fn manifest(batch: &str) -> Arc<Manifest> {
    let text = format!(
        r#"
name: own
title: Own
config:
  url: {{ type: url, required: true, description: Where it is. }}
base_url: $.config.url
batches:
  things:
    max: 10
    part: {{ merge: [$.fields, {{ ref: "${{number}}" }}] }}
    request: {{ method: POST, path: /things/all, body: {{ things: $.parts }} }}
    answer:
      script: response.body.done.find(|done| done.body.ref == part.ref)
    {batch}
objects:
  thing:
    create:
      batch: things
      request: {{ method: POST, path: /things, body: $.fields }}
      response: {{ id: $.response.body.id }}
    update:
      batch: things
      request: {{ method: PUT, path: "/things/${{id}}", body: $.fields }}
limits: {{ rates: [20/s] }}
errors: {{ message: $.response.body.message }}
"#
    );
    Manifest::read("own.yaml", &text).map_or_else(|faults| panic!("{faults:#?}"), Arc::new)
}

/// Serves JSON: what `answer` makes of the path and the body, with the status.
async fn serves(
    answer: fn(&str, &serde_json::Value) -> (u16, serde_json::Value),
) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    use axum::http::{StatusCode, Uri};
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let app = axum::Router::new().fallback(move |uri: Uri, body: String| async move {
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let count = body["things"].as_array().map_or(String::new(), |things| format!(" {}", things.len()));
        log.lock().unwrap().push(format!("{}{count}", uri.path()));
        let (status, body) = answer(uri.path(), &body);
        (StatusCode::from_u16(status).unwrap(), axum::Json(body))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

fn things(count: usize) -> Vec<Action> {
    (0..count).map(|n| create("thing", &format!(r#"{{"name": "{}"}}"#, "x".repeat(n + 1)))).collect()
}

fn done(things: &serde_json::Value, but: i64) -> serde_json::Value {
    let things = things["things"].as_array().unwrap().iter().rev().filter(|thing| thing["ref"] != but);
    let done: Vec<_> = things
        .map(|thing| serde_json::json!({"status": 200, "body": {"id": thing["name"], "ref": thing["ref"]}}))
        .collect();
    serde_json::json!({ "done": done })
}

#[tokio::test]
async fn of_a_create_that_the_answer_does_not_mention_nobody_knows_whether_it_was_done() {
    let (url, seen) =
        serves(
            |path, body| {
                if path == "/things/all" { (200, done(body, 1)) } else { (200, serde_json::json!({})) }
            },
        )
        .await;
    let client = Client::new();
    client.open(manifest(""), &format!(r#"{{"url": "{url}"}}"#));
    let made = client.call_many(things(4)[1..].to_vec()).await;
    assert_eq!(told(&made), ["ok with its id", "unknown", "ok with its id"]);
    assert_eq!(made[2].as_ref().unwrap().id.as_deref(), Some("xxxx"), "by its reference, not by its place");
    // An update can be sent again: alone, so that its own answer tells.
    let changed = client.call_many(["1", "2"].map(|id| update("thing", id, r#"{"name": "y"}"#))).await;
    assert_eq!(told(&changed), ["ok with its id"; 2]);
    assert_eq!(*seen.lock().unwrap(), ["/things/all 3", "/things/all 2", "/things/2"]);
}

#[tokio::test]
async fn an_answer_that_went_well_and_tells_nothing_is_no_refusal() {
    let (url, seen) = serves(|_, _| (200, serde_json::json!({"message": "thanks"}))).await;
    let client = Client::new();
    client.open(manifest("success: response.body.done != ()"), &format!(r#"{{"url": "{url}"}}"#));
    let made = client.call_many(things(3)).await;
    assert_eq!(told(&made), ["unknown"; 3], "perhaps all were made: none is sent again");
    assert_eq!(*seen.lock().unwrap(), ["/things/all 3"]);
}

#[tokio::test]
async fn a_request_has_no_more_bytes_than_the_system_takes() {
    let (url, seen) = serves(|_, body| {
        (200, if body["things"].is_null() { serde_json::json!({"id": "1"}) } else { done(body, -1) })
    })
    .await;
    let client = Client::new();
    client.open(manifest("bytes: 100"), &format!(r#"{{"url": "{url}"}}"#));
    let made = client.call_many(things(8)).await;
    assert_eq!(made.iter().filter(|answer| answer.is_ok()).count(), 8);
    assert_eq!(*seen.lock().unwrap(), ["/things/all 4", "/things/all 2", "/things/all 2"]);
}

#[tokio::test]
async fn a_busy_system_is_asked_once_and_a_batch_may_cost_as_much_as_its_calls() {
    let (url, seen) = serves(|_, _| (429, serde_json::json!({"message": "busy"}))).await;
    let client = Client::new();
    client.open(manifest("cost: each"), &format!(r#"{{"url": "{url}"}}"#));
    let made = client.call_many(things(25)).await;
    assert!(
        made.iter().all(|answer| answer.as_ref().is_err_and(|failure| failure.class == Class::Throttled))
    );
    assert_eq!(*seen.lock().unwrap(), ["/things/all 10"]);

    let (url, seen) = serves(|_, body| (200, done(body, -1))).await;
    let client = Client::new();
    client.open(manifest("cost: each"), &format!(r#"{{"url": "{url}"}}"#));
    let began = std::time::Instant::now();
    assert_eq!(client.call_many(things(30)).await.iter().filter(|answer| answer.is_ok()).count(), 30);
    assert_eq!(seen.lock().unwrap().len(), 3);
    assert!(
        began.elapsed() >= Duration::from_millis(450),
        "20 at once, then 20 a second: {:?}",
        began.elapsed()
    );
}

#[test]
fn a_batch_that_cannot_be_is_told_with_its_place() {
    let text = r"
name: own
title: Own
base_url: https://own.example
idempotency: { header: Idempotency-Key, valid: 24h, methods: [POST] }
defaults: { batch: thing }
batches:
  things:
    max: 1
    part: $.field
    request: { method: POST, path: /things/all, body: $.parts }
    answer: { status: 200 }
objects:
  thing:
    list: { batch: things, request: { method: GET, path: /things } }
    create: { batch: things, request: { method: POST, path: /things, body: $.fields } }
    update: { batch: thing, request: { method: PUT, path: /things, body: $.fields } }
";
    let faults = Manifest::read("own.yaml", text).unwrap_err();
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    batches.things.part: `field` is not known here (did you mean `fields`?)
    batches.things.max: a batch of less than two is none
    defaults.batch: `thing` is not one of `batches` (did you mean `things`?)
    objects.thing.list.batch: a list is read page by page, not together with others
    objects.thing.create.batch: a call that is known again by an idempotency key goes alone with it
    objects.thing.update.batch: `thing` is not one of `batches`
    ");
}
