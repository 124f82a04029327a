//! Walks a compiled query over a value.

use std::cell::Cell;

use super::filter::Filter;
use super::model::{JsonPath, Segment, Selector};
use crate::value::Value;

/// How many nodes an evaluation may look at: a few times those of the largest event. Queries inside filters can look at
/// all of them for each of them.
const NODES_MAX: u32 = 2_000_000;

/// A query that would take too long over this document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JSONPath was stopped: it looks at more than {NODES_MAX} nodes")]
pub struct TooManyNodes;

impl JsonPath {
    /// What the query selects, as one value: the node of a singular path, or nothing; else the list of nodes.
    pub fn select(&self, root: &Value) -> Result<Value, TooManyNodes> {
        if self.singular {
            return Ok(singular(&self.segments, root).cloned().unwrap_or_default());
        }
        self.all(root).map(|nodes| Value::list(nodes.into_iter().cloned()))
    }

    /// The first node that the query selects.
    pub fn one<'v>(&self, root: &'v Value) -> Result<Option<&'v Value>, TooManyNodes> {
        if self.singular {
            return Ok(singular(&self.segments, root));
        }
        let mut first = None;
        self.visit(root, &mut |node| {
            first = Some(node);
            false
        })?;
        Ok(first)
    }

    /// All nodes that the query selects, in document order as the RFC has it.
    pub fn all<'v>(&self, root: &'v Value) -> Result<Vec<&'v Value>, TooManyNodes> {
        if self.singular {
            return Ok(singular(&self.segments, root).into_iter().collect());
        }
        let mut nodes = Vec::new();
        self.visit(root, &mut |node| {
            nodes.push(node);
            true
        })?;
        Ok(nodes)
    }

    fn visit<'v>(&self, root: &'v Value, visit: Visit<'_, 'v>) -> Result<(), TooManyNodes> {
        let ground = Ground { root, left: Cell::new(NODES_MAX) };
        walk(&self.segments, &ground, root, visit);
        if ground.left.get() == 0 { Err(TooManyNodes) } else { Ok(()) }
    }
}

/// What an evaluation stands on: the document, and how many nodes it may still look at.
pub(super) struct Ground<'v> {
    pub(super) root: &'v Value,
    left: Cell<u32>,
}

impl Ground<'_> {
    /// Counts a node; false when there have been too many.
    fn counts(&self) -> bool {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        left > 0
    }
}

/// Gets each node that is visited; false ends the walk.
type Visit<'f, 'v> = &'f mut dyn FnMut(&'v Value) -> bool;

/// The node of a path of names and indexes.
pub(super) fn singular<'v>(segments: &[Segment], root: &'v Value) -> Option<&'v Value> {
    segments.iter().try_fold(root, |node, segment| match (segment.selectors.first()?, node) {
        (Selector::Name(name), Value::Map(map)) => map.get(&**name),
        (Selector::Index(index), Value::List(items)) => items.get(place(*index, items.len())?),
        _ => None,
    })
}

/// An index as a place in a list of `len`; from the end when negative.
fn place(index: i64, len: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(place) => Some(place),
        Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// Visits the nodes that `segments` select from `node`; false when `visit` ended the walk, or it took too long.
pub(super) fn walk<'v>(
    segments: &[Segment],
    ground: &Ground<'v>,
    node: &'v Value,
    visit: Visit<'_, 'v>,
) -> bool {
    if !ground.counts() {
        return false;
    }
    match segments.split_first() {
        None => visit(node),
        Some((segment, rest)) if segment.descendant => descend(segment, rest, ground, node, visit),
        Some((segment, rest)) => apply(segment, rest, ground, node, visit),
    }
}

/// Each node is met with all selectors before its children: `$..['a','d']` gives a, d of the outer node first.
fn descend<'v>(
    segment: &Segment,
    rest: &[Segment],
    ground: &Ground<'v>,
    node: &'v Value,
    visit: Visit<'_, 'v>,
) -> bool {
    ground.counts()
        && apply(segment, rest, ground, node, visit)
        && match node {
            Value::List(items) => items.iter().all(|child| descend(segment, rest, ground, child, visit)),
            Value::Map(map) => map.values().all(|child| descend(segment, rest, ground, child, visit)),
            _ => true,
        }
}

fn apply<'v>(
    segment: &Segment,
    rest: &[Segment],
    ground: &Ground<'v>,
    node: &'v Value,
    visit: Visit<'_, 'v>,
) -> bool {
    let mut go_on = |child| walk(rest, ground, child, visit);
    segment.selectors.iter().all(|selector| match (selector, node) {
        (Selector::Name(name), Value::Map(map)) => map.get(&**name).is_none_or(&mut go_on),
        (Selector::Index(index), Value::List(items)) => {
            place(*index, items.len()).and_then(|place| items.get(place)).is_none_or(&mut go_on)
        }
        (Selector::Wildcard, Value::List(items)) => items.iter().all(&mut go_on),
        (Selector::Wildcard, Value::Map(map)) => map.values().all(&mut go_on),
        (Selector::Filter(filter), Value::List(items)) => {
            filtered(&filter.0, ground, items.iter(), &mut go_on)
        }
        (Selector::Filter(filter), Value::Map(map)) => filtered(&filter.0, ground, map.values(), &mut go_on),
        (Selector::Slice { start, end, step }, Value::List(items)) => {
            slice(*start, *end, *step, items.len()).filter_map(|place| items.get(place)).all(&mut go_on)
        }
        _ => true,
    })
}

fn filtered<'v>(
    filter: &Filter,
    ground: &Ground<'v>,
    mut children: impl Iterator<Item = &'v Value>,
    go_on: &mut dyn FnMut(&'v Value) -> bool,
) -> bool {
    children.all(|child| !filter.holds(ground, child) || go_on(child))
}

/// The places that a slice selects (RFC 9535, 2.3.4.2.2).
fn slice(start: Option<i64>, end: Option<i64>, step: i64, len: usize) -> impl Iterator<Item = usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index >= 0 { index } else { len.saturating_add(index) };
    let (first, last) = if step >= 0 {
        (from_end(start.unwrap_or(0)).clamp(0, len), from_end(end.unwrap_or(len)).clamp(0, len))
    } else {
        let floor = -1;
        (
            from_end(start.unwrap_or(len - 1)).clamp(floor, len - 1),
            end.map_or(floor, |end| from_end(end).clamp(floor, len - 1)),
        )
    };
    let inside = move |index: &i64| match step {
        0 => false,
        1.. => *index < last,
        _ => *index > last,
    };
    std::iter::successors(Some(first), move |index| index.checked_add(step))
        .take_while(inside)
        .filter_map(|index| usize::try_from(index).ok())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;
    use crate::expr::json_path::PathError;

    /// Any small document, with names that have to be escaped.
    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,4}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = r#"[a-z'"\\\]\[.$@é😀 \n\x00-\x1f]{0,4}"#;
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((name, inner), 0..4).prop_map(Value::map),
            ]
        })
    }

    /// Each node with its normalized path (RFC 9535, 2.7).
    fn nodes<'v>(value: &'v Value, path: &str, all: &mut Vec<(String, &'v Value)>) {
        all.push((path.to_owned(), value));
        match value {
            Value::List(items) => {
                items.iter().enumerate().for_each(|(at, item)| nodes(item, &format!("{path}[{at}]"), all));
            }
            Value::Map(map) => {
                map.iter()
                    .for_each(|(name, value)| nodes(value, &format!("{path}['{}']", normal(name)), all));
            }
            _ => {}
        }
    }

    fn normal(name: &str) -> String {
        name.chars().fold(String::new(), |mut text, char| {
            match char {
                '\'' | '\\' => text.extend(['\\', char]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{8}' => text.push_str("\\b"),
                '\u{c}' => text.push_str("\\f"),
                '\0'..='\x1f' => write!(text, "\\u{:04x}", u32::from(char)).unwrap(),
                _ => text.push(char),
            }
            text
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_normalized_path_of_a_node_selects_that_node(document in documents()) {
            let mut all = Vec::new();
            nodes(&document, "$", &mut all);
            for (text, node) in &all {
                let path = JsonPath::parse(text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
                prop_assert!(path.is_singular(), "{text}");
                prop_assert_eq!(path.one(&document), Ok(Some(*node)), "{}", text);
                let parts = path.segments().iter().map(|segment| &text[segment.range.clone()]).collect::<String>();
                prop_assert_eq!(format!("${parts}"), text.clone(), "the segments' places are the whole path");
            }
            let everything = JsonPath::parse("$..*").unwrap().all(&document).unwrap();
            prop_assert_eq!(everything.len(), all.len() - 1, "all but the root, each once");
        }
    }

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    /// Why a case of the suite fails; `None` when it passes.
    fn failing(case: &Value) -> Option<String> {
        let selector = case.get("selector").and_then(Value::as_str).unwrap();
        let path = match JsonPath::parse(selector) {
            Err(_) if case.get("invalid_selector").is_some() => return None,
            Err(error) => return Some(format!("{selector}: {error}")),
            Ok(_) if case.get("invalid_selector").is_some() => {
                return Some(format!("{selector}: not refused"));
            }
            Ok(path) => path,
        };
        let document = case.get("document").unwrap();
        let found = Value::list(path.all(document).unwrap().into_iter().cloned());
        let one = case.get("result").into_iter();
        let several = case.get("results").and_then(Value::as_list).unwrap_or_default();
        let is_right = one.chain(several).any(|expected| expected.same(&found));
        (!is_right).then(|| format!("{selector}: {}", found.to_json()))
    }

    #[test]
    fn the_compliance_suite_passes() {
        let suite = json(include_str!("../../../tests/jsonpath-compliance/cts.json"));
        let cases = suite.get("tests").and_then(Value::as_list).unwrap();
        assert!(cases.len() > 680, "{} cases", cases.len());
        let failures = cases.iter().filter_map(failing).collect::<Vec<_>>();
        assert_eq!(failures, Vec::<String>::new());
    }

    #[test]
    fn a_singular_path_gives_a_value_and_another_a_list() {
        let document = json(r#"{"object":{"id":"in_1","lines":[{"n":1},{"n":2}]}}"#);
        let cases = [
            ("$.object.id", r#""in_1""#),
            ("$.object.lines[-1].n", "2"),
            ("$['object']['id']", r#""in_1""#),
            ("$.object.missing.deeper", "null"),
            ("$.object.id.deeper", "null"),
            ("$.object.lines[7]", "null"),
            ("$.object.lines[*].n", "[1,2]"),
            ("$.object.lines[?@.n > 1].n", "[2]"),
            ("$..n", "[1,2]"),
            ("$.object.missing[*]", "[]"),
            // A pattern that would only be one between the anchors is none.
            ("$[?match(@.id, 'x)|(.*')]", "[]"),
        ];
        for (path, expected) in cases {
            assert_eq!(
                JsonPath::parse(path).unwrap().select(&document).unwrap().to_json(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_no_jsonpath_is_refused_with_its_place() {
        let cases = [
            ("object.id", "0: a JSONPath begins with `$`"),
            ("$.object.", "9: the JSONPath ends too early"),
            ("$.object[", "9: the JSONPath ends too early"),
            ("$.a-b", "3: `-` cannot stand here in a JSONPath"),
            ("$.a b", "3: a name with a space in it stands in brackets and quotes: `['a b']`"),
            ("$.a[?@.b c == 1]", "8: a name with a space in it stands in brackets and quotes: `['a b']`"),
            ("$.a[?@.b in ['x']]", "8: `in` is not an operator of JSONPath (RFC 9535)"),
            (
                "$.a[?any_of(@.b, @.c)]",
                "3: `any_of` is not a function of JSONPath (length, count, value, match, search)",
            ),
            ("$.a[?count(@.b)]", "3: the result of `count(b)` must be compared with something"),
        ];
        for (path, expected) in cases {
            let PathError { message, at } = JsonPath::parse(path).unwrap_err();
            assert_eq!(format!("{at}: {message}"), expected, "{path}");
        }
        assert!(JsonPath::parse(&format!("$[?{}@.a{}]", "(".repeat(200), ")".repeat(200))).is_err());
    }

    #[test]
    fn a_query_that_looks_at_all_nodes_for_each_node_is_stopped() {
        let document = Value::list((0..500).map(|at| Value::map([("at", Value::from(at))])));
        let path = JsonPath::parse("$..[?count($..[?count($..*)>1])>1]").unwrap();
        assert_eq!(path.select(&document), Err(TooManyNodes));
        assert_eq!(JsonPath::parse("$..at").unwrap().all(&document).unwrap().len(), 500);
    }

    #[test]
    fn segments_know_their_places() {
        let places = |text: &str| {
            let path = JsonPath::parse(text).unwrap();
            path.segments().iter().map(|segment| text[segment.range.clone()].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(places("$.object['a.b'][0]..id"), [".object", "['a.b']", "[0]", "..id"]);
        assert_eq!(places("$ .a [?@['x]'] == ']']"), [".a", "[?@['x]'] == ']']"]);
        assert_eq!(places("$"), Vec::<String>::new());
        assert_eq!(places("$.é.*"), [".é", ".*"]);
    }
}
