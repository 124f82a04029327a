//! What changed since the last poll, of the systems that list by it: what is older is not even asked for.

use lockstep::value::Value;
use pretty_assertions::assert_eq;
use serde_json::json;

use super::world::Polling;

/// Writes a task for each record, under its id; `told` is its subject.
fn tasks(list: &str, id: &str, told: &str) -> String {
    format!(
        "# file: pipelines/acme/members.yaml\nname: members\ntrigger: {{ schedule: {{ every: 1s, list: {list}, start: all }} }}\n\
         steps:\n  - upsert:\n      object: salesforce.Task\n      match: {{ Stripe_Charge_Id__c: \"no ${{object.{id}}}\" }}\n      fields: {{ \
         Subject: \"${{object.{told}}}\", Status: Completed, Priority: Normal }}\n"
    )
}

/// What is so at the start runs, what changes runs again, and what the overlap lists once more starts nothing.
async fn runs_what_changes(
    world: &mut Polling,
    environment: &[(&str, String)],
    change: impl AsyncFn(&Polling),
) {
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.start(&environment);
    world.until_subjects(&["Ann", "Bob"]).await;
    world.a_poll().await;
    change(world).await;
    world.until_subjects(&["Anna", "Bob"]).await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 3);
}

/// The bodies or queries of the lists that were asked for: the first asks for everything, all others for what changed.
fn assert_narrowed(asked: &[String], by: &str) {
    let (first, others) = asked.split_first().unwrap();
    assert!(!first.contains(by), "{first}");
    assert!(others.len() > 1 && others.iter().all(|other| other.contains(by)), "{others:#?}");
}

fn map(entries: &[(&str, &str)]) -> Value {
    Value::map(entries.iter().map(|(name, value)| (*name, Value::from(*value))))
}

#[tokio::test(flavor = "multi_thread")]
async fn hubspot_lists_contacts_and_all_else_by_their_own_names_of_the_time() {
    let connection = "hubspot: { connector: hubspot, config: { token: \"${HUBSPOT_TOKEN}\", base_url: \"${HUBSPOT_URL}\" } }";
    for (object, path, name, field) in [
        ("contact", "contacts", "firstname", "lastmodifieddate"),
        ("deal", "deals", "dealname", "hs_lastmodifieddate"),
    ] {
        let list = format!("{{ object: hubspot.{object}, since: {field} }}");
        let mut world = Polling::with_connection(connection, &tasks(&list, "hs_object_id", name)).await;
        let seed = |name_of: &str| {
            let email = format!("{name_of}@x.example");
            let own: &[(&str, &str)] = if object == "contact" { &[("email", &email)] } else { &[] };
            world.sandbox().hubspot().seed(path, &map(&[own, &[(name, name_of)]].concat())).unwrap()
        };
        let ann = seed("Ann");
        seed("Bob");
        let hubspot = world.sandbox().hubspot();
        let environment = [("HUBSPOT_TOKEN", hubspot.token()), ("HUBSPOT_URL", hubspot.url())];
        let change = async |world: &Polling| {
            world.sandbox().hubspot().change(path, ann, &map(&[(name, "Anna")])).unwrap();
        };
        runs_what_changes(&mut world, &environment, change).await;
        let calls = world.sandbox().hubspot().calls();
        let lists = calls.iter().filter(|call| call.path.ends_with(&format!("{path}/search")));
        let asked: Vec<String> = lists.map(|call| call.body.clone()).collect();
        assert_narrowed(&asked, &format!("\"operator\":\"GTE\",\"propertyName\":\"{field}\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bitrix24_lists_what_was_modified() {
    let connection = "bitrix24: { connector: bitrix24, config: { webhook_url: \"${BITRIX24_URL}\" } }";
    let list = "{ object: bitrix24.contact, since: DATE_MODIFY }";
    let mut world = Polling::with_connection(connection, &tasks(list, "ID", "NAME")).await;
    let portal = world.sandbox().bitrix24();
    let ann = portal.seed("contact", &map(&[("NAME", "Ann")])).unwrap();
    portal.seed("contact", &map(&[("NAME", "Bob")])).unwrap();
    let change = async |world: &Polling| {
        let url = format!("{}crm.contact.update", world.sandbox().bitrix24().webhook_url());
        let body = json!({"id": ann, "fields": {"NAME": "Anna"}}).to_string();
        let request = world.http().post(url).header("content-type", "application/json").body(body);
        assert!(request.send().await.unwrap().status().is_success());
    };
    runs_what_changes(&mut world, &[], change).await;
    let calls = world.sandbox().bitrix24().calls();
    let lists = calls.iter().filter(|call| call.path.ends_with("/crm.contact.list"));
    let asked: Vec<String> = lists.map(|call| call.body.clone()).collect();
    assert_narrowed(&asked, "\">=DATE_MODIFY\":\"20");
}

#[tokio::test(flavor = "multi_thread")]
async fn activecampaign_lists_what_was_updated() {
    let connection =
        "shop: { connector: activecampaign, config: { url: \"${SHOP_URL}\", api_token: \"${SHOP_TOKEN}\" } }";
    let list = "{ object: shop.contact, since: udate }";
    let mut world = Polling::with_connection(connection, &tasks(list, "id", "firstName")).await;
    let account = world.sandbox().activecampaign();
    let ann = account.seed(&map(&[("email", "ann@x.example"), ("firstName", "Ann")])).unwrap();
    account.seed(&map(&[("email", "bob@x.example"), ("firstName", "Bob")])).unwrap();
    let environment = [("SHOP_URL", account.url()), ("SHOP_TOKEN", account.api_token().to_owned())];
    let change = async |world: &Polling| {
        let account = world.sandbox().activecampaign();
        let request = world.http().put(format!("{}/api/3/contacts/{ann}", account.url()));
        let body = json!({"contact": {"firstName": "Anna"}}).to_string();
        let request =
            request.header("api-token", account.api_token()).header("content-type", "application/json");
        assert!(request.body(body).send().await.unwrap().status().is_success());
    };
    runs_what_changes(&mut world, &environment, change).await;
    let calls = world.sandbox().activecampaign().calls();
    let lists = calls.iter().filter(|call| call.method == "GET" && call.path == "/api/3/contacts");
    let asked: Vec<String> = lists.map(|call| call.query.clone()).collect();
    assert_narrowed(&asked, "updated_after");
}

#[tokio::test(flavor = "multi_thread")]
async fn bitrix24_lists_invoices_by_the_names_of_its_universal_methods() {
    let connection = "bitrix24: { connector: bitrix24, config: { webhook_url: \"${BITRIX24_URL}\" } }";
    let list = "{ object: bitrix24.invoice, since: updatedTime, fields: [title] }";
    let mut world = Polling::with_connection(connection, &tasks(list, "id", "title")).await;
    let portal = world.sandbox().bitrix24();
    let ann = portal.seed("invoice", &map(&[("TITLE", "Ann")])).unwrap();
    portal.seed("invoice", &map(&[("TITLE", "Bob")])).unwrap();
    let change = async |world: &Polling| {
        let url = format!("{}crm.item.update", world.sandbox().bitrix24().webhook_url());
        let body = json!({"entityTypeId": 31, "id": ann, "fields": {"title": "Anna"}}).to_string();
        let request = world.http().post(url).header("content-type", "application/json").body(body);
        assert!(request.send().await.unwrap().status().is_success());
    };
    runs_what_changes(&mut world, &[], change).await;
    let calls = world.sandbox().bitrix24().calls();
    let lists = calls.iter().filter(|call| call.path.ends_with("/crm.item.list"));
    let asked: Vec<String> = lists.map(|call| call.body.clone()).collect();
    assert_narrowed(&asked, "\">=updatedTime\":\"20");
    assert!(asked[0].contains("\"select\":[\"id\",\"title\",\"updatedTime\"]"), "{}", asked[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn activecampaign_lists_deals_that_were_modified() {
    let connection =
        "shop: { connector: activecampaign, config: { url: \"${SHOP_URL}\", api_token: \"${SHOP_TOKEN}\" } }";
    let list = "{ object: shop.deal, since: mdate }";
    let mut world = Polling::with_connection(connection, &tasks(list, "id", "title")).await;
    world.sandbox().activecampaign().include_deals(true);
    let ask = async |world: &Polling, method: &str, path: &str, deal: serde_json::Value| {
        let account = world.sandbox().activecampaign();
        let request =
            world.http().request(method.parse().unwrap(), format!("{}/api/3/{path}", account.url()));
        let body = json!({ "deal": deal }).to_string();
        let request =
            request.header("api-token", account.api_token()).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap().text().await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["deal"]["id"].as_str().unwrap().to_owned()
    };
    let deal =
        |title: &str| json!({"title": title, "value": 100, "currency": "eur", "group": "1", "owner": "1"});
    let ann = ask(&world, "POST", "deals", deal("Ann")).await;
    ask(&world, "POST", "deals", deal("Bob")).await;
    let account = world.sandbox().activecampaign();
    let environment = [("SHOP_URL", account.url()), ("SHOP_TOKEN", account.api_token().to_owned())];
    let change = async |world: &Polling| {
        ask(world, "PUT", &format!("deals/{ann}"), json!({"title": "Anna"})).await;
    };
    runs_what_changes(&mut world, &environment, change).await;
    let calls = world.sandbox().activecampaign().calls();
    let lists = calls.iter().filter(|call| call.method == "GET" && call.path == "/api/3/deals");
    let asked: Vec<String> = lists.map(|call| call.query.clone()).collect();
    assert_narrowed(&asked, "updated_after");
}

/// More than come in one call with all their fields.
const OPPORTUNITIES: usize = 450;

#[tokio::test(flavor = "multi_thread")]
async fn named_fields_come_in_fewer_calls_and_what_changes_beside_them_starts_nothing() {
    let list = "{ object: salesforce.Opportunity, fields: [Name] }, only_changed: true";
    let pipeline = format!(
        "# file: pipelines/acme/won.yaml\nname: won\ntrigger: {{ schedule: {{ every: 1s, list: {list} }} }}\nsteps:\n  - set: {{ \
         name: $.object.Name }}\n"
    );
    let mut world = Polling::with(&pipeline).await;
    let all: Vec<String> =
        (0..OPPORTUNITIES).map(|number| world.opportunity(&number.to_string(), "Prospecting")).collect();
    world.start(&[]);
    world.a_poll().await;
    let change = |field: &str, value: &str| {
        world.sandbox().salesforce().change("Opportunity", &all[0], &map(&[(field, value)])).unwrap();
    };
    change("StageName", "Closed Won");
    world.a_poll().await;
    assert_eq!(world.runs().await, []);
    change("Name", "other");
    world.until_runs(1).await;
    let calls = world.sandbox().salesforce().calls();
    let queries = calls.iter().filter(|call| call.path.contains("/query")).count();
    // Others may have begun since.
    let polls = world.reports().await.len();
    assert!((polls..=polls + 1).contains(&queries), "{queries} calls of {polls} polls");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_list_would_pass_over_is_a_finding() {
    let world = Polling::with(
        "# file: pipelines/acme/won.yaml\nname: won\ntrigger: { schedule: { every: 1m, list: { object: salesforce.Opportunity, \
         fields: [Name], since: SystemModstamp } } }\nsteps:\n  - set: { all: \"${object.Id} ${object.SystemModstamp} \
         ${object.Nmae}\" }\n# file: pipelines/acme/members.yaml\nname: members\ntrigger: { schedule: { every: 1m, list: { object: \
         stripe.customer, fields: [email] } } }\nsteps:\n  - set: { all: $.object.email }\n# file: pipelines/acme/lists.yaml\nname: \
         lists\ntrigger: { schedule: { every: 1m, list: { object: salesforce.Account, params: { expand: [x] } } } }\nsteps:\n  - list: { \
         object: salesforce.Contact, match: { AccountId: $.object.Id }, params: { expand: [x] } }\n",
    )
    .await;
    let told = String::from_utf8(world.lockstep(&["validate"]).stdout).unwrap();
    assert_eq!(told.matches("error[").count(), 4, "{told}");
    for part in [
        "`Nmae` is not in `object`",
        "`stripe.customer` is always listed with all of its fields",
        "the list of `salesforce.Account` takes no parameters",
        "the list of `salesforce.Contact` takes no parameters",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
