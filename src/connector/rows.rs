//! Bodies that are rows of text: read as a list of records, so that nothing behind them knows the difference.

use std::collections::HashMap;
use std::sync::Arc;

use super::answer::Answer;
use super::file::{BodyKind, RowFormat};
use crate::value::{Map, Value};

/// The records of an answer, in the place of its text; nothing when it cannot be read so.
pub(super) fn read(answer: &Answer, format: RowFormat, types: &Value) -> Option<Answer> {
    let records = match (format, answer.kind) {
        (_, BodyKind::Empty) => Vec::new(),
        (RowFormat::Csv, BodyKind::Text) => of_csv(&answer.text, &kinds(types))?,
        (RowFormat::JsonLines, BodyKind::Text | BodyKind::Json) => of_lines(&answer.text)?,
        (RowFormat::Csv, BodyKind::Json | BodyKind::Html) | (RowFormat::JsonLines, BodyKind::Html) => {
            return None;
        }
    };
    Some(Answer { kind: BodyKind::Json, body: Value::list(records), ..answer.clone() })
}

/// What the account says of its fields, by name: a list of maps with `name` and `type`, as `describe` gives it.
fn kinds(types: &Value) -> HashMap<&str, &str> {
    let fields = types.as_list().unwrap_or_default().iter();
    fields.filter_map(|field| Some((field.get("name")?.as_str()?, field.get("type")?.as_str()?))).collect()
}

/// Rows under a row of names.
fn of_csv(text: &str, kinds: &HashMap<&str, &str>) -> Option<Vec<Value>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<Arc<str>> = reader.headers().ok()?.iter().map(Arc::from).collect();
    let kinds: Vec<Option<&str>> = names.iter().map(|name| kinds.get(&**name).copied()).collect();
    let mut row = csv::StringRecord::new();
    let mut records = Vec::new();
    // A row with more or fewer cells than there are names is half an answer.
    while reader.read_record(&mut row).ok()? {
        let mut record = Map::with_capacity(names.len());
        for ((name, kind), cell) in names.iter().zip(&kinds).zip(&row) {
            put(&mut record, name, typed(cell, *kind));
        }
        records.push(Value::from(record));
    }
    Some(records)
}

/// A map in each line.
fn of_lines(text: &str) -> Option<Vec<Value>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| Value::from_json(line.as_bytes()).ok().filter(|record| record.as_map().is_some()))
        .collect()
}

/// `Account.Name` is the name of the account.
fn put(record: &mut Map, name: &Arc<str>, value: Value) {
    match name.split_once('.') {
        Some((relation, field)) if !relation.is_empty() && !field.is_empty() => {
            let mut related = record.get(relation).and_then(Value::as_map).cloned().unwrap_or_default();
            put(&mut related, &field.into(), value);
            record.insert(relation.into(), related.into());
        }
        _ => {
            record.insert(Arc::clone(name), value);
        }
    }
}

/// A cell as what its field is; text where nobody says, or where it is not what its field should be.
fn typed(cell: &str, kind: Option<&str>) -> Value {
    if cell.is_empty() {
        return Value::Null;
    }
    let as_json = || Value::from_json(cell.as_bytes()).ok();
    let read = match kind {
        Some("boolean") => as_json().filter(|value| value.as_bool().is_some()),
        Some("number" | "integer") => {
            as_json().filter(|value| matches!(value, Value::Int(_) | Value::Decimal(_)))
        }
        _ => None,
    };
    read.unwrap_or_else(|| Value::from(cell))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use reqwest::header::{CONTENT_TYPE, HeaderMap};

    use super::*;

    fn answer(content_type: &str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Answer::read(200, headers, body.as_bytes())
    }

    fn rows(content_type: &str, body: &str, format: RowFormat) -> Option<String> {
        let types = r#"[{"name":"Paid","type":"boolean"},{"name":"Amount","type":"number"},{"name":"Zip","type":"text"}]"#;
        let types = Value::from_json(types.as_bytes()).unwrap();
        read(&answer(content_type, body), format, &types).map(|answer| answer.body.to_json())
    }

    #[test]
    fn rows_of_text_are_records_with_the_values_of_their_fields() {
        let csv = |body| rows("text/csv; charset=UTF-8", body, RowFormat::Csv);
        for (body, records) in [
            ("\"Id\",\"Paid\"\n\"1\",\"true\"\n", r#"[{"Id":"1","Paid":true}]"#),
            ("Id,Amount,Zip\r\n1,1188.0,01234\r\n", r#"[{"Id":"1","Amount":1188.0,"Zip":"01234"}]"#),
            ("Id,Name\n1,\"a \"\"b\"\",\nc\"\n", r#"[{"Id":"1","Name":"a \"b\",\nc"}]"#),
            ("Id,Paid,Amount\n1,,\n", r#"[{"Id":"1","Paid":null,"Amount":null}]"#),
            ("Id,Paid,Amount\n1,perhaps,much\n", r#"[{"Id":"1","Paid":"perhaps","Amount":"much"}]"#),
            (
                "Id,Account.Name,Account.Owner.Name\n1,Acme,Ann\n",
                r#"[{"Id":"1","Account":{"Name":"Acme","Owner":{"Name":"Ann"}}}]"#,
            ),
            ("\u{feff}Id\n1\n", r#"[{"Id":"1"}]"#),
            ("Id,Name\n", "[]"),
            ("", "[]"),
        ] {
            assert_eq!(csv(body).as_deref(), Some(records), "{body:?}");
        }
        for half in ["Id,Name\n1\n", "Id,Name\n1,a,b\n", "<!DOCTYPE html><html>busy"] {
            assert_eq!(csv(half), None, "{half:?}");
        }
        assert_eq!(rows("application/json", r#"[{"errorCode":"X"}]"#, RowFormat::Csv), None);
    }

    #[test]
    fn lines_of_json_are_records() {
        let lines = |body| rows("application/x-ndjson", body, RowFormat::JsonLines);
        assert_eq!(lines("{\"id\":1}\n{\"id\":2}\n").as_deref(), Some(r#"[{"id":1},{"id":2}]"#));
        assert_eq!(lines("{\"id\":1}").as_deref(), Some(r#"[{"id":1}]"#), "one line is JSON as well");
        for half in ["{\"id\":1}\n{\"id\":", "1\n2\n"] {
            assert_eq!(lines(half), None, "{half:?}");
        }
    }
}
