//! Operators and comparisons.

use std::sync::Arc;

use super::infer::Infer;
use super::shape::{Absence, Kind, Number, Shape, Text, TextForm, Unit};
use super::sight::Sight;
use crate::expr::{Term, What};
use crate::value::Value;

impl Infer<'_> {
    /// The shape that an operator gives; `None` when `name` is none.
    pub(super) fn operator(&mut self, name: &str, args: &[Term]) -> Option<Shape> {
        Some(match (name, args) {
            ("==" | "!=", [a, b]) => self.equality(a, b, name == "=="),
            ("contains", [list, item]) => self.membership(list, item),
            ("<" | "<=" | ">" | ">=", [a, b]) => {
                let (a, b) = (self.term(a), self.term(b));
                Shape::of(Kind::Boolean(ordered(name, &a, &b)))
            }
            ("!", [inner]) => match self.term(inner).kind {
                Kind::Boolean(Some(value)) => Shape::of(Kind::Boolean(Some(!value))),
                _ => Shape::boolean(),
            },
            ("-" | "+", [inner]) => self.term(inner),
            ("+" | "-" | "*" | "/" | "%" | "**", [a, b]) => {
                let (left, right) = (self.term(a), self.term(b));
                self.computed(name, (a, &left), (b, &right))
            }
            _ => return None,
        })
    }

    fn computed(&mut self, name: &str, (a, left): (&Term, &Shape), (b, right): (&Term, &Shape)) -> Shape {
        match (&left.kind, &right.kind) {
            (Kind::Text(_), _) | (_, Kind::Text(_)) if name == "+" => {
                self.in_text(a, left);
                self.in_text(b, right);
                Shape::text()
            }
            (Kind::Number(left), Kind::Number(right)) => {
                let whole = left.whole && right.whole && name != "/";
                Shape::number(whole, unit_of(name, left, right))
            }
            _ => Shape::UNKNOWN,
        }
    }

    /// `a == b`.
    fn equality(&mut self, a: &Term, b: &Term, equal: bool) -> Shape {
        let (value, word) = match (&a.what, &b.what) {
            (What::Literal(_), _) => (b, a),
            _ => (a, b),
        };
        let What::Literal(literal) = &word.what else {
            self.term(a);
            self.term(b);
            return Shape::boolean();
        };
        let asks = usize::from(literal.is_blank());
        self.tolerant += asks;
        let shape = self.plain(value);
        self.tolerant -= asks;
        let Value::Text(text) = literal else { return Shape::boolean() };
        let known = self.is_equal(value, &shape, word, text);
        Shape::of(Kind::Boolean(known.map(|known| known == equal)))
    }

    /// `item in [..]`, or a text or list that has something.
    fn membership(&mut self, list: &Term, item: &Term) -> Shape {
        let words = match &list.what {
            What::List(items) => items.iter().collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        self.tolerant += usize::from(!words.is_empty());
        let shape = self.plain(item);
        self.tolerant -= usize::from(!words.is_empty());
        if words.is_empty() {
            self.term(list);
            return Shape::boolean();
        }
        let mut all = Some(false);
        for word in words {
            let one = if let What::Literal(Value::Text(text)) = &word.what {
                self.is_equal(item, &shape, word, text)
            } else {
                self.term(word);
                None
            };
            all = match (all, one) {
                (_, Some(true)) | (Some(true), _) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        Shape::of(Kind::Boolean(all))
    }

    /// Whether a value equals a word, as far as that is certain; a word that it can never be is seen.
    fn is_equal(&mut self, value: &Term, shape: &Shape, word: &Term, text: &Arc<str>) -> Option<bool> {
        if matches!(value.what, What::Literal(_)) {
            return Some(shape.words()?.has(text));
        }
        let words = shape.words()?;
        if text.is_empty() {
            return None;
        }
        if !words.has(text) {
            let words = words.clone();
            self.see(&word.spot, Sight::ForeignWord { word: Arc::clone(text), words });
            return None;
        }
        let narrowed = self.narrowed(value, shape.clone());
        let left = narrowed.words()?;
        match (left.has(text), left.known.len(), left.open, narrowed.absence) {
            (false, ..) => Some(false),
            (true, 1, false, Absence::Never) => Some(true),
            _ => None,
        }
    }
}

/// The order of two numbers that are written out.
fn ordered(name: &str, a: &Shape, b: &Shape) -> Option<bool> {
    let (Kind::Number(Number { value: Some(a), .. }), Kind::Number(Number { value: Some(b), .. })) =
        (&a.kind, &b.kind)
    else {
        return None;
    };
    let (a, b) = (a.as_decimal()?, b.as_decimal()?);
    Some(match name {
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        _ => a >= b,
    })
}

/// What a computed number counts.
fn unit_of(name: &str, left: &Number, right: &Number) -> Unit {
    let is_written = |number: &Number| number.value.is_some();
    match (name, left.unit, right.unit) {
        ("+" | "-", a, b) if a == b && a != Unit::UnixTime => a,
        ("+" | "-", Unit::UnixTime, Unit::UnixTime) if name == "-" => Unit::Plain,
        // So many seconds later.
        ("+" | "-", Unit::UnixTime, _) if is_written(right) => Unit::UnixTime,
        ("*", a @ (Unit::Minor | Unit::Major), Unit::Plain) => a,
        ("*", Unit::Plain, b @ (Unit::Minor | Unit::Major)) => b,
        ("*" | "/" | "%", Unit::Plain, Unit::Plain) => Unit::Plain,
        ("*", a @ Unit::Decimal, Unit::Plain | Unit::Decimal) if !is_written(right) => a,
        _ => Unit::Unknown,
    }
}

/// Text in another spelling: its words are known when those before were.
pub(super) fn spelled(shape: &Shape, spell: impl Fn(&str) -> String) -> Shape {
    let Kind::Text(text) = &shape.kind else { return Shape::text().with_absence(shape.absence) };
    let words = text.words.as_ref().map(|words| super::shape::Words {
        known: words.known.iter().map(|word| spell(word).into()).collect(),
        open: words.open,
    });
    let form = if matches!(text.form, TextForm::Id(_)) { TextForm::Plain } else { text.form.clone() };
    Shape { kind: Kind::Text(Text { words, form, length: text.length }), absence: shape.absence }
}
