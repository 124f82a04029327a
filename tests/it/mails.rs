//! Mails of a running lockstep: encrypted, and only to servers whose certificate is trusted.

use std::sync::Arc;

use lockstep::clock::SystemClock;
use lockstep::sandbox::smtp::{Smtp, SmtpOptions, SmtpTls};
use pretty_assertions::assert_eq;

use crate::world::{World, charge};

const CLIENT: &str = r#"
# file: pipelines/acme/client.yaml
name: acme
connections:
  stripe:
    connector: stripe
    config: { api_key: "${ACME_KEY}", webhook_secrets: ["${ACME_WHSEC}"], base_url: "${STRIPE_URL}" }
  mail:
    connector: smtp
    config:
      host: localhost
      port: ${MAIL_PORT}
      tls: ${MAIL_TLS}
      user: ${MAIL_USER}
      password: ${MAIL_PASSWORD}
      from: billing@acme.example
# file: pipelines/acme/paid.yaml
name: paid
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - call:
      connection: mail
      operation: send
      key: $.object.id
      params: { to: ann@x.example, subject: Paid, text: "We have your ${money(object.amount, object.currency)}." }
"#;

/// A server with a certificate of the tests' own authority, and lockstep that does or does not trust it.
async fn paid(implicit: bool, trusted: bool) -> (World, Smtp) {
    let tls = SmtpTls {
        certificate: include_str!("connector/smtp-tls/server.pem").to_owned(),
        key: include_str!("connector/smtp-tls/server.key").to_owned(),
        implicit,
    };
    let options = SmtpOptions { tls: Some(tls), ..SmtpOptions::default() };
    let server = Smtp::start(options, Arc::new(SystemClock)).await.unwrap();
    let mut world = World::with(CLIENT).await;
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/connector/smtp-tls/ca.pem");
    let port = server.port().to_string();
    let mut environment = vec![
        ("MAIL_PORT", port.as_str()),
        ("MAIL_TLS", if implicit { "implicit" } else { "starttls" }),
        ("MAIL_USER", server.user()),
        ("MAIL_PASSWORD", server.password()),
    ];
    if trusted {
        environment.push(("SSL_CERT_FILE", authority));
    }
    world.start(&environment);
    world.deliver(&charge("charge.succeeded", 1)).await;
    (world, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_encrypted_by_starttls_and_from_the_start() {
    for implicit in [false, true] {
        let (world, server) = paid(implicit, true).await;
        world.all_ended().await;
        let mails = server.mails();
        assert_eq!(mails.len(), 1, "implicit: {implicit}: {}", world.log());
        assert!(mails[0].encrypted);
        assert_eq!(mails[0].login.as_deref(), Some(server.user()));
        assert_eq!(mails[0].text().trim(), "We have your 45.00.");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_show_who_it_is_gets_neither_mail_nor_password() {
    let (world, server) = paid(false, false).await;
    let told = || world.json(&["runs"]).to_string();
    world.until("the certificate is refused", async || told().contains("certificate")).await;
    assert_eq!(server.mails(), []);
}
