//! What other tools call our keys.

/// A word of other tools, with ours.
const WORDS: &[(&str, &str)] = &[
    ("if", "when"),
    ("condition", "when"),
    ("conditions", "when"),
    ("filter", "when"),
    ("filters", "when"),
    ("only_if", "when"),
    ("actions", "steps"),
    ("tasks", "steps"),
    ("jobs", "steps"),
    ("on", "trigger"),
    ("event", "trigger"),
    ("events", "trigger"),
    ("insert", "create"),
    ("add", "create"),
    ("new", "create"),
    ("search", "find"),
    ("query", "find"),
    ("lookup", "find"),
    ("fetch", "get"),
    ("read", "get"),
    ("patch", "update"),
    ("remove", "delete"),
    ("loop", "for_each"),
    ("iterate", "for_each"),
    ("switch", "choose"),
    ("branch", "choose"),
    ("paths", "choose"),
    ("code", "script"),
    ("assert", "check"),
    ("include", "use"),
    ("id", "record"),
    ("record_id", "record"),
    ("where", "match"),
    ("search_by", "match"),
    ("data", "fields"),
    ("values", "fields"),
    ("mapping", "fields"),
    ("body", "fields"),
    ("inputs", "params"),
    ("arguments", "params"),
    ("args", "params"),
    ("options", "params"),
    ("unique", "key"),
    ("idempotency_key", "key"),
    ("dedupe", "key"),
    ("settings", "config"),
    ("credentials", "config"),
    ("configuration", "config"),
    ("type", "connector"),
    ("variables", "vars"),
    ("method", "operation"),
    ("action", "operation"),
    ("input", "given"),
    ("expected", "expect"),
];

/// The key among `known` that a key of other tools means: by the list above, or because it begins with one of ours
/// (`createRecord`).
pub(super) fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let is_known = |meant: &str| known.iter().copied().find(|known| *known == meant);
    let snake = snake(name);
    let listed = WORDS.iter().filter(|(theirs, _)| *theirs == snake).find_map(|(_, ours)| is_known(ours));
    let begins = |known: &&&str| snake.strip_prefix(**known).is_some_and(|rest| rest.starts_with('_'));
    listed.or_else(|| known.iter().find(begins).copied())
}

/// `createRecord` and `create-record` as `create_record`.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len());
    for char in name.chars() {
        if char.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        match char {
            char if char.is_alphanumeric() => snake.extend(char.to_lowercase()),
            _ if snake.ends_with('_') || snake.is_empty() => {}
            _ => snake.push('_'),
        }
    }
    snake.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn words_of_other_tools_mean_ours_where_those_may_stand() {
        let verbs = ["id", "when", "find", "create", "update", "upsert", "for_each"];
        assert_eq!(meant("if", &verbs), Some("when"));
        assert_eq!(meant("insert", &verbs), Some("create"));
        assert_eq!(meant("createRecord", &verbs), Some("create"));
        assert_eq!(meant("Find Contact", &verbs), Some("find"));
        assert_eq!(meant("actions", &verbs), None);
        assert_eq!(meant("finder", &verbs), None);
    }
}
