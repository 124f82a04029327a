//! Tasks, and what stands on a record's timeline.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::crm::{Answer, paged};
use super::error::ApiError;
use super::params::{Params, text};
use super::portal::{CALLER, Portal};

/// Tasks by id, and entries of timelines by kind and id.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) entries: IndexMap<&'static str, IndexMap<u64, Map<String, Json>>>,
}

impl Tasks {
    fn of(&self, kind: &str) -> impl Iterator<Item = (u64, &Map<String, Json>)> {
        self.entries.get(kind).into_iter().flatten().map(|(id, entry)| (*id, entry))
    }
}

impl Portal {
    fn keep(&mut self, kind: &'static str, fields: Map<String, Json>) -> u64 {
        let id = self.next(kind, 0);
        let mut entry = Map::from_iter([("ID".to_owned(), json!(id.to_string()))]);
        entry.extend(fields);
        self.tasks.entries.entry(kind).or_default().insert(id, entry);
        self.created(kind);
        id
    }

    fn kept(&mut self, kind: &str, id: u64) -> Result<&mut Map<String, Json>, ApiError> {
        self.tasks
            .entries
            .get_mut(kind)
            .and_then(|entries| entries.get_mut(&id))
            .ok_or_else(ApiError::not_found)
    }

    fn forget(&mut self, kind: &str, id: u64) -> Result<(), ApiError> {
        let entries = self.tasks.entries.get_mut(kind);
        entries.and_then(|entries| entries.shift_remove(&id)).ok_or_else(ApiError::not_found)?;
        self.changed();
        Ok(())
    }

    fn filtered(&self, kind: &str, params: &Params) -> Vec<Map<String, Json>> {
        let filter = params.map("filter");
        let fits = |entry: &Map<String, Json>| {
            filter.iter().all(|(name, wanted)| {
                let name = name.trim_start_matches('=');
                entry.get(name).is_none_or(|held| text(held) == text(wanted))
                    && (entry.contains_key(name) || !["ORIGIN_ID", "ORIGINATOR_ID", "XML_ID"].contains(&name))
            })
        };
        self.tasks.of(kind).map(|(_, entry)| entry).filter(|entry| fits(entry)).cloned().collect()
    }

    pub(super) fn task(&mut self, method: &str, params: &Params) -> Result<Answer, ApiError> {
        match method {
            "add" => {
                let mut fields = params.map("fields");
                for name in ["TITLE", "RESPONSIBLE_ID"] {
                    if fields.get(name).map(text).unwrap_or_default().is_empty() {
                        return Err(ApiError::new("ERROR_CORE", format!("{name} is missing<br>")));
                    }
                }
                fields.entry("CREATED_BY").or_insert_with(|| json!(CALLER.to_string()));
                let id = self.keep("task", fields);
                self.outbox.tell("ONTASKADD", id, self.clock.now().as_second());
                let task = self.kept("task", id).map(|task| camel(task))?;
                Ok(json!({"task": task}).into())
            }
            "get" | "update" | "delete" => {
                let id = params.id("taskId")?;
                if method == "delete" {
                    self.forget("task", id)?;
                    return Ok(json!({"task": true}).into());
                }
                let fields = params.map("fields");
                let task = self.kept("task", id)?;
                task.extend(fields);
                let task = camel(task);
                if method == "update" {
                    self.changed();
                }
                Ok(json!({"task": task}).into())
            }
            "list" => {
                let found = self.filtered("task", params);
                let page = paged(&found, params.start(), camel);
                Ok(Answer { result: json!({"tasks": page.result}), ..page })
            }
            _ => Err(ApiError::of_status(404)),
        }
    }

    pub(super) fn timeline(&mut self, method: &str, params: &Params) -> Result<Answer, ApiError> {
        match method {
            "crm.timeline.comment.add" => {
                // Lower-case `fields`, and nothing else.
                let fields = params.0.get("fields").and_then(Json::as_object).cloned().unwrap_or_default();
                let kind = fields.get("ENTITY_TYPE").map(text).unwrap_or_default();
                let kind = self
                    .fields
                    .kind(&kind)
                    .ok_or_else(|| ApiError::new("OWNER_NOT_FOUND", "Owner was not found"))?;
                let owner = fields.get("ENTITY_ID").map(text).unwrap_or_default().parse().unwrap_or(0);
                self.record(kind, owner)
                    .ok_or_else(|| ApiError::new("OWNER_NOT_FOUND", "Owner was not found"))?;
                Ok(json!(self.keep("comment", fields)).into())
            }
            "crm.activity.todo.add" => {
                params.need("deadline")?;
                params.need("ownerId")?;
                let id = self.keep("todo", params.0.clone());
                Ok(json!({"id": id}).into())
            }
            "crm.activity.add" => Ok(json!(self.keep("activity", params.map("fields"))).into()),
            "crm.activity.list" => {
                let found = self.filtered("activity", params);
                Ok(paged(&found, params.start(), |entry| Json::Object(entry.clone())))
            }
            "crm.activity.get" => Ok(Json::Object(self.kept("activity", params.id("id")?)?.clone()).into()),
            "crm.activity.update" => {
                let fields = params.map("fields");
                self.kept("activity", params.id("id")?)?.extend(fields);
                self.changed();
                Ok(json!(true).into())
            }
            "crm.activity.delete" => self.forget("activity", params.id("id")?).map(|()| json!(true).into()),
            _ => Err(ApiError::of_status(404)),
        }
    }
}

/// A task as it is answered: `RESPONSIBLE_ID` is `responsibleId`.
fn camel(task: &Map<String, Json>) -> Json {
    let fields = task.iter().map(|(name, value)| {
        let mut words = name.split('_').map(str::to_lowercase);
        let first = words.next().unwrap_or_default();
        let name = words.fold(first, |all, word| {
            let head = word.chars().next().map(|letter| letter.to_ascii_uppercase());
            all.chars().chain(head).chain(word.chars().skip(1)).collect()
        });
        (name, value.clone())
    });
    Json::Object(fields.collect())
}
