//! Contacts and their custom fields.

use serde_json::{Value as Json, json};

use super::account::{Account, Record, id_of, text, text_of};
use super::error::ApiError;
use super::page::{Times, filter, fits, page};
use crate::sandbox::reply::Request;

/// What a contact has by itself.
const OWN: [&str; 4] = ["email", "firstName", "lastName", "phone"];

/// What an older endpoint calls a contact when it has none.
pub(super) const SUBSCRIBER: &str = "Subscriber";

impl Account {
    /// The contact with this e-mail address, which is told apart without regard to case.
    pub(super) fn contact_of(&self, email: &str) -> Option<u64> {
        let email = email.trim().to_lowercase();
        self.first("contact", |contact| text_of(contact, "email").to_lowercase() == email)
    }

    /// `GET /contacts`.
    pub(super) fn contacts(&self, request: &Request) -> Json {
        let parameter = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
        let (email, part) = (parameter("email"), parameter("email_like").or_else(|| parameter("search")));
        let (tag, list) = (parameter("tagid"), parameter("listid"));
        let after: Option<u64> = parameter("id_greater").and_then(|id| id.parse().ok());
        let times = Times::of(request, "udate");
        let linked = |kind: &str, key: &str, id: u64, to: &str| {
            self.all(kind).any(|(_, link)| id_of(link, "contact") == Some(id) && text_of(link, key) == to)
        };
        let found = self.all("contact").filter(|(id, contact)| {
            let own = text_of(contact, "email").to_lowercase();
            email.as_ref().is_none_or(|email| own == email.trim().to_lowercase())
                && part.as_ref().is_none_or(|part| own.contains(&part.to_lowercase()))
                && after.is_none_or(|after| *id > after)
                && tag.as_ref().is_none_or(|tag| linked("contactTag", "tag", *id, tag))
                && list.as_ref().is_none_or(|list| linked("contactList", "list", *id, list))
                && times.hold(contact)
        });
        page(request, "contacts", found.map(|(_, contact)| contact))
    }

    /// `GET /contacts/{id}`: with what hangs on it beside it.
    pub(super) fn contact(&self, id: u64) -> Result<Json, ApiError> {
        let contact =
            self.get("contact", id).ok_or_else(|| ApiError::no_result(SUBSCRIBER, &id.to_string()))?;
        let of = |kind: &str| {
            self.all(kind)
                .filter(|(_, record)| id_of(record, "contact") == Some(id))
                .map(|(_, record)| Json::Object(record.clone()))
                .collect::<Json>()
        };
        Ok(json!({"contactLists": of("contactList"), "fieldValues": of("fieldValue"), "contact": contact}))
    }

    /// `POST /contact/sync`: by the e-mail address and nothing else. True when the contact is new.
    pub(super) fn sync(&mut self, given: &Record) -> Result<(u64, bool), ApiError> {
        if text_of(given, "email").trim().is_empty() {
            return Err(ApiError::bad_request("Contact email must be provided for sync"));
        }
        if let Some(id) = self.contact_of(&text_of(given, "email")) {
            self.change_contact(id, given)?;
            return Ok((id, false));
        }
        self.add_contact(given).map(|id| (id, true))
    }

    /// `POST /contacts`.
    pub(super) fn add_contact(&mut self, given: &Record) -> Result<u64, ApiError> {
        let email = checked_email(&text_of(given, "email"))?;
        if self.contact_of(&email).is_some() {
            return Err(ApiError::duplicate("Email address already exists in the system", "email"));
        }
        let now = self.stamp();
        let mut contact = Record::new();
        for name in OWN {
            contact.insert(name.to_owned(), json!(text_of(given, name).trim()));
        }
        contact.extend([
            ("email_empty".to_owned(), json!(false)),
            ("cdate".to_owned(), now.clone()),
            ("udate".to_owned(), now),
            ("orgid".to_owned(), json!("")),
            ("links".to_owned(), json!({})),
        ]);
        let id = self.add("contact", contact)?;
        self.write_values(id, given);
        Ok(id)
    }

    /// `PUT /contacts/{id}`. What is not given stays.
    pub(super) fn change_contact(&mut self, id: u64, given: &Record) -> Result<(), ApiError> {
        if self.get("contact", id).is_none() {
            return Err(ApiError::no_result(SUBSCRIBER, &id.to_string()));
        }
        let mut changes: Record = OWN
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), json!(text(given.get(*name)?).trim()))))
            .collect();
        if let Some(email) = given.get("email").map(text) {
            let email = checked_email(&email)?;
            if self.contact_of(&email).is_some_and(|other| other != id) {
                return Err(ApiError::duplicate("Email address already exists in the system", "email"));
            }
        }
        changes.insert("udate".to_owned(), self.stamp());
        self.change("contact", id, changes);
        self.write_values(id, given);
        Ok(())
    }

    /// Takes a contact away, and what hangs on it.
    pub(super) fn remove_contact(&mut self, id: u64) -> Result<(), ApiError> {
        if !self.remove("contact", id) {
            return Err(ApiError::no_result(SUBSCRIBER, &id.to_string()));
        }
        for kind in ["fieldValue", "contactTag", "contactList"] {
            let hanging = self.all(kind).filter(|(_, record)| id_of(record, "contact") == Some(id));
            let hanging: Vec<u64> = hanging.map(|(id, _)| id).collect();
            for id in hanging {
                self.remove(kind, id);
            }
        }
        Ok(())
    }

    /// `fieldValues` beside a contact's own fields. A field that there is none of is passed over in silence.
    fn write_values(&mut self, contact: u64, given: &Record) {
        for entry in given.get("fieldValues").and_then(Json::as_array).into_iter().flatten() {
            let Some(entry) = entry.as_object() else { continue };
            let Some(field) = id_of(entry, "field").filter(|field| self.get("field", *field).is_some())
            else {
                continue;
            };
            // An account that is full refuses its contacts first.
            let _ = self.put_value(contact, field, &text_of(entry, "value"));
        }
    }

    /// Writes a contact's value of a field over the one that is there; an empty one clears.
    fn put_value(&mut self, contact: u64, field: u64, value: &str) -> Result<u64, ApiError> {
        let there = self.first("fieldValue", |record| {
            id_of(record, "contact") == Some(contact) && id_of(record, "field") == Some(field)
        });
        let now = self.stamp();
        if let Some(id) = there {
            self.change(
                "fieldValue",
                id,
                Record::from_iter([("value".to_owned(), json!(value)), ("udate".to_owned(), now)]),
            );
            return Ok(id);
        }
        let record = json!({"contact": contact.to_string(), "field": field.to_string(), "value": value,
            "cdate": now, "udate": now, "owner": contact.to_string()});
        self.add("fieldValue", record.as_object().cloned().unwrap_or_default())
    }

    /// `POST /fieldValues`: here a field that there is none of is refused.
    pub(super) fn add_value(&mut self, given: &Record) -> Result<u64, ApiError> {
        let field = id_of(given, "field").filter(|field| self.get("field", *field).is_some());
        let field = field.ok_or_else(|| ApiError::invalid("Field id not valid", "field_invalid", "field"))?;
        let contact = id_of(given, "contact").filter(|contact| self.get("contact", *contact).is_some());
        let contact = contact.ok_or_else(|| ApiError::no_result(SUBSCRIBER, &text_of(given, "contact")))?;
        self.put_value(contact, field, &text_of(given, "value"))
    }

    /// `GET /fieldValues`: who has a value of a field.
    pub(super) fn values(&self, request: &Request) -> Json {
        let (field, value) = (filter(request, "fieldid"), filter(request, "val"));
        let found = self.all("fieldValue").filter(|(_, record)| {
            field.as_ref().is_none_or(|field| text_of(record, "field") == *field)
                && value.as_ref().is_none_or(|value| text_of(record, "value") == *value)
        });
        page(request, "fieldValues", found.map(|(_, record)| record))
    }

    /// `GET /fields`.
    pub(super) fn fields(&self, request: &Request) -> Json {
        let found = self.all("field").filter(|(_, field)| fits(request, &["perstag", "title"], field));
        let (mut fields, mut options) = (Vec::new(), Vec::new());
        for (id, field) in found {
            // A field names its options by their ids; what they are stands beside it.
            let told = |(index, value): (usize, &Json)| {
                json!({"id": format!("{id}{index:02}"), "field": id.to_string(), "orderid": index.to_string(),
                       "value": value, "label": value, "isdefault": "0"})
            };
            let values = field.get("options").and_then(Json::as_array).into_iter().flatten();
            let own: Vec<Json> = values.enumerate().map(told).collect();
            let mut field = field.clone();
            field.insert("options".to_owned(), own.iter().map(|option| option["id"].clone()).collect());
            fields.push(field);
            options.extend(own);
        }
        let mut page = page(request, "fields", fields.iter());
        page["fieldOptions"] = options.into();
        page
    }

    /// `POST /fields`.
    pub(super) fn add_field(&mut self, given: &Record) -> Result<u64, ApiError> {
        let title = text_of(given, "title");
        if title.is_empty() {
            return Err(ApiError::missing_field("title"));
        }
        let perstag = match text_of(given, "perstag") {
            given if given.is_empty() => title.to_uppercase().replace(' ', "_"),
            given => given,
        };
        let taken = |field: &Record| text_of(field, "perstag") == perstag || text_of(field, "title") == title;
        if self.first("field", taken).is_some() {
            return Err(ApiError::duplicate("A field with this title already exists", "title"));
        }
        self.counts.writes += 1;
        let kind = text_of(given, "type");
        Ok(self.declare(&title, &perstag, if kind.is_empty() { "text" } else { &kind }))
    }
}

fn checked_email(email: &str) -> Result<String, ApiError> {
    let email = email.trim();
    match email.split_once('@') {
        Some((name, host)) if !name.is_empty() && host.contains('.') && !email.contains(' ') => {
            Ok(email.to_owned())
        }
        _ => Err(ApiError::invalid("Contact Email Address is not valid.", "email_invalid", "email")),
    }
}
