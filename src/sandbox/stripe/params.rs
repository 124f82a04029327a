//! Parameters of a call: known names only, values of the right type, laid over an object by its shape.

use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use crate::catalog::{Catalog, Field, Kind};

/// What every call takes.
const ALWAYS: [&str; 1] = ["expand"];

/// Limits of metadata.
const METADATA: (usize, usize, usize) = (50, 40, 500);

/// The parameters of one call, as text.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(Map<String, Json>);

/// Which parameters a call takes.
#[derive(Clone, Copy)]
pub(super) struct Takes {
    /// Those that are a field of the object by the same name, laid over it as its shape says.
    pub(super) fields: &'static [&'static str],
    /// Those that the call itself reads, nested ones as `items[].price`; `name.*` allows anything below.
    pub(super) own: &'static [&'static str],
}

impl Params {
    pub(super) fn new(tree: Map<String, Json>) -> Self {
        Self(tree)
    }

    /// The first unknown parameter is an error, as Stripe has it.
    pub(super) fn check(&self, takes: Takes) -> Result<(), ApiError> {
        for (name, value) in &self.0 {
            if takes.fields.contains(&name.as_str()) || ALWAYS.contains(&name.as_str()) {
                continue;
            }
            for (leaf, pattern) in leaves(name, name, value) {
                if !takes.own.iter().any(|own| allows(own, &pattern)) {
                    return Err(ApiError::unknown(&leaf));
                }
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Text that is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| ApiError::required(name))
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.text(name).map(|text| int(text, name)).transpose()
    }

    pub(super) fn bool(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.text(name).map(|text| bool(text, name)).transpose()
    }

    /// A word of a closed set, or its default.
    pub(super) fn word<'w>(
        &self,
        name: &str,
        words: &[&'w str],
        default: &'w str,
    ) -> Result<&'w str, ApiError> {
        match self.text(name) {
            None => Ok(default),
            Some(given) => {
                words.iter().find(|word| **word == given).copied().ok_or_else(|| bad_word(name, words))
            }
        }
    }

    /// The elements of a list of maps, each as parameters of its own.
    pub(super) fn rows(&self, name: &str) -> Vec<Params> {
        let rows = self.0.get(name).and_then(Json::as_array).into_iter().flatten();
        rows.map(|row| Params(row.as_object().cloned().unwrap_or_default())).collect()
    }

    /// The parameters below a name.
    pub(super) fn below(&self, name: &str) -> Params {
        Params(self.0.get(name).and_then(Json::as_object).cloned().unwrap_or_default())
    }

    /// The texts of a list.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(Json::as_array).into_iter().flatten();
        list.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    /// Lays the given fields over the object, by the shape of its kind.
    pub(super) fn lay_over(&self, object: &mut Json, kind: &str, takes: Takes) -> Result<(), ApiError> {
        let Some(shape) = Catalog::newest().object(kind) else { return Ok(()) };
        for name in takes.fields.iter().filter(|name| self.has(name)) {
            let Some(field) = shape.fields().get(*name) else { continue };
            let old = object.get(*name).cloned().unwrap_or(Json::Null);
            object[*name] = value(field, &old, &self.0[*name], name)?;
        }
        Ok(())
    }

    /// The same parameters with one more.
    pub(super) fn with(&self, name: &str, value: &str) -> Params {
        let mut map = self.0.clone();
        map.insert(name.to_owned(), json!(value));
        Params(map)
    }
}

/// Every leaf below a parameter: its name as sent, and as a pattern (`items[0][price]`, `items[].price`).
fn leaves(leaf: &str, pattern: &str, value: &Json) -> Vec<(String, String)> {
    match value {
        Json::Object(map) => map
            .iter()
            .flat_map(|(key, value)| leaves(&format!("{leaf}[{key}]"), &format!("{pattern}.{key}"), value))
            .collect(),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(at, value)| leaves(&format!("{leaf}[{at}]"), &format!("{pattern}[]"), value))
            .collect(),
        _ => vec![(leaf.to_owned(), pattern.to_owned())],
    }
}

fn allows(own: &str, pattern: &str) -> bool {
    match own.strip_suffix(".*") {
        Some(head) => pattern == head || pattern.starts_with(&format!("{head}.")),
        // An empty value unsets a whole map or list: `pause_collection=`, `discounts=`.
        None => own == pattern || own.strip_prefix(pattern).is_some_and(|rest| rest.starts_with(['.', '['])),
    }
}

fn int(text: &str, name: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| {
        ApiError::invalid(format!("Invalid integer: {text}")).code("parameter_invalid_integer").param(name)
    })
}

fn bool(text: &str, name: &str) -> Result<bool, ApiError> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ApiError::invalid(format!("Invalid boolean: {text}")).param(name)),
    }
}

fn bad_word(name: &str, words: &[impl AsRef<str>]) -> ApiError {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let (last, first) = words.split_last().unwrap_or((&"", &[]));
    let choice =
        if first.is_empty() { (*last).to_owned() } else { format!("{}, or {last}", first.join(", ")) };
    ApiError::invalid(format!("Invalid {name}: must be one of {choice}")).param(name)
}

/// The value of a field after what was given for it.
fn value(field: &Field, old: &Json, given: &Json, name: &str) -> Result<Json, ApiError> {
    if given.as_str() == Some("") {
        return unset(field, name);
    }
    match (&field.kind, given) {
        (Kind::Integer, Json::String(text)) => int(text, name).map(Json::from),
        (Kind::Boolean, Json::String(text)) => bool(text, name).map(Json::from),
        (Kind::Number, Json::String(text)) => serde_json::from_str::<serde_json::Number>(text)
            .map(Json::Number)
            .map_err(|_| ApiError::invalid(format!("Invalid decimal: {text}")).param(name)),
        (Kind::Text, Json::String(text)) => match &field.words {
            Some(words) if !words.known.contains(text) => Err(bad_word(name, &words.known)),
            _ => Ok(json!(text)),
        },
        (Kind::Map(_), Json::Object(given)) => metadata(old, given, name),
        (Kind::Object(fields), Json::Object(given)) => {
            let mut object = old.as_object().cloned().unwrap_or_default();
            for (key, field) in fields.iter().filter(|(_, field)| !field.optional) {
                object
                    .entry(key.clone())
                    .or_insert_with(|| if field.nullable { Json::Null } else { json!("") });
            }
            for (key, given) in given {
                let inner = format!("{name}[{key}]");
                let field = fields.get(key).ok_or_else(|| ApiError::unknown(&inner))?;
                let old = object.get(key).cloned().unwrap_or(Json::Null);
                object.insert(key.clone(), value(field, &old, given, &inner)?);
            }
            Ok(Json::Object(object))
        }
        (Kind::Array(element), Json::Array(given)) => {
            let items = given.iter().enumerate();
            items.map(|(at, given)| value(element, &Json::Null, given, &format!("{name}[{at}]"))).collect()
        }
        (Kind::Array(_), _) => Err(ApiError::invalid("Invalid array").param(name)),
        (Kind::Object(_) | Kind::Map(_), _) => Err(ApiError::invalid("Invalid object").param(name)),
        (_, Json::String(_)) => Ok(given.clone()),
        _ => Err(ApiError::invalid(format!("Invalid string: {given}")).param(name)),
    }
}

/// An empty value unsets what can be unset.
fn unset(field: &Field, name: &str) -> Result<Json, ApiError> {
    match &field.kind {
        Kind::Map(_) => Ok(json!({})),
        Kind::Array(_) => Ok(json!([])),
        _ if field.nullable || field.optional => Ok(Json::Null),
        _ => Err(ApiError::invalid(format!(
            "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; \
             however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value."
        ))
        .code("parameter_invalid_empty")
        .param(name)),
    }
}

/// Metadata merges: absent keys stay, an empty value removes its key.
fn metadata(old: &Json, given: &Map<String, Json>, name: &str) -> Result<Json, ApiError> {
    let (keys_max, name_max, value_max) = METADATA;
    let mut map = old.as_object().cloned().unwrap_or_default();
    for (key, value) in given {
        let text = value.as_str().ok_or_else(|| {
            ApiError::invalid("Metadata values must be strings").param(&format!("{name}[{key}]"))
        })?;
        if key.chars().count() > name_max || text.chars().count() > value_max {
            let what =
                format!("Metadata keys can have up to {name_max} characters, values up to {value_max}.");
            return Err(ApiError::invalid(what).param(name));
        }
        if text.is_empty() {
            map.shift_remove(key);
        } else {
            map.insert(key.clone(), json!(text));
        }
    }
    if map.len() > keys_max {
        return Err(ApiError::invalid(format!("Metadata can have up to {keys_max} keys.")).param(name));
    }
    Ok(Json::Object(map))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::sandbox::reply::pairs;
    use crate::sandbox::stripe::form;

    fn params(text: &str) -> Params {
        Params::new(form::tree(pairs(text)).unwrap())
    }

    const CUSTOMER: Takes = Takes {
        fields: &["email", "balance", "metadata", "address", "tax_exempt"],
        own: &["tax_id_data[].type"],
    };

    fn laid_over(text: &str) -> Result<Json, ApiError> {
        let mut object = json!({"email": "a@x.example", "balance": 0, "metadata": {"a": "1", "b": "2"}});
        let params = params(text);
        params.check(CUSTOMER)?;
        params.lay_over(&mut object, "customer", CUSTOMER)?;
        Ok(object)
    }

    #[test]
    fn values_take_the_type_of_their_field_and_empty_ones_unset() {
        assert_eq!(
            laid_over("email=&balance=-5&metadata[a]=&metadata[c]=3").unwrap(),
            json!({"email": null, "balance": -5, "metadata": {"b": "2", "c": "3"}})
        );
        assert_eq!(laid_over("metadata=").unwrap()["metadata"], json!({}));
        assert_eq!(laid_over("address[city]=Rome").unwrap()["address"]["city"], json!("Rome"));
    }

    #[test]
    fn what_stripe_refuses_is_refused_with_the_parameters_name() {
        for (text, param) in [
            ("emial=x", "emial"),
            ("address[town]=Rome", "address[town]"),
            ("balance=five", "balance"),
            ("tax_exempt=maybe", "tax_exempt"),
            ("tax_id_data[0][kind]=eu_vat", "tax_id_data[0][kind]"),
            ("balance=", "balance"),
        ] {
            let reply = laid_over(text).unwrap_err().reply();
            let body: Json = serde_json::from_str(&reply.body).unwrap();
            assert_eq!((reply.status, body["error"]["param"].as_str()), (400, Some(param)), "{text}");
        }
    }
}
