//! Echoes: what lockstep writes comes back from both systems, and goes no further.

use lockstep::value::Value;
use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};

use crate::world::{SECRET, World};

/// The phone of an account and of its customer are the same, whoever changes it.
const PHONES: &str = "
# file: pipelines/acme/to-stripe.yaml
name: to-stripe
trigger: { schedule: { every: 1s, list: { object: salesforce.Account, since: SystemModstamp } } }
when: object.Stripe_Customer_Id__c != ()
steps:
  - update:
      object: stripe.customer
      record: $.object.Stripe_Customer_Id__c
      fields: { phone: $.object.Phone }
# file: pipelines/acme/to-salesforce.yaml
name: to-salesforce
trigger: { stripe: { events: [customer.updated] } }
steps:
  - id: account
    find: { object: salesforce.Account, match: { Stripe_Customer_Id__c: $.object.id } }
  - when: steps.account.outcome == \"found\"
    update:
      object: salesforce.Account
      record: $.steps.account.id
      fields: { Phone: $.object.phone }
";

struct Phones {
    world: World,
    customer: String,
    account: String,
}

impl Phones {
    async fn new() -> Self {
        let mut world = World::with_pipelines(PHONES).await;
        world.sandbox().stripe().hold_deliveries(true);
        world.sandbox().stripe().register_webhook("http://127.0.0.1:1/later").unwrap();
        let customer = stripe(&world, "customers", "phone=1").await["id"].as_str().unwrap().to_owned();
        let account = json!({"Name": "Acme", "Phone": "1", "Stripe_Customer_Id__c": customer});
        let account = world.sandbox().salesforce().seed("Account", &Value::from(&account)).unwrap();
        world.start(&[]);
        let phones = Self { world, customer, account };
        phones.polled().await;
        phones
    }

    /// Until a poll that began after now is over, and what it found.
    async fn polled(&self) {
        let before = self.polls().await;
        self.world.until("a poll", async || self.polls().await >= before + 2).await;
        self.world.all_ended().await;
    }

    async fn polls(&self) -> i64 {
        let reports = self.world.admin("/api/v1/reports?limit=1").await.1;
        reports["reports"][0]["number"].as_i64().unwrap_or_default()
    }

    /// Delivers what Stripe has to tell.
    async fn told(&self) {
        let (stripe, hook) = (self.world.sandbox().stripe(), self.world.hook("acme/stripe"));
        for delivery in stripe.held() {
            assert_eq!(stripe.send(&delivery.event(), &hook, SECRET).await.unwrap(), 200);
        }
        self.world.all_ended().await;
    }

    /// Everything there is to tell, from either side, until there is nothing more.
    async fn settle(&self) {
        for _ in 0..2 {
            self.told().await;
            self.polled().await;
        }
    }

    fn in_salesforce(&self, phone: &str) {
        let fields = Value::from(&json!({ "Phone": phone }));
        self.world.sandbox().salesforce().change("Account", &self.account, &fields).unwrap();
    }

    async fn in_stripe(&self, form: &str) {
        stripe(&self.world, &format!("customers/{}", self.customer), form).await;
    }

    /// The phone on both sides.
    fn phones(&self) -> (String, String) {
        let of = |records: Vec<Value>, name: &str| {
            records[0].get(name).map(ToString::to_string).unwrap_or_default()
        };
        let sandbox = self.world.sandbox();
        (
            of(sandbox.salesforce().records("Account"), "Phone"),
            of(sandbox.stripe().records("customer"), "phone"),
        )
    }

    /// How often lockstep has written into Salesforce and into Stripe.
    fn writes(&self) -> (usize, usize) {
        let sandbox = self.world.sandbox();
        let org = sandbox.salesforce().calls().iter().filter(|call| call.method.as_str() == "PATCH").count();
        let ours = |key: &str| key.starts_with("lockstep-");
        let marked = sandbox.stripe().calls();
        (org, marked.iter().filter(|call| call.header("idempotency-key").is_some_and(ours)).count())
    }

    /// Why runs were skipped.
    fn skipped(&self) -> Vec<String> {
        let runs = self.world.json(&["runs", "--outcome", "skipped"]);
        let reason = |run: &Json| run["reason"].as_str().unwrap().to_owned();
        runs["runs"].as_array().unwrap().iter().map(reason).collect()
    }
}

async fn stripe(world: &World, path: &str, form: &str) -> Json {
    let stripe = world.sandbox().stripe();
    let request = world.http().post(format!("{}/v1/{path}", stripe.url())).bearer_auth(stripe.api_key());
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    request.send().await.unwrap().json().await.unwrap()
}

fn both(phone: &str) -> (String, String) {
    (phone.to_owned(), phone.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_one_side_is_one_write_on_the_other_and_its_echo_is_skipped() {
    let phones = Phones::new().await;
    phones.in_salesforce("2");
    phones.polled().await;
    phones.settle().await;
    assert_eq!((phones.phones(), phones.writes()), (both("2"), (0, 1)));
    let skipped = phones.skipped();
    assert!(skipped.len() == 1 && skipped[0].starts_with("echo of run "), "{skipped:?}");
    let event = phones.world.json(&["events"])["events"][0]["id"].as_str().unwrap().to_owned();
    let shown = String::from_utf8(phones.world.lockstep(&["events", "show", &event]).stdout).unwrap();
    assert!(shown.contains("echo of run "), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_same_the_other_way_round() {
    let phones = Phones::new().await;
    phones.in_stripe("phone=3").await;
    phones.settle().await;
    assert_eq!((phones.phones(), phones.writes()), (both("3"), (1, 0)));
    let skipped = phones.skipped();
    assert!(skipped.len() == 1 && skipped[0].starts_with("echo of run "), "{skipped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_change_back_is_no_echo_and_neither_is_one_to_what_we_wrote_before() {
    let phones = Phones::new().await;
    for (step, phone) in ["2", "1", "2"].into_iter().enumerate() {
        phones.in_stripe(&format!("phone={phone}")).await;
        phones.settle().await;
        assert_eq!((phones.phones(), phones.writes()), (both(phone), (step + 1, 0)));
    }
    // What lockstep wrote last into Salesforce is 2: somebody changes it there, and back.
    for (step, phone) in ["4", "2"].into_iter().enumerate() {
        phones.in_salesforce(phone);
        phones.polled().await;
        phones.settle().await;
        assert_eq!((phones.phones(), phones.writes()), (both(phone), (3, step + 1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_changes_together_with_it_is_news() {
    let phones = Phones::new().await;
    phones.in_salesforce("2");
    phones.polled().await;
    // Another field of the same record, before its echo was delivered.
    phones.in_stripe("phone=5&name=Other").await;
    phones.settle().await;
    assert_eq!(phones.phones(), both("5"));
    assert_eq!(phones.writes(), (1, 1));
}
