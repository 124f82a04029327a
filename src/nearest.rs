//! "Did you mean": the one measure of what is near enough to be meant.

use std::fmt;

/// A text that was written, and the one that was most likely meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    /// As it was written.
    pub written: String,
    /// What was meant.
    pub meant: String,
    /// True when nothing else comes into question, so that the one may be put for the other unasked.
    pub clear: bool,
}

/// What to type instead, for people; and for programs, where it is one text for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The words.
    pub text: String,
    /// The text to be put for another one.
    pub meant: Option<Meant>,
}

impl Meant {
    /// The name among `known` that was most likely meant by `name`.
    pub fn among<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        /// Of shorter names, too many others are one slip away.
        const LENGTH_MIN: usize = 4;
        /// Of long names, other ones are further away than this: `paused` and `updated` are no slips of each other.
        const SLIPS_MAX: usize = 2;
        let (distance, near, alone) = ranked(name, known)?;
        let is_slip = distance <= SLIPS_MAX && name.chars().count() >= LENGTH_MIN;
        let clear = alone && (distance == 0 || is_slip);
        Some(Self { written: name.to_owned(), meant: near.to_owned(), clear })
    }

    /// It as a question.
    pub fn asked(self) -> Hint {
        Hint { text: format!("did you mean `{}`?", self.meant), meant: Some(self) }
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self { text, meant: None }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Says that a text is no time zone, and which one was most likely meant.
pub fn no_zone(text: &str) -> String {
    let known: Vec<_> = jiff::tz::db().available().collect();
    match nearest(text, known.iter().map(jiff::tz::TimeZoneName::as_str)) {
        Some(near) => format!("`{text}` is not an IANA time zone: did you mean `{near}`?"),
        None => format!("`{text}` is not an IANA time zone such as Europe/London or UTC"),
    }
}

/// The name among `known` that was most likely meant; nothing when none is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    ranked(name, known).map(|(_, near, _)| near)
}

/// The nearest name with its distance, and whether no other one is as near.
fn ranked<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<(usize, &'a str, bool)> {
    let tolerance = (name.chars().count() / 3).max(1);
    let plain = simplified(name);
    let mut best: Option<(usize, &str, bool)> = None;
    for candidate in known {
        let distance = strsim::damerau_levenshtein(&plain, &simplified(candidate));
        best = match best {
            _ if distance > tolerance => best,
            Some((least, other, _)) if distance == least && candidate != other => {
                Some((least, other.min(candidate), false))
            }
            Some((least, ..)) if distance >= least => best,
            _ => Some((distance, candidate, true)),
        };
    }
    best
}

/// `forEach`, `for-each` and `for_each` are one word.
fn simplified(name: &str) -> String {
    name.chars().filter(|char| !matches!(char, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The help that goes with it: the nearest name, else all of them when they are few.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<Hint> {
    /// More names than these are a list that nobody reads.
    const FEW: usize = 8;
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(meant) = Meant::among(name, known.iter().copied()) {
        return Some(meant.asked());
    }
    (!known.is_empty() && known.len() <= FEW).then(|| format!("there is: {}", known.join(", ")).into())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn near_is_a_slip_or_two() {
        let known = ["salesforce", "stripe", "slack"];
        assert_eq!(nearest("salesfroce", known), Some("salesforce"));
        assert_eq!(nearest("Stripe", known), Some("stripe"));
        assert_eq!(nearest("hubspot", known), None);
        assert_eq!(nearest("forEach", ["find", "for_each"]), Some("for_each"));
    }

    #[test]
    fn few_names_are_listed_when_none_is_near() {
        let told = |name, known: &[&'static str]| did_you_mean(name, known.iter().copied()).map(|it| it.text);
        assert_eq!(told("hubspot", &["slack", "http"]).unwrap(), "there is: slack, http");
        assert_eq!(told("slak", &["slack", "http"]).unwrap(), "did you mean `slack`?");
        assert_eq!(told("x", &["aaaa"; 9]), None);
        assert_eq!(told("x", &[]), None);
    }

    #[test]
    fn a_name_is_clear_when_it_is_long_enough_and_no_other_is_as_near() {
        for (name, known, meant, clear) in [
            ("acount", &["account", "contact"][..], "account", true),
            ("account", &["account_a", "account_b"], "account_a", false),
            ("accoun", &["account", "account"], "account", true),
            ("ix", &["id"], "id", false),
            ("Id", &["id"], "id", true),
            ("forEach", &["for_each"], "for_each", true),
            (
                "customer.subscription.paused",
                &["customer.subscription.updated"],
                "customer.subscription.updated",
                false,
            ),
        ] {
            let found = Meant::among(name, known.iter().copied()).unwrap();
            assert_eq!((found.meant.as_str(), found.clear), (meant, clear), "{name}");
        }
    }
}
