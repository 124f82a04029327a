//! Connections (stores), their customers and orders: the v3 side. Amounts are whole cents.

use serde_json::{Value as Json, json};

use super::account::{Account, Record, id_of, text_of};
use super::error::ApiError;
use super::page::{filter, fits, page};
use crate::sandbox::reply::Request;

impl Account {
    /// `POST /connections`: all five of its fields are a must.
    pub(super) fn add_connection(&mut self, given: &Record) -> Result<u64, ApiError> {
        for field in ["service", "externalid", "name", "logoUrl", "linkUrl"] {
            if text_of(given, field).is_empty() {
                return Err(ApiError::missing_field(field));
            }
        }
        let key = |record: &Record| (text_of(record, "service"), text_of(record, "externalid"));
        if self.first("connection", |connection| key(connection) == key(given)).is_some() {
            return Err(ApiError::duplicate("The connection already exists", "externalid"));
        }
        self.add("connection", given.clone())
    }

    /// `GET /connections`.
    pub(super) fn connections(&self, request: &Request) -> Json {
        let found = self.all("connection").filter(|(_, it)| fits(request, &["service", "externalid"], it));
        page(request, "connections", found.map(|(_, connection)| connection))
    }

    /// The customer of a store with this outer id.
    pub(super) fn customer_of(&self, connection: u64, externalid: &str) -> Option<u64> {
        self.first("ecomCustomer", |customer| {
            id_of(customer, "connectionid") == Some(connection)
                && text_of(customer, "externalid") == externalid
        })
    }

    /// `POST /ecomCustomers`. Who is no contact yet becomes one.
    pub(super) fn add_customer(&mut self, given: &Record) -> Result<u64, ApiError> {
        let connection = self.store_of(given)?;
        for field in ["externalid", "email"] {
            if text_of(given, field).is_empty() {
                return Err(ApiError::missing_field(field));
            }
        }
        if self.customer_of(connection, &text_of(given, "externalid")).is_some() {
            return Err(ApiError::duplicate(
                "The e-commerce customer already exists in the system.",
                "externalid",
            ));
        }
        self.known(given)?;
        let customer = json!({"connectionid": connection.to_string(), "externalid": text_of(given, "externalid"),
            "email": text_of(given, "email"), "acceptsMarketing": text_of(given, "acceptsMarketing"),
            "totalRevenue": "0", "totalOrders": "0", "totalProducts": "0", "tstamp": self.stamp()});
        self.add("ecomCustomer", customer.as_object().cloned().unwrap_or_default())
    }

    /// Makes the e-mail address of an order or a customer a contact's.
    pub(super) fn known(&mut self, given: &Record) -> Result<(), ApiError> {
        let email = text_of(given, "email");
        if !email.is_empty() && self.contact_of(&email).is_none() {
            self.add_contact(&Record::from_iter([("email".to_owned(), json!(email))]))?;
        }
        Ok(())
    }

    /// `PUT /ecomCustomers/{id}`.
    pub(super) fn change_customer(&mut self, id: u64, given: &Record) -> Result<(), ApiError> {
        let changed = self.change("ecomCustomer", id, given.clone());
        if changed { Ok(()) } else { Err(ApiError::no_result("EcomCustomer", &id.to_string())) }
    }

    /// `GET /ecomCustomers`. Who asks for all gets a row besides that sums up a person and belongs to no store.
    pub(super) fn customers(&self, request: &Request) -> Json {
        let known = ["email", "externalid", "connectionid"];
        let found = self.all("ecomCustomer").filter(|(_, it)| fits(request, &known, it)).map(|(_, it)| it);
        let mut found: Vec<Record> = found.cloned().collect();
        if filter(request, "connectionid").is_none() {
            let sums = found.first().cloned().map(|mut sum| {
                sum.insert("connectionid".to_owned(), json!("0"));
                sum.insert("id".to_owned(), json!("1"));
                sum
            });
            found.extend(sums);
        }
        page(request, "ecomCustomers", found.iter())
    }

    /// `POST /ecomOrders`. With `source: 1` it counts as bought now.
    pub(super) fn add_order(&mut self, given: &Record) -> Result<u64, ApiError> {
        let connection = self.store_of(given)?;
        let is_cart =
            !text_of(given, "externalcheckoutid").is_empty() && !text_of(given, "abandonedDate").is_empty();
        let must = ["email", "currency", "totalPrice", "customerid", "externalCreatedDate"];
        let id = if is_cart { "externalcheckoutid" } else { "externalid" };
        for field in must.into_iter().chain([id]) {
            if text_of(given, field).is_empty() {
                return Err(ApiError::missing_field(field));
            }
        }
        if given.get("totalPrice").is_none_or(|price| !price.is_i64()) {
            return Err(ApiError::invalid("totalPrice must be an integer in cents", "invalid", "totalPrice"));
        }
        if self.order_of(connection, &text_of(given, "externalid")).is_some() {
            return Err(ApiError::duplicate("The order already exists in the system.", "externalid"));
        }
        if id_of(given, "customerid").is_none_or(|id| self.get("ecomCustomer", id).is_none()) {
            return Err(ApiError::invalid("The customer does not exist", "invalid", "customerid"));
        }
        if text_of(given, "source") == "1" {
            self.purchases.push(text_of(given, "externalid"));
        }
        self.add("ecomOrder", shown(given.clone(), if is_cart { "2" } else { "1" }))
    }

    /// The order of a store with this outer id.
    pub(super) fn order_of(&self, connection: u64, externalid: &str) -> Option<u64> {
        self.first("ecomOrder", |order| {
            id_of(order, "connectionid") == Some(connection)
                && !externalid.is_empty()
                && text_of(order, "externalid") == externalid
        })
    }

    /// `PUT /ecomOrders/{id}`.
    pub(super) fn change_order(&mut self, id: u64, given: &Record) -> Result<(), ApiError> {
        let changes = shown(given.clone(), "1");
        if self.change("ecomOrder", id, changes) {
            Ok(())
        } else {
            Err(ApiError::no_result("EcomOrder", &id.to_string()))
        }
    }

    /// `GET /ecomOrders`.
    pub(super) fn orders(&self, request: &Request) -> Json {
        let known = ["connectionid", "externalid", "externalcheckoutid", "email", "state", "customerid"];
        let found = self.all("ecomOrder").filter(|(_, order)| fits(request, &known, order));
        page(request, "ecomOrders", found.map(|(_, order)| order))
    }

    fn store_of(&self, given: &Record) -> Result<u64, ApiError> {
        let connection = id_of(given, "connectionid").filter(|id| self.get("connection", *id).is_some());
        connection
            .ok_or_else(|| ApiError::invalid("The connection does not exist", "invalid", "connectionid"))
    }
}

/// An order as it comes back: ids are texts, amounts numbers.
fn shown(mut order: Record, state: &str) -> Record {
    for name in ["connectionid", "customerid", "source"] {
        if let Some(value) = order.get(name).filter(|value| value.is_i64()).map(Json::to_string) {
            order.insert(name.to_owned(), json!(value));
        }
    }
    order.insert("state".to_owned(), json!(state));
    order
}
