//! Discounts of items, subscriptions and customers.

use rust_decimal::Decimal;

use super::fraction::Fraction;
use super::price::Line;
use super::{TOO_LARGE, Words};
use crate::expr::context::Frame;
use crate::value::Value;

/// A discount that still runs.
pub(super) struct Discount<'a> {
    coupon: &'a Value,
}

pub(super) fn subscription_discounts<'a>(subscription: &'a Value, frame: &Frame) -> Words<Vec<Discount<'a>>> {
    let has_any =
        |of: &Value| of.get("discounts").and_then(Value::as_list).is_some_and(|list| !list.is_empty());
    if has_any(subscription) {
        return discounts(subscription, frame);
    }
    // Shapes before `discounts`, and the customer's own where the customer is expanded.
    let inherited = [subscription.get("discount"), subscription.at(&["customer", "discount"])];
    let one = inherited.into_iter().flatten().find(|discount| !discount.is_nothing());
    Ok(one.map(|one| running(one, frame)).transpose()?.flatten().into_iter().collect())
}

pub(super) fn discounts<'a>(of: &'a Value, frame: &Frame) -> Words<Vec<Discount<'a>>> {
    let list = of.get("discounts").and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(|discount| running(discount, frame).transpose()).collect()
}

/// The discount, unless it is over or was for one invoice only.
fn running<'a>(discount: &'a Value, frame: &Frame) -> Words<Option<Discount<'a>>> {
    if discount.as_map().is_none() {
        return Err("a discount is only an id: expand `discounts`".to_owned());
    }
    let coupon = discount.at(&["source", "coupon"]).or_else(|| discount.get("coupon"));
    let Some(coupon @ Value::Map(_)) = coupon else {
        return Err("a coupon is only an id: expand `discounts.source.coupon`".to_owned());
    };
    let over = discount.get("end").and_then(Value::as_i64).is_some_and(|end| end <= frame.now.as_second());
    let runs = match coupon.get("duration").and_then(Value::as_str) {
        Some("forever") => true,
        Some("repeating") => !over,
        _ => false,
    };
    Ok(runs.then_some(Discount { coupon }))
}

impl Discount<'_> {
    pub(super) fn apply(&self, lines: &mut [Line<'_>]) -> Words<()> {
        if let Some(percent) = self.coupon.get("percent_off").and_then(Value::as_decimal) {
            let hundred = Decimal::ONE_HUNDRED;
            for line in lines.iter_mut().filter(|line| self.concerns(line)) {
                line.amount = line.amount.times(hundred - percent, hundred).ok_or(TOO_LARGE)?;
            }
        }
        // An amount is taken off each period, once for all the items that it concerns.
        let mut left: Option<Fraction> = None;
        for line in lines.iter_mut().filter(|line| self.concerns(line)) {
            let Some(off) = self.amount_off(line) else { continue };
            let off = match left {
                Some(rest) => rest,
                None => Fraction::new(off, Decimal::ONE)
                    .times(line.periods.above, line.periods.below)
                    .ok_or(TOO_LARGE)?,
            };
            let (amount, rest) = line.amount.less(off).ok_or(TOO_LARGE)?;
            line.amount = amount;
            left = Some(rest);
        }
        Ok(())
    }

    /// What is taken off in the currency of `line`; `None` when the coupon has no amount in it.
    fn amount_off(&self, line: &Line<'_>) -> Option<Decimal> {
        let currency = line.price.get("currency").and_then(Value::as_str)?;
        if self.coupon.get("currency").and_then(Value::as_str) == Some(currency) {
            return self.coupon.get("amount_off").and_then(Value::as_decimal);
        }
        self.coupon.at(&["currency_options", currency, "amount_off"]).and_then(Value::as_decimal)
    }

    fn concerns(&self, line: &Line<'_>) -> bool {
        let Some(products) = self.coupon.at(&["applies_to", "products"]).and_then(Value::as_list) else {
            return true;
        };
        let product = line.price.get("product");
        let id = product.and_then(|product| product.get("id").or(Some(product)));
        products.iter().any(|product| Some(product) == id)
    }
}
