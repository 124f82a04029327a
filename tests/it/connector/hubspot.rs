//! Calls to a HubSpot account: each of its traps, through the connector.

use std::time::Duration;

use lockstep::connector::{Class, Failure};
use lockstep::sandbox::hubspot::PropertyShape;
use lockstep::sandbox::{Fault, HubSpot, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;

use super::*;

struct Account {
    sandbox: Sandbox,
    client: Client,
    connection: Arc<Connection>,
}

impl Account {
    async fn new() -> Self {
        Self::with(|crm| format!(r#""token": "{}""#, crm.token())).await
    }

    async fn with(login: impl Fn(&HubSpot) -> String) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let crm = sandbox.hubspot();
        for kind in ["contacts", "deals", "tasks"] {
            crm.declare(kind, "stripe_id", PropertyShape::unique());
        }
        let client = Client::new();
        let config = format!(r#"{{"base_url": "{}", {}}}"#, crm.url(), login(crm));
        let connection = client.open_builtin("hubspot", &config);
        Self { sandbox, client, connection }
    }

    fn crm(&self) -> &HubSpot {
        self.sandbox.hubspot()
    }

    async fn call(&self, action: Action) -> Reply {
        self.client.call(action).await.unwrap()
    }

    async fn refused(&self, action: Action) -> Failure {
        self.client.call(action).await.unwrap_err()
    }

    fn called(&self, method: &str, path: &str) -> usize {
        self.crm().calls().iter().filter(|call| call.method == method && call.path.ends_with(path)).count()
    }
}

async fn contact(account: &Account, email: &str, stripe: &str) -> Arc<str> {
    let fields = format!(r#"{{"email": "{email}", "stripe_id": "{stripe}"}}"#);
    account.call(create("contact", &fields)).await.id.unwrap()
}

fn ids(reply: &Reply) -> Vec<&str> {
    reply.records.iter().filter_map(|record| record.id.as_deref()).collect()
}

#[tokio::test]
async fn a_record_is_made_found_read_changed_and_archived() {
    let account = Account::new().await;
    let id = contact(&account, "Ann@X.io", "cus_1").await;
    for identity in
        [r#"{"stripe_id": "cus_1"}"#, r#"{"email": "ann@x.io"}"#, &format!(r#"{{"hs_object_id": {id}}}"#)]
    {
        let found = account.call(find("contact", identity)).await;
        assert_eq!(ids(&found), [&*id], "{identity}");
        assert_eq!(text(&found.records[0].fields, "stripe_id"), "cus_1", "all properties come");
    }
    assert!(account.call(find("contact", r#"{"email": "nobody@x.io"}"#)).await.records.is_empty());
    account.call(update("contact", &id, r#"{"firstname": "Ann", "phone": "1"}"#)).await;
    account.call(update("contact", &id, r#"{"phone": null}"#)).await;
    let record = account.call(get("contact", &id)).await.record.unwrap();
    assert_eq!((text(&record, "firstname"), text(&record, "phone")), ("Ann", ""), "a null clears");
    account.call(delete("contact", &id)).await;
    for action in [get("contact", &id), update("contact", &id, r#"{"phone": "2"}"#)] {
        assert_eq!(account.refused(action).await.class, Class::Missing);
    }
    assert_eq!(
        account.called("GET", "/crm/v3/properties/contacts"),
        1,
        "the names of all properties are asked for once"
    );
}

#[tokio::test]
async fn the_search_decides_no_create_and_a_unique_property_is_found_at_once() {
    let account = Account::new().await;
    account.crm().search_lag(Duration::from_hours(1));
    let id = contact(&account, "ann@x.io", "cus_1").await;
    assert_eq!(ids(&account.call(find("contact", r#"{"stripe_id": "cus_1"}"#)).await), [&*id]);
    let by_several = r#"{"firstname": "Ann", "stripe_id": "cus_1"}"#;
    assert!(account.call(find("contact", by_several)).await.records.is_empty(), "the search is behind");
    let abilities = account.connection.manifest().abilities();
    let contact = abilities.object("contact").unwrap();
    let consistent = |fields: &[&str]| contact.find(fields.iter().copied()).unwrap().consistent;
    assert!(consistent(&["email"]) && consistent(&["stripe_id"]) && consistent(&["hs_object_id"]));
    assert!(!consistent(&["phone"]) && !consistent(&["firstname", "stripe_id"]));
}

#[tokio::test]
async fn a_taken_value_is_a_duplicate_that_names_the_other_record() {
    let account = Account::new().await;
    let id = contact(&account, "ann@x.io", "cus_1").await;
    let by_mail = account.refused(create("contact", r#"{"email": "ann@x.io"}"#)).await;
    let by_id = account.refused(create("contact", r#"{"email": "b@x.io", "stripe_id": "cus_1"}"#)).await;
    for failure in [by_mail, by_id] {
        assert_eq!((failure.class, failure.other), (Class::Duplicate, Some(Arc::clone(&id))));
    }
}

#[tokio::test]
async fn a_wrong_property_is_named() {
    let account = Account::new().await;
    let failure = account.refused(create("contact", r#"{"foo": 1, "lifecyclestage": "Customer"}"#)).await;
    assert_eq!(failure.class, Class::Permanent);
    assert_eq!(failure.fields, ["foo", "lifecyclestage"]);
    assert_eq!(failure.code.as_deref(), Some("VALIDATION_ERROR"));
}

#[tokio::test]
async fn a_listing_goes_on_where_a_search_ends() {
    let account = Account::new().await;
    account.crm().search_end(3);
    for number in 0..5 {
        contact(&account, &format!("a{number}@x.io"), &format!("cus_{number}")).await;
    }
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = account.call(list("contact", "{}", 2, cursor)).await;
        found.extend(page.records.iter().map(|record| text(&record.fields, "email").to_owned()));
        (cursor, pages) = (page.next, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a0@x.io", "a1@x.io", "a2@x.io", "a3@x.io", "a4@x.io"]);
    assert_eq!(pages, 3);
    account.crm().search_end(10_000);
    let listed = account.call(list("contact", r#"{"email": ["A1@X.io", "a3@x.io"]}"#, 10, None)).await;
    assert_eq!(listed.records.len(), 2, "a list is compared in lower case");
    let without = account.call(list("contact", r#"{"firstname": null}"#, 10, None)).await;
    assert_eq!(without.records.len(), 5, "nothing is looked for, too");
}

#[tokio::test]
async fn a_task_is_made_with_its_associations_and_a_link_is_made_later() {
    let account = Account::new().await;
    let id = contact(&account, "ann@x.io", "cus_1").await;
    let deal =
        account.call(create("deal", r#"{"dealname": "Plan", "dealstage": "closedwon"}"#)).await.id.unwrap();
    let fields =
        r#"{"hs_timestamp": "2026-02-05T09:00:00Z", "hs_task_subject": "Call", "stripe_id": "in_1"}"#;
    let params = format!(r#"{{"associate": {{"contact": "{id}", "deal": ["{deal}"]}}}}"#);
    let task = account.client.call_with(create("task", fields), &params, "k").await.unwrap().id.unwrap();
    let number = |id: &str| id.parse::<u64>().unwrap();
    let linked = |kind: &str, id: &str, to: &str| account.crm().associated(kind, number(id), to);
    assert_eq!(linked("tasks", &task, "contacts"), [number(&id)]);
    assert_eq!(linked("deals", &deal, "tasks"), [number(&task)]);
    for _ in 0..2 {
        account
            .call(Action::Link {
                object: "deal".into(),
                id: deal.clone(),
                relation: "contact".into(),
                to: Value::from(&*id),
                fields: Map::new(),
            })
            .await;
    }
    assert_eq!(linked("contacts", &id, "deals"), [number(&deal)]);
    let known = account
        .call(list("association", &format!(r#"{{"of": "deals", "id": {deal}, "to": "contacts"}}"#), 10, None))
        .await;
    assert_eq!(ids(&known), [&*id], "ids are texts, as everywhere else");
    account
        .call(Action::Unlink {
            object: "deal".into(),
            id: deal.clone(),
            relation: "contact".into(),
            to: Value::from(&*id),
        })
        .await;
    assert!(linked("contacts", &id, "deals").is_empty());
    let refused =
        account.client.call_with(create("task", fields), r#"{"associate": {"owner": 1}}"#, "k").await;
    assert!(refused.unwrap_err().message.contains("cannot be associated with a owner"));
}

#[tokio::test]
async fn an_upsert_goes_by_a_unique_property_and_never_by_the_address() {
    let account = Account::new().await;
    let upsert = |name: &str, value: &str, phone: &str| Action::Upsert {
        object: "contact".into(),
        key: map(&format!(r#"{{"{name}": "{value}"}}"#)),
        fields: map(&format!(r#"{{"email": "ann@x.io", "phone": "{phone}"}}"#)),
    };
    let first = account.call(upsert("stripe_id", "cus_1", "1")).await;
    let second = account.call(upsert("stripe_id", "cus_1", "2")).await;
    assert_eq!((first.created, second.created), (Some(true), Some(false)));
    assert_eq!(first.id, second.id);
    let refused = account.refused(upsert("email", "ann@x.io", "3")).await;
    assert!(refused.message.contains("loses properties"), "{refused}");
    assert_eq!(text(&account.crm().records("contacts")[0], "phone"), "2");
}

// Invariant 10: a batch's answer is read record by record.
#[tokio::test]
async fn a_batch_is_read_record_by_record() {
    let account = Account::new().await;
    for number in 1..=3 {
        contact(&account, &format!("a{number}@x.io"), &format!("cus_{number}")).await;
    }
    let ids = r#"{"object": "contacts", "property": "stripe_id", "ids": ["cus_1", "cus_9", "cus_3"], "properties": ["email"]}"#;
    let read = account.call(operation("batch.read", ids)).await.result;
    let mails: Vec<_> =
        read.as_list().unwrap().iter().map(|record| record.get("email").map(ToString::to_string)).collect();
    assert_eq!(
        mails,
        [Some("a1@x.io".to_owned()), None, Some("a3@x.io".to_owned())],
        "as they were asked for"
    );

    let input = |id: &str, phone: &str| {
        format!(r#"{{"id": "{id}", "idProperty": "stripe_id", "properties": {{"phone": "{phone}"}}}}"#)
    };
    let all =
        format!(r#"{{"object": "contacts", "inputs": [{}, {}]}}"#, input("cus_1", "1"), input("cus_2", "2"));
    let done = account.call(operation("batch.update", &all)).await.result;
    assert_eq!(done.as_list().unwrap().len(), 2);
    let some =
        format!(r#"{{"object": "contacts", "inputs": [{}, {}]}}"#, input("cus_1", "3"), input("cus_9", "4"));
    let failure = account.refused(operation("batch.update", &some)).await;
    assert_eq!((failure.class, failure.candidates.len()), (Class::Partial, 1), "{failure}");
    assert!(failure.message.starts_with("1 of the records were refused"), "{failure}");
    assert_eq!(text(&account.crm().records("contacts")[0], "phone"), "3", "the others were written");
}

#[tokio::test]
async fn answers_are_classified() {
    let account = Account::new().await;
    let limit = |policy: &str| {
        Fault::answer(429).json(json(&format!(r#"{{"status": "error", "message": "limit", "errorType": "RATE_LIMIT", "policyName": "{policy}"}}"#)))
    };
    let seconds = |wait: Option<Duration>| wait.map(|wait| wait.as_secs());
    for (fault, class, wait) in [
        (Fault::answer(423), Class::Locked, Some(2)),
        (Fault::answer(502), Class::Transient, None),
        (Fault::answer(525), Class::Transient, Some(60)),
        (Fault::html(524), Class::Transient, None),
        (Fault::answer(403), Class::ConnectionDown, None),
        (Fault::answer(401), Class::ConnectionDown, None),
        (Fault::answer(400), Class::Permanent, None),
        (limit("TEN_SECONDLY_ROLLING"), Class::Throttled, Some(10)),
    ] {
        account.crm().faults().clear();
        account.crm().faults().add(fault.on("GET", "*/contacts/*"));
        let failure = account.refused(get("contact", "1")).await;
        assert_eq!((failure.class, seconds(failure.wait)), (class, wait), "{failure:?}");
    }
    for (fault, wait) in [(limit("DAILY"), 900), (Fault::answer(477).header("Retry-After", "3600"), 3600)] {
        let account = Account::new().await;
        account.crm().faults().add(fault.on("DELETE", "*"));
        let failure = account.refused(delete("contact", "1")).await;
        assert_eq!((failure.class, seconds(failure.wait)), (Class::Throttled, Some(wait)));
        let held = account.refused(delete("contact", "1")).await;
        assert_eq!(held.class, Class::Throttled, "the whole connection is left alone");
        assert_eq!(account.called("DELETE", "/1"), 1);
    }
}

#[tokio::test]
async fn the_searchs_own_limit_holds_only_the_search() {
    let account = Account::new().await;
    account.crm().rate(190, 0);
    let failure = account.refused(find("contact", r#"{"phone": "1"}"#)).await;
    assert_eq!((failure.class, failure.wait), (Class::Throttled, Some(Duration::from_secs(1))));
    let id = contact(&account, "ann@x.io", "cus_1").await;
    assert_eq!(ids(&account.call(find("contact", r#"{"email": "ann@x.io"}"#)).await), [&*id]);
}

#[tokio::test]
async fn a_lost_create_is_unknown_and_found_by_its_unique_property() {
    let account = Account::new().await;
    account.crm().faults().add(Fault::reset().after_the_work().on("POST", "*/tasks"));
    let fields = r#"{"hs_timestamp": "2026-02-05", "hs_task_subject": "Call", "stripe_id": "in_1"}"#;
    assert_eq!(account.refused(create("task", fields)).await.class, Class::Unknown);
    let found = account.call(find("task", r#"{"stripe_id": "in_1"}"#)).await;
    assert_eq!(found.records.len(), 1);
}

#[tokio::test]
async fn a_token_of_an_app_is_renewed_once() {
    let account = Account::with(|_| {
        r#""client_id": "sandbox-app", "client_secret": "sandbox-app-secret", "refresh_token": "sandbox-refresh""#.to_owned()
    })
    .await;
    contact(&account, "ann@x.io", "cus_1").await;
    account.crm().faults().add(Fault::expired_session().on("POST", "*/contacts"));
    contact(&account, "bo@x.io", "cus_2").await;
    assert_eq!(account.called("POST", "/oauth/v1/token"), 2);
    assert_eq!(account.crm().records("contacts").len(), 2);
}

#[tokio::test]
async fn custom_objects_go_by_their_own_names() {
    let account = Account::new().await;
    account.crm().declare("p_plan", "code", PropertyShape::unique());
    let id = account.call(create("p_plan", r#"{"code": "gold"}"#)).await.id.unwrap();
    assert_eq!(ids(&account.call(find("p_plan", r#"{"code": "gold"}"#)).await), [&*id]);
    let described = account.connection.describe("p_plan").await.unwrap().unwrap();
    let code =
        described.as_list().unwrap().iter().find(|field| text(field, "name") == "code").unwrap().clone();
    assert_eq!(
        (code.get("unique"), code.get("create")),
        (Some(&Value::from(true)), Some(&Value::from(true)))
    );
    let owners = account.call(find("owner", r#"{"email": "olga@sandbox.example"}"#)).await;
    assert_eq!(ids(&owners), ["77"]);
    account.connection.check_health().await.unwrap();
}
