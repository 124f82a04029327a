//! Sets of kinds of values, and their names in sentences.

use crate::yaml::{Data, Node};

/// A set of kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOL: Self = Self(2);
    pub(super) const INT: Self = Self(4);
    pub(super) const DECIMAL: Self = Self(8);
    pub(super) const TEXT: Self = Self(16);
    pub(super) const LIST: Self = Self(32);
    pub(super) const MAP: Self = Self(64);
    pub(super) const ALL: Self = Self(127);
    pub(super) const NUMBER: Self = Self(4 | 8);

    /// The kinds that JSON Schema calls `name`.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOL,
            "integer" => Self::INT,
            "number" => Self::NUMBER,
            "string" => Self::TEXT,
            "array" => Self::LIST,
            "object" => Self::MAP,
            _ => Self::NONE,
        }
    }

    /// The kind of a node.
    pub(super) fn of(node: &Node) -> Self {
        match node.data {
            Data::Null => Self::NULL,
            Data::Bool(_) => Self::BOOL,
            Data::Int(_) => Self::INT,
            Data::Decimal(_) => Self::DECIMAL,
            Data::Text(_) => Self::TEXT,
            Data::List(_) => Self::LIST,
            Data::Map(_) => Self::MAP,
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True when the two have a kind in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.and(other) != Self::NONE
    }

    /// `text or a list`. That a value may also be left empty is not said, unless it must be.
    pub(super) fn in_words(self) -> String {
        let number = if self.meets(Self::DECIMAL) { "a number" } else { "an integer" };
        let names: Vec<&str> = [
            (Self::TEXT, "text"),
            (Self::NUMBER, number),
            (Self::BOOL, "`true` or `false`"),
            (Self::LIST, "a list"),
            (Self::MAP, "a map"),
        ]
        .into_iter()
        .filter(|(kind, _)| self.meets(*kind))
        .map(|(_, name)| name)
        .collect();
        match names.as_slice() {
            [] => "nothing".into(),
            [one] => (*one).into(),
            [some @ .., last] => format!("{} or {last}", some.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn sets_read_as_words() {
        assert_eq!(Kinds::TEXT.or(Kinds::NULL).in_words(), "text");
        assert_eq!(Kinds::TEXT.or(Kinds::INT).or(Kinds::LIST).in_words(), "text, an integer or a list");
        assert_eq!(Kinds::NUMBER.in_words(), "a number");
        assert_eq!(Kinds::NULL.in_words(), "nothing");
    }
}
