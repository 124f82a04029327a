//! The built-in `smtp` against the mail server of the sandbox.

use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep::connector::{AfterUnknown, Class, Done};
use lockstep::sandbox::smtp::{Refusal, Smtp, SmtpOptions, Stage};
use pretty_assertions::assert_eq;

use super::*;

const MAIL: &str = r#"{"to": "ann@x.example", "subject": "Your invoice", "text": "It is paid.\nThank you."}"#;

async fn server() -> Smtp {
    Smtp::start(SmtpOptions::default(), Arc::new(SystemClock)).await.unwrap()
}

fn config(server: &Smtp, password: &str) -> String {
    format!(
        r#"{{"host": "{}", "port": "{}", "user": "{}", "password": "{password}", "from": "billing@acme.example", "from_name": "Acme Billing"}}"#,
        server.host(),
        server.port(),
        server.user()
    )
}

async fn world() -> (Smtp, Client, Arc<Connection>) {
    let (server, client) = (server().await, Client::new());
    let connection = client.open_builtin("smtp", &config(&server, server.password()));
    (server, client, connection)
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_meant() {
    let (server, client, connection) = world().await;
    let params = r#"{
        "to": [{"address": "ann@x.example", "name": "Änn Lee"}, "bob@x.example"], "cc": "carl@x.example", "bcc": ["dora@x.example"],
        "reply_to": "help@acme.example", "subject": "Zahlung über 4,50 €", "text": "Grüße,\n.\nAcme"
    }"#;
    let reply = client.call_with(operation("send", params), "null", "lockstep-run-7-steps[1]").await.unwrap();
    let mail = &server.mails()[0];
    assert_eq!(mail.from, "billing@acme.example");
    assert_eq!(mail.to, ["ann@x.example", "bob@x.example", "carl@x.example", "dora@x.example"]);
    assert_eq!(mail.login.as_deref(), Some(server.user()));
    assert_eq!(mail.header("From"), r#""Acme Billing" <billing@acme.example>"#);
    assert_eq!(mail.header("Cc"), "carl@x.example");
    assert_eq!(
        (mail.header("Bcc"), mail.header("Reply-To")),
        (String::new(), "help@acme.example".to_owned())
    );
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.header("Subject"), "Zahlung =?utf-8?b?w7xiZXI=?= 4,50 =?utf-8?b?4oKs?=");
    assert!(mail.data.is_ascii(), "{}", mail.data);
    assert_eq!(mail.text().trim(), "R3LDvMOfZSwNCi4NCkFjbWU=", "base64 of what was written");
    assert!(!mail.header("Date").is_empty());
    let id = "<lockstep-run-7-steps.1@acme.example>";
    assert_eq!((mail.header("Message-ID").as_str(), reply.id.as_deref()), (id, Some(id)));

    let dots = r#"{"to": "ann@x.example", "subject": "a", "text": "One.\n.\n..two"}"#;
    client.call(operation("send", dots)).await.unwrap();
    assert_eq!(server.mails()[1].text().trim(), "One.\n.\n..two", "a dot ends no mail");

    let abilities = Arc::clone(connection.manifest().abilities());
    let send = abilities.operation("send").unwrap();
    assert!(send.message);
    assert_eq!(send.after_unknown, AfterUnknown::SendAgain);
}

#[tokio::test]
async fn no_value_begins_a_header_or_names_a_further_recipient() {
    let (server, client, _) = world().await;
    let params = r#"{"to": {"address": "ann@x.example", "name": "Ann\r\nBcc: evil@x.example"},
        "subject": "Hello\r\nBcc: evil@x.example\r\n\r\nInstead", "text": "a\r\n.\r\nMAIL FROM:<evil@x.example>"}"#;
    client.call(operation("send", params)).await.unwrap();
    let mails = server.mails();
    assert_eq!((mails.len(), mails[0].to.as_slice()), (1, ["ann@x.example".to_owned()].as_slice()));
    assert_eq!(mails[0].header("Bcc"), "");
    assert_eq!(mails[0].header("Subject"), "Hello Bcc: evil@x.example Instead");
    for to in [
        r#""ann@x.example, evil@x.example""#,
        r#""ann@x.example>\r\nRCPT TO:<evil@x.example""#,
        r#""Ann <ann@x.example>""#,
        r#"{"name": "Ann"}"#,
        r#"["ann@x.example", "nobody"]"#,
        "[]",
    ] {
        let params = format!(r#"{{"to": {to}, "subject": "a", "text": "b"}}"#);
        let failure = client.call(operation("send", &params)).await.unwrap_err();
        assert_eq!((failure.class, failure.done), (Class::Permanent, Done::No), "{to}");
    }
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn each_refusal_is_what_it_means_and_says_whom_it_is_about() {
    let (server, client, _) = world().await;
    for (stage, says, class, done, seconds) in [
        (Stage::Recipient, "450 4.2.0 greylisted, try again later", Class::Transient, Done::No, 60),
        (Stage::Recipient, "550 5.1.1 no such mailbox", Class::Permanent, Done::No, 0),
        (Stage::Sender, "553 5.7.1 not yours", Class::Permanent, Done::No, 0),
        (Stage::Content, "451 4.3.0 busy", Class::Transient, Done::No, 60),
        (Stage::Content, "552 5.3.4 too large", Class::Permanent, Done::No, 0),
        (Stage::Connect, "554 5.7.1 no service for you", Class::ConnectionDown, Done::No, 0),
        (Stage::Login, "535 5.7.8 wrong", Class::ConnectionDown, Done::No, 0),
        (Stage::Login, "454 4.7.0 later", Class::Transient, Done::No, 60),
    ] {
        server.refuse(Refusal::at(stage, says));
        let failure = client.call(operation("send", MAIL)).await.unwrap_err();
        let wait = failure.wait.map_or(0, |wait| wait.as_secs());
        assert_eq!((failure.class, failure.done, wait), (class, done, seconds), "{says}: {failure:?}");
        if stage == Stage::Recipient {
            assert!(failure.message.starts_with("ann@x.example: "), "{failure}");
            assert_eq!(failure.fields, ["to"]);
        }
        if says.starts_with("550") {
            assert_eq!(failure.to_string(), "ann@x.example: no such mailbox (5.1.1, status 550)");
        }
    }
    assert_eq!(server.mails(), [], "nothing of it was sent");
    server.refuse(Refusal::at(Stage::Recipient, "421 4.7.0 too many from you"));
    assert_eq!(client.call(operation("send", MAIL)).await.unwrap_err().class, Class::Throttled);
}

#[tokio::test]
async fn one_refused_recipient_keeps_the_mail_from_all() {
    let (server, client, _) = world().await;
    server.refuse(Refusal::at(Stage::Recipient, "550 5.1.1 no such mailbox"));
    let both = r#"{"to": ["ann@x.example", "bob@x.example"], "subject": "a", "text": "b"}"#;
    let failure = client.call(operation("send", both)).await.unwrap_err();
    assert_eq!((failure.class, server.mails().len()), (Class::Permanent, 0));
}

#[tokio::test]
async fn a_lost_answer_leaves_open_only_what_it_must() {
    let (server, client, _) = world().await;
    for stage in [Stage::Connect, Stage::Login, Stage::Sender, Stage::Recipient] {
        server.refuse(Refusal::silent(stage));
        let failure = client.call(operation("send", MAIL)).await.unwrap_err();
        assert_eq!((failure.class, failure.done), (Class::Transient, Done::No), "{stage:?}");
    }
    assert_eq!(server.mails(), []);
    server.refuse(Refusal::silent(Stage::Content));
    let failure = client.call(operation("send", MAIL)).await.unwrap_err();
    assert_eq!((failure.class, failure.done), (Class::Unknown, Done::Perhaps));
    assert_eq!(server.mails().len(), 1, "and indeed it was taken");

    let gone = client.open_builtin("smtp", &config(&server, server.password()));
    drop(server);
    let failure = gone.call(&Call::new("crm", operation("send", MAIL))).await.unwrap_err();
    assert_eq!((failure.class, failure.done), (Class::Transient, Done::No));
}

#[tokio::test]
async fn a_wrong_password_pauses_the_connection_and_is_nowhere_to_be_read() {
    let (server, client) = (server().await, Client::new());
    let connection = client.open_builtin("smtp", &config(&server, "wrong-password-4242"));
    let failure = client.call(operation("send", MAIL)).await.unwrap_err();
    assert_eq!(failure.class, Class::ConnectionDown);
    let preview = connection.preview(&Call::new("crm", operation("send", MAIL))).unwrap();
    assert_eq!(
        (preview.method.as_str(), preview.url.clone()),
        ("MAIL", format!("smtp://{}:{}", server.host(), server.port()))
    );
    assert!(preview.body.as_ref().unwrap().contains("It is paid."), "{preview:?}");
    let shown = format!("{failure:?} {preview:?}");
    // Neither it nor how it travels.
    for secret in ["wrong-password-4242", "d3JvbmctcGFzc3dvcmQ"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_provider_that_takes_no_passwords_is_shown_a_token_which_is_renewed_once() {
    let (server, asked) = (server().await, Arc::new(AtomicUsize::new(0)));
    let (token, count) = (server.token(), Arc::clone(&asked));
    let app = axum::Router::new().fallback(move || {
        count.fetch_add(1, Ordering::SeqCst);
        let body = format!(r#"{{"access_token": "{token}", "expires_in": 3600}}"#);
        async move { ([("content-type", "application/json")], body) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = format!(
        r#"{{"host": "{}", "port": "{}", "token_url": "{url}", "client_id": "app", "refresh_token": "refresh-4242", "from": "billing@acme.example"}}"#,
        server.host(),
        server.port()
    );
    let client = Client::new();
    client.open_builtin("smtp", &config);
    client.call(operation("send", MAIL)).await.unwrap();
    assert_eq!(server.mails()[0].login.as_deref(), Some("billing@acme.example"));
    server.refuse(Refusal::at(Stage::Login, "535 5.7.8 the token is too old"));
    client.call(operation("send", MAIL)).await.unwrap();
    assert_eq!((server.mails().len(), asked.load(Ordering::SeqCst)), (2, 2));
    server.refuse(Refusal::at(Stage::Login, "535 5.7.8 the token is too old").times(2));
    assert_eq!(client.call(operation("send", MAIL)).await.unwrap_err().class, Class::Expired);
}

#[tokio::test]
async fn mails_go_in_clear_only_to_this_machine() {
    let manifest = builtin("smtp").unwrap();
    let server = server().await;
    // This machine too, but in a spelling that does not say so.
    let elsewhere = config(&server, server.password()).replace("127.0.0.1", "127.1");
    let client = Client::new();
    client.open(Arc::clone(&manifest), &elsewhere);
    let failure = client.call(operation("send", MAIL)).await.unwrap_err();
    assert_eq!(failure.class, Class::ConnectionDown);
    assert!(failure.message.contains("offers no STARTTLS, and mails do not go in clear"), "{failure}");
    client.open(Arc::clone(&manifest), &elsewhere.replace('{', r#"{"allow_http": true, "#));
    client.call(operation("send", MAIL)).await.unwrap();
    assert_eq!(server.mails().len(), 1);

    let wrong = r#"{"host": "x.example", "from": "Acme <a@acme.example>", "tls": "none"}"#;
    let faults = Client::new().try_open(manifest, wrong).unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn a_manifest_sends_requests_or_mails() {
    let faults = |transport: &str, operation: &str| -> Vec<String> {
        let yaml = format!(
            "name: own\ntitle: Own\n{transport}base_url: smtp://x.example\noperations:\n  a: {operation}\n"
        );
        Manifest::read("own.yaml", &yaml).unwrap_err().iter().map(ToString::to_string).collect()
    };
    let (mail, request) =
        ("{ mail: { from: a, to: b, subject: c, text: d } }", "{ request: { method: GET, path: /a } }");
    assert_eq!(
        faults("", mail),
        ["operations.a.mail: a mail needs `transport: smtp` at the top of the manifest"]
    );
    assert_eq!(
        faults("transport: smtp\n", request),
        ["operations.a.request: over `transport: smtp` go mails: `mail` says which"]
    );
    assert_eq!(faults("", "{}"), ["operations.a: the key `request` is missing"]);
    assert_eq!(faults("transport: smtp\n", "{}"), ["operations.a: the key `mail` is missing"]);
}
