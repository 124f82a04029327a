//! Whatever goes wrong, the CRM ends up as if nothing had.

use lockstep::sandbox::Fault;
use lockstep::value::Value;
use pretty_assertions::assert_eq;

use super::world::{API, TASKS, World};

/// Payments at once: enough that some meet a fault while others do not.
const PAYMENTS: u32 = 6;

/// A time that no answer of a simulator takes, and no test waits for long.
const TIMEOUT: &str = "timeout: 2s";

fn what_it_holds() -> Vec<String> {
    let mut all: Vec<String> = (0..PAYMENTS)
        .flat_map(|number| {
            [format!("cus_{number} is Active"), format!("Payment ch_{number} (ch_{number}) of cus_{number}")]
        })
        .collect();
    all.sort();
    all
}

async fn meets(faults: Vec<Fault>) -> World {
    let world = World::new(TIMEOUT).await;
    let met: u32 = {
        let of_the_crm = world.sandbox().salesforce().faults();
        for fault in faults {
            of_the_crm.add(fault);
        }
        of_the_crm.left()
    };
    assert!(met > 0);
    world.payments("acme", 0..PAYMENTS).await;
    world.settle().await;
    assert_eq!(world.others().await, Vec::<String>::new());
    assert_eq!(world.holds(), what_it_holds());
    let made = world.sandbox().salesforce().counts().creates["Task"];
    assert_eq!(made, u64::from(PAYMENTS), "each task is made once");
    assert_eq!(world.sandbox().salesforce().faults().left(), 0, "every fault was met");
    world
}

fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap()
}

/// 200 or 201, and yet nothing was done.
fn error_inside(code: &str) -> Fault {
    let body = format!(r#"{{"success": false, "errors": [{{"statusCode": "{code}", "message": "no"}}]}}"#);
    Fault::answer(200).json(json(&body))
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_with_and_without_a_time_to_wait() {
    meets(vec![
        Fault::answer(429).header("Retry-After", "20").on("POST", TASKS).times(2),
        Fault::answer(429).on("GET", API).times(3),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_server() {
    meets(vec![
        Fault::answer(500).on("POST", TASKS).times(3),
        Fault::answer(503).on("PATCH", API).times(3),
        Fault::answer(502).on("GET", API).times(2),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_server_that_had_done_the_work() {
    meets(vec![
        Fault::answer(500).after_the_work().on("POST", TASKS).times(3),
        Fault::answer(503).after_the_work().on("PATCH", API).times(3),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_for_people_in_the_place_of_answers() {
    meets(vec![
        Fault::html(200).on("GET", API).times(2),
        Fault::html(503).on("POST", TASKS).times(2),
        Fault::html(200).after_the_work().on("POST", TASKS).times(2),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_in_the_middle() {
    meets(vec![Fault::truncated().on("POST", TASKS).times(3), Fault::truncated().on("GET", API).times(3)])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn successes_with_errors_inside() {
    meets(vec![
        error_inside("UNABLE_TO_LOCK_ROW").on("POST", TASKS).times(2),
        error_inside("SERVER_UNAVAILABLE").on("POST", TASKS).times(2),
        error_inside("REQUEST_LIMIT_EXCEEDED").on("POST", TASKS),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_reset_before_and_after_the_write() {
    meets(vec![
        Fault::reset().on("POST", TASKS).times(2),
        Fault::reset().after_the_work().on("POST", TASKS).times(2),
        Fault::reset().after_the_work().on("PATCH", API).times(2),
        Fault::reset().on("GET", API).times(2),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_until_the_time_out() {
    meets(vec![
        Fault::silence().on("GET", API).times(2),
        Fault::silence().on("POST", TASKS),
        Fault::silence().after_the_work().on("POST", TASKS).times(2),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_end() {
    meets(vec![Fault::stalled().on("POST", TASKS).times(2), Fault::stalled().on("GET", API).times(2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_end_in_bursts() {
    let world = meets(vec![
        Fault::expired_session().on("GET", API).times(3),
        Fault::expired_session().on("POST", TASKS).times(3),
    ])
    .await;
    let logins = world.calls("POST", "/oauth2/token").len();
    let refused = world.sandbox().salesforce().calls().iter().filter(|call| call.status == Some(401)).count();
    assert!((2..=refused + 1).contains(&logins), "{logins} logins for {refused} refused calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_for_a_while() {
    let world = meets(vec![Fault::answer(503).on("POST", "/services/oauth2/token").times(3)]).await;
    let pauses = super::world::pauses(&world.calls("POST", "/oauth2/token"));
    assert!(pauses.len() == 3 && pauses.iter().all(|pause| *pause >= 10), "{pauses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_posted_once_unless_nobody_can_know() {
    let world = World::new("").await;
    let slack = world.sandbox().slack().faults();
    slack.add(Fault::answer(429).header("Retry-After", "30"));
    slack.add(Fault::answer(500));
    slack.add(Fault::reset());
    world.deliver("acme", "charge.failed", 1).await;
    world.settle().await;
    assert_eq!(world.others().await, Vec::<String>::new());
    assert_eq!(world.sandbox().slack().messages().len(), 1);

    world.sandbox().slack().faults().add(Fault::reset().after_the_work());
    world.deliver("acme", "charge.failed", 2).await;
    world.settle().await;
    assert_eq!(world.sandbox().slack().messages().len(), 3);
    let audit = world.runtime.store().audit(lockstep::store::AuditFilter::default()).await.unwrap();
    assert_eq!(audit[0].entry.note.as_deref(), Some("possibly repeated"));
}
