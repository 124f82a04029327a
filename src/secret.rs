//! Secrets: text that is never printed, and a redactor that finds it in text that is (invariant 5).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

/// Text that nobody may see: it is not printed, and wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// Texts shorter than this are not looked for: they would blot out half of every message, and a secret of five
/// characters is none.
const LENGTH_MIN: usize = 6;

/// Finds the secrets of a process in texts, and blots them out, as they are and as they travel: percent-encoded,
/// in base64, in JSON. Cheap to clone; all clones know the same secrets.
#[derive(Clone, Default)]
pub struct Redactor(Arc<ArcSwap<Known>>);

/// The forms of all secrets, longest first: a secret may contain another.
#[derive(Default)]
struct Known(Vec<Arc<str>>);

impl Redactor {
    /// Looks for `secret` from now on.
    pub fn learn(&self, secret: &str) {
        self.learn_all([secret]);
    }

    /// Looks for all of these from now on.
    pub fn learn_all<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) {
        let new: Vec<Arc<str>> = secrets.into_iter().flat_map(forms).collect();
        if self.0.load().has_all(&new) {
            return;
        }
        self.0.rcu(|known| {
            let all: BTreeSet<Arc<str>> = known.0.iter().chain(&new).cloned().collect();
            let mut all: Vec<Arc<str>> = all.into_iter().collect();
            all.sort_by_key(|form| std::cmp::Reverse(form.len()));
            Known(all)
        });
    }

    /// `text` without the secrets that are known.
    pub fn redact(&self, text: &str) -> String {
        let known = self.0.load();
        let mut out = text.to_owned();
        for form in &known.0 {
            if out.contains(&**form) {
                out = out.replace(&**form, REDACTED);
            }
        }
        out
    }
}

impl Known {
    fn has_all(&self, forms: &[Arc<str>]) -> bool {
        forms.iter().all(|form| self.0.contains(form))
    }
}

/// How many secrets are known, not which.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.0.load().0.len())
    }
}

/// A secret as it is and as it travels.
fn forms(secret: &str) -> Vec<Arc<str>> {
    let secret = secret.trim();
    if secret.len() < LENGTH_MIN {
        return Vec::new();
    }
    let json = serde_json::to_string(secret).unwrap_or_default();
    let mut forms: BTreeSet<String> = [
        secret.to_owned(),
        percent(secret, "-._~"),
        percent(secret, "-._~!$&'()*+,;=:@/?"),
        json.trim_matches('"').to_owned(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
    .into();
    // An address tells its secret in parts: a client library may print the path alone.
    if let Some((_, rest)) = secret.split_once("://") {
        forms.extend(rest.split_once('/').map(|(_, path)| path.to_owned()));
        forms.extend(
            rest.split('/').filter(|part| part.len() >= 16 && !part.contains('.')).map(str::to_owned),
        );
    }
    // A key of several lines may be printed line by line.
    forms.extend(secret.lines().map(str::trim).filter(|line| line.len() >= 32).map(str::to_owned));
    forms.into_iter().filter(|form| form.len() >= LENGTH_MIN).map(Arc::from).collect()
}

/// Percent-encodes all but letters, digits and `kept`.
fn percent(text: &str, kept: &str) -> String {
    text.bytes()
        .map(|byte| match char::from(byte) {
            char if char.is_ascii_alphanumeric() || kept.contains(char) => char.to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_secret_prints_as_nothing() {
        let secret = Secret::from("sk_live_4242");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(secret.expose(), "sk_live_4242");
    }

    #[test]
    fn secrets_are_blotted_out_in_every_form_they_travel_in() {
        let redactor = Redactor::default();
        redactor.learn("p@ss w\"rd/42");
        for text in [
            "bad key p@ss w\"rd/42 given",
            "GET /x?key=p%40ss%20w%22rd%2F42",
            r#"{"key":"p@ss w\"rd/42"}"#,
            "Basic cEBzcyB3InJkLzQy",
        ] {
            let redacted = redactor.redact(text);
            assert!(redacted.contains(REDACTED), "{text} -> {redacted}");
            assert!(!redacted.contains("w\"rd") && !redacted.contains("cEBzcyB3"), "{redacted}");
        }
    }

    #[test]
    fn a_secret_inside_another_leaves_no_rest() {
        let redactor = Redactor::default();
        redactor.learn_all(["token1", "token1-extended"]);
        assert_eq!(redactor.redact("a token1-extended b token1"), "a [redacted] b [redacted]");
    }

    #[test]
    fn the_path_of_a_secret_address_is_secret_too() {
        let redactor = Redactor::default();
        redactor.learn("https://hooks.example.com/services/T000/B000/abcdefghijklmnopqrst");
        assert_eq!(
            redactor.redact("no route to /services/T000/B000/abcdefghijklmnopqrst"),
            "no route to /[redacted]"
        );
        assert_eq!(redactor.redact("host hooks.example.com"), "host hooks.example.com");
    }

    #[test]
    fn short_texts_are_not_looked_for() {
        let redactor = Redactor::default();
        redactor.learn_all(["", "a", "true"]);
        assert_eq!(redactor.redact("a true story"), "a true story");
    }
}
