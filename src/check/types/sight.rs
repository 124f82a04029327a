//! What is seen while the shapes of a pipeline's expressions are found: kept for the rules, judged by none of them here.

use std::collections::HashMap;
use std::sync::Arc;

use super::shape::{Shape, Words};
use crate::config::ObjectRef;
use crate::diagnostic::{Path, Place, Spot};
use crate::expr::TimeForm;

/// What is known of the expressions of a client's pipelines.
#[derive(Debug, Default)]
pub(in crate::check) struct Typed {
    /// What was noticed, with its place.
    pub(in crate::check) sights: Vec<(Place, Sight)>,
    /// Every value that is written to, asked of, or passed to a system.
    pub(in crate::check) given: Vec<Given>,
}

impl Typed {
    /// What is given to whole fields, by file and place of the value. A part that several pipelines use gives one more than once.
    pub(in crate::check) fn by_place(&self) -> HashMap<(&str, &Path), Vec<&Given>> {
        let mut places: HashMap<(&str, &Path), Vec<&Given>> = HashMap::new();
        for given in self.given.iter().filter(|given| given.name.len() == 1) {
            if let Spot::Node { path, .. } = &given.value.spot {
                places.entry((&given.value.file, path)).or_default().push(given);
            }
        }
        places
    }
}

/// Something about an expression that is worth a rule's look.
#[derive(Debug)]
pub(in crate::check) enum Sight {
    /// A key that what it is read of does not have.
    Missing(Miss),
    /// A key that only some of the objects have that may stand there.
    Partial {
        /// The key.
        key: Arc<str>,
        /// The events whose object has it, or the objects.
        with: Vec<String>,
        /// Those whose object has not.
        without: Vec<String>,
    },
    /// What is read is only there when it is asked for: below an id, or a list that is left out.
    NotExpanded {
        /// The key that was read, or that holds the id.
        key: Arc<str>,
        /// The objects that could stand there.
        objects: Vec<String>,
        /// True when the key itself is left out; false when an id stands in its place.
        left_out: bool,
    },
    /// A word that a value is compared with, and cannot be.
    ForeignWord {
        /// The word.
        word: Arc<str>,
        /// What the value can be.
        words: Words,
    },
    /// A table whose keys are compared with what the value can be.
    Table {
        /// The keys.
        keys: Vec<Arc<str>>,
        /// Where the table is, when it is not written here: `vars.status`.
        read: Option<String>,
        /// What the value can be.
        words: Words,
        /// What it can be where conditions hold.
        allowed: Words,
    },
    /// A number that is taken for minor units and is something else, or for the currency's unit and is minor ones.
    Converted {
        /// `money` or `minor`.
        by: &'static str,
        /// What is converted.
        shape: Shape,
    },
    /// A time that is told as a day, or by a pattern, in the client's zone.
    Told {
        /// How.
        form: TimeForm,
    },
    /// An amount in minor units, or a time, that becomes part of a text as it is.
    InText {
        /// What it is.
        shape: Shape,
        /// What is read, for the message.
        path: Option<String>,
    },
    /// A step that no run gets to.
    Unreachable,
    /// A condition that does not depend on anything.
    Constant {
        /// What it always is.
        holds: bool,
    },
}

/// A key that is not there.
#[derive(Debug)]
pub(in crate::check) struct Miss {
    /// The key.
    pub(in crate::check) key: Arc<str>,
    /// What it was read of, for a sentence: `an invoice`.
    pub(in crate::check) of: String,
    /// The key that was probably meant.
    pub(in crate::check) near: Option<String>,
    /// Where the value is in this version of the API, when it was elsewhere in another one.
    pub(in crate::check) moved: Option<Moved>,
    /// The object of an account whose fields were pulled, when it was read of one.
    pub(in crate::check) pulled: Option<ObjectRef>,
}

/// A field that is elsewhere in another version of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) struct Moved {
    /// A version that has the field.
    pub(in crate::check) there: &'static str,
    /// The version at hand.
    pub(in crate::check) here: String,
    /// Where its value is at hand, or what to do instead.
    pub(in crate::check) to: Option<&'static str>,
}

/// A value that goes to a system.
#[derive(Debug)]
pub(in crate::check) struct Given {
    /// What it is given as.
    pub(in crate::check) to: GivenTo,
    /// The object that it is given to, as the pipeline names it; of a `call`, the operation.
    pub(in crate::check) object: ObjectRef,
    /// The field or parameter; below it, the keys of a nested payload.
    pub(in crate::check) name: Vec<Arc<str>>,
    /// Where the value stands.
    pub(in crate::check) value: Place,
    /// What the value is.
    pub(in crate::check) shape: Shape,
}

/// What a value is given as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum GivenTo {
    /// The value of a field.
    Field,
    /// What a record is looked up by, or known by.
    Match,
    /// A parameter beside the fields, or of an operation.
    Param,
}
