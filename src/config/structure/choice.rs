//! Where a schema allows several forms: which one was meant.
//!
//! The form is chosen by what stands there (its kind, its key, the words it has), without trying them all, so a check
//! takes time linear in the file, and a finding is about the form that the author wrote.

use std::cmp::Reverse;
use std::sync::Arc;

use super::kinds::Kinds;
use super::shape::{Id, Rest, Shape};
use super::walk::Walk;
use crate::diagnostic::{Code, Diagnostic};
use crate::nearest::did_you_mean;
use crate::yaml::{Entry, Node};

impl Walk<'_> {
    /// Checks a list or scalar against the alternatives of a shape.
    pub(super) fn choose(&mut self, shape: &Shape, node: &Node) {
        if let Some(word) = node.as_str().filter(|word| self.structure.is_keyed_form(shape, word)) {
            let fact = format!("`{word}` lacks its arguments");
            let finding = Diagnostic::new(Code::WrongType, self.at_value(), fact)
                .label("this is a word only")
                .help(format!("write `{word}:` as a key, with its arguments below it"));
            self.findings.push(finding);
            return;
        }
        let fitting = self.fitting(shape, Kinds::of(node));
        match fitting.as_slice() {
            [] => {}
            [only] => self.visit(*only, node),
            several if node.as_list().is_some() => self.visit(self.list_form(several, node), node),
            several => self.scalar_form(several, node),
        }
    }

    /// Checks a map against the alternatives of a shape.
    pub(super) fn choose_map(&mut self, shape: &Shape, entries: &[Entry], node: &Node) {
        let fitting = self.fitting(shape, Kinds::MAP);
        if fitting.is_empty() {
            return;
        }
        let keyed: Option<Vec<(Arc<str>, Id)>> =
            fitting.iter().map(|id| self.structure.single_key(*id)).collect();
        if let Some(keyed) = keyed {
            self.keyed_form(shape, &keyed, entries);
            return;
        }
        let best = fitting.iter().copied().max_by_key(|id| self.rank(*id, entries));
        if let Some(best) = best {
            self.visit(best, node);
        }
    }

    fn fitting(&self, shape: &Shape, kind: Kinds) -> Vec<Id> {
        shape.branches.iter().copied().filter(|id| self.structure.kinds(*id).meets(kind)).collect()
    }

    /// Alternatives by key: exactly one of the keys, beside the keys that all of them share.
    fn keyed_form(&mut self, shape: &Shape, keyed: &[(Arc<str>, Id)], entries: &[Entry]) {
        let alone = shape.keys.is_empty();
        let mut unknown = false;
        for entry in entries {
            if let Some((_, content)) = keyed.iter().find(|(key, _)| *key == entry.key.name) {
                self.enter(entry, *content);
            } else if alone {
                unknown = true;
                let words = shape.branches.iter().flat_map(|id| &self.structure.shape(*id).words);
                let known: Vec<&str> =
                    keyed.iter().map(|(key, _)| key).chain(words).map(|key| &**key).collect();
                self.unknown_key(entry, entries, &known);
            } else {
                unknown |= !shape.keys.contains_key(&entry.key.name);
            }
        }
        let keys: Vec<Arc<str>> = keyed.iter().map(|(key, _)| Arc::clone(key)).collect();
        self.exactly_one(&keys, entries, unknown);
    }

    /// How well a map fits a form: first that nothing is missing, then how much of it the form knows.
    fn rank(&self, id: Id, entries: &[Entry]) -> (bool, bool, usize, Reverse<usize>, Reverse<Id>) {
        let shape = self.structure.shape(id);
        let has = |key: &Arc<str>| entries.iter().any(|entry| entry.key.name == *key);
        let complete = shape.required.iter().all(has);
        let known = entries.iter().filter(|entry| shape.keys.contains_key(&entry.key.name)).count();
        let refused = if matches!(shape.rest, Rest::Refused) { entries.len() - known } else { 0 };
        let tagged = entries.iter().all(|entry| {
            let words = shape.keys.get(&entry.key.name).map(|id| &self.structure.shape(*id).words);
            match (words, entry.value.as_str()) {
                (Some(words), Some(word)) => words.is_empty() || words.iter().any(|other| **other == *word),
                _ => true,
            }
        });
        (complete, tagged, known, Reverse(refused), Reverse(id))
    }

    /// Of several forms that are lists, the first whose elements are like the first element.
    fn list_form(&self, forms: &[Id], node: &Node) -> Id {
        let first = node.as_list().and_then(<[Node]>::first).map(Kinds::of);
        let fits = |id: &&Id| {
            let items = self.structure.shape(**id).items;
            items.is_none_or(|items| first.is_none_or(|kind| self.structure.kinds(items).meets(kind)))
        };
        forms.iter().find(fits).or(forms.first()).copied().unwrap_or_default()
    }

    /// Of several forms that are scalars, any that accepts the value; where none does, all their words are told.
    fn scalar_form(&mut self, forms: &[Id], node: &Node) {
        let before = self.findings.len();
        let mut first = None;
        for form in forms {
            self.visit(*form, node);
            if self.findings.len() == before {
                return;
            }
            let findings = self.findings.split_off(before);
            first.get_or_insert(findings);
        }
        let words: Vec<&str> =
            forms.iter().flat_map(|id| &self.structure.shape(*id).words).map(|word| &**word).collect();
        let other = forms.iter().find(|id| self.structure.shape(**id).words.is_empty());
        match (words.is_empty(), other) {
            (true, _) => self.findings.extend(first.into_iter().flatten()),
            (false, None) => self.unknown_word(node, &words, None),
            (false, Some(other)) => {
                let shape = self.structure.shape(*other);
                self.unknown_word(node, &words, shape.example.as_deref());
            }
        }
    }

    pub(super) fn unknown_word(&mut self, node: &Node, words: &[&str], example: Option<&str>) {
        let written = self.written(node);
        let nearest = did_you_mean(&written, words.iter().copied());
        let help = match (nearest, example) {
            (Some(mut help), Some(example)) => {
                help.text = format!("{help}, or a value such as `{example}`");
                Some(help)
            }
            (help, _) => help,
        };
        let finding = Diagnostic::new(
            Code::UnknownWord,
            self.at_value(),
            format!("`{written}` is none of the words that may stand here"),
        )
        .label("unknown word")
        .help_maybe(help);
        self.findings.push(finding);
    }
}
