//! The calls of one event, by what happened.

use lockstep::sandbox::Call;
use lockstep::sandbox::stripe::{Delivery, Person, Story};
use lockstep::value::Value;

use crate::subject::{SECRET, Subject};

/// What happened, how many calls it takes at the least, and which.
type Row = (&'static str, usize, &'static str);

/// Events of a client that Stripe posts its events to, in the order in which they are told, one after another.
struct Posted {
    client: &'static str,
    /// What the system knows of the customer before.
    known: fn(&Subject, customer: &str, email: &str),
    story: &'static [(Story, &'static [Row])],
}

const POSTED: [Posted; 3] = [
    Posted {
        client: "acme-saas",
        known: account,
        story: &[
            (
                Story::SignsUp,
                &[
                    ("charge.succeeded", 2, "find the account, upsert the task by its external id"),
                    (
                        "customer.subscription.updated",
                        3,
                        "find the account, read the subscription, write the account",
                    ),
                ],
            ),
            (
                Story::RenewalFails,
                &[
                    (
                        "invoice.payment_failed",
                        5,
                        "find the account, read the subscription, write the account, upsert the task, message",
                    ),
                    (
                        "customer.subscription.updated",
                        2,
                        "find the account, read the subscription; nothing is new",
                    ),
                ],
            ),
            (
                Story::Cancels,
                &[(
                    "customer.subscription.deleted",
                    3,
                    "find the account, read the subscription, write the account",
                )],
            ),
        ],
    },
    Posted {
        client: "orchard-apps",
        known: |_, _, _| {},
        story: &[
            (
                Story::SignsUp,
                &[
                    (
                        "customer.created",
                        5,
                        "read the customer, look for the contact by id and by address, make it, write its id to Stripe",
                    ),
                    (
                        "customer.subscription.created",
                        4,
                        "list the subscriptions, find the contact, write it, upsert the deal",
                    ),
                    ("invoice.paid", 4, "list the payments, find the contact, write it, upsert the note"),
                ],
            ),
            (
                Story::RenewalFails,
                &[
                    ("invoice.payment_failed", 3, "find the contact, upsert the task, message"),
                    (
                        "customer.subscription.updated",
                        4,
                        "list the subscriptions, find the contact, write it, upsert the deal",
                    ),
                ],
            ),
            (
                Story::Cancels,
                &[(
                    "customer.subscription.deleted",
                    5,
                    "list the subscriptions, find the contact, write it, upsert the deal and the task",
                )],
            ),
        ],
    },
    Posted {
        client: "web-shop",
        known: |_, _, _| {},
        story: &[
            (
                Story::SignsUp,
                &[
                    (
                        "customer.created",
                        6,
                        "read the customer, look for the contact by id and by address, make it, two tags",
                    ),
                    (
                        "customer.subscription.created",
                        9,
                        "read the customer, find the contact (two calls), two tags, write it, look for the store's customer, make it, \
                         the recurring payment",
                    ),
                    ("charge.succeeded", 5, "read the customer, find the contact (two calls), two tags"),
                ],
            ),
            (
                Story::RenewalFails,
                &[("invoice.payment_failed", 5, "read the customer, find the contact (two calls), two tags")],
            ),
            (
                Story::Cancels,
                &[(
                    "customer.subscription.deleted",
                    8,
                    "read the customer, find the contact (two calls), two tags, write it, find the store's customer, the recurring \
                     payment",
                )],
            ),
        ],
    },
];

/// Runs all clients, and prints the table.
pub(crate) async fn measure() {
    println!("| client | what happened | calls | at the least |\n| --- | --- | --- | --- |");
    for posted in &POSTED {
        let subject = Subject::start(posted.client, &[]).await;
        // The first customer brings what is asked for once: tokens, fields, tags.
        posted.play(&subject, &Person::new("Wanda Warm", "wanda@warm.example"), |_, _| {}).await;
        let print = |row: &Row, calls: &[Line]| tell(posted.client, row, calls);
        posted.play(&subject, &Person::new("Ada Ash", "ada@ash.example"), print).await;
    }
    club().await;
}

impl Posted {
    async fn play(&self, subject: &Subject, person: &Person, print: impl Fn(&Row, &[Line])) {
        let stripe = subject.sandbox.stripe();
        for (number, (story, rows)) in self.story.iter().enumerate() {
            let played = stripe.play(*story, person).unwrap();
            if number == 0 {
                (self.known)(subject, &played.customer, &person.email);
            }
            let events: Vec<Value> = stripe.held().iter().map(Delivery::event).collect();
            for row in *rows {
                let kind = |event: &&Value| event.get("type").and_then(Value::as_str) == Some(row.0);
                let Some(event) = events.iter().rev().find(kind) else {
                    println!("{story:?} has no {}", row.0);
                    continue;
                };
                let before = Lines::of(subject);
                assert_eq!(stripe.send(event, &subject.hook("stripe"), SECRET).await.unwrap(), 200);
                subject.all_ended().await;
                print(row, &before.since(subject));
            }
        }
    }
}

/// A call, in a few words.
type Line = String;

/// How many calls of each system there were.
struct Lines(Vec<(&'static str, usize)>);

impl Lines {
    fn of(subject: &Subject) -> Self {
        Self(subject.calls().into_iter().map(|(system, calls)| (system, calls.len())).collect())
    }

    /// The calls since.
    fn since(&self, subject: &Subject) -> Vec<Line> {
        let calls = subject.calls();
        let new = self.0.iter().flat_map(|(system, count)| calls[system].iter().skip(*count));
        new.map(in_words).collect()
    }
}

fn in_words(call: &Call) -> Line {
    let parts: Vec<&str> = call.path.split('/').filter(|part| !part.is_empty()).collect();
    // Ids and secrets are of no use here.
    let told =
        |part: &&&str| part.len() < 30 && !part.contains('%') && !part.to_lowercase().contains("sandbox");
    let names = parts.iter().filter(told);
    let names: Vec<&str> = names.copied().collect();
    format!("{} {}", call.method, names[names.len().saturating_sub(2)..].join("/"))
}

/// A line of the table; the calls themselves on the other stream, for whoever asks why there are so many.
fn tell(client: &str, (what, least, why): &Row, calls: &[Line]) {
    println!("| {client} | {what} | {} | {least}: {why} |", calls.len());
    eprintln!("{client}, {what}: {}", calls.join(", "));
}

/// An account with the customer's id.
fn account(subject: &Subject, customer: &str, _: &str) {
    let fields = [("Name", "Ash Ltd"), ("Stripe_Customer_Id__c", customer)];
    let fields = Value::map(fields.map(|(name, value)| (name, Value::from(value))));
    subject.sandbox.salesforce().seed("Account", &fields).unwrap();
}

/// The club is told nothing: it lists.
async fn club() {
    let subject = Subject::start("fitness-club", &[("every: 1m", "every: 1s")]).await;
    let (stripe, portal) = (subject.sandbox.stripe(), subject.sandbox.bitrix24());
    // Counted here is what is asked of the portal for one member, not how fast.
    portal.bucket(1_000, 1_000);
    let mut prices = Vec::new();
    for plan in ["yoga_monthly", "boxing_monthly"] {
        let form = format!(
            "currency=eur&unit_amount=3900&recurring[interval]=month&lookup_key={plan}&product_data[name]={plan}"
        );
        prices.push(id(&stripe.ask("POST", "prices", &form).unwrap()));
    }
    let subscribe = |name: &str| {
        let form = format!("name={name}&email={name}@club.example&payment_method=pm_card_visa");
        let customer = id(&stripe.ask("POST", "customers", &form).unwrap());
        let form = format!("customer={customer}&items[0][price]={}", prices[0]);
        stripe.ask("POST", "subscriptions", &form).unwrap()
    };
    // What is asked for once: the fields' options.
    subscribe("Wanda");
    let settled = async |contacts: usize| {
        subject.until(async || portal.records("contact").len() == contacts).await;
        subject.all_ended().await;
    };
    settled(1).await;
    let print = |row: Row, before: &Lines| {
        let lines = before.since(&subject);
        let (_, portal): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| line.ends_with("v1/customers"));
        tell("fitness-club", &row, &portal);
    };
    let before = Lines::of(&subject);
    let subscription = subscribe("Ann");
    settled(2).await;
    let new = (
        "a new member",
        7,
        "look for the contact by address and by id and for the user, make both, group, trainer",
    );
    print(new, &before);

    let before = Lines::of(&subject);
    let path = format!("subscriptions/{}", id(&subscription));
    stripe.ask("POST", &path, "metadata[seen]=1").unwrap();
    seen(&subject).await;
    print(("something changes that the portal does not know", 1, "read the contact"), &before);

    let before = Lines::of(&subject);
    let item = subscription.at(&["items", "data"]).and_then(Value::as_list).unwrap()[0].clone();
    let form = format!("items[0][id]={}&items[0][price]={}", id(&item), prices[1]);
    stripe.ask("POST", &path, &form).unwrap();
    seen(&subject).await;
    let plan = (
        "another plan",
        6,
        "read the contact and the user, write the contact, into one group, out of the other, trainer",
    );
    print(plan, &before);

    let before = Lines::of(&subject);
    stripe.ask("DELETE", &path, "").unwrap();
    seen(&subject).await;
    print(
        ("a member leaves", 4, "read the contact and the user, out of the group, write the contact"),
        &before,
    );
}

/// Waits until a poll that begins from now on is over, and what it started too.
async fn seen(subject: &Subject) {
    let newest = async || {
        let reports = subject.admin("/api/v1/reports?limit=1").await;
        reports["reports"][0]["number"].as_i64().unwrap_or(0)
    };
    let begun = newest().await;
    subject.until(async || newest().await >= begun + 2).await;
    subject.all_ended().await;
}

fn id(record: &Value) -> String {
    record.get("id").and_then(Value::as_str).unwrap().to_owned()
}
