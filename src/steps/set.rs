//! `set`: names computed values for later steps.

use super::calls::At;
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::lower::{Lowering, finding_of};
use super::mapping::Mapping;
use super::uses::Role;
use crate::config::Fields;
use crate::diagnostic::Path;
use crate::value::Value;

/// `set`, ready to be performed.
#[derive(Debug)]
pub(super) struct Set(pub(super) Mapping);

impl Set {
    /// Each value sees those that were named before it.
    pub(super) fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        for field in &self.0.0 {
            let value = run.eval(at, &field.name, &field.value)?;
            run.context.set_in("set", &field.name, value);
        }
        Ok(Given::new(Outcome::Done).into())
    }
}

impl Lowering<'_> {
    pub(super) fn set_step(&mut self, path: &Path, written: &Fields) -> Option<Set> {
        for name in written.keys() {
            if let Some(fault) = self.scope.engine.reserved(name) {
                let mut finding = finding_of(&self.file, &path.key(name.as_str()), fault);
                finding.place = self.key(&path.key(name.as_str()));
                self.find(finding);
            }
        }
        let mut fields = Some(Vec::new());
        for (name, value) in written {
            // One by one: each value sees those that were named before it.
            let compiled = self.mapping(path, [(name, value)], Role::Named);
            self.names.done.set.insert(name.as_str().into());
            let value = compiled.as_ref().and_then(|mapping| mapping.0.first());
            let origin = value.and_then(|field| self.origins.of_operand(&field.value));
            self.origins.named(name, origin);
            match (compiled, &mut fields) {
                (Some(mapping), Some(fields)) => fields.extend(mapping.0),
                _ => fields = None,
            }
        }
        fields.map(Mapping).map(Set)
    }
}
