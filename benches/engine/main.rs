//! What the whole costs, beside a program written by hand for the same job: `cargo bench --bench engine`.
//!
//! This process posts signed webhooks and plays the CRM; `lockstep run` and the hand-written program
//! (`handwritten.rs`) are children, one after the other, several rounds, on the same events. Optional arguments:
//! the number of events of a round, and of events that are queued while the CRM stands still.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench tells its figures, and ends when something is wrong"
)]

mod crm;
mod handwritten;
mod load;
mod subject;

use std::time::{Duration, Instant};

use crm::Crm;
use load::Load;
use subject::{Kind, Subject};

/// Rounds: enough to see by how much they differ.
const ROUNDS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let first = arguments.next();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if first.as_deref() == Some(handwritten::ARGUMENT) {
        let [crm, store] = [arguments.next().unwrap(), arguments.next().unwrap()];
        return runtime.block_on(handwritten::run(&crm, store.as_ref()));
    }
    let number = |argument: Option<String>, usual| argument.map_or(usual, |text| text.parse().unwrap());
    let events = number(first, 10_000);
    let queued = number(arguments.next(), 100_000);
    runtime.block_on(measure(events, queued));
}

async fn measure(events: usize, queued: usize) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let crm = Crm::start().await;
    println!("{events} events a round; events/s\n");
    println!("| round | program | stored and acknowledged | to the CRM, two calls each |");
    println!("| --- | --- | --- | --- |");
    for round in 1..=ROUNDS {
        for kind in [Kind::Handwritten, Kind::Lockstep] {
            let subject = Subject::start(kind, crm.address);
            // Nothing listens for these: they are stored, and that is all.
            let stored = Load::new(&subject, "product.updated").post(events).await;
            let carried = carried_out(&crm, &subject, events).await;
            println!(
                "| {round} | {} | {:.0} | {:.0} |",
                kind.name(),
                rate(events, stored),
                rate(events, carried)
            );
            subject.stop().await;
        }
    }
    println!("\n| program | idle | with {queued} events queued |\n| --- | --- | --- |");
    for kind in [Kind::Handwritten, Kind::Lockstep] {
        let subject = Subject::start(kind, crm.address);
        Load::new(&subject, "product.updated").post(1).await;
        let idle = subject.resident();
        crm.stand_still(true);
        Load::new(&subject, "customer.updated").post(queued).await;
        println!("| {} | {idle} MB | {} MB |", kind.name(), subject.resident());
        drop(subject);
        crm.stand_still(false);
    }
}

/// From the first post to the CRM's last answer.
async fn carried_out(crm: &Crm, subject: &Subject, events: usize) -> Duration {
    let wanted = crm.written() + events;
    let begun = Instant::now();
    Load::new(subject, "customer.updated").post(events).await;
    while crm.written() < wanted {
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(begun.elapsed() < Duration::from_mins(5), "{} of {wanted} writes", crm.written());
    }
    begun.elapsed()
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}
