//! Partitions: what processes that share a store share its work out by.

use std::fmt;

/// A partition of the work. Every lane and key belongs to one for good, so whoever has the partition keeps their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part(pub u8);

/// How many partitions there are: many more than processes, so that each gets about the same share.
pub const PARTS: usize = 256;

/// Some of the partitions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts([u64; PARTS / 64]);

impl Parts {
    /// None of them.
    pub const NONE: Self = Self([0; PARTS / 64]);

    /// All of them.
    pub const ALL: Self = Self([u64::MAX; PARTS / 64]);

    fn place(part: Part) -> (usize, u64) {
        (usize::from(part.0 / 64), 1 << (part.0 % 64))
    }

    /// True when this one is among them.
    pub fn has(&self, part: Part) -> bool {
        let (word, bit) = Self::place(part);
        self.0[word] & bit != 0
    }

    /// Puts one to them.
    pub fn put(&mut self, part: Part) {
        let (word, bit) = Self::place(part);
        self.0[word] |= bit;
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | others.0[word]))
    }

    /// These without those.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !others.0[word]))
    }

    /// Those that are among both.
    #[must_use]
    pub fn within(self, others: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & others.0[word]))
    }

    /// True when there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Each of them, in their order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Part> {
        (0..=u8::MAX).map(Part).filter(move |part| self.has(*part))
    }

    /// As a text of 64 hexadecimal digits.
    pub(super) fn to_hex(self) -> String {
        let [a, b, c, d] = self.0;
        format!("{a:016x}{b:016x}{c:016x}{d:016x}")
    }

    /// What [`to_hex`](Self::to_hex) gave; nothing when it is something else.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let mut parts = Self::NONE;
        if text.len() != PARTS / 4 || !text.is_ascii() {
            return None;
        }
        for (word, digits) in parts.0.iter_mut().zip(text.as_bytes().chunks(16)) {
            *word = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(parts)
    }
}

impl FromIterator<Part> for Parts {
    fn from_iter<I: IntoIterator<Item = Part>>(all: I) -> Self {
        let mut parts = Self::NONE;
        all.into_iter().for_each(|part| parts.put(part));
        parts
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parts({})", self.count())
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn sets_of_partitions_are_sets() {
        let some: Parts = [Part(0), Part(63), Part(64), Part(255)].into_iter().collect();
        assert_eq!(some.count(), 4);
        assert!(some.has(Part(64)) && !some.has(Part(65)));
        assert_eq!(Parts::ALL.without(some).count(), 252);
        assert_eq!(Parts::ALL.within(some), some);
        assert_eq!(Parts::ALL.without(some).and(some), Parts::ALL);
        assert_eq!(some.iter().collect::<Vec<_>>(), [Part(0), Part(63), Part(64), Part(255)]);
        assert_eq!(Parts::from_hex(&some.to_hex()), Some(some));
        assert_eq!(Parts::from_hex("free"), None);
    }
}
