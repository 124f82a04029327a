//! What a good answer says: ids, records, the next page.

use std::borrow::Cow;
use std::sync::Arc;

use super::answer::Answer;
use super::call::{Action, JobStep, Record, Reply};
use super::classify::Circumstances;
use super::compile::Compiler;
use super::expression::{Check, Expression};
use super::failure::{Class, Done, Failure};
use super::file::{BodyKind, ResponseFile, RowFormat};
use super::rows;
use super::wire::Wire;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::{Map, Value};

/// The key of a cursor that is an address.
pub(super) const NEXT_URL: &str = "next_url";

/// How the answers of an operation read.
#[derive(Debug)]
pub(super) struct Response {
    success: Option<Check>,
    body: BodyKind,
    format: Option<RowFormat>,
    types: Option<Expression>,
    id: Option<Expression>,
    record: Option<Expression>,
    records: Option<Expression>,
    result: Option<Expression>,
    created: Option<Expression>,
    pub(super) exact: bool,
    pub(super) partial: bool,
    drop: Vec<String>,
    next: Option<Expression>,
    next_url: Option<Expression>,
}

impl Response {
    pub(super) fn compile(compiler: &mut Compiler, at: &Path, file: &ResponseFile, names: &Names) -> Self {
        let success = compiler.check(&at.key("success"), file.success.as_ref(), names);
        let mut part = |key: &str, written| compiler.optional(&at.key(key), written, names);
        Self {
            success,
            body: file.body.unwrap_or(BodyKind::Json),
            format: file.format,
            types: part("types", file.types.as_ref()),
            id: part("id", file.id.as_ref()),
            record: part("record", file.record.as_ref()),
            records: part("records", file.records.as_ref()),
            result: part("result", file.result.as_ref()),
            created: part("created", file.created.as_ref()),
            exact: file.exact,
            partial: file.partial,
            drop: file.drop.clone(),
            next: part("next", file.next.as_ref()),
            next_url: part("next_url", file.next_url.as_ref()),
        }
    }

    /// The answer as it is read: rows of text as the records that they are. What cannot be read so stays as it is, and is then
    /// not of the kind that the system answers with.
    pub(super) fn formed<'a>(&self, answer: &'a Answer, context: &Context) -> Cow<'a, Answer> {
        let Some(format) = self.format.filter(|_| answer.is_success()) else { return Cow::Borrowed(answer) };
        let types = self.types.as_ref().map(|types| types.read(context)).unwrap_or_default();
        match rows::read(answer, format, &types) {
            Some(read) => Cow::Owned(read),
            None => Cow::Owned(Answer { kind: BodyKind::Text, ..answer.clone() }),
        }
    }

    /// True when the answer says that what was asked was done: by its status, by being of the kind that the
    /// system answers with (a proxy's page, or half an answer, is not), and by what the manifest asks for besides.
    pub(super) fn is_success(&self, answer: &Answer, context: &Context) -> bool {
        answer.is_success()
            && self.is_readable(answer)
            && self.success.as_ref().is_none_or(|success| success.holds(context))
    }

    /// True when the body is of the kind that the system answers with: any text where text is expected.
    pub(super) fn is_readable(&self, answer: &Answer) -> bool {
        self.body == BodyKind::Text || answer.kind == self.body || answer.kind == BodyKind::Empty
    }

    /// What a good answer says. `id` is the field of a record that holds its id, key by key; `wire` what of its fields is not
    /// written as it is.
    pub(super) fn read(
        &self,
        action: &Action,
        (id, wire): (&[String], &Wire),
        answer: &Answer,
        context: &Context,
        circumstances: Circumstances,
    ) -> Result<Reply, Failure> {
        let mut reply = Reply::default();
        match action {
            Action::Find { identity, .. } => {
                reply.records = self.read_records(id, answer, context)?;
                if self.exact {
                    // What a partial record lacks is compared when it has been read.
                    let lacks = |fields: &Value| identity.keys().any(|name| fields.get(name).is_none());
                    reply.records.retain(|record| {
                        self.partial && lacks(&record.fields) || wire.has(&record.fields, identity)
                    });
                }
            }
            Action::List { job: Some(JobStep::Start), .. } => {
                reply.id = self.read_id(id, &reply, context);
                if reply.id.is_none() {
                    return Err(unreadable(answer, "id of the job"));
                }
            }
            Action::List { job: Some(JobStep::Ask(_)), .. } => {
                reply.result = self.read_result(answer, context);
            }
            Action::List { job: Some(JobStep::End(_) | JobStep::Abort(_)), .. } => {}
            Action::List { job: None | Some(JobStep::Page(_)), .. } | Action::Events { .. } => {
                reply.records = self.read_records(id, answer, context)?;
                reply.next = self.read_next(context);
            }
            Action::Get { id: asked, .. } => {
                let record = self.read_record(context).ok_or_else(|| unreadable(answer, "record"))?;
                reply.id = record_id(&record, id).or_else(|| Some(Arc::clone(asked)));
                reply.record = Some(record);
            }
            Action::Create { .. } => {
                reply.record = self.read_record(context);
                reply.id = self.read_id(id, &reply, context);
                if reply.id.is_none() {
                    // It was done, but nobody knows what was made: as good as an answer that was lost.
                    let class = circumstances.lost();
                    let done = Done::Perhaps;
                    return Err(Failure { class, done, ..unreadable(answer, "id of the new record") });
                }
            }
            Action::Upsert { .. } => {
                reply.record = self.read_record(context);
                reply.id = self.read_id(id, &reply, context);
                reply.created = self.created.as_ref().and_then(|created| created.read(context).as_bool());
            }
            Action::Update { id: asked, .. } | Action::Delete { id: asked, .. } => {
                reply.record = self.read_record(context);
                reply.id = Some(Arc::clone(asked));
            }
            Action::Link { id: asked, .. } | Action::Unlink { id: asked, .. } => {
                reply.id = Some(Arc::clone(asked));
                reply.result = self.read_result(answer, context);
            }
            Action::Operation { .. } => {
                reply.id = self.id.as_ref().and_then(|id| id.read(context).to_text());
                reply.result = self.read_result(answer, context);
            }
        }
        Ok(reply)
    }

    fn read_records(
        &self,
        id: &[String],
        answer: &Answer,
        context: &Context,
    ) -> Result<Vec<Record>, Failure> {
        if answer.kind == BodyKind::Empty {
            return Ok(Vec::new());
        }
        let value = match &self.records {
            Some(records) => records.read(context),
            None => answer.body.clone(),
        };
        // A list that is not where it should be is not an empty list: finding nothing would lead to a create.
        let records = value.as_list().ok_or_else(|| unreadable(answer, "list of records"))?;
        let records = records.iter().map(|record| without(record, &self.drop));
        Ok(records.map(|fields| Record { id: self.id_of(&fields, id, context), fields }).collect())
    }

    /// The id of one record of a listing.
    fn id_of(&self, fields: &Value, id: &[String], context: &Context) -> Option<Arc<str>> {
        match &self.id {
            Some(expression) => expression.read(&context.with("record", fields.clone())).to_text(),
            None => record_id(fields, id),
        }
    }

    fn read_record(&self, context: &Context) -> Option<Value> {
        let record = self.record.as_ref()?.read(context);
        (!record.is_nothing()).then(|| without(&record, &self.drop))
    }

    fn read_id(&self, id: &[String], reply: &Reply, context: &Context) -> Option<Arc<str>> {
        let named = self.id.as_ref().and_then(|id| id.read(context).to_text());
        named.or_else(|| record_id(reply.record.as_ref()?, id)).filter(|id| !id.is_empty())
    }

    fn read_result(&self, answer: &Answer, context: &Context) -> Value {
        self.result.as_ref().map_or_else(|| answer.body.clone(), |result| result.read(context))
    }

    fn read_next(&self, context: &Context) -> Option<Value> {
        let read = |part: &Option<Expression>| {
            part.as_ref().map(|part| part.read(context)).filter(|value| !value.is_blank())
        };
        read(&self.next).or_else(|| Some(Value::map([(NEXT_URL, read(&self.next_url)?)])))
    }
}

/// A good answer in which something is not where the manifest looks for it.
fn unreadable(answer: &Answer, what: &str) -> Failure {
    Failure {
        status: Some(answer.status),
        ..Failure::new(Class::Permanent, format!("the answer has no {what} where the manifest looks for it"))
    }
}

/// The id in a record: text, whatever the system writes it as.
pub(super) fn record_id(record: &Value, id: &[String]) -> Option<Arc<str>> {
    id.iter().try_fold(record, |value, key| value.get(key))?.to_text()
}

/// `value` without the keys of `drop`, at any depth.
fn without(value: &Value, drop: &[String]) -> Value {
    match value {
        _ if drop.is_empty() => value.clone(),
        Value::List(items) => Value::list(items.iter().map(|item| without(item, drop))),
        Value::Map(map) => map
            .iter()
            .filter(|(key, _)| !drop.iter().any(|dropped| **dropped == ***key))
            .map(|(key, value)| (Arc::clone(key), without(value, drop)))
            .collect::<Map>()
            .into(),
        scalar => scalar.clone(),
    }
}
