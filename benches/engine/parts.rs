//! The parts of the bench. Each prints a table of its own.

use std::time::{Duration, Instant};

use crate::crm::Crm;
use crate::figures::{self, microseconds_each, rate};
use crate::load::Load;
use crate::marks::Marks;
use crate::subject::{Kind, Subject};

/// Rounds: enough to see by how much they differ.
const ROUNDS: usize = 5;

/// What starts a run.
const HEARD: &str = "customer.updated";

/// The figures of one program, one of each round.
#[derive(Default)]
struct Rounds {
    acknowledged: Vec<f64>,
    acknowledgement: [Vec<f64>; 2],
    carried_out: Vec<f64>,
    processor: Vec<f64>,
    resident: Vec<f64>,
}

/// Events a second, all programs in turns.
pub(crate) async fn rounds(events: usize) {
    side_by_side(&Kind::SIDE_BY_SIDE, events).await;
}

/// One process on PostgreSQL and three on one, in turns.
pub(crate) async fn replicas(events: usize) {
    side_by_side(&[Kind::Postgres, Kind::Replicas], events).await;
}

async fn side_by_side(kinds: &[Kind], events: usize) {
    let crm = Crm::start().await;
    let mut all: Vec<(Kind, Rounds)> = kinds.iter().map(|kind| (*kind, Rounds::default())).collect();
    for round in 1..=ROUNDS {
        for (kind, rounds) in &mut all {
            round_of(*kind, rounds, &crm, events).await;
            println!("round {round} of {ROUNDS}: {} is done", kind.name());
        }
    }
    println!("\n{ROUNDS} rounds of {events} events: median (least to most)\n");
    println!(
        "| program | acknowledged/s | p50 ms | p99 ms | two calls each/s | processor us/event | resident MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (kind, rounds) in all {
        let [p50, p99] = rounds.acknowledgement;
        let acknowledged =
            [figures::rounds(rounds.acknowledged, 0), figures::rounds(p50, 1), figures::rounds(p99, 1)];
        let carried = if kind.carries_out() {
            [figures::rounds(rounds.carried_out, 0), figures::rounds(rounds.processor, 0)]
        } else {
            ["-".to_owned(), "-".to_owned()]
        };
        let resident = figures::rounds(rounds.resident, 0);
        println!("| {} | {} | {} | {resident} |", kind.name(), acknowledged.join(" | "), carried.join(" | "));
    }
}

async fn round_of(kind: Kind, rounds: &mut Rounds, crm: &Crm, events: usize) {
    let subject = Subject::start(kind, crm.address);
    // With the run that each event starts, but without the calls: the CRM stands still.
    crm.stand_still(true);
    let load = Load::new(&subject.hooks, HEARD, &Marks::new(events));
    let posted = load.post(events).await;
    rounds.acknowledged.push(rate(events, posted.took));
    for (percentile, figures) in [50, 99].into_iter().zip(&mut rounds.acknowledgement) {
        figures.push(posted.acknowledgement.percentile(percentile));
    }
    let written = crm.written();
    crm.stand_still(false);
    if kind.carries_out() {
        reached(crm, written + events).await;
        let processor = subject.processor();
        rounds.carried_out.push(rate(events, carried_out(crm, &subject, events).await));
        rounds.processor.push(microseconds_each(events, subject.processor().saturating_sub(processor)));
    }
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    rounds.resident.push(subject.resident() as f64);
    subject.stop().await;
}

/// From the first post to the CRM's last answer.
async fn carried_out(crm: &Crm, subject: &Subject, events: usize) -> Duration {
    let wanted = crm.written() + events;
    let begun = Instant::now();
    Load::new(&subject.hooks, HEARD, &Marks::new(events)).post(events).await;
    reached(crm, wanted).await;
    begun.elapsed()
}

/// Waits until the CRM was written to so often.
async fn reached(crm: &Crm, wanted: usize) {
    let begun = Instant::now();
    while crm.written() < wanted {
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(begun.elapsed() < Duration::from_mins(10), "{} of {wanted} writes", crm.written());
    }
}

/// Latencies at a rate that leaves the machine mostly idle.
pub(crate) async fn idle() {
    const EVENTS: usize = 500;
    const EACH: Duration = Duration::from_millis(20);
    let crm = Crm::start().await;
    println!("\n{EVENTS} events, one every {} ms; milliseconds\n", EACH.as_millis());
    println!(
        "| program | post to 200, p50 | p99 | 200 to the CRM, p50 | p99 |\n| --- | --- | --- | --- | --- |"
    );
    for kind in [Kind::ByHand, Kind::Lockstep] {
        let subject = Subject::start(kind, crm.address);
        // The first events open connections and compile.
        carried_out(&crm, &subject, 20).await;
        let marks = Marks::new(EVENTS);
        crm.note(&marks);
        let wanted = crm.written() + EVENTS;
        let posted = Load::new(&subject.hooks, HEARD, &marks).pace(EVENTS, EACH).await;
        reached(&crm, wanted).await;
        let (answer, call) = (posted.acknowledgement, marks.to_the_crm());
        let row = [answer.percentile(50), answer.percentile(99), call.percentile(50), call.percentile(99)];
        println!("| {} | {} |", kind.name(), row.map(|figure| format!("{figure:.1}")).join(" | "));
        subject.stop().await;
    }
}

/// Resident memory at rest, and with a backlog behind a CRM that stands still.
pub(crate) async fn memory(events: usize) {
    let crm = Crm::start().await;
    println!("\n| program | at rest | with {events} events queued |\n| --- | --- | --- |");
    for kind in [Kind::ByHand, Kind::Lockstep] {
        // The one by hand keeps its backlog in memory, 12 kB an event.
        if kind == Kind::ByHand && events > 100_000 {
            continue;
        }
        let subject = Subject::start(kind, crm.address);
        Load::new(&subject.hooks, "product.updated", &Marks::new(1)).post(1).await;
        let idle = subject.resident();
        crm.stand_still(true);
        Load::new(&subject.hooks, HEARD, &Marks::new(0)).post(events).await;
        println!("| {} | {idle} MB | {} MB |", kind.name(), subject.resident());
        drop(subject);
        crm.stand_still(false);
    }
}

/// Many clients of three pipelines in one process, beside ten.
pub(crate) async fn clients(many: usize) {
    const EVENTS: usize = 10_000;
    let crm = Crm::start().await;
    println!(
        "\n| clients of 3 pipelines | listens after: first start | every other | resident at rest | two calls each/s | resident then |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for clients in [10, many] {
        let first = Subject::with_clients(Kind::Lockstep, crm.address, clients, 3);
        let checked = first.start.as_secs_f64();
        let subject = first.again().await;
        let rest = subject.resident();
        let carried = rate(EVENTS, carried_out(&crm, &subject, EVENTS).await);
        println!(
            "| {clients} | {checked:.1} s | {:.1} s | {rest} MB | {carried:.0} | {} MB |",
            subject.start.as_secs_f64(),
            subject.resident()
        );
        subject.stop().await;
    }
}
