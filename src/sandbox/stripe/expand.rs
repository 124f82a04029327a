//! `expand[]`: ids become the objects they stand for, and keys appear that are left out by default.

use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::state::State;
use crate::catalog::{Catalog, Field};

/// Stripe's own limit.
const DEPTH_MAX: usize = 4;

/// Keys that an object keeps but shows only when they are expanded.
const HIDDEN: [(&str, &str); 1] = [("price", "tiers")];

/// Expands what was asked for, and hides what was not.
pub(super) fn expand(state: &State, answer: &mut Json, paths: &[String]) -> Result<(), ApiError> {
    hide(answer);
    for path in paths {
        let segments: Vec<&str> = path.split('.').collect();
        // A list's own `data` does not count.
        let depth = segments.len() - usize::from(answer["object"] == "list");
        if depth > DEPTH_MAX {
            return Err(
                ApiError::invalid(format!("You cannot expand more than {DEPTH_MAX} levels.")).param("expand")
            );
        }
        walk(state, answer, &segments, path)?;
    }
    Ok(())
}

fn walk(state: &State, at: &mut Json, segments: &[&str], path: &str) -> Result<(), ApiError> {
    if let Json::Array(items) = at {
        return items.iter_mut().try_for_each(|item| walk(state, item, segments, path));
    }
    let Some((key, rest)) = segments.split_first() else { return Ok(()) };
    if at.is_null() || at["deleted"] == true {
        return Ok(());
    }
    let kind = at["object"].as_str().unwrap_or_default().to_owned();
    if let Some(shown) = included(state, &kind, at, key) {
        at[*key] = shown;
    } else if let Some(value) = at.get_mut(*key) {
        let field = Catalog::newest().object(&kind).and_then(|shape| shape.fields().get(*key));
        resolve(state, value, field);
        if rest.is_empty() && value.is_string() && field.is_some_and(|field| field.expandable.is_empty()) {
            return Err(not_expandable(path));
        }
    } else {
        return Err(not_expandable(path));
    }
    walk(state, &mut at[*key], rest, path)
}

fn not_expandable(path: &str) -> ApiError {
    ApiError::invalid(format!("This property cannot be expanded ({path}).")).param("expand")
}

/// Ids become objects; of a list of ids, each.
fn resolve(state: &State, value: &mut Json, field: Option<&Field>) {
    match value {
        Json::String(id) => {
            let kinds: &[String] = field.map_or(&[], |field| &field.expandable);
            let known = kinds.iter().find_map(|kind| state.find(kind, id)).or_else(|| state.stub(id));
            // Inside nested objects no shape says what an id is; its own prefix leads to it.
            if let Some(object) = known.or_else(|| by_prefix(state, id)) {
                let mut object = object.clone();
                hide(&mut object);
                *value = object;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| resolve(state, item, field)),
        _ => {}
    }
}

fn by_prefix<'s>(state: &'s State, id: &str) -> Option<&'s Json> {
    let kind = match id.rsplit_once('_')?.0 {
        "cus" => "customer",
        "sub" => "subscription",
        "price" => "price",
        "prod" => "product",
        "in" => "invoice",
        "pi" => "payment_intent",
        "ch" => "charge",
        "pm" => "payment_method",
        _ => return None,
    };
    state.find(kind, id)
}

/// Keys that are there only when they are asked for.
fn included(state: &State, kind: &str, object: &Json, key: &str) -> Option<Json> {
    let id = object["id"].as_str()?;
    let rows = |kind: &str, owner: &str| -> Vec<Json> {
        state.all(kind).rev().filter(|row| row[owner] == id).cloned().collect()
    };
    let list = |rows: Vec<Json>, url: String| json!({"object": "list", "data": rows, "has_more": false, "url": url, "total_count": rows.len()});
    match (kind, key) {
        ("customer", "subscriptions") => {
            let mut running = rows("subscription", "customer");
            running.retain(|row| row["status"] != "canceled");
            Some(list(running, format!("/v1/customers/{id}/subscriptions")))
        }
        ("customer", "tax_ids") => {
            Some(list(rows("tax_id", "customer"), format!("/v1/customers/{id}/tax_ids")))
        }
        ("customer", "sources") => Some(list(Vec::new(), format!("/v1/customers/{id}/sources"))),
        ("invoice", "payments") => {
            Some(list(rows("invoice_payment", "invoice"), format!("/v1/invoice_payments?invoice={id}")))
        }
        ("charge", "refunds") => Some(list(rows("refund", "charge"), format!("/v1/charges/{id}/refunds"))),
        ("price", "tiers") => Some(state.find("price", id)?.get("tiers").cloned().unwrap_or(Json::Null)),
        _ => None,
    }
}

fn hide(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(hide),
        Json::Object(map) => {
            let kind = map.get("object").and_then(Json::as_str).unwrap_or_default().to_owned();
            for (_, key) in HIDDEN.iter().filter(|(owner, _)| *owner == kind) {
                map.shift_remove(*key);
            }
            map.values_mut().for_each(hide);
        }
        _ => {}
    }
}
