//! The one list of functions.

use super::{Unfit, money, recurring, text, time};
use crate::expr::context::{Context, Frame};
use crate::value::Value;

/// A function of the language.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: &'static str,
    /// The fewest arguments it takes.
    pub(crate) min: usize,
    /// The most arguments it takes.
    pub(crate) max: usize,
    body: Body,
}

/// What a function needs beside its arguments.
enum Body {
    /// Nothing.
    Of(fn(&[Value]) -> Result<Value, Unfit>),
    /// The frozen time and zone.
    In(fn(&[Value], &Frame) -> Result<Value, Unfit>),
    /// The whole document.
    Over(fn(&[Value], &Context) -> Result<Value, Unfit>),
}

/// All functions, by name.
pub(crate) const FUNCTIONS: &[Function] = &[
    of("money", 2, 2, |args| money::money(&args[0], &args[1])),
    of("minor", 2, 2, |args| money::minor(&args[0], &args[1])),
    within("datetime", 2, 3, time::datetime),
    within("date", 1, 2, time::date),
    within("today", 0, 1, time::today),
    of("trim", 1, 1, |args| text::each_text("trim", &args[0], |text| text.trim().into())),
    of("lower", 1, 1, |args| text::each_text("lower", &args[0], |text| text.to_lowercase().into())),
    of("upper", 1, 1, |args| text::each_text("upper", &args[0], |text| text.to_uppercase().into())),
    of("first_name", 1, 1, |args| text::each_text("first_name", &args[0], text::first_name)),
    of("last_name", 1, 1, |args| text::each_text("last_name", &args[0], text::last_name)),
    of("digits", 1, 1, |args| text::each_text("digits", &args[0], text::digits)),
    of("join", 1, 2, text::join),
    of("split", 1, 2, text::split),
    of("sum", 1, 1, text::sum),
    of("sha256", 1, 1, |args| text::each_text("sha256", &args[0], text::sha256)),
    within("recurring", 2, 2, |args, frame| recurring::recurring(&args[0], &args[1], frame)),
    within("mrr", 1, 1, |args, frame| recurring::mrr(&args[0], frame)),
    of("worst_status", 1, 1, |args| text::worst_status(&args[0])),
    over("changed", 1, 1, |args, context| changed(&args[0], context)),
];

/// The most arguments that any function takes.
pub(crate) const ARGUMENTS_MAX: usize = 3;

const fn of(
    name: &'static str,
    min: usize,
    max: usize,
    body: fn(&[Value]) -> Result<Value, Unfit>,
) -> Function {
    Function { name, min, max, body: Body::Of(body) }
}

const fn within(
    name: &'static str,
    min: usize,
    max: usize,
    body: fn(&[Value], &Frame) -> Result<Value, Unfit>,
) -> Function {
    Function { name, min, max, body: Body::In(body) }
}

const fn over(
    name: &'static str,
    min: usize,
    max: usize,
    body: fn(&[Value], &Context) -> Result<Value, Unfit>,
) -> Function {
    Function { name, min, max, body: Body::Over(body) }
}

/// The function of this name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

impl Function {
    /// Calls the function; as many arguments as it takes must be given.
    pub(crate) fn call(&self, args: &[Value], context: &Context) -> Result<Value, Unfit> {
        debug_assert!(
            (self.min..=self.max).contains(&args.len()),
            "{} with {} arguments",
            self.name,
            args.len()
        );
        match self.body {
            Body::Of(body) => body(args),
            Body::In(body) => body(args, context.frame()),
            Body::Over(body) => body(args, context),
        }
    }
}

/// Whether a key of the object changed: `previous` holds the old values of exactly the changed keys. A dotted key
/// looks deeper (`metadata.plan`).
fn changed(key: &Value, context: &Context) -> Result<Value, Unfit> {
    let Value::Text(key) = key else {
        return Err(Unfit(format!("changed needs the name of a key, not {}", key.kind())));
    };
    let mut node = context.root().get("previous");
    for part in key.split('.') {
        node = node.and_then(|node| node.get(part));
    }
    Ok(node.is_some().into())
}
