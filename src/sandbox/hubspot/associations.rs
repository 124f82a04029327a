//! Associations (v4): which record belongs to which, with the numbers of their types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::account::Account;
use super::error::ApiError;

/// The default types between two kinds, one number for each direction.
const TYPES: [(&str, &str, u64, u64); 18] = [
    ("contacts", "companies", 279, 280),
    ("contacts", "deals", 4, 3),
    ("contacts", "tickets", 15, 16),
    ("deals", "companies", 341, 342),
    ("deals", "line_items", 19, 20),
    ("deals", "tickets", 27, 28),
    ("tickets", "companies", 339, 340),
    ("notes", "contacts", 202, 201),
    ("notes", "companies", 190, 189),
    ("notes", "deals", 214, 213),
    ("notes", "tickets", 228, 227),
    ("tasks", "contacts", 204, 203),
    ("tasks", "companies", 192, 191),
    ("tasks", "deals", 216, 215),
    ("tasks", "tickets", 230, 229),
    ("calls", "contacts", 194, 193),
    ("emails", "contacts", 198, 197),
    ("meetings", "contacts", 200, 199),
];

/// The first number that an account's own types have in the sandbox.
const OWN: u64 = 10_000;

type End = (String, u64);

/// All associations; each stands here in both directions.
#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<(End, End), BTreeSet<u64>>);

impl Links {
    /// Associates two records. Doing it again changes nothing.
    pub(super) fn put(&mut self, from: (&str, u64), to: (&str, u64), types: Vec<u64>) {
        let (one, other) = ((from.0.to_owned(), from.1), (to.0.to_owned(), to.1));
        for number in types {
            let back = inverse(from.0, to.0, number);
            self.0.entry((one.clone(), other.clone())).or_default().insert(number);
            self.0.entry((other.clone(), one.clone())).or_default().insert(back);
        }
    }

    fn remove(&mut self, from: (&str, u64), to: (&str, u64)) {
        let (one, other) = ((from.0.to_owned(), from.1), (to.0.to_owned(), to.1));
        self.0.remove(&(one.clone(), other.clone()));
        self.0.remove(&(other, one));
    }

    /// The records of a kind with which one is associated.
    pub(super) fn of<'a>(
        &'a self,
        from: (&'a str, u64),
        to: &'a str,
    ) -> impl Iterator<Item = (u64, &'a BTreeSet<u64>)> {
        self.0
            .iter()
            .filter(move |((one, other), _)| one.0 == from.0 && one.1 == from.1 && other.0 == to)
            .map(|((_, other), types)| (other.1, types))
    }
}

/// The number of the default type.
fn default_type(from: &str, to: &str) -> Option<u64> {
    TYPES.iter().find_map(|(one, other, there, back)| match () {
        () if (*one, *other) == (from, to) => Some(*there),
        () if (*other, *one) == (from, to) => Some(*back),
        () => None,
    })
}

/// The number with which the same association is seen from the other side.
fn inverse(from: &str, to: &str, number: u64) -> u64 {
    if default_type(from, to) == Some(number) { default_type(to, from).unwrap_or(number) } else { number }
}

impl Account {
    /// `PUT .../associations/default/{to}/{id}`, and with a list of types without `default`.
    pub(super) fn associate(
        &mut self,
        from: (&str, &str),
        to: (&str, &str),
        types: Option<&Json>,
    ) -> Result<Json, ApiError> {
        let one = self.resolve(from.0, from.1, None)?.id;
        let other = self.resolve(to.0, to.1, None)?.id;
        let types = match types {
            Some(types) => numbers(from.0, to.0, types)?,
            None => vec![default_type(from.0, to.0).ok_or_else(|| {
                ApiError::invalid(format!("No default association between {} and {}", from.0, to.0))
            })?],
        };
        self.links.put((from.0, one), (to.0, other), types);
        self.counts.writes += 1;
        Ok(json!({"fromObjectId": one, "toObjectId": other, "labels": []}))
    }

    pub(super) fn dissociate(&mut self, from: (&str, &str), to: (&str, &str)) -> Result<(), ApiError> {
        let ids = (from.1.parse::<u64>(), to.1.parse::<u64>());
        let (Ok(one), Ok(other)) = ids else { return Err(ApiError::not_found()) };
        self.links.remove((from.0, one), (to.0, other));
        self.counts.writes += 1;
        Ok(())
    }

    /// A page of what a record is associated with. Ids are numbers here, and nowhere else.
    pub(super) fn associated(
        &self,
        from: (&str, &str),
        to: &str,
        limit: usize,
        after: Option<u64>,
    ) -> Result<Json, ApiError> {
        let id = self.resolve(from.0, from.1, None)?.id;
        let mut rows =
            self.links.of((from.0, id), to).filter(|(other, _)| after.is_none_or(|at| *other >= at));
        let page: Vec<Json> = rows
            .by_ref()
            .take(limit.clamp(1, 500))
            .map(|(other, types)| json!({"toObjectId": other, "associationTypes": told(types)}))
            .collect();
        let mut answer = json!({ "results": page });
        if let Some((next, _)) = rows.next() {
            answer["paging"] = json!({"next": {"after": next.to_string(), "link": ""}});
        }
        Ok(answer)
    }

    pub(super) fn labels(from: &str, to: &str) -> Json {
        let default = default_type(from, to);
        let types =
            default.map(|number| json!({"category": "HUBSPOT_DEFINED", "typeId": number, "label": null}));
        json!({"results": types.into_iter().collect::<Vec<_>>()})
    }

    /// What a new record is to be associated with.
    pub(super) fn links_of(
        &self,
        from: &str,
        associations: &Json,
    ) -> Result<Vec<(String, u64, Vec<u64>)>, ApiError> {
        let wanted = associations.as_array().into_iter().flatten();
        wanted
            .map(|one| {
                let number = one["types"][0]["associationTypeId"].as_u64().unwrap_or_default();
                let kinds = self.schema.names().filter(|to| default_type(from, to) == Some(number));
                let id = match &one["to"]["id"] {
                    Json::Number(number) => number.to_string(),
                    id => id.as_str().unwrap_or_default().to_owned(),
                };
                let Some(to) = kinds.into_iter().next() else {
                    let message = format!("{number} is not a valid association type of {from}");
                    return Err(ApiError::invalid(message));
                };
                let other = self.resolve(to, &id, None).map_err(|_| {
                    ApiError::invalid(format!(
                        "One or more associations are invalid: {to} {id} does not exist"
                    ))
                })?;
                Ok((to.clone(), other.id, vec![number]))
            })
            .collect()
    }
}

fn numbers(from: &str, to: &str, types: &Json) -> Result<Vec<u64>, ApiError> {
    let types = types.as_array().filter(|types| !types.is_empty());
    let types = types.ok_or_else(|| ApiError::invalid("At least one association type is required"))?;
    types
        .iter()
        .map(|one| {
            let number = one["associationTypeId"].as_u64().unwrap_or_default();
            let own = one["associationCategory"] == "USER_DEFINED";
            let known = if own { number >= OWN } else { default_type(from, to) == Some(number) };
            let refused =
                || ApiError::invalid(format!("{number} is not an association type of {from} to {to}"));
            known.then_some(number).ok_or_else(refused)
        })
        .collect()
}

fn told(types: &BTreeSet<u64>) -> Vec<Json> {
    let category = |number: u64| if number >= OWN { "USER_DEFINED" } else { "HUBSPOT_DEFINED" };
    types
        .iter()
        .map(|number| json!({"category": category(*number), "typeId": number, "label": null}))
        .collect()
}
