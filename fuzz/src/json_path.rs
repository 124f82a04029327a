//! A JSONPath over a document: the first line is the path; the rest the document, else a whole event.

use lockstep::expr::{Engine, JsonPath};
use lockstep::value::Value;

use super::sample;

pub fn check(data: &[u8]) {
    let Some((source, rest)) = sample::split(data) else { return };
    let document = Value::from_json(rest.as_bytes()).unwrap_or_else(|_| sample::context().root().clone());
    let parsed = JsonPath::parse(source);
    as_expression(source, parsed.is_ok());
    let path = match parsed {
        Ok(path) => path,
        Err(error) => {
            assert!(source.is_char_boundary(error.at), "byte {} of {source:?}", error.at);
            assert!(!error.message.is_empty());
            return;
        }
    };
    assert_eq!(path.source(), source);
    let mut end = 0;
    for segment in path.segments() {
        assert!(segment.range.start >= end, "{:?} in {source:?}", segment.range);
        assert!(source.get(segment.range.clone()).is_some(), "{:?} in {source:?}", segment.range);
        end = segment.range.end;
    }
    let Ok(selected) = path.select(&document) else {
        assert!(!path.is_singular(), "a walk of a few steps");
        return;
    };
    let Some(all) = selected.as_list().filter(|_| !path.is_singular()) else {
        assert!(path.is_singular());
        assert_eq!(path.one(&document).map(|node| node.cloned().unwrap_or_default()), Ok(selected));
        return;
    };
    assert_eq!(path.one(&document), Ok(all.first()));
    // Printed and parsed, it is the same query.
    let again = JsonPath::parse(&path.to_string()).expect("it was parsed before");
    assert_eq!(again.select(&document).as_ref(), Ok(&selected));
}

/// The same text as the value of a field.
fn as_expression(source: &str, parses: bool) {
    let engine = engine();
    match engine.expression(&source.into(), &sample::names()) {
        Ok(expression) => {
            // With a script in it, it is a text whatever it begins with.
            let is_text = !source.starts_with("$.") || source.contains("${");
            assert!(parses || is_text, "{source:?} is not a path and is taken for one");
            drop(expression.eval(sample::context()));
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            for range in faults.into_iter().filter_map(|fault| fault.within) {
                assert!(source.get(range.clone()).is_some(), "{range:?} of {source:?}");
            }
        }
    }
}

fn engine() -> &'static Engine {
    use std::sync::LazyLock;

    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&[]).expect("no library"));
    &ENGINE
}
