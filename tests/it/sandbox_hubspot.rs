//! A HubSpot account, as the simulator answers it: one test a trap.

use std::time::Duration;

use lockstep::sandbox::hubspot::PropertyShape;
use lockstep::sandbox::{HubSpot, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};

async fn account() -> Sandbox {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    sandbox.hubspot().declare("contacts", "stripe_customer_id", PropertyShape::unique());
    sandbox
}

/// A call with the account's token; gives status and answer.
async fn call(crm: &HubSpot, method: &str, path: &str, body: Json) -> (u16, Json) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.parse().unwrap(), format!("{}{path}", crm.url()));
    request = request.header("authorization", format!("Bearer {}", crm.token()));
    if !body.is_null() {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Json::Null } else { serde_json::from_str(&text).unwrap() })
}

async fn create(crm: &HubSpot, kind: &str, properties: Json) -> String {
    let path = format!("/crm/v3/objects/{kind}");
    let (status, answer) = call(crm, "POST", &path, json!({ "properties": properties })).await;
    assert_eq!(status, 201, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

async fn search(crm: &HubSpot, kind: &str, filter: Json, more: Json) -> (u16, Json) {
    let mut body = json!({"filterGroups": [{"filters": [filter]}]});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    call(crm, "POST", &format!("/crm/v3/objects/{kind}/search"), body).await
}

#[tokio::test]
async fn all_values_are_text_and_only_a_few_come_unasked() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    let fields = json!({"dealname": "Plan", "amount": 49.99, "dealstage": "closedwon", "description": "d"});
    let id = create(crm, "deals", fields).await;
    let (_, read) = call(crm, "GET", &format!("/crm/v3/objects/deals/{id}"), Json::Null).await;
    assert_eq!(read["properties"]["amount"], "49.99");
    assert_eq!(read["properties"].get("description"), None);
    let path = format!("/crm/v3/objects/deals/{id}?properties=description,nobody_knows&properties=amount");
    let (_, read) = call(crm, "GET", &path, Json::Null).await;
    assert_eq!(read["properties"]["description"], "d");
    assert_eq!(read["properties"].get("nobody_knows"), None, "an unknown name is passed over");
    let path = format!("/crm/objects/2026-09/deals/{id}");
    assert_eq!(call(crm, "GET", &path, Json::Null).await.0, 200, "dated paths are the same");
}

#[tokio::test]
async fn an_empty_text_clears_and_a_null_does_nothing() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    let id = create(crm, "contacts", json!({"email": "a@x.io", "firstname": "Ann", "phone": "1"})).await;
    let path = format!("/crm/v3/objects/contacts/{id}");
    call(crm, "PATCH", &path, json!({"properties": {"firstname": null, "phone": ""}})).await;
    let (_, read) = call(crm, "GET", &format!("{path}?properties=firstname,phone"), Json::Null).await;
    assert_eq!(
        (&read["properties"]["firstname"], &read["properties"]["phone"]),
        (&json!("Ann"), &Json::Null)
    );
}

#[tokio::test]
async fn a_known_address_is_a_conflict_whose_id_stands_in_the_text() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    let id = create(crm, "contacts", json!({"email": "Ann@X.io", "stripe_customer_id": "cus_1"})).await;
    let again = json!({"properties": {"email": "ann@x.io"}});
    let (status, answer) = call(crm, "POST", "/crm/v3/objects/contacts", again).await;
    assert_eq!((status, answer["category"].as_str()), (409, Some("CONFLICT")));
    assert_eq!(answer["message"], format!("Contact already exists. Existing ID: {id}"));
    let taken = json!({"properties": {"email": "bo@x.io", "stripe_customer_id": "cus_1"}});
    let (status, answer) = call(crm, "POST", "/crm/v3/objects/contacts", taken).await;
    assert_eq!(status, 400, "another unique property is refused in other words");
    assert!(answer["message"].as_str().unwrap().ends_with(&format!("{id} already has that value.")));
}

#[tokio::test]
async fn what_is_wrong_with_properties_is_a_list_inside_of_a_text() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    let wrong =
        json!({"nobody_knows": 1, "lifecyclestage": "Customer", "email": "none", "hs_object_id": "1"});
    let (status, answer) =
        call(crm, "POST", "/crm/v3/objects/contacts", json!({ "properties": wrong })).await;
    assert_eq!((status, answer["category"].as_str()), (400, Some("VALIDATION_ERROR")));
    let list = answer["message"].as_str().unwrap().strip_prefix("Property values were not valid: ").unwrap();
    let list: Vec<Json> = serde_json::from_str(list).unwrap();
    let codes: Vec<&str> = list.iter().map(|fault| fault["error"].as_str().unwrap()).collect();
    assert_eq!(codes, ["PROPERTY_DOESNT_EXIST", "INVALID_OPTION", "INVALID_EMAIL", "READ_ONLY_VALUE"]);
    let task = json!({"properties": {"hs_task_subject": "x"}});
    assert_eq!(call(crm, "POST", "/crm/v3/objects/tasks", task).await.0, 400, "when it is due is a must");
    let deal = json!({"properties": {"dealname": "x", "hubspot_owner_id": "4711"}});
    assert_eq!(call(crm, "POST", "/crm/v3/objects/deals", deal).await.0, 400, "a user is no owner");
}

#[tokio::test]
async fn the_search_is_behind_and_a_look_up_by_a_unique_property_is_not() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    crm.search_lag(Duration::from_hours(1));
    let id = create(crm, "contacts", json!({"email": "ann@x.io", "stripe_customer_id": "cus_1"})).await;
    let by_id = json!({"propertyName": "stripe_customer_id", "operator": "EQ", "value": "cus_1"});
    let (_, answer) = search(crm, "contacts", by_id.clone(), Json::Null).await;
    assert_eq!(answer["total"], 0);
    let path = "/crm/v3/objects/contacts/cus_1?idProperty=stripe_customer_id";
    assert_eq!(call(crm, "GET", path, Json::Null).await.1["id"], id.as_str());
    crm.search_lag(Duration::ZERO);
    assert_eq!(search(crm, "contacts", by_id, Json::Null).await.1["total"], 1);
    let (status, _) = call(crm, "GET", "/crm/v3/objects/contacts/Ann?idProperty=firstname", Json::Null).await;
    assert_eq!(status, 400, "not a unique property");
}

#[tokio::test]
async fn a_search_ends_compares_lists_in_lower_case_and_never_finds_the_archive() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    crm.search_end(4);
    for number in 1..=6 {
        create(crm, "companies", json!({"name": format!("Acme {number}"), "domain": "acme.example"})).await;
    }
    let all = json!({"propertyName": "domain", "operator": "EQ", "value": "ACME.example"});
    let (_, answer) = search(crm, "companies", all.clone(), json!({"limit": 4})).await;
    assert_eq!((answer["total"].as_u64(), answer["paging"]["next"]["after"].as_str()), (Some(6), Some("4")));
    let (status, _) = search(crm, "companies", all.clone(), json!({"limit": 4, "after": "4"})).await;
    assert_eq!(status, 400, "beyond the end");
    let listed = |value: &str| json!({"propertyName": "name", "operator": "IN", "values": [value]});
    assert_eq!(search(crm, "companies", listed("Acme 1"), json!({"limit": 1})).await.1["total"], 0);
    let (_, answer) = search(crm, "companies", listed("acme 1"), json!({"limit": 1})).await;
    assert_eq!(answer["total"], 1);
    let path = format!("/crm/v3/objects/companies/{}", answer["results"][0]["id"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(call(crm, "DELETE", &path, Json::Null).await.0, 204);
    }
    crm.rate(190, 50);
    assert_eq!(search(crm, "companies", listed("acme 1"), json!({"limit": 1})).await.1["total"], 0);
}

#[tokio::test]
async fn a_batch_is_answered_in_another_order_and_with_207() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    let path = "/crm/v3/objects/contacts/batch/upsert";
    let input = |id: &str, first: &str| json!({"id": id, "idProperty": "stripe_customer_id", "properties": {"email": format!("{id}@x.io"), "firstname": first}});
    let (status, answer) =
        call(crm, "POST", path, json!({"inputs": [input("cus_1", "A"), input("cus_2", "B")]})).await;
    assert_eq!(status, 200);
    let told: Vec<&str> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["properties"]["firstname"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["B", "A"]);
    assert_eq!(answer["results"][0]["new"], true);
    let updates = json!({"inputs": [{"id": "999", "properties": {"firstname": "X"}}, {"id": "cus_1", "idProperty": "stripe_customer_id", "properties": {"firstname": "Y"}}]});
    let (status, answer) = call(crm, "POST", "/crm/v3/objects/contacts/batch/update", updates).await;
    assert_eq!((status, answer["numErrors"].as_u64()), (207, Some(1)));
    assert_eq!(answer["errors"][0]["context"]["ids"], json!(["999"]));
    let wrong = json!({"inputs": [input("cus_1", "Z"), {"id": "cus_2", "idProperty": "stripe_customer_id", "properties": {"foo": 1}}]});
    assert_eq!(call(crm, "POST", path, wrong).await.0, 400, "one wrong property refuses all");
    assert!(
        crm.records("contacts").iter().all(|record| record.get("firstname").unwrap().as_str() != Some("Z"))
    );
    let twice = json!({"inputs": [input("cus_1", "Q"), input("cus_1", "R")]});
    assert_eq!(call(crm, "POST", path, twice).await.0, 400);
}

#[tokio::test]
async fn an_upsert_by_email_loses_what_it_does_not_name() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    create(crm, "contacts", json!({"email": "ann@x.io", "phone": "1"})).await;
    let inputs =
        json!({"inputs": [{"id": "ann@x.io", "idProperty": "email", "properties": {"firstname": "Ann"}}]});
    assert_eq!(call(crm, "POST", "/crm/v3/objects/contacts/batch/upsert", inputs).await.0, 200);
    assert_eq!(crm.records("contacts")[0].get("phone"), None);
}

#[tokio::test]
async fn associations_have_two_sides_and_their_ids_are_numbers() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    let contact = create(crm, "contacts", json!({"email": "ann@x.io"})).await;
    let company = create(crm, "companies", json!({"name": "Acme"})).await;
    let path = format!("/crm/v4/objects/contacts/{contact}/associations/default/companies/{company}");
    for _ in 0..2 {
        assert_eq!(call(crm, "PUT", &path, Json::Null).await.0, 200);
    }
    let path = format!("/crm/v4/objects/companies/{company}/associations/contacts");
    let (_, seen) = call(crm, "GET", &path, Json::Null).await;
    let expected = json!([{"toObjectId": contact.parse::<u64>().unwrap(), "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 280, "label": null}]}]);
    assert_eq!(seen["results"], expected);
    let path = format!("/crm/v4/objects/contacts/{contact}/associations/companies/{company}");
    let (status, _) = call(
        crm,
        "PUT",
        &path,
        json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]),
    )
    .await;
    assert_eq!(status, 400, "a type of other kinds");
    assert_eq!(call(crm, "DELETE", &path, Json::Null).await.0, 204);
    assert!(crm.associated("companies", company.parse().unwrap(), "contacts").is_empty());
}

#[tokio::test]
async fn each_limit_has_its_policy() {
    let sandbox = account().await;
    let crm = sandbox.hubspot();
    crm.rate(2, 1);
    let list = || call(crm, "GET", "/crm/v3/objects/contacts", Json::Null);
    let find = || call(crm, "POST", "/crm/v3/objects/contacts/search", json!({}));
    assert_eq!((list().await.0, list().await.0, find().await.0), (200, 200, 200));
    let (status, answer) = list().await;
    assert_eq!((status, answer["policyName"].as_str()), (429, Some("TEN_SECONDLY_ROLLING")));
    crm.rate(100, 0);
    let (_, answer) = find().await;
    assert_eq!(answer["message"], "You have reached your secondly limit.");
    crm.daily_limit(1);
    assert_eq!(list().await.1["policyName"], "DAILY");
}
