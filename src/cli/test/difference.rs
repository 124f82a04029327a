//! Expected and real writes beside each other, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::results::Places;
use crate::rehearsal::{Agreement, Comparison, FieldPair, Pair};
use crate::value::Value;

/// How a line is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// As expected.
    Same,
    /// Expected, and not so.
    Expected,
    /// Written, and not expected.
    Written,
}

/// A line of the comparison.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) mark: Mark,
    pub(super) text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Same => ' ',
            Mark::Expected => '-',
            Mark::Written => '+',
        };
        write!(f, "{mark} {}", self.text)
    }
}

/// A write that is expected or was made: the JSON form.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    is: &'static str,
    write: String,
    step: Option<String>,
    file: Option<String>,
    line: Option<usize>,
    fields: Vec<Values>,
}

#[derive(Debug, Serialize)]
struct Values {
    field: String,
    agrees: bool,
    expected: Option<Value>,
    written: Option<Value>,
}

impl Difference {
    pub(super) fn all(comparison: &Comparison, places: &Places) -> Vec<Self> {
        comparison.0.iter().map(|pair| Self::of(pair, places)).collect()
    }

    fn of(pair: &Pair, places: &Places) -> Self {
        let place = pair.step.as_ref().and_then(|step| places.get(step));
        let field = |it: &FieldPair| Values {
            field: it.field.to_string(),
            agrees: it.agrees,
            expected: it.expected.clone(),
            written: it.written.clone(),
        };
        Self {
            is: pair.agreement.word(),
            write: pair.write.clone(),
            step: pair.step.as_ref().map(ToString::to_string),
            file: place.map(|(file, _)| file.clone()),
            line: place.map(|(_, line)| *line),
            fields: pair.fields.iter().map(field).collect(),
        }
    }
}

/// The comparison, line by line.
pub(super) fn lines(comparison: &Comparison, places: &Places) -> Vec<Line> {
    comparison.0.iter().flat_map(|pair| pair_lines(pair, places)).collect()
}

fn pair_lines(pair: &Pair, places: &Places) -> Vec<Line> {
    let by = pair.step.as_ref().map(|step| match places.get(step) {
        Some((file, line)) => format!(", by {step} at {file}:{line}"),
        None => format!(", by {step}"),
    });
    let by = by.unwrap_or_default();
    let (mark, what) = match pair.agreement {
        Agreement::Agrees => return vec![Line { mark: Mark::Same, text: pair.write.clone() }],
        Agreement::Differs => (Mark::Same, ""),
        Agreement::Missing => (Mark::Expected, ", which was not written"),
        Agreement::Unexpected => (Mark::Written, ", which is not expected"),
    };
    let mut lines = vec![Line { mark, text: format!("{}{what}{by}", pair.write) }];
    for field in &pair.fields {
        let line = |mark, value: Option<&Value>| {
            let value = value.map_or_else(|| "nothing".to_owned(), Value::to_json);
            Line { mark, text: format!("    {}: {value}", field.field) }
        };
        match pair.agreement {
            Agreement::Differs if field.agrees => lines.push(line(Mark::Same, field.expected.as_ref())),
            Agreement::Differs => {
                lines.push(line(Mark::Expected, field.expected.as_ref()));
                lines.push(line(Mark::Written, field.written.as_ref()));
            }
            Agreement::Missing | Agreement::Agrees => lines.push(line(mark, field.expected.as_ref())),
            Agreement::Unexpected => lines.push(line(mark, field.written.as_ref())),
        }
    }
    if !pair.others.is_empty() {
        lines.push(Line { mark: Mark::Same, text: format!("    written, too: {}", pair.others.join(", ")) });
    }
    lines
}
