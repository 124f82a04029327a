//! The search: an index that may be behind, with a hard end.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::account::{Account, Properties, Record};
use super::convert::moment;
use super::error::ApiError;
use super::schema::Kind;

/// HubSpot's own limits.
const PAGE_MAX: usize = 200;
const GROUPS_MAX: usize = 5;
const FILTERS_MAX: usize = 6;
const FILTERS_IN_ALL: usize = 18;

impl Account {
    /// `POST .../search`.
    pub(super) fn search(&self, name: &str, body: &Json) -> Result<Json, ApiError> {
        let kind = self.schema.kind(name)?;
        let groups = groups(kind, body)?;
        let limit = size(&body["limit"], 10)?;
        let after = size(&body["after"], 0)?;
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(ApiError::invalid(format!("limit must be between 1 and {PAGE_MAX}")));
        }
        if after + limit > self.search_end {
            let end = self.search_end;
            return Err(ApiError::invalid(format!("The search query exceeds the limit of {end} results")));
        }
        let at = self.clock.now().checked_sub(self.lag).unwrap_or(Timestamp::MIN);
        let known = self.all(name).filter_map(|record| Some((record, record.as_of(at)?)));
        let fits = |(_, properties): &(&Record, &Properties)| {
            groups.is_empty()
                || groups.iter().any(|group| group.iter().all(|filter| filter.fits(kind, properties)))
        };
        let mut found: Vec<(&Record, &Properties)> = known.filter(fits).collect();
        if let Some((by, descending)) = sort(body) {
            found.sort_by(|one, other| {
                let of = |row: &(&Record, &Properties)| row.1.get(&by).cloned().unwrap_or_default();
                let order = compare(kind, &by, &of(one), &of(other));
                if descending { order.reverse() } else { order }
            });
        }
        let wanted = texts(&body["properties"]);
        let page = found.iter().skip(after).take(limit);
        let page: Vec<Json> =
            page.map(|(record, properties)| Self::shown(kind, record, properties, &wanted)).collect();
        let mut answer = json!({"total": found.len(), "results": page});
        if found.len() > after + limit {
            answer["paging"] = json!({"next": {"after": (after + limit).to_string(), "link": ""}});
        }
        Ok(answer)
    }
}

/// One condition.
struct Filter {
    property: String,
    operator: String,
    value: String,
    high: String,
    values: Vec<String>,
}

impl Filter {
    fn read(kind: &Kind, written: &Json) -> Result<Self, ApiError> {
        let of = |key: &str| match &written[key] {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        };
        let filter = Self {
            property: of("propertyName"),
            operator: of("operator"),
            value: of("value"),
            high: of("highValue"),
            values: texts(&written["values"]),
        };
        let known = [
            "EQ",
            "NEQ",
            "LT",
            "LTE",
            "GT",
            "GTE",
            "BETWEEN",
            "IN",
            "NOT_IN",
            "HAS_PROPERTY",
            "NOT_HAS_PROPERTY",
            "CONTAINS_TOKEN",
            "NOT_CONTAINS_TOKEN",
        ];
        if !known.contains(&filter.operator.as_str()) {
            return Err(ApiError::invalid(format!(
                "Invalid input JSON: unknown operator {}",
                filter.operator
            )));
        }
        if !kind.properties.contains_key(&filter.property) {
            let message =
                format!("There was a problem with the request: unknown property {}", filter.property);
            return Err(ApiError::invalid(message));
        }
        let needs_value = !filter.operator.ends_with("HAS_PROPERTY") && !filter.operator.ends_with("IN");
        if needs_value && filter.value.is_empty() {
            let message = format!("operator {} requires a value, which may not be empty", filter.operator);
            return Err(ApiError::invalid(message));
        }
        Ok(filter)
    }

    fn fits(&self, kind: &Kind, properties: &Properties) -> bool {
        let has = properties.get(&self.property).map_or("", String::as_str);
        let against = |value: &str| compare(kind, &self.property, has, value);
        // Texts are indexed in lower case; lists are not brought there.
        let listed = || self.values.iter().any(|value| has.to_lowercase() == *value);
        let token = || {
            let words = has.to_lowercase();
            words
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|word| word == self.value.to_lowercase())
        };
        match self.operator.as_str() {
            "HAS_PROPERTY" => !has.is_empty(),
            "NOT_HAS_PROPERTY" => has.is_empty(),
            "NEQ" => !has.is_empty() && against(&self.value).is_ne(),
            "NOT_IN" => !has.is_empty() && !listed(),
            "NOT_CONTAINS_TOKEN" => !token(),
            _ if has.is_empty() => false,
            "EQ" => against(&self.value).is_eq(),
            "LT" => against(&self.value).is_lt(),
            "LTE" => against(&self.value).is_le(),
            "GT" => against(&self.value).is_gt(),
            "GTE" => against(&self.value).is_ge(),
            "BETWEEN" => against(&self.value).is_ge() && against(&self.high).is_le(),
            "IN" => listed(),
            _ => token(),
        }
    }
}

fn groups(kind: &Kind, body: &Json) -> Result<Vec<Vec<Filter>>, ApiError> {
    let written: Vec<&Json> = body["filterGroups"].as_array().into_iter().flatten().collect();
    let counts: Vec<usize> =
        written.iter().map(|group| group["filters"].as_array().map_or(0, Vec::len)).collect();
    if counts.len() > GROUPS_MAX
        || counts.iter().any(|count| *count > FILTERS_MAX)
        || counts.iter().sum::<usize>() > FILTERS_IN_ALL
    {
        return Err(ApiError::invalid(format!(
            "at most {GROUPS_MAX} filterGroups, {FILTERS_MAX} filters in each and {FILTERS_IN_ALL} in all are allowed"
        )));
    }
    written
        .iter()
        .map(|group| {
            let filters = group["filters"].as_array().into_iter().flatten();
            filters.map(|filter| Filter::read(kind, filter)).collect()
        })
        .collect()
}

/// The one sort: the property, and whether it goes down.
fn sort(body: &Json) -> Option<(String, bool)> {
    match &body["sorts"][0] {
        Json::String(property) => Some((property.clone(), false)),
        sort => Some((sort["propertyName"].as_str()?.to_owned(), sort["direction"] == "DESCENDING")),
    }
}

/// Numbers and times by what they mean, texts without regard to case.
fn compare(kind: &Kind, property: &str, one: &str, other: &str) -> std::cmp::Ordering {
    let of = kind.properties.get(property).map_or("string", |shape| shape.kind());
    match of {
        "number" => {
            let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
            number(one).total_cmp(&number(other))
        }
        "date" | "datetime" => moment(one).cmp(&moment(other)),
        _ => one.to_lowercase().cmp(&other.to_lowercase()),
    }
}

/// A number, also written as a text.
fn size(value: &Json, default: usize) -> Result<usize, ApiError> {
    let number = match value {
        Json::Null => return Ok(default),
        Json::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    number.ok_or_else(|| ApiError::invalid("Invalid input JSON: a number was expected"))
}

pub(super) fn texts(value: &Json) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
