//! Tags, lists and automations, and who is in them.

use serde_json::{Value as Json, json};

use super::account::{Account, Record, id_of, text_of};
use super::contacts::SUBSCRIBER;
use super::error::ApiError;
use super::page::page;
use crate::sandbox::reply::Request;

impl Account {
    /// `GET /tags`. `search` finds whatever contains it; `filters[search][eq]` the very name.
    pub(super) fn tags(&self, request: &Request) -> Json {
        let very = request.parameter("filters[search][eq]");
        let part = request.parameter("search").or_else(|| request.parameter("filters[search][contains]"));
        let found = self.all("tag").filter(|(_, tag)| {
            let name = text_of(tag, "tag").to_lowercase();
            very.as_ref().is_none_or(|very| name == very.to_lowercase())
                && part.as_ref().is_none_or(|part| name.contains(&part.to_lowercase()))
        });
        page(request, "tags", found.map(|(_, tag)| tag))
    }

    /// `POST /tags`. A name is one whatever its case.
    pub(super) fn add_tag(&mut self, given: &Record) -> Result<u64, ApiError> {
        let name = text_of(given, "tag");
        if name.trim().is_empty() {
            return Err(ApiError::missing_field("tag"));
        }
        if self.first("tag", |tag| text_of(tag, "tag").eq_ignore_ascii_case(&name)).is_some() {
            return Err(ApiError::duplicate("Tag already exists", "tag"));
        }
        let tag = json!({"tag": name, "tagType": text_of(given, "tagType"), "description": text_of(given, "description"),
            "cdate": self.stamp()});
        self.add("tag", tag.as_object().cloned().unwrap_or_default())
    }

    /// `POST /contactTags`: the link that is there comes back. True when it is new.
    pub(super) fn put_on(&mut self, given: &Record) -> Result<(u64, bool), ApiError> {
        let contact = self.contact_in(given)?;
        let Some(tag) = id_of(given, "tag") else {
            return Err(ApiError::invalid("Tag id must be a number", "invalid", "tag"));
        };
        if self.get("tag", tag).is_none() {
            return Err(ApiError::no_result("Tag", &tag.to_string()));
        }
        let there = self.first("contactTag", |link| {
            id_of(link, "contact") == Some(contact) && id_of(link, "tag") == Some(tag)
        });
        if let Some(link) = there {
            return Ok((link, false));
        }
        let link = json!({"contact": contact.to_string(), "tag": tag.to_string(), "cdate": self.stamp(), "links": {}});
        Ok((self.add("contactTag", link.as_object().cloned().unwrap_or_default())?, true))
    }

    /// `GET /contacts/{id}/contactTags`.
    pub(super) fn tags_of(&self, request: &Request, contact: u64) -> Result<Json, ApiError> {
        if self.get("contact", contact).is_none() {
            return Err(ApiError::no_result(SUBSCRIBER, &contact.to_string()));
        }
        let links = self.all("contactTag").filter(|(_, link)| id_of(link, "contact") == Some(contact));
        Ok(page(request, "contactTags", links.map(|(_, link)| link)))
    }

    /// `POST /contactLists`: 1 subscribes, also those who had opted out, 2 takes out. True when the link is new.
    pub(super) fn subscribe(&mut self, given: &Record) -> Result<(u64, bool), ApiError> {
        let contact = self.contact_in(given)?;
        let list = id_of(given, "list").filter(|list| self.get("list", *list).is_some());
        let list = list.ok_or_else(|| ApiError::no_result("List", &text_of(given, "list")))?;
        let status = text_of(given, "status");
        if !["1", "2"].contains(&status.as_str()) {
            return Err(ApiError::invalid("Status must be 1 or 2", "invalid", "status"));
        }
        let there = self.first("contactList", |link| {
            id_of(link, "contact") == Some(contact) && id_of(link, "list") == Some(list)
        });
        if let Some(link) = there {
            self.change("contactList", link, Record::from_iter([("status".to_owned(), json!(status))]));
            return Ok((link, false));
        }
        let link = json!({"contact": contact.to_string(), "list": list.to_string(), "status": status});
        Ok((self.add("contactList", link.as_object().cloned().unwrap_or_default())?, true))
    }

    /// `POST /contactAutomations`: lets a contact enter an automation.
    pub(super) fn enter(&mut self, given: &Record) -> Result<u64, ApiError> {
        let contact = self.contact_in(given)?;
        let automation = id_of(given, "automation").filter(|id| self.get("automation", *id).is_some());
        let automation =
            automation.ok_or_else(|| ApiError::no_result("Automation", &text_of(given, "automation")))?;
        let entry = json!({"contact": contact.to_string(), "automation": automation.to_string(), "adddate": self.stamp()});
        self.add("contactAutomation", entry.as_object().cloned().unwrap_or_default())
    }

    fn contact_in(&self, given: &Record) -> Result<u64, ApiError> {
        let contact = id_of(given, "contact").filter(|contact| self.get("contact", *contact).is_some());
        contact.ok_or_else(|| ApiError::no_result(SUBSCRIBER, &text_of(given, "contact")))
    }
}
