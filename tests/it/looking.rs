//! The listing commands: what came in, what came of it, and why.

use lockstep::sandbox::salesforce::FieldShape;
use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{World, charge};

async fn after_a_day() -> World {
    let world = World::acme().await;
    for (kind, number) in
        [("charge.succeeded", 1), ("charge.refunded", 2), ("charge.failed", 3), ("charge.updated", 4)]
    {
        assert_eq!(world.deliver(&charge(kind, number)).await.0, StatusCode::OK);
    }
    world.all_ended().await;
    world
}

fn column(listing: &Value, name: &str) -> Vec<String> {
    let rows = listing.as_array().unwrap().iter();
    rows.map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect()
}

fn text(world: &World, arguments: &[&str]) -> String {
    let output = world.lockstep(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_show_each_outcome_and_can_be_narrowed() {
    let world = after_a_day().await;
    let events = world.json(&["events"]);
    let types = ["charge.updated", "charge.failed", "charge.refunded", "charge.succeeded"];
    assert_eq!(column(&events["events"], "type"), types);
    assert_eq!(events["events"][0]["reason"], "no pipeline of this client listens for charge.updated");
    let mut pipelines = column(&events["events"][3]["runs"], "pipeline");
    pipelines.sort_unstable();
    assert_eq!(pipelines, ["large-payment", "log-payment"]);

    assert_eq!(column(&world.json(&["dead"])["runs"], "pipeline"), ["failure"]);
    assert_eq!(column(&world.json(&["conflicts"])["runs"], "reason"), ["who refunded ch_2?"]);
    for (arguments, pipelines) in [
        (&["runs", "--outcome", "succeeded"][..], &["log-payment"][..]),
        (&["runs", "list", "--outcome", "skipped"], &["large-payment"]),
        (&["runs", "--pipeline", "refund", "--client", "acme"], &["refund"]),
        (&["runs", "--client", "nobody"], &[]),
        (&["runs", "--since", "1h", "--limit", "1"], &["failure"]),
    ] {
        assert_eq!(column(&world.json(arguments)["runs"], "pipeline"), pipelines, "{arguments:?}");
    }
    let audit = world.json(&["audit", "--object", "Task"]);
    assert_eq!(audit["audit"][0]["verb"], "create");
    let fields = column(&audit["audit"][0]["fields"], "field");
    assert!(fields.contains(&"Subject".to_owned()), "{fields:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_shows_why_each_pipeline_did_what_it_did() {
    let world = after_a_day().await;
    let shown = world.json(&["events", "show", "evt_charge.succeeded_1"]);
    let pipeline = |name: &str| {
        let all = shown["pipelines"].as_array().unwrap();
        all.iter().find(|it| it["pipeline"] == name).unwrap().clone()
    };
    assert_eq!(pipeline("refund")["matches"], false);
    assert_eq!(pipeline("refund")["listens"], json!(["charge.refunded"]));
    let large = pipeline("large-payment");
    assert_eq!(large["condition"]["holds"], false);
    assert_eq!(large["condition"]["values"], json!({ "object.amount": 4500 }));

    let words = text(&world, &["events", "show", "evt_charge.succeeded_1"]);
    for part in [
        "refund: not started, it listens for charge.refunded",
        "when object.amount > 100000 -> false",
        "object.amount = 4500",
        "log-payment: succeeded",
        "create salesforce.Task",
        "Subject: nothing -> \"Payment ch_1\"",
        "times are in Europe/London",
    ] {
        assert!(words.contains(part), "`{part}` is not in\n{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_tried_again_beside_the_running_process() {
    let world = after_a_day().await;
    let dead = world.json(&["dead"]);
    let id = dead["runs"][0]["id"].to_string();
    let shown = world.json(&["dead", "show", &id]);
    assert!(shown["reason"].as_str().unwrap().contains("Later_Field__c"), "{shown}");

    world.sandbox().salesforce().declare("Task", "Later_Field__c", FieldShape::of("string"));
    assert_eq!(
        world.json(&["dead", "retry", &id]),
        json!({ "retried": [id.parse::<i64>().unwrap()], "refused": [] })
    );
    world
        .until("the run succeeded", async || world.json(&["runs", "show", &id])["state"] == "succeeded")
        .await;
    assert_eq!(world.json(&["dead"]), json!({ "runs": [] }));

    for (run, why) in [
        (&*id, format!("run {id} is succeeded, not dead: see `lockstep runs show {id}`\n")),
        ("77", "no run `77` in this store: runs are named by their number, see `lockstep runs`\n".to_owned()),
    ] {
        let refused = world.lockstep(&["dead", "retry", run]);
        assert_eq!(refused.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&refused.stdout), why, "one line, once");
    }
    assert!(text(&world, &["dead", "retry", "--all"]).starts_with("no dead letters"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_says_what_goes_again_with_what_and_by_whom() {
    let mut world = after_a_day().await;
    let id = world.json(&["dead"])["runs"][0]["id"].to_string();
    world.kill();
    assert_eq!(
        text(&world, &["dead", "retry", "--all"]),
        format!(
            "run {id} of acme/failure is ready again; the `lockstep run` of this store, or the next one to start, goes \
             on from where it stopped, with the client's present files\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_leaves_nothing_says_so_and_not_that_the_store_is_empty() {
    let world = after_a_day().await;
    for (arguments, said) in [
        (&["runs", "--client", "acm"][..], "no runs of client `acm`; clients here: acme"),
        (
            &["runs", "--pipeline", "fail"],
            "no runs of pipeline `fail`; pipelines here: failure, large-payment, log-payment, refund",
        ),
        (
            &["runs", "--state", "held"],
            "no runs of state `held`; states here: conflict, dead, skipped, succeeded",
        ),
        (
            &["runs", "--outcome", "dead", "--pipeline", "refund"],
            "none of the 4 runs here fits: pipeline refund, outcome dead",
        ),
        (
            &["events", "--type", "charge"],
            "no events of type `charge`; types here: charge.failed, charge.refunded, charge.succeeded, charge.updated",
        ),
        (&["events", "--outcome", "conflict"], "no events of outcome `conflict`; outcomes here: skipped"),
        (&["dead", "--client", "acm"], "no dead letters of client `acm`; clients here: acme"),
        (
            &["conflicts", "--pipeline", "failure"],
            "no conflicts of pipeline `failure`; pipelines here: refund",
        ),
        (&["audit", "--object", "Account"], "no changes of object `Account`; objects here: Task"),
    ] {
        assert_eq!(text(&world, arguments).trim_end(), said, "{arguments:?}");
    }
    let later = text(&world, &["runs", "--since", "2100-01-01"]);
    assert_eq!(later, "none of the 4 runs here fits: since 2100-01-01 00:00:00 UTC\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_changed_nothing_says_why_and_one_that_is_not_there_is_an_error() {
    let world = after_a_day().await;
    let skipped = world.json(&["runs", "--outcome", "skipped"])["runs"][0]["id"].to_string();
    let said = text(&world, &["audit", "show", &skipped]);
    assert!(said.starts_with(&format!("run {skipped} changed nothing: it ended as skipped: ")), "{said}");
    let missing = world.lockstep(&["audit", "show", "77"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no run `77` in this store"));
}

#[test]
fn a_slip_in_the_words_of_a_listing_is_answered_with_what_was_meant() {
    for (arguments, tip) in [
        (&["runs", "21"][..], "tip: one is shown with 'lockstep runs show 21'"),
        (&["events", "evt_1"], "tip: one is shown with 'lockstep events show evt_1'"),
        (
            &["runs", "--store", "sqlite:x", "list"],
            "tip: options stand behind the word: 'lockstep runs list [OPTIONS]'",
        ),
        (&["runs", "--limit", "99999"], "99999 is not in 1..=10000"),
    ] {
        let output = assert_cmd::Command::cargo_bin("lockstep").unwrap().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains(tip), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_listing_says_what_would_fill_it() {
    let mut world = World::at_rest().await;
    let missing = world.lockstep(&["runs"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("`lockstep run` makes one"));
    world.start(&[]);
    for (command, begins) in [
        ("events", "no events: "),
        ("runs", "no runs: "),
        ("dead", "no dead letters: "),
        ("conflicts", "no conflicts: "),
        ("audit", "nothing was changed: "),
    ] {
        assert!(text(&world, &[command]).starts_with(begins), "{command}");
    }
    for (arguments, words) in [
        (["events", "show", "evt_none"], "no event `evt_none`"),
        (["runs", "show", "77"], "no run `77`"),
        (["dead", "show", "x"], "no run `x`"),
    ] {
        let output = world.lockstep(&arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_address_answers_what_the_commands_answer() {
    let world = after_a_day().await;
    for (path, arguments) in [
        ("/api/v1/events", &["events"][..]),
        ("/api/v1/runs?outcome=succeeded", &["runs", "--outcome", "succeeded"]),
        ("/api/v1/dead", &["dead"]),
        ("/api/v1/conflicts?client=acme", &["conflicts", "--client", "acme"]),
        ("/api/v1/audit?object=Task&limit=1", &["audit", "--object", "Task", "--limit", "1"]),
    ] {
        assert_eq!(world.admin(path).await, (StatusCode::OK, world.json(arguments)), "{path}");
    }
    let run = world.json(&["runs"])["runs"][0]["id"].to_string();
    assert_eq!(world.admin(&format!("/api/v1/runs/{run}")).await.1, world.json(&["runs", "show", &run]));
    for (path, status) in [
        ("/api/v1/runs?outcome=great", StatusCode::BAD_REQUEST),
        ("/api/v1/runs?since=yesterday", StatusCode::BAD_REQUEST),
        ("/api/v1/runs?wrong=1", StatusCode::BAD_REQUEST),
        ("/api/v1/runs?limit=10001", StatusCode::BAD_REQUEST),
        ("/api/v1/runs/77777", StatusCode::NOT_FOUND),
        ("/api/v1/events/evt_none", StatusCode::NOT_FOUND),
        ("/nothing", StatusCode::NOT_FOUND),
    ] {
        let (found, answer) = world.admin(path).await;
        assert_eq!(found, status, "{path}");
        assert!(answer["error"].is_string(), "{path}");
    }
}
