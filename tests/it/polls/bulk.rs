//! Listings that a system makes in the background: begun, gone on with after a kill, read, thrown away.

use std::time::Duration;

use lockstep::value::Value;
use pretty_assertions::assert_eq;

use super::world::Polling;

/// A task for each opportunity, named after what its fields are.
const PIPELINE: &str = "# file: pipelines/acme/won.yaml\nname: won\ntrigger:\n  schedule:\n    every: 1s\n    list: { object: \
                        salesforce.Opportunity, bulk: true, where: { StageName: Closed Won }, fields: [Name, Amount, IsDeleted, Owner.Name] }\n    \
                        only_changed: true\n    start: all\nsteps:\n  - upsert:\n      object: salesforce.Task\n      match: { \
                        Stripe_Charge_Id__c: $.object.Id }\n      fields: { Subject: \"${object.Name}: ${object.Amount + 1}, \
                        ${object.IsDeleted == false}, ${object.Owner.Name}\", Status: Completed, Priority: Normal }\n";

/// A world with so many opportunities that are won and have an amount.
async fn world(count: usize) -> Polling {
    let world = Polling::with(PIPELINE).await;
    world.edit("pipelines/acme/client.yaml", "login_url:", "bulk_page: 2, login_url:");
    for number in 0..count {
        won(&world, number);
    }
    world
}

fn won(world: &Polling, number: usize) {
    let id = world.opportunity(&format!("won {number}, \"quoted\""), "Closed Won");
    let amount = Value::map([("Amount", Value::from(100))]);
    world.sandbox().salesforce().change("Opportunity", &id, &amount).unwrap();
}

fn subjects(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("won {number}, \"quoted\": 101.0, true, Integration User")).collect()
}

/// How often something was asked for, of jobs.
fn asked(world: &Polling, method: &str, end: &str) -> usize {
    let calls = world.sandbox().salesforce().calls();
    let of_jobs = calls.iter().filter(|call| call.method == method && call.path.contains("/jobs/query"));
    of_jobs.filter(|call| call.path.ends_with(end)).count()
}

/// The reports that failed, newest first: why.
async fn failures(world: &Polling) -> Vec<String> {
    let failed = world.admin("/api/v1/reports?failed=true").await.1["reports"].as_array().unwrap().clone();
    failed.iter().map(|report| report["error"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_listing_is_made_by_a_job_and_read_page_by_page() {
    let mut world = world(5).await;
    world.opportunity("lost", "Prospecting");
    world.start(&[]);
    world.until("tasks", async || world.subjects().len() == 5).await;
    assert_eq!(world.subjects(), subjects(5), "values are what their fields are, not texts");
    world.until("the first report", async || world.reports().await.iter().any(|it| it["number"] == 1)).await;
    let reports = world.reports().await;
    let first = reports.last().unwrap();
    assert_eq!((first["listed"].as_u64(), first["error"].as_str()), (Some(5), None), "{first}");
    // The next one may have begun.
    world.until("the job is thrown away", async || world.sandbox().salesforce().jobs().len() <= 1).await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 5, "what is as it was starts nothing");
    let (begun, pages) = (asked(&world, "POST", "/query"), asked(&world, "GET", "/results"));
    assert!(pages <= begun * 3 && pages >= (begun - 1) * 3, "{pages} pages of {begun} jobs");
    assert_eq!(failures(&world).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_killed_while_its_job_runs_goes_on_with_that_job() {
    let mut world = world(3).await;
    world.sandbox().salesforce().job_questions(u32::MAX);
    world.start(&[]);
    world.until("the job is asked after", async || asked(&world, "GET", "") >= 1).await;
    let job = world.sandbox().salesforce().jobs();
    world.kill();
    won(&world, 3);
    world.start(&[]);
    world.sandbox().salesforce().job_questions(0);
    world.until("tasks", async || world.subjects().len() == 4).await;
    assert_eq!((world.subjects(), job.len()), (subjects(4), 1));
    world.until("the first report", async || !world.reports().await.is_empty()).await;
    let first = world.reports().await.pop().unwrap();
    assert_eq!((first["number"].as_u64(), first["listed"].as_u64()), (Some(1), Some(4)), "{first}");
    world.until_runs(4).await;
    let pages = world.sandbox().salesforce().calls();
    let read = pages.iter().find(|call| call.path.ends_with("/results")).unwrap();
    assert!(read.path.contains(&job[0]), "{} is not of {job:?}", read.path);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_killed_between_two_pages_reads_the_same_job_again() {
    let mut world = world(5).await;
    let salesforce = world.sandbox().salesforce();
    salesforce.job_questions(0);
    // Each page takes its time, so that the kill comes before the last one.
    salesforce.faults().latency(Duration::from_millis(400));
    world.start(&[]);
    world.until("a page was read", async || !world.runs().await.is_empty()).await;
    world.kill();
    let (read, job) = (asked(&world, "GET", "/results"), world.sandbox().salesforce().jobs());
    world.sandbox().salesforce().faults().latency(Duration::ZERO);
    world.start(&[]);
    world.until_runs(5).await;
    world.a_poll().await;
    assert_eq!((world.runs().await.len(), world.subjects()), (5, subjects(5)));
    // On a machine that stood still meanwhile the job may have been done.
    if read < 3 {
        let calls = world.sandbox().salesforce().calls();
        let pages = calls.iter().filter(|call| call.path.ends_with("/results"));
        let again: Vec<_> = pages.skip(read).take(3).map(|call| call.path.contains(&job[0])).collect();
        assert_eq!(again, [true; 3], "all of it is read again, of the same job");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_told_with_the_systems_words_and_another_one_is_begun() {
    let mut world = world(1).await;
    world.sandbox().salesforce().jobs_fail(Some("InternalServerError : the batch was retried too often"));
    world.start(&[]);
    world.until("a failure", async || !failures(&world).await.is_empty()).await;
    let told = failures(&world).await.pop().unwrap();
    assert!(told.contains("ended as `Failed`: InternalServerError : the batch was retried"), "{told}");
    world.sandbox().salesforce().jobs_fail(None);
    world.until_runs(1).await;
    assert_eq!(world.subjects(), subjects(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_asks_for_something_else_than_the_pipeline_is_called_off() {
    let mut world = world(2).await;
    world.opportunity("early", "Prospecting");
    world.sandbox().salesforce().job_questions(u32::MAX);
    world.start(&[]);
    world.until("the job is asked after", async || asked(&world, "GET", "") >= 1).await;
    let before = world.sandbox().salesforce().jobs();
    world.kill();
    world.edit("pipelines/acme/won.yaml", "StageName: Closed Won", "StageName: Prospecting");
    world.sandbox().salesforce().job_questions(0);
    world.start(&[]);
    world.until_runs(1).await;
    let (aborted, thrown) = (asked(&world, "PATCH", &before[0]), asked(&world, "DELETE", &before[0]));
    assert_eq!((aborted, thrown), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_not_there_any_more_is_not_waited_for() {
    let mut world = world(1).await;
    world.sandbox().salesforce().job_questions(u32::MAX);
    world.start(&[]);
    world.until("the job is asked after", async || asked(&world, "GET", "") >= 1).await;
    let job = world.sandbox().salesforce().jobs().remove(0);
    world.kill();
    world.sandbox().salesforce().forget_job(&job);
    world.sandbox().salesforce().job_questions(0);
    world.start(&[]);
    world.until_runs(1).await;
    assert_eq!(world.subjects(), subjects(1));
    let told = failures(&world).await.pop().unwrap();
    assert!(told.contains("does not exist"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_counts_the_calls_of_a_job_and_show_says_how_it_is_listed() {
    let world = world(0).await;
    world.edit("pipelines/acme/won.yaml", "every: 1s", "every: 1h");
    let quota = world.json(&["quota"]);
    let (polls, salesforce) = (&quota[0]["pipelines"][0]["polls_a_day"], &quota[0]["connections"][0]);
    assert_eq!((polls["calls"].as_u64(), polls["jobs"]["a_day"].as_u64()), (Some(96), Some(24)));
    assert_eq!(salesforce["jobs"]["quota"].as_u64(), Some(10_000), "{salesforce}");
    let said = String::from_utf8(world.lockstep(&["quota"]).stdout).unwrap();
    assert!(said.contains("polls salesforce 96 a day, for 24 jobs"), "{said}");
    assert!(said.contains("; 24 jobs a day of 10,000; "), "{said}");
    let shown = String::from_utf8(world.lockstep(&["show", "acme/won"]).stdout).unwrap();
    assert!(shown.contains("The system lists in the background."), "{shown}");
}
