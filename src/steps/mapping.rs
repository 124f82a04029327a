//! Mappings at work: what each field is to become, and what of it has to be written.

use std::sync::Arc;

use super::calls::At;
use super::compare;
use super::execute::{Execution, Stop};
use super::identity;
use super::journal::FieldChange;
use super::ledger::{Agreed, Agreements, RecordName};
use super::observe::Sight;
use super::ownership::{Last, Right};
use super::target::Target;
use crate::connector::{Fields, values_after};
use crate::expr::{Expr, OnNothing, Write};
use crate::value::{Map, Value};

/// Target field -> expression, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Mapping(pub(super) Vec<Field>);

/// One line of a mapping.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Arc<str>,
    pub(super) value: Operand,
    /// What it may do to its field.
    pub(super) right: Right,
}

/// Where a value comes from.
#[derive(Debug)]
pub(super) enum Operand {
    /// From an expression of the file.
    Written(Expr),
    /// A script computed it.
    Known(Value),
}

/// One field with its value for this run.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) name: Arc<str>,
    pub(super) value: Value,
    pub(super) on_nothing: OnNothing,
    pub(super) write: Write,
    pub(super) right: Right,
}

/// What has to be written, and what the audit says of it.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) fields: Fields,
    pub(super) changes: Vec<FieldChange>,
    pub(super) left_alone: Vec<Arc<str>>,
    /// The fields that hold what they should already, with what that is.
    pub(super) same: Vec<FieldChange>,
    /// What the audit says of fields that several sides have to do with.
    pub(super) notes: Vec<String>,
    /// Fields of which it has to be known later what they hold from now on, and whether we write it.
    agreed: Vec<(Arc<str>, Value, bool)>,
}

impl Mapping {
    /// Of values that a script computed.
    pub(super) fn known(fields: &Value) -> Self {
        let fields = fields.as_map().into_iter().flat_map(Map::iter);
        let known = |(name, value): (&Arc<str>, &Value)| Field {
            name: Arc::clone(name),
            value: Operand::Known(value.clone()),
            right: Right::Free,
        };
        Self(fields.map(known).collect())
    }

    /// The names of its fields.
    pub(super) fn names(&self) -> impl Iterator<Item = Arc<str>> {
        self.0.iter().map(|field| Arc::clone(&field.name))
    }

    /// The value of each field.
    pub(super) fn eval(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Vec<Mapped>, Stop> {
        self.0
            .iter()
            .map(|field| {
                Ok(Mapped {
                    name: Arc::clone(&field.name),
                    value: run.eval(at, &field.name, &field.value)?,
                    on_nothing: field.value.on_nothing(),
                    write: field.value.write(),
                    right: field.right.clone(),
                })
            })
            .collect()
    }

    /// The values as one map, without those that are nothing; nothing for an empty one.
    pub(super) fn eval_params(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Value, Stop> {
        let mut map = Map::new();
        for field in &self.0 {
            let value = run.eval(at, &field.name, &field.value)?;
            if !value.is_nothing() {
                map.insert(Arc::clone(&field.name), value);
            }
        }
        Ok(if map.is_empty() { Value::Null } else { map.into() })
    }

    /// The values as an identity; `None` when one of them is blank, which identifies nothing.
    pub(super) fn eval_identity(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Option<Fields>, Stop> {
        let mut fields = Fields::new();
        for field in &self.0 {
            fields
                .insert(Arc::clone(&field.name), identity::trimmed(run.eval(at, &field.name, &field.value)?));
        }
        Ok(fields.values().all(|value| !value.is_blank()).then_some(fields))
    }

    /// Its field names in a sentence.
    pub(super) fn in_words(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|field| &*field.name).collect();
        names.join(" and ")
    }
}

impl Operand {
    fn on_nothing(&self) -> OnNothing {
        match self {
            Self::Written(expression) => expression.on_nothing(),
            Self::Known(_) => OnNothing::default(),
        }
    }

    pub(super) fn write(&self) -> Write {
        match self {
            Self::Written(expression) => expression.write(),
            Self::Known(_) => Write::default(),
        }
    }
}

impl Execution<'_> {
    /// The value of the operand under `name`.
    pub(super) fn eval(&self, at: &At<'_>, name: &str, operand: &Operand) -> Result<Value, Stop> {
        let expression = match operand {
            Operand::Written(expression) => expression,
            Operand::Known(value) => return Ok(value.clone()),
        };
        if self.world.observer.is_some() {
            let trace = expression.trace(&self.context);
            self.saw(&at.step.label, &Sight::Mapped { field: name, trace: &trace });
        }
        expression.eval(&self.context).map_err(|error| at.refuse(format!("{name}: {error}")))
    }

    /// The text of an id; `None` when the expression gives nothing.
    pub(super) fn eval_id(
        &self,
        at: &At<'_>,
        name: &str,
        operand: &Operand,
    ) -> Result<Option<Arc<str>>, Stop> {
        let value = self.eval(at, name, operand)?;
        if value.is_blank() {
            return Ok(None);
        }
        match value.to_text() {
            Some(text) => Ok(Some(text.trim().into())),
            None => {
                Err(at.refuse(format!("{name}: an id is text or a number, and this is {}", value.kind())))
            }
        }
    }
}

impl Difference {
    /// All that is to be written into a record that does not exist yet.
    pub(super) fn of_new(target: &Target, mapped: Vec<Mapped>) -> Self {
        let mut difference = Self::default();
        for field in mapped {
            if field.value.is_nothing() {
                difference.left_alone.push(field.name);
                continue;
            }
            let value = match target.many(&field.name) {
                Some(key) => Value::list(values_after(key, &field.value, &Value::Null)),
                None => field.value,
            };
            difference.keep(target, &field.name, &field.right, &value);
            difference.write(field.name, Value::Null, value);
        }
        difference
    }

    /// What `current` does not hold yet; by the write policy of each field, and by what was agreed on last about those
    /// that several sides may write.
    pub(super) fn from(
        target: &Target,
        (id, client): (&str, &str),
        mapped: Vec<Mapped>,
        current: &Value,
        agreements: &Agreements,
    ) -> Self {
        let record = target.record_name(client, id);
        let mut difference = Self::default();
        for field in mapped {
            let before = current.get(&field.name).cloned().unwrap_or_default();
            match (field.value.is_nothing(), field.on_nothing) {
                (true, OnNothing::Leave) => difference.left_alone.push(field.name),
                _ if !may_write(field.write, &before) => {}
                _ if target.many(&field.name).is_some() => difference.several(target, field, before),
                _ if compare::same(target.ids(), &field.value, &before) => {
                    difference.agree(target, &record, agreements, &field);
                    let (field, after) = (field.name, field.value);
                    difference.same.push(FieldChange { field, before: Value::Null, after });
                }
                _ => {
                    let agreed = agreements.get(&record.field(&field.name)).copied();
                    difference.decide(Last { target, agreed }, field, before);
                }
            }
        }
        difference
    }

    /// A field that holds several values.
    fn several(&mut self, target: &Target, field: Mapped, before: Value) {
        let key = target.many(&field.name).unwrap_or_default();
        let after = values_after(key, &field.value, &before);
        if compare::same_values(target.ids(), &after, &before) {
            let (field, after) = (field.name, Value::list(after));
            self.same.push(FieldChange { field, before: Value::Null, after });
        } else {
            let field = Mapped { value: Value::list(after), ..field };
            self.decide(Last { target, agreed: None }, field, before);
        }
    }

    /// Both sides hold the same: news only when something else was agreed on before.
    fn agree(&mut self, target: &Target, record: &RecordName<'_>, agreements: &Agreements, field: &Mapped) {
        let news = |agreed: &Agreed| agreements.get(&agreed.field) != Some(&agreed.value);
        if matches!(field.right, Right::Shared { .. })
            && record.agreed(target.ids(), &field.name, &field.value, false).iter().any(news)
        {
            self.agreed.push((Arc::clone(&field.name), field.value.clone(), false));
        }
    }

    /// Remembers what a field holds from now on, when somebody will ask.
    pub(super) fn keep(&mut self, target: &Target, name: &Arc<str>, right: &Right, value: &Value) {
        if target.heard || matches!(right, Right::Shared { .. }) {
            self.agreed.push((Arc::clone(name), value.clone(), true));
        }
    }

    /// What both sides agree on from now on.
    pub(super) fn agreed(&self, target: &Target, client: &str, id: Option<&Arc<str>>) -> Vec<Agreed> {
        let Some(id) = id.filter(|_| !self.agreed.is_empty()) else { return Vec::new() };
        let record = target.record_name(client, id);
        let fields = self.agreed.iter();
        fields.flat_map(|(name, value, ours)| record.agreed(target.ids(), name, value, *ours)).collect()
    }

    /// All fields, of a record that is not read.
    pub(super) fn blind(target: &Target, mapped: Vec<Mapped>) -> Self {
        let mut difference = Self::default();
        for field in mapped {
            match (field.value.is_nothing(), field.on_nothing, field.write) {
                (true, OnNothing::Leave, _) => difference.left_alone.push(field.name),
                (_, _, Write::OnCreate | Write::IfEmpty) => {}
                (_, _, Write::Always) => {
                    difference.decide(Last { target, agreed: None }, field, Value::Null);
                }
            }
        }
        difference
    }

    /// Adds fields that are written whatever the mapping says: what identifies a new record.
    pub(super) fn add_identity(&mut self, target: &Target, identity: &Fields) {
        for (name, value) in identity {
            if !self.fields.contains_key(name) {
                let several = target.many(name).map(|key| values_after(key, value, &Value::Null));
                let value = several.map_or_else(|| value.clone(), Value::list);
                self.keep(target, name, &Right::Free, &value);
                self.write(Arc::clone(name), Value::Null, value);
            }
        }
    }

    pub(super) fn write(&mut self, name: Arc<str>, before: Value, after: Value) {
        self.fields.insert(Arc::clone(&name), after.clone());
        self.changes.push(FieldChange { field: name, before, after });
    }
}

/// Whether the policy of a field lets it be written into a record that exists.
fn may_write(write: Write, before: &Value) -> bool {
    match write {
        Write::Always => true,
        Write::OnCreate => false,
        Write::IfEmpty => before.is_blank(),
    }
}
