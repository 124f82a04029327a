//! A project of many clients: those that have passed their checks before are opened when they are called.

use std::fmt::Write;

use lockstep::sandbox::Fault;
use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{World, charge};

/// A few more clients than are opened whether they are needed or not.
const OTHERS: usize = 104;

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

const PAID: &str = r"
name: paid
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - create:
      object: salesforce.Task
      key: { Stripe_Charge_Id__c: $.object.id }
      fields: { Subject: first, Status: Completed, Priority: Normal }
";

const OTHER: &str =
    "name: noted\ntrigger: { stripe: { events: [charge.refunded] } }\nsteps:\n  - set: { seen: true }\n";

/// The variable that `needy` needs beside those that every client of these tests has.
const NEEDED: (&str, &str) = ("NEEDY_KEY", "sk_test_needy_0123456789");

async fn world() -> World {
    let mut files =
        format!("# file: pipelines/acme/client.yaml{CLIENT}# file: pipelines/acme/paid.yaml{PAID}");
    for number in 0..OTHERS {
        let (name, key) = if number == 0 {
            ("needy".to_owned(), "NEEDY_KEY")
        } else {
            (format!("other-{number}"), "ACME_KEY")
        };
        write!(
            files,
            "# file: pipelines/{name}/client.yaml\nname: {name}\nconnections:\n  \
             stripe: {{ connector: stripe, config: {{ api_key: \"${{{key}}}\" }} }}\n\
             # file: pipelines/{name}/noted.yaml\n{OTHER}"
        )
        .unwrap();
    }
    let mut world = World::with(&files).await;
    world.start(&[NEEDED]);
    world
}

/// A client as `/readyz` tells it.
async fn client(world: &World, name: &str) -> Value {
    let answer = world.admin("/readyz").await.1;
    let clients = answer["clients"].as_array().unwrap();
    clients.iter().find(|client| client["client"] == name).unwrap().clone()
}

async fn dormant(world: &World) -> usize {
    let answer = world.admin("/readyz").await.1;
    let clients = answer["clients"].as_array().unwrap();
    assert_eq!(clients.len(), OTHERS + 1);
    clients.iter().filter(|client| client["dormant"] == json!(true)).count()
}

fn subjects(world: &World) -> Vec<String> {
    let records = world.sandbox().salesforce().records("Task");
    let mut subjects: Vec<String> =
        records.iter().map(|record| record.get("Subject").unwrap().to_text().unwrap().to_string()).collect();
    subjects.sort_unstable();
    subjects
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_passed_before_are_opened_when_they_are_called_and_the_others_are_checked() {
    // Invariants 6 and 7.
    let mut world = world().await;
    assert_eq!(dormant(&world).await, OTHERS + 1 - 100, "the first start checks all, and has no more open");

    assert_eq!(world.terminate(), Some(0));
    world.start(&[NEEDED]);
    assert_eq!(dormant(&world).await, OTHERS + 1);
    let told = client(&world, "acme").await;
    assert_eq!((&told["runs"], &told["problems"]), (&json!(true), &json!([])));
    let version = told["version"].clone();
    let answer = world.deliver(&charge("charge.succeeded", 1)).await;
    assert_eq!(answer.0, StatusCode::OK, "{answer:?} {}", world.log());
    world.all_ended().await;
    assert_eq!(subjects(&world), ["first"]);
    let told = client(&world, "acme").await;
    assert_eq!((&told["dormant"], &told["version"]), (&json!(false), &version));
    assert_eq!(dormant(&world).await, OTHERS);
    let nobody = world.http().post(world.hook("nobody/stripe")).body("{}").send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::NOT_FOUND);

    // What changes is read, whether its client is open or dormant.
    world.write("pipelines/acme/paid.yaml", &PAID.replace("first", "second"));
    world.until("the change is taken up", async || client(&world, "acme").await["version"] != version).await;
    world.write("pipelines/other-7/noted.yaml", "name: noted\n");
    world
        .until("the broken file is seen", async || {
            client(&world, "other-7").await["last_good"] == json!(true)
        })
        .await;

    // A restart without a variable that a client needs: it is not taken for well because it was.
    assert_eq!(world.terminate(), Some(0));
    world.start(&[]);
    let needy = client(&world, "needy").await;
    assert_eq!((&needy["runs"], &needy["dormant"]), (&json!(false), &json!(false)));
    assert!(needy["problems"][0].as_str().unwrap().contains("NEEDY_KEY"), "{needy}");
    assert_eq!(client(&world, "other-7").await["last_good"], json!(true));
    assert_eq!(world.deliver(&charge("charge.succeeded", 2)).await.0, StatusCode::OK);
    world.all_ended().await;
    assert_eq!(subjects(&world), ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_opens_nobody_and_whoever_shows_who_he_is_does() {
    // Invariants 1 and 7.
    let mut world = world().await;
    assert_eq!(world.terminate(), Some(0));
    world.start(&[NEEDED]);
    let forged = format!(
        "t={},v1={}",
        lockstep::clock::Clock::now(&lockstep::clock::SystemClock).as_second(),
        "0".repeat(64)
    );
    let event = charge("charge.succeeded", 1).to_string();
    let knock = async |path: &str, signature: &str| {
        let request = world.http().post(world.hook(path)).header("stripe-signature", signature);
        request.body(event.clone()).send().await.unwrap().status()
    };
    let refused = knock("acme/stripe", &forged).await;
    assert!(refused.is_client_error() && refused != StatusCode::NOT_FOUND, "{refused}");
    for (path, status) in [
        ("acme/stripe", refused),
        ("other-3/stripe", refused),
        ("acme/salesforce", StatusCode::NOT_FOUND),
        ("acme/elsewhere", StatusCode::NOT_FOUND),
    ] {
        let (said, empty) = (knock(path, &forged).await, knock(path, "").await);
        assert_eq!((said, empty), (status, status), "{path}");
    }
    assert_eq!(dormant(&world).await, OTHERS + 1, "nobody was opened");
    let told = world.log().matches("delivery refused").count();
    assert!((1..=2).contains(&told), "the operator is told, and not of each: {told}");
    assert_eq!(world.deliver(&charge("charge.succeeded", 1)).await.0, StatusCode::OK);
    world.all_ended().await;
    assert_eq!((dormant(&world).await, subjects(&world)), (OTHERS, vec!["first".to_owned()]));
    assert_eq!(knock("acme/stripe", &forged).await, refused, "an open client says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_work_is_opened_though_nobody_calls_it() {
    // Invariant 4.
    let mut world = world().await;
    let tasks = "/services/data/*/sobjects/Task";
    let salesforce = world.sandbox().salesforce();
    salesforce.faults().add(Fault::answer(429).header("retry-after", "1").times(u32::MAX).on("POST", tasks));
    assert_eq!(world.deliver(&charge("charge.succeeded", 1)).await.0, StatusCode::OK);
    world.until("it waits", async || world.json(&["runs"])["runs"][0]["state"] == "held").await;
    world.kill();
    world.sandbox().salesforce().faults().clear();
    world.start(&[NEEDED]);
    world.all_ended().await;
    assert_eq!(subjects(&world), ["first"]);

    // A dead letter is nobody's work until somebody asks for it: from outside, while its client is dormant.
    let refused = Fault::answer(400).text(r#"[{"errorCode":"INVALID_FIELD","message":"no"}]"#);
    world.sandbox().salesforce().faults().add(refused.times(u32::MAX).on("POST", tasks));
    assert_eq!(world.deliver(&charge("charge.succeeded", 2)).await.0, StatusCode::OK);
    world.until("it is dead", async || !world.json(&["dead"])["runs"].as_array().unwrap().is_empty()).await;
    world.sandbox().salesforce().faults().clear();
    assert_eq!(world.terminate(), Some(0));
    world.start(&[NEEDED]);
    assert_eq!(client(&world, "acme").await["dormant"], json!(true));
    let dead = world.json(&["dead"])["runs"][0]["id"].to_string();
    assert!(world.lockstep(&["dead", "retry", &dead]).status.success());
    world.all_ended().await;
    assert_eq!(subjects(&world), ["first", "first"]);
}
