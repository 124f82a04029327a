#![doc = include_str!("two-writers.md")]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::graph::{Node, WriteTo};
use super::super::view::{Found, View};
use super::Rule;
use crate::config::{Owner, Written};
use crate::diagnostic::Code;
use crate::value::Value;

pub(super) const RULE: Rule = Rule { code: Code::TwoWriters, check };

/// A pipeline that writes a field again and again, and what it writes.
struct Writer<'g, 'a> {
    node: &'g Node<'a>,
    write: &'g WriteTo<'a>,
    value: &'a Written,
}

fn check(view: &View, found: &mut Found) {
    let Some(graph) = view.graph else { return };
    let mut fields: BTreeMap<_, Vec<Writer<'_, '_>>> = BTreeMap::new();
    for node in &graph.nodes {
        for write in node.writes.iter().filter(|write| matches!(write.verb, "update" | "upsert")) {
            for (field, value) in write.fields.into_iter().flatten().filter(|(_, value)| is_repeated(value)) {
                let writer = Writer { node, write, value };
                fields.entry((write.object, field)).or_default().push(writer);
            }
        }
    }
    for ((object, field), writers) in fields {
        let owners = view.client.ownership.get(object);
        let owner = owners.and_then(|owners| owners.get(field).or_else(|| owners.get("*")));
        // Between sides that share a field, `tie` decides.
        if matches!(owner, Some(Owner::Both(_))) {
            continue;
        }
        // One finding a field, at the first of the later writers: with it put right, the next one shows.
        let Some((first, second)) = pair(&writers) else { continue };
        let fact = format!("`{field}` of {object} is written by two pipelines, each in a lane of its own");
        let lane = first.node.written.order.as_ref().and_then(|order| order.lane.as_ref());
        let lane = lane.map_or("customers", |lane| &*lane.0);
        let finding = found
            .at(second.write.field(field), fact)
            .label("nobody knows which of the two writes last")
            .related(first.write.field(field), format!("`{}` writes it, too", first.node.file.stem))
            .help(format!(
                "let them go one after another: `order: {{ lane: {lane} }}` in both; or write it in one of them only"
            ));
        found.push(finding);
    }
}

/// The first two writers that are in no order with each other, and do not write the same.
fn pair<'w, 'g, 'a>(writers: &'w [Writer<'g, 'a>]) -> Option<(&'w Writer<'g, 'a>, &'w Writer<'g, 'a>)> {
    let is_apart = |first: &Writer<'_, '_>, second: &Writer<'_, '_>| {
        told_by(first.node) == told_by(second.node)
            && lane(first.node) != lane(second.node)
            && first.value != second.value
    };
    writers.iter().enumerate().find_map(|(at, second)| {
        let first = writers[..at].iter().find(|first| is_apart(first, second))?;
        Some((first, second))
    })
}

/// The connection whose events start it: only among those have runs a key in common. Between two systems it is `ownership`
/// that decides.
fn told_by<'g>(node: &'g Node<'_>) -> Option<&'g Arc<str>> {
    let trigger = &node.written.trigger;
    let listed = || Some(&trigger.schedule()?.list.as_ref()?.object.connection);
    trigger.listening().map(|listening| &listening.connection.0).or_else(listed)
}

/// A pipeline is its own lane unless it names one.
fn lane<'g>(node: &'g Node<'_>) -> &'g Arc<str> {
    let named = node.written.order.as_ref().and_then(|order| order.lane.as_ref());
    named.map_or(&node.file.stem, |lane| &lane.0)
}

/// True for what is written whenever it differs.
fn is_repeated(written: &Written) -> bool {
    let policy = written.0.as_map().filter(|_| written.is_expression()).and_then(|map| map.get("write"));
    policy.and_then(Value::as_str).is_none_or(|word| word == "always")
}
