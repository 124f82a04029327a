//! Draft -> findings, and a project of the clients that have none.
//!
//! [`check`] is the one way to a [`crate::project::Project`] (invariant 6): it resolves names, compiles pipelines and
//! runs the rules, one file a rule in `rules/`, each with a page of the same name. Checking is per client: one that
//! is broken does not stop the others. What the types of `config` and the tree of `yaml` can tell is told there; a
//! rule tells what takes a look at several things at once.
//!
//! It reads no file, no environment and calls no system. Begin reading at [`check`].

mod access;
mod checked;
mod connectors;
mod constants;
mod events;
mod graph;
mod judge;
mod made_of;
mod objects;
mod rules;
mod types;
mod view;
mod walk;

pub use checked::{CheckError, Checked, Environments, check};
pub use connectors::manifests;
pub use graph::drawings;
pub use made_of::MadeOf;
pub use objects::objects_named;
