//! What a case expects to be written beside what was written, write by write and field by field.

use std::sync::Arc;

use super::crm::Write;
use super::witness::Made;
use crate::config::test_file::ExpectedWrite;
use crate::steps::same;
use crate::value::Value;
use crate::words::ObjectRef;

/// Expected and real writes in their order, those that belong together in pairs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison(pub Vec<Pair>);

/// An expected write and what was written in its place; one of the two may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// How the two stand to each other.
    pub agreement: Agreement,
    /// What is written, without its fields: `update salesforce.Account 001A`.
    pub write: String,
    /// The label of the step that wrote it.
    pub step: Option<Arc<str>>,
    /// The fields that are expected, or that were written.
    pub fields: Vec<FieldPair>,
    /// Fields that were written too, and of which nothing is expected.
    pub others: Vec<Arc<str>>,
}

/// How an expected write stands to what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// It was written as expected.
    Agrees,
    /// It was written with other values.
    Differs,
    /// It was expected, and not written.
    Missing,
    /// It was written, and not expected.
    Unexpected,
}

impl Agreement {
    /// The word of the JSON form.
    pub fn word(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
        }
    }
}

/// A field, as it is expected and as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldPair {
    /// Its name.
    pub field: Arc<str>,
    /// What is expected; `None` in a write that is not.
    pub expected: Option<Value>,
    /// What was written; nothing when it was not.
    pub written: Option<Value>,
    /// True when both are the same.
    pub agrees: bool,
}

/// The cost of leaving an element alone.
const ALONE: usize = 20;

/// The most that two writes of one kind are from each other: less than leaving both alone.
pub(super) const DIFFERS_MOST: usize = 20;

impl Comparison {
    /// Puts what belongs together beside each other: a write too many does not make all later ones differ.
    pub(super) fn of(expected: &[ExpectedWrite], made: &[Made]) -> Self {
        let pairs = align(expected, made, |wanted, made| distance(wanted, &made.write));
        let pair = |(wanted, made): (Option<&ExpectedWrite>, Option<&Made>)| match (wanted, made) {
            (Some(wanted), Some(made)) => Some(Pair::of(wanted, made)),
            (Some(wanted), None) => Some(Pair::missing(wanted)),
            (None, made) => made.map(Pair::unexpected),
        };
        Self(pairs.into_iter().filter_map(pair).collect())
    }

    /// True when everything was written as expected, and nothing else.
    pub fn agrees(&self) -> bool {
        self.0.iter().all(|pair| pair.agreement == Agreement::Agrees)
    }
}

/// Two lists beside each other, in their orders, what belongs together in pairs. `distance` tells how far two elements are
/// from each other: 0 for equal ones, at most [`DIFFERS_MOST`] for those that may be shown as one, `None` for others.
pub(super) fn align<'a, A, B>(
    left: &'a [A],
    right: &'a [B],
    distance: impl Fn(&A, &B) -> Option<usize>,
) -> Vec<(Option<&'a A>, Option<&'a B>)> {
    let costs = costs(left, right, &distance);
    let (mut at, mut to) = (0, 0);
    let mut pairs = Vec::with_capacity(left.len().max(right.len()));
    while at < left.len() || to < right.len() {
        let here = costs[at][to];
        let both = left.get(at).zip(right.get(to));
        let together = both.and_then(|(a, b)| distance(a, b));
        if together.is_some_and(|it| it + costs[at + 1][to + 1] == here) {
            pairs.push((left.get(at), right.get(to)));
            (at, to) = (at + 1, to + 1);
        } else if at < left.len() && costs[at + 1][to] + ALONE == here {
            pairs.push((left.get(at), None));
            at += 1;
        } else {
            pairs.push((None, right.get(to)));
            to += 1;
        }
    }
    pairs
}

/// What it costs at least to pair the elements from these two on.
fn costs<A, B>(left: &[A], right: &[B], distance: &impl Fn(&A, &B) -> Option<usize>) -> Vec<Vec<usize>> {
    let mut costs = vec![vec![0; right.len() + 1]; left.len() + 1];
    for at in (0..=left.len()).rev() {
        for to in (0..=right.len()).rev() {
            let alone = [
                (at < left.len()).then(|| costs[at + 1][to] + ALONE),
                (to < right.len()).then(|| costs[at][to + 1] + ALONE),
            ];
            let together = left.get(at).zip(right.get(to)).and_then(|(a, b)| distance(a, b));
            let together = together.map(|distance| costs[at + 1][to + 1] + distance);
            costs[at][to] = alone.into_iter().chain([together]).flatten().min().unwrap_or_default();
        }
    }
    costs
}

/// How far two writes are from each other; `None` when they are of different kinds.
fn distance(wanted: &ExpectedWrite, written: &Write) -> Option<usize> {
    let (verb, object) = verb_of(wanted)?;
    let alike = verb == written.verb
        && object.connection == written.connection
        && object.object == written.object
        && wanted.relation.as_deref().is_none_or(|relation| written.relation.as_deref() == Some(relation));
    if !alike {
        return None;
    }
    let fields = wanted.fields.iter().filter(|(name, value)| !field_agrees(written, name, value)).count();
    let other = fields + usize::from(!id_agrees(wanted, written));
    let all = wanted.fields.len() + 1;
    Some(if other == 0 { 0 } else { DIFFERS_MOST / 2 * (all + other) / all })
}

impl Pair {
    fn of(wanted: &ExpectedWrite, made: &Made) -> Self {
        let written = &made.write;
        let mut fields = Vec::new();
        if !id_agrees(wanted, written) {
            fields.push(FieldPair {
                field: "id".into(),
                expected: wanted.id.clone(),
                written: written.id.clone().map(Value::from),
                agrees: false,
            });
        }
        fields.extend(wanted.fields.iter().map(|(name, value)| FieldPair {
            field: name.as_str().into(),
            expected: Some(value.clone()),
            written: written.fields.get(name.as_str()).cloned(),
            agrees: field_agrees(written, name, value),
        }));
        let others = written.fields.keys().filter(|name| !wanted.fields.contains_key(&***name)).cloned();
        let agrees = fields.iter().all(|field| field.agrees);
        Self {
            agreement: if agrees { Agreement::Agrees } else { Agreement::Differs },
            write: head(written),
            step: Some(Arc::clone(&made.step)),
            others: others.collect(),
            fields,
        }
    }

    fn missing(wanted: &ExpectedWrite) -> Self {
        let field = |(name, value): (&String, &Value)| FieldPair {
            field: name.as_str().into(),
            expected: Some(value.clone()),
            written: None,
            agrees: false,
        };
        Self {
            agreement: Agreement::Missing,
            write: head_expected(wanted),
            step: None,
            fields: wanted.fields.iter().map(field).collect(),
            others: Vec::new(),
        }
    }

    fn unexpected(made: &Made) -> Self {
        let field = |(name, value): (&Arc<str>, &Value)| FieldPair {
            field: Arc::clone(name),
            expected: None,
            written: Some(value.clone()),
            agrees: false,
        };
        Self {
            agreement: Agreement::Unexpected,
            write: head(&made.write),
            step: Some(Arc::clone(&made.step)),
            fields: made.write.fields.iter().map(field).collect(),
            others: Vec::new(),
        }
    }
}

fn id_agrees(wanted: &ExpectedWrite, written: &Write) -> bool {
    wanted.id.as_ref().is_none_or(|id| id.to_text() == written.id)
}

/// `null` says that the field was not written, or was cleared.
fn field_agrees(written: &Write, name: &str, wanted: &Value) -> bool {
    same(None, wanted, written.fields.get(name).unwrap_or(&Value::Null))
}

fn verb_of(wanted: &ExpectedWrite) -> Option<(&'static str, &ObjectRef)> {
    let verbs = [
        ("create", &wanted.create),
        ("update", &wanted.update),
        ("delete", &wanted.delete),
        ("link", &wanted.link),
        ("unlink", &wanted.unlink),
        ("call", &wanted.call),
    ];
    verbs.into_iter().find_map(|(verb, object)| Some((verb, object.as_ref()?)))
}

/// A write without its fields.
pub(super) fn head(write: &Write) -> String {
    let id = write.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let relation = write.relation.as_ref().map(|relation| format!(" {relation}")).unwrap_or_default();
    format!("{} {}.{}{id}{relation}", write.verb, write.connection, write.object)
}

fn head_expected(wanted: &ExpectedWrite) -> String {
    let (verb, object) =
        verb_of(wanted).map_or(("a write", String::new()), |(verb, object)| (verb, object.to_string()));
    let id = wanted.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let relation = wanted.relation.as_ref().map(|relation| format!(" {relation}")).unwrap_or_default();
    format!("{verb} {object}{id}{relation}")
}

/// A write in one line.
pub fn shown(write: &Write) -> String {
    let fields: Vec<String> =
        write.fields.iter().map(|(name, value)| format!("{name}: {}", value.to_json())).collect();
    let fields = if fields.is_empty() { String::new() } else { format!(" {{ {} }}", fields.join(", ")) };
    format!("{}{fields}", head(write))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn expected(yaml: &[(&str, &str, &str)]) -> Vec<ExpectedWrite> {
        let object = |text: &str| {
            let (connection, object) = text.split_once('.').unwrap();
            Some(ObjectRef { connection: connection.into(), object: object.into() })
        };
        let one = |(verb, name, status): &(&str, &str, &str)| {
            let fields = [("Status".to_owned(), Value::from(*status))].into_iter().collect();
            let write = ExpectedWrite { fields, ..ExpectedWrite::default() };
            match *verb {
                "create" => ExpectedWrite { create: object(name), ..write },
                _ => ExpectedWrite { update: object(name), ..write },
            }
        };
        yaml.iter().map(one).collect()
    }

    fn made(writes: &[(&'static str, &str, &str)]) -> Vec<Made> {
        let one = |(verb, name, status): &(&'static str, &str, &str)| {
            let (connection, object) = name.split_once('.').unwrap();
            let fields = [("Status".into(), Value::from(*status))].into_iter().collect();
            let (connection, object) = (connection.into(), object.into());
            let write = Write { verb, connection, object, id: Some("1".into()), relation: None, fields };
            Made { write, step: "steps[0].update".into() }
        };
        writes.iter().map(one).collect()
    }

    fn agreements(wanted: &[(&str, &str, &str)], written: &[(&'static str, &str, &str)]) -> Vec<Agreement> {
        let compared = Comparison::of(&expected(wanted), &made(written));
        compared.0.iter().map(|pair| pair.agreement).collect()
    }

    #[test]
    fn writes_that_belong_together_stand_together_whatever_is_between_them() {
        use Agreement::{Agrees, Differs, Missing, Unexpected};
        let (a, b, c) = (("update", "crm.A", "on"), ("create", "crm.B", "on"), ("update", "crm.C", "on"));
        let other = ("update", "crm.A", "off");
        assert_eq!(agreements(&[a, b, c], &[a, b, c]), [Agrees, Agrees, Agrees]);
        assert_eq!(agreements(&[a, c], &[a, b, c]), [Agrees, Unexpected, Agrees]);
        assert_eq!(agreements(&[a, b, c], &[a, c]), [Agrees, Missing, Agrees]);
        assert_eq!(agreements(&[a, c], &[other, c]), [Differs, Agrees]);
        assert_eq!(agreements(&[b, a], &[a, b]).len(), 3, "one of the two is where it should be");
        assert_eq!(agreements(&[], &[a]), [Unexpected]);
        assert_eq!(agreements(&[a], &[]), [Missing]);
        assert_eq!(agreements(&[a], &[other, a]), [Unexpected, Agrees], "the one that agrees is taken");
    }
}
