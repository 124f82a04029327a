#![doc = include_str!("secret-written.md")]

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::{Regex, RegexSet};

use super::super::view::{Found, View};
use super::Rule;
use crate::config::DraftFile;
use crate::config::env::Template;
use crate::diagnostic::{Code, Path, Place, SourceFile, Span};
use crate::value::Value;

pub(super) const RULE: Rule = Rule { code: Code::SecretWritten, check };

/// How secrets look that say themselves what they are.
const LOOKS: &[(&str, &str)] = &[
    (r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}", "an API key of Stripe"),
    (r"\bwhsec_[A-Za-z0-9+/=]{10,}", "a webhook's signing secret"),
    (r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", "a token of Slack"),
    (r"hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+", "a webhook address of Slack"),
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----", "a private key"),
    (r"\bpat-(?:na|eu|ap)[0-9]-[0-9a-f]{8}-[0-9a-f-]{20,}", "an access token of HubSpot"),
    (r"\bAKIA[0-9A-Z]{16}\b", "an access key of AWS"),
    (r"\bgh[pousr]_[A-Za-z0-9]{36}", "a token of GitHub"),
    (r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", "a signed token"),
];

static ANY: LazyLock<Option<RegexSet>> =
    LazyLock::new(|| RegexSet::new(LOOKS.iter().map(|(look, _)| look)).ok());
static EACH: LazyLock<Vec<(Regex, &str)>> =
    LazyLock::new(|| LOOKS.iter().filter_map(|(look, what)| Some((Regex::new(look).ok()?, *what))).collect());
static SECRET_KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:secret|password|passwd|token|api_?key|private_?key|credential)s?$").ok()
});

fn check(view: &View, found: &mut Found) {
    fn text<T>(file: &DraftFile<T>) -> &Arc<SourceFile> {
        &file.file
    }
    let draft = view.draft;
    let files = std::iter::once(text(&draft.file))
        .chain(view.overlay.map(text))
        .chain(draft.pipelines.iter().map(text))
        .chain(view.parts().map(text))
        .chain(draft.tests.iter().map(text))
        .chain(draft.library.as_ref())
        .chain(view.shared.library.as_ref());
    for file in files {
        known_looks(file, found);
    }
    for (name, value) in &view.client.vars {
        named_so(view, &Path::root().key("vars").key(name.0.clone()), value, found);
    }
    settings(view, found);
}

/// Anywhere in a file, comments and scripts included.
fn known_looks(file: &Arc<SourceFile>, found: &mut Found) {
    if !ANY.as_ref().is_some_and(|any| any.is_match(file.text())) {
        return;
    }
    for (look, what) in EACH.iter() {
        for secret in look.find_iter(file.text()) {
            let place = Place::bytes(Arc::clone(file.path()), span(secret.range()));
            report(found, place, &format!("{what} is written out"));
        }
    }
}

fn span(range: Range<usize>) -> Span {
    Span::new(range.start, range.end)
}

/// What the connector calls a secret must come from outside, whatever it looks like; anything else that looks like one
/// and is named so, too.
fn settings(view: &View, found: &mut Found) {
    for (name, connection) in &view.client.connections {
        let config = Path::root().key("connections").key(name.0.clone()).key("config");
        let manifest = view.manifest(connection);
        for (key, value) in &connection.config {
            let setting = manifest.and_then(|manifest| manifest.settings().get(key));
            let path = config.key(key.as_str());
            if setting.is_some_and(|setting| setting.secret) {
                secret(view, &path, value, &connection.connector, found);
            } else {
                named_so(view, &path, value, found);
            }
        }
    }
}

/// A setting that is secret: no part of it may be written out.
fn secret(view: &View, path: &Path, value: &Value, connector: &str, found: &mut Found) {
    match value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                secret(view, &path.index(index), item, connector, found);
            }
        }
        Value::Map(map) => {
            for (key, value) in map.iter() {
                secret(view, &path.key(key.clone()), value, connector, found);
            }
        }
        Value::Text(text) if has_known_look(text) => {}
        Value::Text(text) => {
            // `Bearer ${TOKEN}` is well; a whole value without a placeholder, or a default for one, is not.
            let template = Template::parse(text).ok();
            let is_written_out = template.is_some_and(|template| match template.defaults().next() {
                Some(default) => !default.is_empty(),
                None => !template.has_placeholders() && !text.trim().is_empty(),
            });
            if is_written_out {
                let key = path.last_key().unwrap_or_default();
                report(
                    found,
                    view.value(path),
                    &format!("`{key}` of `{connector}` is secret, and written out"),
                );
            }
        }
        Value::Int(_) | Value::Decimal(_) => {
            let key = path.last_key().unwrap_or_default();
            report(found, view.value(path), &format!("`{key}` of `{connector}` is secret, and written out"));
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// A value that looks random, under a name that says it is secret.
fn named_so(view: &View, path: &Path, value: &Value, found: &mut Found) {
    match value {
        Value::Text(text) => {
            let is_named_so = path
                .last_key()
                .is_some_and(|key| SECRET_KEY.as_ref().is_some_and(|secret| secret.is_match(key)));
            if is_named_so && !has_known_look(text) && written_out(text).iter().any(|part| looks_random(part))
            {
                report(found, view.value(path), "this looks like a secret, written out");
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                named_so(view, &path.index(index), item, found);
            }
        }
        Value::Map(map) => {
            for (key, value) in map.iter() {
                named_so(view, &path.key(key.clone()), value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Decimal(_) => {}
    }
}

fn has_known_look(text: &str) -> bool {
    ANY.as_ref().is_some_and(|any| any.is_match(text))
}

/// The parts of a text that are not placeholders.
fn written_out(text: &str) -> Vec<String> {
    Template::parse(text).map(|it| it.written_out().map(str::to_owned).collect()).unwrap_or_default()
}

/// Long, without blanks, of letters and digits, and of no few different ones.
fn looks_random(text: &str) -> bool {
    let is_token = text.len() >= 16 && text.chars().all(|c| c.is_ascii_graphic()) && !text.contains("://");
    let mixes = text.chars().any(|c| c.is_ascii_digit()) && text.chars().any(|c| c.is_ascii_alphabetic());
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    is_token && mixes && different.len() >= 10
}

fn report(found: &mut Found, place: Place, fact: &str) {
    let finding = found
        .at(place, fact)
        .label("everybody who can read this file can use it")
        .help("write `${NAME}` or `${file:/run/secrets/name}` in client.yaml, and replace the secret where it came from");
    found.push(finding);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_is_a_regular_expression() {
        assert!(ANY.is_some());
        assert_eq!(EACH.len(), LOOKS.len());
        assert!(SECRET_KEY.is_some());
    }

    #[test]
    fn random_is_told_from_words() {
        for text in ["3MVG9ux34Ig8G5eoz3.jL", "a8f5f167f44f4964e6c998dee827110c"] {
            assert!(looks_random(text), "{text}");
        }
        for text in [
            "",
            "changeme",
            "the token of the sandbox",
            "https://login.example.com/oauth2/token",
            "aaaaaaaaaaaaaaaaaa1",
        ] {
            assert!(!looks_random(text), "{text}");
        }
    }
}
