//! What one item of a subscription costs, before discounts and taxes.

use rust_decimal::{Decimal, RoundingStrategy};

use super::fraction::Fraction;
use super::{TOO_LARGE, Words};
use crate::expr::functions::money::number;
use crate::value::Value;

/// What one item brings in a year, and what discounts look at.
pub(super) struct Line<'a> {
    pub(super) amount: Fraction,
    /// Periods in a year, as a fraction: 12/3 for every three months.
    pub(super) periods: Fraction,
    pub(super) price: &'a Value,
}

pub(super) fn intervals_a_year(interval: &str) -> Option<i64> {
    match interval {
        "year" => Some(1),
        "month" => Some(12),
        "week" => Some(52),
        "day" => Some(365),
        _ => None,
    }
}

/// The yearly amount of an item before discounts; `None` for one without a fixed amount (one-off, metered).
pub(super) fn line(item: &Value) -> Words<Option<Line<'_>>> {
    let price = match item.get("price") {
        Some(price @ Value::Map(_)) => price,
        Some(Value::Text(_)) => return Err("a price is only an id: expand `items.data.price`".to_owned()),
        _ => return Err("an item has no price".to_owned()),
    };
    let Some(recurring) = price.get("recurring").filter(|recurring| !recurring.is_nothing()) else {
        return Ok(None);
    };
    if recurring.get("usage_type").and_then(Value::as_str) == Some("metered") {
        return Ok(None);
    }
    let interval = recurring.get("interval").and_then(Value::as_str).unwrap_or_default();
    let a_year = intervals_a_year(interval).ok_or_else(|| format!("`{interval}` is not an interval"))?;
    let count = recurring.get("interval_count").and_then(Value::as_i64).unwrap_or(1).max(1);
    let quantity = match item.get("quantity").filter(|quantity| !quantity.is_nothing()) {
        None => Decimal::ONE,
        Some(quantity) => number(quantity, "quantity").map_err(|error| error.0)?,
    };
    let period = period_amount(price, quantity)?;
    let periods = Fraction::new(Decimal::from(a_year), Decimal::from(count));
    let amount = Fraction::new(period, Decimal::ONE).times(periods.above, periods.below).ok_or(TOO_LARGE)?;
    Ok(Some(Line { amount, periods, price }))
}

/// What an item costs each period, in minor units.
fn period_amount(price: &Value, quantity: Decimal) -> Words<Decimal> {
    if price.get("billing_scheme").and_then(Value::as_str) != Some("tiered") {
        let unit = amount(price, "unit_amount")?.ok_or("a price has no `unit_amount_decimal`")?;
        return transformed(price, quantity)?.checked_mul(unit).ok_or_else(|| TOO_LARGE.to_owned());
    }
    let tiers = price
        .get("tiers")
        .and_then(Value::as_list)
        .ok_or("a tiered price without its tiers: expand `items.data.price.tiers`")?;
    match price.get("tiers_mode").and_then(Value::as_str) {
        Some("volume") => volume(tiers, quantity),
        Some("graduated") => graduated(tiers, quantity),
        _ => Err("a tiered price has no `tiers_mode`".to_owned()),
    }
}

/// The quantity that is charged, in packages where the price is for packages.
fn transformed(price: &Value, quantity: Decimal) -> Words<Decimal> {
    let Some(transform) = price.get("transform_quantity").filter(|transform| !transform.is_nothing()) else {
        return Ok(quantity);
    };
    let by = transform.get("divide_by").and_then(Value::as_decimal).unwrap_or(Decimal::ONE);
    let packages = quantity.checked_div(by).ok_or("`divide_by` is zero")?;
    Ok(match transform.get("round").and_then(Value::as_str) {
        Some("down") => packages.floor(),
        _ => packages.round_dp_with_strategy(0, RoundingStrategy::ToPositiveInfinity),
    })
}

fn volume(tiers: &[Value], quantity: Decimal) -> Words<Decimal> {
    let tier = tiers
        .iter()
        .find(|tier| tier.get("up_to").and_then(Value::as_decimal).is_none_or(|up_to| up_to >= quantity))
        .ok_or("no tier reaches the quantity")?;
    let unit = amount(tier, "unit_amount")?.unwrap_or_default();
    let flat = amount(tier, "flat_amount")?.unwrap_or_default();
    quantity.checked_mul(unit).and_then(|cost| cost.checked_add(flat)).ok_or_else(|| TOO_LARGE.to_owned())
}

fn graduated(tiers: &[Value], quantity: Decimal) -> Words<Decimal> {
    let (mut below, mut total) = (Decimal::ZERO, Decimal::ZERO);
    for (number, tier) in tiers.iter().enumerate() {
        let up_to = tier.get("up_to").and_then(Value::as_decimal);
        let inside = up_to.map_or(quantity, |up_to| up_to.min(quantity)) - below;
        // The first tier's flat amount is due without any unit too.
        if inside <= Decimal::ZERO && number > 0 {
            break;
        }
        let unit = amount(tier, "unit_amount")?.unwrap_or_default();
        let flat = amount(tier, "flat_amount")?.unwrap_or_default();
        total = inside
            .max(Decimal::ZERO)
            .checked_mul(unit)
            .and_then(|cost| cost.checked_add(flat))
            .and_then(|cost| total.checked_add(cost))
            .ok_or(TOO_LARGE)?;
        below = up_to.unwrap_or(quantity);
    }
    Ok(total)
}

/// An amount, by its exact twin `<key>_decimal` where there is one.
fn amount(of: &Value, key: &str) -> Words<Option<Decimal>> {
    let exact = format!("{key}_decimal");
    match [&*exact, key].into_iter().filter_map(|key| of.get(key)).find(|value| !value.is_nothing()) {
        None => Ok(None),
        Some(value) => number(value, key).map(Some).map_err(|error| error.0),
    }
}
