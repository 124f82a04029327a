//! Exact fractions.

use rust_decimal::Decimal;

/// An exact fraction: periods divide by 12, 52 and 365, which no decimal can.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fraction {
    pub(super) above: Decimal,
    pub(super) below: Decimal,
}

impl Fraction {
    pub(super) const ZERO: Self = Self { above: Decimal::ZERO, below: Decimal::ONE };

    pub(super) fn new(above: Decimal, below: Decimal) -> Self {
        Self { above: above.normalize(), below: below.normalize() }
    }

    pub(super) fn times(self, above: Decimal, below: Decimal) -> Option<Self> {
        Some(Self::new(self.above.checked_mul(above)?, self.below.checked_mul(below)?))
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        if self.below == other.below {
            return Some(Self::new(self.above.checked_add(other.above)?, self.below));
        }
        let left = self.above.checked_mul(other.below)?;
        let right = other.above.checked_mul(self.below)?;
        Some(Self::new(left.checked_add(right)?, self.below.checked_mul(other.below)?))
    }

    /// Takes `other` away, down to zero; the rest of `other` that was more than there is.
    pub(super) fn less(self, other: Self) -> Option<(Self, Self)> {
        let difference = self.plus(Self::new(-other.above, other.below))?;
        Some(if difference.above.is_sign_negative() {
            (Self::ZERO, Self::new(-difference.above, difference.below))
        } else {
            (difference, Self::ZERO)
        })
    }

    /// The nearest whole number, halves away from zero.
    pub(super) fn rounded(self) -> Option<i64> {
        let whole = self.above.checked_div(self.below)?.trunc();
        let rest = self.above.checked_sub(whole.checked_mul(self.below)?)?;
        let up = rest.checked_mul(Decimal::TWO)? >= self.below;
        i64::try_from(if up { whole.checked_add(Decimal::ONE)? } else { whole }).ok()
    }
}
