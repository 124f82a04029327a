//! What speaks against putting a value of one shape where another is wanted.

use std::sync::Arc;

use super::shape::{Absence, Kind, Number, Shape, Text, TextForm, Unit, Words};

/// One thing that speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) enum Misfit {
    /// It may be nothing, and a value is needed; `always` when it is never there.
    Nothing {
        /// True when it is never there.
        always: bool,
    },
    /// A list where one value is wanted.
    ListForOne,
    /// An object where one value is wanted.
    ObjectForOne,
    /// One value where a list is wanted.
    OneForList,
    /// Text in which no number is written, where a number is wanted.
    TextForNumber,
    /// A number where true or false is wanted.
    NumberForBoolean,
    /// Text where true or false is wanted.
    TextForBoolean,
    /// True or false where a number is wanted.
    BooleanForNumber,
    /// Minor units where the currency's own unit is wanted: a hundred times too much.
    MinorForMajor,
    /// The currency's own unit where minor units are wanted: a hundredth.
    MajorForMinor,
    /// Seconds since 1970 where a date or a time is written as text.
    SecondsForTime,
    /// Text in which no date is written, where a date or a time is wanted.
    TextForTime,
    /// Money where a date or a time is wanted.
    AmountForTime,
    /// True or false where a date or a time is wanted.
    BooleanForTime,
    /// Words that the target does not have.
    ForeignWords(Vec<Arc<str>>),
    /// Text that can be longer than the target takes.
    TooLong {
        /// How long it can be.
        length: usize,
        /// How long it may be.
        longest: usize,
    },
}

/// All that speaks against putting `value` where `target` is wanted; nothing where one of them is unknown.
pub(in crate::check) fn misfits(value: &Shape, target: &Shape) -> Vec<Misfit> {
    let mut found = Vec::new();
    if target.absence == Absence::Never && matches!(value.absence, Absence::Possible | Absence::Always) {
        found.push(Misfit::Nothing { always: value.absence == Absence::Always });
    }
    if value.absence != Absence::Always {
        kinds(&value.kind, &target.kind, &mut found);
    }
    found
}

fn kinds(value: &Kind, target: &Kind, found: &mut Vec<Misfit>) {
    match (value, target) {
        (Kind::List(value), Kind::List(target)) => kinds(&value.kind, &target.kind, found),
        (Kind::List(_), Kind::Text(_) | Kind::Number(_) | Kind::Boolean(_)) => found.push(Misfit::ListForOne),
        (Kind::Object(_), Kind::Text(_) | Kind::Number(_) | Kind::Boolean(_)) => {
            found.push(Misfit::ObjectForOne);
        }
        (Kind::Text(_) | Kind::Number(_) | Kind::Boolean(_), Kind::List(_)) => found.push(Misfit::OneForList),
        (Kind::Number(value), Kind::Number(target)) => units(value.unit, target.unit, found),
        (Kind::Text(Text { form: TextForm::Number(unit), .. }), Kind::Number(target)) => {
            units(*unit, target.unit, found);
        }
        (Kind::Text(value), Kind::Number(_)) if !may_be_number(value) => found.push(Misfit::TextForNumber),
        (Kind::Number(Number { unit: Unit::UnixTime, .. }), Kind::Text(target))
            if matches!(target.form, TextForm::Date | TextForm::DateTime) =>
        {
            found.push(Misfit::SecondsForTime);
        }
        (Kind::Text(value), Kind::Text(target)) => {
            if matches!(target.form, TextForm::Date | TextForm::DateTime) && !may_be_time(value) {
                found.push(Misfit::TextForTime);
            }
            texts(value, target, found);
        }
        (Kind::Number(Number { unit: Unit::Minor | Unit::Major, .. }), Kind::Text(target))
            if matches!(target.form, TextForm::Date | TextForm::DateTime) =>
        {
            found.push(Misfit::AmountForTime);
        }
        (Kind::Boolean(_), Kind::Text(target)) if target.form != TextForm::Plain => {
            found.push(Misfit::BooleanForTime);
        }
        (Kind::Number(_), Kind::Boolean(_)) => found.push(Misfit::NumberForBoolean),
        (Kind::Text(value), Kind::Boolean(_)) if !may_be_boolean(value) => found.push(Misfit::TextForBoolean),
        (Kind::Boolean(_), Kind::Number(_)) => found.push(Misfit::BooleanForNumber),
        _ => {}
    }
}

fn units(value: Unit, target: Unit, found: &mut Vec<Misfit>) {
    match (value, target) {
        (Unit::Minor, Unit::Major) => found.push(Misfit::MinorForMajor),
        (Unit::Major | Unit::Decimal, Unit::Minor) => found.push(Misfit::MajorForMinor),
        _ => {}
    }
}

fn texts(value: &Text, target: &Text, found: &mut Vec<Misfit>) {
    if let (Some(words), Some(Words { known, open: false })) = (&value.words, &target.words) {
        let foreign: Vec<Arc<str>> =
            words.known.iter().filter(|word| !known.contains(word)).cloned().collect();
        if !foreign.is_empty() {
            found.push(Misfit::ForeignWords(foreign));
        }
    }
    if let (Some(length), Some(longest)) = (value.length, target.length)
        && length > longest
    {
        found.push(Misfit::TooLong { length, longest });
    }
}

/// Text of which it is known what it is, and that it is no number, is none.
fn may_be_number(text: &Text) -> bool {
    match (&text.words, &text.form) {
        (Some(words), _) => words.iter().all(|word| word.trim().parse::<f64>().is_ok()),
        (None, TextForm::Plain | TextForm::Number(_)) => true,
        (None, TextForm::Date | TextForm::DateTime | TextForm::Id(_)) => false,
    }
}

/// A time is no word of a few.
fn may_be_time(text: &Text) -> bool {
    let is_time = |word: &str| word.is_empty() || word.contains(|c: char| c.is_ascii_digit());
    match (&text.words, &text.form) {
        (Some(words), _) => words.iter().any(is_time),
        (None, form) => !matches!(form, TextForm::Id(_)),
    }
}

fn may_be_boolean(text: &Text) -> bool {
    match (&text.words, &text.form) {
        // Some systems write `Y` and `N`.
        (Some(words), _) => {
            words.iter().all(|word| matches!(&*word.to_lowercase(), "true" | "false" | "0" | "1" | "y" | "n"))
        }
        (None, form) => *form == TextForm::Plain,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::value::Value;

    fn word(word: &str) -> Shape {
        Shape::literal(&Value::from(word))
    }

    fn date() -> Shape {
        Shape::of(Kind::Text(Text { form: TextForm::Date, ..Text::default() }))
    }

    #[test]
    fn what_cannot_be_meant_is_told_and_the_unknown_never() {
        let minor = Shape::number(true, Unit::Minor);
        let major = Shape::number(false, Unit::Major);
        let short = Shape::of(Kind::Text(Text { length: Some(3), ..Text::default() }));
        for (value, target, expected) in [
            (minor.clone(), major.clone(), vec![Misfit::MinorForMajor]),
            (major.clone(), minor.clone(), vec![Misfit::MajorForMinor]),
            (minor.clone(), Shape::number(false, Unit::Unknown), vec![]),
            (Shape::list(minor.clone()), major.clone(), vec![Misfit::ListForOne]),
            (Shape::list(minor.clone()), Shape::list(major.clone()), vec![Misfit::MinorForMajor]),
            (minor.clone(), Shape::list(major.clone()), vec![Misfit::OneForList]),
            (word("High"), minor.clone(), vec![Misfit::TextForNumber]),
            (word("12"), Shape::number(true, Unit::Plain), vec![]),
            (Shape::text(), minor.clone(), vec![]),
            (minor.clone(), Shape::boolean(), vec![Misfit::NumberForBoolean]),
            (Shape::boolean(), minor.clone(), vec![Misfit::BooleanForNumber]),
            (word("yes"), Shape::boolean(), vec![Misfit::TextForBoolean]),
            (Shape::number(true, Unit::UnixTime), date(), vec![Misfit::SecondsForTime]),
            (word("Soon"), date(), vec![Misfit::TextForTime]),
            (word("2026-03-02"), date(), vec![]),
            (Shape::number(false, Unit::Major), date(), vec![Misfit::AmountForTime]),
            (Shape::boolean(), date(), vec![Misfit::BooleanForTime]),
            (word("Y"), Shape::boolean(), vec![]),
            (Shape::number(false, Unit::Decimal), minor.clone(), vec![Misfit::MajorForMinor]),
            (word("High").or(&word("Low")), word("High"), vec![Misfit::ForeignWords(vec!["Low".into()])]),
            (word("Long"), short.clone(), vec![Misfit::TooLong { length: 4, longest: 3 }]),
            (Shape::text().maybe(), Shape::text(), vec![Misfit::Nothing { always: false }]),
            (Shape::nothing(), minor, vec![Misfit::Nothing { always: true }]),
            (Shape::UNKNOWN, major, vec![]),
            (Shape::text(), Shape::UNKNOWN, vec![]),
        ] {
            assert_eq!(misfits(&value, &target), expected, "{} into {}", value.in_words(), target.in_words());
        }
    }
}
