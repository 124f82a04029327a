//! Users, workgroups, and what users are told by the bell.

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value as Json, json};

use super::crm::{Answer, paged};
use super::error::ApiError;
use super::params::{Params, number, text};
use super::portal::{CALLER, Portal};

/// Notes beyond this are told, and the oldest forgotten.
const NOTES_MAX: usize = 10_000;

/// A workgroup.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) owner: u64,
    pub(super) members: IndexSet<u64>,
    /// Invited, and not a member before they accept.
    pub(super) asked: IndexSet<u64>,
}

/// A note by the bell.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) user: u64,
    pub(super) text: String,
    tag: Option<String>,
}

/// Users and groups.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) users: IndexMap<u64, Map<String, Json>>,
    pub(super) groups: IndexMap<u64, Group>,
    pub(super) notes: IndexMap<u64, Note>,
    /// Who was sent an invitation by mail, in order.
    pub(super) invitations: Vec<String>,
    last_note: u64,
}

impl People {
    /// Adds a member of staff; gives the id.
    pub(super) fn employ(&mut self, first: &str, last: &str, email: &str) -> u64 {
        let id = self.next_user();
        self.users.insert(id, user(id, first, last, email, "employee"));
        id
    }

    /// Adds a workgroup.
    pub(super) fn found(&mut self, id: u64, name: &str, owner: u64) {
        let members = IndexSet::from([owner]);
        let group = Group { name: name.to_owned(), owner, members, asked: IndexSet::new() };
        self.groups.insert(id, group);
    }

    fn next_user(&self) -> u64 {
        self.users.keys().max().map_or(1, |last| last + 1)
    }

    fn by_email(&self, email: &str) -> Option<u64> {
        let has = |user: &&Map<String, Json>| text(&user["EMAIL"]).eq_ignore_ascii_case(email.trim());
        self.users.iter().find(|(_, user)| has(user)).map(|(id, _)| *id)
    }
}

fn user(id: u64, first: &str, last: &str, email: &str, kind: &str) -> Map<String, Json> {
    let user = json!({"ID": id.to_string(), "ACTIVE": true, "NAME": first, "LAST_NAME": last, "EMAIL": email, "USER_TYPE": kind});
    user.as_object().cloned().unwrap_or_default()
}

impl Portal {
    pub(super) fn users(&mut self, method: &str, params: &Params) -> Result<Answer, ApiError> {
        match method {
            "user.get" => Ok(self.found_users(params)),
            "user.current" | "profile" => {
                let mut me = self.people.users.get(&CALLER).cloned().unwrap_or_default();
                me.insert("ADMIN".to_owned(), json!(true));
                Ok(Json::Object(me).into())
            }
            "user.add" => self.invite(params).map(|id| json!(id).into()),
            "user.update" => {
                let id = params.id("ID")?;
                let user = self.people.users.get_mut(&id).ok_or_else(ApiError::not_found)?;
                for (name, value) in params.0.iter().filter(|(name, _)| *name != "ID") {
                    let value = if name == "ACTIVE" { json!(is_yes(value)) } else { value.clone() };
                    user.insert(name.clone(), value);
                }
                self.changed();
                Ok(json!(true).into())
            }
            _ => Err(ApiError::of_status(404)),
        }
    }

    fn found_users(&self, params: &Params) -> Answer {
        // The names of filters may stand at the top as well.
        let filter =
            params.get("FILTER").and_then(Json::as_object).cloned().unwrap_or_else(|| params.0.clone());
        let fits = |user: &&Map<String, Json>| {
            filter.iter().all(|(name, wanted)| match user.get(name.to_uppercase().as_str()) {
                Some(Json::Bool(held)) => *held == is_yes(wanted),
                Some(held) => text(held).eq_ignore_ascii_case(&text(wanted)),
                None => true,
            })
        };
        let found: Vec<&Map<String, Json>> = self.people.users.values().filter(fits).collect();
        paged(&found, params.start().max(0), |user| Json::Object((*user).clone()))
    }

    /// Makes a user and sends an invitation. What is wrong with the groups is found when the user is there already.
    fn invite(&mut self, params: &Params) -> Result<u64, ApiError> {
        let email = params.get("EMAIL").map(text).unwrap_or_default();
        if !email.contains('@') {
            return Err(ApiError::new("ERROR_ARGUMENT", "wrong_email"));
        }
        if self.people.by_email(&email).is_some() {
            return Err(ApiError::new("ERROR_ARGUMENT", "A user with this email already exists"));
        }
        let outside = params.get("EXTRANET").is_some_and(is_yes);
        if !outside && params.get("UF_DEPARTMENT").is_none() {
            return Err(ApiError::new("ERROR_ARGUMENT", "no_extranet_field"));
        }
        let given = |name: &str| params.get(name).map(text).unwrap_or_default();
        let id = self.people.next_user();
        let kind = if outside { "extranet" } else { "employee" };
        self.people.users.insert(id, user(id, &given("NAME"), &given("LAST_NAME"), &email, kind));
        self.people.invitations.push(email);
        self.created("user");
        self.outbox.tell("ONUSERADD", id, self.clock.now().as_second());
        let groups: Vec<u64> =
            params.texts("SONET_GROUP_ID").iter().filter_map(|id| id.parse().ok()).collect();
        if outside && groups.is_empty() {
            return Err(ApiError::new("ERROR_NO_GROUP", "The group is not specified"));
        }
        for group in groups {
            let group = self.people.groups.get_mut(&group);
            group.ok_or_else(|| ApiError::new("ERROR_GROUPID", "Wrong group id"))?.asked.insert(id);
        }
        Ok(id)
    }

    pub(super) fn groups(&mut self, method: &str, params: &Params) -> Result<Answer, ApiError> {
        match method {
            "sonet_group.get" => Ok(self.found_groups(params)),
            "sonet_group.create" => {
                let name = text(params.need("NAME")?);
                let id = self.people.groups.keys().max().map_or(1, |last| last + 1);
                self.people.found(id, &name, CALLER);
                self.created("group");
                Ok(json!(id).into())
            }
            "sonet_group.user.get" => {
                let group = params.id("ID")?;
                let group = self.people.groups.get(&group).ok_or_else(no_group)?;
                let role = |user: &u64| if *user == group.owner { "A" } else { "K" };
                let members =
                    group.members.iter().map(|user| json!({"USER_ID": user.to_string(), "ROLE": role(user)}));
                Ok(members.collect::<Json>().into())
            }
            "sonet_group.user.add" | "sonet_group.user.delete" => {
                let wanted = params.id("GROUP_ID").map_err(|_| ApiError::plain("Wrong group ID"))?;
                let put = method.ends_with("add");
                let users: Vec<u64> =
                    params.texts("USER_ID").iter().filter_map(|id| id.parse().ok()).collect();
                if users.is_empty() {
                    return Err(ApiError::plain("Wrong user IDs"));
                }
                let known: Vec<u64> =
                    users.into_iter().filter(|user| self.people.users.contains_key(user)).collect();
                let group = self.people.groups.get_mut(&wanted).ok_or_else(no_group)?;
                let really = |user: &u64| {
                    if put {
                        group.asked.shift_remove(user);
                        group.members.insert(*user)
                    } else {
                        *user != group.owner && group.members.shift_remove(user)
                    }
                };
                let changed: Vec<String> =
                    known.iter().copied().filter(really).map(|user| user.to_string()).collect();
                if !changed.is_empty() {
                    self.changed();
                }
                Ok(json!(changed).into())
            }
            _ => Err(ApiError::of_status(404)),
        }
    }

    fn found_groups(&self, params: &Params) -> Answer {
        let filter = params.map("FILTER");
        let fits = |id: u64, group: &Group| {
            filter.iter().all(|(name, wanted)| match name.as_str() {
                "ID" => number(wanted) == Some(id),
                "NAME" => group.name == text(wanted),
                "%NAME" => group.name.contains(&text(wanted)),
                _ => true,
            })
        };
        let found: Vec<Json> = self
            .people
            .groups
            .iter()
            .filter(|(id, group)| fits(**id, group))
            .map(|(id, group)| json!({"ID": id.to_string(), "NAME": group.name, "OWNER_ID": group.owner.to_string()}))
            .collect();
        paged(&found, params.start().max(0), Json::clone)
    }

    /// `im.notify.system.add` and its like: `false` when there is nobody to tell.
    pub(super) fn notify(&mut self, params: &Params) -> Result<Answer, ApiError> {
        let user = params
            .get("USER_ID")
            .and_then(number)
            .ok_or_else(|| ApiError::new("USER_ID_EMPTY", "User ID can't be empty"))?;
        let said = params.get("MESSAGE").map(text).filter(|text| !text.is_empty());
        let said = said.ok_or_else(|| ApiError::new("MESSAGE_EMPTY", "Message can't be empty"))?;
        if !self.people.users.contains_key(&user) {
            return Ok(json!(false).into());
        }
        // Through a webhook a tag counts only beside a client id.
        let tag = params.get("CLIENT_ID").and_then(|_| params.get("TAG")).map(text);
        let notes = &mut self.people.notes;
        notes.retain(|_, note| note.user != user || tag.is_none() || note.tag != tag);
        if notes.len() == NOTES_MAX {
            notes.shift_remove_index(0);
        }
        self.people.last_note += 1;
        let id = self.people.last_note;
        self.people.notes.insert(id, Note { user, text: said, tag });
        self.created("notification");
        Ok(json!(id).into())
    }
}

fn no_group() -> ApiError {
    ApiError::plain("Socialnetwork group not found")
}

fn is_yes(value: &Json) -> bool {
    matches!(value, Json::Bool(true)) || matches!(text(value).as_str(), "Y" | "y" | "1" | "true")
}
