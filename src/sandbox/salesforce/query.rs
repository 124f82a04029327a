//! Carries out queries: rows that match, in order, page by page.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};

use super::convert;
use super::error::ApiError;
use super::id;
use super::org::{Org, Record};
use super::schema::{FieldShape, ObjectShape};
use super::soql::{Filter, Literal, Operator, Query, Select};

/// Rows of a page, when neither the client nor a test says otherwise.
const PAGE: usize = 2000;

/// How long an open query lives, in seconds: two days.
const OPEN_FOR: i64 = 2 * 24 * 60 * 60;

const OFFSET_MAX: usize = 2000;

/// A query with pages still to come.
#[derive(Debug)]
pub(super) struct Open {
    rows: Vec<Json>,
    page: usize,
    at: i64,
}

type Answer = Result<Json, ApiError>;

impl Org {
    /// Runs a statement and gives its first page. `deleted`: rows of the recycle bin are seen too.
    pub(super) fn query(
        &mut self,
        query: &Query,
        batch: Option<usize>,
        deleted: bool,
        version: u32,
    ) -> Answer {
        if query.offset > OFFSET_MAX {
            return Err(ApiError::new("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"));
        }
        let rows = self.rows(query, deleted, version)?;
        if matches!(query.select[..], [Select::Count]) {
            return Ok(json!({"totalSize": rows.len(), "done": true, "records": []}));
        }
        // The batch size is a wish; a page may be shorter, never longer.
        let page = self.page_length.unwrap_or_else(|| batch.unwrap_or(PAGE).clamp(200, PAGE));
        let locator = format!("01g5g{:013}", self.records.next());
        self.queries.insert(locator.clone(), Open { rows, page, at: self.clock.now().as_second() });
        self.page(&locator, 0, version)
    }

    /// The page of an open query that begins at a row: `01g...-2000`.
    pub(super) fn more(&mut self, locator: &str, version: u32) -> Answer {
        let invalid = || ApiError::new("INVALID_QUERY_LOCATOR", "invalid query locator");
        let now = self.clock.now().as_second();
        self.queries.retain(|_, open| now - open.at < OPEN_FOR);
        let (name, from) = locator.rsplit_once('-').ok_or_else(invalid)?;
        let from = from.parse().map_err(|_| invalid())?;
        if !self.queries.contains_key(name) {
            return Err(invalid());
        }
        self.page(name, from, version)
    }

    fn page(&mut self, locator: &str, from: usize, version: u32) -> Answer {
        let Some(open) = self.queries.get(locator) else { return Err(ApiError::not_found()) };
        let to = (from + open.page).min(open.rows.len());
        let done = to >= open.rows.len();
        let records = open.rows.get(from..to).unwrap_or_default();
        let mut answer = json!({"totalSize": open.rows.len(), "done": done});
        if done {
            answer["records"] = json!(records);
            self.queries.remove(locator);
        } else {
            answer["nextRecordsUrl"] = json!(format!("/services/data/v{version}.0/query/{locator}-{to}"));
            answer["records"] = json!(records);
        }
        Ok(answer)
    }

    fn rows(&self, query: &Query, deleted: bool, version: u32) -> Result<Vec<Json>, ApiError> {
        let (shape, found) = self.found(query, deleted)?;
        found.into_iter().map(|record| self.shown(&query.select, shape, record, version)).collect()
    }

    /// The records that a statement is about, in its order. `deleted`: those of the recycle bin too.
    pub(super) fn found(
        &self,
        query: &Query,
        deleted: bool,
    ) -> Result<(&ObjectShape, Vec<&Record>), ApiError> {
        let shape = self.schema.object(&query.object).ok_or_else(|| {
            let message = format!(
                "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append \
                 the '__c' after the entity name.",
                query.object
            );
            ApiError::new("INVALID_TYPE", message)
        })?;
        self.check(query, shape)?;
        let mut found: Vec<&Record> = Vec::new();
        for record in self.records.all(&shape.name).filter(|record| deleted || !record.deleted) {
            if query.filter.as_ref().map_or(Ok(true), |filter| self.holds(filter, shape, record))? {
                found.push(record);
            }
        }
        for order in query.order.iter().rev() {
            found.sort_by(|a, b| {
                let (a, b) = (self.value(shape, a, &order.path), self.value(shape, b, &order.path));
                match (a.is_null(), b.is_null()) {
                    (true, true) => Ordering::Equal,
                    (true, false) if order.nulls_last => Ordering::Greater,
                    (true, false) => Ordering::Less,
                    (false, true) if order.nulls_last => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    _ if order.descending => compare(&b, &a),
                    _ => compare(&a, &b),
                }
            });
        }
        let wanted = found.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
        Ok((shape, wanted.collect()))
    }

    /// Every field that is named exists and can be used so.
    fn check(&self, query: &Query, shape: &ObjectShape) -> Result<(), ApiError> {
        for select in &query.select {
            match select {
                Select::Path(path) => self.field(shape, path).map(drop)?,
                Select::Fields(which)
                    if which != "STANDARD" && query.limit.is_none_or(|limit| limit > 200) =>
                {
                    let message = "The SOQL FIELDS function must have a LIMIT of at most 200";
                    return Err(ApiError::new("MALFORMED_QUERY", message));
                }
                Select::Fields(_) | Select::Count | Select::Children(_) => {}
            }
        }
        query.order.iter().try_for_each(|order| self.field(shape, &order.path).map(drop))?;
        query.filter.as_ref().map_or(Ok(()), |filter| self.check_filter(filter, shape))
    }

    fn check_filter(&self, filter: &Filter, shape: &ObjectShape) -> Result<(), ApiError> {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => {
                parts.iter().try_for_each(|part| self.check_filter(part, shape))
            }
            Filter::Not(part) => self.check_filter(part, shape),
            Filter::Compare { path, literal, .. } => fits(path, self.field(shape, path)?, literal),
            Filter::In { path, list, .. } => {
                let field = self.field(shape, path)?;
                list.iter().try_for_each(|literal| fits(path, field, literal))
            }
        }
    }

    /// The field at the end of a path through references.
    fn field<'s>(&'s self, shape: &'s ObjectShape, path: &[String]) -> Result<&'s FieldShape, ApiError> {
        let unknown = |what: &str, name: &str| {
            let hint = "If you are attempting to use a custom field, be sure to append the '__c' after the custom field \
                        name. Please reference your WSDL or the describe call for the appropriate names.";
            ApiError::new(
                "INVALID_FIELD",
                format!("\nNo such {what} '{name}' on entity '{}'. {hint}", shape.name),
            )
        };
        match path {
            [name] => shape.field(name).map(|(_, field)| field).ok_or_else(|| unknown("column", name)),
            // A path may begin with the object's own name.
            [own, rest @ ..] if own.eq_ignore_ascii_case(&shape.name) && shape.relation(own).is_none() => {
                self.field(shape, rest)
            }
            [relation, rest @ ..] => {
                let (_, field) = shape.relation(relation).ok_or_else(|| unknown("relation", relation))?;
                let target = field.reference_to.iter().find_map(|name| self.schema.object(name));
                target.map_or_else(|| Err(unknown("relation", relation)), |target| self.field(target, rest))
            }
            [] => Err(unknown("column", "")),
        }
    }

    /// The value at a path; null as soon as there is nothing.
    pub(super) fn value(&self, shape: &ObjectShape, record: &Record, path: &[String]) -> Json {
        match path {
            [name] => {
                let name = shape.field(name).map_or(name.as_str(), |(name, _)| name);
                record.fields.get(name).cloned().unwrap_or(Json::Null)
            }
            [own, rest @ ..] if own.eq_ignore_ascii_case(&shape.name) && shape.relation(own).is_none() => {
                self.value(shape, record, rest)
            }
            [relation, rest @ ..] => match self.parent(shape, record, relation) {
                Some((shape, record)) => self.value(shape, record, rest),
                None => Json::Null,
            },
            [] => Json::Null,
        }
    }

    fn parent(
        &self,
        shape: &ObjectShape,
        record: &Record,
        relation: &str,
    ) -> Option<(&ObjectShape, &Record)> {
        let (name, _) = shape.relation(relation)?;
        let id = record.fields.get(name)?.as_str()?;
        let target = self.schema.by_prefix(id)?;
        Some((target, self.records.get(&target.name, id)?))
    }

    fn holds(&self, filter: &Filter, shape: &ObjectShape, record: &Record) -> Result<bool, ApiError> {
        match filter {
            Filter::And(parts) => {
                parts.iter().try_fold(true, |all, part| Ok(all && self.holds(part, shape, record)?))
            }
            Filter::Or(parts) => {
                parts.iter().try_fold(false, |any, part| Ok(any || self.holds(part, shape, record)?))
            }
            Filter::Not(part) => Ok(!self.holds(part, shape, record)?),
            Filter::Compare { path, operator, literal } => {
                let field = self.field(shape, path)?;
                Ok(matches(field, &self.value(shape, record, path), *operator, literal))
            }
            Filter::In { path, negated, list } => {
                let (field, value) = (self.field(shape, path)?, self.value(shape, record, path));
                let found = list.iter().any(|literal| matches(field, &value, Operator::Equal, literal));
                Ok(found != *negated)
            }
        }
    }

    /// A row as it is answered: the selected fields, parents as nested records, children as nested results.
    fn shown(&self, select: &[Select], shape: &ObjectShape, record: &Record, version: u32) -> Answer {
        let mut row = attributes(shape, record, version);
        for select in select {
            match select {
                Select::Path(path) => self.show(&mut row, shape, record, path, version),
                Select::Fields(which) => {
                    let wanted = shape.fields.keys().filter(|name| match which.as_str() {
                        "STANDARD" => !name.ends_with("__c"),
                        "CUSTOM" => name.ends_with("__c"),
                        _ => true,
                    });
                    for name in wanted {
                        row.insert(name.clone(), record.fields.get(name).cloned().unwrap_or(Json::Null));
                    }
                }
                Select::Children(query) => {
                    let (name, rows) = self.children(query, record, version)?;
                    let shown = json!({"totalSize": rows.len(), "done": true, "records": rows});
                    // No children is null, not an empty result.
                    row.insert(name, if rows.is_empty() { Json::Null } else { shown });
                }
                Select::Count => {}
            }
        }
        Ok(Json::Object(row))
    }

    fn show(
        &self,
        row: &mut Map<String, Json>,
        shape: &ObjectShape,
        record: &Record,
        path: &[String],
        version: u32,
    ) {
        match path {
            [name] => {
                let name = shape.field(name).map_or(name.as_str(), |(name, _)| name);
                row.insert(name.to_owned(), record.fields.get(name).cloned().unwrap_or(Json::Null));
            }
            [own, rest @ ..] if own.eq_ignore_ascii_case(&shape.name) && shape.relation(own).is_none() => {
                self.show(row, shape, record, rest, version);
            }
            [relation, rest @ ..] => {
                let spelled = shape.relation(relation).and_then(|(_, field)| field.relationship_name.clone());
                let name = spelled.unwrap_or_else(|| relation.clone());
                let Some((shape, parent)) = self.parent(shape, record, relation) else {
                    row.insert(name, Json::Null);
                    return;
                };
                let nested =
                    row.entry(name).or_insert_with(|| Json::Object(attributes(shape, parent, version)));
                if let Json::Object(nested) = nested {
                    self.show(nested, shape, parent, rest, version);
                }
            }
            [] => {}
        }
    }

    /// `Contacts` of an account, `Subscriptions__r` of one: the object whose plural it is, by the field that refers here.
    fn children(
        &self,
        query: &Query,
        record: &Record,
        version: u32,
    ) -> Result<(String, Vec<Json>), ApiError> {
        let own = record.fields.get("Id").and_then(Json::as_str).unwrap_or_default();
        let object = self.schema.by_prefix(own).map(|shape| shape.name.clone()).unwrap_or_default();
        let plain = query.object.trim_end_matches("__r");
        let singular = plain
            .strip_suffix("ies")
            .map_or_else(|| plain.strip_suffix('s').unwrap_or(plain).to_owned(), |stem| format!("{stem}y"));
        let names = [singular.clone(), format!("{singular}__c")];
        let child = names.iter().find_map(|name| self.schema.object(name)).ok_or_else(|| {
            let message =
                format!("Didn't understand relationship '{}' in FROM part of query call.", query.object);
            ApiError::new("INVALID_TYPE", message)
        })?;
        let field =
            child.fields.iter().find(|(_, field)| field.reference_to.contains(&object)).map(|(name, _)| name);
        let field = field.ok_or_else(|| ApiError::new("INVALID_TYPE", "Didn't understand relationship"))?;
        let refers = Filter::Compare {
            path: vec![field.clone()],
            operator: Operator::Equal,
            literal: Literal::Text { value: own.to_owned(), pattern: own.to_owned() },
        };
        let filter = query.filter.iter().cloned().chain([refers]).collect();
        let inner = Query { object: child.name.clone(), filter: Some(Filter::And(filter)), ..query.clone() };
        Ok((query.object.clone(), self.rows(&inner, false, version)?))
    }
}

/// What each record says of itself.
pub(super) fn attributes(shape: &ObjectShape, record: &Record, version: u32) -> Map<String, Json> {
    let id = record.fields.get("Id").and_then(Json::as_str).unwrap_or_default();
    let url = format!("/services/data/v{version}.0/sobjects/{}/{id}", shape.name);
    Map::from_iter([("attributes".to_owned(), json!({"type": shape.name, "url": url}))])
}

/// A literal must be of the field's type.
fn fits(path: &[String], field: &FieldShape, literal: &Literal) -> Result<(), ApiError> {
    let name = path.join(".");
    if field.r#type == "textarea" && field.length.is_none_or(|length| length > 255) {
        let message = format!("field '{name}' can not be filtered in a query call");
        return Err(ApiError::new("INVALID_FIELD", message));
    }
    let kind = field.r#type.as_str();
    let is_id = matches!(kind, "id" | "reference");
    let fits = match literal {
        Literal::Null => true,
        Literal::Text { value, .. } if is_id => {
            if value.is_empty() || id::parse(value).is_some() {
                true
            } else {
                return Err(ApiError::new(
                    "INVALID_QUERY_FILTER_OPERATOR",
                    format!("invalid ID field: {value}"),
                ));
            }
        }
        Literal::Text { .. } => field.is_text(),
        Literal::Number(_) => field.is_number(),
        Literal::Bool(_) => kind == "boolean",
        Literal::Date(_) => kind == "date",
        Literal::DateTime(_) => kind == "datetime",
    };
    if fits {
        return Ok(());
    }
    let quotes = if field.is_text() || is_id {
        "should be enclosed in quotes"
    } else {
        "should not be enclosed in quotes"
    };
    let message = format!("value of filter criterion for field '{name}' must be of type {kind} and {quotes}");
    Err(ApiError::new("INVALID_FIELD", message))
}

fn matches(field: &FieldShape, value: &Json, operator: Operator, literal: &Literal) -> bool {
    let ordering = match literal {
        // Empty text and null are one.
        Literal::Null => return null_matches(value, operator),
        Literal::Text { value: text, .. } if text.is_empty() && operator != Operator::Like => {
            return null_matches(value, operator);
        }
        _ if value.is_null() => return operator == Operator::Unequal,
        Literal::Text { pattern, .. } if operator == Operator::Like => {
            return value.as_str().is_some_and(|value| like(&pattern.to_lowercase(), &value.to_lowercase()));
        }
        Literal::Text { value: text, .. } => {
            let stored = value.as_str().unwrap_or_default();
            if matches!(field.r#type.as_str(), "id" | "reference") {
                stored.get(..15).cmp(&text.get(..15))
            } else if field.unique && field.case_sensitive {
                stored.cmp(text.as_str())
            } else {
                stored.to_lowercase().cmp(&text.to_lowercase())
            }
        }
        Literal::Number(number) => decimal(value).cmp(number),
        Literal::Bool(flag) => value.as_bool().unwrap_or(false).cmp(flag),
        Literal::Date(date) => value.as_str().unwrap_or_default().cmp(date.to_string().as_str()),
        Literal::DateTime(at) => {
            value.as_str().and_then(convert::read_datetime).map_or(Ordering::Less, |stored| stored.cmp(at))
        }
    };
    match operator {
        Operator::Equal | Operator::Like => ordering.is_eq(),
        Operator::Unequal => ordering.is_ne(),
        Operator::Less => ordering.is_lt(),
        Operator::Greater => ordering.is_gt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::GreaterOrEqual => ordering.is_ge(),
    }
}

fn null_matches(value: &Json, operator: Operator) -> bool {
    match operator {
        Operator::Equal => value.is_null(),
        Operator::Unequal => !value.is_null(),
        _ => false,
    }
}

fn decimal(value: &Json) -> Decimal {
    value.to_string().parse().unwrap_or_default()
}

fn compare(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::Number(_), Json::Number(_)) => decimal(a).cmp(&decimal(b)),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        _ => a.as_str().map(str::to_lowercase).cmp(&b.as_str().map(str::to_lowercase)),
    }
}

/// `%` is any text, `_` any letter, a backslash takes the meaning away.
fn like(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = letters.as_str();
            rest.is_empty() || (0..=text.len()).any(|at| text.is_char_boundary(at) && like(rest, &text[at..]))
        }
        Some(first) => {
            let mut found = text.chars();
            let Some(letter) = found.next() else { return false };
            let wanted = if first == '\\' { letters.next() } else { Some(first) };
            (first == '_' || wanted == Some(letter)) && like(letters.as_str(), found.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_its_wildcards_and_their_escapes() {
        for (pattern, text, fits) in [
            ("a%", "acme", true),
            ("%me", "acme", true),
            ("a_me", "acme", true),
            ("a_me", "ace", false),
            (r"100\%", "100%", true),
            (r"100\%", "1000", false),
            (r"a\_b", "axb", false),
            (r"a\\b", r"a\b", true),
            ("%", "", true),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
        }
    }
}
