//! From `jsonpath-rust`'s syntax tree to our own, refusing what RFC 9535 does not have.

use std::sync::Arc;

use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::{model as ast, parse_json_path};

use super::filter::{Compare, Filter, Operand, Pattern, Query, Whole};
use super::model::{FilterSelector, JsonPath, PathError, Segment, Selector};
use super::{places, regexp};
use crate::value::Value;

/// What a part that cannot be compiled is told as; its place is added by the segment it is in.
type Compiled<T> = Result<T, String>;

impl JsonPath {
    /// Parses a query of RFC 9535, beginning with `$`.
    pub fn parse(source: &str) -> Result<Self, PathError> {
        if let Some(at) = places::broken_name(source) {
            return Err(PathError { message: broken_name(source[at..].trim_start()), at });
        }
        let query = parse_json_path(source).map_err(|error| syntax_error(source, &error))?;
        let ranges = places::segments(source);
        let range = |number: usize| ranges.get(number).cloned().unwrap_or(0..source.len());
        let segments = query
            .segments
            .iter()
            .enumerate()
            .map(|(number, ast)| {
                let range = range(number);
                match segment(ast) {
                    Ok(segment) => Ok(Segment { range, ..segment }),
                    Err(message) => Err(PathError { message, at: range.start }),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { source: source.into(), singular: is_singular(&query.segments), segments: segments.into() })
    }
}

/// What to say of two names with white space between them; `rest` begins with the second.
fn broken_name(rest: &str) -> String {
    let end = rest.find(|char: char| !(char.is_alphanumeric() || char == '_')).unwrap_or(rest.len());
    match &rest[..end] {
        word @ ("in" | "nin" | "none_of" | "any_of" | "subset_of") => {
            format!("`{word}` is not an operator of JSONPath (RFC 9535)")
        }
        _ => "a name with a space in it stands in brackets and quotes: `['a b']`".to_owned(),
    }
}

fn syntax_error(source: &str, error: &JsonPathError) -> PathError {
    if !source.starts_with('$') {
        return PathError { message: "a JSONPath begins with `$`".to_owned(), at: 0 };
    }
    let at = match error {
        JsonPathError::PestError(error) => places::offset(&error.location),
        _ => places::first_odd(source),
    };
    let at = source.floor_char_boundary(at.min(source.len()));
    let message = match error {
        JsonPathError::MaxNestingDepthExceeded(depth) => format!("brackets nest deeper than {depth}"),
        _ => match source.get(at..).and_then(|rest| rest.chars().next()) {
            None => "the JSONPath ends too early".to_owned(),
            Some(char) => format!("`{char}` cannot stand here in a JSONPath"),
        },
    };
    PathError { message, at }
}

fn is_singular(segments: &[ast::Segment]) -> bool {
    segments.iter().all(|segment| {
        matches!(segment, ast::Segment::Selector(ast::Selector::Name(_) | ast::Selector::Index(_)))
    })
}

fn segments(list: &[ast::Segment]) -> Compiled<Vec<Segment>> {
    list.iter().map(segment).collect()
}

fn segment(segment_: &ast::Segment) -> Compiled<Segment> {
    let (descendant, selectors) = match segment_ {
        ast::Segment::Descendant(inner) => return Ok(Segment { descendant: true, ..segment(inner)? }),
        ast::Segment::Selector(one) => (false, vec![selector(one)?]),
        ast::Segment::Selectors(several) => (false, several.iter().map(selector).collect::<Compiled<_>>()?),
    };
    Ok(Segment { descendant, selectors, range: 0..0 })
}

fn selector(selector: &ast::Selector) -> Compiled<Selector> {
    Ok(match selector {
        ast::Selector::Name(name) => Selector::Name(name.as_str().into()),
        ast::Selector::Wildcard => Selector::Wildcard,
        ast::Selector::Index(index) => Selector::Index(*index),
        ast::Selector::Slice(start, end, step) => {
            Selector::Slice { start: *start, end: *end, step: step.unwrap_or(1) }
        }
        ast::Selector::Filter(condition) => Selector::Filter(FilterSelector(Arc::new(filter(condition)?))),
    })
}

fn filter(condition: &ast::Filter) -> Compiled<Filter> {
    Ok(match condition {
        ast::Filter::Or(parts) => Filter::Or(parts.iter().map(filter).collect::<Compiled<_>>()?),
        ast::Filter::And(parts) => Filter::And(parts.iter().map(filter).collect::<Compiled<_>>()?),
        ast::Filter::Atom(ast::FilterAtom::Filter { expr, not }) => negated(*not, filter(expr)?),
        ast::Filter::Atom(ast::FilterAtom::Test { expr, not }) => negated(*not, test(expr)?),
        ast::Filter::Atom(ast::FilterAtom::Comparison(comparison)) => {
            let operator = match **comparison {
                ast::Comparison::Eq(..) => Compare::Eq,
                ast::Comparison::Ne(..) => Compare::Ne,
                ast::Comparison::Gt(..) => Compare::Gt,
                ast::Comparison::Gte(..) => Compare::Ge,
                ast::Comparison::Lt(..) => Compare::Lt,
                ast::Comparison::Lte(..) => Compare::Le,
            };
            let (left, right) = comparison.vals();
            Filter::Compare(operator, comparable(left)?, comparable(right)?)
        }
    })
}

fn negated(not: bool, filter: Filter) -> Filter {
    if not { Filter::Not(Box::new(filter)) } else { filter }
}

fn test(test: &ast::Test) -> Compiled<Filter> {
    match test {
        ast::Test::RelQuery(_) | ast::Test::AbsQuery(_) => Ok(Filter::Exists(query(test)?)),
        ast::Test::Function(function) => match &**function {
            ast::TestFunction::Match(of, pattern) => matches(of, pattern, Whole::Yes),
            ast::TestFunction::Search(of, pattern) => matches(of, pattern, Whole::No),
            ast::TestFunction::Custom(name, _) => Err(unknown_function(name)),
            ast::TestFunction::Length(_) | ast::TestFunction::Value(_) | ast::TestFunction::Count(_) => {
                Err(format!("the result of `{function}` must be compared with something"))
            }
        },
    }
}

fn unknown_function(name: &str) -> String {
    format!("`{name}` is not a function of JSONPath (length, count, value, match, search)")
}

fn matches(text: &ast::FnArg, pattern: &ast::FnArg, whole: Whole) -> Compiled<Filter> {
    let pattern = match argument(pattern)? {
        Operand::Literal(Value::Text(pattern)) => Pattern::Fixed(regexp::compile(&pattern, whole)),
        Operand::Literal(_) => Pattern::Fixed(None),
        operand => Pattern::Read(Box::new(operand)),
    };
    Ok(Filter::Matches { text: argument(text)?, pattern, whole })
}

fn query(test: &ast::Test) -> Compiled<Query> {
    match test {
        ast::Test::RelQuery(list) => Ok(Query { absolute: false, segments: segments(list)? }),
        ast::Test::AbsQuery(query) => Ok(Query { absolute: true, segments: segments(&query.segments)? }),
        ast::Test::Function(function) => Err(format!("a path is needed here, not `{function}`")),
    }
}

fn nodes(argument: &ast::FnArg) -> Compiled<Query> {
    match argument {
        ast::FnArg::Test(test) => query(test),
        ast::FnArg::Literal(_) | ast::FnArg::Filter(_) => {
            Err(format!("a path is needed here, not `{argument}`"))
        }
    }
}

fn function_value(function: &ast::TestFunction) -> Compiled<Operand> {
    match function {
        ast::TestFunction::Length(of) => Ok(Operand::Length(Box::new(argument(of)?))),
        ast::TestFunction::Count(of) => Ok(Operand::Count(nodes(of)?)),
        ast::TestFunction::Value(of) => Ok(Operand::ValueOf(nodes(of)?)),
        ast::TestFunction::Custom(name, _) => Err(unknown_function(name)),
        ast::TestFunction::Search(..) | ast::TestFunction::Match(..) => {
            Err(format!("`{function}` is true or false and cannot be compared"))
        }
    }
}

fn argument(argument: &ast::FnArg) -> Compiled<Operand> {
    match argument {
        ast::FnArg::Literal(value) => Ok(Operand::Literal(literal(value))),
        ast::FnArg::Test(test) => match &**test {
            ast::Test::RelQuery(list) if is_singular(list) => Ok(Operand::One(query(test)?)),
            ast::Test::AbsQuery(absolute) if is_singular(&absolute.segments) => {
                Ok(Operand::One(query(test)?))
            }
            ast::Test::Function(function) => function_value(function),
            _ => Err(format!("`{test}` can give more than one value")),
        },
        ast::FnArg::Filter(_) => Err("a condition cannot be a value".to_owned()),
    }
}

fn comparable(side: &ast::Comparable) -> Compiled<Operand> {
    let (absolute, list) = match side {
        ast::Comparable::Literal(value) => return Ok(Operand::Literal(literal(value))),
        ast::Comparable::Function(function) => return function_value(function),
        ast::Comparable::SingularQuery(ast::SingularQuery::Current(list)) => (false, list),
        ast::Comparable::SingularQuery(ast::SingularQuery::Root(list)) => (true, list),
    };
    let segments = list
        .iter()
        .map(|segment| match segment {
            ast::SingularQuerySegment::Index(index) => Selector::Index(*index),
            ast::SingularQuerySegment::Name(name) => Selector::Name(name.as_str().into()),
        })
        .map(|selector| Segment { descendant: false, selectors: vec![selector], range: 0..0 })
        .collect();
    Ok(Operand::One(Query { absolute, segments }))
}

fn literal(literal: &ast::Literal) -> Value {
    match literal {
        ast::Literal::Int(int) => Value::Int(*int),
        // The shortest text that reads back as the same binary number is what the author wrote.
        ast::Literal::Float(float) => Value::number(&float.to_string()),
        ast::Literal::String(text) => Value::from(text.as_str()),
        ast::Literal::Bool(bool) => Value::Bool(*bool),
        ast::Literal::Null => Value::Null,
    }
}
