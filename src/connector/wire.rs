//! Between the values that pipelines read and write and those of the wire: fields of several values, and options whose ids stand
//! behind texts.

use std::sync::Arc;

use indexmap::IndexMap;

use super::call::{Action, Fields, Reply};
use super::compile::Compiler;
use super::expression::Expression;
use super::failure::Failure;
use super::file::{FieldFile, ObjectFile};
use super::many::{Many, alike};
use super::prelude;
use super::rename::Renaming;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::{Map, Value};

/// What of an object's fields is not written as it is.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) many: IndexMap<Arc<str>, Many>,
    /// Field -> text -> id.
    pub(super) options: Option<Expression>,
    /// Word -> field.
    pub(super) names: Option<Expression>,
    /// What a cleared field is sent as.
    cleared: Option<Value>,
    /// The preludes that `options` and `names` read.
    pub(super) needs: Vec<Arc<str>>,
}

/// What an account calls things: the options of its fields, and the fields themselves.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Field -> text -> id.
    pub(super) options: Value,
    /// Word -> field.
    pub(super) names: Renaming,
}

impl Words {
    /// `action` with ids in the place of options' texts, or what of it the account does not know.
    pub(super) fn chosen(&self, action: &Action) -> Result<Action, Failure> {
        self.names.check(action)?;
        let mut action = action.clone();
        choose(&mut action, &self.options)?;
        Ok(action)
    }
}

/// A text that is none of a field's options.
#[derive(Debug)]
pub(super) struct NoOption {
    field: Arc<str>,
    text: Arc<str>,
    known: Vec<Arc<str>>,
}

impl Wire {
    /// Of an object (`at`, `file`), laid over its shape.
    pub(super) fn compile(compiler: &mut Compiler, layers: &[(Path, &ObjectFile)], names: &Names) -> Self {
        let mut wire = Self::default();
        for (at, layer) in layers.iter().rev() {
            for (name, FieldFile::Many(file)) in &layer.fields {
                let at = at.key("fields").key(name.as_str()).key("many");
                if let Some(many) = Many::compile(compiler, &at, file, names) {
                    wire.many.insert(name.as_str().into(), many);
                }
            }
        }
        wire.cleared = layers.iter().find_map(|(_, layer)| layer.cleared.clone());
        let written = layers.iter().find_map(|(at, layer)| Some((at, layer.options.as_ref()?)));
        if let Some((at, options)) = written {
            wire.needs = prelude::named_in([&options.0]);
            wire.options = compiler.expression(&at.key("options"), &options.0, names);
        }
        let written = layers.iter().find_map(|(at, layer)| Some((at, layer.names.as_ref()?)));
        if let Some((at, words)) = written {
            let more = prelude::named_in([&words.0]).into_iter().filter(|name| !wire.needs.contains(name));
            wire.needs.extend(more.collect::<Vec<_>>());
            wire.names = compiler.expression(&at.key("names"), &words.0, names);
        }
        wire
    }

    /// True when everything is written as it is.
    pub(super) fn is_plain(&self) -> bool {
        self.many.is_empty() && self.options.is_none() && self.names.is_none() && self.cleared.is_none()
    }

    /// The fields of `action` that hold several values and change elements that may be there.
    pub(super) fn changed<'a>(&'a self, action: &'a Action) -> impl Iterator<Item = &'a Arc<str>> {
        let fields = match action {
            Action::Update { fields, .. } => Some(fields),
            _ => None,
        };
        fields.into_iter().flat_map(Map::keys).filter(|name| self.many.contains_key(*name))
    }

    /// Writes the elements of fields that hold several values. `present`: the record as the system gives it, of an update.
    pub(super) fn spell(
        &self,
        action: &mut Action,
        present: &Value,
        context: &Context,
    ) -> Result<(), Failure> {
        let (Action::Create { fields, .. } | Action::Update { fields, .. } | Action::Upsert { fields, .. }) =
            action
        else {
            return Ok(());
        };
        for (name, many) in &self.many {
            let Some(written) = fields.get(name).cloned() else { continue };
            let elements = present.get(name).and_then(Value::as_list).unwrap_or_default();
            fields.insert(Arc::clone(name), many.written(&written, elements, context)?);
        }
        let cleared =
            self.cleared.iter().flat_map(|cleared| fields.keys().cloned().map(move |name| (name, cleared)));
        for (name, cleared) in cleared.collect::<Vec<_>>() {
            if fields.get(&name).is_some_and(Value::is_nothing) {
                fields.insert(name, cleared.clone());
            }
        }
        Ok(())
    }

    /// A reply in the words and values of pipelines.
    pub(super) fn inward(&self, reply: Reply, words: &Words) -> Reply {
        let reply = words.names.inward(reply);
        let read = |record: &Value| self.read(record, &words.options);
        Reply {
            record: reply.record.as_ref().map(read),
            records: reply
                .records
                .into_iter()
                .map(|record| super::call::Record { fields: read(&record.fields), ..record })
                .collect(),
            ..reply
        }
    }

    fn read(&self, record: &Value, options: &Value) -> Value {
        let Some(fields) = record.as_map() else { return record.clone() };
        Value::map(fields.iter().map(|(name, value)| {
            let value = match (self.many.get(name), options.get(name)) {
                (Some(many), _) => Value::list(many.values(value)),
                (None, Some(options)) => text_of(value, options),
                (None, None) => value.clone(),
            };
            (Arc::clone(name), value)
        }))
    }

    /// Whether a record that the system gives has these very values.
    pub(super) fn has(&self, record: &Value, identity: &Fields) -> bool {
        identity.iter().all(|(name, wanted)| {
            let found = record.get(name).unwrap_or(&Value::Null);
            match self.many.get(name) {
                Some(many) => many.values(found).iter().any(|value| alike(value, wanted)),
                None => alike(found, wanted),
            }
        })
    }
}

/// Writes ids in the place of options' texts, wherever `action` names fields. `options`: field -> text -> id.
fn choose(action: &mut Action, options: &Value) -> Result<(), NoOption> {
    match action {
        Action::Find { identity: fields, .. }
        | Action::List { filter: fields, .. }
        | Action::Create { fields, .. }
        | Action::Update { fields, .. } => chosen(fields, options),
        Action::Upsert { key, fields, .. } => chosen(key, options).and_then(|()| chosen(fields, options)),
        Action::Get { .. }
        | Action::Delete { .. }
        | Action::Link { .. }
        | Action::Unlink { .. }
        | Action::Events { .. }
        | Action::Operation { .. } => Ok(()),
    }
}

fn chosen(fields: &mut Fields, options: &Value) -> Result<(), NoOption> {
    for (name, options) in options.as_map().into_iter().flatten() {
        let Some(written) = fields.get(name).filter(|written| !written.is_blank()) else { continue };
        let id = id_of(name, written, options)?;
        fields.insert(Arc::clone(name), id);
    }
    Ok(())
}

fn id_of(field: &Arc<str>, written: &Value, options: &Value) -> Result<Value, NoOption> {
    if let Some(items) = written.as_list() {
        return items
            .iter()
            .map(|item| id_of(field, item, options))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from);
    }
    let text = written.to_text().unwrap_or_else(|| written.to_json().into());
    let known = || options.as_map().into_iter().flatten();
    let id = known()
        .find(|(known, _)| **known == text)
        .or_else(|| known().find(|(known, _)| known.trim().to_lowercase() == text.trim().to_lowercase()));
    id.map(|(_, id)| id.clone()).ok_or_else(|| NoOption {
        field: Arc::clone(field),
        text,
        known: known().map(|(text, _)| Arc::clone(text)).collect(),
    })
}

/// The text of an option; what is none stays as it is.
fn text_of(value: &Value, options: &Value) -> Value {
    if let Some(items) = value.as_list() {
        return Value::list(items.iter().map(|item| text_of(item, options)));
    }
    let text = options.as_map().into_iter().flatten().find(|(_, id)| alike(id, value));
    text.map_or_else(|| value.clone(), |(text, _)| Value::from(Arc::clone(text)))
}

impl From<NoOption> for Failure {
    fn from(NoOption { field, text, known }: NoOption) -> Self {
        const SHOWN: usize = 12;
        let mut words = known.iter().take(SHOWN).map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        if known.len() > SHOWN {
            words.push_str(", ...");
        }
        Failure {
            fields: vec![field.to_string()],
            ..Failure::permanent(format!("`{text}` is not an option of `{field}`, which has {words}"))
        }
    }
}
