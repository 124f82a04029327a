//! Fields that are elsewhere in another version of the API.

use super::shape::{Place, Walk};
use super::version::Catalog;

/// A field that another version has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The version that has it there.
    pub there: &'static str,
    /// Where the value is in the version at hand, or how it is come by; `None` where no more is known.
    pub to: Option<&'static str>,
}

/// What took the place of a field with the versions of 2025: object, key, what to read since then.
const SINCE: &[(&str, &str, &str)] = &[
    ("subscription", "current_period_start", "`items.data[0].current_period_start`"),
    ("subscription", "current_period_end", "`items.data[0].current_period_end`"),
    ("subscription", "discount", "`discounts`, a list of ids that can be expanded"),
    ("invoice", "subscription", "`parent.subscription_details.subscription`"),
    ("invoice", "subscription_details", "`parent.subscription_details`"),
    ("invoice", "quote", "`parent.quote_details.quote`"),
    ("invoice", "charge", "`payments`, when it is expanded, or `stripe.invoice_payment`"),
    ("invoice", "payment_intent", "`payments`, when it is expanded, or `stripe.invoice_payment`"),
    ("invoice", "paid", "`status == \"paid\"`"),
    ("invoice", "paid_out_of_band", "`status == \"paid\"`; `payments` says how"),
    ("invoice", "tax", "the amounts of `total_taxes`"),
    ("invoice", "total_tax_amounts", "`total_taxes`"),
    ("invoice", "discount", "`discounts`, a list of ids that can be expanded"),
    ("charge", "invoice", "`stripe.invoice_payment` by its `payment`"),
    ("payment_intent", "invoice", "`stripe.invoice_payment` by its `payment`"),
    ("line_item", "price", "`pricing.price_details.price`, an id"),
    ("line_item", "type", "`parent.type`"),
    ("line_item", "proration", "`parent.subscription_item_details.proration`"),
    ("line_item", "subscription_item", "`parent.subscription_item_details.subscription_item`"),
    ("line_item", "invoice_item", "`parent.invoice_item_details.invoice_item`"),
    ("line_item", "tax_amounts", "`taxes`"),
    ("line_item", "tax_rates", "`taxes`"),
    ("invoiceitem", "price", "`pricing.price_details.price`, an id"),
    ("invoiceitem", "unit_amount", "`pricing.unit_amount_decimal`"),
    ("invoiceitem", "unit_amount_decimal", "`pricing.unit_amount_decimal`"),
    ("invoiceitem", "subscription", "`parent.subscription_details.subscription`"),
    ("discount", "coupon", "`source.coupon`, an id that can be expanded"),
    ("promotion_code", "coupon", "`promotion.coupon`, an id that can be expanded"),
    ("credit_note", "refund", "`refunds[0].refund`"),
    ("checkout.session", "shipping_details", "`collected_information.shipping_details`"),
    ("price.recurring", "aggregate_usage", "nothing: usage is billed by meters (`recurring.meter`)"),
];

/// What stood in the place of a field before them: object, key, what to read before.
const BEFORE: &[(&str, &str, &str)] = &[
    ("subscription_item", "current_period_start", "the subscription's `current_period_start`"),
    ("subscription_item", "current_period_end", "the subscription's `current_period_end`"),
    ("invoice", "parent", "`subscription` and `subscription_details`"),
    ("invoice", "payments", "`payment_intent` and `charge`"),
    ("invoice", "total_taxes", "`total_tax_amounts`"),
    ("line_item", "pricing", "`price`, the whole object"),
    ("line_item", "parent", "`type`, `subscription_item` and `invoice_item`"),
    ("line_item", "taxes", "`tax_amounts`"),
    ("discount", "source", "`coupon`"),
    ("promotion_code", "promotion", "`coupon`"),
    ("credit_note", "refunds", "`refund`"),
    ("checkout.session", "collected_information", "`shipping_details`"),
];

/// A key that `here` does not have below `name` (`invoice`, `price.recurring`), and another version has.
pub fn moved(here: &Catalog, name: &str, key: &str) -> Option<Moved> {
    let others = Catalog::api_versions().filter(|version| *version != here.api_version());
    let there = others.rev().find(|version| {
        let place = Catalog::of(version).and_then(|other| place(other, name));
        place.is_some_and(|place| matches!(place.key(key), Walk::To(_)))
    })?;
    let list = if there < here.api_version() { SINCE } else { BEFORE };
    let to = list.iter().find(|(object, moved, _)| *object == name && *moved == key).map(|(.., to)| *to);
    Some(Moved { there, to })
}

/// An object, or a part of one by its dotted name.
fn place(catalog: &'static Catalog, name: &str) -> Option<Place<'static>> {
    if let Some(object) = catalog.object(name) {
        return Some(object.place(catalog));
    }
    let (of, key) = name.rsplit_once('.')?;
    let below = place(catalog, of)?.key(key).place()?;
    // A part of a list's elements goes by the list's name.
    Some(below.element().place().unwrap_or(below))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn exists(version: &str, object: &str, key: &str) -> bool {
        let place = Catalog::of(version).and_then(|catalog| place(catalog, object));
        place.is_some_and(|place| matches!(place.key(key), Walk::To(_)))
    }

    #[test]
    fn each_line_is_about_a_field_that_one_version_has_and_the_other_has_not() {
        let (older, newer) = ("2023-08-16", "2026-10-28.endive");
        let wrong = |list: &[(&'static str, &'static str, &'static str)], has, lacks| {
            let rows = list
                .iter()
                .filter(|(object, key, _)| !exists(has, object, key) || exists(lacks, object, key));
            rows.map(|(object, key, _)| format!("{object}.{key}")).collect::<Vec<_>>()
        };
        assert_eq!(wrong(SINCE, older, newer), Vec::<String>::new());
        assert_eq!(wrong(BEFORE, newer, older), Vec::<String>::new());
    }

    #[test]
    fn a_field_that_moved_has_its_new_path() {
        let newest = Catalog::newest();
        let found = moved(newest, "subscription", "current_period_end").unwrap();
        assert_eq!((found.there, found.to), ("2023-08-16", Some("`items.data[0].current_period_end`")));
        assert_eq!(moved(newest, "subscription", "no_such_field"), None);
    }
}
