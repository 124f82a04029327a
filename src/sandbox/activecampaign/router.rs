//! Which resource a request is about.

use serde_json::{Value as Json, json};

use super::account::{Account, Record};
use super::error::ApiError;
use super::page::{fits, page};
use crate::sandbox::reply::{Reply, Request};

/// Carries out one call below `/api/3`.
pub(super) fn route(account: &mut Account, request: &Request) -> Result<Reply, ApiError> {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["api", "3", path @ ..] = path.as_slice() else { return Err(ApiError::not_found("Resource")) };
    match request.method.as_str() {
        "GET" => read(account, request, path).map(|found| Reply::json(200, &found)),
        "POST" => post(account, request, path),
        "PUT" => put(account, request, path),
        "DELETE" => delete(account, path),
        _ => Err(ApiError::of_status(405)),
    }
}

fn read(account: &Account, request: &Request, path: &[&str]) -> Result<Json, ApiError> {
    let of = |key: &str, kind: &str, filters: &[&str]| {
        let found = account.all(kind).filter(|(_, record)| fits(request, filters, record));
        page(request, key, found.map(|(_, record)| record))
    };
    Ok(match path {
        ["users", "me"] => json!({"user": {"id": "1", "username": "admin", "email": "admin@shop.example"}}),
        ["contacts"] => account.contacts(request),
        ["contacts", id] => account.contact(number(id)?)?,
        ["contacts", id, "contactTags"] => account.tags_of(request, number(id)?)?,
        ["fields"] => account.fields(request),
        ["fieldValues"] => account.values(request),
        ["tags"] => account.tags(request),
        ["lists"] => of("lists", "list", &["name"]),
        ["automations"] => of("automations", "automation", &["name"]),
        ["connections"] => account.connections(request),
        ["ecomCustomers"] => account.customers(request),
        ["ecomOrders"] => account.orders(request),
        ["notes"] => of("notes", "note", &["relid", "reltype"]),
        ["deals"] => {
            account.has_deals()?;
            account.deals(request)
        }
        ["dealTasks"] => {
            account.has_deals()?;
            of("dealTasks", "dealTask", &["relid", "title"])
        }
        ["dealGroups"] => of("dealGroups", "dealGroup", &["title"]),
        ["dealStages"] => of("dealStages", "dealStage", &["title", "group"]),
        ["dealTasktypes"] => of("dealTasktypes", "dealTasktype", &[]),
        [plural, id] => {
            let kind = kind_of(plural)?;
            if kind.starts_with("deal") {
                account.has_deals()?;
            }
            json!({ kind: account.get(kind, number(id)?).ok_or_else(|| ApiError::no_result(kind, id))? })
        }
        _ => return Err(ApiError::not_found("Resource")),
    })
}

fn post(account: &mut Account, request: &Request, path: &[&str]) -> Result<Reply, ApiError> {
    let body = body(request)?;
    if path == ["ecom", "graphql"] {
        return Ok(Reply::json(200, &account.graphql(&body)));
    }
    let given = |key: &str| body.get(key).and_then(Json::as_object).cloned().unwrap_or_default();
    let (kind, (id, is_new)) = match path {
        ["contacts"] => ("contact", (account.add_contact(&given("contact"))?, true)),
        ["contact", "sync"] => ("contact", account.sync(&given("contact"))?),
        ["fields"] => ("field", (account.add_field(&given("field"))?, true)),
        ["fieldRels"] => return Ok(Reply::json(201, &json!({"fieldRel": given("fieldRel")}))),
        // An upsert, and so never a 201.
        ["fieldValues"] => ("fieldValue", (account.add_value(&given("fieldValue"))?, false)),
        ["tags"] => ("tag", (account.add_tag(&given("tag"))?, true)),
        ["contactTags"] => ("contactTag", account.put_on(&given("contactTag"))?),
        ["contactLists"] => ("contactList", account.subscribe(&given("contactList"))?),
        ["contactAutomations"] => ("contactAutomation", (account.enter(&given("contactAutomation"))?, true)),
        ["connections"] => ("connection", (account.add_connection(&given("connection"))?, true)),
        ["ecomCustomers"] => ("ecomCustomer", (account.add_customer(&given("ecomCustomer"))?, true)),
        ["ecomOrders"] => ("ecomOrder", (account.add_order(&given("ecomOrder"))?, true)),
        ["notes"] => ("note", (account.add_note(&given("note"))?, true)),
        ["deals"] => {
            account.has_deals()?;
            ("deal", (account.add_deal(&given("deal"))?, true))
        }
        ["dealTasks"] => {
            account.has_deals()?;
            ("dealTask", (account.add_task(&given("dealTask"))?, true))
        }
        _ => return Err(ApiError::not_found("Resource")),
    };
    let answer =
        if kind == "contact" { account.contact(id)? } else { json!({ kind: account.get(kind, id) }) };
    Ok(Reply::json(if is_new { 201 } else { 200 }, &answer))
}

fn put(account: &mut Account, request: &Request, path: &[&str]) -> Result<Reply, ApiError> {
    let [plural, id] = path else { return Err(ApiError::not_found("Resource")) };
    let kind = kind_of(plural)?;
    let given = body(request)?.get(kind).and_then(Json::as_object).cloned().unwrap_or_default();
    let id = number(id)?;
    match kind {
        "contact" => account.change_contact(id, &given)?,
        "ecomCustomer" => account.change_customer(id, &given)?,
        "ecomOrder" => account.change_order(id, &given)?,
        "deal" => {
            account.has_deals()?;
            account.change_deal(id, &given)?;
        }
        _ if account.change(kind, id, given) => {}
        _ => return Err(ApiError::no_result(kind, &id.to_string())),
    }
    let answer =
        if kind == "contact" { account.contact(id)? } else { json!({ kind: account.get(kind, id) }) };
    Ok(Reply::json(200, &answer))
}

fn delete(account: &mut Account, path: &[&str]) -> Result<Reply, ApiError> {
    let [plural, id] = path else { return Err(ApiError::not_found("Resource")) };
    let kind = kind_of(plural)?;
    let id = number(id)?;
    if kind == "contact" {
        account.remove_contact(id)?;
    } else if !account.remove(kind, id) {
        return Err(ApiError::no_result(kind, &id.to_string()));
    }
    Ok(Reply::json(200, &json!({})))
}

/// The kind of a resource, which is also the key of one of it.
fn kind_of(plural: &str) -> Result<&'static str, ApiError> {
    const KINDS: [&str; 10] = [
        "contact",
        "tag",
        "contactTag",
        "connection",
        "ecomCustomer",
        "ecomOrder",
        "note",
        "deal",
        "dealTask",
        "contactAutomation",
    ];
    let kind = KINDS.into_iter().find(|kind| plural.strip_suffix('s') == Some(kind));
    kind.ok_or_else(|| ApiError::not_found("Resource"))
}

fn number(id: &str) -> Result<u64, ApiError> {
    id.parse().map_err(|_| ApiError::not_found("Resource"))
}

fn body(request: &Request) -> Result<Record, ApiError> {
    let refused = || ApiError::bad_request("The request body is not a JSON object.");
    let body: Json = serde_json::from_slice(&request.body).map_err(|_| refused())?;
    body.as_object().cloned().ok_or_else(refused)
}
