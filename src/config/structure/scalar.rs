//! Scalars: kinds, words, formats and limits.

use rust_decimal::Decimal;

use super::kinds::Kinds;
use super::repair::repaired;
use super::shape::{Count, Id, Shape};
use super::walk::{Walk, lower_first};
use crate::config::words;
use crate::diagnostic::{Code, Diagnostic};
use crate::nearest::{Hint, Meant};
use crate::value::Value;
use crate::yaml::{Data, Entry, Node, ScalarStyle};

/// Longer values are cut in messages.
const SHOWN_MAX: usize = 60;

impl Walk<'_> {
    /// Checks a scalar against all but the kind.
    pub(super) fn scalar(&mut self, shape: &Shape, node: &Node) {
        let is_word = |text: &str| shape.words.iter().any(|word| **word == *text);
        if !(shape.words.is_empty() && shape.constants.is_empty()) {
            let value = node.to_value();
            if !node.as_str().is_some_and(is_word)
                && !shape.constants.iter().any(|constant| constant.same(&value))
            {
                let constants: Vec<String> = shape.constants.iter().map(Value::to_json).collect();
                let words =
                    shape.words.iter().map(|word| &**word).chain(constants.iter().map(String::as_str));
                self.unknown_word(node, &words.collect::<Vec<_>>(), None);
                return;
            }
        }
        match &node.data {
            Data::Text(text) => self.text(shape, text),
            Data::Int(int) => self.number(shape, Decimal::from(*int)),
            Data::Decimal(decimal) => self.number(shape, *decimal),
            _ => {}
        }
    }

    /// Checks a key against what keys must look like.
    pub(super) fn name(&mut self, id: Id, entry: &Entry) {
        let shape = self.structure.shape(id);
        if let Some(reason) = refusal(shape, &entry.key.name) {
            let finding = Diagnostic::new(Code::InvalidFormat, self.at_key(entry), reason).label("this key");
            self.findings.push(finding);
        }
    }

    fn text(&mut self, shape: &Shape, text: &str) {
        self.count(shape.characters, text.chars().count(), "character");
        let Some(reason) = refusal(shape, text) else { return };
        let finding = Diagnostic::new(Code::InvalidFormat, self.at_value(), reason)
            .label(shape.about.as_deref().map_or_else(|| "not of the wanted form".into(), lower_first))
            .help_maybe(way_out(shape, text));
        self.findings.push(finding);
    }

    fn number(&mut self, shape: &Shape, number: Decimal) {
        let limit = match (shape.at_least, shape.at_most, shape.above, shape.below) {
            (Some(min), _, _, _) if number < min => format!("at least {min}"),
            (_, Some(max), _, _) if number > max => format!("at most {max}"),
            (_, _, Some(min), _) if number <= min => format!("more than {min}"),
            (_, _, _, Some(max)) if number >= max => format!("less than {max}"),
            _ => return,
        };
        let finding =
            Diagnostic::new(Code::InvalidValue, self.at_value(), format!("{number} is out of range"))
                .label(format!("{limit} is allowed"));
        self.findings.push(finding);
    }

    /// Checks how many characters, elements or entries there are.
    pub(super) fn count(&mut self, limits: Count, found: usize, noun: &str) {
        let found = found as u64;
        let limit = match (limits.min, limits.max) {
            (Some(min), _) if found < min => format!("at least {}", counted(min, noun)),
            (_, Some(max)) if found > max => format!("at most {}", counted(max, noun)),
            _ => return,
        };
        let fact = if found == 0 {
            format!("{} is empty", self.subject())
        } else {
            format!("{} has {}", self.subject(), counted(found, noun))
        };
        let finding =
            Diagnostic::new(Code::InvalidValue, self.at_value(), fact).label(format!("{limit} must be here"));
        self.findings.push(finding);
    }

    pub(super) fn wrong_type(&mut self, id: Id, node: &Node) {
        let wanted = self.structure.kinds(id);
        let found = match node.data {
            Data::Null => "there is nothing",
            _ => node.kind(),
        };
        let fact = match node.data {
            Data::Null => format!("{} has no value", self.subject()),
            _ => format!("{} must be {}, not {found}", self.subject(), wanted.in_words()),
        };
        let label = match node.data {
            Data::Null => format!("{} must follow", wanted.in_words()),
            _ => format!("this is {found}"),
        };
        let finding = Diagnostic::new(Code::WrongType, self.at_value(), fact)
            .label(label)
            .help_maybe(self.conversion(wanted, id, node));
        self.findings.push(finding);
    }

    /// What to type so that the value is of a wanted kind.
    fn conversion(&self, wanted: Kinds, id: Id, node: &Node) -> Option<Hint> {
        let written = self.written(node);
        let source = self.document.file.slice(node.written());
        let example = self.structure.example(id).map(|example| format!("for example `{example}`"));
        let text = match &node.data {
            Data::Text(text) if wanted.meets(Kinds::BOOL) => return boolean(text, source),
            Data::Text(text) if wanted.meets(Kinds::NUMBER) => {
                return digits(text, source, node.style, wanted);
            }
            Data::Null if wanted.meets(Kinds::LIST) => {
                Some("write `[]` for an empty list, or remove the key".into())
            }
            Data::Null => example.or(Some("write a value, or remove the key".into())),
            Data::Int(_) | Data::Decimal(_) | Data::Bool(_)
                if example.is_none() && wanted.meets(Kinds::TEXT) =>
            {
                Some(format!("put it in quotes: `\"{written}\"`"))
            }
            Data::List(_) if wanted.meets(Kinds::MAP) => {
                Some("write `key: value` lines without the dashes".into())
            }
            Data::List(_) if wanted.meets(Kinds::TEXT) => example,
            Data::Map(_) if wanted.meets(Kinds::LIST) => {
                Some("begin each element with `- `, or put it in brackets: `[{ ... }]`".into())
            }
            Data::Text(text) if self.structure.is_keyed_form(self.structure.shape(id), text) => {
                Some(format!("write `{text}:` as a key, with its arguments below it"))
            }
            // Where both may stand, the map is the plain form, and the list is one of maps.
            _ if self.structure.lists(id, Kinds::of(node)) && !wanted.meets(Kinds::MAP) => {
                Some(format!("put it in brackets: `[{written}]`"))
            }
            Data::Text(_) | Data::Int(_) | Data::Decimal(_) | Data::Bool(_) if wanted.meets(Kinds::MAP) => {
                Some(self.map_of(id, &written))
            }
            _ => example,
        };
        text.map(Hint::from)
    }

    /// What to type where a map is wanted and a scalar stands: the map that has it under its one key, or the keys.
    fn map_of(&self, id: Id, written: &str) -> String {
        let shape = self.structure.shape(id);
        let known = self.structure.known(shape);
        match (shape.required.as_slice(), known.as_slice()) {
            (_, []) => "write `key: value` lines below it, or `{ key: value }`".into(),
            ([only], _) => format!("write `{{ {only}: {written} }}`"),
            _ => format!("write a map in its place, with keys such as {}", shortened(&known)),
        }
    }

    /// The scalar as it is written, cut when it is long.
    pub(super) fn written(&self, node: &Node) -> String {
        let text = match &node.data {
            Data::Text(text) => text,
            _ => self.document.file.slice(node.written()),
        };
        let line = text.lines().next().unwrap_or_default();
        match line.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}...", line.get(..end).unwrap_or(line)),
            None => line.into(),
        }
    }
}

/// What to type: the word that was meant, when it can be told, else an example.
fn way_out(shape: &Shape, text: &str) -> Option<Hint> {
    let meant = shape.format.as_ref().and_then(|format| repaired(format, text));
    let meant = meant.map(|meant| Hint {
        text: format!("write `{meant}`"),
        meant: Some(Meant { written: text.to_owned(), meant, clear: true }),
    });
    meant.or_else(|| shape.example.as_ref().map(|example| format!("write it like `{example}`").into()))
}

/// Why a text does not fit the format or pattern of a shape.
fn refusal(shape: &Shape, text: &str) -> Option<String> {
    let format = shape.format.as_ref().and_then(|format| words::check_format(format, text));
    if let Some(Err(error)) = format {
        return Some(error.to_string());
    }
    let pattern = shape.pattern.as_ref().filter(|pattern| !pattern.is_match(text))?;
    Some(format!("`{text}` does not match `{pattern}`"))
}

/// Words that other languages, and older YAML, take for booleans.
fn boolean(text: &str, source: &str) -> Option<Hint> {
    let meant = match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "true" => "true",
        "no" | "off" | "n" | "false" => "false",
        _ => return None,
    };
    Some(rewritten(format!("write `{meant}`, without quotes"), source, meant.to_owned()))
}

/// The number that a text most likely is.
fn digits(text: &str, source: &str, style: ScalarStyle, wanted: Kinds) -> Option<Hint> {
    let plain = text.trim().trim_start_matches('+').replace('_', "");
    let number: Decimal = plain.parse().ok()?;
    if !(number.is_integer() || wanted.meets(Kinds::DECIMAL)) {
        return None;
    }
    let normal = number.normalize().to_string();
    Some(match style {
        ScalarStyle::Plain => {
            let help = format!("write `{normal}`: a plus, a leading zero or an underscore makes it text");
            rewritten(help, source, normal)
        }
        // What would be text again without its quotes has no way out but a person's.
        _ if plain != normal => format!("write `{plain}`, without quotes").into(),
        _ => rewritten(format!("write `{plain}`, without quotes"), source, plain),
    })
}

/// What to type for a scalar as it is written, quotes and all.
fn rewritten(text: String, source: &str, meant: String) -> Hint {
    Hint { text, meant: Some(Meant { written: source.to_owned(), meant, clear: true }) }
}

/// The first of many names.
fn shortened(names: &[&str]) -> String {
    const FEW: usize = 8;
    let first = names.iter().take(FEW).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > FEW { format!("{first}, ...") } else { first }
}

fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        _ => format!("{count} {noun}s"),
    }
}
