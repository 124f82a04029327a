//! The example client `fitness-club`, end to end: Stripe's events in, and what is in the portal then.

use lockstep::sandbox::bitrix24::Notification;
use lockstep::value::Value as Tree;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::world::{SECRET, World};

const FILES: [(&str, &str); 4] = [
    ("client.yaml", include_str!("../../pipelines/fitness-club/client.yaml")),
    ("client.sandbox.yaml", include_str!("../../pipelines/fitness-club/client.sandbox.yaml")),
    ("members.yaml", include_str!("../../pipelines/fitness-club/members.yaml")),
    ("conflicts.yaml", include_str!("../../pipelines/fitness-club/conflicts.yaml")),
];

/// The club, running beside both simulators.
struct Club(World);

impl Club {
    async fn open() -> Self {
        let files = FILES.map(|(name, text)| format!("# file: pipelines/fitness-club/{name}\n{text}"));
        let mut world = World::with(&files.concat()).await;
        let (stripe, portal) = (world.sandbox().stripe(), world.sandbox().bitrix24());
        // The test delivers by itself: late, and twice.
        stripe.hold_deliveries(true);
        stripe.register_webhook("http://127.0.0.1:1/").unwrap();
        let environment = [
            ("LOCKSTEP_ENV", "sandbox".to_owned()),
            ("SANDBOX_STRIPE_URL", stripe.url()),
            ("CLUB_STRIPE_KEY", stripe.api_key().to_owned()),
            ("CLUB_STRIPE_WHSEC", SECRET.to_owned()),
            ("CLUB_BITRIX24_WEBHOOK", portal.webhook_url()),
        ];
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.start(&environment);
        let club = Self(world);
        for plan in ["yoga_monthly", "boxing_monthly"] {
            let product = club.stripe("POST", "products", &[("name", plan)]).await["id"].clone();
            let price = [
                ("product", product.as_str().unwrap()),
                ("currency", "eur"),
                ("unit_amount", "4900"),
                ("recurring[interval]", "month"),
                ("lookup_key", plan),
            ];
            club.stripe("POST", "prices", &price).await;
        }
        club
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

    /// Tells lockstep what has happened, so often, and waits for what comes of it.
    async fn tells(&self, times: usize) {
        let stripe = self.0.sandbox().stripe();
        for delivery in stripe.held() {
            for _ in 0..times {
                let status = stripe
                    .send(&delivery.event(), &self.0.hook("fitness-club/stripe"), SECRET)
                    .await
                    .unwrap();
                assert_eq!(status, 200);
            }
        }
        self.0.all_ended().await;
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
    club.tells(2).await;
    assert_eq!(portal.records("contact").len(), 2, "one made, one taken, nobody twice");
    let contact = club.contact("ann@club.example");
    assert_eq!(
        (text(&contact, "NAME"), text(&contact, "UF_CRM_PLAN"), text(&contact, "ORIGIN_ID")),
        ("Ann".into(), "Yoga".into(), ann.clone())
    );
    assert_eq!(text(&club.contact("Ray@club.example"), "NAME"), "Raymond", "what staff wrote stays");
    assert_eq!(portal.invitations(), ["ann@club.example", "ray@club.example"]);
    assert_eq!(portal.members(15), ["yara@club.example", "ann@club.example"]);
    assert_eq!(portal.members(16), ["bo@club.example", "ray@club.example"], "the trainer, and the member");
    let mut told = portal.notifications();
    told.sort_by_key(|note| note.user);
    let note = |user, text: &str| Notification { user, text: text.to_owned() };
    assert_eq!(told, [note(2, "Ann Lee is new in Yoga."), note(3, "Ray Ash is new in Boxing.")]);

    // Ray changes to yoga, and Ann leaves.
    let price = club.price("yoga_monthly").await;
    let (subscription, item) =
        (boxing["id"].as_str().unwrap(), boxing["items"]["data"][0]["id"].as_str().unwrap());
    let form = [("items[0][id]", item), ("items[0][price]", &price)];
    club.stripe("POST", &format!("subscriptions/{subscription}"), &form).await;
    club.stripe("DELETE", &format!("subscriptions/{}", yoga["id"].as_str().unwrap()), &[]).await;
    club.tells(1).await;
    assert_eq!(portal.members(15), ["yara@club.example", "ray@club.example"]);
    assert_eq!(text(&club.contact("Ray@club.example"), "UF_CRM_PLAN"), "Yoga");
    assert_eq!(portal.invitations().len(), 2, "nobody is invited again");
    assert_eq!(portal.records("contact").len(), 2, "who has left stays a contact");
    assert_eq!(club.conflicts(), Vec::<String>::new());

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
    portal.seed("contact", &Tree::from(&dee)).unwrap();
    let writes = portal.counts().writes;
    for (name, email) in [("Cy", "cy@club.example"), ("Dee", "dee@club.example")] {
        let customer = club.customer(name, email).await;
        club.subscribes(&customer, "yoga_monthly").await;
    }
    let eve = club.customer("Eve", "eve@club.example").await;
    club.subscribes(&eve, "yoga_monthly").await;
    club.subscribes(&eve, "boxing_monthly").await;
    club.tells(1).await;
    let conflicts = club.conflicts();
    for part in [
        "several contacts have the address cy@club.example",
        "the contact of dee@club.example has several addresses",
        "eve@club.example has 2 subscriptions at once",
    ] {
        assert!(conflicts.iter().any(|reason| reason.contains(part)), "{part}: {conflicts:?}");
    }
    let notes = portal.notifications();
    assert!(!notes.is_empty() && notes.iter().all(|note| note.user == 1), "the office is told: {notes:?}");
    assert_eq!(
        portal.counts().writes - writes,
        u64::try_from(notes.len()).unwrap(),
        "and nothing else is written"
    );
    assert!(portal.invitations().is_empty());
}
