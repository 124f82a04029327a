//! Calls to a Bitrix24 portal: each of its traps, through the connector.

use std::collections::BTreeSet;
use std::time::Duration;

use lockstep::connector::{Class, Done, Failure};
use lockstep::sandbox::{Bitrix24, Fault, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;

use super::*;

struct Portal {
    sandbox: Sandbox,
    client: Client,
    connection: Arc<Connection>,
}

impl Portal {
    async fn new() -> Self {
        Self::with(Client::new()).await
    }

    async fn with(client: Client) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let url = sandbox.bitrix24().webhook_url();
        let connection = client.open_builtin("bitrix24", &format!(r#"{{"webhook_url": "{url}"}}"#));
        Self { sandbox, client, connection }
    }

    fn crm(&self) -> &Bitrix24 {
        self.sandbox.bitrix24()
    }

    async fn call(&self, action: Action) -> Reply {
        self.client.call(action).await.unwrap()
    }

    async fn refused(&self, action: Action) -> Failure {
        self.client.call(action).await.unwrap_err()
    }

    /// The methods that were called, with how often.
    fn called(&self, method: &str) -> usize {
        self.crm().calls().iter().filter(|call| call.path.ends_with(method)).count()
    }
}

async fn contact(portal: &Portal, fields: &str) -> Arc<str> {
    portal.call(create("contact", fields)).await.id.unwrap()
}

fn values(record: &Value, name: &str) -> Vec<String> {
    let list = record.get(name).and_then(Value::as_list).unwrap_or_default();
    list.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn several_values_are_one_list_and_written_twice_they_are_the_same() {
    let portal = Portal::new().await;
    let id = contact(
        &portal,
        r#"{"NAME": "Ann", "EMAIL": ["ann@x.io"], "PHONE": {"VALUE": "+44 1", "VALUE_TYPE": "MOBILE"}}"#,
    )
    .await;
    for (written, after) in [
        (r#""ANN@x.io""#, vec!["ann@x.io"]),
        (r#"["ann@x.io", "home@x.io"]"#, vec!["ann@x.io", "home@x.io"]),
        (r#"{"add": "third@x.io"}"#, vec!["ann@x.io", "home@x.io", "third@x.io"]),
        (r#"{"remove": ["ann@x.io", "third@x.io"]}"#, vec!["home@x.io"]),
        (r#""new@x.io""#, vec!["new@x.io"]),
        ("null", vec![]),
    ] {
        for _ in 0..2 {
            portal.call(update("contact", &id, &format!(r#"{{"EMAIL": {written}}}"#))).await;
        }
        let record = portal.call(get("contact", &id)).await.record.unwrap();
        assert_eq!(values(&record, "EMAIL"), after, "{written}");
        assert_eq!(values(&record, "PHONE"), ["+44 1"], "what is not written is left alone");
    }
    let raw = &portal.crm().records("contact")[0];
    assert_eq!(
        raw.at(&["PHONE"]).unwrap().as_list().unwrap()[0].get("VALUE_TYPE").unwrap().as_str(),
        Some("MOBILE")
    );
}

#[tokio::test]
async fn a_value_that_is_replaced_keeps_its_place() {
    let portal = Portal::new().await;
    let id = contact(&portal, r#"{"NAME": "Ann", "EMAIL": ["old@x.io", "home@x.io"]}"#).await;
    let element = |number: usize| {
        let records = portal.crm().records("contact");
        let element = records[0].get("EMAIL").unwrap().as_list().unwrap()[number].clone();
        (element.get("ID").unwrap().to_string(), element.get("VALUE").unwrap().to_string())
    };
    let (first, second) = (element(0), element(1));
    portal.call(update("contact", &id, r#"{"EMAIL": ["new@x.io", "home@x.io"]}"#)).await;
    assert_eq!(element(0), (first.0, "new@x.io".to_owned()), "changed, not removed and added");
    assert_eq!(element(1), second, "not touched");
}

#[tokio::test]
async fn records_are_found_by_outer_id_and_by_mail_and_only_those() {
    let portal = Portal::new().await;
    let ann = contact(
        &portal,
        r#"{"NAME": "Ann", "EMAIL": "Ann@X.io", "ORIGINATOR_ID": "stripe", "ORIGIN_ID": "cus_1"}"#,
    )
    .await;
    contact(&portal, r#"{"NAME": "Bo", "EMAIL": "bo@x.io"}"#).await;
    for identity in
        [r#"{"ORIGINATOR_ID": "stripe", "ORIGIN_ID": "cus_1"}"#, r#"{"EMAIL": "ann@x.io"}"#, r#"{"ID": 1}"#]
    {
        let found = portal.call(find("contact", identity)).await.records;
        let ids: Vec<_> = found.iter().filter_map(|record| record.id.as_deref()).collect();
        assert_eq!(ids, [&*ann], "{identity}");
    }
    let misspelt = portal.call(find("contact", r#"{"ORIGINID": "cus_1"}"#)).await.records;
    assert!(misspelt.is_empty(), "the portal gave everybody, and nobody was meant");
    contact(&portal, r#"{"NAME": "Ann again", "EMAIL": "ann@x.io"}"#).await;
    assert_eq!(
        portal.call(find("contact", r#"{"EMAIL": "ann@x.io"}"#)).await.records.len(),
        2,
        "two, a conflict"
    );
}

#[tokio::test]
async fn options_are_their_texts_and_asked_for_once() {
    let portal = Portal::new().await;
    let id = contact(&portal, r#"{"NAME": "Ann", "UF_CRM_SUBSCRIPTION": "active"}"#).await;
    let record = portal.call(get("contact", &id)).await.record.unwrap();
    assert_eq!(text(&record, "UF_CRM_SUBSCRIPTION"), "Active");
    portal.call(update("contact", &id, r#"{"UF_CRM_SUBSCRIPTION": "Ended"}"#)).await;
    let found = portal.call(find("contact", r#"{"UF_CRM_SUBSCRIPTION": "Ended"}"#)).await.records;
    assert_eq!(found.len(), 1);
    assert_eq!(portal.called("crm.contact.fields"), 1);
    let failure = portal.refused(update("contact", &id, r#"{"UF_CRM_SUBSCRIPTION": "Gold"}"#)).await;
    assert_eq!(failure.class, Class::Permanent);
    assert_eq!(
        failure.message,
        "`Gold` is not an option of `UF_CRM_SUBSCRIPTION`, which has `Active`, `Ended`, `Overdue`, `Trial`"
    );
    assert_eq!(
        portal.called("crm.contact.fields"),
        1,
        "what was read a moment ago is not read again for a slip"
    );
}

#[tokio::test]
async fn an_option_that_is_new_is_found_when_it_is_needed() {
    let clock = Arc::new(lockstep::clock::FixedClock::at("2026-11-02T12:00:00Z".parse().unwrap()));
    let portal = Portal::with(Client::at(Arc::clone(&clock) as SharedClock)).await;
    contact(&portal, r#"{"NAME": "Ann"}"#).await;
    portal.crm().declare("contact", "UF_CRM_LEVEL", "enumeration", &["Gold"]);
    clock.set("2026-11-02T12:10:00Z".parse().unwrap());
    let id = contact(&portal, r#"{"NAME": "Bo", "UF_CRM_SUBSCRIPTION": "Trial"}"#).await;
    assert_eq!(portal.called("crm.contact.fields"), 1, "what is known is enough");
    let failure = portal.refused(update("contact", &id, r#"{"UF_CRM_SUBSCRIPTION": "Gold"}"#)).await;
    assert_eq!(
        (failure.class, portal.called("crm.contact.fields")),
        (Class::Permanent, 2),
        "asked once more"
    );
    portal.call(update("contact", &id, r#"{"UF_CRM_LEVEL": "Gold"}"#)).await;
    let record = portal.call(get("contact", &id)).await.record.unwrap();
    assert_eq!(text(&record, "UF_CRM_LEVEL"), "Gold");
}

#[tokio::test]
async fn a_record_that_is_gone_is_missing_and_a_cleared_field_empty() {
    let portal = Portal::new().await;
    for action in [
        get("contact", "999"),
        update("contact", "999", r#"{"NAME": "x"}"#),
        delete("contact", "999"),
        get("user", "999"),
    ] {
        assert_eq!(portal.refused(action.clone()).await.class, Class::Missing, "{action:?}");
    }
    let id = contact(&portal, r#"{"NAME": "Ann", "COMMENTS": "new"}"#).await;
    portal.call(update("contact", &id, r#"{"COMMENTS": null}"#)).await;
    assert_eq!(text(&portal.crm().records("contact")[0], "COMMENTS"), "");
    let quiet = portal.crm().calls();
    let sent =
        quiet.iter().find(|call| call.path.ends_with("crm.contact.update") && call.body.contains("COMMENTS"));
    assert!(sent.unwrap().body.contains(r#""REGISTER_SONET_EVENT":"N""#), "nobody is told of it");
}

#[tokio::test]
async fn what_the_portal_refuses_is_told_apart() {
    let portal = Portal::new().await;
    let add = || create("contact", r#"{"NAME": "Ann"}"#);
    let page = "/rest/*/crm.contact.add";
    let code = |status: u16, code: &str| {
        Fault::answer(status)
            .json(json(&format!(r#"{{"error": "{code}", "error_description": "why"}}"#)))
            .on("POST", page)
    };
    for (fault, class, done) in [
        (code(401, "INVALID_CREDENTIALS"), Class::ConnectionDown, Done::No),
        (code(403, "insufficient_scope"), Class::Permanent, Done::No),
        (code(403, "ACCESS_DENIED"), Class::ConnectionDown, Done::No),
        (code(401, "METHOD_CONFIRM_WAITING"), Class::Permanent, Done::No),
        (code(503, "OVERLOAD_LIMIT"), Class::ConnectionDown, Done::Perhaps),
        (code(400, ""), Class::Permanent, Done::No),
        (code(400, "100"), Class::Permanent, Done::No),
        (code(500, "INTERNAL_SERVER_ERROR"), Class::Unknown, Done::Perhaps),
        (Fault::html(502).on("POST", page), Class::Unknown, Done::Perhaps),
        (Fault::html(200).on("POST", page), Class::Unknown, Done::Perhaps),
        (
            Fault::answer(302).header("location", "https://evil.example/rest/").on("POST", page),
            Class::Permanent,
            Done::No,
        ),
        (Fault::reset().after_the_work().on("POST", page), Class::Unknown, Done::Perhaps),
    ] {
        let told = format!("{fault:?}");
        portal.crm().faults().add(fault);
        let failure = portal.refused(add()).await;
        assert_eq!(failure.class, class, "{told}: {failure}");
        if class != Class::ConnectionDown {
            assert_eq!(failure.done, done, "{told}: {failure}");
        }
        assert!(!failure.to_string().contains("sandboxsecret"), "{failure}");
    }
    let none = portal.refused(operation("notify", r#"{"user": "2"}"#)).await;
    assert_eq!(none.message, "`notify` needs the parameter `text`");
}

#[tokio::test]
async fn a_full_bucket_is_waited_for_although_it_says_not_how_long() {
    let portal = Portal::new().await;
    portal.crm().faults().add(Fault::answer(503).on("POST", "/rest/*/crm.contact.add"));
    let failure = portal.refused(create("contact", r#"{"NAME": "Ann"}"#)).await;
    assert_eq!(
        (failure.class, failure.done, failure.wait),
        (Class::Throttled, Done::No, Some(Duration::from_secs(1)))
    );
    assert!(portal.crm().records("contact").is_empty(), "nothing was done, and nothing has to be looked for");
}

#[tokio::test]
async fn a_method_that_ran_too_long_waits_as_its_last_answer_said_and_alone() {
    let portal = Portal::new().await;
    portal.crm().method_time(Duration::from_secs(1), Duration::from_secs(2));
    contact(&portal, r#"{"NAME": "Ann"}"#).await;
    let failure = portal.refused(create("contact", r#"{"NAME": "Bo"}"#)).await;
    assert_eq!((failure.class, failure.code.as_deref()), (Class::Throttled, Some("OPERATION_TIME_LIMIT")));
    let wait = failure.wait.unwrap();
    assert!(wait > Duration::from_secs(550) && wait <= Duration::from_secs(602), "{wait:?}");
    let calls = portal.crm().calls().len();
    assert_eq!(portal.refused(create("contact", r#"{"NAME": "Bo"}"#)).await.class, Class::Throttled);
    assert_eq!(portal.crm().calls().len(), calls, "it is not asked before");
    portal.call(create("company", r#"{"TITLE": "Acme"}"#)).await;
}

#[tokio::test]
async fn a_person_is_invited_once_and_put_into_groups() {
    let portal = Portal::new().await;
    let invite =
        || create("user", r#"{"EMAIL": "ann@x.io", "NAME": "Ann", "EXTRANET": "Y", "SONET_GROUP_ID": [15]}"#);
    let ann = portal.call(invite()).await.id.unwrap();
    assert_eq!(portal.refused(invite()).await.class, Class::Duplicate);
    let found = portal.call(find("user", r#"{"EMAIL": "Ann@x.io"}"#)).await.records;
    assert_eq!(found.len(), 1);
    let link = |relation: &str| Action::Link {
        object: "user".into(),
        id: Arc::clone(&ann),
        relation: relation.into(),
        to: 15.into(),
        fields: Map::new(),
    };
    let unlink = || Action::Unlink {
        object: "user".into(),
        id: Arc::clone(&ann),
        relation: "group".into(),
        to: 15.into(),
    };
    portal.call(link("group")).await;
    assert_eq!(portal.refused(link("group")).await.class, Class::Duplicate, "already in it");
    assert_eq!(portal.crm().members(15), ["yara@club.example", "ann@x.io"]);
    portal.call(unlink()).await;
    assert_eq!(portal.refused(unlink()).await.class, Class::Missing, "already out of it");
    let wrong = create("user", r#"{"EMAIL": "no mail", "EXTRANET": "Y"}"#);
    assert_eq!(portal.refused(wrong).await.class, Class::Permanent);
    let facts = portal.connection.manifest().abilities().object("user").unwrap().actions.values();
    let warnings: BTreeSet<_> = facts.filter_map(|facts| facts.dangerous.as_deref()).collect();
    assert_eq!(warnings, BTreeSet::from(["the person gets an invitation by mail"]));
}

#[tokio::test]
async fn a_listing_goes_on_by_the_last_id() {
    let portal = Portal::new().await;
    for number in 0..120 {
        portal.crm().seed("deal", &json(&format!(r#"{{"TITLE": "D{number}", "STAGE_ID": "NEW"}}"#))).unwrap();
    }
    let (mut cursor, mut all) = (None, Vec::new());
    loop {
        let page = portal.call(list("deal", r#"{"STAGE_ID": "NEW"}"#, 100, cursor)).await;
        all.extend(page.records.into_iter().filter_map(|record| record.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(all.len(), 120);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 120);
    assert_eq!(portal.called("crm.deal.list"), 3);
}

#[tokio::test]
async fn what_else_there_is_works() {
    let portal = Portal::new().await;
    let deal = portal
        .call(create("deal", r#"{"TITLE": "Annual", "OPPORTUNITY": 100, "CURRENCY_ID": "EUR"}"#))
        .await
        .id
        .unwrap();
    let ann = contact(&portal, r#"{"NAME": "Ann"}"#).await;
    let link = Action::Link {
        object: "deal".into(),
        id: deal,
        relation: "contact".into(),
        to: (&*ann).into(),
        fields: Map::new(),
    };
    portal.call(link.clone()).await;
    assert_eq!(portal.refused(link).await.class, Class::Duplicate);
    let task = portal
        .call(create(
            "task",
            r#"{"TITLE": "Call", "RESPONSIBLE_ID": 2, "XML_ID": "evt_1", "UF_CRM_TASK": ["C_1"]}"#,
        ))
        .await
        .id
        .unwrap();
    let found = portal.call(find("task", r#"{"XML_ID": "evt_1"}"#)).await.records;
    assert_eq!(
        (found.len(), found[0].id.as_deref(), text(&found[0].fields, "TITLE")),
        (1, Some(&*task), "Call")
    );
    portal.call(update("task", &task, r#"{"TITLE": "Call Ann"}"#)).await;
    let record = portal.call(get("task", &task)).await.record.unwrap();
    assert_eq!(text(&record, "TITLE"), "Call Ann");
    portal.call(delete("task", &task)).await;
    assert_eq!(portal.refused(get("task", &task)).await.class, Class::Missing);
    let invoice = portal.call(create("invoice", r#"{"title": "I-1", "originId": "in_1"}"#)).await.id.unwrap();
    portal.call(update("invoice", &invoice, r#"{"title": "I-2"}"#)).await;
    assert_eq!(portal.call(find("invoice", r#"{"originId": "in_1"}"#)).await.records.len(), 1);
    portal.call(delete("invoice", &invoice)).await;
    assert_eq!(portal.refused(get("invoice", &invoice)).await.class, Class::Missing);
    let comment = format!(r#"{{"ENTITY_TYPE": "contact", "ENTITY_ID": {ann}, "COMMENT": "paid"}}"#);
    portal.call(create("comment", &comment)).await;
    let activity = portal
        .call(create("activity", r#"{"SUBJECT": "Paid", "ORIGINATOR_ID": "stripe", "ORIGIN_ID": "in_1"}"#))
        .await;
    let found =
        portal.call(find("activity", r#"{"ORIGINATOR_ID": "stripe", "ORIGIN_ID": "in_1"}"#)).await.records;
    assert_eq!(found[0].id, activity.id);
    portal
        .call(create(
            "todo",
            r#"{"ownerTypeId": 3, "ownerId": 1, "deadline": "2026-12-01", "title": "Call"}"#,
        ))
        .await;
    for (name, params) in [
        ("notify", r#"{"user": "2", "text": "hello"}"#),
        (
            "products.set",
            r#"{"owner": "D", "id": 1, "rows": [{"productName": "Seat", "price": 5, "quantity": 2}]}"#,
        ),
        ("item.add", r#"{"entityTypeId": 2, "fields": {"title": "x"}}"#),
        ("item.list", r#"{"entityTypeId": 2}"#),
    ] {
        portal.call(operation(name, params)).await;
    }
    assert_eq!(portal.crm().notifications()[0].text, "hello");
    let stages = portal.call(find("status", r#"{"ENTITY_ID": "DEAL_STAGE_9"}"#)).await.records;
    assert!(stages.iter().any(|stage| text(&stage.fields, "STATUS_ID") == "C9:WON"));
    assert_eq!(
        portal.call(find("group", r#"{"NAME": "Yoga members"}"#)).await.records[0].id.as_deref(),
        Some("15")
    );
    portal.connection.check_health().await.unwrap();
    let fields = portal.connection.describe("contact").await.unwrap().unwrap();
    let field = |name: &str| {
        fields.as_list().unwrap().iter().find(|field| text(field, "name") == name).unwrap().clone()
    };
    assert_eq!(
        field("UF_CRM_SUBSCRIPTION").get("options").unwrap().to_json(),
        r#"["Active","Trial","Overdue","Ended"]"#
    );
    assert_eq!(field("DATE_CREATE").get("update").unwrap().as_bool(), Some(false));
    assert_eq!(portal.connection.describe("user").await.unwrap(), None, "it cannot tell");
}

#[tokio::test]
async fn an_app_renews_its_token_and_keeps_the_next() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let portal = sandbox.bitrix24();
    let vault = Arc::new(MemoryVault::default());
    let client = Client::with_vault(Arc::clone(&vault) as Arc<dyn Vault>);
    let config = format!(
        r#"{{"portal": "{0}", "oauth_url": "{0}", "client_id": "local.sandbox", "client_secret": "sandbox_app_secret", "refresh_token": "sandbox_refresh_0"}}"#,
        portal.url()
    );
    let connection = client.open_builtin("bitrix24", &config);
    client.call(create("contact", r#"{"NAME": "Ann"}"#)).await.unwrap();
    portal.expire_tokens();
    client.call(create("contact", r#"{"NAME": "Bo"}"#)).await.unwrap();
    assert_eq!(portal.records("contact").len(), 2);
    assert_eq!(portal.calls().iter().filter(|call| call.path.starts_with("/oauth")).count(), 2);
    drop(connection);
    let again = Client::with_vault(vault as Arc<dyn Vault>);
    again.open_builtin("bitrix24", &config);
    again.call(create("contact", r#"{"NAME": "Cy"}"#)).await.unwrap();
}
