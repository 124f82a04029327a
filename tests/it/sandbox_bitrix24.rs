//! A Bitrix24 portal, as the simulator answers it: one test a trap.

use std::time::Duration;

use lockstep::sandbox::{Bitrix24, Fault, Sandbox, SandboxOptions};
use lockstep::value::Value;
use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn portal() -> Sandbox {
    Sandbox::start(SandboxOptions::default()).await.unwrap()
}

/// Calls a method with a JSON body; gives status and answer.
async fn call(portal: &Bitrix24, method: &str, body: Json) -> (u16, Json) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{}{method}", portal.webhook_url()));
    let request = request.header("content-type", "application/json").body(body.to_string());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn result(portal: &Bitrix24, method: &str, body: Json) -> Json {
    let (status, answer) = call(portal, method, body).await;
    assert_eq!(status, 200, "{method}: {answer}");
    answer["result"].clone()
}

fn emails(record: &Json) -> Vec<&str> {
    record["EMAIL"].as_array().into_iter().flatten().map(|value| value["VALUE"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_email_without_an_id_is_one_more() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let fields = json!({"NAME": "Ann", "EMAIL": [{"VALUE": "ann@x.io"}], "NOBODY_KNOWS": 1, "DATE_CREATE": "1999-01-01"});
    let id = result(portal, "crm.contact.add", json!({"fields": fields})).await;
    assert!(id.is_i64(), "an id is a number here, and text in records");
    for _ in 0..2 {
        let again = json!({"id": id, "fields": {"EMAIL": [{"VALUE": "ann@x.io"}]}});
        assert_eq!(result(portal, "crm.contact.update", again).await, json!(true));
    }
    let record = result(portal, "crm.contact.get", json!({"ID": id})).await;
    assert_eq!(emails(&record), ["ann@x.io"; 3]);
    assert_eq!(record["ID"], json!(id.to_string()));
    assert!(record.get("NOBODY_KNOWS").is_none(), "an unknown field is dropped in silence");
    assert_ne!(record["DATE_CREATE"], json!("1999-01-01"), "so is one that cannot be written");
    let values = record["EMAIL"].as_array().unwrap();
    let change = json!([{"ID": values[0]["ID"], "VALUE": "new@x.io"}, {"ID": values[1]["ID"], "DELETE": "Y"}, {"ID": values[2]["ID"], "VALUE": ""}]);
    result(portal, "crm.contact.update", json!({"id": id, "fields": {"EMAIL": change}})).await;
    let record = result(portal, "crm.contact.get", json!({"id": id})).await;
    assert_eq!(emails(&record), ["new@x.io"]);
    let id_before = values[0]["ID"].clone();
    assert_eq!(record["EMAIL"][0]["ID"], id_before, "a value keeps its id");
    let gone = json!({"id": id, "fields": {"EMAIL": [{"ID": id_before, "DELETE": "Y"}]}});
    result(portal, "crm.contact.update", gone).await;
    let record = result(portal, "crm.contact.get", json!({"id": id})).await;
    assert!(record.get("EMAIL").is_none(), "without a value the field is absent, not empty");
}

#[tokio::test]
async fn errors_have_no_code_and_empty_maps_are_lists() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let (status, answer) = call(portal, "crm.contact.get", json!({"id": 999})).await;
    assert_eq!((status, answer), (400, json!({"error": "", "error_description": "Not found"})));
    let (status, answer) = call(portal, "crm.contact.get", json!({"id": "x"})).await;
    assert_eq!((status, &answer["error"]), (400, &json!("")));
    let (status, answer) = call(portal, "crm.contact.fly", json!({})).await;
    assert_eq!((status, &answer["error"]), (404, &json!("ERROR_METHOD_NOT_FOUND")));
    let wanted = json!({"type": "EMAIL", "values": ["ann@x.io"], "entity_type": "CONTACT"});
    assert_eq!(result(portal, "crm.duplicate.findbycomm", wanted.clone()).await, json!([]));
    for _ in 0..2 {
        let fields = Value::from_json(br#"{"NAME": "Ann", "EMAIL": [{"VALUE": "Ann@X.io"}]}"#).unwrap();
        portal.seed("contact", &fields).unwrap();
    }
    let found = result(portal, "CRM.duplicate.findByComm.json", wanted).await;
    assert_eq!(
        found,
        json!({"CONTACT": [1, 2]}),
        "nothing is unique, and names count without regard to case"
    );
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let elsewhere = format!("{}/rest/1/wrong/profile", portal.url());
    let response = client.get(elsewhere).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    assert!(response.text().await.unwrap().contains("INVALID_CREDENTIALS"));
}

#[tokio::test]
async fn lists_count_by_fifty_and_pass_over_what_they_do_not_know() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    for number in 0..120 {
        let fields = json!({"NAME": format!("N{number}"), "ORIGIN_ID": format!("cus_{number}"), "EMAIL": [{"VALUE": format!("{number}@x.io")}], "UF_CRM_PLAN": "yoga"});
        portal.seed("contact", &Value::from(&fields)).unwrap();
    }
    let (_, page) = call(portal, "crm.contact.list", json!({"order": {"ID": "ASC"}})).await;
    assert_eq!((&page["total"], &page["next"]), (&json!(120), &json!(50)));
    let (_, page) = call(portal, "crm.contact.list", json!({"order": {"ID": "ASC"}, "start": 100})).await;
    assert_eq!((page["result"].as_array().unwrap().len(), page.get("next")), (20, None));
    let fast = json!({"order": {"ID": "ASC"}, "filter": {">ID": 50}, "start": -1, "select": ["ID", "EMAIL", "NO_FIELD"]});
    let (_, page) = call(portal, "crm.contact.list", fast).await;
    assert_eq!(
        (page.get("total"), page.get("next")),
        (None, None),
        "without counting there is no end to see"
    );
    assert_eq!(page["result"][0]["ID"], json!("51"));
    assert_eq!(emails(&page["result"][0]), ["50@x.io"]);
    let star =
        result(portal, "crm.contact.list", json!({"filter": {"ORIGIN_ID": "cus_7"}, "select": ["*"]})).await;
    assert_eq!(star.as_array().unwrap().len(), 1);
    assert!(star[0].get("EMAIL").is_none() && star[0].get("UF_CRM_PLAN").is_none(), "{star}");
    let misspelt = result(portal, "crm.contact.list", json!({"filter": {"ORIGINID": "cus_7"}})).await;
    assert_eq!(misspelt.as_array().unwrap().len(), 50, "a misspelt filter gives everything");
    let by_mail = result(portal, "crm.contact.list", json!({"filter": {"EMAIL": "7@X.io"}})).await;
    assert_eq!(by_mail.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_bucket_is_503_and_the_method_time_429_and_neither_says_how_long() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    portal.bucket(3, 0);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(call(portal, "profile", json!({})).await.0);
    }
    assert_eq!(statuses, [200, 200, 200, 503, 503]);
    portal.bucket(1_000, 1_000);
    portal.method_time(Duration::from_secs(2), Duration::from_secs(1));
    let (_, first) = call(portal, "crm.contact.list", json!({})).await;
    assert_eq!(first["time"]["operating"], json!(1.0));
    assert!(first["time"]["operating_reset_at"].is_i64());
    assert_eq!(
        call(portal, "crm.contact.list", json!({})).await.0,
        200,
        "the call that goes beyond succeeds"
    );
    let (status, answer) = call(portal, "crm.contact.list", json!({})).await;
    assert_eq!((status, &answer["error"]), (429, &json!("OPERATION_TIME_LIMIT")));
    assert_eq!(answer.get("time"), None);
    assert_eq!(call(portal, "crm.company.list", json!({})).await.0, 200, "each method by itself");
}

#[tokio::test]
async fn a_batch_is_200_whatever_becomes_of_it() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let cmd = json!({
        "add": "crm.contact.add?fields[NAME]=Ann&fields[EMAIL][0][VALUE]=ann%40x.io",
        "get": "crm.contact.get?id=%24result%5Badd%5D",
        "none": "crm.contact.get?id=999",
        "nested": "batch?cmd[0]=profile",
        "list": "crm.contact.list",
    });
    let (status, answer) = call(portal, "batch", json!({"halt": 0, "cmd": cmd})).await;
    assert_eq!(status, 200);
    let parts = &answer["result"];
    assert_eq!(parts["result"]["get"]["NAME"], json!("Ann"));
    assert_eq!(parts["result_error"]["none"], json!({"error": "", "error_description": "Not found"}));
    assert_eq!(parts["result_error"]["nested"]["error"], json!("ERROR_BATCH_METHOD_NOT_ALLOWED"));
    assert_eq!((&parts["result_total"], &parts["result_next"]), (&json!({"list": 1}), &json!([])));
    let cmd = json!(["crm.contact.get?id=999", "crm.contact.add?fields[NAME]=Bo"]);
    let (_, answer) = call(portal, "batch", json!({"halt": true, "cmd": cmd})).await;
    assert_eq!(answer["result"]["result"], json!([]), "what comes after is not done");
    assert_eq!(portal.counts().creates["contact"], 1);
    let many: Vec<&str> = vec!["profile"; 51];
    let (status, answer) = call(portal, "batch", json!({"cmd": many})).await;
    assert_eq!((status, &answer["error"]), (400, &json!("ERROR_BATCH_LENGTH_EXCEEDED")));
}

#[tokio::test]
async fn an_invitation_is_half_done_when_its_group_is_wrong() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let invite = json!({"EMAIL": "ann@x.io", "NAME": "Ann", "EXTRANET": "Y", "SONET_GROUP_ID": [999]});
    let (status, answer) = call(portal, "user.add", invite.clone()).await;
    assert_eq!((status, &answer["error"]), (400, &json!("ERROR_GROUPID")));
    let (_, again) = call(portal, "user.add", invite).await;
    assert_eq!(again["error_description"], json!("A user with this email already exists"));
    assert_eq!(portal.invitations(), ["ann@x.io"], "the mail is out");
    let found = result(portal, "user.get", json!({"FILTER": {"EMAIL": "ANN@x.io"}})).await;
    let id = found[0]["ID"].clone();
    assert_eq!((&found[0]["USER_TYPE"], &found[0]["ACTIVE"]), (&json!("extranet"), &json!(true)));
    let member = json!({"GROUP_ID": 15, "USER_ID": [id]});
    assert_eq!(result(portal, "sonet_group.user.add", member.clone()).await, json!([id]));
    assert_eq!(
        result(portal, "sonet_group.user.add", member.clone()).await,
        json!([]),
        "only those really added"
    );
    assert_eq!(portal.members(15), ["yara@club.example", "ann@x.io"]);
    assert_eq!(result(portal, "sonet_group.user.delete", member).await, json!([id]));
    let owner = json!({"GROUP_ID": 15, "USER_ID": 2});
    assert_eq!(result(portal, "sonet_group.user.delete", owner).await, json!([]), "an owner stays");
}

#[tokio::test]
async fn options_are_ids_and_dates_have_the_portals_offset() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let fields = result(portal, "crm.contact.fields", json!({})).await;
    let options = fields["UF_CRM_SUBSCRIPTION"]["items"].as_array().unwrap();
    let id = options.iter().find(|item| item["VALUE"] == "Overdue").unwrap()["ID"].clone();
    let given = json!({"NAME": "Ann", "UF_CRM_SUBSCRIPTION": id, "UF_CRM_PAID_UNTIL": "2026-12-31"});
    let ann = result(portal, "crm.contact.add", json!({"fields": given})).await;
    let record = result(portal, "crm.contact.get", json!({"id": ann})).await;
    assert_eq!(
        (&record["UF_CRM_SUBSCRIPTION"], &record["UF_CRM_PAID_UNTIL"]),
        (&id, &json!("2026-12-31T00:00:00+02:00"))
    );
    let text = json!({"id": ann, "fields": {"UF_CRM_SUBSCRIPTION": "Overdue"}});
    assert_eq!(result(portal, "crm.contact.update", text).await, json!(true), "a text is no error");
    let record = result(portal, "crm.contact.get", json!({"id": ann})).await;
    assert_eq!(record["UF_CRM_SUBSCRIPTION"], json!(""), "and no option either");
}

#[tokio::test]
async fn the_universal_methods_speak_another_way() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let add =
        json!({"entityTypeId": 2, "fields": {"title": "Annual", "opportunity": 100, "originId": "sub_1"}});
    let added = result(portal, "crm.item.add", add).await;
    assert_eq!((&added["item"]["id"], &added["item"]["opportunity"]), (&json!(1), &json!(100)));
    let old = result(portal, "crm.deal.get", json!({"id": 1})).await;
    assert_eq!((&old["ID"], &old["OPPORTUNITY"]), (&json!("1"), &json!("100.00")));
    let listed =
        result(portal, "crm.item.list", json!({"entityTypeId": 2, "filter": {"=originId": "sub_1"}})).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let (status, answer) = call(portal, "crm.item.get", json!({"entityTypeId": 2, "id": 9})).await;
    assert_eq!((status, &answer["error"]), (400, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn a_note_with_a_tag_replaces_itself() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    for text in ["one", "two"] {
        let note = json!({"USER_ID": 2, "MESSAGE": text, "TAG": "evt_1", "CLIENT_ID": "lockstep"});
        assert!(result(portal, "im.notify.system.add", note).await.is_i64());
    }
    assert_eq!(portal.notifications().len(), 1);
    let untagged = json!({"USER_ID": 2, "MESSAGE": "three", "TAG": "evt_1"});
    result(portal, "im.notify.system.add", untagged).await;
    assert_eq!(portal.notifications().len(), 2, "a tag without a client id counts for nothing");
    let nobody = json!({"USER_ID": 99, "MESSAGE": "x"});
    assert_eq!(result(portal, "im.notify.system.add", nobody).await, json!(false));
}

#[tokio::test]
async fn forms_and_queries_say_the_same_as_json() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}crm.contact.add", portal.webhook_url());
    let form = "fields[NAME]=Ann&fields[EMAIL][0][VALUE]=ann%40x.io&fields[EMAIL][0][VALUE_TYPE]=HOME";
    let posted = client.post(&url).header("content-type", "application/x-www-form-urlencoded").body(form);
    assert_eq!(posted.send().await.unwrap().status().as_u16(), 200);
    assert_eq!(
        client.get(format!("{url}?{form}&bx24_sdk_ver=1")).send().await.unwrap().status().as_u16(),
        200
    );
    let contacts = portal.records("contact");
    assert_eq!(contacts.len(), 2);
    assert_eq!(
        contacts[0].at(&["EMAIL"]).unwrap().as_list().unwrap()[0].get("VALUE_TYPE").unwrap().as_str(),
        Some("HOME")
    );
}

#[tokio::test]
async fn a_refresh_token_is_good_once() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |refresh: &str| {
        let url = format!(
            "{}/oauth/token/?grant_type=refresh_token&client_id=local.sandbox&client_secret=sandbox_app_secret&refresh_token={refresh}",
            portal.url()
        );
        let client = client.clone();
        async move {
            let response = client.get(url).send().await.unwrap();
            (
                response.status().as_u16(),
                serde_json::from_str::<Json>(&response.text().await.unwrap()).unwrap(),
            )
        }
    };
    let (status, granted) = ask("sandbox_refresh_0").await;
    assert_eq!((status, &granted["refresh_token"]), (200, &json!("sandbox_refresh_1")));
    assert_eq!(ask("sandbox_refresh_0").await.0, 400);
    let profile = format!("{}/rest/profile?auth={}", portal.url(), granted["access_token"].as_str().unwrap());
    assert_eq!(client.get(&profile).send().await.unwrap().status().as_u16(), 200);
    portal.expire_tokens();
    let refused = client.get(&profile).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    assert!(refused.text().await.unwrap().contains("expired_token"));
}

#[tokio::test]
async fn events_are_forms_with_a_token_in_them_told_once() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token = portal.register_webhook(&format!("http://{}/hook", listener.local_addr().unwrap()));
    let id = result(portal, "crm.contact.add", json!({"fields": {"NAME": "Ann"}})).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut told = Vec::new();
    let body = loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        told.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&told).into_owned();
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && body.contains(&token)
        {
            break body.to_owned();
        }
    };
    assert!(body.starts_with("event=ONCRMCONTACTADD&"), "{body}");
    assert!(body.contains(&format!("data%5BFIELDS%5D%5BID%5D={id}&")), "{body}");
    stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    // The next thing that it tells is the next event: a failure is not repeated.
    result(portal, "crm.contact.delete", json!({"id": id})).await;
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("ONCRMCONTACTDELETE") {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        if count == 0 {
            stream = listener.accept().await.unwrap().0;
        }
        told.extend_from_slice(&chunk[..count]);
        assert!(!String::from_utf8_lossy(&told).contains("ONCRMCONTACTADD"));
    }
}

#[tokio::test]
async fn faults_and_latency_are_those_of_all_simulators() {
    let sandbox = portal().await;
    let portal = sandbox.bitrix24();
    portal.faults().add(Fault::answer(503).on("POST", "/rest/*/crm.contact.add"));
    let (status, answer) = call(portal, "crm.contact.add", json!({"fields": {}})).await;
    assert_eq!((status, &answer["error"]), (503, &json!("QUERY_LIMIT_EXCEEDED")));
    portal.faults().add(Fault::reset().after_the_work());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let lost = client.post(format!("{}crm.contact.add", portal.webhook_url())).send().await;
    assert!(lost.is_err());
    assert_eq!(portal.counts().creates["contact"], 1, "the answer was lost, the contact was not");
}
