//! Fields that hold several values: e-mail addresses, phone numbers.
//!
//! Outside of a connection such a field is a list of values. Written, it is what the field is to hold: one value, a list, or
//! `{ add: ..., remove: ... }`. A system that gives each element an id wants to be told element by element, and appends whatever
//! comes without one: so elements that stay are not mentioned, one that is replaced is changed in its place, and the same
//! write twice changes nothing.

use std::sync::Arc;

use super::compile::Compiler;
use super::failure::Failure;
use super::file::ManyFile;
use super::template::Template;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::{Map, Value};
use crate::written::Written;

/// How the elements of a field are written.
#[derive(Debug)]
pub(super) struct Many {
    value: Arc<str>,
    added: Template,
    changed: Option<Template>,
    removed: Option<Template>,
    kept: Option<Template>,
}

/// One element that a field is to hold: its value, and what else was given of it.
struct Wanted<'a> {
    value: Value,
    given: Option<&'a Value>,
}

impl Many {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &ManyFile,
        names: &Names,
    ) -> Option<Self> {
        let names = names.clone().with("value").with("given").with("element");
        let mut part = |key: &str, written: Option<&Written>| {
            let written = written?;
            Some(Template::compile(compiler, &at.key(key), &written.0, &names))
        };
        let (added, changed) = (part("added", Some(&file.added)), part("changed", file.changed.as_ref()));
        let (removed, kept) = (part("removed", file.removed.as_ref()), part("kept", file.kept.as_ref()));
        Some(Self {
            value: file.value.as_str().into(),
            added: added??,
            changed: changed.flatten(),
            removed: removed.flatten(),
            kept: kept.flatten(),
        })
    }

    /// The values of a field as the system gives it.
    pub(super) fn values(&self, elements: &Value) -> Vec<Value> {
        let elements = elements.as_list().unwrap_or(std::slice::from_ref(elements));
        elements.iter().map(|element| self.value_of(element)).filter(|value| !value.is_blank()).collect()
    }

    fn value_of(&self, element: &Value) -> Value {
        if element.as_map().is_some() {
            element.get(&self.value).cloned().unwrap_or_default()
        } else {
            element.clone()
        }
    }

    /// The key of an element that holds its value.
    pub(super) fn value_key(&self) -> &Arc<str> {
        &self.value
    }

    /// What a record with these `elements` is sent, so that its field becomes what was written.
    pub(super) fn written(
        &self,
        written: &Value,
        elements: &[Value],
        context: &Context,
    ) -> Result<Value, Failure> {
        let present: Vec<Value> = elements.iter().map(|element| self.value_of(element)).collect();
        let mut wanted = self.wanted(written, &present);
        let mut out = Vec::new();
        let mut gone = Vec::new();
        for (element, value) in elements.iter().zip(&present) {
            match wanted.iter().position(|wanted| alike(&wanted.value, value)) {
                Some(place) => {
                    wanted.remove(place);
                    self.push(&mut out, self.kept.as_ref(), Some(element), None, context)?;
                }
                None => gone.push(element),
            }
        }
        let mut gone = gone.into_iter();
        for wanted in &wanted {
            match (&self.changed, gone.next()) {
                (Some(changed), Some(element)) => {
                    self.push(&mut out, Some(changed), Some(element), Some(wanted), context)?;
                }
                (None, Some(element)) => {
                    self.push(&mut out, self.removed.as_ref(), Some(element), None, context)?;
                    self.push(&mut out, Some(&self.added), None, Some(wanted), context)?;
                }
                (_, None) => self.push(&mut out, Some(&self.added), None, Some(wanted), context)?,
            }
        }
        for element in gone {
            self.push(&mut out, self.removed.as_ref(), Some(element), None, context)?;
        }
        Ok(Value::list(out))
    }

    fn push(
        &self,
        out: &mut Vec<Value>,
        template: Option<&Template>,
        element: Option<&Value>,
        wanted: Option<&Wanted<'_>>,
        context: &Context,
    ) -> Result<(), Failure> {
        let Some(template) = template else { return Ok(()) };
        let value = wanted.map(|wanted| wanted.value.clone());
        let value = value.or_else(|| element.map(|element| self.value_of(element))).unwrap_or_default();
        let given = wanted.and_then(|wanted| wanted.given).cloned();
        let context = context
            .with("value", value)
            .with("given", given.unwrap_or_else(|| Map::new().into()))
            .with("element", element.cloned().unwrap_or_default());
        out.push(template.eval(&context)?);
        Ok(())
    }

    /// The elements that a field of these values is to hold.
    fn wanted<'a>(&self, written: &'a Value, present: &[Value]) -> Vec<Wanted<'a>> {
        let mut wanted: Vec<Wanted<'a>> = Vec::new();
        let mut want = |value: Value, given: Option<&'a Value>| {
            if !value.is_blank() && !wanted.iter().any(|known| alike(&known.value, &value)) {
                wanted.push(Wanted { value, given });
            }
        };
        match change(written) {
            Some((add, remove)) => {
                let removed = |value: &Value| remove.iter().any(|gone| alike(&self.value_of(gone), value));
                present.iter().filter(|value| !removed(value)).for_each(|value| want(value.clone(), None));
                for item in add {
                    want(self.value_of(item), item.as_map().map(|_| item));
                }
            }
            None => {
                for item in items(written) {
                    want(self.value_of(item), item.as_map().map(|_| item));
                }
            }
        }
        wanted
    }
}

/// The values that a field becomes which holds `present`, in the order in which they then stand: those that stay, then the new
/// ones. Of an element that is written as a map, `value` is the key that counts.
pub fn values_after(value: &str, written: &Value, present: &Value) -> Vec<Value> {
    let of = |item: &Value| item.get(value).filter(|_| item.as_map().is_some()).unwrap_or(item).clone();
    let present: Vec<Value> = items(present).iter().map(of).collect();
    let (mut kept, added): (Vec<Value>, Vec<Value>) = if let Some((add, remove)) = change(written) {
        let goes = |known: &Value| remove.iter().any(|gone| alike(&of(gone), known));
        (present.into_iter().filter(|known| !goes(known)).collect(), add.iter().map(of).collect())
    } else {
        let wanted: Vec<Value> = items(written).iter().map(of).collect();
        let stays = |known: &Value| wanted.iter().any(|wanted| alike(wanted, known));
        (present.into_iter().filter(stays).collect(), wanted)
    };
    for value in added {
        if !value.is_blank() && !kept.iter().any(|known| alike(known, &value)) {
            kept.push(value);
        }
    }
    kept
}

/// What `{ add: ..., remove: ... }` names.
fn change(written: &Value) -> Option<(&[Value], &[Value])> {
    let map = written.as_map()?;
    let only = map.keys().all(|key| matches!(&**key, "add" | "remove"));
    (only && !map.is_empty()).then(|| {
        let part = |key| map.get(key).map(items).unwrap_or_default();
        (part("add"), part("remove"))
    })
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::List(items) => items,
        one => std::slice::from_ref(one),
    }
}

/// True when two values are one: as text, and e-mail addresses without regard to case.
pub(super) fn alike(a: &Value, b: &Value) -> bool {
    a.same(b) || matches!((a.to_text(), b.to_text()), (Some(a), Some(b)) if folded(&a) == folded(&b))
}

/// A text as it identifies: trimmed, and an e-mail address in lower case.
pub fn folded(text: &str) -> String {
    let text = text.trim();
    if is_email(text) { text.to_lowercase() } else { text.to_owned() }
}

fn is_email(text: &str) -> bool {
    matches!(text.split_once('@'), Some((name, host)) if !name.is_empty() && host.contains('.') && !host.contains('@'))
        && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_written_is_what_the_field_holds_afterwards() {
        for (present, written, after) in [
            (r#"["a@x.io"]"#, r#""A@x.io ""#, r#"["a@x.io"]"#),
            (r#"["a@x.io"]"#, r#""b@x.io""#, r#"["b@x.io"]"#),
            (r#"["a@x.io","c@x.io"]"#, r#"["c@x.io","b@x.io"]"#, r#"["c@x.io","b@x.io"]"#),
            (r#"["a@x.io"]"#, r#"{"add":"b@x.io"}"#, r#"["a@x.io","b@x.io"]"#),
            (r#"["a@x.io"]"#, r#"{"add":["a@x.io"]}"#, r#"["a@x.io"]"#),
            (r#"["a@x.io","b@x.io"]"#, r#"{"remove":"A@X.io"}"#, r#"["b@x.io"]"#),
            (r#"["a@x.io"]"#, r#"{"add":"b@x.io","remove":"a@x.io"}"#, r#"["b@x.io"]"#),
            (r#"["a@x.io"]"#, "[]", "[]"),
            ("null", r#"[{"VALUE":"+44","VALUE_TYPE":"MOBILE"},"+44"]"#, r#"["+44"]"#),
        ] {
            let values = values_after("VALUE", &json(written), &json(present));
            assert_eq!(Value::list(values), json(after), "{present} and {written}");
        }
    }
}
