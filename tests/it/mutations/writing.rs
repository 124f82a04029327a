//! Slips in the YAML itself, and values that cannot be read.

use std::sync::LazyLock;

use lockstep::yaml::{Data, ScalarStyle};
use regex::Regex;

use super::Kind;
use super::client::{Client, Mistake, Page};
use super::spelling::inner;

pub(super) const KINDS: &[Kind] = &[
    ("a key twice", duplicate_key),
    ("a line too far in", indentation),
    ("a tab for indentation", tab),
    ("a dropped colon", dropped_colon),
    ("a colon without a space", tight_colon),
    ("a quote that does not end", open_quote),
    ("a bracket that does not end", open_bracket),
    ("a parenthesis that does not end", open_parenthesis),
    ("a `${` that does not end", open_template),
    ("`=` for `==`", assignment),
    ("a required key left out", left_out),
    ("words for a number", words_for_number),
    ("a duration that is none", duration),
    ("a cron that is none", cron),
    ("an API version that is none", api_version),
    ("a secret written out", secret),
];

fn duplicate_key(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    items
        .iter()
        .filter_map(|item| {
            let line = page.own_line(item.entry)?;
            let again = format!("\n{}", page.raw(&line));
            let number = page.line(line.end) + 1;
            // Which of the two is told of is a matter of taste.
            Some(page.edit(line.end..line.end, &again).on(number - 1..=number))
        })
        .collect()
}

/// Not the first of its map, which would only be further in as a whole.
fn indentation(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    items
        .iter()
        .filter_map(|item| {
            let is_first = item.maps.last()?.as_map()?.first()?.key.span == item.entry.key.span;
            let line = page.own_line(item.entry).filter(|_| !is_first)?;
            Some(page.edit(line.start..line.start, " "))
        })
        .collect()
}

fn tab(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    items
        .iter()
        .filter_map(|item| {
            let line = page.own_line(item.entry)?;
            let key = item.entry.key.span.range();
            (key.start > line.start).then(|| page.edit(line.start..key.start, "\t"))
        })
        .collect()
}

fn dropped_colon(_: &Client, page: &Page) -> Vec<Mistake> {
    colon(page, "")
}

fn tight_colon(_: &Client, page: &Page) -> Vec<Mistake> {
    colon(page, ":")
}

/// The colon and the space after a key that has its own line.
fn colon(page: &Page, with: &str) -> Vec<Mistake> {
    let items = page.items();
    items
        .iter()
        .filter_map(|item| {
            page.own_line(item.entry)?;
            let end = item.entry.key.span.range().end;
            let with = if with.is_empty() { " " } else { with };
            Some(page.edit(end..end + 2, with))
        })
        .collect()
}

fn open_quote(_: &Client, page: &Page) -> Vec<Mistake> {
    let scalars = page.scalars();
    let quoted =
        scalars.iter().filter(|it| matches!(it.node.style, ScalarStyle::Single | ScalarStyle::Double));
    quoted
        .map(|scalar| {
            page.edit(scalar.range.end - 1..scalar.range.end, "")
                .on(page.line(scalar.range.start)..=page.line(scalar.range.end))
        })
        .collect()
}

fn open_bracket(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    items
        .iter()
        .filter_map(|item| {
            let range = item.entry.value.span.range();
            let is_flow = matches!(item.entry.value.data, Data::Map(_) | Data::List(_))
                && page.raw(&range).ends_with(['}', ']']);
            let lines = page.line(range.start)..=page.line(range.end);
            is_flow.then(|| page.edit(range.end - 1..range.end, "").on(lines))
        })
        .collect()
}

/// The last of a script's closing ones.
fn open_parenthesis(_: &Client, page: &Page) -> Vec<Mistake> {
    last_of(page, ')')
}

fn open_template(_: &Client, page: &Page) -> Vec<Mistake> {
    last_of(page, '}')
}

fn last_of(page: &Page, end: char) -> Vec<Mistake> {
    let scalars = page.scalars();
    let scripts =
        scalars.iter().filter(|scalar| scalar.raw.contains("${") && !page.is_test() && !page.is_client());
    scripts
        .filter_map(|scalar| {
            let at = scalar.range.start + scalar.raw.rfind(end)?;
            let lines = page.line(scalar.range.start)..=page.line(scalar.range.end);
            // Outside of `${}` it is text like any other.
            let is_text = scalar.raw[scalar.raw.rfind(end)?..].contains("${");
            let is_inside = end == '}' || scalar.raw.rfind('}')? > scalar.raw.rfind(end)?;
            let opens = scalar.raw[..scalar.raw.rfind(end)?].rfind("${")?;
            let is_of_it = end == '}' || !scalar.raw[opens..scalar.raw.rfind(end)?].contains('}');
            (!is_text && is_inside && is_of_it).then(|| page.edit(at..at + 1, "").on(lines))
        })
        .collect()
}

fn assignment(_: &Client, page: &Page) -> Vec<Mistake> {
    let scalars = page.scalars();
    let scripts = scalars.iter().filter(|it| matches!(it.trail.last(), Some(&("when" | "that"))));
    scripts
        .filter_map(|scalar| {
            let at = scalar.range.start + scalar.raw.find(" == ")?;
            Some(page.edit(at..at + 4, " = "))
        })
        .collect()
}

/// Keys without which their map means nothing.
fn left_out(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    items
        .iter()
        .filter_map(|item| {
            let key = &*item.entry.key.name;
            let is_required = match item.trail[..] {
                [] => !page.is_test() && matches!(key, "name" | "trigger" | "steps"),
                [.., "trigger", _] => key == "events",
                [.., "connections", _] => key == "connector" && !page.path.contains(".sandbox."),
                [.., "create" | "update" | "upsert" | "delete" | "get" | "list"] if !page.is_test() => {
                    matches!(key, "object" | "match" | "fields" | "record")
                        && !(item.trail.ends_with(&["list"]) && key != "object")
                }
                [.., "call"] => matches!(key, "connection" | "operation"),
                [.., "check"] => key == "that",
                [.., "for_each"] => matches!(key, "in" | "steps"),
                _ => false,
            };
            let lines = page.whole_lines(item.entry).filter(|_| is_required)?;
            let map = item.maps.last()?.span.range();
            let gone = page.raw(&lines).matches('\n').count();
            // It is missing of the map, which has a key, or is the file.
            let first = page.line(map.start).saturating_sub(1).max(1);
            let last = page.line(map.end.saturating_sub(1)).saturating_sub(gone).max(first);
            Some(page.edit(lines, "").on(first..=last))
        })
        .collect()
}

fn words_for_number(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    let numbers = items.iter().filter(|item| {
        matches!(&*item.entry.key.name, "concurrency" | "limit" | "truncate" | "attempts")
            && matches!(item.entry.value.data, Data::Int(_))
            && !item.trail.contains(&"params")
    });
    numbers.map(|item| page.edit(item.entry.value.span.range(), "many")).collect()
}

fn duration(_: &Client, page: &Page) -> Vec<Mistake> {
    static SPAN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(wait )?\d+[smhd]$").unwrap());
    let scalars = page.scalars();
    let spans = scalars.iter().filter(|it| {
        matches!(it.trail.last(), Some(&("every" | "none")))
            && it.node.as_str().is_some_and(|text| SPAN.is_match(text))
    });
    spans.map(|scalar| page.edit(scalar.range.end..scalar.range.end, "x")).collect()
}

fn cron(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    let every =
        items.iter().filter(|item| item.trail.ends_with(&["schedule"]) && &*item.entry.key.name == "every");
    every
        .map(|item| {
            let range = item.entry.key.span.range().start..item.entry.value.span.range().end;
            page.edit(range, "cron: \"0 6 * * 1-8\"")
        })
        .collect()
}

fn api_version(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    let versions = items.iter().filter(|item| &*item.entry.key.name == "api_version");
    versions
        .map(|item| {
            let range = inner(page, &item.entry.value);
            page.edit(range.end - 1..range.end, "r")
        })
        .collect()
}

fn secret(_: &Client, page: &Page) -> Vec<Mistake> {
    let scalars = page.scalars();
    scalars
        .iter()
        .filter_map(|scalar| {
            let written = match scalar.trail[..] {
                [.., "config", "api_key"] => "sk_live_51HZxq8Lk2mNbV7cXsDfGhJkL9pQwErTy",
                [.., "config", "webhook_secrets", "[]"] => "whsec_8Zq3LmN5vB7xC9dF1gH2jK4lP6oIuYtR",
                [.., "config", "client_secret" | "token" | "password" | "api_token"] => {
                    "q7XvP2mLz9RtK4wBn8Yd3Hs6Jf1Gc5Ua"
                }
                _ => return None,
            };
            Some(page.edit(inner(page, scalar.node), written))
        })
        .collect()
}
