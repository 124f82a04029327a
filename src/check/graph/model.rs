//! The nodes of the graph and what leads from one to another.

use std::sync::Arc;

use crate::config::step::Key;
use crate::config::{DraftFile, Fields, Match, ObjectRef, PipelineFile};
use crate::diagnostic::{Path, Place};

/// A pipeline.
pub(in crate::check) struct Node<'a> {
    pub(in crate::check) file: &'a DraftFile<PipelineFile>,
    pub(in crate::check) written: &'a PipelineFile,
    pub(in crate::check) hears: Vec<Heard<'a>>,
    pub(in crate::check) writes: Vec<WriteTo<'a>>,
}

/// Something that starts a pipeline.
pub(in crate::check) struct Heard<'a> {
    /// The record that it tells of; nothing when that is not known.
    pub(in crate::check) object: Option<ObjectRef>,
    /// What it is called, for people.
    pub(in crate::check) name: &'a str,
    /// What happened to the record.
    pub(in crate::check) happening: Happening,
    /// True when only some of the records start the pipeline.
    pub(in crate::check) narrowed: bool,
}

/// What an event tells of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum Happening {
    Created,
    Updated,
    Deleted,
    /// It is listed: new or changed.
    Listed,
    /// Something else, or something that is not known.
    Other,
}

/// A record that a pipeline writes.
pub(in crate::check) struct WriteTo<'a> {
    pub(in crate::check) verb: &'static str,
    pub(in crate::check) object: &'a ObjectRef,
    pub(in crate::check) fields: Option<&'a Fields>,
    /// What makes the record the same one again.
    pub(in crate::check) identity: Identity<'a>,
    /// The file that it stands in: the pipeline's, or a part's.
    pub(in crate::check) file: &'a Arc<str>,
    /// The verb's arguments in that file.
    pub(in crate::check) path: Path,
    /// Whether each run of the pipeline comes to it.
    pub(in crate::check) order: Order,
}

/// What identifies the record of a write.
#[derive(Clone, Copy)]
pub(in crate::check) enum Identity<'a> {
    Key(Option<&'a Key>),
    Match(&'a Match),
    Id,
}

/// Whether each run of a pipeline comes to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum Order {
    /// Nothing that was written keeps it from that.
    Always,
    /// A condition, a loop, or a step before it that may end the run.
    Perhaps,
}

impl WriteTo<'_> {
    /// The place of its object.
    pub(in crate::check) fn place(&self) -> Place {
        Place::value(Arc::clone(self.file), self.path.key("object"))
    }

    /// The place of one of its fields.
    pub(in crate::check) fn field(&self, name: &str) -> Place {
        Place::key(Arc::clone(self.file), self.path.key("fields").key(name))
    }
}

impl Happening {
    /// What a type of event tells, by its last word: those of all systems that are known end so.
    pub(in crate::check) fn of(event_type: &str, gone: bool) -> Self {
        const WORDS: [(Happening, &[&str]); 3] = [
            (Happening::Created, &["created", "creation", "add", "added"]),
            (Happening::Updated, &["updated", "update", "changed", "propertychange"]),
            (Happening::Deleted, &["deleted", "delete", "deletion"]),
        ];
        if gone {
            return Self::Deleted;
        }
        let name = event_type.to_lowercase();
        let ends = |words: &[&str]| words.iter().any(|word| name.ends_with(word));
        WORDS.iter().find(|(_, words)| ends(words)).map_or(Self::Other, |(happening, _)| *happening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_an_event_tells_what_happened() {
        for (name, gone, happening) in [
            ("customer.created", false, Happening::Created),
            ("customer.subscription.updated", false, Happening::Updated),
            ("ONCRMDEALADD", false, Happening::Created),
            ("contact.propertyChange", false, Happening::Updated),
            ("ONCRMDEALDELETE", true, Happening::Deleted),
            ("invoice.paid", false, Happening::Other),
        ] {
            assert_eq!(Happening::of(name, gone), happening, "{name}");
        }
    }
}
