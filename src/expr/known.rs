//! What is known of a value whose keys are fixed: of what a step gives.

use super::fault::{Fault, FaultKind};

/// What is known of a value whose keys are fixed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// What gives the value, for a sentence: "a `find`".
    pub giver: String,
    /// Its keys.
    pub keys: Vec<&'static str>,
    /// The key under which further keys are that anybody may have named: a step's `record`.
    pub holder: Option<&'static str>,
    /// Keys that others give, with who does.
    pub elsewhere: &'static [(&'static str, &'static str)],
    /// The key whose value is one of a few words.
    pub worded: &'static str,
    /// Those words.
    pub words: Vec<&'static str>,
    /// Words that it cannot be here, with what would make it possible.
    pub never: Vec<(&'static str, &'static str)>,
}

impl Known {
    /// What is known when it is either this value or `other`.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let both = |a: &[&'static str], b: &[&'static str]| {
            let new = b.iter().filter(|key| !a.contains(key));
            a.iter().chain(new).copied().collect::<Vec<_>>()
        };
        let giver = if self.giver == other.giver {
            self.giver.clone()
        } else {
            format!("{} or {}", self.giver, other.giver)
        };
        Self {
            giver,
            keys: both(&self.keys, &other.keys),
            holder: self.holder.or(other.holder),
            words: both(&self.words, &other.words),
            never: self.never.iter().filter(|(word, _)| !other.words.contains(word)).copied().collect(),
            ..self.clone()
        }
    }

    /// What to say of `key`, read of the value that stands at `path`, when it has none of this name.
    pub(super) fn check(&self, path: &str, key: &str) -> Option<Fault> {
        if self.keys.contains(&key) {
            return None;
        }
        let fault = Fault::new(FaultKind::UnknownResult, format!("{} gives no `{key}`", self.giver));
        let has = format!("{} gives {}", self.giver, self.keys.join(", "));
        if self.words.contains(&key) {
            return Some(fault.help(format!("write `{path}.{} == \"{key}\"`", self.worded)));
        }
        if let Some((_, who)) = self.elsewhere.iter().find(|(name, _)| *name == key) {
            return Some(fault.help(format!("`{key}` is what {who} gives; {has}")));
        }
        let fault = match self.holder {
            Some(holder) => fault.help(format!("what it read is below `{holder}`: `{path}.{holder}.{key}`")),
            None => fault.help(has),
        };
        Some(fault.nearest(key, self.keys.iter().copied()))
    }

    /// What to say of `word`, with which the key `key` of this value is compared, when it can never be that.
    pub(super) fn check_word(&self, id: &str, key: &str, word: &str) -> Option<Fault> {
        if key != self.worded || self.words.is_empty() || self.words.contains(&word) {
            return None;
        }
        let message = format!("the {key} of `{id}` is never `{word}`");
        let fault = Fault::new(FaultKind::UnknownOutcome, message);
        if let Some((_, why)) = self.never.iter().find(|(never, _)| *never == word) {
            return Some(fault.help(*why));
        }
        let words = self.words.join(", ");
        Some(
            fault
                .help(format!("of {} it is one of {words}", self.giver))
                .nearest(word, self.words.iter().copied()),
        )
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn find() -> Known {
        Known {
            giver: "a `find`".to_owned(),
            keys: vec!["outcome", "id", "record"],
            holder: Some("record"),
            elsewhere: &[("records", "a `list`")],
            worded: "outcome",
            words: vec!["found", "missing"],
            never: vec![("skipped", "it has no `when`")],
        }
    }

    #[test]
    fn an_unknown_key_has_a_way_out() {
        let help = |key| find().check("steps.account", key).and_then(|fault| fault.help);
        assert_eq!(help("id"), None);
        assert_eq!(help("recrod").as_deref(), Some("did you mean `record`?"));
        assert_eq!(help("found").as_deref(), Some("write `steps.account.outcome == \"found\"`"));
        assert_eq!(
            help("records").as_deref(),
            Some("`records` is what a `list` gives; a `find` gives outcome, id, record")
        );
        assert_eq!(
            help("OwnerId").as_deref(),
            Some("what it read is below `record`: `steps.account.record.OwnerId`")
        );
    }

    #[test]
    fn a_word_that_it_can_never_be_is_told() {
        let told = |word| find().check_word("account", "outcome", word).and_then(|fault| fault.help);
        assert_eq!(told("found"), None);
        assert_eq!(told("fund").as_deref(), Some("did you mean `found`?"));
        assert_eq!(told("skipped").as_deref(), Some("it has no `when`"));
        assert_eq!(told("created").as_deref(), Some("of a `find` it is one of found, missing"));
    }

    #[test]
    fn either_of_two_has_what_one_of_them_has() {
        let other = Known {
            giver: "a `call`".to_owned(),
            keys: vec!["outcome", "result"],
            words: vec!["done", "skipped"],
            ..Known::default()
        };
        let both = find().or(&other);
        assert_eq!(both.keys, ["outcome", "id", "record", "result"]);
        assert_eq!(both.words, ["found", "missing", "done", "skipped"]);
        assert_eq!(both.never, []);
        assert_eq!(both.giver, "a `find` or a `call`");
    }
}
