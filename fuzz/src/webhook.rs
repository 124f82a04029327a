//! The body of a webhook whose signature is right: its envelope, and what is kept of it.

use std::sync::{Arc, LazyLock};

use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use lockstep::connector::builtin;
use lockstep::expr::pci;
use lockstep::ingest::{Delivery, Hooks};
use lockstep::value::Value;

use super::{sample, signature};

const SECRET: &str = "whsec_fuzz";

pub fn check(body: &[u8]) {
    let hook = HOOKS.find("acme", "crm").expect("it is served");
    let mut headers = HeaderMap::new();
    let signature = signature::header(SECRET, sample::NOW, body);
    headers.insert("stripe-signature", HeaderValue::from_str(&signature).expect("a header"));
    let delivery = Delivery {
        client: "acme".to_owned(),
        connection: "crm".to_owned(),
        target: "/hooks/acme/crm".to_owned(),
        headers,
        body: Bytes::copy_from_slice(body),
    };
    let incoming = match hook.open(&delivery, sample::now()) {
        Ok(mut incoming) => incoming.remove(0),
        Err(refusal) => {
            assert_eq!(refusal.word(), "not_an_event", "{refusal}");
            return;
        }
    };
    assert!(!incoming.id.is_empty() && !incoming.kind.is_empty() && !incoming.key.is_empty());
    // What is kept is what runs see, and neither holds card data (invariant 5).
    let kept = Value::from_json(&incoming.body).expect("what is kept can be read again");
    assert_eq!(kept, incoming.event);
    no_card(&kept, &mut Vec::new());
    let text = std::str::from_utf8(&incoming.body).expect("JSON is text");
    for part in Everything::of(text) {
        assert!(!pci::has_card_number(&part), "{part:?} in {text}");
    }
    assert_eq!(pci::strip(kept.clone()), kept, "nothing is left to strip");
}

static HOOKS: LazyLock<Hooks> = LazyLock::new(|| {
    let config = sample::map(r#"{"api_key":"sk_test_1","webhook_secrets":["whsec_fuzz"]}"#);
    let connection = sample::connection(builtin("stripe").expect("built in"), config).expect("it opens");
    let mut hooks = Hooks::default();
    hooks.serve(&"acme".into(), [Arc::new(connection)]);
    hooks
});

fn no_card<'v>(value: &'v Value, path: &mut Vec<&'v str>) {
    assert!(!pci::is_card_data(path), "{path:?}");
    match value {
        Value::List(items) => items.iter().for_each(|item| no_card(item, path)),
        Value::Map(map) => {
            for (key, value) in &**map {
                path.push(key);
                no_card(value, path);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Every text and number of a JSON text, keys too, also of those entries that a later one of the same key replaces.
struct Everything(Vec<String>);

impl Everything {
    fn of(text: &str) -> Vec<String> {
        let mut all = Self(Vec::new());
        let mut rest = text.char_indices();
        let mut bare = String::new();
        while let Some((at, char)) = rest.next() {
            match char {
                '"' => {
                    let mut escaped = false;
                    let end = rest
                        .find(|(_, char)| {
                            let closes = *char == '"' && !escaped;
                            escaped = *char == '\\' && !escaped;
                            closes
                        })
                        .map_or(text.len(), |(end, _)| end + 1);
                    all.0.extend(
                        Value::from_json(&text.as_bytes()[at..end])
                            .ok()
                            .and_then(|it| it.to_text())
                            .map(|it| it.to_string()),
                    );
                }
                '0'..='9' | '+' | '-' | '.' | 'e' | 'E' => bare.push(char),
                _ => all.number(&mut bare),
            }
        }
        all.number(&mut bare);
        all.0
    }

    /// A whole number; one with a fraction is an amount.
    fn number(&mut self, bare: &mut String) {
        match Value::number(&std::mem::take(bare)) {
            Value::Decimal(decimal) if decimal.fract().is_zero() => self.0.push(decimal.trunc().to_string()),
            Value::Int(int) => self.0.push(int.to_string()),
            _ => {}
        }
    }
}
