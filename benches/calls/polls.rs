//! What a poll over many customers costs, while nobody changes and when a few do.

use std::time::Duration;

use lockstep::sandbox::{Sandbox, SandboxOptions};
use lockstep::value::Value;

use crate::subject::Subject;

/// Polls of which nothing is new.
const POLLS: i64 = 5;

/// Customers that change.
const CHANGED: usize = 20;

/// `count` customers, of whom one in ten has a subscription; the first poll takes note, and the next ones find nothing new.
pub(crate) async fn measure(count: usize) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let customers = fill(&sandbox, count);
    let edits = [("every: 1m", "every: 5s"), ("start: all", "start: now")];
    let subject = Subject::beside(sandbox, "fitness-club", &edits);
    let rest = subject.resident();
    let report = async |number: i64| {
        subject.until(async || newest(&subject).await >= number).await;
        let reports = subject.admin("/api/v1/reports?limit=1000").await;
        reports["reports"].as_array().unwrap().iter().find(|it| it["number"] == number).unwrap().clone()
    };
    report(1).await;
    let (first, first_calls) = (subject.resident(), lists(&subject));
    let written = subject.written();
    let mut took = Vec::new();
    for number in 2..2 + POLLS {
        let report = report(number).await;
        assert_eq!(report["listed"], report["unchanged"]);
        let moment = |key: &str| report[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        took.push(moment("listed_by").duration_since(moment("began")));
    }
    let calls = (lists(&subject) - first_calls) / usize::try_from(POLLS).unwrap();
    let written = (subject.written() - written) / u64::try_from(POLLS).unwrap() / 1024;
    println!("| {count} customers, a page of 100 | |\n| --- | --- |");
    println!("| calls of a poll | {calls} (at the least {}) |", count.div_ceil(100));
    println!("| written to the disk by a poll of which nothing is new: its report | {written} kB |");
    took.sort();
    println!("| time of a poll, the median of {POLLS} | {:.1} s |", took[took.len() / 2].as_secs_f64());
    println!(
        "| resident memory: at rest, after the first poll, after {} | {rest}, {first}, {} MB |",
        POLLS + 1,
        subject.resident()
    );

    for customer in customers.iter().take(CHANGED) {
        subject.sandbox.stripe().ask("POST", &format!("customers/{customer}"), "metadata[seen]=1").unwrap();
    }
    let before = newest(&subject).await;
    report(before + 2).await;
    subject.all_ended().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reports = subject.admin("/api/v1/reports?limit=1000").await;
    let changed: u64 = reports["reports"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["number"].as_i64() > Some(before))
        .map(|it| it["listed"].as_u64().unwrap() - it["unchanged"].as_u64().unwrap())
        .sum();
    println!("| of {CHANGED} that changed, runs | {changed} |");
}

/// Makes the customers; gives the ids of those without a subscription.
fn fill(sandbox: &Sandbox, count: usize) -> Vec<String> {
    let stripe = sandbox.stripe();
    let id = |record: Value| record.get("id").and_then(Value::as_str).unwrap().to_owned();
    let form = "currency=eur&unit_amount=3900&recurring[interval]=month&lookup_key=yoga_monthly&product_data[name]=Yoga";
    let price = id(stripe.ask("POST", "prices", form).unwrap());
    let mut others = Vec::new();
    for number in 0..count {
        let card = if number % 10 == 0 { "&payment_method=pm_card_visa" } else { "" };
        let form = format!("name=Member {number}&email=m{number}@club.example{card}");
        let customer = id(stripe.ask("POST", "customers", &form).unwrap());
        if number % 10 == 0 {
            let form = format!("customer={customer}&items[0][price]={price}");
            stripe.ask("POST", "subscriptions", &form).unwrap();
        } else {
            others.push(customer);
        }
    }
    others
}

async fn newest(subject: &Subject) -> i64 {
    let reports = subject.admin("/api/v1/reports?limit=1").await;
    reports["reports"][0]["number"].as_i64().unwrap_or(0)
}

fn lists(subject: &Subject) -> usize {
    subject.calls()["Stripe"].len()
}
