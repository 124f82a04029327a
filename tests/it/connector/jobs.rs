//! Listings that a system makes in the background, by a manifest of a project's own.

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use lockstep::connector::{Class, JobState, JobStep};
use pretty_assertions::assert_eq;

use super::own::{Got, Server, manifest, ok};
use super::*;

const EXPORTS: &str = r#"
name: own
title: Own
config:
  base_url: { type: url, required: true, description: The address. }
base_url: $.config.base_url
objects:
  thing:
    list:
      request: { method: GET, path: /things }
      response: { records: $.response.body.things }
      job:
        start:
          request: { method: POST, path: /exports, body: { merge: [$.filter, { fields: $.select }] } }
          response: { id: $.response.body.export }
        ask:
          request: { method: GET, path: "/exports/${job}" }
          response: { result: $.response.body.status }
        done: [finished]
        failed: [broken]
        why: $.response.body.reason
        page:
          request: { method: GET, path: "/exports/${job}/rows", query: { after: $.cursor } }
          response: { format: json_lines, next: '${response.headers["x-next"]}' }
        abort: { request: { method: POST, path: "/exports/${job}/stop" } }
"#;

/// A server on which an export is what `status` says, with two pages.
async fn exports(status: &'static str) -> (Server, Client) {
    let answer = move |got: &Got| match (&got.method, &*got.uri) {
        (&Method::POST, "/exports") => ok(r#"{"export": 17}"#),
        (&Method::GET, "/exports/17") => ok(status),
        (&Method::GET, "/exports/17/rows") => {
            let headers = [("content-type", "application/x-ndjson"), ("x-next", "p/2")];
            (StatusCode::OK, headers, "{\"id\": 1, \"big\": 12345678901234567890}\n{\"id\": 2}\n")
                .into_response()
        }
        (&Method::GET, "/exports/17/rows?after=p%2F2") => {
            (StatusCode::OK, [("content-type", "application/x-ndjson")], "{\"id\": 3}").into_response()
        }
        (&Method::POST, "/exports/17/stop") => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    let server = Server::answering(answer).await;
    let client = Client::new();
    client.open(manifest(EXPORTS), &format!(r#"{{"base_url": "{}"}}"#, server.url));
    (server, client)
}

fn step(step: JobStep, cursor: Option<Value>) -> Action {
    Action::List {
        object: "thing".into(),
        filter: map(r#"{"kind": "x"}"#),
        since: None,
        select: Select::Fields(vec!["id".into(), "big".into()]),
        limit: 100,
        cursor,
        job: Some(step),
    }
}

#[tokio::test]
async fn a_job_is_begun_asked_after_and_read_page_by_page() {
    let (server, client) = exports(r#"{"status": "finished"}"#).await;
    let id = client.call(step(JobStep::Start, None)).await.unwrap().id.unwrap();
    assert_eq!(&*id, "17");
    assert_eq!(server.got()[0].body, r#"{"kind":"x","fields":["id","big"]}"#);
    let asked = client.call(step(JobStep::Ask(Arc::clone(&id)), None)).await.unwrap();
    assert_eq!(asked.job, Some(JobState::Done));
    let first = client.call(step(JobStep::Page(Arc::clone(&id)), None)).await.unwrap();
    let second = client.call(step(JobStep::Page(Arc::clone(&id)), first.next.clone())).await.unwrap();
    let ids = first.records.iter().chain(&second.records).map(|record| record.id.clone().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), ["1".into(), "2".into(), "3".into()]);
    assert_eq!(first.records[0].fields.to_json(), r#"{"id":1,"big":12345678901234567890}"#);
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn how_far_a_job_is_stands_in_the_systems_words() {
    let failed = JobState::Failed { word: "broken".into(), why: Some("too many rows".into()) };
    let silent = JobState::Failed { word: "broken".into(), why: None };
    for (said, state) in [
        (r#"{"status": "queued"}"#, JobState::UnderWay),
        (r#"{"status": null}"#, JobState::UnderWay),
        (r#"{"status": "broken", "reason": "too many rows"}"#, failed),
        (r#"{"status": "broken"}"#, silent),
    ] {
        let (_server, client) = exports(said).await;
        let asked = client.call(step(JobStep::Ask("17".into()), None)).await.unwrap();
        assert_eq!(asked.job, Some(state), "{said}");
    }
}

#[tokio::test]
async fn what_a_system_cannot_do_with_a_job_is_refused_unsent() {
    let (server, client) = exports("{}").await;
    client.call(step(JobStep::Abort("17".into()), None)).await.unwrap();
    let refused = client.call(step(JobStep::End("17".into()), None)).await.unwrap_err();
    assert_eq!(refused.class, Class::Permanent);
    let gone = client.call(step(JobStep::Ask("18".into()), None)).await.unwrap_err();
    assert_eq!(gone.class, Class::Missing);
    assert_eq!(server.got().len(), 2);
}

#[tokio::test]
async fn half_a_page_is_no_page() {
    let half =
        |_: &Got| (StatusCode::OK, [("content-type", "text/plain")], "{\"id\": 1}\n{\"id\":").into_response();
    let server = Server::answering(half).await;
    let client = Client::new();
    client.open(manifest(EXPORTS), &format!(r#"{{"base_url": "{}"}}"#, server.url));
    assert!(client.call(step(JobStep::Page("17".into()), None)).await.is_err());
}

#[test]
fn a_job_that_makes_no_sense_is_a_fault() {
    let told = |from: &str, to: &str| {
        assert!(EXPORTS.contains(from), "{from}");
        let faults = Manifest::read("own.yaml", &EXPORTS.replace(from, to)).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (from, to, fault) in [
        ("done: [finished]", "done: []", "no word says that it is done"),
        ("failed: [broken]", "failed: [finished]", "`finished` says that it is done"),
        ("path: /exports,", "path: \"/exports/${job}\",", "job"),
        ("why: $.response.body.reason", "within: 30d", "more than a week"),
        ("    list:\n      request", "    list:\n      since: {}\n      request", "does not use"),
        ("format: json_lines,", "format: json_lines, types: $.config,", "only the values of `format: csv`"),
        ("    list:\n", "    get:\n", "only a list is made by a job"),
    ] {
        let said = told(from, to);
        assert!(said.contains(fault), "{to}: {said}");
    }
}
