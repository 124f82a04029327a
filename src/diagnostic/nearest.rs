//! What was most likely meant: the nearest of the known words, and lists of them in a sentence.

/// Up to so many words are listed in full; of more, only the nearest is named.
const LISTED_MAX: usize = 10;

/// The one of `known` that `word` most likely is a slip of, if any is near enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = simplified(word);
    // One slip in a short word, a third of the letters in a long one.
    let distance_max = (plain.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&plain, &simplified(candidate)), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `forEach`, `for-each` and `for_each` are one word.
fn simplified(word: &str) -> String {
    word.chars().filter(|char| !matches!(char, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// ``did you mean `name`?`` when one is near; else all of them when they are few.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() || known.len() > LISTED_MAX => None,
        None => Some(format!("expected {}", listed(&known))),
    }
}

/// `` `a`, `b` or `c` ``.
pub fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [some @ .., last] => {
            let some: Vec<String> = some.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", some.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn slips_find_what_was_meant_and_other_words_nothing() {
        let known = ["steps", "trigger", "for_each", "on_error", "id"];
        for (word, near) in [
            ("stepps", Some("steps")),
            ("triger", Some("trigger")),
            ("tirgger", Some("trigger")),
            ("forEach", Some("for_each")),
            ("for-each", Some("for_each")),
            ("ids", Some("id")),
            ("condition", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
    }

    #[test]
    fn short_lists_are_told_in_full() {
        assert_eq!(
            suggestion("x", ["skip", "fail", "wait"]).as_deref(),
            Some("expected `skip`, `fail` or `wait`")
        );
        assert_eq!(suggestion("skp", ["skip", "fail"]).as_deref(), Some("did you mean `skip`?"));
        assert_eq!(suggestion("x", []), None);
        assert_eq!(suggestion("completely", (0..20).map(|_| "other")), None);
        assert_eq!(listed(&["one"]), "`one`");
    }
}
