//! Calls to an ActiveCampaign account: each of its traps, through the connector.

use lockstep::clock::{Clock, FixedClock};
use lockstep::connector::{Class, Failure};
use lockstep::sandbox::{ActiveCampaign, Fault, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;

use super::*;

struct Shop {
    sandbox: Sandbox,
    client: Client,
    connection: Arc<Connection>,
}

impl Shop {
    async fn new() -> Self {
        Self::with(SandboxOptions::default(), "").await
    }

    async fn with(options: SandboxOptions, config: &str) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let account = sandbox.activecampaign();
        let (url, token) = (account.url(), account.api_token());
        let client = Client::new();
        let config = format!(r#"{{"url": "{url}", "api_token": "{token}"{config}}}"#);
        let connection = client.open_builtin("activecampaign", &config);
        Self { sandbox, client, connection }
    }

    fn account(&self) -> &ActiveCampaign {
        self.sandbox.activecampaign()
    }

    async fn call(&self, action: Action) -> Reply {
        self.client.call(action).await.unwrap()
    }

    async fn refused(&self, action: Action) -> Failure {
        self.client.call(action).await.unwrap_err()
    }

    /// How often a path was called.
    fn called(&self, method: &str, path: &str) -> usize {
        let calls = self.account().calls();
        calls.iter().filter(|call| call.method == method && call.path == format!("/api/3/{path}")).count()
    }
}

fn link(id: &str, relation: &str, to: &str) -> Action {
    let (object, id, relation) = ("contact".into(), id.into(), relation.into());
    Action::Link { object, id, relation, to: Value::from(to), fields: Map::new() }
}

fn unlink(id: &str, relation: &str, to: &str) -> Action {
    Action::Unlink { object: "contact".into(), id: id.into(), relation: relation.into(), to: Value::from(to) }
}

fn upsert(object: &str, key: &str, fields: &str) -> Action {
    Action::Upsert { object: object.into(), key: map(key), fields: map(fields) }
}

#[tokio::test]
async fn fields_go_by_their_titles_and_tags_and_are_found_by_them() {
    let shop = Shop::new().await;
    let fields = r#"{"email": "ann@x.example", "firstName": "Ann", "STRIPE_ID": "cus_1", "Plan": "Pro"}"#;
    let id = shop.call(create("contact", fields)).await.id.unwrap();
    assert_eq!(shop.account().value("ann@x.example", "PLAN").as_deref(), Some("Pro"));
    for identity in
        [r#"{"STRIPE_ID": "cus_1"}"#, r#"{"Stripe ID": "cus_1"}"#, r#"{"email": "ANN@x.example"}"#]
    {
        let found = shop.call(find("contact", identity)).await.records;
        assert_eq!(found.len(), 1, "{identity}");
        let record = &found[0].fields;
        assert_eq!(found[0].id.as_ref(), Some(&id));
        assert_eq!(
            [text(record, "STRIPE_ID"), text(record, "Plan"), text(record, "firstName")],
            ["cus_1", "Pro", "Ann"]
        );
    }
    assert_eq!(shop.call(find("contact", r#"{"STRIPE_ID": "cus_2"}"#)).await.records.len(), 0);
    shop.call(update("contact", &id, r#"{"Plan": null}"#)).await;
    assert_eq!(shop.account().value("ann@x.example", "PLAN").as_deref(), Some(""), "cleared");
    assert_eq!(shop.called("GET", "fields"), 1, "asked for once");
}

#[tokio::test]
async fn a_field_that_is_none_is_refused_and_one_that_came_later_is_found() {
    let shop = Shop::new().await;
    let failure = shop.refused(create("contact", r#"{"email": "ann@x.example", "STRIPE_IDD": "x"}"#)).await;
    assert_eq!(failure.class, Class::Permanent);
    assert_eq!(
        failure.message,
        "this account has no field `STRIPE_IDD` of contact: did you mean `STRIPE_ID`?"
    );
    assert_eq!(shop.account().counts().writes, 0, "it would have been passed over in silence");
}

#[tokio::test]
async fn by_its_id_a_contact_keeps_its_place_and_by_its_address_it_becomes_a_second_one() {
    let shop = Shop::new().await;
    let sync =
        |email: &str| upsert("contact", &format!(r#"{{"email": "{email}"}}"#), r#"{"firstName": "Ann"}"#);
    let first = shop.call(sync("ann@x.example")).await;
    let again = shop.call(sync("Ann@X.example")).await;
    assert_eq!((first.created, again.created, &again.id), (Some(true), Some(false), &first.id));
    let id = first.id.unwrap();
    shop.call(update("contact", &id, r#"{"email": "ann@new.example"}"#)).await;
    assert_eq!(shop.account().records("contact").len(), 1);
    let second = shop.call(sync("ann@x.example")).await;
    assert_eq!((second.created, shop.account().records("contact").len()), (Some(true), 2));
    let failure = shop.refused(update("contact", &id, r#"{"email": "ann@x.example"}"#)).await;
    assert_eq!(failure.class, Class::Duplicate);
    let failure = shop.refused(create("contact", r#"{"email": "ann@x.example"}"#)).await;
    assert_eq!((failure.class, failure.code.as_deref()), (Class::Duplicate, Some("duplicate")));
}

#[tokio::test]
async fn a_tag_goes_by_its_name_is_made_when_missing_and_put_on_once() {
    let shop = Shop::new().await;
    let id = shop.call(create("contact", r#"{"email": "ann@x.example"}"#)).await.id.unwrap();
    for (round, tag) in ["Stripe integration", "stripe INTEGRATION", "other"].into_iter().enumerate() {
        let linked = shop.client.call(link(&id, "tag", tag)).await.map(drop).map_err(|failure| failure.class);
        assert_eq!(linked, if round == 1 { Err(Class::Duplicate) } else { Ok(()) }, "{tag}");
    }
    assert_eq!(shop.account().tags("ann@x.example"), ["Stripe integration", "other"]);
    shop.call(link(&id, "tag", "third")).await;
    shop.call(unlink(&id, "tag", "stripe integration")).await;
    assert_eq!(shop.account().tags("ann@x.example"), ["other", "third"]);
    for tag in ["stripe integration", "nobody has this"] {
        assert_eq!(shop.refused(unlink(&id, "tag", tag)).await.class, Class::Missing, "gone already");
    }
    assert_eq!(shop.account().records("tag").len(), 3, "taking one off makes none");
}

#[tokio::test]
async fn a_tag_whose_making_was_answered_by_nobody_is_looked_for() {
    let shop = Shop::new().await;
    let id = shop.call(create("contact", r#"{"email": "ann@x.example"}"#)).await.id.unwrap();
    shop.account().faults().add(Fault::reset().after_the_work().on("POST", "/api/3/tags"));
    shop.call(link(&id, "tag", "vip")).await;
    assert_eq!(
        (shop.account().tags("ann@x.example"), shop.account().records("tag").len()),
        (vec!["vip".to_owned()], 1)
    );
    shop.account().faults().add(Fault::answer(503).on("POST", "/api/3/tags"));
    let failure = shop.refused(link(&id, "tag", "gold")).await;
    assert_eq!(failure.status, Some(503), "it is not there, and this is why");
    shop.call(link(&id, "tag", "gold")).await;
}

#[tokio::test]
async fn a_list_goes_by_its_name_and_warns() {
    let shop = Shop::new().await;
    let id = shop.call(create("contact", r#"{"email": "ann@x.example"}"#)).await.id.unwrap();
    shop.call(link(&id, "list", "Newsletter")).await;
    shop.call(unlink(&id, "list", "1")).await;
    assert_eq!(text(&shop.account().records("contactList")[0], "status"), "2");
    let failure = shop.refused(link(&id, "list", "Nowhere")).await;
    assert!(failure.message.contains("this account has no list Nowhere"), "{failure}");
}

#[tokio::test]
async fn what_was_taken_can_be_found_later_in_the_store_of_the_settings() {
    let clock = Arc::new(FixedClock::at(jiff::Timestamp::from_second(1_800_000_000).unwrap()));
    let options = SandboxOptions { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..SandboxOptions::default() };
    let shop = Shop::with(options, r#", "store": "acct_1""#).await;
    let order = r#"{"email": "ann@x.example", "storeCustomerId": "cus_1", "storeCreatedDate": "2026-02-03T10:00:00Z", "finalAmount": "49.00", "currency": "USD", "normalizedStatus": "COMPLETED"}"#;
    for _ in 0..2 {
        let taken = shop.call(upsert("order", r#"{"storeOrderId": "cs_1"}"#, order)).await;
        assert_eq!(taken.id.as_deref(), Some("cs_1"));
    }
    let looked = || find("order", r#"{"storeOrderId": "cs_1"}"#);
    assert_eq!(shop.call(looked()).await.records.len(), 0, "a receipt is no order");
    clock.set(clock.now() + Duration::from_secs(2));
    let found = shop.call(looked()).await.records;
    assert_eq!((found.len(), text(&found[0].fields, "finalAmount")), (1, "49.00"));
    assert_eq!(shop.account().purchases(), ["cs_1"]);
    let stores = shop.account().records("connection");
    assert_eq!((stores.len(), text(&stores[0], "externalid")), (1, "acct_1"), "made once, by itself");

    let payment = r#"{"storeCustomerId": "cus_1", "email": "ann@x.example", "normalizedStatus": "ACTIVE", "billingInterval": "MONTHLY", "paymentAmount": "49.00", "currency": "USD"}"#;
    shop.call(upsert("recurring_payment", r#"{"storeRecurringPaymentId": "sub_1"}"#, payment)).await;
    clock.set(clock.now() + Duration::from_secs(2));
    assert_eq!(shop.account().records("recurringPayment").len(), 1);
    let wrong = payment.replace("ACTIVE", "BUSY");
    let failure =
        shop.refused(upsert("recurring_payment", r#"{"storeRecurringPaymentId": "sub_2"}"#, &wrong)).await;
    assert_eq!(failure.class, Class::Permanent);
    assert!(
        failure.message.contains("0-storeRecurringPaymentId-sub_2: normalizedStatus BUSY is none"),
        "{failure}"
    );
}

#[tokio::test]
async fn history_starts_no_automations() {
    let shop = Shop::new().await;
    shop.account().lag(Duration::ZERO);
    let order = r#"{"storeCreatedDate": "2026-02-03T10:00:00Z", "finalAmount": "49.00"}"#;
    let history = upsert("order", r#"{"storeOrderId": "cs_1"}"#, order);
    shop.client.call_with(history, r#"{"historical": true}"#, "k").await.unwrap();
    let customer = r#"{"externalid": "cus_1", "email": "ann@x.example"}"#;
    let customer = shop.call(create("ecomCustomer", customer)).await.id.unwrap();
    let old = format!(
        r#"{{"externalid": "cs_2", "email": "ann@x.example", "customerid": "{customer}", "totalPrice": 4900, "currency": "USD", "externalCreatedDate": "2026-02-03T10:00:00Z"}}"#
    );
    shop.client.call_with(create("ecomOrder", &old), r#"{"historical": true}"#, "k").await.unwrap();
    assert_eq!((shop.account().purchases(), shop.account().records("ecomOrder").len()), (vec![], 2));
    shop.call(create("ecomOrder", &old.replace("cs_2", "cs_3"))).await;
    assert_eq!(shop.account().purchases(), ["cs_3"]);
    let found = shop.call(find("ecomOrder", r#"{"externalid": "cs_3"}"#)).await;
    assert_eq!(found.records.len(), 1);
    let failure = shop.refused(create("ecomOrder", &old)).await;
    assert_eq!(failure.class, Class::Duplicate);
    let found = shop.call(find("ecomCustomer", r#"{"externalid": "cus_1"}"#)).await;
    assert_eq!(found.records.len(), 1, "the row that sums up a person is none of the store's");
}

#[tokio::test]
async fn answers_are_classified() {
    let shop = Shop::new().await;
    shop.call(create("contact", r#"{"email": "ann@x.example"}"#)).await;
    let faults = shop.account().faults();
    let cases = [
        (Fault::answer(401), Class::ConnectionDown),
        (Fault::answer(403), Class::ConnectionDown),
        (Fault::answer(402), Class::ConnectionDown),
        (Fault::answer(400), Class::Permanent),
        (Fault::answer(404), Class::Missing),
        (Fault::html(502), Class::Transient),
        (Fault::answer(200).json(json(r#"{"message": "something went wrong"}"#)), Class::Permanent),
    ];
    for (fault, class) in cases {
        let what = format!("{fault:?}");
        faults.add(fault);
        assert_eq!(shop.refused(get("contact", "10")).await.class, class, "{what}");
    }
    faults.add(Fault::answer(429));
    let failure = shop.refused(get("contact", "10")).await;
    assert_eq!((failure.class, failure.wait), (Class::Throttled, Some(Duration::from_secs(30))));
}

#[tokio::test]
async fn what_the_plan_lacks_does_not_stop_the_rest() {
    let shop = Shop::new().await;
    let contact = shop.call(create("contact", r#"{"email": "ann@x.example"}"#)).await.id.unwrap();
    let deal = format!(
        r#"{{"title": "Pro", "contact": "{contact}", "value": 4500, "currency": "usd", "group": "1", "stage": "1", "owner": "1"}}"#
    );
    let id = shop.call(create("deal", &deal)).await.id.unwrap();
    shop.call(update("deal", &id, r#"{"status": 1}"#)).await;
    assert_eq!(text(&shop.account().records("deal")[0], "value"), "4500");
    shop.account().include_deals(false);
    assert_eq!(shop.refused(create("deal", &deal)).await.class, Class::Permanent);
    let note = format!(r#"{{"note": "Paid", "relid": "{contact}", "reltype": "Subscriber"}}"#);
    shop.call(create("note", &note)).await;
    let start = format!(r#"{{"contact": "{contact}", "automation": "1"}}"#);
    shop.call(operation("automation.start", &start)).await;
    assert_eq!(shop.account().records("contactAutomation").len(), 1);
}

#[tokio::test]
async fn contacts_are_listed_by_their_ids() {
    let shop = Shop::new().await;
    for number in 0..5 {
        shop.account().seed(&json(&format!(r#"{{"email": "{number}@x.example"}}"#))).unwrap();
    }
    let mut cursor = None;
    let mut seen = Vec::new();
    loop {
        let page = shop.call(list("contact", "{}", 2, cursor)).await;
        seen.extend(page.records.iter().map(|record| text(&record.fields, "email").to_owned()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..5).map(|number| format!("{number}@x.example")).collect::<Vec<_>>());
    let failure = shop.refused(list("contact", r#"{"firstName": "Ann"}"#, 2, None)).await;
    assert!(failure.message.contains("contacts cannot be listed by firstName"), "{failure}");
}

#[tokio::test]
async fn the_fields_of_the_account_are_described_and_its_key_is_proved() {
    let shop = Shop::new().await;
    shop.connection.check_health().await.unwrap();
    let fields = shop.connection.describe("contact").await.unwrap().unwrap();
    let names: Vec<&str> = fields.as_list().unwrap().iter().map(|field| text(field, "name")).collect();
    assert!(
        names.contains(&"email") && names.contains(&"STRIPE_ID") && names.contains(&"cdate"),
        "{names:?}"
    );
    let status = fields.as_list().unwrap().iter().find(|field| text(field, "name") == "SUBSCRIPTION_STATUS");
    let told = |fact: &str| status.and_then(|field| field.get(fact)).map(Value::to_json).unwrap_or_default();
    assert_eq!(
        [told("also"), told("type"), told("options")],
        [r#""Subscription status""#, r#""option""#, r#"["Trial","Active","Overdue","Paused","Ended"]"#]
    );
    assert_eq!(shop.connection.describe("deal").await.unwrap(), None, "it cannot tell");
    let client = Client::new();
    let config = format!(r#"{{"url": "{}", "api_token": "wrong-token-42"}}"#, shop.account().url());
    let failure = client.open_builtin("activecampaign", &config).check_health().await.unwrap_err();
    assert_eq!(failure.class, Class::ConnectionDown);
    assert!(!format!("{failure:?}").contains("wrong-token-42"));
}
