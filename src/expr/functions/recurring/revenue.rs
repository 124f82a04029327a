//! The revenue of a whole subscription.

use rust_decimal::Decimal;

use super::discount::{discounts, subscription_discounts};
use super::fraction::Fraction;
use super::price::{Line, intervals_a_year, line};
use super::{TOO_LARGE, Words};
use crate::expr::context::Frame;
use crate::expr::fault::shown;
use crate::expr::functions::Unfit;
use crate::value::Value;

/// The monthly recurring revenue of a subscription, in minor units.
pub(in crate::expr::functions) fn mrr(subscription: &Value, frame: &Frame) -> Result<Value, Unfit> {
    revenue(subscription, 12, "mrr", frame)
}

/// The recurring revenue of a subscription for each `day`, `week`, `month` or `year`, in minor units.
pub(in crate::expr::functions) fn recurring(
    subscription: &Value,
    interval: &Value,
    frame: &Frame,
) -> Result<Value, Unfit> {
    let per_year = interval.as_str().and_then(intervals_a_year).ok_or_else(|| {
        Unfit(format!("recurring: `{}` is not day, week, month or year", shown(&interval.to_string())))
    })?;
    revenue(subscription, per_year, "recurring", frame)
}

fn revenue(subscription: &Value, per_year: i64, who: &str, frame: &Frame) -> Result<Value, Unfit> {
    if subscription.is_nothing() {
        return Ok(Value::Null);
    }
    let unfit = |words: &str| Unfit(format!("{who}: {words}"));
    if subscription.as_map().is_none() {
        return Err(unfit("needs the subscription in full, not its id: expand it"));
    }
    if !counts(subscription, frame) {
        return Ok(Value::Int(0));
    }
    let total = yearly(subscription, frame).map_err(|words| unfit(&words))?;
    total
        .times(Decimal::ONE, Decimal::from(per_year))
        .and_then(Fraction::rounded)
        .map(Value::Int)
        .ok_or_else(|| unfit("the amounts are too large"))
}

/// Whether a subscription brings in anything now.
fn counts(subscription: &Value, frame: &Frame) -> bool {
    let now = frame.now.as_second();
    let at = |key| subscription.get(key).and_then(Value::as_i64);
    let living = match subscription.get("status").and_then(Value::as_str) {
        Some("active" | "past_due") => true,
        Some("trialing") => at("trial_end").is_some_and(|end| end <= now),
        _ => false,
    };
    let paused = subscription.get("pause_collection").is_some_and(|pause| !pause.is_nothing());
    let ended = ["ended_at", "cancel_at"].into_iter().filter_map(at).any(|end| end <= now);
    living && !paused && !ended
}

fn yearly(subscription: &Value, frame: &Frame) -> Words<Fraction> {
    let items = subscription.get("items").ok_or("the subscription has no `items`")?;
    if items.get("has_more").and_then(Value::as_bool) == Some(true) {
        return Err("the list of items is cut (`has_more`): read all of them".to_owned());
    }
    let items = items.get("data").unwrap_or(items).as_list().ok_or("`items` is not a list")?;
    let currency = subscription.get("currency").and_then(Value::as_str);
    let mut lines = Vec::new();
    for item in items {
        let Some(mut line) = line(item)? else { continue };
        let paid_in = line.price.get("currency").and_then(Value::as_str);
        if let (Some(paid_in), Some(currency)) = (paid_in, currency)
            && paid_in != currency
        {
            return Err(format!("an item is in {paid_in} and the subscription in {currency}"));
        }
        for discount in discounts(item, frame)? {
            discount.apply(std::slice::from_mut(&mut line))?;
        }
        lines.push((item, line));
    }
    let (owners, mut lines): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
    for discount in subscription_discounts(subscription, frame)? {
        discount.apply(&mut lines)?;
    }
    let mut total = Fraction::ZERO;
    for (item, line) in owners.into_iter().zip(lines) {
        let net = without_tax(&line, item, subscription)?;
        total = total.plus(net).ok_or(TOO_LARGE)?;
    }
    Ok(total)
}

/// Tax is not revenue: what an inclusive price holds of it is taken out, where the rates are known.
fn without_tax(line: &Line<'_>, item: &Value, subscription: &Value) -> Words<Fraction> {
    if line.price.get("tax_behavior").and_then(Value::as_str) != Some("inclusive") {
        return Ok(line.amount);
    }
    let rates = |of: &Value, key: &str| {
        let list = of.get(key).and_then(Value::as_list).unwrap_or_default();
        let inclusive =
            list.iter().filter(|rate| rate.get("inclusive").and_then(Value::as_bool) == Some(true));
        inclusive.filter_map(|rate| rate.get("percentage").and_then(Value::as_decimal)).sum::<Decimal>()
    };
    let own = rates(item, "tax_rates");
    let percent = if own.is_zero() { rates(subscription, "default_tax_rates") } else { own };
    let hundred = Decimal::ONE_HUNDRED;
    line.amount.times(hundred, hundred + percent).ok_or_else(|| TOO_LARGE.to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use pretty_assertions::assert_eq;

    use super::*;

    const NOW: i64 = 1_772_445_600;

    fn frame() -> Frame {
        Frame::new(jiff::Timestamp::from_second(NOW).unwrap(), TimeZone::UTC)
    }

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    fn monthly(subscription: &str) -> String {
        mrr(&json(subscription), &frame()).map_or_else(|error| error.0, |v| v.to_json())
    }

    /// A subscription of one item; `more` goes in front of its closing brace.
    fn one(unit: &str, currency: &str, interval: &str, count: i64, quantity: i64, more: &str) -> String {
        format!(
            r#"{{"status":"active","currency":"{currency}","items":{{"data":[{{"quantity":{quantity},"price":{{
            "currency":"{currency}","unit_amount_decimal":"{unit}","product":"prod_1",
            "recurring":{{"interval":"{interval}","interval_count":{count},"usage_type":"licensed"}}}}}}]}}{more}}}"#
        )
    }

    #[test]
    fn periods_become_months_and_are_rounded_once() {
        let twenty_off = r#","discounts":[{"coupon":{"percent_off":20,"duration":"forever"}}]"#;
        let cases = [
            (one("1500", "usd", "month", 1, 12, twenty_off), "14400"),
            (one("14400", "usd", "year", 1, 5, ""), "6000"),
            (one("3600", "gbp", "month", 3, 4, ""), "4800"),
            (one("999", "aud", "week", 1, 1, ""), "4329"),
            (one("4980", "jpy", "month", 1, 5, ""), "24900"),
            (one("8750", "kwd", "month", 1, 3, ""), "26250"),
            (one("0.5", "usd", "month", 1, 1, ""), "1"),
            (one("100", "usd", "day", 1, 1, ""), "3042"),
            (one("100", "usd", "year", 3, 1, ""), "3"),
        ];
        for (subscription, expected) in cases {
            assert_eq!(monthly(&subscription), expected, "{subscription}");
        }
    }

    #[test]
    fn other_intervals_than_months() {
        let subscription = json(&one("1200", "usd", "month", 1, 1, ""));
        let per = |interval: &str| {
            recurring(&subscription, &interval.into(), &frame()).map_or_else(|e| e.0, |v| v.to_json())
        };
        assert_eq!((per("year"), per("month"), per("week")), ("14400".into(), "1200".into(), "277".into()));
        assert_eq!(per("decade"), "recurring: `decade` is not day, week, month or year");
    }

    #[test]
    fn only_living_subscriptions_count() {
        let of = |from: &str, to: &str| monthly(&one("100", "usd", "month", 1, 1, "").replace(from, to));
        let status = |status: &str| of(r#""status":"active""#, &format!(r#""status":"{status}""#));
        assert_eq!(status("past_due"), "100");
        for ended in ["canceled", "unpaid", "incomplete", "incomplete_expired", "paused", "trialing"] {
            assert_eq!(status(ended), "0", "{ended}");
        }
        let with = |more: &str| monthly(&one("100", "usd", "month", 1, 1, more));
        assert_eq!(with(r#","pause_collection":{"behavior":"void"}"#), "0");
        assert_eq!(with(r#","cancel_at_period_end":true"#), "100", "until it ends");
        assert_eq!(with(&format!(r#","cancel_at":{}"#, NOW + 1)), "100");
        assert_eq!(with(&format!(r#","cancel_at":{NOW}"#)), "0");
        assert_eq!(mrr(&Value::Null, &frame()).unwrap(), Value::Null);
    }

    fn tiered(mode: &str, quantity: i64) -> String {
        monthly(&format!(
            r#"{{"status":"active","items":{{"data":[{{"quantity":{quantity},"price":{{"billing_scheme":"tiered",
            "tiers_mode":"{mode}","recurring":{{"interval":"month","interval_count":1}},
            "tiers":[{{"up_to":5,"unit_amount":1000,"flat_amount":500}},
                     {{"up_to":null,"unit_amount_decimal":"700","flat_amount":null}}]}}}}]}}}}"#
        ))
    }

    #[test]
    fn tiers_by_volume_and_graduated() {
        assert_eq!((tiered("volume", 5), tiered("volume", 6)), ("5500".into(), "4200".into()));
        assert_eq!((tiered("graduated", 5), tiered("graduated", 7)), ("5500".into(), "6900".into()));
        assert_eq!(tiered("graduated", 0), "500", "the first flat amount is due without units");
    }

    #[test]
    fn packages_are_rounded_as_the_price_says() {
        let packages = |round: &str| {
            let price = one("1000", "usd", "month", 1, 25, "");
            let transform = format!(r#""transform_quantity":{{"divide_by":10,"round":"{round}"}},"product""#);
            monthly(&price.replacen(r#""product""#, &transform, 1))
        };
        assert_eq!((packages("up"), packages("down")), ("3000".into(), "2000".into()));
    }

    #[test]
    fn discounts_run_as_long_as_they_run() {
        let with = |discount: &str| {
            monthly(&one("1000", "usd", "month", 1, 1, &format!(r#","discounts":[{discount}]"#)))
        };
        assert_eq!(with(r#"{"coupon":{"percent_off":25,"duration":"once"}}"#), "1000");
        let repeating =
            |end| with(&format!(r#"{{"end":{end},"coupon":{{"percent_off":25,"duration":"repeating"}}}}"#));
        assert_eq!((repeating(NOW + 1), repeating(NOW)), ("750".into(), "1000".into()));
        let off = |currency: &str, amount| {
            with(&format!(
                r#"{{"source":{{"coupon":{{"amount_off":{amount},"currency":"{currency}","duration":"forever"}}}}}}"#
            ))
        };
        assert_eq!(
            (off("usd", 300), off("eur", 300), off("usd", 5000)),
            ("700".into(), "1000".into(), "0".into())
        );
        let products = |product: &str| {
            with(&format!(
                r#"{{"coupon":{{"percent_off":50,"duration":"forever","applies_to":{{"products":["{product}"]}}}}}}"#
            ))
        };
        assert_eq!((products("prod_1"), products("prod_2")), ("500".into(), "1000".into()));
    }

    #[test]
    fn an_amount_off_is_taken_each_period() {
        let coupon = r#","discounts":[{"coupon":{"amount_off":1200,"currency":"usd","duration":"forever"}}]"#;
        assert_eq!(monthly(&one("12000", "usd", "year", 1, 1, coupon)), "900");
    }

    #[test]
    fn inclusive_tax_is_no_revenue() {
        let inclusive =
            one("1200", "usd", "month", 1, 1, r#","default_tax_rates":[{"inclusive":true,"percentage":20}]"#)
                .replacen(r#""product""#, r#""tax_behavior":"inclusive","product""#, 1);
        assert_eq!(monthly(&inclusive), "1000");
    }

    #[test]
    fn what_is_not_expanded_is_an_error() {
        let cases = [
            (r#""sub_1""#.to_owned(), "mrr: needs the subscription in full, not its id: expand it"),
            (r#"{"status":"active"}"#.to_owned(), "mrr: the subscription has no `items`"),
            (
                one("1", "usd", "month", 1, 1, r#","discounts":["di_1"]"#),
                "mrr: a discount is only an id: expand `discounts`",
            ),
            (
                one("1", "usd", "month", 1, 1, r#","discounts":[{"source":{"coupon":"c"}}]"#),
                "mrr: a coupon is only an id: expand `discounts.source.coupon`",
            ),
            (
                one("1", "usd", "month", 1, 1, "").replace(r#""data""#, r#""has_more":true,"data""#),
                "mrr: the list of items is cut (`has_more`): read all of them",
            ),
            (
                one("1", "usd", "month", 1, 1, "").replacen(
                    r#""product""#,
                    r#""billing_scheme":"tiered","product""#,
                    1,
                ),
                "mrr: a tiered price without its tiers: expand `items.data.price.tiers`",
            ),
        ];
        for (subscription, expected) in cases {
            assert_eq!(monthly(&subscription), expected);
        }
    }
}
