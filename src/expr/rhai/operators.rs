//! Operators and the few functions that Rhai lacks or has differently.
//!
//! Rhai's own comparison of unlike types is silently false, and its integers divide to integers; here the first is
//! an error (but for `==` and `!=`, which are false and true), and a division that leaves a rest gives a decimal:
//! `4550 / 100` is `45.5`, never 45. `7 / 2` therefore is `3.5`; `(7 / 2).floor()` cuts.

use std::any::TypeId;
use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Module, Position};
use rust_decimal::Decimal;

use super::values::{Node, decimal, from_dynamic, kind, to_dynamic};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

#[expect(clippy::unnecessary_box_returns, reason = "Rhai's functions fail with a box")]
pub(super) fn failure(message: impl Into<String>) -> Box<EvalAltResult> {
    EvalAltResult::ErrorRuntime(message.into().into(), Position::NONE).into()
}

pub(super) fn register(engine: &mut Engine) {
    comparisons(engine);
    arithmetic(engine);
    nodes(engine);
    nothing(engine);
}

/// Registers an operator for each pair of number kinds, so that it is found at the first look-up.
macro_rules! for_numbers {
    ($engine:ident, $name:literal, $result:ty, $body:expr) => {
        $engine.register_fn($name, |a: i64, b: i64| -> $result { $body(a.into(), b.into()) });
        $engine.register_fn($name, |a: Decimal, b: Decimal| -> $result { $body(a, b) });
        $engine.register_fn($name, |a: i64, b: Decimal| -> $result { $body(a.into(), b) });
        $engine.register_fn($name, |a: Decimal, b: i64| -> $result { $body(a, b.into()) });
    };
}

fn comparisons(engine: &mut Engine) {
    macro_rules! ordered {
        ($name:literal, $test:expr) => {
            for_numbers!(engine, $name, bool, |a: Decimal, b: Decimal| $test(a.cmp(&b)));
            engine.register_fn($name, |a: ImmutableString, b: ImmutableString| $test(a.cmp(&b)));
            engine.register_fn($name, |a: Dynamic, b: Dynamic| order(&a, &b).map($test));
        };
    }
    ordered!("<", Ordering::is_lt);
    ordered!("<=", Ordering::is_le);
    ordered!(">", Ordering::is_gt);
    ordered!(">=", Ordering::is_ge);
    for_numbers!(engine, "==", bool, |a: Decimal, b: Decimal| a == b);
    for_numbers!(engine, "!=", bool, |a: Decimal, b: Decimal| a != b);
    engine.register_fn("==", |a: ImmutableString, b: ImmutableString| a == b);
    engine.register_fn("!=", |a: ImmutableString, b: ImmutableString| a != b);
    engine.register_fn("==", |a: bool, b: bool| a == b);
    engine.register_fn("!=", |a: bool, b: bool| a != b);
    engine.register_fn("==", |a: Dynamic, b: Dynamic| equal(&a, &b));
    engine.register_fn("!=", |a: Dynamic, b: Dynamic| !equal(&a, &b));
    engine.register_fn("!", |a: bool| !a);
    engine.register_fn("!", |a: Dynamic| -> Fallible<bool> {
        Err(failure(format!("`!` needs true or false, and this is {}", kind(&a))))
    });
}

/// Unlike types are never equal; numbers are by value, whatever their kind.
fn equal(a: &Dynamic, b: &Dynamic) -> bool {
    match (from_dynamic(a), from_dynamic(b)) {
        (Ok(a), Ok(b)) => a.same(&b),
        _ => false,
    }
}

fn order(a: &Dynamic, b: &Dynamic) -> Fallible<Ordering> {
    if let (Some(a), Some(b)) = (decimal(a), decimal(b)) {
        return Ok(a.cmp(&b));
    }
    match (from_dynamic(a), from_dynamic(b)) {
        (Ok(left), Ok(right)) if left.as_str().is_some() && right.as_str().is_some() => {
            Ok(left.as_str().cmp(&right.as_str()))
        }
        _ => Err(failure(format!("{} and {} have no order", kind(a), kind(b)))),
    }
}

fn arithmetic(engine: &mut Engine) {
    macro_rules! exact {
        ($name:literal, $assign:literal, $int:ident, $decimal:ident, $does:literal) => {
            engine.register_fn($name, |a: i64, b: i64| match a.$int(b) {
                Some(int) => Ok(Dynamic::from(int)),
                None => compute($does, &a.into(), &b.into(), Decimal::$decimal),
            });
            engine.register_fn($name, |a: Dynamic, b: Dynamic| compute($does, &a, &b, Decimal::$decimal));
            engine.register_fn($assign, |a: &mut Dynamic, b: Dynamic| -> Fallible<()> {
                *a = compute($does, a, &b, Decimal::$decimal)?;
                Ok(())
            });
        };
    }
    exact!("-", "-=", checked_sub, checked_sub, "subtracted");
    exact!("*", "*=", checked_mul, checked_mul, "multiplied");
    exact!("/", "/=", divided, checked_div, "divided");
    exact!("%", "%=", checked_rem, checked_rem, "divided");
    engine.register_fn("+", |a: i64, b: i64| match a.checked_add(b) {
        Some(int) => Dynamic::from(int),
        None => (Decimal::from(a) + Decimal::from(b)).into(),
    });
    engine.register_fn("+", |a: ImmutableString, b: ImmutableString| a + b);
    engine.register_fn("+", add);
    engine.register_fn("+=", |a: &mut Dynamic, b: Dynamic| -> Fallible<()> {
        *a = add(a.clone(), b)?;
        Ok(())
    });
    engine.register_fn("-", |a: i64| a.checked_neg().ok_or_else(|| failure("the number became too large")));
    engine.register_fn("-", |a: Decimal| -a);
    engine.register_fn("-", |a: Dynamic| -> Fallible<Dynamic> {
        Err(failure(format!("`-` needs a number, and this is {}", kind(&a))))
    });
    engine.register_fn("abs", |a: Dynamic| match decimal(&a) {
        Some(number) => Ok(whole_or(number.abs(), a.is_int())),
        None => Err(failure(format!("abs needs a number, not {}", kind(&a)))),
    });
    engine.register_fn("min", |a: Dynamic, b: Dynamic| {
        order(&a, &b).map(|order| if order.is_le() { a } else { b })
    });
    engine.register_fn("max", |a: Dynamic, b: Dynamic| {
        order(&a, &b).map(|order| if order.is_ge() { a } else { b })
    });
}

/// Division of integers that leaves no rest; the others are divided as decimals.
trait Divided: Sized {
    fn divided(self, by: Self) -> Option<Self>;
}

impl Divided for i64 {
    fn divided(self, by: Self) -> Option<Self> {
        match self.checked_rem(by) {
            Some(0) => self.checked_div(by),
            _ => None,
        }
    }
}

fn compute(
    does: &str,
    a: &Dynamic,
    b: &Dynamic,
    with: fn(Decimal, Decimal) -> Option<Decimal>,
) -> Fallible<Dynamic> {
    let (Some(left), Some(right)) = (decimal(a), decimal(b)) else {
        return Err(failure(format!("{} and {} cannot be {does}", kind(a), kind(b))));
    };
    if does == "divided" && right.is_zero() {
        return Err(failure("a number was divided by zero"));
    }
    let result = with(left, right).ok_or_else(|| failure("the number became too large"))?;
    let integers = a.is_int() && b.is_int();
    // Two integers have no scale of their own: 4550 / 100 is 45.5, not 45.50.
    Ok(whole_or(if integers { result.normalize() } else { result }, integers))
}

/// Integers stay integers where the result is whole.
fn whole_or(number: Decimal, integers: bool) -> Dynamic {
    match i64::try_from(number) {
        Ok(int) if integers && number.is_integer() => int.into(),
        _ => number.into(),
    }
}

/// Adds numbers; joins texts, where nothing is empty and numbers are written plainly; joins lists.
fn add(a: Dynamic, b: Dynamic) -> Fallible<Dynamic> {
    if let (Some(left), Some(right)) = (decimal(&a), decimal(&b)) {
        let sum = left.checked_add(right).ok_or_else(|| failure("the number became too large"))?;
        return Ok(whole_or(sum, a.is_int() && b.is_int()));
    }
    let is_text = |side: &Dynamic| side.is_string() || side.is_char();
    match (from_dynamic(&a), from_dynamic(&b)) {
        (Ok(left), Ok(right)) if is_text(&a) || is_text(&b) => Ok(format!("{left}{right}").into()),
        _ if a.is_array() && b.is_array() => {
            let mut joined = a.into_array().unwrap_or_default();
            joined.extend(b.into_array().unwrap_or_default());
            Ok(Dynamic::from_array(joined))
        }
        _ => Err(failure(format!("{} and {} cannot be added", kind(&a), kind(&b)))),
    }
}

fn nodes(engine: &mut Engine) {
    engine.register_type_with_name::<Node>("map");
    engine.register_indexer_get(|node: &mut Node, key: ImmutableString| {
        node.0.get(key.as_str()).map_or(Dynamic::UNIT, to_dynamic)
    });
    engine.register_fn("contains", |node: &mut Node, key: ImmutableString| node.0.contains_key(key.as_str()));
    engine.register_fn("len", |node: &mut Node| i64::try_from(node.0.len()).unwrap_or(i64::MAX));
    engine.register_fn("is_empty", |node: &mut Node| node.0.is_empty());
    engine.register_fn("keys", |node: &mut Node| {
        node.0.keys().map(|key| ImmutableString::from(&**key).into()).collect::<Array>()
    });
    engine.register_fn("values", |node: &mut Node| node.0.values().map(to_dynamic).collect::<Array>());
    let text = |value: &mut Dynamic| from_dynamic(value).map(|value| value.to_string()).map_err(failure);
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, text);
    }
    engine.on_invalid_array_index(|_, _, _| Ok(Dynamic::UNIT.into()));
}

/// Reading anything of nothing gives nothing, and nothing has no elements.
fn nothing(engine: &mut Engine) {
    engine.register_indexer_get(|(): &mut (), _: Dynamic| Dynamic::UNIT);
    engine.register_indexer_get(|(): &mut (), _: ImmutableString| Dynamic::UNIT);
    engine.register_indexer_get(|(): &mut (), _: i64| Dynamic::UNIT);
    engine.register_fn("len", |(): ()| 0_i64);
    engine.register_fn("is_empty", |(): ()| true);
    engine.register_fn("contains", |(): (), _: Dynamic| false);
    engine.register_fn("keys", |(): ()| Array::new());
    engine.register_fn("values", |(): ()| Array::new());
    engine.register_fn("filter", |(): (), _: FnPtr| Array::new());
    engine.register_fn("map", |(): (), _: FnPtr| Array::new());
    engine.register_fn("some", |(): (), _: FnPtr| false);
    engine.register_fn("all", |(): (), _: FnPtr| true);
    engine.register_fn("find", |(): (), _: FnPtr| ());
    let mut module = Module::new();
    module.set_iter(TypeId::of::<()>(), |_| Box::new(std::iter::empty()));
    engine.register_global_module(module.into());
}
