//! The built-in `slack` against the simulator.

use lockstep::connector::{AfterUnknown, Class};
use lockstep::sandbox::{Fault, Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;

use super::*;

async fn world() -> (Sandbox, Client, Arc<Connection>) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let client = Client::new();
    let connection =
        client.open_builtin("slack", &format!(r#"{{"url": "{}"}}"#, sandbox.slack().webhook_url()));
    (sandbox, client, connection)
}

#[tokio::test]
async fn a_message_arrives_with_a_customers_name_that_mentions_nobody() {
    let (sandbox, client, _) = world().await;
    let params = r#"{"text": "*Failed*: <!channel> & Co", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "<@U1>"}, "url": "https://x.example/?a=1&b=2"}]}"#;
    client.call(operation("message", params)).await.unwrap();
    let calls = sandbox.slack().calls();
    let body = json(&calls[0].body);
    assert_eq!(text(&body, "text"), "*Failed*: &lt;!channel&gt; &amp; Co");
    let block = &body.get("blocks").unwrap().as_list().unwrap()[0];
    assert_eq!(text(block.get("text").unwrap(), "text"), "&lt;@U1&gt;");
    assert_eq!(text(block, "url"), "https://x.example/?a=1&b=2", "addresses are not text");
    assert_eq!(text(block.get("text").unwrap(), "type"), "mrkdwn");
}

#[tokio::test]
async fn a_message_has_no_blocks_that_were_not_given() {
    let (sandbox, client, _) = world().await;
    client.call(operation("message", r#"{"text": "hello"}"#)).await.unwrap();
    assert_eq!(sandbox.slack().calls()[0].body, r#"{"text":"hello"}"#);
}

#[tokio::test]
async fn a_revoked_webhook_is_connection_wide_and_its_address_stays_secret() {
    let (sandbox, client, connection) = world().await;
    sandbox.slack().revoke(true);
    let failure = client.call(operation("message", r#"{"text": "hello"}"#)).await.unwrap_err();
    assert_eq!(failure.class, Class::ConnectionDown);
    let url = sandbox.slack().webhook_url();
    let path = url.split_once("/services/").unwrap().1;
    let call = Call::new("crm", operation("message", r#"{"text": "hello"}"#));
    let shown = format!("{failure:?} {connection:?} {:?}", connection.preview(&call).unwrap());
    assert!(!shown.contains(path), "{shown}");
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_sent_again() {
    let (sandbox, client, connection) = world().await;
    sandbox.slack().faults().add(Fault::reset().after_the_work());
    let failure = client.call(operation("message", r#"{"text": "hello"}"#)).await.unwrap_err();
    assert_eq!(failure.class, Class::Unknown);
    let abilities = Arc::clone(connection.manifest().abilities());
    let message = abilities.operation("message").unwrap();
    assert!(message.message);
    assert_eq!(message.after_unknown, AfterUnknown::SendAgain);
}

#[tokio::test]
async fn parameters_are_checked_before_anything_is_sent() {
    let (sandbox, client, _) = world().await;
    let cases = [
        (r#"{"text": ""}"#, "needs the parameter `text`"),
        (r#"{"text": "a", "channel": "b"}"#, "no parameter `channel`"),
    ];
    for (params, said) in cases {
        let failure = client.call(operation("message", params)).await.unwrap_err();
        assert_eq!(failure.class, Class::Permanent);
        assert!(failure.message.contains(said), "{failure}");
    }
    assert!(sandbox.slack().calls().is_empty());
}
