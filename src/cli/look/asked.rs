//! What an empty listing says: that there is nothing at all, or that nothing is as the filter wants it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::narrow::Narrow;
use crate::store::{AuditRow, EventRow, PageLimit, RunRow, RunState};

/// More values than these are not listed.
const VALUES_MAX: usize = 10;

/// A row as filters see it: the names of filters, each with the row's value.
pub(in crate::cli) type Facets = Vec<(&'static str, Arc<str>)>;

/// What a listing was asked for.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Asked {
    noun: &'static str,
    wanted: Facets,
    since: Option<Timestamp>,
}

impl Asked {
    /// Asks for rows that are called `noun`, of the client and time of `narrow`.
    pub(in crate::cli) fn of(noun: &'static str, narrow: &Narrow) -> Self {
        Self { noun, wanted: Facets::new(), since: narrow.window.since }.with("client", narrow.client.clone())
    }

    /// Adds a filter, if it was given.
    pub(in crate::cli) fn with(mut self, name: &'static str, value: Option<Arc<str>>) -> Self {
        self.wanted.extend(value.map(|value| (name, value)));
        self
    }

    /// What keeps the listing empty, when that is the filter; `all` is what there would be without it. Nothing when
    /// the listing is empty anyway.
    pub(in crate::cli) fn nothing_fits(&self, all: &[Facets]) -> Option<String> {
        if all.is_empty() {
            return None;
        }
        let unknown = |(name, value): &&(&'static str, Arc<str>)| {
            !all.iter().flatten().any(|(of, has)| of == name && has == value)
        };
        if let Some((name, value)) = self.wanted.iter().find(unknown) {
            let here = all.iter().flatten().filter(|(of, _)| of == name).map(|(_, has)| &**has);
            return Some(format!("no {} of {name} `{value}`; {}", self.noun, listed(name, here.collect())));
        }
        let mut filters: Vec<String> =
            self.wanted.iter().map(|(name, value)| format!("{name} {value}")).collect();
        filters.extend(self.since.map(|since| format!("since {}", since.strftime("%Y-%m-%d %H:%M:%S UTC"))));
        let newest = if all.len() < PageLimit::MOST as usize { "" } else { "newest " };
        Some(format!("none of the {newest}{} {} here fits: {}", all.len(), self.noun, filters.join(", ")))
    }
}

fn listed(name: &str, values: BTreeSet<&str>) -> String {
    let more = if values.len() > VALUES_MAX { ", ..." } else { "" };
    let first: Vec<&str> = values.into_iter().take(VALUES_MAX).collect();
    if first.is_empty() {
        format!("none has a {name}")
    } else {
        format!("{name}s here: {}{more}", first.join(", "))
    }
}

pub(in crate::cli) fn of_event(row: EventRow) -> Facets {
    let ended = row.ended.map(|(outcome, _)| ("outcome", outcome.word().into()));
    let own = [("client", row.client), ("connection", row.connection), ("type", row.kind)];
    own.into_iter().chain(ended).collect()
}

pub(in crate::cli) fn of_run(row: RunRow) -> Facets {
    let ended = match row.state {
        RunState::Ended(outcome) => Some(("outcome", outcome.word().into())),
        _ => None,
    };
    let own = [("client", row.client), ("pipeline", row.pipeline), ("state", row.state.word().into())];
    own.into_iter().chain(ended).collect()
}

pub(in crate::cli) fn of_change(row: AuditRow) -> Facets {
    let record = row.entry.record.map(|record| ("record", record));
    let pipeline = row.origin.map(|origin| ("pipeline", origin.pipeline));
    let own = [
        ("client", row.client),
        ("connection", row.entry.connection),
        ("object", row.entry.object),
        ("verb", row.entry.verb.into()),
    ];
    own.into_iter().chain(pipeline).chain(record).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn asked(wanted: &[(&'static str, &str)], since: Option<&str>) -> Asked {
        let wanted = wanted.iter().map(|(name, value)| (*name, (*value).into())).collect();
        Asked { noun: "runs", wanted, since: since.map(|since| since.parse().unwrap()) }
    }

    fn rows() -> Vec<Facets> {
        let row = |client: &str, state: &str| vec![("client", client.into()), ("state", state.into())];
        vec![row("acme", "dead"), row("birch", "succeeded"), row("acme", "succeeded")]
    }

    #[test]
    fn what_nobody_has_is_told_with_what_there_is() {
        for (wanted, said) in [
            (&[("client", "acm")][..], "no runs of client `acm`; clients here: acme, birch"),
            (
                &[("client", "acme"), ("state", "held")],
                "no runs of state `held`; states here: dead, succeeded",
            ),
            (&[("pipeline", "x")], "no runs of pipeline `x`; none has a pipeline"),
        ] {
            assert_eq!(asked(wanted, None).nothing_fits(&rows()).as_deref(), Some(said));
        }
    }

    #[test]
    fn filters_that_exclude_each_other_are_told_with_how_many_there_are() {
        let asked = asked(&[("client", "birch"), ("state", "dead")], Some("2026-03-01T09:00:00Z"));
        assert_eq!(
            asked.nothing_fits(&rows()).unwrap(),
            "none of the 3 runs here fits: client birch, state dead, since 2026-03-01 09:00:00 UTC"
        );
        assert_eq!(asked.nothing_fits(&[]), None, "an empty store says what would fill it");
    }

    #[test]
    fn a_long_list_of_values_ends_early() {
        let rows: Vec<Facets> = (0..40).map(|n| vec![("record", format!("{n:02}").into())]).collect();
        let said = asked(&[("record", "x")], None).nothing_fits(&rows).unwrap();
        assert!(said.ends_with("records here: 00, 01, 02, 03, 04, 05, 06, 07, 08, 09, ..."), "{said}");
    }
}
