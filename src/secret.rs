//! Secrets: text that is never printed, and a redactor that finds it in text that is (invariant 5).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::value::Value;

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
/// characters is none. Also the length of the windows by which secrets are found.
const LENGTH_MIN: usize = 6;

/// In data, as against messages, only secrets of this length are looked for: a password that is a word would change
/// what customers are called.
const LENGTH_IN_DATA: usize = 16;

/// How many secrets of one owner that replace each other are known: those that may still be under way.
const PASSING: usize = 4;

/// Finds the secrets of a process in texts, and blots them out, as they are and as they travel: percent-encoded,
/// in base64, in JSON. Cheap to clone; all clones know the same secrets.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Known>>);

impl Redactor {
    /// Looks for `secret` from now on.
    pub fn learn(&self, secret: &str) {
        self.learn_all([secret]);
    }

    /// Looks for all of these from now on.
    pub fn learn_all<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) {
        let forms: Vec<Arc<str>> = secrets.into_iter().flat_map(forms).collect();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms {
            known.add(form);
        }
    }

    /// Looks for `secret` until `owner` has had some newer ones: tokens that are renewed all day must not pile up
    /// (invariant 7).
    pub fn learn_passing(&self, owner: &str, secret: &str) {
        let forms = forms(secret);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of_owner = known.passing.entry(owner.into()).or_default();
        of_owner.push_back(forms.clone());
        let outdated = if of_owner.len() > PASSING { of_owner.pop_front() } else { None };
        for form in forms {
            known.add(form);
        }
        for form in outdated.iter().flatten() {
            known.remove(form);
        }
    }

    /// `text` without the secrets that are known.
    pub fn redact(&self, text: &str) -> String {
        self.find(text, LENGTH_MIN).map_or_else(|| text.to_owned(), |found| blotted(text, &found))
    }

    /// `value` without the long secrets in its texts; `None` when it holds none, which is nearly always.
    pub fn redact_value(&self, value: &Value) -> Option<Value> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.is_in(value).then(|| known.blot(value))
    }

    /// Where secrets stand in `text`, apart from each other and in order; `None` when it holds none.
    fn find(&self, text: &str, length_min: usize) -> Option<Vec<Range<usize>>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.find(text.as_bytes(), length_min)
    }
}

/// `text` with the parts at `found` blotted out.
fn blotted(text: &str, found: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in found {
        // A form is text, so it begins and ends where characters do.
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(REDACTED);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The forms of all secrets, by their first bytes. However many there are, a text is read once: a bit for each window
/// that a form begins with tells where looking closer is worth while.
#[derive(Default)]
struct Known {
    /// Window -> the forms that begin with it, and how often each was learnt.
    heads: HashMap<u64, Vec<(Arc<str>, u32)>>,
    /// A power of two of bits, at least eight for each form.
    filter: Vec<u64>,
    forms: usize,
    passing: HashMap<Box<str>, VecDeque<Vec<Arc<str>>>>,
}

impl Known {
    fn add(&mut self, form: Arc<str>) {
        let Some(window) = head(form.as_bytes()) else { return };
        let forms = self.heads.entry(window).or_default();
        if let Some((_, uses)) = forms.iter_mut().find(|(known, _)| *known == form) {
            *uses = uses.saturating_add(1);
            return;
        }
        forms.push((form, 1));
        self.forms += 1;
        if self.forms * 8 > self.filter.len() * 64 {
            self.filter = vec![0; (self.filter.len() * 2).max(64)];
            let windows: Vec<u64> = self.heads.keys().copied().collect();
            for window in windows {
                self.mark(window);
            }
        } else {
            self.mark(window);
        }
    }

    fn remove(&mut self, form: &Arc<str>) {
        let Some(window) = head(form.as_bytes()) else { return };
        let Some(forms) = self.heads.get_mut(&window) else { return };
        for (known, uses) in forms.iter_mut() {
            *uses -= u32::from(known == form);
        }
        let before = forms.len();
        forms.retain(|(_, uses)| *uses > 0);
        self.forms -= before - forms.len();
        if forms.is_empty() {
            self.heads.remove(&window);
        }
    }

    fn mark(&mut self, window: u64) {
        let bit = self.bit(window);
        self.filter[bit / 64] |= 1 << (bit % 64);
    }

    fn bit(&self, window: u64) -> usize {
        // Fibonacci hashing; its upper bits are the good ones.
        let hash = window.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24;
        usize::try_from(hash).unwrap_or(usize::MAX) & (self.filter.len() * 64 - 1)
    }

    /// True when a text of `value` holds a long secret.
    fn is_in(&self, value: &Value) -> bool {
        match value {
            Value::Text(text) => self.find(text.as_bytes(), LENGTH_IN_DATA).is_some(),
            Value::List(items) => items.iter().any(|item| self.is_in(item)),
            Value::Map(map) => map.values().any(|value| self.is_in(value)),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Decimal(_) => false,
        }
    }

    fn blot(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => match self.find(text.as_bytes(), LENGTH_IN_DATA) {
                Some(found) => blotted(text, &found).into(),
                None => value.clone(),
            },
            Value::List(items) => Value::list(items.iter().map(|item| self.blot(item))),
            Value::Map(map) => Value::map(map.iter().map(|(key, value)| (Arc::clone(key), self.blot(value)))),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Decimal(_) => value.clone(),
        }
    }

    fn find(&self, text: &[u8], length_min: usize) -> Option<Vec<Range<usize>>> {
        if self.forms == 0 || text.len() < length_min {
            return None;
        }
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut window = 0;
        for (at, byte) in text.iter().enumerate() {
            window = next_window(window, *byte);
            let Some(start) = (at + 1).checked_sub(LENGTH_MIN) else { continue };
            let bit = self.bit(window);
            if self.filter[bit / 64] & (1 << (bit % 64)) == 0 {
                continue;
            }
            let forms = self.heads.get(&window).into_iter().flatten().map(|(form, _)| form);
            let here =
                forms.filter(|form| form.len() >= length_min && text[start..].starts_with(form.as_bytes()));
            let Some(end) = here.map(|form| start + form.len()).max() else { continue };
            match found.last_mut() {
                // Of two that overlap nothing may be left over.
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ => found.push(start..end),
            }
        }
        (!found.is_empty()).then_some(found)
    }
}

/// The window that a form begins with.
fn head(form: &[u8]) -> Option<u64> {
    Some(form.get(..LENGTH_MIN)?.iter().fold(0, |window, byte| next_window(window, *byte)))
}

/// The last [`LENGTH_MIN`] bytes as one number.
fn next_window(window: u64, byte: u8) -> u64 {
    ((window << 8) | u64::from(byte)) & ((1 << (8 * LENGTH_MIN)) - 1)
}

/// How many secrets are known, not which.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Redactor({} forms)", known.forms)
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
    fn of_secrets_that_overlap_nothing_is_left_over() {
        let redactor = Redactor::default();
        redactor.learn_all(["abcdef-0123", "0123-uvwxyz"]);
        assert_eq!(redactor.redact("<abcdef-0123-uvwxyz>"), "<[redacted]>");
    }

    #[test]
    fn tokens_that_replace_each_other_do_not_pile_up() {
        let redactor = Redactor::default();
        redactor.learn("access-token-00001");
        for number in 0..1000 {
            redactor.learn_passing("acme/crm", &format!("access-token-{number:05}"));
        }
        let says = |number: u32| redactor.redact(&format!("access-token-{number:05}"));
        for known in [1, 996, 999] {
            assert_eq!(says(known), REDACTED, "learnt for good, or lately");
        }
        assert_eq!(says(995), "access-token-00995");
        assert!(redactor.0.read().unwrap().forms < 60);
    }

    #[test]
    fn ten_thousand_secrets_are_all_found() {
        let redactor = Redactor::default();
        let secret = |number: u32| format!("sk_test_{:08x}_{number}", number.wrapping_mul(2_654_435_761));
        let all: Vec<String> = (0..10_000).map(secret).collect();
        redactor.learn_all(all.iter().map(String::as_str));
        assert!(all.iter().all(|secret| redactor.redact(&format!("é {secret} é")) == "é [redacted] é"));
    }

    #[test]
    fn data_keeps_what_holds_no_long_secret() {
        let redactor = Redactor::default();
        redactor.learn_all(["stripe", "whsec_0123456789abcdef"]);
        let given = Value::from_json(br#"{"by": "paid by stripe account", "n": [1, {"a": "b"}]}"#).unwrap();
        assert_eq!(redactor.redact_value(&given), None);
        let given = Value::from_json(br#"{"note": ["is it whsec_0123456789abcdef?", 7]}"#).unwrap();
        assert_eq!(redactor.redact_value(&given).unwrap().to_json(), r#"{"note":["is it [redacted]?",7]}"#);
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
