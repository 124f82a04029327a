//! Functions, methods and closures.

use std::sync::Arc;

use super::infer::{Infer, element_of};
use super::modifiers::told;
use super::operators::spelled;
use super::shape::{Absence, Kind, Object, Shape, Text, TextForm, Unit};
use crate::expr::{Term, TimeForm, What};
use crate::value::Value;

/// Methods of lists that take a function of one element.
const OF_EACH: [&str; 10] =
    ["filter", "map", "find", "find_map", "some", "all", "retain", "drain", "dedup", "index_of"];

impl Infer<'_> {
    /// What a function, method or operator gives.
    pub(super) fn call(&mut self, term: &Term, name: &Arc<str>, args: &[Term]) -> Shape {
        if let Some(shape) = self.operator(name, args) {
            return shape;
        }
        if let [receiver, rest @ ..] = args
            && rest.iter().any(|arg| matches!(arg.what, What::Closure { .. }))
        {
            return self.with_closure(name, receiver, rest);
        }
        if &**name == "changed"
            && let [Term { what: What::Literal(Value::Text(key)), spot }] = args
        {
            let object = self.scope.name("object");
            self.tolerant += 1;
            self.member(spot, &object, key);
            self.tolerant -= 1;
            return Shape::boolean();
        }
        let shapes: Vec<Shape> = args.iter().map(|arg| self.term(arg)).collect();
        if let (true, [shape, ..]) = (matches!(&**name, "money" | "minor"), shapes.as_slice()) {
            let by = if &**name == "money" { "money" } else { "minor" };
            self.see_converted(&term.spot, by, shape);
        }
        match (&**name, args.len()) {
            ("date", 1) => self.see_told(&term.spot, &TimeForm::Date, false),
            ("datetime", 2) => self.see_told(&term.spot, &time_form(args), false),
            _ => {}
        }
        Self::function(name, args, &shapes)
    }

    /// What a function gives for such arguments.
    pub(super) fn function(name: &str, args: &[Term], shapes: &[Shape]) -> Shape {
        let first = shapes.first().unwrap_or(&Shape::UNKNOWN);
        match name {
            "money" => Shape::number(false, Unit::Major).with_absence(first.absence),
            "minor" => Shape::number(true, Unit::Minor).with_absence(first.absence),
            "recurring" | "mrr" => Shape::number(true, Unit::Minor).with_absence(Absence::Unknown),
            "worst_status" => match &element_of(first).kind {
                Kind::Object(Object::Resource(subscription)) => {
                    let status = subscription.key("status").shape;
                    status.unwrap_or(Shape::UNKNOWN).with_absence(Absence::Unknown)
                }
                _ => Shape::UNKNOWN,
            },
            "sum" => match element_of(first).kind {
                Kind::Number(number) => Shape::number(number.whole, number.unit),
                _ => Shape { kind: Shape::number(false, Unit::Unknown).kind, absence: Absence::Unknown },
            },
            "lower" => spelled(first, str::to_lowercase),
            "upper" => spelled(first, str::to_uppercase),
            "trim" => spelled(first, |text| text.trim().to_owned()),
            "first_name" | "last_name" | "digits" => Shape::text().with_absence(Absence::Unknown),
            "sha256" => text(Text { length: Some(64), ..Text::default() }).with_absence(first.absence),
            "join" | "to_string" | "sub_string" | "type_of" | "to_upper" | "to_lower" => Shape::text(),
            "split" | "keys" => Shape::list(Shape::text()),
            "today" => text(Text { form: TextForm::Date, ..Text::default() }),
            "date" => told(&TimeForm::Date).with_absence(first.absence),
            "datetime" => told(&time_form(args)).with_absence(first.absence),
            "starts_with" | "ends_with" | "is_empty" => Shape::boolean(),
            "len" => Shape::number(true, Unit::Plain),
            "pop" | "shift" => element_of(first).with_absence(Absence::Unknown),
            "values" => match &first.kind {
                Kind::Object(Object::Map(value)) => Shape::list(Shape::clone(value)),
                _ => Shape::UNKNOWN,
            },
            _ => Shape::UNKNOWN,
        }
    }

    /// A method that takes a function.
    fn with_closure(&mut self, name: &str, receiver: &Term, rest: &[Term]) -> Shape {
        let list = self.term(receiver);
        let element = if OF_EACH.contains(&name) { element_of(&list) } else { Shape::UNKNOWN };
        let mut given = Shape::UNKNOWN;
        for arg in rest {
            if matches!(arg.what, What::Closure { .. }) {
                given = self.closure(arg, std::slice::from_ref(&element));
            } else {
                self.term(arg);
            }
        }
        match name {
            "filter" => list,
            "map" => Shape::list(given),
            "find" => element.maybe(),
            "some" | "all" => Shape::boolean(),
            "index_of" => Shape::number(true, Unit::Plain),
            _ => Shape::UNKNOWN,
        }
    }

    /// What a closure gives for such arguments; its other parameters are unknown.
    pub(super) fn closure(&mut self, closure: &Term, arguments: &[Shape]) -> Shape {
        let What::Closure { parameters, body } = &closure.what else { return Shape::UNKNOWN };
        let outside = self.scope.clone();
        for (at, parameter) in parameters.iter().enumerate() {
            self.scope.forget(parameter);
            let shape = arguments.get(at).cloned().unwrap_or(Shape::UNKNOWN);
            self.scope.locals.push((Arc::clone(parameter), shape));
        }
        let given = self.term(body);
        self.scope = outside;
        given
    }
}

fn text(text: Text) -> Shape {
    Shape::of(Kind::Text(text))
}

/// The form that `datetime(time, form)` asks for.
fn time_form(args: &[Term]) -> TimeForm {
    match args.get(1).map(|form| &form.what) {
        Some(What::Literal(Value::Text(form))) => match &**form {
            "iso8601" => TimeForm::Iso8601,
            "date" => TimeForm::Date,
            "unix" => TimeForm::Unix,
            _ => TimeForm::Pattern,
        },
        _ => TimeForm::Pattern,
    }
}
