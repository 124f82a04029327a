//! `crm.item.*`: the same records in camelCase, with real numbers and real error codes.

use serde_json::{Map, Value as Json, json};

use super::crm::Answer;
use super::error::ApiError;
use super::params::{Params, number, text};
use super::portal::{Portal, Record};

/// The kinds of records by their numbers.
const TYPES: [(u64, &str); 6] =
    [(1, "lead"), (2, "deal"), (3, "contact"), (4, "company"), (7, "quote"), (31, "invoice")];

/// What is a number here, and text elsewhere.
const NUMBERS: [&str; 8] =
    ["id", "assignedById", "createdBy", "updatedBy", "categoryId", "companyId", "contactId", "opportunity"];

fn kind(params: &Params) -> Result<&'static str, ApiError> {
    let wanted = number(params.need("entityTypeId")?);
    let found = TYPES.iter().find(|(id, _)| Some(*id) == wanted);
    found.map(|(_, kind)| *kind).ok_or_else(|| ApiError::new("NOT_FOUND", "Smart process not found"))
}

impl Portal {
    pub(super) fn item(&mut self, method: &str, params: &Params) -> Result<Answer, ApiError> {
        let kind = kind(params)?;
        let fields = || {
            params
                .map("fields")
                .iter()
                .map(|(name, value)| (upper(name), value.clone()))
                .collect::<Map<_, _>>()
        };
        let gone = || ApiError::new("NOT_FOUND", "Item not found");
        let id = || params.id("id").map_err(|_| ApiError::missing_parameter("id"));
        match method {
            "add" => {
                let id = self.add(kind, &fields())?;
                Ok(json!({"item": self.shown(kind, id)}).into())
            }
            "get" => {
                let id = id()?;
                self.record(kind, id).ok_or_else(gone)?;
                Ok(json!({"item": self.shown(kind, id)}).into())
            }
            "update" => {
                let id = id()?;
                self.change(kind, id, &fields()).map_err(|_| gone())?;
                Ok(json!({"item": self.shown(kind, id)}).into())
            }
            "delete" => {
                self.remove(kind, id()?).map_err(|_| gone())?;
                Ok(json!([]).into())
            }
            "list" => {
                let named = |map: Map<String, Json>| {
                    map.into_iter().map(|(key, value)| (key_upper(&key), value)).collect()
                };
                let mut old = params.clone();
                for name in ["filter", "order"] {
                    old.0.insert(name.to_owned(), Json::Object(named(params.map(name))));
                }
                // All fields come by one sign, those of the portal's own among them.
                let select = params.texts("select");
                let all = select.is_empty() || select.iter().any(|name| name == "*");
                let select = if all {
                    json!(["*", "UF_*"])
                } else {
                    select.iter().map(|name| upper(name)).collect::<Json>()
                };
                old.0.insert("select".to_owned(), select);
                let page = self.page(kind, &old);
                let items =
                    page.result.as_array().into_iter().flatten().filter_map(Json::as_object).map(camel);
                Ok(Answer { result: json!({"items": items.collect::<Vec<_>>()}), ..page })
            }
            "fields" => Ok(json!({"fields": self.fields.described(kind)}).into()),
            _ => Err(ApiError::of_status(404)),
        }
    }

    fn shown(&self, kind: &str, id: u64) -> Json {
        self.record(kind, id).map(camel).unwrap_or_default()
    }
}

fn camel(record: &Record) -> Json {
    let fields = record.iter().map(|(name, value)| {
        let name = lower(name);
        let value = if NUMBERS.contains(&name.as_str()) {
            text(value).parse::<f64>().ok().map_or(Json::Null, |number| {
                if number.fract() == 0.0 {
                    text(value).split('.').next().and_then(|whole| whole.parse::<i64>().ok()).into()
                } else {
                    json!(number)
                }
            })
        } else {
            value.clone()
        };
        (name, value)
    });
    Json::Object(fields.collect())
}

/// `LAST_NAME` is `lastName`; a field of the portal's own keeps its name.
fn lower(name: &str) -> String {
    match name {
        _ if name.starts_with("UF_") => return name.to_owned(),
        "DATE_CREATE" => return "createdTime".to_owned(),
        "DATE_MODIFY" => return "updatedTime".to_owned(),
        "CREATED_BY_ID" => return "createdBy".to_owned(),
        "MODIFY_BY_ID" => return "updatedBy".to_owned(),
        _ => {}
    }
    let mut words = name.split('_').map(str::to_lowercase);
    let first = words.next().unwrap_or_default();
    words.fold(first, |all, word| {
        let mut letters = word.chars();
        let head = letters.next().map(|letter| letter.to_ascii_uppercase());
        all.chars().chain(head).chain(letters).collect()
    })
}

/// `lastName` is `LAST_NAME`.
fn upper(name: &str) -> String {
    match name {
        _ if name.starts_with("UF_") => name.to_owned(),
        "createdTime" => "DATE_CREATE".to_owned(),
        "updatedTime" => "DATE_MODIFY".to_owned(),
        "createdBy" => "CREATED_BY_ID".to_owned(),
        "updatedBy" => "MODIFY_BY_ID".to_owned(),
        _ => name.chars().fold(String::new(), |mut all, letter| {
            if letter.is_ascii_uppercase() {
                all.push('_');
            }
            all.push(letter.to_ascii_uppercase());
            all
        }),
    }
}

/// As [`upper`], with the prefix of a filter before it.
fn key_upper(key: &str) -> String {
    let name = key.trim_start_matches(|char: char| !char.is_ascii_alphabetic());
    format!("{}{}", &key[..key.len() - name.len()], upper(name))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (old, new) in [
            ("ID", "id"),
            ("LAST_NAME", "lastName"),
            ("UF_CRM_PLAN", "UF_CRM_PLAN"),
            ("DATE_MODIFY", "updatedTime"),
            ("ORIGIN_ID", "originId"),
        ] {
            assert_eq!((lower(old).as_str(), upper(new).as_str()), (new, old));
        }
        assert_eq!(key_upper(">=updatedTime"), ">=DATE_MODIFY");
    }
}
