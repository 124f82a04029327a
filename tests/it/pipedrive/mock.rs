//! A small server that answers as Pipedrive does, traps included. No more than the test needs: it is no simulator.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json, json};

/// The token that the account knows.
pub(super) const TOKEN: &str = "pipedrive-token-4242";

/// The account's own fields: kind, key, name, and what a field has to choose from.
pub(super) const PERSON_STRIPE_ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1";
pub(super) const DEAL_STRIPE_ID: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb1";
pub(super) const DEAL_BILLING: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb2";
const OPTIONS: [(&str, i64); 5] =
    [("Pending", 31), ("Trial", 32), ("Paying", 33), ("Overdue", 34), ("Ended", 35)];

/// What is answered in the place of the truth: status, headers, body.
pub(super) type Canned = (u16, Vec<(&'static str, &'static str)>, &'static str);

#[derive(Default)]
struct State {
    /// Kind -> id -> record, as the API gives it.
    records: BTreeMap<String, BTreeMap<i64, Json>>,
    last_id: i64,
    /// Records from this id on are not in the index of the search yet.
    unindexed_from: Option<i64>,
    canned: VecDeque<Canned>,
    asked: Vec<String>,
}

/// The server.
#[derive(Clone)]
pub(super) struct Pipedrive {
    url: String,
    state: Arc<Mutex<State>>,
}

type Refusal = (u16, String);

impl Pipedrive {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State { last_id: 10, ..State::default() }));
        let shared = Arc::clone(&state);
        let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let answer = shared.lock().unwrap().answer(&method, &uri, &headers, &body);
            async move { answer }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, state }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// All records of a kind (`persons`), by id.
    pub(super) fn records(&self, kind: &str) -> Vec<Json> {
        self.state().records.get(kind).map(|all| all.values().cloned().collect()).unwrap_or_default()
    }

    /// Puts a record there, as a person would; gives its id.
    pub(super) fn give(&self, kind: &str, record: &Json) -> i64 {
        self.state().insert(kind, record.as_object().unwrap())["id"].as_i64().unwrap()
    }

    /// From now on the search does not see what is new.
    pub(super) fn search_lags(&self) {
        let mut state = self.state();
        state.unindexed_from = Some(state.last_id + 1);
    }

    /// Answers the next request with this.
    pub(super) fn answers(&self, canned: Canned) {
        self.state().canned.push_back(canned);
    }

    /// What was asked: `GET /api/v2/persons/12`.
    pub(super) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }
}

impl State {
    fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
        self.asked.push(format!("{method} {uri}"));
        if let Some((status, more, text)) = self.canned.pop_front() {
            let mut response = (StatusCode::from_u16(status).unwrap(), text).into_response();
            for (name, value) in more {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            return response;
        }
        let known = headers.get("x-api-token").is_some_and(|token| token == TOKEN);
        let query: Vec<(String, String)> =
            serde_json::from_value(json!(form(uri.query().unwrap_or_default()))).unwrap();
        let query: BTreeMap<String, String> = query.into_iter().collect();
        let body: Json = serde_json::from_slice(body).unwrap_or_default();
        let answer = if known {
            self.carry_out(method.as_str(), uri.path(), &query, &body)
        } else {
            Err((401, "unauthorized access".into()))
        };
        let (status, body) = answer.unwrap_or_else(|(status, error)| {
            (status, json!({ "success": false, "error": error, "error_info": "see the docs", "data": null }))
        });
        let headers = [("content-type", "application/json")];
        (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
    }

    fn carry_out(
        &mut self,
        method: &str,
        path: &str,
        query: &BTreeMap<String, String>,
        body: &Json,
    ) -> Result<(u16, Json), Refusal> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, segments.as_slice()) {
            ("GET", ["v1", "users", "me"]) => Ok((200, good(&json!({ "id": 3 })))),
            ("GET", ["api", "v2", fields]) if fields.ends_with("Fields") => {
                Ok((200, good(&described(fields))))
            }
            ("GET", ["api", "v2", kind, "search"]) => self.search(kind, query),
            ("GET", ["api", "v2", kind] | ["v1", kind @ "notes"]) => self.list(kind, query),
            ("POST", ["api", "v2", kind] | ["v1", kind @ "notes"]) => {
                let fields = body.as_object().ok_or_else(|| (400, "no body".to_owned()))?;
                check(kind, fields)?;
                Ok((201, good(&self.insert(kind, fields))))
            }
            (_, ["api", "v2", kind, id] | ["v1", kind @ "notes", id]) => self.one(method, kind, id, body),
            _ => Err((404, format!("{method} {path} is not there"))),
        }
    }

    fn one(&mut self, method: &str, kind: &str, id: &str, body: &Json) -> Result<(u16, Json), Refusal> {
        let gone = || (404, format!("{kind} {id} not found"));
        let id: i64 = id.parse().map_err(|_| (400, "the id is no number".to_owned()))?;
        let record = self.records.get_mut(kind).and_then(|all| all.get_mut(&id)).ok_or_else(gone)?;
        match method {
            "GET" => {}
            // v2 changes with PATCH, v1 with PUT.
            "PATCH" | "PUT" if (method == "PUT") == (kind == "notes") => {
                let fields = body.as_object().ok_or_else(|| (400, "no body".to_owned()))?;
                check(kind, fields)?;
                lay_over(record, fields);
            }
            "DELETE" => {
                self.records.get_mut(kind).and_then(|all| all.remove(&id));
                return Ok((200, good(&json!({ "id": id }))));
            }
            _ => return Err((405, "method not allowed".into())),
        }
        Ok((200, good(record)))
    }

    fn insert(&mut self, kind: &str, fields: &Map<String, Json>) -> Json {
        self.last_id += 1;
        let id = self.last_id;
        let at = format!("2026-02-03T10:{:02}:00Z", id % 60);
        let mut record = json!({ "id": id, "owner_id": 3, "add_time": at, "update_time": at });
        if kind != "notes" {
            record["custom_fields"] = json!({});
        }
        if let Some(first) = fields.get("participants").and_then(|all| all.get(0)) {
            record["person_id"] = first["person_id"].clone();
        }
        lay_over(&mut record, fields);
        self.records.entry(kind.to_owned()).or_default().insert(id, record.clone());
        record
    }

    /// What it cannot filter by it passes over. At most 500 come at once, 100 when nothing is said.
    fn list(&self, kind: &str, query: &BTreeMap<String, String>) -> Result<(u16, Json), Refusal> {
        let limit: usize = query.get("limit").map_or(Ok(100), |limit| limit.parse()).unwrap_or(501);
        if limit > 500 {
            return Err((400, "limit must be at most 500".into()));
        }
        let filters = ["person_id", "org_id", "deal_id", "owner_id", "status", "stage_id", "pipeline_id"];
        let fits = |record: &&Json| {
            let changed = |since: &String| record["update_time"].as_str() >= Some(since.as_str());
            query.get("updated_since").is_none_or(changed)
                && filters
                    .iter()
                    .filter_map(|name| Some((name, query.get(*name)?)))
                    .all(|(name, wanted)| plain(&record[*name]) == *wanted)
        };
        let all: Vec<&Json> = self.records.get(kind).into_iter().flat_map(BTreeMap::values).collect();
        let from = query.get("cursor").or(query.get("start")).and_then(|at| at.parse().ok()).unwrap_or(0);
        let fitting: Vec<&Json> = all.into_iter().filter(fits).collect();
        let page: Vec<&Json> = fitting.iter().skip(from).take(limit).copied().collect();
        let next = (from + page.len() < fitting.len()).then_some(from + page.len());
        if kind == "notes" {
            let paging = json!({ "start": from, "limit": limit, "more_items_in_collection": next.is_some(), "next_start": next });
            let data = if page.is_empty() { Json::Null } else { json!(page) };
            return Ok((
                200,
                json!({ "success": true, "data": data, "additional_data": { "pagination": paging } }),
            ));
        }
        let next = next.map(|at| at.to_string());
        Ok((200, json!({ "success": true, "data": page, "additional_data": { "next_cursor": next } })))
    }

    /// Whole values without case, in the named fields; of one's own fields it searches all at once, and gives no names.
    fn search(&self, kind: &str, query: &BTreeMap<String, String>) -> Result<(u16, Json), Refusal> {
        let term = query.get("term").ok_or_else(|| (400, "term is missing".to_owned()))?.to_lowercase();
        let field = query.get("fields").map_or("", String::as_str);
        if !["custom_fields", "email", "phone", "name", "title", "address"].contains(&field) {
            return Err((400, format!("fields: {field} is not allowed")));
        }
        let is_it = |value: &Json| plain(value).to_lowercase() == term;
        let indexed = |record: &&Json| {
            self.unindexed_from.is_none_or(|from| record["id"].as_i64().is_some_and(|id| id < from))
        };
        let fits = |record: &&Json| match field {
            "custom_fields" => record["custom_fields"].as_object().is_some_and(|own| own.values().any(is_it)),
            "email" | "phone" => values(&record[format!("{field}s")]).iter().any(is_it),
            _ => is_it(&record[field]),
        };
        let all = self.records.get(kind).into_iter().flat_map(BTreeMap::values);
        let items = all.filter(indexed).filter(fits).map(|record| {
            let own: Vec<&Json> =
                record["custom_fields"].as_object().into_iter().flat_map(Map::values).collect();
            let mut item = json!({ "id": record["id"], "type": kind, "custom_fields": own, "notes": [] });
            for name in ["name", "title"] {
                if record.get(name).is_some() {
                    item[name] = record[name].clone();
                }
            }
            for name in ["emails", "phones"] {
                item[name] = json!(values(&record[name]));
            }
            json!({ "result_score": 0.29, "item": item })
        });
        let items: Vec<Json> = items.collect();
        Ok((
            200,
            json!({ "success": true, "data": { "items": items }, "additional_data": { "next_cursor": null } }),
        ))
    }
}

fn good(data: &Json) -> Json {
    json!({ "success": true, "data": data })
}

/// A scalar as text.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn values(elements: &Json) -> Vec<Json> {
    elements.as_array().into_iter().flatten().map(|element| element["value"].clone()).collect()
}

fn form(text: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://x/?{text}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// A map of one's own fields is laid over what is there; everything else is replaced, lists among it.
fn lay_over(record: &mut Json, fields: &Map<String, Json>) {
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("custom_fields", Json::Object(own)) => {
                for (code, value) in own {
                    record["custom_fields"][code] = value.clone();
                }
            }
            _ => record[name] = value.clone(),
        }
    }
}

fn check(kind: &str, fields: &Map<String, Json>) -> Result<(), Refusal> {
    let wrong = |what: String| Err((400, format!("Validation failed: {what}")));
    if let Some(name) = fields.keys().find(|name| name.len() == 40) {
        return wrong(format!("{name} belongs into custom_fields"));
    }
    for name in ["emails", "phones"] {
        let list = fields.get(name).and_then(Json::as_array).into_iter().flatten();
        if fields.get(name).is_some_and(|it| !it.is_array()) || list.clone().any(|it| it["value"].is_null()) {
            return wrong(format!("{name} must be a list of values"));
        }
    }
    if kind == "activities" && fields.contains_key("person_id") {
        return wrong("person_id is not allowed, use participants".into());
    }
    for (code, value) in fields.get("custom_fields").and_then(Json::as_object).into_iter().flatten() {
        let known = described(&format!("{}Fields", kind.trim_end_matches('s')));
        let Some(field) =
            known.as_array().into_iter().flatten().find(|field| field["field_code"] == code.as_str())
        else {
            return wrong(format!("custom_fields: unknown key {code}"));
        };
        let options = field["options"].as_array();
        if options.is_some_and(|options| !value.is_null() && !options.iter().any(|it| it["id"] == *value)) {
            return wrong(format!("{code}: {value} is no option"));
        }
    }
    Ok(())
}

/// The fields of a kind of record.
fn described(fields: &str) -> Json {
    let plain =
        |code: &str, name: &str| json!({ "field_code": code, "field_name": name, "field_type": "varchar" });
    let options: Vec<Json> = OPTIONS.iter().map(|(label, id)| json!({ "id": id, "label": label })).collect();
    let mut all = vec![plain("id", "ID"), plain("name", "Name")];
    match fields {
        "personFields" => all.push(plain(PERSON_STRIPE_ID, "Stripe ID")),
        "dealFields" => {
            all.push(plain(DEAL_STRIPE_ID, "Stripe Subscription"));
            all.push(json!({ "field_code": DEAL_BILLING, "field_name": "Billing", "field_type": "enum", "options": options }));
        }
        _ => {}
    }
    json!(all)
}
