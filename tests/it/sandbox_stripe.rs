//! The traps of Stripe's API, each against the simulator.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep::clock::FixedClock;
use lockstep::sandbox::stripe::{Delivery, Person, Story};
use lockstep::sandbox::{Fault, Sandbox, SandboxOptions, Stripe};
use lockstep::value::Value;
use pretty_assertions::assert_eq;

struct World {
    sandbox: Sandbox,
    clock: Arc<FixedClock>,
    client: reqwest::Client,
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_second(1_793_448_000).unwrap()));
        let options = SandboxOptions { clock: clock.clone(), ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { sandbox, clock, client }
    }

    fn stripe(&self) -> &Stripe {
        self.sandbox.stripe()
    }

    fn passes(&self, seconds: i64) {
        let now = lockstep::clock::Clock::now(&*self.clock).as_second();
        self.clock.set(Timestamp::from_second(now + seconds).unwrap());
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        form: &str,
        key: Option<&str>,
    ) -> Result<Answer, reqwest::Error> {
        let query = if method == "POST" || form.is_empty() { String::new() } else { format!("?{form}") };
        let url = format!("{}/v1/{path}{query}", self.stripe().url());
        let mut request = self
            .client
            .request(method.parse().unwrap(), url)
            .bearer_auth(self.stripe().api_key())
            .header("stripe-version", "2026-10-28.endive");
        if method == "POST" {
            request =
                request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = Value::from_json(&response.bytes().await?).unwrap_or_default();
        Ok(Answer { status, headers, body })
    }

    async fn get(&self, path: &str, query: &str) -> Answer {
        self.call("GET", path, query, None).await.unwrap()
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        self.call("POST", path, form, None).await.unwrap()
    }

    /// Posts what must succeed, and gives the object's id.
    async fn make(&self, path: &str, form: &str) -> String {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status, 200, "{path} {form}: {}", answer.body);
        answer.text(&["id"])
    }

    async fn price(&self, amount: i64) -> String {
        let form =
            format!("currency=usd&unit_amount={amount}&recurring[interval]=month&product_data[name]=Team");
        self.make("prices", &form).await
    }

    async fn customer(&self) -> String {
        self.make("customers", "email=ann%40x.example&payment_method=pm_card_visa").await
    }
}

impl Answer {
    fn at(&self, path: &[&str]) -> Value {
        self.body.at(path).cloned().unwrap_or_default()
    }

    fn text(&self, path: &[&str]) -> String {
        self.at(path).to_string()
    }

    fn ids(&self) -> Vec<String> {
        let rows = self.at(&["data"]);
        rows.as_list().unwrap().iter().map(|row| row.get("id").unwrap().to_string()).collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_errors_have_their_shape() {
    let world = World::new().await;
    let missing = world.get("customers/cus_none", "").await;
    assert_eq!(missing.status, 404);
    assert!(missing.header("request-id").unwrap().starts_with("req_"));
    assert_eq!(missing.text(&["error", "code"]), "resource_missing");
    assert_eq!(missing.text(&["error", "message"]), "No such customer: 'cus_none'");
    assert_eq!(missing.text(&["error", "type"]), "invalid_request_error");
    assert_eq!(world.get("nothing", "").await.status, 404);
}

#[tokio::test]
async fn parameters_are_checked_strictly() {
    let world = World::new().await;
    for (form, code, param) in [
        ("emial=x", "parameter_unknown", "emial"),
        ("address[town]=Rome", "parameter_unknown", "address[town]"),
        ("balance=five", "parameter_invalid_integer", "balance"),
        ("email=nobody", "email_invalid", "email"),
    ] {
        let answer = world.post("customers", form).await;
        assert_eq!((answer.status, answer.text(&["error", "code"])), (400, code.to_owned()), "{form}");
        assert_eq!(answer.text(&["error", "param"]), param);
    }
    let unknown_filter = world.get("customers", "mail=x").await;
    assert_eq!(unknown_filter.text(&["error", "code"]), "parameter_unknown");
    assert_eq!(world.stripe().counts().writes, 0, "nothing was written");
}

#[tokio::test]
async fn a_wrong_key_or_version_is_refused() {
    let world = World::new().await;
    let url = format!("{}/v1/customers", world.stripe().url());
    let wrong = world.client.get(&url).bearer_auth("sk_test_other").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let none = world.client.get(&url).send().await.unwrap();
    assert_eq!(none.status(), 401);
    let basic = world.client.get(&url).basic_auth(world.stripe().api_key(), Some("")).send().await.unwrap();
    assert_eq!(basic.status(), 200);
    let version =
        world.client.get(&url).bearer_auth(world.stripe().api_key()).header("stripe-version", "newest");
    assert_eq!(version.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn lists_are_newest_first_and_shift_while_they_are_paged() {
    let world = World::new().await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(world.make("customers", &format!("name=n{n}")).await);
        world.passes(1);
    }
    let first = world.get("customers", "limit=2").await;
    assert_eq!(first.ids(), [made[4].clone(), made[3].clone()]);
    assert_eq!(first.at(&["has_more"]), Value::from(true));
    let newer = world.make("customers", "name=newer").await;
    let second = world.get("customers", &format!("limit=10&starting_after={}", made[3])).await;
    assert_eq!(
        second.ids(),
        [made[2].clone(), made[1].clone(), made[0].clone()],
        "{newer} is before the cursor"
    );
    assert_eq!(second.at(&["has_more"]), Value::from(false));
    let back = world.get("customers", &format!("limit=1&ending_before={}", made[3])).await;
    assert_eq!(back.ids(), [made[4].clone()]);
    assert_eq!(world.get("customers", "limit=101").await.status, 400);
}

#[tokio::test]
async fn an_idempotency_key_keeps_the_first_result_for_a_day() {
    let world = World::new().await;
    let create = |form: &'static str| world.call("POST", "customers", form, Some("k1"));
    let first = create("name=Ann").await.unwrap();
    let again = create("name=Ann").await.unwrap();
    assert_eq!(again.text(&["id"]), first.text(&["id"]));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = create("name=Bob").await.unwrap();
    assert_eq!((other.status, other.text(&["error", "type"])), (400, "idempotency_error".to_owned()));
    world.passes(24 * 60 * 60);
    let forgotten = create("name=Bob").await.unwrap();
    assert_eq!(forgotten.status, 200, "a key protects nothing after a day");
    assert_eq!(world.stripe().counts().creates["customer"], 2);
}

#[tokio::test]
async fn a_validation_failure_is_not_kept_under_its_key_and_a_decline_is() {
    let world = World::new().await;
    let refused = world.call("POST", "customers", "emial=x", Some("k1")).await.unwrap();
    assert_eq!(refused.status, 400);
    let repaired = world.call("POST", "customers", "email=a%40x.example", Some("k1")).await.unwrap();
    assert_eq!(repaired.status, 200);
    let form = "amount=500&currency=usd&payment_method=pm_card_chargeDeclined&confirm=true";
    let declined = world.call("POST", "payment_intents", form, Some("k2")).await.unwrap();
    assert_eq!((declined.status, declined.text(&["error", "code"])), (402, "card_declined".to_owned()));
    let again = world.call("POST", "payment_intents", form, Some("k2")).await.unwrap();
    assert_eq!((again.status, again.header("idempotent-replayed")), (402, Some("true")));
}

#[tokio::test]
async fn a_500_is_the_result_of_its_key() {
    let world = World::new().await;
    world.stripe().faults().add(Fault::answer(500).on("POST", "/v1/customers").after_the_work());
    let first = world.call("POST", "customers", "name=Ann", Some("k1")).await.unwrap();
    let again = world.call("POST", "customers", "name=Ann", Some("k1")).await.unwrap();
    assert_eq!((first.status, again.status), (500, 500));
    assert_eq!(world.get("customers", "").await.ids().len(), 1, "it was carried out all the same");
}

#[tokio::test]
async fn a_429_is_not_kept_and_may_say_whether_to_retry() {
    let world = World::new().await;
    let busy = Fault::answer(429).header("stripe-should-retry", "true").header("retry-after", "2");
    world.stripe().faults().add(busy);
    world.stripe().faults().add(Fault::answer(429));
    let first = world.call("POST", "customers", "name=Ann", Some("k1")).await.unwrap();
    assert_eq!((first.status, first.header("stripe-should-retry")), (429, Some("true")));
    assert_eq!(first.header("retry-after"), Some("2"));
    let second = world.call("POST", "customers", "name=Ann", Some("k1")).await.unwrap();
    assert_eq!((second.status, second.header("stripe-should-retry")), (429, None));
    assert_eq!(world.call("POST", "customers", "name=Ann", Some("k1")).await.unwrap().status, 200);
}

#[tokio::test]
async fn the_same_key_at_the_same_time_is_a_conflict() {
    let world = World::new().await;
    world.stripe().faults().latency(Duration::from_millis(300));
    let create = || world.call("POST", "customers", "name=Ann", Some("k1"));
    let (one, two) = tokio::join!(create(), create());
    let mut statuses = [one.unwrap().status, two.unwrap().status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn requests_beyond_the_rate_are_refused_before_anything_else() {
    let world = World::new().await;
    world.stripe().rate_limit(Some(2));
    assert_eq!(world.get("customers", "").await.status, 200);
    assert_eq!(world.get("customers", "").await.status, 200);
    let refused = world.call("POST", "customers", "name=Ann", Some("k1")).await.unwrap();
    assert_eq!((refused.status, refused.header("stripe-rate-limited-reason")), (429, Some("global-rate")));
    world.passes(1);
    assert_eq!(world.call("POST", "customers", "name=Ann", Some("k1")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_lock_timeout_is_a_429_that_is_no_rate_limit() {
    let world = World::new().await;
    world.stripe().faults().add(Stripe::lock_timeout());
    let answer = world.post("customers", "name=Ann").await;
    assert_eq!((answer.status, answer.text(&["error", "code"])), (429, "lock_timeout".to_owned()));
    assert_eq!(answer.text(&["error", "type"]), "invalid_request_error");
    assert_eq!(answer.header("stripe-rate-limited-reason"), None);
}

#[tokio::test]
async fn a_connection_can_be_reset_before_or_after_the_write() {
    let world = World::new().await;
    world.stripe().faults().add(Fault::reset().on("POST", "/v1/customers"));
    assert!(world.call("POST", "customers", "name=Ann", None).await.is_err());
    assert_eq!(world.stripe().records("customer").len(), 0);
    world.stripe().faults().add(Fault::reset().on("POST", "/v1/customers").after_the_work());
    assert!(world.call("POST", "customers", "name=Ann", Some("k1")).await.is_err());
    assert_eq!(world.stripe().records("customer").len(), 1);
    let retried = world.call("POST", "customers", "name=Ann", Some("k1")).await.unwrap();
    assert_eq!((retried.status, world.stripe().records("customer").len()), (200, 1));
}

#[tokio::test]
async fn silence_truncation_and_a_proxys_page_can_be_met() {
    let world = World::new().await;
    world.stripe().faults().add(Fault::silence());
    let silent =
        tokio::time::timeout(Duration::from_millis(300), world.call("GET", "customers", "", None)).await;
    assert!(silent.is_err(), "nothing is said");
    world.stripe().faults().add(Fault::truncated());
    assert_eq!(world.get("customers", "").await.body, Value::Null, "half a body is no JSON");
    world.stripe().faults().add(Fault::html(502));
    let page = world.get("customers", "").await;
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
}

#[tokio::test]
async fn e_mails_are_found_exactly_as_sent_and_search_lags() {
    let world = World::new().await;
    let id = world.make("customers", "email=Ann%40x.example").await;
    assert_eq!(world.get("customers", "email=Ann%40x.example").await.ids(), vec![id.clone()]);
    assert_eq!(world.get("customers", "email=ann%40x.example").await.ids(), Vec::<String>::new());
    world.stripe().search_lag(Duration::from_mins(1));
    let query = "query=email%3A%22ann%40x.example%22";
    assert_eq!(
        world.get("customers/search", query).await.ids(),
        Vec::<String>::new(),
        "not read after write"
    );
    world.passes(60);
    let found = world.get("customers/search", query).await;
    assert_eq!((found.ids(), found.text(&["object"])), (vec![id], "search_result".to_owned()));
}

#[tokio::test]
async fn deleting_a_customer_ends_its_subscriptions_and_leaves_a_stub() {
    let world = World::new().await;
    let (customer, price) = (world.customer().await, world.price(1500).await);
    world.make("subscriptions", &format!("customer={customer}&items[0][price]={price}")).await;
    let deleted = world.call("DELETE", &format!("customers/{customer}"), "", None).await.unwrap();
    assert_eq!((deleted.status, deleted.at(&["deleted"])), (200, Value::from(true)));
    let read = world.get(&format!("customers/{customer}"), "").await;
    assert_eq!((read.status, read.at(&["deleted"])), (200, Value::from(true)));
    assert_eq!(world.post(&format!("customers/{customer}"), "name=x").await.status, 404);
    let newest = world.get("events", "limit=2").await.at(&["data"]);
    let types: Vec<_> =
        newest.as_list().unwrap().iter().map(|event| event.get("type").unwrap().to_string()).collect();
    assert_eq!(types, ["customer.deleted", "customer.subscription.deleted"]);
}

#[tokio::test]
async fn another_price_takes_the_quantity_back_to_one_and_an_item_without_id_is_added() {
    let world = World::new().await;
    let (customer, price, bigger) =
        (world.customer().await, world.price(1500).await, world.price(4900).await);
    let form = format!("customer={customer}&items[0][price]={price}&items[0][quantity]=7");
    let made = world.post("subscriptions", &form).await;
    let (id, items) = (made.text(&["id"]), made.at(&["items", "data"]));
    let item = items.as_list().unwrap()[0].get("id").unwrap().to_string();
    let form = format!("items[0][id]={item}&items[0][price]={bigger}");
    let items = world.post(&format!("subscriptions/{id}"), &form).await.at(&["items", "data"]);
    assert_eq!(items.as_list().unwrap()[0].get("quantity"), Some(&Value::from(1)));
    let form = format!("items[0][price]={price}");
    let items = world.post(&format!("subscriptions/{id}"), &form).await.at(&["items", "data"]);
    assert_eq!(items.as_list().unwrap().len(), 2);
}

#[tokio::test]
async fn canceled_subscriptions_are_not_listed_unless_asked_for() {
    let world = World::new().await;
    let (customer, price) = (world.customer().await, world.price(1500).await);
    let id = world.make("subscriptions", &format!("customer={customer}&items[0][price]={price}")).await;
    world.call("DELETE", &format!("subscriptions/{id}"), "", None).await.unwrap();
    for (query, count) in [("", 0), ("status=all", 1), ("status=canceled", 1), ("status=ended", 1)] {
        assert_eq!(world.get("subscriptions", query).await.ids().len(), count, "{query}");
    }
}

#[tokio::test]
async fn cancelling_later_is_an_update_and_no_end() {
    let world = World::new().await;
    let (customer, price) = (world.customer().await, world.price(1500).await);
    let id = world.make("subscriptions", &format!("customer={customer}&items[0][price]={price}")).await;
    let later = world.post(&format!("subscriptions/{id}"), "cancel_at_period_end=true").await;
    assert_eq!(later.text(&["status"]), "active");
    assert_eq!(
        (later.at(&["ended_at"]), later.at(&["canceled_at"])),
        (Value::Null, Value::from(1_793_448_000))
    );
    let newest = world.get("events", "limit=1").await.at(&["data"]);
    let event = &newest.as_list().unwrap()[0];
    assert_eq!(event.get("type").unwrap().to_string(), "customer.subscription.updated");
    assert_eq!(event.at(&["data", "previous_attributes", "cancel_at_period_end"]), Some(&Value::from(false)));
}

#[tokio::test]
async fn invoices_are_numbered_when_finalized_and_leave_pending_items_alone() {
    let world = World::new().await;
    let customer = world.customer().await;
    world.make("invoiceitems", &format!("customer={customer}&amount=700&currency=usd")).await;
    let plain = world.post("invoices", &format!("customer={customer}")).await;
    assert_eq!((plain.at(&["total"]), plain.at(&["number"])), (Value::from(0), Value::Null));
    let form = format!("customer={customer}&pending_invoice_items_behavior=include");
    let with_items = world.post("invoices", &form).await;
    assert_eq!(with_items.at(&["total"]), Value::from(700));
    let open = world.post(&format!("invoices/{}/finalize", with_items.text(&["id"])), "").await;
    assert!(open.text(&["number"]).ends_with("-0001"), "{}", open.text(&["number"]));
    assert_eq!(open.text(&["status"]), "open");
}

#[tokio::test]
async fn expansion_is_bounded_and_strict() {
    let world = World::new().await;
    let customer = world.customer().await;
    let price = world.price(1500).await;
    let made = world
        .post(
            "subscriptions",
            &format!("customer={customer}&items[0][price]={price}&expand[]=customer&expand[]=items.data.price.product"),
        )
        .await;
    assert_eq!(made.text(&["customer", "email"]), "ann@x.example");
    let items = made.at(&["items", "data"]);
    assert_eq!(items.as_list().unwrap()[0].at(&["price", "product", "name"]), Some(&Value::from("Team")));
    for path in ["email", "nothing", "a.b.c.d.e"] {
        let refused = world.get(&format!("customers/{customer}"), &format!("expand[]={path}")).await;
        assert_eq!(refused.status, 400, "{path}");
    }
    let plain = world.get(&format!("customers/{customer}"), "").await;
    assert_eq!(plain.body.get("subscriptions"), None, "only when expanded");
}

#[tokio::test]
async fn tax_ids_are_unique_and_a_refund_is_told_by_the_charge() {
    let world = World::new().await;
    let customer = world.customer().await;
    let path = format!("customers/{customer}/tax_ids");
    world.make(&path, "type=eu_vat&value=DE123456789").await;
    assert_eq!(world.post(&path, "type=eu_vat&value=DE123456789").await.status, 400);
    let form =
        format!("amount=500&currency=usd&customer={customer}&payment_method=pm_card_visa&confirm=true");
    let intent = world.make("payment_intents", &form).await;
    world.make("refunds", &format!("payment_intent={intent}&amount=200")).await;
    let newest = world.get("events", "type=charge.refunded").await.at(&["data"]);
    let charge = newest.as_list().unwrap()[0].at(&["data", "object"]).unwrap().clone();
    assert_eq!(charge.get("object"), Some(&Value::from("charge")));
    assert_eq!(charge.get("refunded"), Some(&Value::from(false)), "true only when all is given back");
    assert_eq!(world.post("refunds", &format!("payment_intent={intent}&amount=301")).await.status, 400);
}

#[tokio::test]
async fn endpoints_are_sixteen_at_most_and_take_exact_types() {
    let world = World::new().await;
    let create = |types: &'static str| world.post("webhook_endpoints", types);
    let refused = create("url=https://a.example&enabled_events[]=customer.*").await;
    assert_eq!(refused.status, 400);
    for _ in 0..16 {
        assert_eq!(create("url=https://a.example&enabled_events[]=invoice.paid").await.status, 200);
    }
    assert_eq!(create("url=https://a.example&enabled_events[]=invoice.paid").await.status, 400);
}

#[tokio::test]
async fn stories_are_told_by_the_events_of_real_accounts() {
    let world = World::new().await;
    let ann = Person::new("Ann Lee", "ann@acme.example");
    let signed_up = world.stripe().play(Story::SignsUp, &ann).unwrap();
    for event in [
        "customer.created",
        "customer.subscription.created",
        "invoice.finalized",
        "charge.succeeded",
        "invoice.paid",
    ] {
        assert!(signed_up.events.iter().any(|known| known == event), "{event}: {:?}", signed_up.events);
    }
    let failed = world.stripe().play(Story::RenewalFails, &ann).unwrap();
    assert_eq!(failed.customer, signed_up.customer);
    for event in ["invoice.payment_failed", "charge.failed", "customer.subscription.updated"] {
        assert!(failed.events.iter().any(|known| known == event), "{event}: {:?}", failed.events);
    }
    let subscription = world.get(&format!("subscriptions/{}", failed.subscription), "").await;
    assert_eq!(subscription.text(&["status"]), "past_due");
    world.stripe().play(Story::Renews, &ann).unwrap();
    let subscription = world.get(&format!("subscriptions/{}", failed.subscription), "").await;
    assert_eq!(subscription.text(&["status"]), "active");
    for story in [Story::Upgrades, Story::CancelsLater, Story::IsRefunded, Story::Cancels] {
        assert!(!world.stripe().play(story, &ann).unwrap().events.is_empty(), "{story:?}");
    }
    let known = lockstep::catalog::Catalog::newest();
    for event in world.stripe().records("event") {
        let name = event.get("type").unwrap().to_string();
        let object = event.at(&["data", "object", "object"]).unwrap().to_string();
        assert_eq!(known.event(&name).map(|event| event.objects.clone()), Some(vec![object]), "{name}");
    }
}

#[tokio::test]
async fn deliveries_can_be_held_and_sent_twice_or_out_of_order() {
    let world = World::new().await;
    world.stripe().hold_deliveries(true);
    // The Slack simulator is an HTTP server that answers 404 to what it does not know.
    let url = format!("{}/hook", world.sandbox.slack().url());
    let secret = world.stripe().register_webhook(&url).unwrap();
    assert!(secret.starts_with("whsec_"));
    world.make("customers", "name=Ann").await;
    world.make("customers", "name=Bob").await;
    let held = world.stripe().held();
    assert_eq!(held.iter().map(Delivery::event_type).collect::<Vec<_>>(), ["customer.created"; 2]);
    for delivery in [&held[1], &held[0], &held[0]] {
        assert_eq!(world.stripe().deliver(delivery).await.unwrap(), 404);
    }
    let calls = world.sandbox.slack().calls();
    assert_eq!(calls.len(), 3);
    let signature = calls[0].header("stripe-signature").unwrap();
    let expected = lockstep::sandbox::stripe::sign(&secret, 1_793_448_000, calls[0].body.as_bytes());
    assert_eq!(signature, expected);
    let other = world
        .stripe()
        .event("invoice.paid", &Value::map([("api_version", Value::from("2023-08-16"))]))
        .unwrap();
    assert_eq!(world.stripe().send(&other, &url, &secret).await.unwrap(), 404);
    assert!(world.sandbox.slack().calls()[3].body.contains("2023-08-16"));
}
