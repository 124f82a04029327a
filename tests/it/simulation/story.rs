//! What happens in a world: events, and when they are delivered.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep::engine::Incoming;
use lockstep::store::Source;
use lockstep::value::Value;

use super::pipelines::envelope;
use super::random::Random;

/// When the world begins, in seconds of 1970.
pub(super) const BEGIN: i64 = 1_700_000_000;

/// An event, with what the checks want to know of it.
pub(super) struct Told {
    pub(super) incoming: Incoming,
    /// The version of a customer, or the status of an invoice.
    pub(super) says: String,
}

/// Everything that happens.
pub(super) struct Story {
    pub(super) events: Vec<Told>,
    /// When which event is delivered; some several times, and none in order.
    pub(super) deliveries: BTreeMap<(Duration, usize), usize>,
}

impl Story {
    pub(super) fn new(random: &Random) -> Self {
        let mut story = Self { events: Vec::new(), deliveries: BTreeMap::new() };
        for number in 0..2 + random.below(2) {
            let customer = format!("cus_{number}");
            // The second one shares an e-mail with two records that are there before: a conflict.
            let email =
                if number == 1 { "twin@x.example".to_owned() } else { format!("{customer}@x.example") };
            let born = i64::try_from(random.below(20)).unwrap();
            story.customer("customer.created", &customer, &email, born, 0);
            let mut second = born;
            for version in 1..=1 + random.below(3) {
                // The first update may share its create's second; two updates do not, for nothing would tell which is later.
                second += i64::from(version > 1) + i64::try_from(random.below(3)).unwrap();
                story.customer("customer.updated", &customer, &email, second, version);
            }
            story.invoice(&customer, number, random);
        }
        for event in 0..story.events.len() {
            let mut times = 1 + u64::from(random.percent(40)) + u64::from(random.percent(20));
            while times > 0 {
                let longest = if random.percent(10) { 1_800 } else { 40 };
                let at = random.time(Duration::from_secs(longest));
                story.deliver(at, event);
                times -= 1;
            }
        }
        story
    }

    pub(super) fn deliver(&mut self, at: Duration, event: usize) {
        let number = self.deliveries.len();
        self.deliveries.insert((at, number), event);
    }

    fn customer(&mut self, kind: &str, id: &str, email: &str, second: i64, version: u64) {
        let metadata = Value::map([("version", Value::from(version.to_string()))]);
        let object = [
            ("id", Value::from(id)),
            ("object", Value::from("customer")),
            ("email", Value::from(email)),
            ("metadata", metadata),
        ];
        self.tell(kind, second, Value::map(object), version.to_string());
    }

    /// A life whose events crowd into two or three seconds.
    fn invoice(&mut self, customer: &str, number: u64, random: &Random) {
        let id = if random.percent(15) { format!("in_{number}_bad") } else { format!("in_{number}") };
        let life = [
            ("invoice.created", "draft"),
            ("invoice.finalized", "open"),
            ("invoice.payment_failed", "open"),
            ("invoice.updated", "open"),
            ("invoice.updated", "paid"),
            ("invoice.paid", "paid"),
        ];
        let mut second = 20 + i64::try_from(random.below(10)).unwrap();
        for (kind, status) in life {
            second += i64::from(random.percent(25));
            let object = [
                ("id", Value::from(id.as_str())),
                ("object", Value::from("invoice")),
                ("customer", Value::from(customer)),
                ("status", Value::from(status)),
            ];
            self.tell(kind, second, Value::map(object), status.to_owned());
        }
    }

    fn tell(&mut self, kind: &str, second: i64, object: Value, says: String) {
        let event = Value::map([
            ("id", Value::from(format!("evt_{}", self.events.len()))),
            ("type", Value::from(kind)),
            ("created", Value::from(BEGIN + second)),
            ("data", Value::map([("object", object)])),
        ]);
        let envelope = envelope(&event);
        let rank = envelope.standing();
        let incoming = Incoming {
            client: "acme".into(),
            connection: "stripe".into(),
            id: envelope.id,
            kind: envelope.kind,
            object_kind: envelope.object_type,
            object_id: envelope.object_id,
            object: envelope.object,
            previous: envelope.previous,
            key: envelope.order_key,
            created: envelope.created,
            rank,
            occurrence: envelope.occurrence,
            source: Source::Webhook,
            body: event.to_json().into(),
            event,
            pipeline: None,
            unfit: None,
        };
        self.events.push(Told { incoming, says });
    }
}
