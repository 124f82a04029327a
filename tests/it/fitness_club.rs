//! The example client `fitness-club`, end to end: what Stripe lists, and what is in the portal then.

use lockstep::sandbox::bitrix24::Notification;
use lockstep::value::Value as Tree;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::world::World;

const FILES: [(&str, &str); 6] = [
    ("client.yaml", include_str!("../../pipelines/fitness-club/client.yaml")),
    ("client.sandbox.yaml", include_str!("../../pipelines/fitness-club/client.sandbox.yaml")),
    ("members.yaml", include_str!("../../pipelines/fitness-club/members.yaml")),
    ("leaves.part.yaml", include_str!("../../pipelines/fitness-club/leaves.part.yaml")),
    ("out-of-groups.part.yaml", include_str!("../../pipelines/fitness-club/out-of-groups.part.yaml")),
    ("conflicts.yaml", include_str!("../../pipelines/fitness-club/conflicts.yaml")),
];

/// The club, running beside both simulators.
struct Club(World);

impl Club {
    /// Nothing is posted to it: all that it has of Stripe is what it lists, here every second.
    async fn open() -> Self {
        let files = FILES.map(|(name, text)| format!("# file: pipelines/fitness-club/{name}\n{text}"));
        let mut world = World::with(&files.concat()).await;
        world.edit("pipelines/fitness-club/members.yaml", "every: 1m", "every: 1s");
        let (stripe, portal) = (world.sandbox().stripe(), world.sandbox().bitrix24());
        let environment = [
            ("LOCKSTEP_ENV", "sandbox".to_owned()),
            ("CLUB_STRIPE_URL", stripe.url()),
            ("CLUB_STRIPE_KEY", stripe.api_key().to_owned()),
            ("CLUB_BITRIX24_WEBHOOK", portal.webhook_url()),
        ];
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.start(&environment);
        let club = Self(world);
        for plan in ["yoga_monthly", "boxing_monthly"] {
            club.offers(plan).await;
        }
        club
    }

    /// A monthly price under this look-up key.
    async fn offers(&self, plan: &str) {
        let product = self.stripe("POST", "products", &[("name", plan)]).await["id"].clone();
        let price = [
            ("product", product.as_str().unwrap()),
            ("currency", "eur"),
            ("unit_amount", "4900"),
            ("recurring[interval]", "month"),
            ("lookup_key", plan),
        ];
        self.stripe("POST", "prices", &price).await;
    }

    /// A call of Stripe's API, as its dashboard makes them.
    async fn stripe(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let stripe = self.0.sandbox().stripe();
        let request = self.0.http().request(method.parse().unwrap(), format!("{}/v1/{path}", stripe.url()));
        let pairs: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40"))).collect();
        let request = request.header("authorization", format!("Bearer {}", stripe.api_key()));
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&"));
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn customer(&self, name: &str, email: &str) -> String {
        let form = [("name", name), ("email", email), ("payment_method", "pm_card_visa")];
        self.stripe("POST", "customers", &form).await["id"].as_str().unwrap().to_owned()
    }

    async fn price(&self, plan: &str) -> String {
        let prices = self.stripe("GET", &format!("prices?lookup_keys[0]={plan}"), &[]).await;
        prices["data"][0]["id"].as_str().unwrap().to_owned()
    }

    async fn subscribes(&self, customer: &str, plan: &str) -> Value {
        let price = self.price(plan).await;
        self.stripe("POST", "subscriptions", &[("customer", customer), ("items[0][price]", &price)]).await
    }

    /// Waits until a poll that begins from now on is over, and what it started too.
    async fn polls(&self) {
        let newest = async || {
            let reports = self.0.admin("/api/v1/reports?limit=1").await.1;
            reports["reports"][0]["number"].as_i64().unwrap_or(0)
        };
        let begun = newest().await;
        self.0.until("one more poll", async || newest().await >= begun + 2).await;
        self.0.all_ended().await;
    }

    /// What the polls so far came to, line by line of their file, without those that found nothing new.
    fn log(&self) -> Vec<Value> {
        let file = self.0.folder().join("reports/fitness-club/members.jsonl");
        let lines = std::fs::read_to_string(file).unwrap_or_default();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["listed"] != line["unchanged"]).collect()
    }

    fn contact(&self, email: &str) -> Tree {
        let contacts = self.0.sandbox().bitrix24().records("contact");
        let has =
            |contact: &&Tree| contact.get("EMAIL").is_some_and(|values| values.to_json().contains(email));
        let found: Vec<&Tree> = contacts.iter().filter(has).collect();
        assert_eq!(found.len(), 1, "{email}");
        found[0].clone()
    }

    fn conflicts(&self) -> Vec<String> {
        let runs = self.0.json(&["runs", "--outcome", "conflict"]);
        let reasons =
            runs["runs"].as_array().unwrap().iter().map(|run| run["reason"].as_str().unwrap().to_owned());
        reasons.collect()
    }
}

fn text(record: &Tree, name: &str) -> String {
    record.get(name).map(ToString::to_string).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_change_and_leave_and_stripe_is_only_read() {
    let club = Club::open().await;
    let portal = club.0.sandbox().bitrix24();
    let seeded = json!({"NAME": "Raymond", "EMAIL": [{"VALUE": "Ray@club.example"}]});
    portal.seed("contact", &Tree::from(&seeded)).unwrap();
    let ann = club.customer("Ann Lee", "ann@club.example").await;
    let ray = club.customer("Ray Ash", "ray@club.example").await;
    let yoga = club.subscribes(&ann, "yoga_monthly").await;
    let boxing = club.subscribes(&ray, "boxing_monthly").await;
    club.polls().await;
    assert_eq!(portal.records("contact").len(), 2, "one made, one taken, nobody twice");
    let contact = club.contact("ann@club.example");
    assert_eq!(
        (text(&contact, "NAME"), text(&contact, "UF_CRM_PLAN"), text(&contact, "ORIGIN_ID")),
        ("Ann".into(), "Yoga".into(), ann.clone())
    );
    assert_eq!(text(&club.contact("Ray@club.example"), "NAME"), "Raymond", "what staff wrote stays");
    let mut invited = portal.invitations();
    invited.sort();
    assert_eq!(invited, ["ann@club.example", "ray@club.example"]);
    assert_eq!(portal.members(15), ["yara@club.example", "ann@club.example"]);
    assert_eq!(portal.members(16), ["bo@club.example", "ray@club.example"], "the trainer, and the member");
    let mut told = portal.notifications();
    told.sort_by_key(|note| note.user);
    let note = |user, text: &str| Notification { user, text: text.to_owned() };
    assert_eq!(told, [note(2, "Ann Lee is new in Yoga."), note(3, "Ray Ash is new in Boxing.")]);
    let written = portal.counts().writes;
    club.polls().await;
    assert_eq!(portal.counts().writes, written, "who is as before is left alone");

    // Ray changes to yoga, and Ann is deleted in Stripe.
    let price = club.price("yoga_monthly").await;
    let (subscription, item) =
        (boxing["id"].as_str().unwrap(), boxing["items"]["data"][0]["id"].as_str().unwrap());
    let form = [("items[0][id]", item), ("items[0][price]", &price)];
    club.stripe("POST", &format!("subscriptions/{subscription}"), &form).await;
    club.stripe("DELETE", &format!("customers/{ann}"), &[]).await;
    club.polls().await;
    assert_eq!(portal.members(15), ["yara@club.example", "ray@club.example"]);
    assert_eq!(portal.members(16), ["bo@club.example"]);
    assert_eq!(text(&club.contact("Ray@club.example"), "UF_CRM_PLAN"), "Yoga");
    assert_eq!(portal.invitations().len(), 2, "nobody is invited again");
    assert_eq!(portal.records("contact").len(), 2, "who has left stays a contact");
    assert_eq!((club.conflicts(), yoga["status"].as_str()), (vec![], Some("active")));

    let calls = club.0.sandbox().stripe().calls();
    let ours = calls
        .iter()
        .filter(|call| call.header("user-agent").is_some_and(|agent| agent.starts_with("lockstep/")));
    let methods: std::collections::BTreeSet<&str> = ours.map(|call| call.method.as_str()).collect();
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["GET"], "one way");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_person_can_tell_apart_is_a_conflict_and_writes_nothing() {
    let club = Club::open().await;
    let portal = club.0.sandbox().bitrix24();
    for _ in 0..2 {
        let cy = json!({"NAME": "Cy", "EMAIL": [{"VALUE": "cy@club.example"}]});
        portal.seed("contact", &Tree::from(&cy)).unwrap();
    }
    let dee = json!({"NAME": "Dee", "EMAIL": [{"VALUE": "dee@club.example"}, {"VALUE": "d@club.example"}]});
    let dee = portal.seed("contact", &Tree::from(&dee)).unwrap();
    let writes = portal.counts().writes;
    // A poll may begin at any moment: whichever sees the subscription sees both customers.
    let flo = club.customer("Flo", "flo@club.example").await;
    let other = club.customer("Flo", "Flo@club.example").await;
    club.subscribes(&flo, "yoga_monthly").await;
    club.polls().await;
    // The alert is an event of its own, which comes after the end of what it is about.
    club.0.until("the office is told", async || !portal.notifications().is_empty()).await;
    let told = &portal.notifications()[0].text;
    assert!(told.contains(&flo) && told.contains(&other), "the office is told who they are: {told}");
    for (name, email) in [("Cy", "cy@club.example"), ("Dee", "dee@club.example")] {
        let customer = club.customer(name, email).await;
        club.subscribes(&customer, "yoga_monthly").await;
    }
    let eve = club.customer("Eve", "eve@club.example").await;
    club.subscribes(&eve, "yoga_monthly").await;
    club.subscribes(&eve, "boxing_monthly").await;
    club.polls().await;
    club.0.until("five conflicts", async || club.conflicts().len() == 5).await;
    let conflicts = club.conflicts();
    for part in [
        "cy@club.example is on several contacts: 1, 2".to_owned(),
        format!("the contact {dee} has several addresses: dee@club.example, d@club.example"),
        "eve@club.example has 2 subscriptions at once: sub_".to_owned(),
        "what must be unique is the same on several stripe.customer records".to_owned(),
    ] {
        assert!(conflicts.iter().any(|reason| reason.contains(&part)), "{part}: {conflicts:?}");
    }
    // An alert may be under way between the two counts.
    let alone = async || portal.counts().writes - writes == portal.notifications().len() as u64;
    club.0.until("the office is told, and nothing else is written", alone).await;
    let notes = portal.notifications();
    assert!(!notes.is_empty() && notes.iter().all(|note| note.user == 1), "the office is told: {notes:?}");
    assert!(portal.invitations().is_empty());
    let told = |log: &[Value]| {
        let of =
            |line: &Value| line["conflicts"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        log.iter().map(of).max() == Some(5_u64)
    };
    club.0.until("a line that counts them all", async || told(&club.log())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_counts_who_was_updated_and_who_was_not_and_why() {
    let club = Club::open().await;
    club.offers("sauna_monthly").await;
    for (name, plan) in [("Ann", "yoga_monthly"), ("Ray", "boxing_monthly"), ("Sue", "sauna_monthly")] {
        let customer = club.customer(name, &format!("{name}@club.example")).await;
        club.subscribes(&customer, plan).await;
    }
    club.customer("Tom", "tom@club.example").await;
    club.polls().await;
    let sum = |key: &str| club.log().iter().filter_map(|line| line[key].as_u64()).sum::<u64>();
    let reasons = |key: &str| {
        let lines = club.log();
        let reasons = lines.iter().filter_map(|line| line[key].as_object());
        reasons.flat_map(|reasons| reasons.keys().cloned()).collect::<std::collections::BTreeSet<_>>()
    };
    // A line tells of the runs that had ended when it was written, and the four end in any order.
    let told = || sum("created") == 2 && !reasons("skipped").is_empty() && !reasons("conflicts").is_empty();
    club.0.until("the log tells of all four", async || told()).await;
    assert_eq!(
        reasons("skipped").into_iter().collect::<Vec<_>>(),
        ["a customer without a subscription, who was never a member"]
    );
    let conflicts = reasons("conflicts");
    let sauna = "0 of the prices of Sue@club.example are plans of the club: sauna_monthly";
    assert!(conflicts.contains(sauna), "{conflicts:?}");
    assert!(reasons("failed").is_empty());
    let shown = club.0.lockstep(&["reports", "--limit", "5"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("fitness-club/members/"));
}
