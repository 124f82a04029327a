//! The values that a written expression comes to, as far as the files say them: what is written out, the results of a
//! `map`, a `default`. What an event decides is not among them.

use std::sync::Arc;

use super::view::View;
use crate::config::Identifier;
use crate::diagnostic::{Path, Place};
use crate::value::{Map, Value};

/// One such value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Constant {
    /// What it is.
    pub(super) value: Value,
    /// Where it is written.
    pub(super) place: Place,
    /// Where it is used, when that is somewhere else: a table of `client.yaml`.
    pub(super) used: Option<Place>,
}

/// The constants of a value expression that is written at `path` of `file`.
pub(super) fn constants(view: &View, file: &Arc<str>, path: &Path, written: &Value) -> Vec<Constant> {
    let mut found = Vec::new();
    Search { view, file, found: &mut found }.value(path, written);
    found
}

struct Search<'a> {
    view: &'a View<'a>,
    file: &'a Arc<str>,
    found: &'a mut Vec<Constant>,
}

impl Search<'_> {
    fn value(&mut self, path: &Path, written: &Value) {
        match written {
            Value::Null => {}
            Value::Text(text) if text.starts_with('$') || text.contains("${") => {}
            Value::Map(map) => self.map(path, map),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&path.index(index), item);
                }
            }
            plain => self.found(path, plain),
        }
    }

    fn found(&mut self, path: &Path, value: &Value) {
        let place = Place::value(Arc::clone(self.file), path.clone());
        self.found.push(Constant { value: value.clone(), place, used: None });
    }

    /// A form with modifiers; any other map is a payload, whose parts are no values of the field.
    fn map(&mut self, path: &Path, map: &Map) {
        let is_changed = ["transform", "money", "minor", "datetime", "truncate"];
        let is_changed = is_changed.iter().any(|modifier| map.contains_key(*modifier));
        if let Some(literal) = map.get("literal") {
            if !is_changed && !map.contains_key("map") {
                self.found(&path.key("literal"), literal);
            }
        } else if !map.contains_key("from") && !map.contains_key("script") {
            return;
        }
        match (map.get("map"), map.get("from")) {
            (Some(table), _) => self.table(&path.key("map"), table),
            (None, Some(Value::List(firsts))) if !is_changed => {
                for (index, first) in firsts.iter().enumerate() {
                    self.value(&path.key("from").index(index), first);
                }
            }
            (None, Some(from)) if !is_changed => self.value(&path.key("from"), from),
            _ => {}
        }
        if let Some(default) = map.get("default") {
            self.value(&path.key("default"), default);
        }
    }

    /// The results of `map:`, which may be a table of the client's variables.
    fn table(&mut self, path: &Path, table: &Value) {
        if let Some(map) = table.as_map() {
            for (key, value) in map.iter().filter(|(_, value)| !value.is_nothing()) {
                self.found(&path.key(Arc::clone(key)), value);
            }
        }
        let Some(variable) = table.as_str().and_then(|text| text.strip_prefix("$.vars.")) else { return };
        let mut names = variable.split('.');
        let name = Identifier(names.next().unwrap_or_default().into());
        let Some(mut value) = self.view.client.vars.get(&name) else { return };
        let mut at = Path::root().key("vars").key(name.0);
        for name in names {
            let Some(inner) = value.get(name) else { return };
            (value, at) = (inner, at.key(name));
        }
        let used = Place::value(Arc::clone(self.file), path.clone());
        for (key, value) in value.as_map().into_iter().flatten().filter(|(_, value)| !value.is_nothing()) {
            let place = self.view.value(&at.key(Arc::clone(key)));
            self.found.push(Constant { value: value.clone(), place, used: Some(used.clone()) });
        }
    }
}
