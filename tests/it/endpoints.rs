//! `lockstep endpoints`: one endpoint a connection, with what its pipelines need, and never a second one.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use lockstep::value::Value;
use pretty_assertions::assert_eq;
use reqwest::StatusCode;

use crate::world::World;

const URL: &str = "https://hooks.example.com";

const FORM: &str = "application/x-www-form-urlencoded";

fn endpoints(world: &World, more: &[&str]) -> (Option<i32>, String) {
    let output = world.lockstep(&[&["endpoints", "acme", "--url", URL], more].concat());
    (output.status.code(), said(&output))
}

fn said(output: &Output) -> String {
    [&*String::from_utf8_lossy(&output.stdout), &*String::from_utf8_lossy(&output.stderr)].concat()
}

/// The endpoints that Stripe has, as JSON.
fn registered(world: &World) -> Vec<Value> {
    world.sandbox().stripe().records("webhook_endpoint")
}

fn field(endpoint: &Value, path: &[&str]) -> String {
    endpoint.at(path).map(Value::to_string).unwrap_or_default()
}

fn events(endpoint: &Value) -> Vec<String> {
    let mut events: Vec<String> =
        endpoint.get("enabled_events").unwrap().as_list().unwrap().iter().map(Value::to_string).collect();
    events.sort();
    events
}

/// Registers an endpoint as a person does in the dashboard.
async fn by_hand(world: &World, url: &str) -> String {
    let stripe = world.sandbox().stripe();
    let request = world.http().post(format!("{}/v1/webhook_endpoints", stripe.url()));
    let request = request.bearer_auth(stripe.api_key()).header("content-type", FORM);
    let body = format!("url={url}&enabled_events[0]=charge.succeeded");
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_registered_with_what_the_pipelines_need_and_its_secret_goes_into_a_file() {
    let world = World::at_rest().await;
    let (code, shown) = endpoints(&world, &[]);
    insta::assert_snapshot!(shown, @r"
    acme/stripe at https://hooks.example.com/hooks/acme/stripe
      would be registered:
        +charge.failed
        +charge.refunded
        +charge.succeeded
    --apply does it
    ");
    assert_eq!((code, registered(&world).len()), (Some(1), 0));

    let (code, shown) = endpoints(&world, &["--apply"]);
    assert!(
        shown.contains("told once, when it is registered: say where it is to go, --secret-file PATH"),
        "{shown}"
    );
    assert_eq!((code, registered(&world).len()), (Some(2), 0), "nothing without a place for the secret");

    let file = world.folder().join("acme.whsec");
    let path = file.to_str().unwrap();
    let (code, shown) = endpoints(&world, &["--apply", "--secret-file", path]);
    assert_eq!(code, Some(0), "{shown}");
    let made = registered(&world);
    assert_eq!(made.len(), 1);
    assert_eq!(events(&made[0]), ["charge.failed", "charge.refunded", "charge.succeeded"]);
    assert_eq!(field(&made[0], &["url"]), "https://hooks.example.com/hooks/acme/stripe");
    assert_eq!(field(&made[0], &["api_version"]), "2026-10-28.endive");
    assert_eq!(field(&made[0], &["metadata", "lockstep"]), "acme/stripe");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert!(!shown.contains(secret.trim()), "{shown}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let (code, shown) = endpoints(&world, &[]);
    assert!(shown.contains("is as it should be"), "{shown}");
    assert_eq!((code, registered(&world).len()), (Some(0), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_there_is_changed_and_no_second_one_made() {
    let world = World::at_rest().await;
    let id = by_hand(&world, &format!("{URL}/hooks/acme/stripe")).await;
    by_hand(&world, "https://elsewhere.example.com/stripe").await;
    let (code, shown) = endpoints(&world, &[]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("enabled_events: +charge.failed +charge.refunded\n"), "{shown}");
    // It was made without a version, and cannot get one.
    assert!(shown.contains("api_version cannot be changed: remove the endpoint"), "{shown}");
    assert_eq!(endpoints(&world, &["--apply"]).0, Some(1));
    let (own, other) = (&registered(&world)[0], &registered(&world)[1]);
    assert_eq!((field(own, &["id"]), events(own).len(), events(other).len()), (id, 3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_other_events_and_being_switched_off_are_made_right() {
    let world = World::at_rest().await;
    let file = world.folder().join("secret");
    let file = file.to_str().unwrap();
    assert_eq!(endpoints(&world, &["--apply", "--secret-file", file]).0, Some(0));
    let id = field(&registered(&world)[0], &["id"]);
    let stripe = world.sandbox().stripe();
    let off = world.http().post(format!("{}/v1/webhook_endpoints/{id}", stripe.url()));
    let off = off.bearer_auth(stripe.api_key()).header("content-type", FORM).body("disabled=true");
    assert_eq!(off.send().await.unwrap().status(), StatusCode::OK);
    world.edit("pipelines/acme/refund.yaml", "[charge.refunded]", "[charge.dispute.*]");

    let moved = |more: &[&str]| {
        let arguments = [&["endpoints", "acme", "--url", "https://moved.example.com/"], more].concat();
        let output = world.lockstep(&arguments);
        (output.status.code(), said(&output))
    };
    let (code, shown) = moved(&["--apply"]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("disabled: true -> false"), "{shown}");
    let all = registered(&world);
    assert_eq!(all.len(), 1, "found by its mark");
    assert_eq!(field(&all[0], &["url"]), "https://moved.example.com/hooks/acme/stripe");
    assert_eq!(field(&all[0], &["status"]), "enabled");
    assert!(events(&all[0]).contains(&"charge.dispute.created".to_owned()), "{:?}", events(&all[0]));
    assert!(!events(&all[0]).contains(&"charge.refunded".to_owned()));
    assert_eq!(moved(&[]).0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_account_and_two_endpoints_are_told_and_nothing_is_done() {
    let world = World::at_rest().await;
    for number in 0..16 {
        by_hand(&world, &format!("https://elsewhere.example.com/{number}")).await;
    }
    let file = world.folder().join("secret");
    let (code, shown) = endpoints(&world, &["--apply", "--secret-file", file.to_str().unwrap()]);
    assert_eq!((code, registered(&world).len()), (Some(2), 16));
    assert!(shown.contains("the account has 16 endpoints already, and the system takes no more"), "{shown}");
    assert!(!file.exists(), "no secret, no file");

    let world = World::at_rest().await;
    for _ in 0..2 {
        by_hand(&world, &format!("{URL}/hooks/acme/stripe")).await;
    }
    let (code, shown) = endpoints(&world, &["--apply"]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("each event comes 2 times: remove all but one of we_"), "{shown}");
    assert!(registered(&world).iter().all(|endpoint| events(endpoint).len() == 1), "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_not_written_over_and_no_secret_is_needed_beforehand() {
    let world = World::at_rest().await;
    let file = world.folder().join("precious");
    std::fs::write(&file, "whsec_of_another").unwrap();
    let (code, shown) = endpoints(&world, &["--apply", "--secret-file", file.to_str().unwrap()]);
    assert_eq!((code, registered(&world).len()), (Some(2), 0), "{shown}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "whsec_of_another");

    let mut command = world.command(&["endpoints", "acme", "--url", URL, "--format", "json"]);
    let output = command.env_remove("ACME_WHSEC").env_remove("ACME_WHSEC_OLD").output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &told[0]["standing"]), (Some(1), &serde_json::json!("absent")));
    let output = world.command(&["endpoints", "acme", "--url", URL]).env_remove("ACME_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("the environment variable `ACME_KEY` is not set"), "{}", said(&output));

    for file in ["log-payment", "large-payment", "refund", "failure"] {
        let path = format!("pipelines/acme/{file}.yaml");
        world.edit(
            &path,
            "trigger: { stripe: { events:",
            "trigger: { stripe: { delivery: poll, every: 1m, events:",
        );
    }
    let (code, shown) = endpoints(&world, &[]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(shown, "no pipeline waits for events that a system would have to send\n");
}
