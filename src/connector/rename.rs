//! Between the names of fields that pipelines use and those of the wire, for systems that number the fields of an account.

use std::sync::Arc;

use super::call::{Action, Fields, Record, Reply, Select};
use super::failure::Failure;
use crate::nearest::did_you_mean;
use crate::value::{Map, Value};

/// Word -> field; nothing where fields have one name.
#[derive(Debug, Default)]
pub(super) struct Renaming(pub(super) Value);

impl Renaming {
    fn field(&self, word: &str) -> Option<Arc<str>> {
        self.0.get(word).and_then(Value::to_text)
    }

    /// Refuses a word that no field has: many systems would pass over it without a word of their own.
    pub(super) fn check(&self, action: &Action) -> Result<(), Failure> {
        let Some(words) = self.0.as_map() else { return Ok(()) };
        let named: Vec<&Fields> = match action {
            Action::Find { identity: fields, .. }
            | Action::List { filter: fields, .. }
            | Action::Create { fields, .. }
            | Action::Update { fields, .. } => vec![fields],
            Action::Upsert { key, fields, .. } => vec![key, fields],
            Action::Get { .. }
            | Action::Delete { .. }
            | Action::Link { .. }
            | Action::Unlink { .. }
            | Action::Events { .. }
            | Action::Operation { .. } => Vec::new(),
        };
        let unknown = named.into_iter().flat_map(Map::keys).find(|name| !words.contains_key(*name));
        let Some(unknown) = unknown else { return Ok(()) };
        let object = action.object().map_or("", |object| object);
        let hint = did_you_mean(unknown, words.keys().map(|word| &**word));
        let hint = hint.map_or_else(String::new, |hint| format!(": {hint}"));
        let message = format!("this account has no field `{unknown}` of {object}{hint}");
        Err(Failure { fields: vec![unknown.to_string()], ..Failure::permanent(message) })
    }

    /// The action in the system's names.
    pub(super) fn outward(&self, action: &mut Action) {
        if self.0.is_nothing() {
            return;
        }
        let rename = |fields: &mut Fields| {
            let renamed = fields
                .iter()
                .map(|(word, value)| (self.field(word).unwrap_or_else(|| Arc::clone(word)), value.clone()));
            *fields = renamed.collect();
        };
        let reselect = |select: &mut Select| {
            if let Select::Fields(names) = select {
                for name in names {
                    if let Some(field) = self.field(name) {
                        *name = field;
                    }
                }
            }
        };
        match action {
            Action::Find { identity: fields, select, .. } => {
                rename(fields);
                reselect(select);
            }
            Action::List { filter, since, select, .. } => {
                rename(filter);
                reselect(select);
                if let Some(since) = since
                    && let Some(field) = self.field(&since.field)
                {
                    since.field = field;
                }
            }
            Action::Get { select, .. } => reselect(select),
            Action::Create { fields, .. } | Action::Update { fields, .. } => rename(fields),
            Action::Upsert { key, fields, .. } => {
                rename(key);
                rename(fields);
            }
            Action::Delete { .. }
            | Action::Link { .. }
            | Action::Unlink { .. }
            | Action::Events { .. }
            | Action::Operation { .. } => {}
        }
    }

    /// A reply in the words of pipelines. A field that has several is there under each; what no word stands for stays.
    pub(super) fn inward(&self, reply: Reply) -> Reply {
        Reply {
            record: reply.record.as_ref().map(|record| self.worded(record)),
            records: reply
                .records
                .into_iter()
                .map(|record| Record { fields: self.worded(&record.fields), ..record })
                .collect(),
            ..reply
        }
    }

    /// A record in the words of pipelines.
    pub(super) fn worded(&self, record: &Value) -> Value {
        let (Some(words), Some(fields)) = (self.0.as_map(), record.as_map()) else { return record.clone() };
        let named: Vec<(&Arc<str>, Arc<str>)> =
            words.iter().filter_map(|(word, field)| Some((word, field.to_text()?))).collect();
        let stays = fields.iter().filter(|(name, _)| !named.iter().any(|(_, field)| field == *name));
        let mut worded: Map = stays.map(|(name, value)| (Arc::clone(name), value.clone())).collect();
        for (word, field) in named {
            if let Some(value) = fields.get(&field) {
                worded.insert(Arc::clone(word), value.clone());
            }
        }
        worded.into()
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    fn create(fields: &str) -> Action {
        Action::Create { object: "contact".into(), fields: json(fields).as_map().unwrap().clone() }
    }

    #[test]
    fn words_go_out_as_fields_and_fields_come_in_as_all_their_words() {
        let names = Renaming(json(r#"{"email": "email", "PLAN": "7", "Plan": "7"}"#));
        let mut action = create(r#"{"email": "a", "Plan": "Pro"}"#);
        names.outward(&mut action);
        assert_eq!(action, create(r#"{"email": "a", "7": "Pro"}"#));
        let record = names.worded(&json(r#"{"id": "10", "email": "a", "7": "Pro"}"#));
        assert_eq!(record, json(r#"{"id": "10", "email": "a", "PLAN": "Pro", "Plan": "Pro"}"#));
    }

    #[test]
    fn a_word_that_no_field_has_is_refused_with_the_nearest() {
        let names = Renaming(json(r#"{"email": "email", "STRIPE_ID": "7"}"#));
        let failure = names.check(&create(r#"{"email": "a", "STRIPE_IDD": "x"}"#)).unwrap_err();
        assert_eq!(
            failure.message,
            "this account has no field `STRIPE_IDD` of contact: did you mean `STRIPE_ID`?"
        );
        assert_eq!(Renaming::default().check(&create(r#"{"anything": 1}"#)).ok(), Some(()));
    }
}
