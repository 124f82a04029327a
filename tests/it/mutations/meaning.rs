//! Files that read well and do something else than was meant.

use std::sync::LazyLock;

use lockstep::config::{FieldKind, FieldSchema};
use lockstep::yaml::Node;
use regex::Regex;

use super::Kind;
use super::client::{Client, Item, Mistake, Page};
use super::spelling::account_fields;

pub(super) const KINDS: &[Kind] = &[
    ("`money` left out", without_money),
    ("`money()` left out of a text", without_money_in_text),
    ("`minor` left out", without_minor),
    ("money converted twice", money_twice),
    ("`datetime` left out", without_datetime),
    ("`map` left out", without_map),
    ("`key` of a create left out", without_key),
    ("steps in another order", swapped),
    ("two steps of one id", same_id),
    ("a field that the system alone writes", read_only),
    ("words for a number or a date of the account", wrong_type),
    ("a required field left out", without_required),
    ("a field where older API versions had it", moved),
    ("an index on a list object", index),
    ("a step's result that it does not have", wrong_result),
    ("another event's object", other_event),
    ("a field of the wrong owner", foreign),
];

/// The line or the part of a flow map that an entry is, with its comma.
fn without(page: &Page, item: &Item) -> Option<Mistake> {
    let (key, value) = (item.entry.key.span.range(), item.entry.value.span.range());
    if let Some(lines) = page.whole_lines(item.entry) {
        let map = item.maps.last()?.span.range();
        let gone = page.raw(&lines).matches('\n').count();
        let on = page.line(map.start).saturating_sub(1)
            ..=page.line(map.end.saturating_sub(1)).saturating_sub(gone);
        return Some(page.edit(lines, "").on(on));
    }
    let before = page.text[..key.start].trim_end();
    before.ends_with(',').then(|| page.edit(before.len() - 1..value.end, ""))
}

/// The forms with this modifier, written in a mapping.
fn forms<'a>(page: &'a Page, modifier: &str) -> Vec<Item<'a>> {
    let items = page.items().into_iter();
    items
        .filter(|item| {
            let is_form = item.maps.last().is_some_and(|map| map.get("from").is_some());
            is_form && &*item.entry.key.name == modifier && !page.is_test()
        })
        .collect()
}

/// What a form changes.
fn from<'a>(item: &Item<'a>) -> Option<&'a str> {
    item.maps.last()?.get("from")?.as_str()
}

fn without_money(_: &Client, page: &Page) -> Vec<Mistake> {
    // Only of what is an amount by its own name: what is behind other names, only a run knows.
    forms(page, "money")
        .iter()
        .filter(|item| from(item).is_some())
        .filter_map(|item| without(page, item))
        .collect()
}

fn without_money_in_text(_: &Client, page: &Page) -> Vec<Mistake> {
    static MONEY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"money\(([\w.]+), [\w.]+\)").unwrap());
    let scalars = page.scalars();
    scalars
        .iter()
        // Why a run ended is for those who run it.
        .filter(|scalar| !page.is_test() && scalar.trail.last() != Some(&"reason"))
        .filter_map(|scalar| {
            let found = MONEY.captures(scalar.raw)?;
            let (whole, path) = (found.get(0)?, found.get(1)?);
            Some(
                page.edit(
                    scalar.range.start + whole.start()..scalar.range.start + whole.end(),
                    path.as_str(),
                ),
            )
        })
        .collect()
}

fn without_minor(client: &Client, page: &Page) -> Vec<Mistake> {
    let known = |item: &&Item| {
        let from = from(item).unwrap_or_default();
        // A record of an object that was pulled, read directly or from a list.
        from.starts_with("$.object.") || from.starts_with("$.line.")
    };
    let _ = client;
    forms(page, "minor").iter().filter(known).filter_map(|item| without(page, item)).collect()
}

fn money_twice(_: &Client, page: &Page) -> Vec<Mistake> {
    forms(page, "money")
        .iter()
        .filter_map(|item| {
            let value = &item.maps.last()?.get("from")?;
            let path = value.as_str()?.strip_prefix("$.")?;
            Some(page.edit(value.span.range(), &format!("\"${{money({path}, object.currency)}}\"")))
        })
        .collect()
}

/// The field of the account that an entry of a form is for.
fn field_of<'c>(client: &'c Client, page: &Page, form: &Item) -> Option<&'c FieldSchema> {
    let fields = account_fields(client, page);
    let (item, object) = fields
        .iter()
        .find(|(item, _)| form.maps.last().is_some_and(|map| map.span == item.entry.value.span))?;
    client.pulled(object)?.fields.get(&*item.entry.key.name)
}

fn without_datetime(client: &Client, page: &Page) -> Vec<Mistake> {
    let is_time = |item: &&Item| {
        let field = field_of(client, page, item);
        field.is_some_and(|field| matches!(field.kind, FieldKind::Date | FieldKind::Datetime))
    };
    forms(page, "datetime").iter().filter(is_time).filter_map(|item| without(page, item)).collect()
}

fn without_map(client: &Client, page: &Page) -> Vec<Mistake> {
    let has_options =
        |item: &&Item| field_of(client, page, item).is_some_and(|field| field.options.is_some());
    // What `set` put together from scripts can be anything.
    let is_known = |item: &&Item| from(item).is_some_and(|from| !from.starts_with("$.set."));
    forms(page, "map")
        .iter()
        .filter(has_options)
        .filter(is_known)
        .filter_map(|item| without(page, item))
        .collect()
}

fn without_key(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    let keys = items.iter().filter(|item| {
        item.trail.ends_with(&["create"]) && &*item.entry.key.name == "key" && !page.is_test()
    });
    keys.filter_map(|item| without(page, item)).collect()
}

/// Neighbours of which the second reads what the first gave.
fn swapped(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    let lists = items.iter().filter(|item| &*item.entry.key.name == "steps" && !page.is_test());
    let mut found = Vec::new();
    for steps in lists.filter_map(|item| item.entry.value.as_list()) {
        for pair in steps.windows(2) {
            let [first, second] = pair else { continue };
            let (a, b) = (first.span.range(), second.span.range());
            let Some(id) = first.get("id").and_then(Node::as_str) else { continue };
            if !page.raw(&b).contains(&format!("steps.{id}")) {
                continue;
            }
            let between = page.raw(&(a.end..b.start)).to_owned();
            let (first, second) = (page.raw(&a).trim_end(), page.raw(&b).trim_end());
            let text = format!("{second}\n{}{first}\n", between.trim_start_matches('\n'));
            found.push(page.edit(a.start..b.end, &text));
        }
    }
    found
}

fn same_id(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    let ids: Vec<&Item> = items
        .iter()
        .filter(|item| item.trail[..] == ["steps", "[]"] && &*item.entry.key.name == "id")
        .collect();
    let pairs = ids.windows(2).filter(|_| !page.is_test());
    pairs
        .map(|pair| {
            page.edit(pair[1].entry.value.span.range(), pair[0].entry.value.as_str().unwrap_or_default())
        })
        .collect()
}

fn read_only(client: &Client, page: &Page) -> Vec<Mistake> {
    let fields = account_fields(client, page);
    let written = fields.iter().filter(|(item, _)| item.trail.ends_with(&["fields"]));
    written
        .filter_map(|(item, object)| {
            let fields = &client.pulled(object)?.fields;
            let (name, _) = fields.iter().find(|(_, field)| !field.create && !field.update)?;
            Some(page.edit(item.entry.key.span.range(), name))
        })
        .collect()
}

fn wrong_type(client: &Client, page: &Page) -> Vec<Mistake> {
    let fields = account_fields(client, page);
    let written = fields.iter().filter(|(item, object)| {
        let field = client.pulled(object).and_then(|object| object.fields.get(&*item.entry.key.name));
        field.is_some_and(|field| {
            matches!(
                field.kind,
                FieldKind::Number
                    | FieldKind::Integer
                    | FieldKind::Date
                    | FieldKind::Datetime
                    | FieldKind::Boolean
            )
        })
    });
    let single = written.filter(|(item, _)| {
        let range = item.entry.value.span.range();
        page.line(range.start) == page.line(range.end.saturating_sub(1))
    });
    single.map(|(item, _)| page.edit(item.entry.value.span.range(), "soon")).collect()
}

fn without_required(client: &Client, page: &Page) -> Vec<Mistake> {
    let fields = account_fields(client, page);
    let required = fields.iter().filter(|(item, object)| {
        let field = client.pulled(object).and_then(|object| object.fields.get(&*item.entry.key.name));
        item.trail.ends_with(&["create", "fields"]) && field.is_some_and(|field| field.required)
    });
    required.filter_map(|(item, _)| without(page, item)).collect()
}

fn moved(_: &Client, page: &Page) -> Vec<Mistake> {
    const MOVED: &str = "object.parent.subscription_details.subscription";
    let scalars = page.scalars();
    scalars
        .iter()
        .filter_map(|scalar| {
            let at = scalar.range.start + scalar.raw.find(MOVED)?;
            Some(page.edit(at..at + MOVED.len(), "object.subscription"))
        })
        .collect()
}

fn index(_: &Client, page: &Page) -> Vec<Mistake> {
    static INDEX: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\.(?:items|lines|line_items)(\.data)\[(?:0|\*)\]").unwrap());
    let scalars = page.scalars();
    scalars
        .iter()
        .filter(|_| !page.is_test())
        .filter_map(|scalar| {
            let data = INDEX.captures(scalar.raw)?.get(1)?.range();
            Some(page.edit(scalar.range.start + data.start..scalar.range.start + data.end, ""))
        })
        .collect()
}

fn wrong_result(_: &Client, page: &Page) -> Vec<Mistake> {
    static RESULT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"steps\.\w+\.(record|records|outcome)\b").unwrap());
    let scalars = page.scalars();
    scalars
        .iter()
        .filter(|_| !page.is_test())
        .filter_map(|scalar| {
            let name = RESULT.captures(scalar.raw)?.get(1)?.range();
            Some(page.edit(scalar.range.start + name.start..scalar.range.start + name.end, "result"))
        })
        .collect()
}

/// The events of a pipeline whose paths only its own object has.
fn other_event(_: &Client, page: &Page) -> Vec<Mistake> {
    let items = page.items();
    let events = items
        .iter()
        .filter(|item| item.trail[..] == ["trigger", "stripe"] && &*item.entry.key.name == "events");
    let own = ["amount_due", "amount_paid", "billing_details", "attempt_count", "items", "amount_total"];
    let is_own = own.iter().any(|field| page.text.contains(&format!("object.{field}")));
    // Each path that is not there any more is told of.
    let lines = 1..=page.line(page.text.len().saturating_sub(1));
    events
        .filter(|_| is_own)
        .map(|item| page.edit(item.entry.value.span.range(), "[customer.created]").on(lines.clone()))
        .collect()
}

/// A field that the sales people own, written from Stripe.
fn foreign(client: &Client, page: &Page) -> Vec<Mistake> {
    let owner = client
        .pages
        .iter()
        .find(|page| page.path.ends_with("/client.yaml"))
        .and_then(|page| page.root().get("ownership"));
    let fields = account_fields(client, page);
    let written = fields.iter().filter(|(item, _)| item.trail.ends_with(&["update", "fields"]));
    written
        .filter_map(|(item, object)| {
            let is_whole = owner?.get(object)?.get("*").and_then(Node::as_str) == Some("salesforce");
            let name = if object.ends_with(".Account") { "Phone" } else { "Description" };
            let from_stripe = page.raw(&item.entry.value.span.range()).starts_with("$.object.")
                || page.raw(&item.entry.value.span.range()).contains("from: $.object.");
            let is_stripes = page.root().get("trigger")?.get("stripe").is_some();
            (is_whole && from_stripe && is_stripes && client.pulled(object)?.fields.contains_key(name))
                .then(|| page.edit(item.entry.key.span.range(), name))
        })
        .collect()
}
