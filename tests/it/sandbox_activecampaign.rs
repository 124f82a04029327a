//! An ActiveCampaign account, as the simulator answers it: one test a trap.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep::clock::{Clock, FixedClock};
use lockstep::sandbox::{ActiveCampaign, Fault, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};

async fn account() -> Sandbox {
    Sandbox::start(SandboxOptions::default()).await.unwrap()
}

/// Calls the API; gives status and answer.
async fn call(account: &ActiveCampaign, method: &str, path: &str, body: Json) -> (u16, Json) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let method: reqwest::Method = method.parse().unwrap();
    let request = client.request(method, format!("{}/api/3/{path}", account.url()));
    let request = request.header("api-token", account.api_token()).body(body.to_string());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn get(account: &ActiveCampaign, path: &str) -> Json {
    let (status, answer) = call(account, "GET", path, json!({})).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn post(account: &ActiveCampaign, path: &str, body: Json) -> (u16, Json) {
    call(account, "POST", path, body).await
}

async fn graphql(account: &ActiveCampaign, query: &str, variables: Json) -> Json {
    post(account, "ecom/graphql", json!({"query": query, "variables": variables})).await.1
}

const ANN: &str = "ann@example.com";

#[tokio::test]
async fn a_changed_address_that_is_synced_is_a_second_contact() {
    let sandbox = account().await;
    let account = sandbox.activecampaign();
    let contact = |email: &str| json!({"contact": {"email": email, "firstName": "Ann"}});
    let (status, first) = post(account, "contact/sync", contact(ANN)).await;
    assert_eq!((status, first["contact"]["id"].is_string()), (201, true), "a number is a text");
    assert_eq!(first["contact"]["email_empty"], json!(false), "but not everything is");
    let (status, again) = post(account, "contact/sync", contact("ANN@example.com")).await;
    assert_eq!((status, &again["contact"]["id"]), (200, &first["contact"]["id"]), "case does not count");
    let (status, other) = post(account, "contact/sync", contact("ann@new.example")).await;
    assert_eq!(status, 201);
    let id = first["contact"]["id"].as_str().unwrap();
    assert_eq!(account.records("contact").len(), 2);
    let (status, taken) = call(account, "PUT", &format!("contacts/{id}"), contact("ann@new.example")).await;
    assert_eq!((status, &taken["errors"][0]["code"]), (422, &json!("duplicate")));
    let path = format!("contacts/{}", other["contact"]["id"].as_str().unwrap());
    assert_eq!(call(account, "DELETE", &path, json!({})).await, (200, json!({})));
    let (status, moved) = call(account, "PUT", &format!("contacts/{id}"), contact("ann@new.example")).await;
    assert_eq!((status, &moved["contact"]["id"]), (200, &json!(id)), "by its id it stays one");
}

#[tokio::test]
async fn a_wrong_field_is_passed_over_here_and_refused_there() {
    let sandbox = account().await;
    let account = sandbox.activecampaign();
    let fields = get(account, "fields?limit=100").await;
    let number = |perstag: &str| {
        let all = fields["fields"].as_array().unwrap();
        all.iter().find(|field| field["perstag"] == perstag).unwrap()["id"].clone()
    };
    let values = json!([{"field": number("STRIPE_ID"), "value": "cus_1"}, {"field": "999", "value": "x"}, {"field": "%PLAN%", "value": "y"}]);
    let (status, _) =
        post(account, "contact/sync", json!({"contact": {"email": ANN, "fieldValues": values}})).await;
    assert_eq!((status, account.records("fieldValue").len()), (201, 1), "not a word of the others");
    let by_name = json!({"fieldValue": {"contact": "10", "field": "%PLAN%", "value": "Pro"}});
    let (status, answer) = post(account, "fieldValues", by_name).await;
    assert_eq!((status, &answer["errors"][0]["title"]), (422, &json!("Field id not valid")));
    let by_number = json!({"fieldValue": {"contact": 10, "field": number("STRIPE_ID"), "value": "cus_2"}});
    assert_eq!(post(account, "fieldValues", by_number).await.0, 200);
    assert_eq!(account.value(ANN, "STRIPE_ID").as_deref(), Some("cus_2"), "written over, not beside");
    let path =
        format!("fieldValues?filters[fieldid]={}&filters[val]=cus_2", number("STRIPE_ID").as_str().unwrap());
    let found = get(account, &path).await;
    assert_eq!((&found["fieldValues"][0]["contact"], &found["meta"]["total"]), (&json!("10"), &json!("1")));
}

#[tokio::test]
async fn a_tag_is_a_number_is_put_on_once_and_comes_off_by_its_link() {
    let sandbox = account().await;
    let account = sandbox.activecampaign();
    account.seed(&lockstep::value::Value::from(&json!({"email": ANN}))).unwrap();
    for name in ["stripe-integration", "stripe-integration-charge.succeeded"] {
        assert_eq!(post(account, "tags", json!({"tag": {"tag": name, "tagType": "contact"}})).await.0, 201);
    }
    let (status, again) = post(account, "tags", json!({"tag": {"tag": "STRIPE-integration"}})).await;
    assert_eq!((status, &again["errors"][0]["code"]), (422, &json!("duplicate")));
    assert_eq!(get(account, "tags?search=stripe-integration").await["meta"]["total"], json!("2"), "contains");
    let found = get(account, "tags?filters[search][eq]=stripe-integration").await;
    assert_eq!(found["meta"]["total"], json!("1"), "the very name");
    let tag = found["tags"][0]["id"].clone();
    let by_name = json!({"contactTag": {"contact": 10, "tag": "stripe-integration"}});
    assert_eq!(post(account, "contactTags", by_name).await.0, 422);
    let put_on = json!({"contactTag": {"contact": 10, "tag": tag}});
    let (status, first) = post(account, "contactTags", put_on.clone()).await;
    let (status_again, second) = post(account, "contactTags", put_on).await;
    assert_eq!((status, status_again, &first), (201, 200, &second));
    let link = first["contactTag"]["id"].as_str().unwrap();
    assert_ne!(first["contactTag"]["id"], tag);
    let (status, _) =
        call(account, "DELETE", &format!("contactTags/{}", tag.as_str().unwrap()), json!({})).await;
    assert_eq!(status, 404, "the tag's number is not the link's");
    assert_eq!(call(account, "DELETE", &format!("contactTags/{link}"), json!({})).await.0, 200);
    assert_eq!(account.tags(ANN), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_graphql_took_is_a_receipt_and_shows_later() {
    let clock = Arc::new(FixedClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
    let options = SandboxOptions { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let account = sandbox.activecampaign();
    let store = json!({"connection": {"service": "lockstep", "externalid": "s", "name": "S", "logoUrl": "https://a", "linkUrl": "https://a"}});
    assert_eq!(post(account, "connections", store).await.0, 201);
    let write = "mutation W($orders: [OrderInput!]!) { bulkUpsertOrdersAsync(orders: $orders) { recordId } }";
    let order = json!({"legacyConnectionId": 1, "storeOrderId": "cs_1", "email": ANN, "storeCustomerId": "cus_1", "storeCreatedDate": "2026-02-03T10:00:00Z", "finalAmount": "49.00", "currency": "USD", "creationSource": "REAL_TIME"});
    let answer = graphql(account, write, json!({"orders": [order]})).await;
    assert!(answer["data"]["bulkUpsertOrdersAsync"][0]["recordId"].is_string(), "{answer}");
    assert_eq!((account.records("contact").len(), account.records("ecomCustomer").len()), (1, 1), "at once");
    let search = "query F($filter: F!) { searchOrder(filter: $filter) { id storeOrderId } }";
    let filter = json!({"filter": {"storeOrderId": {"value": "cs_1", "filterOperator": "EQ"}}});
    let found = async || {
        graphql(account, search, filter.clone()).await["data"]["searchOrder"].as_array().unwrap().len()
    };
    assert_eq!(found().await, 0, "a receipt is no order");
    let pass = |seconds: i64| clock.set(clock.now() + Duration::from_secs(seconds.unsigned_abs()));
    pass(2);
    assert_eq!(found().await, 1);
    assert_eq!((account.purchases(), account.records("ecomOrder").len()), (vec!["cs_1".to_owned()], 0));
    pass(2);
    let copy = get(account, "ecomOrders?filters[externalid]=cs_1").await["ecomOrders"][0].clone();
    assert_eq!((&copy["totalPrice"], &copy["source"]), (&json!(4900), &json!("1")), "cents there");
}

#[tokio::test]
async fn the_graphql_tells_of_mistakes_with_200() {
    let sandbox = account().await;
    let account = sandbox.activecampaign();
    let write = "mutation W($p: [R!]!) { bulkUpsertRecurringPayments(recurringPayments: $p) { recordId } }";
    let payment = json!({"storeRecurringPaymentId": "sub_1", "legacyConnectionId": 7});
    let answer = graphql(account, write, json!({"p": [payment]})).await;
    assert_eq!(answer["errors"][0]["message"], json!("Validation errors"));
    assert!(answer["errors"][0]["extensions"]["0-storeRecurringPaymentId-sub_1"].is_string(), "{answer}");
    assert_eq!(account.counts().writes, 0);
}

#[tokio::test]
async fn orders_are_unique_in_cents_and_say_whether_they_are_history() {
    let sandbox = account().await;
    let account = sandbox.activecampaign();
    let store = json!({"connection": {"service": "lockstep", "externalid": "s", "name": "S"}});
    let (status, answer) = post(account, "connections", store.clone()).await;
    assert_eq!((status, &answer["errors"][0]["code"]), (422, &json!("field_missing")), "all five are a must");
    let mut store = store;
    store["connection"]["logoUrl"] = json!("https://a");
    store["connection"]["linkUrl"] = json!("https://a");
    post(account, "connections", store).await;
    let customer = json!({"ecomCustomer": {"connectionid": "1", "externalid": "cus_1", "email": ANN}});
    let (_, made) = post(account, "ecomCustomers", customer.clone()).await;
    assert_eq!(post(account, "ecomCustomers", customer).await.0, 422);
    let of = |externalid: &str, source: i64, price: Json| {
        json!({"ecomOrder": {"externalid": externalid, "source": source, "email": ANN, "connectionid": 1,
            "customerid": made["ecomCustomer"]["id"], "totalPrice": price, "currency": "USD", "externalCreatedDate": "2026-02-03T10:00:00Z"}})
    };
    assert_eq!(post(account, "ecomOrders", of("cs_1", 1, json!(4900))).await.0, 201);
    assert_eq!(post(account, "ecomOrders", of("cs_1", 1, json!(4900))).await.0, 422);
    assert_eq!(post(account, "ecomOrders", of("cs_2", 0, json!(4900))).await.0, 201);
    assert_eq!(post(account, "ecomOrders", of("cs_3", 1, json!("49.00"))).await.0, 422);
    assert_eq!(account.purchases(), ["cs_1"], "history starts nothing");
    let all = get(account, "ecomCustomers").await;
    let stores =
        all["ecomCustomers"].as_array().unwrap().iter().map(|row| row["connectionid"].as_str().unwrap());
    assert_eq!(stores.collect::<Vec<_>>(), ["1", "0"], "a row besides sums up the person");
}

#[tokio::test]
async fn refusals_have_three_forms_and_a_wrong_key_is_403() {
    let sandbox = account().await;
    let account = sandbox.activecampaign();
    let (status, answer) = call(account, "GET", "contacts/999", json!({})).await;
    assert_eq!((status, &answer["message"]), (404, &json!("No Result found for Subscriber with id 999")));
    let (status, answer) = post(account, "contact/sync", json!({"contact": {"firstName": "Ann"}})).await;
    assert_eq!(
        (status, &answer["errors"][0]["detail"]),
        (400, &json!("Contact email must be provided for sync"))
    );
    let (status, answer) = post(account, "contact/sync", json!({"contact": {"email": "no address"}})).await;
    assert_eq!((status, &answer["errors"][0]["source"]["pointer"]), (422, &json!("/data/attributes/email")));
    account.include_deals(false);
    assert_eq!(call(account, "GET", "deals", json!({})).await.0, 403);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}/api/3/users/me", account.url())).header("api-token", "wrong");
    assert_eq!(request.send().await.unwrap().status().as_u16(), 403);
    assert!(account.calls().iter().all(|call| call.header("api-token").is_none()), "a key is not shown");
}

#[tokio::test]
async fn five_a_second_and_pages_of_a_hundred() {
    let clock = Arc::new(FixedClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
    let options = SandboxOptions { clock, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let account = sandbox.activecampaign();
    for number in 0..130 {
        account
            .seed(&lockstep::value::Value::from(&json!({"email": format!("{number}@x.example")})))
            .unwrap();
    }
    let count = |answer: &Json| answer["contacts"].as_array().unwrap().len();
    let all = get(account, "contacts").await;
    assert_eq!((count(&all), &all["meta"]["total"]), (20, &json!("130")));
    assert_eq!(count(&get(account, "contacts?limit=500&offset=100").await), 30);
    assert_eq!(count(&get(account, "contacts?limit=500").await), 100);
    account.rate_limit(Some(5));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        let request = client.get(format!("{}/api/3/users/me", account.url()));
        let response = request.header("api-token", account.api_token()).send().await.unwrap();
        let header =
            |name: &str| response.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
        told.push((response.status().as_u16(), header("ratelimit-remaining"), header("retry-after")));
    }
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(told, [(200, some("1"), None), (200, some("0"), None), (429, None, some("30"))]);
}

#[tokio::test]
async fn faults_are_those_of_all_simulators() {
    let sandbox = account().await;
    let account = sandbox.activecampaign();
    account.faults().add(Fault::answer(429).on("POST", "/api/3/contact/sync"));
    let (status, _) = post(account, "contact/sync", json!({"contact": {"email": ANN}})).await;
    assert_eq!(status, 429);
    account.faults().add(Fault::reset().after_the_work());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{}/api/3/contact/sync", account.url()));
    let request = request.header("api-token", account.api_token());
    assert!(request.body(json!({"contact": {"email": ANN}}).to_string()).send().await.is_err());
    assert_eq!(account.counts().creates["contact"], 1, "the answer was lost, the contact was not");
}
