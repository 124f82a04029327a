//! Which of Stripe's numbers are money. The API says so in prose alone, so the names are listed here.

/// Names of fields that hold an amount in the currency's minor unit, wherever they stand; besides them every name that
/// begins with `amount_` or ends with `_amount`.
const AMOUNTS: [&str; 17] = [
    "amount",
    "balance",
    "ending_balance",
    "fee",
    "invoice_credit_balance",
    "maximum_amount_capturable",
    "net",
    "post_payment_credit_notes_amount",
    "pre_payment_credit_notes_amount",
    "starting_balance",
    "subtotal",
    "subtotal_excluding_tax",
    "tax",
    "total",
    "total_excluding_tax",
    "total_tax_amount",
    "unit_cost",
];

/// True when a number of this name is money in the currency's minor unit.
pub fn is_amount(key: &str) -> bool {
    AMOUNTS.contains(&key)
        || key.starts_with("amount_")
        || key.ends_with("_amount")
        || key.ends_with("_amount_decimal")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::catalog::{Catalog, Field, Fields, Kind};

    fn numbers<'c>(fields: &'c Fields, found: &mut BTreeSet<&'c str>) {
        for (name, field) in fields {
            number(name, field, found);
        }
    }

    fn number<'c>(name: &'c str, field: &'c Field, found: &mut BTreeSet<&'c str>) {
        match &field.kind {
            Kind::Integer if field.format.is_none() => drop(found.insert(name)),
            Kind::Object(fields) | Kind::List(fields) => numbers(fields, found),
            Kind::Array(inner) | Kind::Map(inner) => number(name, inner, found),
            _ => {}
        }
    }

    /// Whoever adds a version of the API sees here whether its new whole numbers are money.
    #[test]
    fn every_whole_number_is_either_money_or_a_count() {
        let mut found = BTreeSet::new();
        for version in Catalog::api_versions() {
            for object in Catalog::of(version).unwrap().objects() {
                numbers(object.fields(), &mut found);
            }
        }
        let counts: Vec<&str> = found.into_iter().filter(|name| !is_amount(name)).collect();
        assert_eq!(counts, COUNTS);
    }

    const COUNTS: &[&str] = &[
        "attempt_count",
        "count",
        "created",
        "date",
        "day",
        "day_of_month",
        "days_until_due",
        "delay_days",
        "divide_by",
        "duration_in_months",
        "estimated_worker_count",
        "exp_month",
        "exp_year",
        "expires_after_days",
        "expires_after_seconds",
        "expires_at",
        "hour",
        "interval_count",
        "limit",
        "max_redemptions",
        "maximum",
        "maximum_length",
        "minimum",
        "minimum_length",
        "minute",
        "month",
        "monthly_anchor",
        "monthly_payout_days",
        "next_invoice_sequence",
        "payments_per_period",
        "pending_webhooks",
        "preset",
        "quantity",
        "risk_score",
        "second",
        "submission_count",
        "subscription_proration_date",
        "template_version",
        "times_redeemed",
        "trial_period_days",
        "up_to",
        "usage_gte",
        "year",
    ];
}
