//! What steps give to systems: fields, identities, parameters.

use std::sync::Arc;

use super::infer::place;
use super::shape::{Kind, Object, Shape};
use super::sight::{Given, GivenTo};
use super::walk::Walk;
use crate::config::step::{Key, Params};
use crate::config::{Fields, Match, ObjectRef, Verb};
use crate::connector::file::Amounts;
use crate::diagnostic::{Path, Place};
use crate::expr::{Term, What};

/// A verb on one object.
pub(super) struct OnObject<'a> {
    pub(super) object: &'a ObjectRef,
    pub(super) matching: Option<&'a Match>,
    /// What the records that are listed have.
    pub(super) conditions: Option<&'a Fields>,
    pub(super) key: Option<&'a Key>,
    pub(super) fields: Option<&'a Fields>,
    pub(super) params: &'a Params,
    /// True when there may be no record.
    pub(super) may_miss: bool,
}

impl<'a> OnObject<'a> {
    /// Nothing for a verb on no object, or on several.
    pub(super) fn of(verb: &'a Verb) -> Option<Self> {
        let on = |object: &'a ObjectRef, params: &'a Params| Self {
            object,
            matching: None,
            conditions: None,
            key: None,
            fields: None,
            params,
            may_miss: false,
        };
        Some(match verb {
            Verb::Get(step) => Self { may_miss: true, ..on(&step.object, &step.params) },
            Verb::List(step) => Self { conditions: Some(&step.matching), ..on(&step.object, &step.params) },
            Verb::Create(step) => {
                Self { key: step.key.as_ref(), fields: Some(&step.fields), ..on(&step.object, &step.params) }
            }
            Verb::Update(step) => Self { fields: Some(&step.fields), ..on(&step.object, &step.params) },
            Verb::Upsert(step) => Self {
                matching: Some(&step.matching),
                fields: Some(&step.fields),
                ..on(&step.object, &step.params)
            },
            Verb::Delete(step) => on(&step.object, &step.params),
            Verb::Link(step) | Verb::Unlink(step) => {
                Self { fields: Some(&step.fields), ..on(&step.object, &step.params) }
            }
            _ => return None,
        })
    }
}

impl Walk<'_> {
    /// Every value of a map below `key`.
    pub(super) fn give_all(
        &mut self,
        path: &Path,
        key: &str,
        written: &Fields,
        to: GivenTo,
        object: &ObjectRef,
    ) {
        let path = path.key(key);
        for name in written.keys() {
            self.give(&path, name, to, object);
        }
    }

    /// What a record is looked up by.
    pub(super) fn give_match(&mut self, path: &Path, matching: &Match, object: &ObjectRef) {
        let path = path.key("match");
        match matching {
            Match::One(fields) => {
                for name in fields.keys() {
                    self.give(&path, name, GivenTo::Match, object);
                }
            }
            Match::AnyOf(alternatives) => {
                for (index, fields) in alternatives.iter().enumerate() {
                    for name in fields.keys() {
                        self.give(&path.index(index), name, GivenTo::Match, object);
                    }
                }
            }
        }
    }

    /// What a new record is known by.
    pub(super) fn give_key(&mut self, path: &Path, key: &Key, object: &ObjectRef) {
        match key {
            Key::Fields(fields) => self.give_all(path, "key", fields, GivenTo::Match, object),
            Key::Value(_) => drop(self.shape(&path.key("key"))),
        }
    }

    fn give(&mut self, path: &Path, name: &str, to: GivenTo, object: &ObjectRef) {
        let path = path.key(name);
        let Some(compiled) = self.compiled.get(&(&*self.file, &path)).copied() else { return };
        let is_sent = to != GivenTo::Match && self.view.amounts(&object.connection) == Some(Amounts::Decimal);
        let shape = self.infer(&path, &compiled.term, is_sent);
        let given = Given {
            to,
            object: object.clone(),
            name: vec![name.into()],
            value: Place::value(Arc::clone(&self.file), path.clone()),
            shape,
        };
        self.leaves(&path, &compiled.term, given);
    }

    /// A payload's values one by one, those of a list's elements, too; anything else as it is.
    fn leaves(&mut self, path: &Path, term: &Term, given: Given) {
        if let (What::Each { give, .. }, Kind::List(element)) = (&term.what, &given.shape.kind)
            && matches!(give.what, What::Map(_))
        {
            let shape = Shape::clone(element);
            return self.leaves(path, give, Given { shape, ..given });
        }
        let (What::Map(entries), Kind::Object(Object::Record(record))) = (&term.what, &given.shape.kind)
        else {
            self.out.given.push(given);
            return;
        };
        let record = Arc::clone(record);
        for (key, value) in entries {
            let Some(shape) = record.fields.get(key) else { continue };
            let at = place(&self.file, path, &value.spot);
            let name = given.name.iter().cloned().chain([Arc::clone(key)]).collect();
            let object = given.object.clone();
            let inner = Given { to: given.to, object, name, value: at, shape: shape.clone() };
            self.leaves(path, value, inner);
        }
    }
}
