//! Products of opportunities: a line follows its price book entry, and the opportunity's amount follows its lines.

use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::org::Org;
use super::write::{Fields, has, missing};

const LINE: &str = "OpportunityLineItem";
const OPPORTUNITY: &str = "Opportunity";

/// A line needs the opportunity's price book, and one price, not two; the other one follows.
pub(super) fn settle(org: &Org, fields: &mut Fields, given: &Fields, created: bool) -> Result<(), ApiError> {
    let opportunity = org.records.live(OPPORTUNITY, &text(fields, "OpportunityId"));
    if opportunity.is_none_or(|found| found.fields.get("Pricebook2Id").is_none_or(Json::is_null)) {
        let message = "The opportunity has no price book: set Pricebook2Id first";
        return Err(ApiError::new("FIELD_INTEGRITY_EXCEPTION", message).field("PricebookEntryId"));
    }
    if has(given, "UnitPrice") && has(given, "TotalPrice") {
        return Err(ApiError::new("INVALID_FIELD", "specify UnitPrice or TotalPrice, not both"));
    }
    if created {
        if !has(fields, "UnitPrice") && !has(fields, "TotalPrice") {
            return Err(missing(&["UnitPrice".to_owned()]));
        }
        follow_entry(org, fields);
    }
    let quantity = number(fields, "Quantity");
    if has(given, "TotalPrice") && !quantity.is_zero() {
        fields.insert("UnitPrice".to_owned(), shown(number(fields, "TotalPrice") / quantity));
    } else {
        fields.insert("TotalPrice".to_owned(), shown(number(fields, "UnitPrice") * quantity));
    }
    Ok(())
}

/// What a line has from its price book entry.
fn follow_entry(org: &Org, fields: &mut Fields) {
    let Some(entry) = org.records.live("PricebookEntry", &text(fields, "PricebookEntryId")) else { return };
    let product = entry.fields.get("Product2Id").cloned().unwrap_or_default();
    fields.insert("ListPrice".to_owned(), entry.fields.get("UnitPrice").cloned().unwrap_or_default());
    if let Some(product) = product.as_str().and_then(|id| org.records.live("Product2", id)) {
        for name in ["ProductCode", "Name"] {
            fields.insert(name.to_owned(), product.fields.get(name).cloned().unwrap_or_default());
        }
    }
    fields.insert("Product2Id".to_owned(), product);
}

/// The trap: the amount of an opportunity that has lines is theirs. Another one is not refused, and not kept.
pub(super) fn keep_amount(org: &Org, fields: &mut Fields) {
    if let Some(amount) = amount(org, &text(fields, "Id")) {
        fields.insert("Amount".to_owned(), amount);
    }
}

/// The sum of an opportunity's lines; nothing when it has none.
fn amount(org: &Org, opportunity: &str) -> Option<Json> {
    let of = org.records.all(LINE).filter(|line| !line.deleted);
    let lines = of.filter(|line| line.fields.get("OpportunityId").is_some_and(|id| id == opportunity));
    let totals: Vec<Decimal> = lines.map(|line| number(&line.fields, "TotalPrice")).collect();
    (!totals.is_empty()).then(|| shown(totals.iter().sum()))
}

impl Org {
    /// A line was written: its opportunity changes with it.
    pub(super) fn roll_up(&mut self, object: &str, id: &str) {
        let line = self.records.get(LINE, id).filter(|_| object == LINE);
        let Some(opportunity) = line.map(|line| text(&line.fields, "OpportunityId")) else { return };
        let (amount, now) = (amount(self, &opportunity), json!(self.stamp_now()));
        let Some(record) = self.records.get_mut(OPPORTUNITY, &opportunity) else { return };
        record.fields.insert("HasOpportunityLineItem".to_owned(), json!(amount.is_some()));
        if let Some(amount) = amount {
            record.fields.insert("Amount".to_owned(), amount);
        }
        for name in ["SystemModstamp", "LastModifiedDate"] {
            record.fields.insert(name.to_owned(), now.clone());
        }
    }
}

fn text(fields: &Fields, name: &str) -> String {
    fields.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn number(fields: &Fields, name: &str) -> Decimal {
    fields.get(name).and_then(|value| value.to_string().parse().ok()).unwrap_or_default()
}

/// As Java writes a double: 1188.0.
fn shown(number: Decimal) -> Json {
    let number = number.round_dp(2).normalize();
    let text = if number.fract().is_zero() { format!("{number}.0") } else { number.to_string() };
    text.parse().map_or(Json::Null, Json::Number)
}
