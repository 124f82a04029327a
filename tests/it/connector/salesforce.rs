//! The built-in `salesforce` against the simulator.

use lockstep::connector::{Action, Class, Select};
use lockstep::sandbox::salesforce::FieldShape;
use lockstep::sandbox::{Fault, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;

use super::*;

struct World {
    sandbox: Sandbox,
    client: Client,
    connection: Arc<Connection>,
}

async fn world() -> World {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let org = sandbox.salesforce();
    org.declare("Account", "Stripe_Customer_Id__c", FieldShape::external_id(true));
    let client = Client::new();
    let config = format!(
        r#"{{"login_url": "{}/", "client_id": "{}", "client_secret": "{}"}}"#,
        org.url(),
        org.client_id(),
        org.client_secret()
    );
    let connection = client.open_builtin("salesforce", &config);
    World { sandbox, client, connection }
}

#[tokio::test]
async fn a_record_is_created_found_read_changed_and_deleted() {
    let World { sandbox, client, .. } = world().await;
    let created = client
        .call(create("Account", r#"{"Name": "Acme", "Stripe_Customer_Id__c": "cus_1", "Phone": null}"#))
        .await
        .unwrap();
    let id = created.id.unwrap();

    let found = client.call(find("Account", r#"{"Stripe_Customer_Id__c": "cus_1"}"#)).await.unwrap();
    assert_eq!(found.records.len(), 1);
    assert_eq!(found.records[0].id.as_deref(), Some(&*id));
    assert_eq!(found.records[0].fields.get("attributes"), None, "what is no field is left out");

    client.call(update("Account", &id, r#"{"Phone": "1234"}"#)).await.unwrap();
    let read = client.call(get("Account", &id)).await.unwrap();
    assert_eq!(text(read.record.as_ref().unwrap(), "Phone"), "1234");

    client.call(delete("Account", &id)).await.unwrap();
    for action in [get("Account", &id), update("Account", &id, r#"{"Phone": "1"}"#), delete("Account", &id)] {
        assert_eq!(client.call(action).await.unwrap_err().class, Class::Missing);
    }
    let assigned: Vec<_> = sandbox
        .salesforce()
        .calls()
        .into_iter()
        .filter(|call| call.path.contains("/sobjects/") && call.header("sforce-auto-assign") != Some("FALSE"))
        .collect();
    assert!(assigned.is_empty(), "assignment rules stay off");
}

#[tokio::test]
async fn only_what_is_selected_is_read_and_the_id_comes_along() {
    let World { client, sandbox: _sandbox, .. } = world().await;
    client.call(create("Account", r#"{"Name": "Acme"}"#)).await.unwrap();
    let select = Select::Fields(vec!["Name".into(), "name".into()]);
    let identity = map(r#"{"Name": ["Acme", "Other"]}"#);
    let found =
        client.call(Action::Find { object: "Account".into(), identity, select, limit: 2 }).await.unwrap();
    let fields: Vec<&str> = found.records[0].fields.as_map().unwrap().keys().map(|name| &**name).collect();
    assert_eq!(fields, ["Id", "Name"]);
}

#[tokio::test]
async fn a_hostile_value_finds_itself_and_nothing_else() {
    let World { client, sandbox: _sandbox, .. } = world().await;
    client.call(create("Account", r#"{"Name": "Innocent"}"#)).await.unwrap();
    for name in
        [r"' OR Name != '", r"\' OR Name != \'", r"a\", "a\"b", "l1\nl2\tx", "Zoë %2F & + #?", "x' --"]
    {
        let fields = Value::map([("Name", name)].map(|(key, value)| (key, Value::from(value)))).to_json();
        client.call(create("Account", &fields)).await.unwrap();
        let found = client.call(find("Account", &fields)).await.unwrap();
        let names: Vec<&str> = found.records.iter().map(|record| text(&record.fields, "Name")).collect();
        assert_eq!(names, [name]);
    }
    let failure = client.call(find("Account", r#"{"Name = 'x' OR Id": "y"}"#)).await.unwrap_err();
    assert_eq!(failure.class, Class::Permanent);
    assert!(failure.message.contains("cannot be a name"), "{failure}");
}

#[tokio::test]
async fn the_words_of_the_client_stand_for_fields() {
    let World { client, sandbox, .. } = world().await;
    let id = client
        .call(create("Account", r#"{"Name": "Acme", "stripe_id": "cus_9"}"#))
        .await
        .unwrap()
        .id
        .unwrap();
    assert_eq!(text(&sandbox.salesforce().records("Account")[0], "Stripe_Customer_Id__c"), "cus_9");
    let found = client.call(find("Account", r#"{"stripe_id": "cus_9"}"#)).await.unwrap();
    assert_eq!(found.records[0].id, Some(id));
    assert_eq!(text(&found.records[0].fields, "stripe_id"), "cus_9");
}

#[tokio::test]
async fn an_upsert_by_external_id_creates_once() {
    let World { client, sandbox, .. } = world().await;
    let upsert = |name: &str| Action::Upsert {
        object: "Account".into(),
        key: map(r#"{"Stripe_Customer_Id__c": "cus/ä 1"}"#),
        fields: map(&format!(r#"{{"Name": "{name}", "Stripe_Customer_Id__c": "cus/ä 1"}}"#)),
    };
    let first = client.call(upsert("Acme")).await.unwrap();
    let second = client.call(upsert("Acme Ltd")).await.unwrap();
    assert_eq!((first.created, second.created), (Some(true), Some(false)));
    assert_eq!(first.id, second.id);
    assert_eq!(sandbox.salesforce().records("Account").len(), 1);
}

#[tokio::test]
async fn an_external_id_in_several_records_is_a_duplicate_with_its_candidates() {
    let World { client, sandbox, .. } = world().await;
    sandbox.salesforce().declare("Account", "Loose__c", FieldShape::external_id(false));
    for name in ["A", "B"] {
        client.call(create("Account", &format!(r#"{{"Name": "{name}", "Loose__c": "x"}}"#))).await.unwrap();
    }
    let key = map(r#"{"Loose__c": "x"}"#);
    let action = Action::Upsert { object: "Account".into(), key, fields: map(r#"{"Name": "C"}"#) };
    let failure = client.call(action).await.unwrap_err();
    assert_eq!((failure.class, failure.candidates.len(), failure.status), (Class::Duplicate, 2, Some(300)));
    assert!(text(&failure.candidates[0], "Id").starts_with("001"), "{:?}", failure.candidates);
}

#[tokio::test]
async fn a_unique_value_that_is_taken_names_the_other_record() {
    let World { client, sandbox: _sandbox, .. } = world().await;
    let fields = r#"{"Name": "Acme", "Stripe_Customer_Id__c": "cus_1"}"#;
    let first = client.call(create("Account", fields)).await.unwrap();
    let failure = client.call(create("Account", fields)).await.unwrap_err();
    assert_eq!(failure.class, Class::Duplicate);
    assert_eq!(failure.code.as_deref(), Some("DUPLICATE_VALUE"));
    let same = |a: &str, b: &str| a[..15] == b[..15];
    assert!(same(failure.other.as_deref().unwrap(), &first.id.unwrap()), "{failure:?}");
}

#[tokio::test]
async fn a_duplicate_rule_names_its_candidates_and_may_be_overridden() {
    let World { client, sandbox, .. } = world().await;
    sandbox.salesforce().duplicate_rule("Lead", "Email", true);
    let lead = r#"{"LastName": "Lee", "Company": "Acme", "Email": "ann@example.com"}"#;
    let first = client.call(create("Lead", lead)).await.unwrap();
    let failure = client.call(create("Lead", lead)).await.unwrap_err();
    assert_eq!((failure.class, failure.candidates.len()), (Class::Duplicate, 1));
    assert_eq!(text(&failure.candidates[0], "Id")[..15], first.id.unwrap()[..15]);
    assert_eq!(failure.other, None, "a rule guesses: a person decides");

    let org = sandbox.salesforce();
    let config = format!(
        r#"{{"login_url": "{}", "client_id": "{}", "client_secret": "{}", "save_duplicates": true}}"#,
        org.url(),
        org.client_id(),
        org.client_secret()
    );
    client.open_builtin("salesforce", &config);
    assert!(client.call(create("Lead", lead)).await.is_ok());
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_also_when_the_org_has_moved() {
    let World { client, sandbox, .. } = world().await;
    client.call(create("Account", r#"{"Name": "A"}"#)).await.unwrap();
    sandbox.salesforce().expire_sessions();
    client.call(create("Account", r#"{"Name": "B"}"#)).await.unwrap();
    let logins = || sandbox.salesforce().calls().iter().filter(|call| call.path.ends_with("/token")).count();
    assert_eq!(logins(), 2);
    assert_eq!(sandbox.salesforce().records("Account").len(), 2);

    sandbox.salesforce().faults().add(Fault::expired_session().on("POST", "*/sobjects/Account").times(2));
    let failure = client.call(create("Account", r#"{"Name": "C"}"#)).await.unwrap_err();
    assert_eq!(failure.class, Class::Expired);
    assert_eq!(logins(), 3, "renewed once, not again");
}

#[tokio::test]
async fn many_calls_share_one_login() {
    let World { client, sandbox, .. } = world().await;
    let calls = (0..20).map(|_| client.call(find("Account", r#"{"Name": "x"}"#)));
    for reply in futures_util::future::join_all(calls).await {
        reply.unwrap();
    }
    let logins = sandbox.salesforce().calls().iter().filter(|call| call.path.ends_with("/token")).count();
    assert_eq!(logins, 1);
}

#[tokio::test]
async fn a_wrong_secret_is_connection_wide_and_not_shown() {
    let World { client, sandbox, .. } = world().await;
    let config = format!(
        r#"{{"login_url": "{}", "client_id": "sandbox_client", "client_secret": "wrong-secret-42"}}"#,
        sandbox.salesforce().url()
    );
    client.open_builtin("salesforce", &config);
    let failure = client.call(get("Account", "001000000000001")).await.unwrap_err();
    assert_eq!(failure.class, Class::ConnectionDown);
    assert!(!format!("{failure:?}").contains("wrong-secret-42"));
}

#[tokio::test]
async fn answers_are_classified() {
    let World { sandbox, .. } = world().await;
    let faults = sandbox.salesforce().faults();
    let error = |status: u16, code: &str, message: &str| {
        Fault::answer(status).json(json(&format!(r#"[{{"errorCode": "{code}", "message": "{message}"}}]"#)))
    };
    let cases = [
        (lockstep::sandbox::Salesforce::row_lock(), Class::Locked, Class::Locked),
        (
            error(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: UNABLE_TO_LOCK_ROW"),
            Class::Locked,
            Class::Locked,
        ),
        (
            error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            Class::Throttled,
            Class::Throttled,
        ),
        (error(403, "INSUFFICIENT_ACCESS", "no"), Class::Permanent, Class::Permanent),
        (error(400, "QUERY_TIMEOUT", "slow"), Class::Transient, Class::Transient),
        (error(503, "SERVER_UNAVAILABLE", "busy"), Class::Transient, Class::Unknown),
        (Fault::html(502), Class::Transient, Class::Unknown),
        (Fault::html(200), Class::Transient, Class::Unknown),
        (Fault::reset(), Class::Transient, Class::Unknown),
        (Fault::truncated(), Class::Transient, Class::Unknown),
    ];
    for (fault, of_read, of_create) in cases {
        let shown = format!("{fault:?}");
        for (action, expected) in [
            (find("Account", r#"{"Name": "x"}"#), of_read),
            (create("Account", r#"{"Name": "x"}"#), of_create),
        ] {
            // A throttled connection holds everybody back: each case begins with a fresh one.
            let fresh = client_of(&sandbox);
            fresh.call(get("Account", "001000000000001AAA")).await.unwrap_err();
            faults.add(fault.clone());
            let failure = fresh.call(action).await.unwrap_err();
            assert_eq!(failure.class, expected, "{shown}: {failure}");
            assert_eq!(faults.left(), 0);
        }
    }
}

/// A client of that org, with nothing behind it.
fn client_of(sandbox: &Sandbox) -> Client {
    let org = sandbox.salesforce();
    let client = Client::new();
    let config = format!(
        r#"{{"login_url": "{}", "client_id": "{}", "client_secret": "{}"}}"#,
        org.url(),
        org.client_id(),
        org.client_secret()
    );
    client.open_builtin("salesforce", &config);
    client
}

#[tokio::test]
async fn a_used_up_quota_holds_the_connection_back() {
    let World { client, sandbox, connection } = world().await;
    client.call(find("Account", r#"{"Name": "x"}"#)).await.unwrap();
    let usage = connection.usage().unwrap();
    assert!(usage.used >= 1 && usage.of >= 5000, "{usage:?}");
    sandbox.salesforce().daily_limit(1);
    let failure = client.call(find("Account", r#"{"Name": "x"}"#)).await.unwrap_err();
    assert_eq!((failure.class, failure.wait.unwrap().as_secs()), (Class::Throttled, 900));
    let before = sandbox.salesforce().calls().len();
    let failure = client.call(find("Account", r#"{"Name": "x"}"#)).await.unwrap_err();
    assert_eq!(failure.class, Class::Throttled);
    assert_eq!(sandbox.salesforce().calls().len(), before, "nothing is sent while it is held back");
}

#[tokio::test]
async fn a_listing_is_walked_to_its_end() {
    let World { client, sandbox, .. } = world().await;
    for number in 0..7 {
        client.call(create("Account", &format!(r#"{{"Name": "A{number}", "Phone": "1"}}"#))).await.unwrap();
    }
    sandbox.salesforce().page_length(3);
    let selected = Select::Fields(vec!["Name".into()]);
    for (select, limit) in [(selected, 200), (Select::All, 3)] {
        let mut names = Vec::new();
        let mut cursor = None;
        loop {
            let filter = map(r#"{"Phone": "1"}"#);
            let action = Action::List {
                job: None,
                object: "Account".into(),
                filter,
                since: None,
                select: select.clone(),
                limit,
                cursor,
            };
            let page = client.call(action).await.unwrap();
            assert!(page.records.len() <= 3);
            names.extend(page.records.iter().map(|record| text(&record.fields, "Name").to_owned()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(names, ["A0", "A1", "A2", "A3", "A4", "A5", "A6"]);
    }
}

#[tokio::test]
async fn a_membership_is_made_once() {
    let World { client, sandbox, .. } = world().await;
    let contact = client.call(create("Contact", r#"{"LastName": "Lee"}"#)).await.unwrap().id.unwrap();
    let campaign = client.call(create("Campaign", r#"{"Name": "Trial"}"#)).await.unwrap().id.unwrap();
    for round in 0..2 {
        if round == 1 {
            let taken = r#"[{"errorCode": "DUPLICATE_VALUE", "message": "Already a campaign member."}]"#;
            sandbox.salesforce().faults().add(Fault::answer(400).json(json(taken)));
        }
        let link = Action::Link {
            object: "Contact".into(),
            id: Arc::clone(&contact),
            relation: "campaign".into(),
            to: Value::from(Arc::clone(&campaign)),
            fields: map("{}"),
        };
        let linked = client.call(link).await.map(drop).map_err(|failure| failure.class);
        assert_eq!(
            linked,
            if round == 0 { Ok(()) } else { Err(Class::Duplicate) },
            "already as it should be"
        );
    }
    assert_eq!(sandbox.salesforce().records("CampaignMember").len(), 1);
}

#[tokio::test]
async fn an_object_describes_itself() {
    let World { connection, sandbox: _sandbox, .. } = world().await;
    connection.check_health().await.unwrap();
    let fields = connection.describe("Account").await.unwrap().unwrap();
    let name = fields.as_list().unwrap().iter().find(|field| text(field, "name") == "Name").unwrap();
    assert_eq!(
        (name.get("required"), name.get("update")),
        (Some(&Value::Bool(true)), Some(&Value::Bool(true)))
    );
}

#[tokio::test]
async fn a_preview_shows_the_request_and_no_secret() {
    let World { connection, sandbox, .. } = world().await;
    let before = sandbox.salesforce().calls().len();
    let call = Call::new("crm", update("Account", "001/../x", r#"{"Phone": "1"}"#));
    let request = connection.preview(&call).unwrap();
    assert_eq!(request.method, "PATCH");
    assert_eq!(
        request.url,
        format!("{}/services/data/v66.0/sobjects/Account/001%2F..%2Fx", sandbox.salesforce().url())
    );
    assert_eq!(request.body.as_deref(), Some(r#"{"Phone":"1"}"#));
    assert!(request.headers.contains(&("authorization".to_owned(), "[redacted]".to_owned())));
    assert_eq!(sandbox.salesforce().calls().len(), before, "nothing was sent");
}
