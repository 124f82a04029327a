//! `lockstep run` as an operator meets it: health, metrics, the admin token, what keeps it from starting.

use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::json;

use crate::world::{World, charge, now};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_happened() {
    let world = World::acme().await;
    for (kind, number) in [("charge.succeeded", 1), ("charge.refunded", 2), ("charge.succeeded", 1)] {
        world.deliver(&charge(kind, number)).await;
    }
    world.post("{}", &format!("t={},v1=00", now())).await;
    world.all_ended().await;
    let (status, page) = world.admin("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let page = page.as_str().unwrap();
    for line in [
        r#"lockstep_events_received_total{client="acme",connection="stripe"} 2"#,
        r#"lockstep_events_duplicate_total{client="acme",connection="stripe"} 1"#,
        r#"lockstep_deliveries_refused_total{client="acme",connection="stripe",reason="signature"} 1"#,
        r#"lockstep_runs_ended_total{client="acme",pipeline="log-payment",outcome="succeeded"} 1"#,
        r#"lockstep_runs_ended_total{client="acme",pipeline="large-payment",outcome="skipped"} 1"#,
        r#"lockstep_runs_ended_total{client="acme",pipeline="refund",outcome="conflict"} 1"#,
        r#"lockstep_lag_since_received_seconds_count{client="acme"} 3"#,
        "lockstep_runs_unfinished 0",
    ] {
        assert!(page.lines().any(|known| known == line), "{line} is not in\n{page}");
    }
    assert!(
        page.contains(r#"lockstep_calls_total{client="acme",connection="salesforce",class="ok"}"#),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_to_everybody_and_the_rest_to_who_knows_the_token() {
    let mut world = World::at_rest().await;
    world.start(&[("LOCKSTEP_ADMIN_TOKEN", "0123456789abcdef0123456789abcdef")]);
    assert_eq!(world.admin("/healthz").await, (StatusCode::OK, json!("ok\n")));
    assert_eq!(world.admin("/readyz").await, (StatusCode::OK, json!({ "ready": true })));
    for path in ["/metrics", "/api/v1/runs", "/api/v1/events/evt_1"] {
        assert_eq!(world.admin(path).await.0, StatusCode::UNAUTHORIZED, "{path}");
        for (token, status) in
            [("wrong", StatusCode::UNAUTHORIZED), ("0123456789abcdef0123456789abcdef", StatusCode::OK)]
        {
            let request = world.http().get(world.admin_url(path)).bearer_auth(token);
            let found = request.send().await.unwrap().status();
            let expected = if path.ends_with("evt_1") && status == StatusCode::OK {
                StatusCode::NOT_FOUND
            } else {
                status
            };
            assert_eq!(found, expected, "{path} with {token}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_address_without_a_token_is_for_this_machine_alone() {
    let world = World::acme().await;
    let request = world.http().get(world.admin_url("/api/v1/runs")).header("host", "rebound.example");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);

    let open = world.lockstep(&["run", "--admin", "0.0.0.0:0", "--listen", "127.0.0.1:0"]);
    assert_eq!(open.status.code(), Some(2));
    let words = String::from_utf8(open.stderr).unwrap();
    assert!(words.contains("LOCKSTEP_ADMIN_TOKEN"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_it_from_starting_is_said() {
    let mut world = World::acme().await;
    let taken = world.hook("").replace("http://", "").replace("/hooks/", "");
    for (arguments, part) in [
        (&["run", "--listen", &taken, "--admin", "127.0.0.1:0"][..], "could not listen on"),
        (&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], "in use by another `lockstep run`"),
        (&["run", "/"], "no project here"),
        (&["run", "--env", "moon"], "no client has a `client.moon.yaml`"),
        (&["run", "--log", "lockstep=loud="], "the log filter"),
        (&["run", "--store", "mysql:x"], "sqlite:PATH"),
        (&["run", "--listen", "8080"], "write `127.0.0.1:8080` for this machine"),
        (&["run", "--admin", "localhost:8081"], "for instance `127.0.0.1:8081`"),
    ] {
        let output = world.lockstep(arguments);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {words}");
        assert!(words.contains(part), "{arguments:?}: {words}");
    }
    assert!(world.process().try_wait().unwrap().is_none(), "the one that runs goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_secret_went_through_leaves_it_nowhere() {
    // Invariant 5: what the CRM says of a refused credential is redacted by value.
    let mut world = World::at_rest().await;
    let secret = "a-secret-that-nobody-else-has";
    world.start(&[("SF_SECRET", secret), ("LOCKSTEP_LOG", "debug")]);
    assert_eq!(world.deliver(&charge("charge.succeeded", 1)).await.0, StatusCode::OK);
    world
        .until("the connection is paused", async || {
            world.admin("/readyz").await.1["paused"][0]["connection"] == "salesforce"
        })
        .await;
    for path in ["/readyz", "/metrics", "/api/v1/runs", "/api/v1/events/evt_charge.succeeded_1"] {
        let (_, answer) = world.admin(path).await;
        assert!(!answer.to_string().contains(secret), "{path}: {answer}");
    }
    world.kill();
    for name in ["lockstep.db", "lockstep.db-wal"] {
        let bytes = std::fs::read(world.folder().join(name)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{name}");
    }
}
