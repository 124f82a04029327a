//! Checking the audit, erasing what is old or about somebody, and ending what waits for a person: as a user does it.

use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use rusqlite::Connection;

use crate::world::{World, charge};

async fn after_a_day() -> World {
    let world = World::acme().await;
    for (kind, number) in [("charge.succeeded", 1), ("charge.refunded", 2), ("charge.failed", 3)] {
        assert_eq!(world.deliver(&charge(kind, number)).await.0, StatusCode::OK);
    }
    world.all_ended().await;
    world
}

fn text(world: &World, arguments: &[&str], code: i32) -> String {
    let output = world.lockstep(arguments);
    let words = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}{error}");
    words
}

/// Waits until the running process has sealed so many entries.
async fn sealed(world: &World, entries: u64) {
    world
        .until("the audit is sealed", async || {
            let verdict = world.json(&["audit", "verify"]);
            verdict["entries"] == entries && verdict["not_sealed_yet"] == 0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_sealed_in_the_background_and_a_change_is_found() {
    let mut world = after_a_day().await;
    sealed(&world, 1).await;
    let words = text(&world, &["audit", "verify"], 0);
    assert!(words.starts_with("1 entry, unbroken from "), "{words}");
    assert!(words.contains(", 0 not sealed yet, 0 erased by retention\nhead 1:"), "{words}");
    let head = text(&world, &["audit", "verify", "--head"], 0);
    let head = head.trim();
    assert_eq!(text(&world, &["audit", "verify", "--expect", head], 0), words);

    let later = head.replacen("1:", "9:", 1);
    let cut = text(&world, &["audit", "verify", "--expect", &later], 1);
    assert!(
        cut.starts_with("broken: the expected head is entry 9, and the chain ends with 1: it was cut off"),
        "{cut}"
    );
    assert_eq!(world.lockstep(&["audit", "verify", "--expect", "nonsense"]).status.code(), Some(2));

    world.kill();
    let file = Connection::open(world.folder().join("lockstep.db")).unwrap();
    file.execute_batch("UPDATE audit SET changes = replace(changes, 'Payment ch_1', 'Refund ch_1')").unwrap();
    let broken = text(&world, &["audit", "verify"], 1);
    assert!(broken.starts_with("broken: the values of entry 1 were changed after it was sealed"), "{broken}");
    let missing = world.lockstep(&["audit", "verify", "--store", "sqlite:nowhere.db"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_purged_beside_the_running_process() {
    let world = after_a_day().await;
    let dry = text(&world, &["purge", "--object", "cus_1", "--dry-run"], 0);
    assert!(dry.starts_with("would erase 1 event in which `cus_1` occurs: "), "{dry}");
    assert!(dry.contains("1 journalled call, the values of 1 audit entry"), "{dry}");
    let purged = text(&world, &["purge", "--object", "cus_1", "--by", "ann"], 0);
    assert_eq!(purged, dry.replace("would erase", "erased"));
    let again = text(&world, &["purge", "--object", "cus_1"], 0);
    assert!(again.starts_with("nothing to erase: "), "{again}");

    let shown = text(&world, &["events", "show", "evt_charge.succeeded_1"], 0);
    for part in ["content   erased on request", "calls     erased on request", "Subject: erased on request"] {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
    assert!(!shown.contains("Payment ch_1"), "{shown}");
    let run = world.json(&["runs", "--pipeline", "log-payment"]);
    assert_eq!(run["runs"][0]["erased"], "request");
    let erasure = text(&world, &["audit", "--verb", "erase"], 0);
    assert!(
        erasure.contains("erase lockstep.event, by ann (erased on request: event number 1)"),
        "{erasure}"
    );
    sealed(&world, 2).await;
    assert_eq!(world.json(&["audit", "verify"])["erased_on_request"], 1);

    // The others are as they were, and the event is known when it is delivered late.
    let other = text(&world, &["events", "show", "evt_charge.refunded_2"], 0);
    assert!(other.contains("who refunded ch_2?"), "{other}");
    assert_eq!(world.deliver(&charge("charge.succeeded", 1)).await.0, StatusCode::OK);
    assert_eq!(world.json(&["events"])["events"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_keeps_its_event_until_it_is_dismissed() {
    let world = after_a_day().await;
    let dead = world.json(&["dead"])["runs"][0]["id"].to_string();
    let kept = text(&world, &["purge", "--object", "ch_3"], 1);
    assert!(
        kept.contains(&format!("kept 1 event with dead letters (run {dead}): `lockstep dead retry`")),
        "{kept}"
    );
    let refused = text(&world, &["dead", "dismiss", "77", "--reason", "x"], 1);
    assert!(refused.starts_with("no run `77`"), "{refused}");

    let dismissed = text(&world, &["dead", "dismiss", &dead, "--reason", "paid by hand", "--by", "ann"], 0);
    assert!(dismissed.starts_with(&format!("dismissed: {dead};")), "{dismissed}");
    assert_eq!(world.json(&["dead"])["runs"].as_array().unwrap().len(), 0);
    assert_eq!(world.json(&["runs", "show", &dead])["reason"], "dismissed by ann: paid by hand");
    let shown = text(&world, &["audit", "--verb", "dismiss"], 0);
    assert!(shown.contains(&format!("dismiss lockstep.run {dead}, by ann")), "{shown}");
    assert_eq!(world.lockstep(&["dead", "dismiss", &dead, "--reason", "x"]).status.code(), Some(1));
    assert!(text(&world, &["purge", "--object", "ch_3"], 0).starts_with("erased 1 event"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_resolved_by_a_person() {
    let world = after_a_day().await;
    let conflict = world.json(&["conflicts"])["runs"][0]["id"].to_string();
    text(&world, &["conflicts", "resolve", &conflict, "--reason", "it was Ann", "--by", "ann"], 0);
    assert_eq!(world.json(&["conflicts"])["runs"].as_array().unwrap().len(), 0);
    assert_eq!(world.json(&["runs", "show", &conflict])["reason"], "resolved by ann: it was Ann");
    let audit = world.json(&["audit", "--verb", "resolve"]);
    assert_eq!(audit["audit"][0]["fields"][1]["before"], "who refunded ch_2?");
    assert_eq!(audit["audit"][0]["fields"][1]["after"], "it was Ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_it_is_to_be_kept_is_erased_by_the_running_process() {
    let mut world = after_a_day().await;
    world.terminate();
    // A month goes by.
    let file = Connection::open(world.folder().join("lockstep.db")).unwrap();
    file.execute_batch(
        "UPDATE event SET received = received - 2678400000000;
         UPDATE run SET received = received - 2678400000000, ended = ended - 2678400000000;",
    )
    .unwrap();
    drop(file);
    world.start(&[("LOCKSTEP_RETAIN", "30d")]);
    assert_eq!(world.deliver(&charge("charge.succeeded", 4)).await.0, StatusCode::OK);
    world
        .until("what is old is erased", async || {
            let erased = world.json(&["events"]);
            erased["events"].as_array().unwrap().iter().filter(|event| event["erased"] == "retention").count()
                == 2
        })
        .await;
    world.all_ended().await;
    let shown = text(&world, &["events", "show", "evt_charge.refunded_2"], 0);
    assert!(shown.contains("why       erased by retention"), "{shown}");
    assert!(world.json(&["dead"])["runs"][0]["erased"].is_null(), "a dead letter is kept whole");
    assert!(world.json(&["events", "show", "evt_charge.succeeded_4"])["body"].is_object());
}

#[tokio::test]
async fn keeping_for_too_short_a_time_is_refused_with_words() {
    let world = World::at_rest().await;
    for (retain, words) in [("3d", "kept for at least 4d"), ("long", "not a length of time")] {
        let output = world.lockstep(&["run", "--retain", retain]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(error.contains(words), "{error}");
    }
    for arguments in
        [&["purge"][..], &["purge", "--before", "30d", "--object", "x"], &["purge", "--object", ""]]
    {
        assert_eq!(world.lockstep(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
