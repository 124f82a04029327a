//! Webhook endpoints, and the list of events.

use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::list;
use super::params::{Params, Takes};
use super::state::{State, text};
use crate::catalog::Catalog;

/// Stripe's own limit.
const ENDPOINTS_MAX: usize = 16;

const CREATE: Takes = Takes {
    fields: &["url", "description", "metadata"],
    own: &["enabled_events[]", "api_version", "connect"],
};
const UPDATE: Takes =
    Takes { fields: &["url", "description", "metadata"], own: &["enabled_events[]", "disabled"] };

pub(super) fn create(state: &mut State, params: &Params) -> Answer {
    params.check(CREATE)?;
    params.required("url")?;
    if state.all("webhook_endpoint").count() >= ENDPOINTS_MAX {
        let message = format!("You have reached the maximum of {ENDPOINTS_MAX} test webhook endpoints.");
        return Err(ApiError::invalid(message));
    }
    let mut endpoint = state.blank("webhook_endpoint", "we");
    endpoint["status"] = json!("enabled");
    endpoint["api_version"] = json!(params.text("api_version"));
    params.lay_over(&mut endpoint, "webhook_endpoint", CREATE)?;
    endpoint["enabled_events"] =
        json!(enabled_events(params)?.ok_or_else(|| ApiError::required("enabled_events"))?);
    let secret = format!("whsec_{}", text(&endpoint, "id"));
    state.secrets.insert(text(&endpoint, "id"), secret.clone());
    let mut shown = state.create("webhook_endpoint", endpoint)?;
    // The only time that it is told.
    shown["secret"] = json!(secret);
    Ok(shown)
}

pub(super) fn update(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(UPDATE)?;
    let mut endpoint = state.get("webhook_endpoint", id)?;
    params.lay_over(&mut endpoint, "webhook_endpoint", UPDATE)?;
    if let Some(events) = enabled_events(params)? {
        endpoint["enabled_events"] = json!(events);
    }
    if let Some(disabled) = params.bool("disabled")? {
        endpoint["status"] = json!(if disabled { "disabled" } else { "enabled" });
    }
    Ok(state.replace("webhook_endpoint", endpoint, None))
}

/// Exact names or `*`; a pattern is refused.
fn enabled_events(params: &Params) -> Result<Option<Vec<String>>, ApiError> {
    if !params.has("enabled_events") {
        return Ok(None);
    }
    let names = params.texts("enabled_events");
    if names.is_empty() {
        return Err(ApiError::required("enabled_events"));
    }
    for (at, name) in names.iter().enumerate() {
        if name != "*" && Catalog::newest().event(name).is_none() {
            let param = format!("enabled_events[{at}]");
            return Err(
                ApiError::invalid(format!("Invalid {param}: {name} is not an event type")).param(&param)
            );
        }
    }
    Ok(Some(names))
}

pub(super) fn events(state: &State, params: &Params) -> Answer {
    let (pattern, types) = (params.text("type"), params.texts("types"));
    if pattern.is_some() && !types.is_empty() {
        return Err(ApiError::invalid("You may only specify one of these parameters: type, types."));
    }
    if types.len() > 20 {
        return Err(ApiError::invalid("You may specify up to 20 types.").param("types"));
    }
    let filters = &["type", "types[]", "delivery_success"];
    list::page(state, "event", "/v1/events", params, filters, |event| {
        let name = text(event, "type");
        let wanted = pattern.is_none_or(|pattern| match pattern.split_once('*') {
            Some((head, tail)) => name.starts_with(head) && name.ends_with(tail),
            None => pattern == name,
        });
        wanted && (types.is_empty() || types.contains(&name))
    })
}

/// Registers an endpoint for all events and gives its secret.
pub(super) fn register(state: &mut State, url: &str) -> Result<Json, ApiError> {
    let tree = [("url".to_owned(), json!(url)), ("enabled_events".to_owned(), json!(["*"]))];
    create(state, &Params::new(tree.into_iter().collect()))
}
