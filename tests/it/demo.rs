//! `lockstep demo`: the whole, with no account anywhere.

use std::process::Command;

use pretty_assertions::assert_eq;
use serde_json::Value;
use tempfile::TempDir;

fn demo(arguments: &[&str]) -> (Option<i32>, String, String) {
    // Anywhere, with nothing in the environment but where temporary files go.
    let folder = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .current_dir(folder.path())
        .env_clear()
        .env("TMPDIR", folder.path())
        .args([&["demo", "--once"], arguments].concat())
        .output()
        .unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing behind");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_demo_ends_by_itself_with_its_sums() {
    let (code, answer, words) = demo(&["--format", "json"]);
    assert_eq!(code, Some(0), "{words}");
    let summary: Value = serde_json::from_str(&answer).unwrap();
    let runs = |outcome: &str| summary["runs"][outcome].as_u64().unwrap();
    assert!(summary["events"].as_u64().unwrap() >= 24, "{summary}");
    assert!(runs("succeeded") >= 12 && runs("skipped") >= 2 && runs("conflict") >= 1, "{summary}");
    assert_eq!(runs("dead"), 0, "{summary}");
    let crm = &summary["crm"]["acme-saas"];
    for (connection, object) in
        [("salesforce", "Account"), ("salesforce", "Contact"), ("salesforce", "Task"), ("slack", "message")]
    {
        assert!(crm[connection][object].as_u64().unwrap() >= 1, "{connection}.{object}: {summary}");
    }
    let club = &summary["crm"]["fitness-club"]["bitrix24"];
    for (object, count) in [("contact", 2), ("user", 2), ("notify", 4)] {
        assert_eq!(club[object].as_u64(), Some(count), "{object}: {summary}");
    }
    let harbor = &summary["crm"]["harbor-cloud"];
    for (connection, object) in
        [("stripe", "subscription"), ("stripe", "subscription_item"), ("salesforce", "Opportunity")]
    {
        assert_eq!(harbor[connection][object].as_u64(), Some(1), "{connection}.{object}: {summary}");
    }
    let shop = &summary["crm"]["web-shop"]["activecampaign"];
    for object in ["contact", "ecomCustomer", "order", "recurring_payment"] {
        assert_eq!(shop[object].as_u64(), Some(1), "{object}: {summary}");
    }
}

#[test]
fn the_demo_says_of_each_run_what_became_of_it_and_why() {
    let (code, answer, words) = demo(&[]);
    assert_eq!(code, Some(0), "{words}");
    for part in [
        "conflict   charge.succeeded               payment-received     several contacts could be the payer",
        "conflict   invoice.paid                   (no pipeline)        a live mode event on a test mode connection",
        "create salesforce.Task",
        "failed attempt",
        "came twice and ran once",
        "conflict   listed                         members              eve@club.example has 2 subscriptions at once",
        "create bitrix24.contact",
        "create stripe.subscription",
        "echo of run ",
    ] {
        assert!(answer.contains(part), "`{part}` is not in\n{answer}");
    }
}
