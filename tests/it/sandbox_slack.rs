//! A Slack incoming webhook, as the simulator answers it.

use lockstep::sandbox::{Fault, Sandbox, SandboxOptions, Slack};
use pretty_assertions::assert_eq;

async fn post(slack: &Slack, url: &str, body: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(url.starts_with(&slack.url()));
    let response = client
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_webhook_answers_in_plain_words() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let slack = sandbox.slack();
    let url = slack.webhook_url();
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(40_001));
    for (body, status, word) in [
        (r#"{"text":"Payment failed"}"#, 200, "ok"),
        (r#"{"text":""}"#, 400, "no_text"),
        ("Payment failed", 400, "invalid_payload"),
        (long.as_str(), 400, "invalid_payload"),
    ] {
        assert_eq!(post(slack, &url, body).await, (status, word.to_owned()), "{body:.40}");
    }
    let elsewhere = format!("{}/services/T0/B0/X", slack.url());
    assert_eq!(post(slack, &elsewhere, r#"{"text":"x"}"#).await, (404, "no_service".to_owned()));
    assert_eq!(slack.messages().len(), 1, "what is refused is not kept");
    assert_eq!(slack.messages()[0].text, "Payment failed");
}

#[tokio::test]
async fn a_webhook_is_throttled_revoked_and_repeats_what_is_repeated() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let slack = sandbox.slack();
    let url = slack.webhook_url();
    slack.faults().add(Fault::answer(429).header("retry-after", "1"));
    assert_eq!(post(slack, &url, r#"{"text":"x"}"#).await, (429, "rate_limited".to_owned()));
    slack.faults().add(Fault::answer(500));
    assert_eq!(post(slack, &url, r#"{"text":"x"}"#).await, (500, "rollup_error".to_owned()));
    for _ in 0..2 {
        assert_eq!(post(slack, &url, r#"{"text":"x"}"#).await.0, 200);
    }
    assert_eq!(slack.messages().len(), 2, "a repeat is a second message");
    slack.revoke(true);
    assert_eq!(post(slack, &url, r#"{"text":"x"}"#).await, (404, "no_service".to_owned()));
}
