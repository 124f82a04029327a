//! The e-commerce GraphQL: orders and recurring payments. Amounts are decimals in major units.
//!
//! A write is answered by a receipt. The contact and the store's customer are there at once; the record itself can be searched for
//! only after the account's lag, and stands in v3 after as long again. Only documents with variables are understood.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::account::{Account, Record, id_of, text, text_of};
use super::error::ApiError;

/// The kind under which an order of the GraphQL is kept.
pub(super) const ORDER: &str = "order";

/// The kind of a recurring payment.
pub(super) const RECURRING: &str = "recurringPayment";

/// The kind of an order in v3.
const V3: &str = "ecomOrder";

/// Records in one write.
const BULK_MAX: usize = 100;

/// A write that was taken and does not show yet.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    due: Timestamp,
    kind: &'static str,
    record: Record,
}

/// What is asked for: the field of the document, and its arguments.
struct Asked<'a> {
    field: &'static str,
    arguments: IndexMap<String, &'a Json>,
}

impl Asked<'_> {
    fn argument(&self, name: &str) -> &Json {
        self.arguments.get(name).copied().unwrap_or(&Json::Null)
    }
}

/// What the API has, longer names first: one may begin with another.
const FIELDS: [&str; 6] = [
    "bulkUpsertRecurringPayments",
    "bulkUpsertOrdersAsync",
    "bulkUpsertOrders",
    "upsertOrder",
    "searchOrder",
    "getOrder",
];

impl Account {
    /// `POST /ecom/graphql`. What is wrong with a write is told with status 200.
    pub(super) fn graphql(&mut self, body: &Record) -> Json {
        let query = text_of(body, "query");
        let none = Json::Null;
        let variables = body.get("variables").unwrap_or(&none);
        let asked = match asked(&query, variables) {
            Ok(asked) => asked,
            Err(message) => return json!({"errors": [{"message": message}]}),
        };
        let data = match asked.field {
            "searchOrder" => Ok(self.search(&asked)),
            "getOrder" => Ok(self.read(&asked)),
            "bulkUpsertRecurringPayments" => {
                self.take(RECURRING, "storeRecurringPaymentId", list(asked.argument("recurringPayments")))
            }
            "upsertOrder" => self.take(ORDER, "storeOrderId", vec![asked.argument("order")]),
            _ => self.take(ORDER, "storeOrderId", list(asked.argument("orders"))),
        };
        match data {
            Ok(data) => json!({"data": {asked.field: data}}),
            Err(wrong) => json!({"errors": [{"message": "Validation errors", "extensions": wrong}]}),
        }
    }

    /// Takes records, or tells of each one what is wrong with it.
    fn take(&mut self, kind: &'static str, key: &str, records: Vec<&Json>) -> Result<Json, Json> {
        let mut wrong = Map::new();
        for (number, record) in records.iter().enumerate() {
            let record = record.as_object().cloned().unwrap_or_default();
            if let Err(words) = self.check(kind, key, &record) {
                wrong.insert(format!("{number}-{key}-{}", text_of(&record, key)), json!(words));
            }
        }
        if records.is_empty() || records.len() > BULK_MAX {
            wrong.insert("0".to_owned(), json!(format!("between 1 and {BULK_MAX} records are taken")));
        }
        if !wrong.is_empty() {
            return Err(Json::Object(wrong));
        }
        let due = self.clock.now() + self.lag;
        let mut receipts = Vec::new();
        for record in records.into_iter().filter_map(Json::as_object) {
            self.meet(record).map_err(|_| json!({"0": "the account is full"}))?;
            self.receipts += 1;
            receipts.push(json!({"recordId": format!("0b0e7c1c-4a55-4f0e-9a3f-{:012x}", self.receipts)}));
            self.pending.push(Pending { due, kind, record: record.clone() });
        }
        self.settle();
        Ok(json!(receipts))
    }

    fn check(&self, kind: &str, key: &str, record: &Record) -> Result<(), String> {
        let (must, statuses): (&[&str], &[&str]) = if kind == ORDER {
            (
                &["legacyConnectionId", "storeCreatedDate", "finalAmount"],
                &[
                    "PENDING",
                    "COMPLETED",
                    "ABANDONED",
                    "RECOVERED",
                    "WAITING",
                    "CANCELLED",
                    "REFUNDED",
                    "FAILED",
                    "RETURNED",
                    "PENDING_PAYMENT",
                ],
            )
        } else {
            (
                &[
                    "legacyConnectionId",
                    "storeCustomerId",
                    "email",
                    "normalizedStatus",
                    "billingInterval",
                    "currency",
                ],
                &["ACTIVE", "CANCELLED", "EXPIRED", "PAYMENT_FAILED", "PAUSED", "PENDING"],
            )
        };
        if let Some(field) = must.iter().chain([&key]).find(|field| text_of(record, field).is_empty()) {
            return Err(format!("{field} must not be null"));
        }
        if id_of(record, "legacyConnectionId").is_none_or(|id| self.get("connection", id).is_none()) {
            return Err("legacyConnectionId is no connection of this account".to_owned());
        }
        if !record["legacyConnectionId"].is_i64() {
            return Err("legacyConnectionId must be an Int".to_owned());
        }
        let status = text_of(record, "normalizedStatus");
        if !status.is_empty() && !statuses.contains(&status.as_str()) {
            return Err(format!("normalizedStatus {status} is none"));
        }
        let interval = text_of(record, "billingInterval");
        if !interval.is_empty() && !["DAILY", "WEEKLY", "MONTHLY", "YEARLY"].contains(&interval.as_str()) {
            return Err(format!("billingInterval {interval} is none"));
        }
        Ok(())
    }

    /// What is there at once: the contact, and the store's customer.
    fn meet(&mut self, record: &Record) -> Result<(), ApiError> {
        self.known(record)?;
        let (customer, email) = (text_of(record, "storeCustomerId"), text_of(record, "email"));
        let Some(connection) = id_of(record, "legacyConnectionId") else { return Ok(()) };
        if customer.is_empty() || email.is_empty() || self.customer_of(connection, &customer).is_some() {
            return Ok(());
        }
        let given = json!({"connectionid": connection, "externalid": customer, "email": email});
        self.add_customer(given.as_object().unwrap_or(&Record::new())).map(drop)
    }

    /// Lets what is due show. Called before anything is read.
    pub(super) fn settle(&mut self) {
        let now = self.clock.now();
        while let Some(at) = self.pending.iter().position(|pending| pending.due <= now) {
            let Pending { due, kind, record } = self.pending.remove(at);
            // An account that is full took the contact, and that is all.
            let _ = match kind {
                V3 => self.copy(&record),
                _ => self.keep(kind, record, due),
            };
        }
    }

    fn keep(&mut self, kind: &'static str, record: Record, due: Timestamp) -> Result<(), ApiError> {
        let key = if kind == ORDER { "storeOrderId" } else { "storeRecurringPaymentId" };
        let same = |other: &Record| {
            [key, "legacyConnectionId"].iter().all(|name| text_of(other, name) == text_of(&record, name))
        };
        let there = self.first(kind, same);
        if kind == ORDER {
            if there.is_none() && text_of(&record, "creationSource") == "REAL_TIME" {
                self.purchases.push(text_of(&record, key));
            }
            self.pending.push(Pending { due: due + self.lag, kind: V3, record: record.clone() });
        }
        match there {
            Some(id) => {
                self.change(kind, id, record);
                Ok(())
            }
            None => self.add(kind, record).map(drop),
        }
    }

    /// The copy of an order in v3: cents there.
    fn copy(&mut self, order: &Record) -> Result<(), ApiError> {
        let connection = id_of(order, "legacyConnectionId").unwrap_or_default();
        let externalid = text_of(order, "storeOrderId");
        let mut copy = Record::new();
        copy.insert("externalid".to_owned(), json!(externalid));
        copy.insert("connectionid".to_owned(), json!(connection.to_string()));
        copy.insert(
            "source".to_owned(),
            json!(if text_of(order, "creationSource") == "REAL_TIME" { "1" } else { "0" }),
        );
        for (name, from) in
            [("email", "email"), ("currency", "currency"), ("externalCreatedDate", "storeCreatedDate")]
        {
            copy.insert(name.to_owned(), json!(text_of(order, from)));
        }
        copy.insert("totalPrice".to_owned(), json!(cents(&text_of(order, "finalAmount"))));
        match self.order_of(connection, &externalid) {
            Some(id) => {
                self.change(V3, id, copy);
                Ok(())
            }
            None => self.add(V3, copy).map(drop),
        }
    }

    /// `searchOrder(filter: {field: {value, filterOperator: EQ}})`.
    fn search(&self, asked: &Asked<'_>) -> Json {
        let filter = asked.argument("filter");
        let fits = |order: &Record| {
            filter.as_object().into_iter().flatten().all(|(name, wanted)| {
                let wanted = wanted.get("value").map(text).unwrap_or_default();
                text_of(order, name).eq_ignore_ascii_case(&wanted)
            })
        };
        self.all(ORDER).filter(|(_, order)| fits(order)).map(|(_, order)| json!(order)).collect()
    }

    fn read(&self, asked: &Asked<'_>) -> Json {
        let id = text(asked.argument("id"));
        id.parse().ok().and_then(|id| self.get(ORDER, id)).map_or(Json::Null, |order| json!(order))
    }
}

fn list(value: &Json) -> Vec<&Json> {
    value.as_array().map(|items| items.iter().collect()).unwrap_or_default()
}

/// Major units as whole cents.
fn cents(amount: &str) -> i64 {
    let amount: rust_decimal::Decimal = amount.parse().unwrap_or_default();
    (amount * rust_decimal::Decimal::ONE_HUNDRED).round().try_into().unwrap_or_default()
}

/// The one field of a document, with its arguments' variables in their place.
fn asked<'a>(query: &str, variables: &'a Json) -> Result<Asked<'a>, String> {
    let body = query.split_once('{').map_or("", |(_, body)| body);
    let field = FIELDS.into_iter().find(|field| body.contains(field));
    let field = field.ok_or_else(|| "Cannot query that field".to_owned())?;
    let after = body.split_once(field).map_or("", |(_, after)| after).trim_start();
    let written =
        after.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or("", |(inside, _)| inside);
    let mut arguments = IndexMap::new();
    for argument in written.split(',').filter(|argument| !argument.trim().is_empty()) {
        let (name, value) = argument.split_once(':').ok_or_else(|| format!("Syntax Error: {argument}"))?;
        let variable = value.trim().strip_prefix('$');
        let variable =
            variable.ok_or_else(|| "only variables are understood here, no literals".to_owned())?;
        let value =
            variables.get(variable).ok_or_else(|| format!("Variable ${variable} was not provided"))?;
        arguments.insert(name.trim().to_owned(), value);
    }
    Ok(Asked { field, arguments })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_document_names_its_field_and_its_variables() {
        let variables = json!({"o": [1], "f": {"email": {"value": "a"}}});
        let order = asked(
            "mutation M($o: [OrderInput!]!) { bulkUpsertOrdersAsync(orders: $o) { recordId } }",
            &variables,
        );
        let order = order.map(|asked| (asked.field, asked.argument("orders").clone()));
        assert_eq!(order, Ok(("bulkUpsertOrdersAsync", json!([1]))));
        for (query, message) in [
            (
                "query { searchOrder(filter: {email: \"x\"}) { id } }",
                "only variables are understood here, no literals",
            ),
            ("query { searchOrder(filter: $g) { id } }", "Variable $g was not provided"),
            ("query { searchContact(filter: $f) { id } }", "Cannot query that field"),
        ] {
            assert_eq!(asked(query, &variables).map(|asked| asked.field), Err(message.to_owned()));
        }
    }

    #[test]
    fn major_units_are_cents_in_the_older_api() {
        for (amount, whole) in [("49.00", 4_900), ("100.01", 10_001), ("7", 700), ("", 0)] {
            assert_eq!(cents(amount), whole);
        }
    }
}
