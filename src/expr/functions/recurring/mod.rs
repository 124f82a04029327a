//! What a subscription brings in regularly.
//!
//! Stripe does not document its own formula; this one is definite: licensed items of a living subscription, tiers,
//! discounts and inclusive taxes taken into account, converted to the asked interval by years of 12 months, 52 weeks or
//! 365 days, as an exact fraction that is rounded once, at the end, half away from zero, to the minor unit.

mod discount;
mod fraction;
mod price;
mod revenue;

pub(super) use revenue::{mrr, recurring};

/// What goes wrong inside, in words that follow the function's name.
type Words<T> = Result<T, String>;

const TOO_LARGE: &str = "the amounts are too large";
