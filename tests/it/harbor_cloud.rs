//! Sales in Salesforce, billing in Stripe, both ways: the example client of `pipelines/harbor-cloud` between the two simulators, over
//! real HTTP, counted on both sides.

use std::fmt::Write;
use std::fs;
use std::ops::Deref;
use std::path::Path;

use lockstep::sandbox::stripe::{Person, Story};
use lockstep::sandbox::{Fault, Salesforce};
use lockstep::value::Value;
use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};

use crate::world::World;

const EMAIL: &str = "ap@acme.example";

/// The example client, running: its polls look each second.
struct Harbor {
    world: World,
    /// What Stripe's deliveries are signed with.
    secret: String,
    /// What is sold: the entry of the price book, and the book.
    entry: String,
    book: String,
}

impl Deref for Harbor {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

fn value(fields: &Json) -> Value {
    Value::from(fields)
}

fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number that is whole: `450` is one.
fn number(record: &Value, path: &[&str]) -> i64 {
    let text = record.at(path).map(ToString::to_string).unwrap_or_default();
    text.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or_default()
}

async fn harbor() -> Harbor {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/harbor-cloud");
    let mut example = String::new();
    for file in fs::read_dir(client).unwrap().map(|file| file.unwrap()) {
        let name = file.file_name().into_string().unwrap();
        if file.path().is_file() && !name.ends_with(".test.yaml") {
            let text = fs::read_to_string(file.path()).unwrap().replace("every: 1m", "every: 1s");
            let _ = writeln!(example, "# file: pipelines/harbor-cloud/{name}\n{text}");
        }
    }
    let mut world = World::with(&example).await;
    let (stripe, org) = (world.sandbox().stripe(), world.sandbox().salesforce());
    stripe.hold_deliveries(true);
    let secret = stripe.register_webhook("http://127.0.0.1:1/later").unwrap();
    let environment = [
        ("LOCKSTEP_ENV", "sandbox".to_owned()),
        ("HARBOR_STRIPE_URL", stripe.url()),
        ("HARBOR_SF_URL", org.url()),
        ("HARBOR_STRIPE_KEY", stripe.api_key().to_owned()),
        ("HARBOR_STRIPE_WHSEC", secret.clone()),
        ("HARBOR_SF_CLIENT_ID", org.client_id()),
        ("HARBOR_SF_CLIENT_SECRET", org.client_secret()),
        ("HARBOR_SLACK_WEBHOOK", world.sandbox().slack().webhook_url()),
    ];
    let (book, entry) = price_book(org);
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.start(&environment);
    // What there is when a poll first looks is history.
    world
        .until("both polls have looked", async || {
            polls(&world, "closed-won").await > 0 && polls(&world, "seats").await > 0
        })
        .await;
    Harbor { world, secret, entry, book }
}

/// The number of the newest poll that is over.
async fn polls(world: &World, pipeline: &str) -> i64 {
    let reports = world.admin("/api/v1/reports?limit=1000").await.1;
    let of_it = |report: &&Json| report["poll"] == pipeline;
    reports["reports"]
        .as_array()
        .unwrap()
        .iter()
        .find(of_it)
        .map_or(0, |report| report["number"].as_i64().unwrap())
}

fn price_book(org: &Salesforce) -> (String, String) {
    let seed = |object: &str, fields: Json| org.seed(object, &value(&fields)).unwrap();
    let product = seed("Product2", json!({"Name": "Harbor seat", "ProductCode": "SEAT", "IsActive": true}));
    let book = seed("Pricebook2", json!({"Name": "Standard", "IsActive": true}));
    let entry = json!({"Pricebook2Id": book, "Product2Id": product, "UnitPrice": 500, "IsActive": true});
    (book, seed("PricebookEntry", entry))
}

impl Harbor {
    fn org(&self) -> &Salesforce {
        self.sandbox().salesforce()
    }

    fn account(&self, fields: &Json) -> String {
        self.org().seed("Account", &value(fields)).unwrap()
    }

    /// A deal over so many seats at a price of its own, which is won: the opportunity and its line.
    fn wins(&self, account: &str, seats: u32) -> (String, String) {
        let deal = json!({"Name": "Acme 2026", "AccountId": account, "StageName": "Negotiation/Review",
            "CloseDate": "2026-03-31", "Pricebook2Id": self.book});
        let deal = self.org().seed("Opportunity", &value(&deal)).unwrap();
        let line = json!({"OpportunityId": deal, "PricebookEntryId": self.entry, "Quantity": seats, "UnitPrice": 450});
        let line = self.org().seed("OpportunityLineItem", &value(&line)).unwrap();
        self.org().change("Opportunity", &deal, &value(&json!({"StageName": "Closed Won"}))).unwrap();
        (deal, line)
    }

    fn record(&self, object: &str, id: &str) -> Value {
        self.org().records(object).into_iter().find(|record| text(record, "Id") == id).unwrap()
    }

    /// The deal's subscription, as Stripe has it.
    fn subscription(&self, deal: &str) -> Value {
        let all = self.sandbox().stripe().records("subscription");
        let of_deal = |it: &Value| {
            it.at(&["metadata", "salesforce_opportunity_id"]).and_then(Value::as_str) == Some(deal)
        };
        all.into_iter().find(of_deal).unwrap()
    }

    fn seats_billed(&self, deal: &str) -> i64 {
        let subscription = self.subscription(deal);
        let items = subscription.at(&["items", "data"]).and_then(Value::as_list).unwrap_or_default();
        items.iter().map(|item| number(item, &["quantity"])).sum()
    }

    async fn until_billed(&self, deal: &str) {
        let known = || !text(&self.record("Opportunity", deal), "Stripe_Subscription_Id__c").is_empty();
        self.until("the deal knows its subscription", async || known()).await;
        self.all_ended().await;
    }

    /// Delivers what Stripe has to tell, each twice, and waits for what comes of it.
    async fn told(&self) {
        let (stripe, hook) = (self.sandbox().stripe(), self.hook("harbor-cloud/stripe"));
        for delivery in stripe.held() {
            for _ in 0..2 {
                let status = stripe.send(&delivery.event(), &hook, &self.secret).await.unwrap();
                assert_eq!(status, 200, "{}", delivery.event_type());
            }
        }
        self.all_ended().await;
    }

    /// Until both polls have looked at what there is now.
    async fn polled(&self) {
        for pipeline in ["closed-won", "seats"] {
            let before = polls(self, pipeline).await;
            // The first that ends may have begun before.
            self.until("a poll has looked", async || polls(self, pipeline).await >= before + 2).await;
        }
        self.all_ended().await;
    }

    /// A call of Stripe's API, as its dashboard makes them.
    async fn stripe(&self, path: &str, form: &str) -> Json {
        let stripe = self.sandbox().stripe();
        let request = self.http().post(format!("{}/v1/{path}", stripe.url()));
        let request = request.header("authorization", format!("Bearer {}", stripe.api_key()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(form.to_owned()).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn ended(&self, outcome: &str) -> Vec<String> {
        let runs = self.json(&["runs", "--outcome", outcome]);
        runs["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

fn acme() -> Json {
    json!({"Name": "Acme Ltd", "Billing_Email__c": EMAIL, "Tax_Id__c": "DE123456789", "Tax_Id_Type__c": "eu_vat"})
}

/// A customer of before, who has left a card.
const WITH_CARD: &str = "name=Acme&email=ap@acme.example&payment_method=pm_card_visa";

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_that_is_won_is_billed_paid_and_told_on_both_sides() {
    let harbor = harbor().await;
    let customer = harbor.stripe("customers", WITH_CARD).await["id"].as_str().unwrap().to_owned();
    let account = harbor.account(&acme());
    let (deal, line) = harbor.wins(&account, 12);
    harbor.until_billed(&deal).await;
    let subscription = harbor.subscription(&deal);
    assert_eq!(
        (text(&subscription, "customer"), text(&subscription, "status")),
        (customer.as_str(), "active")
    );
    let item = subscription.at(&["items", "data"]).and_then(Value::as_list).unwrap()[0].clone();
    assert_eq!((number(&item, &["quantity"]), number(&item, &["price", "unit_amount"])), (12, 45_000));
    assert_eq!(item.at(&["price", "recurring", "interval"]).and_then(Value::as_str), Some("year"));
    assert_eq!(text(&harbor.record("Account", &account), "Stripe_Customer_Id__c"), customer);
    assert_eq!(text(&harbor.sandbox().stripe().records("tax_id")[0], "value"), "DE123456789");

    harbor.told().await;
    harbor.polled().await;
    let told = harbor.record("Account", &account);
    assert_eq!((number(&told, &["Lifetime_Value__c"]), number(&told, &["ARR__c"])), (5_400, 5_400));
    assert_eq!((text(&told, "Subscription_Status__c"), text(&told, "Lifecycle__c")), ("Active", "Customer"));
    let first = text(&told, "First_Payment_At__c").to_owned();
    assert!(!first.is_empty());
    assert_eq!(text(&harbor.record("Opportunity", &deal), "Billing_Status__c"), "Activated");

    let echoes = harbor.ended("skipped").iter().filter(|reason| reason.starts_with("echo of run ")).count();
    assert!(echoes >= 2, "both polls find the ids that were written back, and nothing else");

    // Whatever else changes about the deal, it is billed once.
    for step in ["Call", "Mail"] {
        harbor.org().change("Opportunity", &deal, &value(&json!({ "NextStep": step }))).unwrap();
        harbor.polled().await;
    }
    let person = Person::new("Acme", EMAIL);
    harbor.sandbox().stripe().play(Story::Renews, &person).unwrap();
    harbor.told().await;
    let told = harbor.record("Account", &account);
    assert_eq!(number(&told, &["Lifetime_Value__c"]), 10_800, "computed anew, not added up");
    assert_eq!(text(&told, "First_Payment_At__c"), first, "written once");
    let created = harbor.sandbox().stripe().counts().creates;
    assert_eq!((created["customer"], created["subscription"], created["tax_id"]), (1, 1, 1));
    assert_eq!(harbor.org().counts().creates.get("Task"), None);
    assert_eq!(number(&harbor.record("OpportunityLineItem", &line), &["Quantity"]), 12);
    assert_eq!((harbor.ended("dead"), harbor.ended("conflict")), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_change_on_either_side_and_the_other_follows() {
    let harbor = harbor().await;
    let account = harbor.account(&acme());
    let (deal, line) = harbor.wins(&account, 12);
    harbor.until_billed(&deal).await;
    harbor.told().await;
    harbor.polled().await;
    assert_eq!(text(&harbor.subscription(&deal), "collection_method"), "send_invoice", "nobody left a card");

    harbor.org().change("OpportunityLineItem", &line, &value(&json!({"Quantity": 15}))).unwrap();
    harbor.until("Stripe bills 15 seats", async || harbor.seats_billed(&deal) == 15).await;
    let prorated = harbor.sandbox().stripe().records("invoiceitem");
    assert_eq!(prorated.len(), 1, "the rest of the year, once");
    assert!(number(&prorated[0], &["amount"]) > 130_000);
    harbor.told().await;
    harbor.polled().await;
    let told = harbor.record("Account", &account);
    assert_eq!((number(&told, &["ARR__c"]), text(&told, "Plan_Change__c")), (6_750, "Upgrade"));

    let item = harbor.subscription(&deal).at(&["items", "data"]).and_then(Value::as_list).unwrap()[0].clone();
    let lines_written = writes(&harbor, "PATCH", "/sobjects/OpportunityLineItem/");
    harbor.stripe(&format!("subscription_items/{}", text(&item, "id")), "quantity=8").await;
    harbor.told().await;
    harbor.polled().await;
    assert_eq!(number(&harbor.record("OpportunityLineItem", &line), &["Quantity"]), 8);
    assert_eq!(number(&harbor.record("Opportunity", &deal), &["Amount"]), 3_600, "the deal's amount follows");
    let told = harbor.record("Account", &account);
    assert_eq!((number(&told, &["ARR__c"]), text(&told, "Plan_Change__c")), (3_600, "Downgrade"));
    assert_eq!(
        writes(&harbor, "PATCH", "/sobjects/OpportunityLineItem/"),
        lines_written + 1,
        "and nothing comes back"
    );
    assert_eq!(harbor.seats_billed(&deal), 8);
    assert_eq!((harbor.ended("dead"), harbor.ended("conflict")), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_both_sides_changed_the_seats_the_deal_counts_and_the_audit_says_so() {
    let harbor = harbor().await;
    let account = harbor.account(&acme());
    let (deal, line) = harbor.wins(&account, 12);
    harbor.until_billed(&deal).await;
    harbor.told().await;
    let seats = |count: u32| value(&json!({ "Quantity": count }));
    harbor.org().change("OpportunityLineItem", &line, &seats(15)).unwrap();
    harbor.until("Stripe bills 15 seats", async || harbor.seats_billed(&deal) == 15).await;
    harbor.told().await;

    let item = harbor.subscription(&deal).at(&["items", "data"]).and_then(Value::as_list).unwrap()[0].clone();
    harbor.stripe(&format!("subscription_items/{}", text(&item, "id")), "quantity=8").await;
    harbor.org().change("OpportunityLineItem", &line, &seats(20)).unwrap();
    harbor.told().await;
    harbor.until("Stripe bills 20 seats", async || harbor.seats_billed(&deal) == 20).await;
    harbor.told().await;
    harbor.polled().await;
    assert_eq!(number(&harbor.record("OpportunityLineItem", &line), &["Quantity"]), 20);
    assert_eq!(harbor.seats_billed(&deal), 20);
    let audit = harbor.json(&["audit"]).to_string();
    assert!(audit.contains("was changed on both sides: salesforce wins"), "{audit}");
    assert_eq!((harbor.ended("dead"), harbor.ended("conflict")), (vec![], vec![]));
}

/// The calls that Salesforce got, by method and a part of the path.
fn writes(harbor: &Harbor, method: &str, part: &str) -> usize {
    let calls = harbor.org().calls();
    calls.iter().filter(|call| call.method.as_str() == method && call.path.contains(part)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_payment_is_one_task_and_who_leaves_is_one_churn_record() {
    let harbor = harbor().await;
    harbor.stripe("customers", WITH_CARD).await;
    let account = harbor.account(&acme());
    let (deal, _) = harbor.wins(&account, 12);
    harbor.until_billed(&deal).await;
    harbor.told().await;
    let (stripe, person) = (harbor.sandbox().stripe(), Person::new("Acme", EMAIL));
    stripe.play(Story::RenewalFails, &person).unwrap();
    harbor.told().await;
    let tasks = harbor.org().records("Task");
    assert_eq!(tasks.len(), 1);
    assert_eq!(
        (text(&tasks[0], "Dunning_Status__c"), text(&tasks[0], "Priority")),
        ("Attempt 1 failed", "High")
    );
    assert_eq!((number(&tasks[0], &["Amount_Due__c"]), number(&tasks[0], &["At_Risk_MRR__c"])), (5_400, 450));
    assert!(!text(&tasks[0], "Next_Payment_Attempt__c").is_empty());
    assert_eq!(text(&harbor.record("Account", &account), "Subscription_Status__c"), "Payment Overdue");

    stripe.play(Story::Cancels, &person).unwrap();
    harbor.told().await;
    harbor.polled().await;
    let churn = harbor.org().records("Churn__c");
    assert_eq!(churn.len(), 1);
    assert_eq!(
        (text(&churn[0], "Account__c"), text(&churn[0], "Opportunity__c")),
        (account.as_str(), deal.as_str())
    );
    assert_eq!(number(&churn[0], &["Lost_ARR__c"]), 5_400);
    let told = harbor.record("Account", &account);
    assert_eq!((text(&told, "Lifecycle__c"), text(&told, "Subscription_Status__c")), ("Churned", "Canceled"));
    assert_eq!(number(&told, &["ARR__c"]), 0);
    assert_eq!(text(&harbor.record("Opportunity", &deal), "Billing_Status__c"), "Canceled");
    let created = harbor.org().counts().creates;
    assert_eq!((created["Task"], created["Churn__c"]), (1, 1));
    assert_eq!((harbor.ended("dead"), harbor.ended("conflict")), (vec![], vec![]));
}

// Invariant 2: a create whose answer was lost is looked for before anything is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_bill_nothing_twice() {
    let harbor = harbor().await;
    let (stripe, org) = (harbor.sandbox().stripe(), harbor.org());
    for path in ["/v1/customers", "/v1/subscriptions", "/v1/products"] {
        stripe.faults().add(Fault::reset().after_the_work().on("POST", path));
    }
    org.faults().add(Fault::answer(503).on("PATCH", "*/Opportunity/*"));
    let account = harbor.account(&acme());
    let (deal, _) = harbor.wins(&account, 3);
    harbor.until_billed(&deal).await;
    assert_eq!((stripe.faults().left(), org.faults().left()), (0, 0), "all of them were met");
    let created = stripe.counts().creates;
    assert_eq!((created["customer"], created["subscription"], created["product"]), (1, 1, 1));
    assert_eq!(harbor.ended("dead"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_deal_is_a_subscription_that_ends_together_with_the_first() {
    let harbor = harbor().await;
    let account = harbor.account(&acme());
    let (first, _) = harbor.wins(&account, 12);
    harbor.until_billed(&first).await;
    let (second, _) = harbor.wins(&account, 2);
    harbor.until_billed(&second).await;
    let ends = |deal: &str| {
        let subscription = harbor.subscription(deal);
        let items = subscription.at(&["items", "data"]).and_then(Value::as_list).unwrap_or_default();
        number(&items[0], &["current_period_end"])
    };
    assert_eq!(ends(&first), ends(&second));
    let created = harbor.sandbox().stripe().counts().creates;
    assert_eq!((created["customer"], created["subscription"]), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_bill_is_a_conflict_that_says_why() {
    let harbor = harbor().await;
    let nameless = harbor.account(&json!({"Name": "Nameless"}));
    harbor.wins(&nameless, 3);
    harbor.until("a person is asked", async || !harbor.ended("conflict").is_empty()).await;
    let conflicts = harbor.ended("conflict");
    assert!(conflicts.iter().all(|reason| reason.contains("has no billing e-mail")), "{conflicts:?}");
    assert!(harbor.sandbox().stripe().records("customer").is_empty());
    let messages = async || !harbor.sandbox().slack().messages().is_empty();
    harbor.until("people hear of it", messages).await;
}
