//! Which method a call is.

use serde_json::{Value as Json, json};

use super::crm::Answer;
use super::error::ApiError;
use super::params::Params;
use super::portal::Portal;

/// A method's name: case and the ending `.json` do not count.
pub(super) fn name(written: &str) -> String {
    let name = written.trim().to_lowercase();
    name.strip_suffix(".json").map_or(name.clone(), str::to_owned)
}

/// Calls a method; gives the whole answer, or refuses.
pub(super) fn call(portal: &mut Portal, method: &str, params: &Params) -> Result<Json, ApiError> {
    let method = name(method);
    let begun = portal.clock.now();
    if !portal.operating.allows(&method, begun.as_second()) {
        return Err(ApiError::of_status(429));
    }
    if method == "batch" {
        let result = portal.batch(params)?;
        return Ok(
            json!({"result": result, "time": {"start": begun.as_second(), "finish": begun.as_second()}}),
        );
    }
    let answer = route(portal, &method, params)?;
    let (operating, reset) = portal.operating.count(&method, begun.as_second());
    let now = portal.now();
    let mut whole = json!({
        "result": answer.result,
        "time": {
            "start": begun.as_second(), "finish": begun.as_second(), "duration": 0.02, "processing": 0.02,
            "date_start": now, "date_finish": now, "operating_reset_at": reset, "operating": operating,
        },
    });
    if let Some(total) = answer.total {
        whole["total"] = json!(total);
    }
    if let Some(next) = answer.next {
        whole["next"] = json!(next);
    }
    Ok(whole)
}

fn route(portal: &mut Portal, method: &str, params: &Params) -> Result<Answer, ApiError> {
    let segments: Vec<&str> = method.split('.').collect();
    match segments.as_slice() {
        ["crm", "duplicate", "findbycomm"] => portal.find_by_comm(params).map(Answer::from),
        ["crm", "timeline" | "activity", ..] => portal.timeline(method, params),
        ["crm", "item", "productrow", "set"] => {
            let rows = params.get("productRows").cloned().unwrap_or_else(|| json!([]));
            portal.changed();
            Ok(json!({"productRows": rows}).into())
        }
        ["crm", "item", method] => portal.item(method, params),
        ["crm", "status", "list"] => Ok(statuses(params).into()),
        ["crm", kind, rest @ ..] => {
            let kind = portal.fields.kind(kind).ok_or_else(|| ApiError::of_status(404))?;
            records(portal, kind, rest, params)
        }
        ["user", _] | ["profile"] => portal.users(method, params),
        ["sonet_group", ..] => portal.groups(method, params),
        ["im", "notify"] | ["im", "notify", "system" | "personal", "add"] => portal.notify(params),
        ["tasks", "task", method] => portal.task(method, params),
        ["server", "time"] => Ok(json!(portal.now()).into()),
        _ => Err(ApiError::of_status(404)),
    }
}

fn records(
    portal: &mut Portal,
    kind: &'static str,
    method: &[&str],
    params: &Params,
) -> Result<Answer, ApiError> {
    match method {
        ["add"] => portal.add(kind, &params.map("fields")).map(|id| json!(id).into()),
        ["get"] => {
            let id = params.id("id")?;
            let record = portal.record(kind, id).ok_or_else(ApiError::not_found)?;
            Ok(Json::Object(record.clone()).into())
        }
        ["list"] => Ok(portal.page(kind, params)),
        ["update"] => {
            portal.change(kind, params.id("id")?, &params.map("fields")).map(|()| json!(true).into())
        }
        ["delete"] => portal.remove(kind, params.id("id")?).map(|()| json!(true).into()),
        ["fields"] => Ok(portal.fields.described(kind).into()),
        ["userfield", "add"] => portal.add_field(kind, &params.map("fields")).map(|id| json!(id).into()),
        ["userfield", "list"] => {
            let own = portal.fields.of(kind).iter().filter(|(_, field)| field.custom);
            let own = own.map(|(name, field)| json!({"FIELD_NAME": name, "USER_TYPE_ID": field.kind}));
            Ok(own.collect::<Json>().into())
        }
        [other @ ("company" | "contact"), verb @ ("add" | "delete")] => {
            let list = if *other == "company" {
                ("COMPANY_IDS", "COMPANY_ID")
            } else {
                ("CONTACT_IDS", "CONTACT_ID")
            };
            let bound = params.map("fields").get(list.1).and_then(super::params::number);
            let bound = bound.ok_or_else(|| ApiError::plain("The field is not defined or invalid."))?;
            portal
                .bind(kind, params.id("id")?, list.0, bound, *verb == "add")
                .map(|changed| json!(changed).into())
        }
        _ => Err(ApiError::of_status(404)),
    }
}

/// The lists that every portal has.
fn statuses(params: &Params) -> Json {
    const STAGES: [(&str, &str); 4] =
        [("NEW", "New"), ("PREPARATION", "In work"), ("WON", "Won"), ("LOSE", "Lost")];
    let wanted = params.map("filter").get("ENTITY_ID").map(super::params::text);
    let entity = wanted.unwrap_or_else(|| "DEAL_STAGE".to_owned());
    let prefix = entity.strip_prefix("DEAL_STAGE_").map(|funnel| format!("C{funnel}:")).unwrap_or_default();
    let stages = STAGES.iter().enumerate().map(|(number, (code, name))| {
        json!({"ID": (number + 1).to_string(), "ENTITY_ID": entity, "STATUS_ID": format!("{prefix}{code}"), "NAME": name})
    });
    if entity.starts_with("DEAL_STAGE") { stages.collect() } else { json!([]) }
}
