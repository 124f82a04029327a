//! Files that change while lockstep runs, and while it does not: broken ones, mended ones, and runs that have begun
//! with what they said before.

use std::collections::BTreeMap;
use std::fs;

use lockstep::sandbox::Fault;
use lockstep::sandbox::stripe::sign;
use pretty_assertions::{assert_eq, assert_ne};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{World, charge, now};

const CLIENT: &str = r#"
name: acme
connections:
  stripe:
    connector: stripe
    config: { api_key: "${ACME_KEY}", webhook_secrets: ["${ACME_WHSEC}"], base_url: "${STRIPE_URL}" }
  salesforce:
    connector: salesforce
    config: { login_url: "${SF_URL}", client_id: "${SF_ID}", client_secret: "${SF_SECRET}" }
"#;

/// A task, then an account: between the two the account's system can be kept busy.
const PAID: &str = r"
name: paid
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - create:
      object: salesforce.Task
      key: { Stripe_Charge_Id__c: $.object.id }
      fields: { Subject: first, Status: Completed, Priority: Normal }
  - create:
      object: salesforce.Account
      key: { Stripe_Customer_Id__c: $.object.customer }
      fields: { Name: first }
";

const OTHER: &str = r"
name: other
trigger: { stripe: { events: [charge.refunded] } }
steps:
  - set: { seen: true }
";

const PATH: &str = "pipelines/acme/paid.yaml";

async fn world() -> World {
    let mut world = World::with(&files()).await;
    world.start(&[]);
    world
}

fn files() -> String {
    format!(
        "# file: pipelines/acme/client.yaml{CLIENT}# file: {PATH}{PAID}# file: pipelines/acme/other.yaml{OTHER}"
    )
}

/// The client as `/readyz` tells it.
async fn client(world: &World, name: &str) -> Option<Value> {
    let answer = world.admin("/readyz").await.1;
    answer["clients"].as_array()?.iter().find(|client| client["client"] == name).cloned()
}

async fn version(world: &World) -> Value {
    client(world, "acme").await.map(|client| client["version"].clone()).unwrap_or_default()
}

/// Waits until acme runs with other files than these.
async fn until_taken_up(world: &World, before: &Value) {
    world.until("the files are taken up", async || version(world).await != *before).await;
}

fn texts(world: &World, object: &str, field: &str) -> Vec<String> {
    let records = world.sandbox().salesforce().records(object);
    let text = |record: &lockstep::value::Value| record.get(field).unwrap().to_text().unwrap().to_string();
    let mut texts: Vec<String> = records.iter().map(text).collect();
    texts.sort_unstable();
    texts
}

/// Delivers a payment whose run comes to its second step and no further: the account's system is busy.
async fn begin_a_run(world: &World, number: u32) {
    let busy = Fault::answer(429).header("retry-after", "1").times(u32::MAX);
    world.sandbox().salesforce().faults().add(busy.on("POST", "/services/data/*/sobjects/Account"));
    assert_eq!(world.deliver(&charge("charge.succeeded", number)).await.0, StatusCode::OK);
    world
        .until("the run waits in its second step", async || {
            world.json(&["runs"])["runs"][0]["state"] == "held"
        })
        .await;
}

fn let_it_finish(world: &World) {
    world.sandbox().salesforce().faults().clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_keeps_the_last_good_version_over_a_restart_and_a_mended_one_is_taken_up() {
    // Invariant 6.
    let mut world = world().await;
    let good = version(&world).await;
    world.write(PATH, "name: paid\ntriger: {}\n");
    let broken = async || client(&world, "acme").await.unwrap();
    world.until("the broken file is seen", async || broken().await["last_good"] == json!(true)).await;
    for restarted in [false, true] {
        if restarted {
            world.kill();
            world.start(&[]);
        }
        let told = client(&world, "acme").await.unwrap();
        assert_eq!(
            (&told["runs"], &told["last_good"], &told["version"]),
            (&json!(true), &json!(true), &good)
        );
        let problem = told["problems"][0].as_str().unwrap();
        assert!(
            problem.starts_with("pipelines/acme/paid.yaml:1:") && problem.contains(" [missing-key]: "),
            "{problem}"
        );
        let (status, page) = world.admin("/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            page.as_str().unwrap().contains(r#"lockstep_client_broken{client="acme",runs="last_good"} 1"#)
        );
        let number = 1 + u32::from(restarted);
        assert_eq!(world.deliver(&charge("charge.succeeded", number)).await.0, StatusCode::OK);
        world.all_ended().await;
        assert_eq!(texts(&world, "Task", "Subject").len(), number as usize);
    }
    let lines = world.log();
    let kept = lines.lines().filter(|line| line.contains("client keeps its last good version"));
    assert_eq!(kept.count(), 2, "one line for each process: {lines}");

    world.write(PATH, &PAID.replace("first", "mended"));
    until_taken_up(&world, &good).await;
    assert_eq!(client(&world, "acme").await.unwrap()["problems"], json!([]));
    world.deliver(&charge("charge.succeeded", 3)).await;
    world.all_ended().await;
    assert_eq!(texts(&world, "Task", "Subject"), ["first", "first", "mended"]);
    assert!(!world.admin("/metrics").await.1.as_str().unwrap().contains("lockstep_client_broken{"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_was_good_answers_503_until_it_is() {
    let mut world = World::with(&files()).await;
    world.write(PATH, "name: paid\ntriger: {}\n");
    world.start(&[]);
    let event = charge("charge.succeeded", 1);
    let body = event.to_string();
    let signature = sign(crate::world::SECRET, now(), body.as_bytes());
    let request = world.http().post(world.hook("acme/stripe")).header("stripe-signature", signature);
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    let told = client(&world, "acme").await.unwrap();
    assert_eq!(
        (&told["runs"], &told["last_good"], &told["version"]),
        (&json!(false), &json!(false), &json!(null))
    );
    assert!(world.log().contains("client does not run"), "{}", world.log());

    world.write(PATH, PAID);
    world.until("it is served", async || world.try_deliver(&event).await == Some(StatusCode::OK)).await;
    world.all_ended().await;
    assert_eq!(texts(&world, "Task", "Subject"), ["first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_begun_finishes_with_its_version_over_a_reload() {
    // Invariant 6: a run that has journalled a call finishes with the version it began with.
    let world = world().await;
    let before = version(&world).await;
    begin_a_run(&world, 1).await;
    world.write(PATH, &PAID.replace("first", "second"));
    until_taken_up(&world, &before).await;
    let_it_finish(&world);
    world.deliver(&charge("charge.succeeded", 2)).await;
    world.all_ended().await;
    assert_eq!(texts(&world, "Account", "Name"), ["first", "second"]);
    assert_eq!(texts(&world, "Task", "Subject"), ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_begun_finishes_with_its_version_over_a_restart_with_changed_files() {
    // Invariant 6, with everything changed that a pipeline is made of, and then with the pipeline gone.
    let mut world = world().await;
    begin_a_run(&world, 1).await;
    world.kill();
    world.write(PATH, &PAID.replace("first", "second"));
    world.edit("pipelines/acme/client.yaml", "name: acme\n", "name: acme\nvars: { more: 1 }\n");
    world.write("pipelines/acme/lib.rhai", "fn more() { 1 }\n");
    world.start(&[]);
    world
        .until("the run is tried again", async || {
            let calls = world.sandbox().salesforce().calls();
            calls.iter().filter(|call| call.path.ends_with("/sobjects/Account")).count() > 2
        })
        .await;
    world.kill();
    fs::remove_file(world.folder().join(PATH)).unwrap();
    world.start(&[]);
    let_it_finish(&world);
    world.all_ended().await;
    assert_eq!(texts(&world, "Account", "Name"), ["first"]);
    assert_eq!(texts(&world, "Task", "Subject"), ["first"]);
    let runs = world.json(&["runs"]);
    assert_eq!(
        (&runs["runs"][0]["pipeline"], &runs["runs"][0]["state"]),
        (&json!("paid"), &json!("succeeded"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_on_with_the_mended_pipeline_from_where_it_stopped() {
    let mut world = World::with(&files()).await;
    world.write(PATH, &PAID.replace("Name: first", "Name: first, Nobody_Knows__c: x"));
    world.start(&[]);
    let before = version(&world).await;
    world.deliver(&charge("charge.succeeded", 1)).await;
    world.all_ended().await;
    let dead = world.json(&["dead"]);
    assert!(dead["runs"][0]["reason"].as_str().unwrap().contains("Nobody_Knows__c"), "{dead}");

    world.write(PATH, &PAID.replace("first", "mended"));
    until_taken_up(&world, &before).await;
    world.json(&["dead", "retry", "--all"]);
    world.until("it has ended", async || world.json(&["runs"])["runs"][0]["state"] == "succeeded").await;
    assert_eq!(texts(&world, "Account", "Name"), ["mended"]);
    assert_eq!(texts(&world, "Task", "Subject"), ["first"], "what was done stays done");
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_up_has_files_and_secrets_read_again() {
    let mut world = World::with(&files()).await;
    let secret = world.folder().join("whsec");
    fs::write(&secret, "whsec_one_from_a_file\n").unwrap();
    let named = format!("${{file:{}}}", secret.display());
    world.edit("pipelines/acme/client.yaml", "${ACME_WHSEC}", &named);
    world.start(&[("LOCKSTEP_NO_WATCH", "true")]);
    let before = version(&world).await;

    let signed = async |secret: &str, number: u32| {
        let body = charge("charge.refunded", number).to_string();
        let signature = sign(secret, now(), body.as_bytes());
        world.post(body, &signature).await.0
    };
    assert_eq!(signed("whsec_one_from_a_file", 1).await, StatusCode::OK);
    fs::write(&secret, "whsec_two_from_a_file\n").unwrap();
    assert_eq!(signed("whsec_two_from_a_file", 2).await, StatusCode::BAD_REQUEST);
    let id = world.pid();
    hang_up(id);
    world
        .until("the new secret is known", async || signed("whsec_two_from_a_file", 2).await == StatusCode::OK)
        .await;
    assert_eq!(signed("whsec_one_from_a_file", 3).await, StatusCode::BAD_REQUEST);
    assert_eq!(version(&world).await, before, "the files say what they said");

    world.write(PATH, &PAID.replace("first", "second"));
    hang_up(id);
    until_taken_up(&world, &before).await;
}

fn hang_up(id: u32) {
    let status = std::process::Command::new("kill").args(["-HUP", &id.to_string()]).status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_come_and_go_and_the_runs_of_one_that_went_wait_for_it() {
    let world = world().await;
    let acme = version(&world).await;
    begin_a_run(&world, 1).await;

    // Another client appears; this one stays as it is.
    world.write("pipelines/beta/client.yaml", &CLIENT.replace("name: acme", "name: beta"));
    world.write("pipelines/beta/other.yaml", OTHER);
    world.until("beta is there", async || client(&world, "beta").await.is_some()).await;
    assert_eq!(version(&world).await, acme);

    // This one goes, with a run that has begun.
    let away = world.folder().join("acme-away");
    fs::rename(world.folder().join("pipelines/acme"), &away).unwrap();
    world.until("acme is gone", async || client(&world, "acme").await.is_none()).await;
    assert_eq!(world.deliver(&charge("charge.succeeded", 2)).await.0, StatusCode::NOT_FOUND);
    let_it_finish(&world);
    assert_eq!(world.admin("/readyz").await.1["unfinished_runs"], json!(1));

    // It comes back, changed: the run finishes as it began.
    fs::write(away.join("paid.yaml"), PAID.replace("first", "second")).unwrap();
    fs::rename(&away, world.folder().join("pipelines/acme")).unwrap();
    world.all_ended().await;
    assert_eq!(texts(&world, "Account", "Name"), ["first"]);
    assert_ne!(version(&world).await, acme);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_has_lost_its_client_yaml_is_broken_and_not_gone() {
    let world = world().await;
    fs::remove_file(world.folder().join("pipelines/acme/client.yaml")).unwrap();
    world
        .until("it is seen", async || client(&world, "acme").await.unwrap()["last_good"] == json!(true))
        .await;
    assert_eq!(world.deliver(&charge("charge.succeeded", 1)).await.0, StatusCode::OK);
    world.all_ended().await;
    assert_eq!(texts(&world, "Task", "Subject"), ["first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_change_does_not_touch_keeps_its_session() {
    let world = world().await;
    let logins = || {
        let calls = world.sandbox().salesforce().calls();
        calls.iter().filter(|call| call.path.ends_with("/oauth2/token")).count()
    };
    world.deliver(&charge("charge.succeeded", 1)).await;
    world.all_ended().await;
    let before = (version(&world).await, logins());
    world.write(PATH, &PAID.replace("first", "second"));
    until_taken_up(&world, &before.0).await;
    world.deliver(&charge("charge.succeeded", 2)).await;
    world.all_ended().await;
    assert_eq!(texts(&world, "Task", "Subject"), ["first", "second"]);
    assert_eq!((before.1, logins()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_no_run_needs_are_forgotten_after_a_day() {
    let mut world = world().await;
    for (count, name) in ["second", "third"].into_iter().enumerate() {
        let before = version(&world).await;
        if count == 1 {
            // This one has begun with the second version.
            begin_a_run(&world, 1).await;
        }
        world.write(PATH, &PAID.replace("first", name));
        until_taken_up(&world, &before).await;
    }
    world.kill();
    let path = world.folder().join("lockstep.db");
    let store = rusqlite::Connection::open(&path).unwrap();
    let versions = || -> BTreeMap<String, bool> {
        // A version that was left is known by its texts; the names of the accounts tell them apart.
        let names = ["first", "second", "third"].map(|name| {
            let known = "SELECT count(*) FROM source WHERE text LIKE '%Name: ' || ?1 || ' }%'";
            let count: i64 = store.query_row(known, [name], |row| row.get(0)).unwrap();
            (name.to_owned(), count > 0)
        });
        names.into()
    };
    let known = |first, second, third| -> BTreeMap<String, bool> {
        [("first", first), ("second", second), ("third", third)]
            .map(|(name, is)| (name.to_owned(), is))
            .into()
    };
    assert_eq!(versions(), known(true, true, true));
    world.start(&[]);
    assert_eq!(versions(), known(true, true, true), "they were left just now");

    world.kill();
    store.execute("UPDATE version SET retired = 0 WHERE retired IS NOT NULL", []).unwrap();
    world.start(&[]);
    world.until("the first is forgotten", async || versions() == known(false, true, true)).await;
    let_it_finish(&world);
    world.all_ended().await;
    assert_eq!(texts(&world, "Account", "Name"), ["second"]);

    world.kill();
    world.start(&[]);
    world.until("the second is forgotten", async || versions() == known(false, false, true)).await;
}
