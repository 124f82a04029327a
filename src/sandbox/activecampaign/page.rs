//! Listings: filters, pages, and totals that are texts.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::account::{Record, text_of};
use crate::sandbox::reply::Request;

/// Records of a page unless it is said, and at most.
const LENGTH: (usize, usize) = (20, 100);

/// `filters[name]=value`, by name. `filters[search][eq]=x` has the name `search` and asks for the whole text.
pub(super) fn filters(request: &Request) -> Vec<(String, String)> {
    let named = request.parameters().into_iter().filter_map(|(key, value)| {
        let name = key.strip_prefix("filters[")?.strip_suffix(']')?;
        Some((name.split("][").next().unwrap_or(name).to_owned(), value))
    });
    named.collect()
}

/// One filter's value.
pub(super) fn filter(request: &Request, name: &str) -> Option<String> {
    filters(request).into_iter().find(|(filter, _)| filter == name).map(|(_, value)| value)
}

/// Whether a record has what each filter names. A filter of another name than those of `known` is passed over.
pub(super) fn fits(request: &Request, known: &[&str], record: &Record) -> bool {
    filters(request)
        .iter()
        .filter(|(name, _)| known.contains(&name.as_str()))
        .all(|(name, value)| text_of(record, name).eq_ignore_ascii_case(value))
}

/// `filters[updated_after]` and its like: strictly after and before.
pub(super) struct Times(Vec<(&'static str, Ordering, Timestamp)>);

impl Times {
    /// `changed` is the field that tells when a record of this kind was changed.
    pub(super) fn of(request: &Request, changed: &'static str) -> Self {
        let known = [
            ("updated_after", changed, Ordering::Greater),
            ("updated_before", changed, Ordering::Less),
            ("created_after", "cdate", Ordering::Greater),
            ("created_before", "cdate", Ordering::Less),
        ];
        let given = |name| filter(request, name)?.parse().ok();
        Self(
            known.into_iter().filter_map(|(name, field, order)| Some((field, order, given(name)?))).collect(),
        )
    }

    pub(super) fn hold(&self, record: &Record) -> bool {
        self.0.iter().all(|(field, order, moment)| {
            text_of(record, field).parse::<Timestamp>().is_ok_and(|told| told.cmp(moment) == *order)
        })
    }
}

/// A page of records under `key`, with its total.
pub(super) fn page<'a>(request: &Request, key: &str, records: impl Iterator<Item = &'a Record>) -> Json {
    let number = |name: &str| request.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let limit = number("limit").unwrap_or(LENGTH.0).min(LENGTH.1);
    let records: Vec<&Record> = records.collect();
    let page: Vec<&&Record> = records.iter().skip(number("offset").unwrap_or(0)).take(limit).collect();
    json!({ key: page, "meta": { "total": records.len().to_string() } })
}
