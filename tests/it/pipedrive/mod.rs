//! A CRM that nobody built in: `tests/pipedrive` is a project with a manifest of its own, and one client that keeps Stripe and Pipedrive
//! telling the same story. Shown here: what the manifest makes of the system's traps, and the client end to end.

mod mock;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep::connector::{Action, Class, Connection, Manifest, Select, Since};
use lockstep::sandbox::stripe::{Person, Story};
use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};

use self::mock::{DEAL_BILLING, DEAL_STRIPE_ID, PERSON_STRIPE_ID, Pipedrive, TOKEN};
use crate::connector::{Client, create, delete, find, get, list, update};
use crate::world::World;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipedrive")
}

/// A connection of the manifest to a server of its own.
async fn connected() -> (Pipedrive, Client, std::sync::Arc<Connection>) {
    let crm = Pipedrive::start().await;
    let text = fs::read_to_string(folder().join("connectors/pipedrive.yaml")).unwrap();
    let manifest = Manifest::read("pipedrive.yaml", &text);
    let manifest = manifest.unwrap_or_else(|faults| panic!("{faults:#?}"));
    let client = Client::new();
    let config = format!(r#"{{"base_url": "{}", "token": "{TOKEN}"}}"#, crm.url());
    let connection = client.open(manifest.into(), &config);
    (crm, client, connection)
}

fn ids(reply: &lockstep::connector::Reply) -> Vec<&str> {
    reply.records.iter().filter_map(|record| record.id.as_deref()).collect()
}

#[test]
fn the_project_is_valid_and_its_tests_pass() {
    for arguments in [["validate", "--deny", "warnings"].as_slice(), &["test"]] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lockstep"))
            .current_dir(folder())
            .args(arguments)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test]
async fn fields_of_ones_own_go_by_their_names_and_options_by_their_texts() {
    let (crm, client, _) = connected().await;
    let fields = r#"{"title": "Paper", "value": 49.5, "currency": "EUR", "Stripe Subscription": "sub_1", "Billing": "paying"}"#;
    let made = client.call(create("deal", fields)).await.unwrap();
    assert_eq!(
        crm.records("deals")[0]["custom_fields"],
        json!({ DEAL_STRIPE_ID: "sub_1", DEAL_BILLING: 33 }),
        "keys and ids on the wire"
    );
    let read = client.call(get("deal", made.id.as_deref().unwrap())).await.unwrap().record.unwrap();
    assert_eq!(read.get("Billing").unwrap().to_string(), "Paying");
    assert_eq!(read.get("Stripe Subscription").unwrap().to_string(), "sub_1");
    assert_eq!(read.get("value").unwrap().to_json(), "49.5");

    let wrong = client.call(create("deal", r#"{"Billing": "Free"}"#)).await.unwrap_err();
    assert!(wrong.message.contains("`Free` is not an option of `Billing`, which has `Ended`"), "{wrong}");
    let wrong = client.call(create("deal", r#"{"Biling": "Trial"}"#)).await.unwrap_err();
    assert!(wrong.message.contains("no field `Biling` of deal: did you mean `Billing`?"), "{wrong}");
}

#[tokio::test]
async fn the_search_tells_no_field_so_the_records_do() {
    let (crm, client, _) = connected().await;
    let person = |name: &str, own: &Json| json!({ "name": name, "emails": [], "custom_fields": own });
    let ann = crm.give("persons", &person("Ann", &json!({ PERSON_STRIPE_ID: "cus_1" })));
    // The same text, in another field.
    crm.give("persons", &person("Bob", &json!({ "cccccccccccccccccccccccccccccccccccccccc": "cus_1" })));
    let found = client.call(find("person", r#"{"Stripe ID": "cus_1"}"#)).await.unwrap();
    assert_eq!(ids(&found), [ann.to_string()]);
    assert_eq!(found.records[0].fields.get("Stripe ID").unwrap().to_string(), "cus_1");
    assert!(crm.asked()[1].ends_with("/search?term=cus_1&fields=custom_fields&exact_match=true&limit=100"));
}

#[tokio::test]
async fn an_address_is_found_without_case_and_written_beside_the_others() {
    let (crm, client, _) = connected().await;
    let old = json!({ "value": "Ann@Mill.example", "label": "home", "primary": true });
    let id = crm.give("persons", &json!({ "name": "Ann", "emails": [old] })).to_string();
    let found = client.call(find("person", r#"{"emails": "ann@mill.example"}"#)).await.unwrap();
    assert_eq!(ids(&found), [id.as_str()]);

    for _ in 0..2 {
        client.call(update("person", &id, r#"{"emails": {"add": "lee@mill.example"}}"#)).await.unwrap();
    }
    let new = json!({ "value": "lee@mill.example", "label": "work" });
    assert_eq!(crm.records("persons")[0]["emails"], json!([old, new]), "what is sent is the whole list");
    client.call(update("person", &id, r#"{"emails": "lee@mill.example"}"#)).await.unwrap();
    assert_eq!(crm.records("persons")[0]["emails"], json!([new]));
}

#[tokio::test]
async fn activities_and_notes_hang_on_a_person_and_are_found_again() {
    let (crm, client, _) = connected().await;
    let ann = crm.give("persons", &json!({ "name": "Ann" }));
    let call = format!(r#"{{"person_id": {ann}, "subject": "Call Ann", "type": "task"}}"#);
    let made = client.call(create("activity", &call)).await.unwrap();
    assert_eq!(crm.records("activities")[0]["participants"], json!([{ "person_id": ann, "primary": true }]));
    let by = |subject: &str| find("activity", &format!(r#"{{"person_id": {ann}, "subject": "{subject}"}}"#));
    assert_eq!(ids(&client.call(by("Call Ann")).await.unwrap()), [made.id.as_deref().unwrap()]);
    assert_eq!(ids(&client.call(by("Call Bob")).await.unwrap()), Vec::<&str>::new());

    let note = format!(r#"{{"person_id": {ann}, "content": "<b>Late</b>"}}"#);
    assert_eq!(client.call(find("note", &note)).await.unwrap().records, [], "a list of none is null");
    let made = client.call(create("note", &note)).await.unwrap();
    let id = made.id.unwrap();
    client.call(update("note", &id, r#"{"content": "Paid"}"#)).await.unwrap();
    assert_eq!(crm.records("notes")[0]["content"], "Paid");
    client.call(delete("note", &id)).await.unwrap();
    assert_eq!(client.call(get("note", &id)).await.unwrap_err().class, Class::Missing);
}

#[tokio::test]
async fn lists_go_page_by_page_to_their_end_and_refuse_what_would_be_passed_over() {
    let (crm, client, _) = connected().await;
    for number in 0..7 {
        crm.give(
            "deals",
            &json!({ "title": format!("Deal {number}"), "status": if number == 3 { "won" } else { "open" } }),
        );
    }
    let (mut cursor, mut titles) = (None, Vec::new());
    loop {
        let page = client.call(list("deal", "{}", 3, cursor)).await.unwrap();
        titles.extend(page.records.iter().map(|record| record.fields.get("title").unwrap().to_string()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(titles, (0..7).map(|number| format!("Deal {number}")).collect::<Vec<_>>());
    assert_eq!(
        ids(&client.call(list("deal", r#"{"status": "won"}"#, 1_000_000, None)).await.unwrap()),
        ["14"]
    );
    let refused = client.call(list("deal", r#"{"title": "Deal 1"}"#, 10, None)).await.unwrap_err();
    assert!(refused.message.contains("deal cannot be listed by title"), "{refused}");

    let at: Timestamp = "2026-02-03T10:16:00Z".parse().unwrap();
    let since = Action::List {
        job: None,
        object: "deal".into(),
        filter: lockstep::value::Map::new(),
        since: Some(Since { field: "update_time".into(), at }),
        select: Select::All,
        limit: 500,
        cursor: None,
    };
    assert_eq!(ids(&client.call(since).await.unwrap()), ["16", "17"]);
    assert!(
        crm.asked().last().unwrap().contains("updated_since=2026-02-03T10%3A16%3A00Z&sort_by=update_time")
    );
}

#[tokio::test]
async fn each_refusal_is_what_it_means() {
    let (crm, client, connection) = connected().await;
    connection.check_health().await.unwrap();
    let (page, json_) = (("content-type", "text/html"), ("content-type", "application/json"));
    for (status, header, more, body, class, seconds) in [
        (403, page, ("x-a", "b"), "<html>Too many</html>", Class::Throttled, 300),
        (403, json_, ("x-a", "b"), r#"{"success": false, "error": "Scope"}"#, Class::Permanent, 0),
        (429, json_, ("retry-after", "1"), r#"{"success": false}"#, Class::Throttled, 1),
        (429, json_, ("x-daily-requests-left", "0"), r#"{"success": false}"#, Class::Throttled, 3600),
        (402, json_, ("x-a", "b"), r#"{"success": false}"#, Class::ConnectionDown, 0),
        (401, json_, ("x-a", "b"), r#"{"success": false}"#, Class::ConnectionDown, 0),
        (410, json_, ("x-a", "b"), r#"{"success": false}"#, Class::Missing, 0),
        (
            200,
            json_,
            ("x-a", "b"),
            r#"{"success": false, "error": "No", "error_info": "why"}"#,
            Class::Permanent,
            0,
        ),
        (502, page, ("x-a", "b"), "<html>", Class::Transient, 0),
    ] {
        crm.answers((status, vec![header, more], body));
        // A client of its own: a throttled connection waits.
        let other = Client::new();
        other.open(
            std::sync::Arc::clone(connection.manifest()),
            &format!(r#"{{"base_url": "{}", "token": "{TOKEN}"}}"#, crm.url()),
        );
        let failure = other.call(delete("note", "1")).await.unwrap_err();
        assert_eq!(
            (failure.class, failure.wait.map_or(0, |wait| wait.as_secs())),
            (class, seconds),
            "{status} {body}"
        );
        if status == 200 {
            assert_eq!(failure.message, "No: why");
        }
    }
    assert_eq!(client.call(get("person", "99")).await.unwrap_err().class, Class::Missing);
}

/// The client of `tests/pipedrive`, running between the simulated Stripe and the small server.
struct Mill {
    world: World,
    crm: Pipedrive,
    secret: String,
}

/// What Pipedrive's webhooks show.
const PASSWORD: &str = "mill-hooks-4242";

async fn mill() -> Mill {
    let mut example = String::new();
    for part in ["connectors", "pipelines/paper-mill"] {
        for file in fs::read_dir(folder().join(part)).unwrap().map(|file| file.unwrap()) {
            let name = file.file_name().into_string().unwrap();
            if !name.ends_with(".test.yaml") {
                let _ =
                    writeln!(example, "# file: {part}/{name}\n{}", fs::read_to_string(file.path()).unwrap());
            }
        }
    }
    let (mut world, crm) = (World::with(&example).await, Pipedrive::start().await);
    let stripe = world.sandbox().stripe();
    stripe.hold_deliveries(true);
    let secret = stripe.register_webhook("http://127.0.0.1:1/later").unwrap();
    let (key, url) = (stripe.api_key().to_owned(), stripe.url());
    world.start(&[
        ("MILL_STRIPE_KEY", &key),
        ("MILL_STRIPE_WHSEC", &secret),
        ("MILL_STRIPE_URL", &url),
        ("MILL_PIPEDRIVE_TOKEN", TOKEN),
        ("MILL_PIPEDRIVE_PASSWORD", PASSWORD),
        ("MILL_PIPEDRIVE_URL", crm.url()),
    ]);
    Mill { world, crm, secret }
}

impl Mill {
    /// Plays a story and delivers its events, each twice.
    async fn play(&self, person: &Person, story: Story) -> String {
        let stripe = self.world.sandbox().stripe();
        let played = stripe.play(story, person).unwrap();
        for delivery in stripe.held() {
            for _ in 0..2 {
                let hook = self.world.hook("paper-mill/stripe");
                assert_eq!(stripe.send(&delivery.event(), &hook, &self.secret).await.unwrap(), 200);
            }
        }
        self.world.all_ended().await;
        played.customer
    }

    fn metadata(&self, customer: &str, name: &str) -> Option<String> {
        let customers = self.world.sandbox().stripe().records("customer");
        let known =
            |record: &&lockstep::value::Value| record.get("id").is_some_and(|id| id.to_string() == customer);
        Some(customers.iter().find(known)?.at(&["metadata", name])?.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crm_that_nobody_built_in_is_kept_in_step_with_stripe() {
    let mill = mill().await;
    let crm = &mill.crm;
    let ann = Person::new("Ann Lee", "Ann@Mill.example");
    let known = crm.give(
        "persons",
        &json!({ "name": "Ann", "emails": [{ "value": "ann@mill.example", "label": "home" }] }),
    );
    // The index never sees what is new: lockstep knows what it wrote itself.
    crm.search_lags();

    let cus = mill.play(&ann, Story::SignsUp).await;
    assert_eq!(mill.world.json(&["runs", "--outcome", "dead"])["runs"], json!([]));
    let persons = crm.records("persons");
    assert_eq!(persons.len(), 1);
    assert_eq!(persons[0]["custom_fields"][PERSON_STRIPE_ID], json!(cus));
    assert_eq!(persons[0]["emails"], json!([{ "value": "ann@mill.example", "label": "home" }]));
    assert_eq!(mill.metadata(&cus, "pipedrive_person_id"), Some(known.to_string()));
    let deals = crm.records("deals");
    assert_eq!(deals.len(), 1);
    assert_eq!((&deals[0]["status"], &deals[0]["person_id"]), (&json!("won"), &json!(known)));
    assert_eq!(deals[0]["custom_fields"][DEAL_BILLING], json!(33), "Paying");

    mill.play(&ann, Story::RenewalFails).await;
    mill.play(&ann, Story::Cancels).await;
    let (activities, notes, deals) = (crm.records("activities"), crm.records("notes"), crm.records("deals"));
    assert_eq!((activities.len(), notes.len(), deals.len()), (1, 1, 1));
    assert!(activities[0]["subject"].as_str().unwrap().starts_with("Payment failed: "));
    assert_eq!((&deals[0]["status"], &deals[0]["custom_fields"][DEAL_BILLING]), (&json!("lost"), &json!(35)));

    // And back: somebody else looks after Ann.
    let change = json!({
        "meta": { "action": "change", "entity": "person", "entity_id": known.to_string(), "id": "d-1", "timestamp": "2026-02-05T10:00:00Z", "attempt": 1 },
        "data": { "id": known, "owner_id": 7 }, "previous": { "owner_id": 3 },
    });
    let post = |password: &'static str| {
        let hook = mill.world.hook("paper-mill/pipedrive");
        mill.world.http().post(hook).basic_auth("lockstep", Some(password)).json(&change).send()
    };
    assert!(post("guessed").await.unwrap().status().is_client_error());
    for _ in 0..2 {
        assert_eq!(post(PASSWORD).await.unwrap().status(), 200);
    }
    mill.world.all_ended().await;
    assert_eq!(mill.metadata(&cus, "owner").as_deref(), Some("3"), "as it is when it is read back");
    for outcome in ["dead", "conflict"] {
        assert_eq!(mill.world.json(&["runs", "--outcome", outcome])["runs"], json!([]), "{outcome}");
    }
}
