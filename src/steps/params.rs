//! The parameters of a `call` against what the manifest knows of its operation.

use super::lower::Lowering;
use crate::config::step::CallStep;
use crate::connector::file::ParamKind;
use crate::connector::{OperationFacts, ParamFacts};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::Expr;
use crate::nearest::{did_you_mean, nearest};
use crate::value::Value;

impl Lowering<'_> {
    /// True when the operation takes these parameters, as far as they can be told before running.
    pub(super) fn takes(&mut self, path: &Path, written: &CallStep, facts: &OperationFacts) -> bool {
        let known = || facts.params.iter().map(|param| &*param.name);
        let at = path.key("params");
        let mut findings = Vec::new();
        let mut misspelt = Vec::new();
        for name in written.params.keys().filter(|name| known().all(|known| known != name.as_str())) {
            let near = nearest(name, known());
            // An operation that passes others on may have one of any name.
            if facts.open && near.is_none_or(|near| written.params.contains_key(near)) {
                continue;
            }
            misspelt.extend(near);
            let fact = format!("`{}` has no parameter `{name}`", written.operation);
            let place = self.key(&at.key(name.as_str()));
            findings
                .push(Diagnostic::new(Code::CallParams, place, fact).help_maybe(did_you_mean(name, known())));
        }
        for param in facts.params.iter().filter(|param| param.required) {
            // A misspelt one is one mistake, not two.
            if !written.params.contains_key(&*param.name) && !misspelt.contains(&&*param.name) {
                findings.push(self.missing(path, written, param));
            }
        }
        for (name, value) in &written.params {
            let kind = facts.params.iter().find(|param| *param.name == **name).and_then(|param| param.kind);
            if let Some(kind) = kind.filter(|kind| !can_be(*kind, &value.0)) {
                let fact = format!(
                    "`{name}` of `{}` is {}, not {}",
                    written.operation,
                    kind.in_words(),
                    value.0.kind()
                );
                let place = self.value(&at.key(name.as_str()));
                findings.push(Diagnostic::new(Code::CallParams, place, fact));
            }
        }
        let fits = findings.is_empty();
        for finding in findings {
            self.find(finding);
        }
        fits
    }

    fn missing(&self, path: &Path, written: &CallStep, param: &ParamFacts) -> Diagnostic {
        let place = if written.params.is_empty() { path.key("operation") } else { path.key("params") };
        let place = if written.params.is_empty() { self.value(&place) } else { self.key(&place) };
        let fact = format!("`{}` needs the parameter `{}`", written.operation, param.name);
        let sentence = param.description.split(". ").next().unwrap_or_default().trim_end_matches('.');
        let help = format!("add `{}:` to `params` ({sentence})", param.name);
        Diagnostic::new(Code::CallParams, place, fact).help(help)
    }
}

/// True unless a value that is written out is of another kind.
fn can_be(kind: ParamKind, written: &Value) -> bool {
    let text = match written {
        Value::Null => return true,
        Value::Map(map) if Expr::is_form(map) => return true,
        Value::Text(text) if text.starts_with('$') || text.contains("${") => return true,
        Value::Text(text) => Some(text),
        _ => None,
    };
    match kind {
        ParamKind::Text => !matches!(written, Value::List(_) | Value::Map(_)),
        ParamKind::Integer => {
            matches!(written, Value::Int(_)) || text.is_some_and(|text| text.parse::<i64>().is_ok())
        }
        ParamKind::Boolean => matches!(written, Value::Bool(_)),
        ParamKind::List => matches!(written, Value::List(_)),
        ParamKind::Map => matches!(written, Value::Map(_)),
    }
}
