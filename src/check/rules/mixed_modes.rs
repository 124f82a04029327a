#![doc = include_str!("mixed-modes.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::config::env::Template;
use crate::diagnostic::{Code, Path};
use crate::value::Value;

pub(super) const RULE: Rule = Rule { code: Code::MixedModes, check };

/// What a setting is for, as its own text shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Test,
    Live,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Test => "tests",
            Self::Live => "real work",
        }
    }

    /// What a name says of itself.
    fn of_name(name: &str) -> Option<Self> {
        name.split(|char: char| !char.is_ascii_alphanumeric()).find_map(Self::of_word)
    }

    fn of_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "test" | "testing" | "sandbox" | "staging" => Some(Self::Test),
            "live" | "prod" | "production" => Some(Self::Live),
            _ => None,
        }
    }

    /// What a setting shows: by the variables that it names, else by its host.
    fn of_setting(text: &str) -> Option<Self> {
        let template = Template::parse(text).ok()?;
        if template.has_placeholders() {
            return template.names().find_map(Self::of_name);
        }
        // Of an address only the host: paths are the system's own.
        let host = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default())?;
        Self::of_name(host)
    }
}

/// A setting that shows what it is for.
struct Shown {
    mode: Mode,
    path: Path,
}

fn check(view: &View, found: &mut Found) {
    let mut shown = Vec::new();
    for (name, connection) in &view.client.connections {
        let config = Path::root().key("connections").key(name.0.clone()).key("config");
        for (key, value) in &connection.config {
            collect(value, &config.key(key.as_str()), &mut shown);
        }
    }
    // What an environment is called says what all of its settings are for.
    if let Some(expected) = view.overlay.and_then(|overlay| Mode::of_name(&overlay.stem)) {
        let other =
            shown.iter().find(|it| it.mode != expected && view.overlay.is_some_and(|o| o.has(&it.path)));
        if let (Some(other), Some(overlay)) = (other, view.overlay) {
            let fact =
                format!("a setting of the environment `{}` is for {}", overlay.stem, other.mode.word());
            found.push(
                found
                    .at(view.value(&other.path), fact)
                    .label("its name says so")
                    .help("name the setting of this environment"),
            );
            return;
        }
    }
    let Some(first) = shown.first() else { return };
    let Some(other) = shown.iter().find(|it| it.mode != first.mode) else { return };
    let fact =
        format!("this setting is for {}, and another one for {}", other.mode.word(), first.mode.word());
    found.push(
        found
            .at(view.value(&other.path), fact)
            .label("real records would meet made-up ones")
            .related(view.value(&first.path), format!("this is for {}", first.mode.word()))
            .help("settings of tests stand in an environment of their own: `client.sandbox.yaml`"),
    );
}

fn collect(value: &Value, at: &Path, shown: &mut Vec<Shown>) {
    match value {
        Value::Text(text) => {
            shown.extend(Mode::of_setting(text).map(|mode| Shown { mode, path: at.clone() }));
        }
        Value::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, &at.index(index), shown));
        }
        Value::Map(map) => map.iter().for_each(|(key, value)| collect(value, &at.key(key.clone()), shown)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn settings_show_what_they_are_for() {
        for (text, mode) in [
            ("${ACME_STRIPE_TEST_KEY}", Some(Mode::Test)),
            ("${ACME_STRIPE_LIVE_KEY}", Some(Mode::Live)),
            ("Bearer ${PROD_TOKEN}", Some(Mode::Live)),
            ("${ACME_CONTEST_KEY}", None),
            ("${ACME_STRIPE_KEY}", None),
            ("https://test.salesforce.com/live", Some(Mode::Test)),
            ("https://acme.my.salesforce.com", None),
            ("https://acme--sandbox.my.salesforce.com", Some(Mode::Test)),
            ("live", None),
        ] {
            assert_eq!(Mode::of_setting(text), mode, "{text}");
        }
    }
}
