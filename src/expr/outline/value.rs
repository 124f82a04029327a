//! A value expression as terms, beside what was written.

use std::sync::Arc;

use super::model::{Change, Conversion, Outlining, Spot, Table, Term, TimeForm, What};
use crate::expr::Expr;
use crate::expr::expression::model::{self, Convert, Form, Modifiers, Node, Piece, Zone};
use crate::expr::expression::template;
use crate::expr::fault::FaultSeg;
use crate::expr::functions::time::Format;
use crate::value::{Map, Value};

/// The keys under which one value stands that goes on as it is.
const HEADS: [&str; 4] = ["from", "script", "payload", "literal"];

impl Expr {
    /// The expression as a term. `written` is what it was compiled from.
    pub fn outline(&self, written: &Value) -> Term {
        node(self.node(), written, &mut Vec::new())
    }
}

type Place = Vec<FaultSeg>;

fn under<T>(place: &mut Place, seg: impl Into<FaultSeg>, read: impl FnOnce(&mut Place) -> T) -> T {
    place.push(seg.into());
    let result = read(place);
    place.pop();
    result
}

fn node(node: &Node, written: &Value, place: &mut Place) -> Term {
    let of = form(&node.form, written, place);
    let (Some(modifiers), Value::Map(map)) = (&node.modifiers, written) else { return of };
    let by = change(modifiers, map, place);
    Term::whole(place, What::Changed { of: Box::new(of), by })
}

/// The head of a map that stands for one value, with that value.
fn headed(written: &Value) -> Option<(&'static str, &Value)> {
    let map = written.as_map()?;
    HEADS.iter().find_map(|head| Some((*head, map.get(*head)?)))
}

fn form(form: &Form, written: &Value, place: &mut Place) -> Term {
    if let Form::First(nodes) = form
        && let Some(term) = first(nodes, written, place)
    {
        return term;
    }
    if let (Some((head, inner)), false) = (headed(written), matches!(form, Form::Each { .. })) {
        return under(place, head, |place| match (head, inner, form) {
            ("script", Value::Text(source), Form::Script { program, .. }) => {
                program.outline(&Outlining { source, path: place.as_slice().into(), offset: 0 })
            }
            ("payload", Value::Map(map), Form::Map(nodes)) => payload(nodes, map, place),
            ("literal", _, Form::Literal(value)) => Term::whole(place, What::Literal(value.clone())),
            _ => self::form(form, inner, place),
        });
    }
    match (form, written) {
        (Form::Literal(value), _) => Term::whole(place, What::Literal(value.clone())),
        (Form::Path(path), Value::Text(source)) => {
            path.outline(&Outlining { source, path: place.as_slice().into(), offset: 0 })
        }
        (Form::Script { program, source }, _) => {
            // `${` stands before a script that fills a text.
            program.outline(&Outlining { source, path: place.as_slice().into(), offset: 2 })
        }
        (Form::Text(pieces), Value::Text(text)) => pieced(pieces, text, place),
        (Form::Each { over, name, give }, Value::Map(map)) => {
            let part = |key: &str| map.get(key).unwrap_or(&Value::Null);
            let over = under(place, "each", |place| node(over, part("each"), place));
            let give = under(place, "give", |place| node(give, part("give"), place));
            let what = What::Each { over: Box::new(over), name: Arc::clone(name), give: Box::new(give) };
            Term::whole(place, what)
        }
        (Form::List(nodes), Value::List(items)) => {
            let items = nodes.iter().zip(items.iter()).enumerate();
            let items =
                items.map(|(at, (item, written))| under(place, at, |place| node(item, written, place)));
            let items = items.collect();
            Term::whole(place, What::List(items))
        }
        (Form::Map(nodes), Value::Map(map)) => payload(nodes, map, place),
        _ => Term::whole(place, What::Other(Vec::new())),
    }
}

/// `from: [a, b]`, or `from:` with a value that has modifiers of its own.
fn first(nodes: &[Node], written: &Value, place: &mut Place) -> Option<Term> {
    let (head, inner) = headed(written)?;
    under(place, head, |place| match (inner, nodes) {
        (Value::List(items), _) => {
            let items = nodes.iter().zip(items.iter()).enumerate();
            let items =
                items.map(|(at, (item, written))| under(place, at, |place| node(item, written, place)));
            let items = items.collect();
            Some(Term::whole(place, What::First(items)))
        }
        (_, [one]) if one.modifiers.is_some() => Some(node(one, inner, place)),
        _ => None,
    })
}

fn payload(nodes: &[(Arc<str>, Node)], map: &Map, place: &mut Place) -> Term {
    let entries = nodes.iter().map(|(key, value)| {
        let written = map.get(key).unwrap_or(&Value::Null);
        (Arc::clone(key), under(place, &**key, |place| node(value, written, place)))
    });
    let entries = entries.collect();
    Term::whole(place, What::Map(entries))
}

fn pieced(pieces: &[Piece], text: &str, place: &Place) -> Term {
    let parts = template::parts(text).unwrap_or_default();
    let terms = pieces.iter().zip(parts).map(|(piece, part)| {
        let (template::Part::Plain(range) | template::Part::Script(range)) = part;
        let source = &text[range.clone()];
        let at = Outlining { source, path: place.as_slice().into(), offset: range.start };
        match piece {
            Piece::Plain(plain) => at.term(0..source.len(), What::Literal(Value::Text(Arc::clone(plain)))),
            Piece::Script(program) => program.outline(&at),
        }
    });
    Term::whole(place, What::Text(terms.collect()))
}

fn change(modifiers: &Modifiers, map: &Map, place: &mut Place) -> Change {
    let conversion = modifiers.convert.as_ref().map(|convert| {
        let (key, conversion) = conversion(convert, map, place);
        (Spot { path: under(place, key, |place| place.as_slice().into()), within: None }, conversion)
    });
    let default = modifiers.default.as_ref().map(|default| part(default, map, "default", place));
    let transform = modifiers.transform.iter().map(|transform| transform.name().into()).collect();
    Change { transform, conversion, default, required: modifiers.required }
}

/// The value of a modifier.
fn part(value: &Node, map: &Map, key: &str, place: &mut Place) -> Box<Term> {
    let written = map.get(key).unwrap_or(&Value::Null);
    Box::new(under(place, key, |place| node(value, written, place)))
}

fn conversion(convert: &Convert, map: &Map, place: &mut Place) -> (&'static str, Conversion) {
    match convert {
        Convert::Money(currency) => ("money", Conversion::Money(part(currency, map, "money", place))),
        Convert::Minor(currency) => ("minor", Conversion::Minor(part(currency, map, "minor", place))),
        Convert::Datetime { format, zone } => {
            let zone = zone.as_ref().map(|zone| match zone {
                Zone::Read(zone) => part(zone, map, "zone", place),
                Zone::Fixed(_) => {
                    let name = map.get("zone").cloned().unwrap_or_default();
                    under(place, "zone", |place| Box::new(Term::whole(place, What::Literal(name))))
                }
            });
            ("datetime", Conversion::Datetime { form: time_form(format), zone })
        }
        Convert::Table(model::Table::Fixed(entries)) => {
            let entries = entries.iter().map(|(key, value)| (Arc::clone(key), value.clone()));
            ("map", Conversion::Table(Table::Fixed(entries.collect())))
        }
        Convert::Table(model::Table::Read(path)) => {
            let read = under(place, "map", |place| {
                path.outline(&Outlining { source: path.source(), path: place.as_slice().into(), offset: 0 })
            });
            ("map", Conversion::Table(Table::Read(Box::new(read))))
        }
        Convert::Truncate(length) => ("truncate", Conversion::Truncate(*length)),
    }
}

fn time_form(format: &Format) -> TimeForm {
    match format {
        Format::Iso8601 => TimeForm::Iso8601,
        Format::Date => TimeForm::Date,
        Format::Unix => TimeForm::Unix,
        Format::Pattern(_) => TimeForm::Pattern,
    }
}
