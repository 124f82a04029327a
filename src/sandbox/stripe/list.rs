//! Paged lists: newest first, a cursor by id, no total.

use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::params::{Params, Takes};
use super::state::State;

const LIMIT_DEFAULT: i64 = 10;
const LIMIT_MAX: i64 = 100;

/// What every list takes.
const PAGING: [&str; 4] = ["limit", "starting_after", "ending_before", "created"];

/// The page that was asked for, of the objects that `keep` keeps. `filters` are the list's own parameters.
pub(super) fn page(
    state: &State,
    kind: &str,
    url: &str,
    params: &Params,
    filters: &'static [&'static str],
    keep: impl Fn(&Json) -> bool,
) -> Answer {
    check(params, filters)?;
    let created = created(params)?;
    let rows: Vec<&Json> = newest_first(state, kind)
        .into_iter()
        .filter(|row| keep(row) && created.iter().all(|within| within(row["created"].as_i64().unwrap_or(0))))
        .collect();
    cut(state, kind, &rows, url, params)
}

/// The page of rows that are already in their order.
pub(super) fn cut(state: &State, kind: &str, rows: &[&Json], url: &str, params: &Params) -> Answer {
    let limit = params.int("limit")?.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let message = format!("This value must be between 1 and {LIMIT_MAX} (inclusive).");
        return Err(ApiError::invalid(message).param("limit"));
    }
    let limit = usize::try_from(limit).unwrap_or(1);
    let (page, has_more) = match (params.text("starting_after"), params.text("ending_before")) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("You may only provide one of starting_after and ending_before."));
        }
        (Some(id), None) => {
            let rest = &rows[cursor(state, kind, rows, id, "starting_after")?.1..];
            (&rest[..limit.min(rest.len())], rest.len() > limit)
        }
        (None, Some(id)) => {
            let rest = &rows[..cursor(state, kind, rows, id, "ending_before")?.0];
            (&rest[rest.len().saturating_sub(limit)..], rest.len() > limit)
        }
        (None, None) => (&rows[..limit.min(rows.len())], rows.len() > limit),
    };
    Ok(json!({"object": "list", "data": page, "has_more": has_more, "url": url}))
}

/// How many rows stand before a cursor, and how many up to it.
fn cursor(
    state: &State,
    kind: &str,
    rows: &[&Json],
    id: &str,
    param: &str,
) -> Result<(usize, usize), ApiError> {
    if let Some(place) = rows.iter().position(|row| row["id"] == id) {
        return Ok((place, place + 1));
    }
    // The row may since have changed so that the filter drops it: it still has its place in time.
    let all = newest_first(state, kind);
    let own =
        all.iter().position(|row| row["id"] == id).ok_or_else(|| ApiError::bad_reference(kind, id, param))?;
    let newer = rows.iter().filter(|row| all[..own].iter().any(|known| known["id"] == row["id"])).count();
    Ok((newer, newer))
}

fn newest_first<'s>(state: &'s State, kind: &str) -> Vec<&'s Json> {
    let mut rows: Vec<&Json> = state.all(kind).rev().collect();
    // Stable: of one second, what came later stands first.
    rows.sort_by_key(|row| std::cmp::Reverse(row["created"].as_i64().unwrap_or(0)));
    rows
}

fn check(params: &Params, filters: &'static [&'static str]) -> Result<(), ApiError> {
    let paging = Takes { fields: &PAGING, own: filters };
    params.check(paging)
}

type Within = Box<dyn Fn(i64) -> bool>;

/// `created=1` or `created[gte]=1`.
fn created(params: &Params) -> Result<Vec<Within>, ApiError> {
    if let Some(exactly) = params.int("created").ok().flatten() {
        return Ok(vec![Box::new(move |at| at == exactly)]);
    }
    let range = params.below("created");
    let mut within: Vec<Within> = Vec::new();
    for name in ["gt", "gte", "lt", "lte"] {
        if let Some(bound) = range.int(name)? {
            within.push(match name {
                "gt" => Box::new(move |at| at > bound),
                "gte" => Box::new(move |at| at >= bound),
                "lt" => Box::new(move |at| at < bound),
                _ => Box::new(move |at| at <= bound),
            });
        }
    }
    Ok(within)
}
