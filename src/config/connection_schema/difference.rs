//! What differs between two looks at one account.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::model::{ConnectionSchema, FieldSchema, ObjectSchema};

/// One thing that was changed in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The object.
    pub object: String,
    /// Its field; nothing when the whole object is gone or new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was done to it.
    #[serde(flatten)]
    pub change: Change,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It is not there any more.
    Gone,
    /// It was not there before.
    New,
    /// A fact of it is another one: the key of the file, and its values.
    Changed {
        /// `type`, `required`, `length`, ...
        fact: &'static str,
        /// What it was; nothing when it was left out.
        before: Option<String>,
        /// What it is.
        after: Option<String>,
    },
    /// Options came or went.
    Options {
        /// Those that were not there before.
        new: Vec<String>,
        /// Those that are not there any more.
        gone: Vec<String>,
    },
}

impl ConnectionSchema {
    /// What of this, the older look, is different in `now`. Labels and the order of options are no differences.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let names: BTreeSet<&String> = self.objects.keys().chain(now.objects.keys()).collect();
        let mut found = Vec::new();
        for name in names {
            let whole = |change| Difference { object: name.clone(), field: None, change };
            match (self.objects.get(name), now.objects.get(name)) {
                (Some(before), Some(after)) => fields(name, before, after, &mut found),
                (Some(_), None) => found.push(whole(Change::Gone)),
                (None, _) => found.push(whole(Change::New)),
            }
        }
        found
    }
}

fn fields(object: &str, before: &ObjectSchema, after: &ObjectSchema, found: &mut Vec<Difference>) {
    let names: BTreeSet<&String> = before.fields.keys().chain(after.fields.keys()).collect();
    for name in names {
        let changes = match (before.fields.get(name), after.fields.get(name)) {
            (Some(before), Some(after)) => facts(before, after),
            (Some(_), None) => vec![Change::Gone],
            (None, _) => vec![Change::New],
        };
        let difference = |change| Difference { object: object.to_owned(), field: Some(name.clone()), change };
        found.extend(changes.into_iter().map(difference));
    }
}

fn facts(before: &FieldSchema, after: &FieldSchema) -> Vec<Change> {
    let told = |field: &FieldSchema| {
        [
            ("type", Some(field.kind.word().to_owned())),
            ("required", Some(field.required.to_string())),
            ("create", Some(field.create.to_string())),
            ("update", Some(field.update.to_string())),
            ("unique", field.unique.map(|unique| unique.to_string())),
            ("multiple", Some(field.multiple.to_string())),
            ("length", field.length.map(|length| length.to_string())),
            ("open", Some(field.open.to_string())),
            ("also", field.also.clone()),
        ]
    };
    let pairs = told(before).into_iter().zip(told(after));
    let mut changes: Vec<Change> = pairs
        .filter(|(before, after)| before != after)
        .map(|((fact, before), (_, after))| Change::Changed { fact, before, after })
        .collect();
    let only = |one: &FieldSchema, other: &FieldSchema| -> Vec<String> {
        let other = other.options.as_deref().unwrap_or_default();
        one.options.iter().flatten().filter(|option| !other.contains(option)).cloned().collect()
    };
    let (new, gone) = (only(after, before), only(before, after));
    if !new.is_empty() || !gone.is_empty() {
        changes.push(Change::Options { new, gone });
    }
    changes
}

/// As a person reads it: `- Old__c is gone`, `~ Name: length 255 -> 80`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.field {
            Some(field) => format!("{}.{field}", self.object),
            None => self.object.clone(),
        };
        let nothing = || "nothing".to_owned();
        match &self.change {
            Change::Gone => write!(f, "- {name} is gone"),
            Change::New => write!(f, "+ {name} is new"),
            Change::Changed { fact, before, after } => {
                let (before, after) =
                    (before.clone().unwrap_or_else(nothing), after.clone().unwrap_or_else(nothing));
                write!(f, "~ {name}: {fact} {before} -> {after}")
            }
            Change::Options { new, gone } => {
                let new = new.iter().map(|option| format!("+ {option:?}"));
                let gone = gone.iter().map(|option| format!("- {option:?}"));
                write!(f, "~ {name}: options {}", gone.chain(new).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &str) -> ConnectionSchema {
        ConnectionSchema::parse(&format!(
            r#"{{"connector": "crm", "objects": {{"Account": {{"fields": {fields}}}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn each_change_of_a_fact_is_told_and_labels_are_none() {
        let before = schema(
            r#"{"Gone__c": {"type": "text"},
                "Name": {"type": "text", "length": 255, "label": "Account Name"},
                "Status__c": {"type": "option", "options": ["Active", "Other", "Paused"]},
                "Total__c": {"type": "text", "unique": false}}"#,
        );
        let after = schema(
            r#"{"Name": {"type": "text", "length": 80, "required": true, "label": "Name of it"},
                "New__c": {"type": "date"},
                "Status__c": {"type": "option", "options": ["Paused", "Active", "Past Due"]},
                "Total__c": {"type": "number", "update": false}}"#,
        );
        let told: Vec<String> = before.differences(&after).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        - Account.Gone__c is gone
        ~ Account.Name: required false -> true
        ~ Account.Name: length 255 -> 80
        + Account.New__c is new
        ~ Account.Status__c: options - "Other", + "Past Due"
        ~ Account.Total__c: type text -> number
        ~ Account.Total__c: update true -> false
        ~ Account.Total__c: unique false -> nothing
        "#);
        assert_eq!(before.differences(&before), []);
    }

    #[test]
    fn objects_come_and_go_and_programs_read_the_same() {
        let mut before = schema(r#"{"Name": {"type": "text"}}"#);
        let mut after = before.clone();
        before.objects.insert("Old__c".to_owned(), ObjectSchema::default());
        after.objects.insert("New__c".to_owned(), ObjectSchema::default());
        let json = serde_json::to_string(&before.differences(&after)).unwrap();
        assert_eq!(json, r#"[{"object":"New__c","change":"new"},{"object":"Old__c","change":"gone"}]"#);
    }
}
