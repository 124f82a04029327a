//! What a system answers, read by the built-in manifests: a reply, the next page, or a failure with its class.
//!
//! The first line is `<call> <status> <content type> <a header>: <its value>`, the rest the body.

use std::sync::LazyLock;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use lockstep::connector::{Action, Call, Connection, Failure, Reply, Select, builtin};

use super::sample;

/// No wait that a system asks for is believed beyond this.
const WAIT_MAX: Duration = Duration::from_hours(24);
const MESSAGE_MAX: usize = 600;
const SECRET: &str = "planted-secret-0123456789";

pub fn check(data: &[u8]) {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (first, body) = (&data[..line], data.get(line + 1..).unwrap_or_default());
    let Ok(first) = std::str::from_utf8(first) else { return };
    let mut words = first.splitn(4, ' ');
    let asked = pick(words.next().unwrap_or_default());
    let status = words.next().and_then(|word| word.parse().ok()).unwrap_or(200).clamp(100, 599);
    let mut headers = HeaderMap::new();
    if let Some(kind) = words.next().and_then(|word| HeaderValue::from_str(word).ok()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let more = words.next().and_then(|word| word.split_once(':'));
    if let Some((Ok(name), Ok(value))) =
        more.map(|(name, value)| (HeaderName::try_from(name), HeaderValue::from_str(value.trim())))
    {
        headers.insert(name, value);
    }
    match asked.connection.read_answer(&asked.call, status, headers, body) {
        Ok(reply) => good(&reply, status, asked),
        Err(failure) => bad(&failure, status),
    }
}

/// A call, and the connection that makes it.
struct Asked {
    name: String,
    connection: &'static Connection,
    call: Call,
}

/// The call of this name, else any.
fn pick(name: &str) -> &'static Asked {
    let sum = name.bytes().map(usize::from).sum::<usize>();
    ASKED.iter().find(|asked| asked.name == name).unwrap_or(&ASKED[sum % ASKED.len()])
}

static ASKED: LazyLock<Vec<Asked>> = LazyLock::new(|| {
    let config = [
        ("stripe", r#"{"api_key":"planted-secret-0123456789"}"#),
        (
            "salesforce",
            r#"{"login_url":"https://acme.my.salesforce.com","client_id":"c","client_secret":"planted-secret-0123456789"}"#,
        ),
        ("slack", r#"{"url":"https://hooks.slack.com/services/planted-secret-0123456789"}"#),
        ("http", r#"{"base_url":"https://api.example.com","token":"planted-secret-0123456789"}"#),
    ];
    config.iter().flat_map(|(name, config)| asked(name, config)).collect()
});

/// Each kind of call of one connector.
fn asked(connector: &str, config: &str) -> Vec<Asked> {
    let manifest = builtin(connector).expect("built in");
    let connection = sample::connection(manifest, sample::map(config)).expect("it opens");
    let connection: &'static Connection = Box::leak(Box::new(connection));
    let (object, fields) = match connector {
        "stripe" => ("customer", r#"{"email":"ann@example.com"}"#),
        "salesforce" => ("Account", r#"{"Stripe_Customer_Id__c":"cus_1"}"#),
        _ => ("orders", r#"{"number":7}"#),
    };
    let fields = sample::map(fields);
    let id = || "id_1".into();
    let actions = [
        (
            "find",
            Action::Find { object: object.into(), identity: fields.clone(), select: Select::All, limit: 2 },
        ),
        ("get", Action::Get { object: object.into(), id: id(), select: Select::All }),
        (
            "list",
            Action::List {
                job: None,
                object: object.into(),
                filter: fields.clone(),
                since: None,
                select: Select::All,
                limit: 100,
                cursor: None,
            },
        ),
        ("create", Action::Create { object: object.into(), fields: fields.clone() }),
        ("update", Action::Update { object: object.into(), id: id(), fields: fields.clone() }),
        ("delete", Action::Delete { object: object.into(), id: id() }),
        ("upsert", Action::Upsert { object: object.into(), key: fields.clone(), fields: fields.clone() }),
        (
            "link",
            Action::Link {
                object: object.into(),
                id: id(),
                relation: "campaign".into(),
                to: "7".into(),
                fields: fields.clone(),
            },
        ),
        ("message", Action::Operation { name: "message".into(), params: sample::json(r#"{"text":"hi"}"#) }),
        ("post", Action::Operation { name: "post".into(), params: sample::json(r#"{"path":"x"}"#) }),
        ("flow", Action::Operation { name: "flow.run".into(), params: sample::json(r#"{"flow":"F"}"#) }),
    ];
    let can = |call: &Call| connection.preview(call).is_ok();
    let keyed = |action| Call { idempotency_key: Some("key".into()), ..Call::new("crm", action) };
    let calls = actions.into_iter().map(|(verb, action)| (verb, keyed(action))).filter(|(_, call)| can(call));
    calls.map(|(verb, call)| Asked { name: format!("{connector}.{verb}"), connection, call }).collect()
}

fn good(reply: &Reply, status: u16, asked: &Asked) {
    // Only what asks for presence or absence can be right although it was answered with a failure.
    let by_state =
        matches!(asked.call.action, Action::Find { .. } | Action::Link { .. } | Action::Unlink { .. });
    assert!((200..300).contains(&status) || by_state, "{} is good at {status}", asked.name);
    if matches!(asked.call.action, Action::Create { .. }) {
        assert!(reply.id.as_ref().is_some_and(|id| !id.is_empty()), "a new record has an id");
    }
    let Action::List { object, filter, .. } = &asked.call.action else { return };
    let Some(cursor) = reply.next.clone() else { return };
    // The next page is asked for with what this one said, whatever it said.
    let (object, filter) = (object.clone(), filter.clone());
    let next = Action::List {
        job: None,
        object,
        filter,
        since: None,
        select: Select::All,
        limit: 100,
        cursor: Some(cursor),
    };
    drop(asked.connection.preview(&Call::new("crm", next)));
}

fn bad(failure: &Failure, status: u16) {
    let text = failure.to_string();
    assert!(failure.message.chars().count() <= MESSAGE_MAX, "{} characters", failure.message.chars().count());
    assert!(!failure.message.chars().any(char::is_control), "{:?} is one line", failure.message);
    assert!(failure.wait.is_none_or(|wait| wait <= WAIT_MAX), "{:?}", failure.wait);
    assert!(failure.status.is_none_or(|said| said == status));
    let secret = |text: &str| text.contains(SECRET);
    assert!(!secret(&text) && !failure.fields.iter().any(|field| secret(field)), "{text}");
}
