//! A Rhai expression: compiled, checked, run over an event, within its limits. The first line says what it is:
//! `when`, `text` (a text with `${...}` in it), `value` (JSON: an expression with modifiers), `calls` (a script with
//! connections), anything else a `script:`.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lockstep::expr::{Engine, EvalError, Expr, Fault, ScriptAnswer, ScriptOutcome};
use lockstep::value::Value;

use super::sample;

/// The limits of a script, and room for a machine that is busy with other things.
const TIME_MAX: Duration = Duration::from_secs(5);
const TEXT_MAX: usize = 64 * 1024;
const ITEMS_MAX: usize = 1_000;

pub fn check(data: &[u8]) {
    let Some((kind, source)) = sample::split(data) else { return };
    let began = Instant::now();
    match kind {
        "when" => condition(source),
        "text" => value(&source.into(), source),
        "value" => {
            let Ok(written) = Value::from_json(source.as_bytes()) else { return };
            value(&written, "");
        }
        "calls" => calls(source),
        _ => value(&Value::map([("script", source.into())]), source),
    }
    assert!(began.elapsed() < TIME_MAX, "{:?}", began.elapsed());
}

fn engine() -> &'static Engine {
    static ENGINE: LazyLock<Engine> =
        LazyLock::new(|| Engine::new(&[]).expect("no library that could be wrong"));
    &ENGINE
}

fn condition(source: &str) {
    match engine().condition(source, &sample::names()) {
        Err(faults) => placed(&faults, source),
        Ok(condition) => {
            assert_eq!(condition.source(), source);
            assert!(
                condition.references().iter().all(|it| source.get(it.range.clone()).is_some()),
                "{source:?}"
            );
            let held = condition.eval(sample::context());
            condition.explain(sample::context());
            told(held.as_ref().err());
            assert_eq!(condition.eval(sample::context()), held);
        }
    }
}

fn value(written: &Value, source: &str) {
    match engine().expression(written, &sample::names()) {
        Err(faults) if source.is_empty() => assert!(!faults.is_empty()),
        Err(faults) => placed(&faults, source),
        Ok(expression) => evaluate(&expression),
    }
}

fn evaluate(expression: &Expr) {
    let given = expression.eval(sample::context());
    drop(expression.trace(sample::context()));
    told(given.as_ref().err());
    if let Ok(value) = &given {
        within_limits(value);
    }
    assert_eq!(expression.eval(sample::context()), given, "the same each time");
}

fn calls(source: &str) {
    let names = sample::names();
    let script = match engine().script(source, &names, &["salesforce", "slack"]) {
        Err(faults) => return placed(&faults, source),
        Ok(script) => script,
    };
    let record = sample::context().root().at(&["steps", "account", "record"]).cloned().unwrap_or_default();
    let mut made = Vec::new();
    let outcome = script.run(sample::context(), &mut |call| {
        assert_eq!(call.number, made.len(), "asked in order, each once");
        made.push(call.clone());
        match call.number % 4 {
            3 => ScriptAnswer::Failed("refused".to_owned()),
            2 => ScriptAnswer::Given(Value::Null),
            _ => ScriptAnswer::Given(record.clone()),
        }
    });
    assert!(made.len() <= 50, "{} calls", made.len());
    told(outcome.as_ref().err());
    if let Some(first) = made.first() {
        let stopped = script.run(sample::context(), &mut |_| ScriptAnswer::Unanswered);
        assert_eq!(stopped, Ok(ScriptOutcome::Call(first.clone())), "an unanswered call ends it");
    }
}

fn placed(faults: &[Fault], source: &str) {
    assert!(!faults.is_empty());
    for fault in faults {
        assert!(!fault.message.is_empty());
        if let Some(range) = &fault.within {
            assert!(source.get(range.clone()).is_some(), "{range:?} of {source:?}: {}", fault.message);
        }
    }
}

/// An error names small values, never whole payloads.
fn told(error: Option<&EvalError>) {
    if let Some(error) = error {
        let text = error.to_string();
        assert!(!text.is_empty() && text.len() < 2 * TEXT_MAX, "{} bytes", text.len());
    }
}

fn within_limits(value: &Value) {
    match value {
        Value::Text(text) => assert!(text.len() <= TEXT_MAX, "a text of {} bytes", text.len()),
        Value::List(items) => {
            assert!(items.len() <= ITEMS_MAX, "a list of {}", items.len());
            items.iter().for_each(within_limits);
        }
        Value::Map(map) => {
            assert!(map.len() <= ITEMS_MAX, "a map of {}", map.len());
            map.values().for_each(within_limits);
        }
        _ => {}
    }
}
