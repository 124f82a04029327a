//! Reads a written value as a value expression, and finds all its mistakes.

use std::sync::Arc;

use super::model::{Expr, Form, Inner, Node, OnNothing, Piece, Write};
use super::template::{self, Part, Unclosed};
use super::{modifiers, suspect};
use crate::expr::fault::{Fault, FaultKind, FaultSeg};
use crate::expr::json_path::{JsonPath, Segment, Selector};
use crate::expr::names::{Names, Reference, ReferenceKind, ReferenceSeg};
use crate::expr::rhai::{Program, Runtime};
use crate::nearest::nearest;
use crate::value::{Map, Value};

/// The keys that make a map a form of its own; any other map is a payload.
pub(super) const HEADS: [&str; 5] = ["from", "script", "each", "literal", "payload"];

/// Reads a written value.
pub(crate) fn parse(runtime: &Arc<Runtime>, written: &Value, names: &Names) -> Result<Expr, Vec<Fault>> {
    let mut parser = Parser {
        runtime,
        faults: Vec::new(),
        suspicions: Vec::new(),
        references: Vec::new(),
        constant: true,
        path: Vec::new(),
        write: Write::default(),
        on_nothing: OnNothing::default(),
    };
    let node = parser.value(written, names);
    let Parser { mut faults, suspicions, references, constant, write, on_nothing, .. } = parser;
    if !faults.is_empty() {
        // A text that is told as wrong is not suspected as well.
        let new = suspicions.into_iter().filter(|it| faults.iter().all(|fault| fault.path != it.path));
        let new: Vec<Fault> = new.collect();
        faults.extend(new);
        return Err(faults);
    }
    let written = written.clone();
    Ok(Expr { inner: Arc::new(Inner { node, write, on_nothing, references, suspicions, constant, written }) })
}

/// Reads one written value; mistakes are collected, and a part that has one is read as nothing.
pub(super) struct Parser<'a> {
    pub(super) runtime: &'a Arc<Runtime>,
    pub(super) faults: Vec<Fault>,
    /// Texts that were most likely meant as something else; they stop nothing.
    suspicions: Vec<Fault>,
    references: Vec<Reference>,
    constant: bool,
    path: Vec<FaultSeg>,
    pub(super) write: Write,
    pub(super) on_nothing: OnNothing,
}

impl Parser<'_> {
    /// Records a mistake at the place at hand.
    pub(super) fn fault(&mut self, fault: Fault) {
        let path = self.path.iter().cloned().chain(fault.path).collect();
        self.faults.push(Fault { path, ..fault });
    }

    /// Reads what stands under `seg`.
    pub(super) fn under<T>(&mut self, seg: impl Into<FaultSeg>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(seg.into());
        let result = read(self);
        self.path.pop();
        result
    }

    /// Reads a neighbour of what is at hand.
    pub(super) fn beside<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let last = self.path.pop();
        let result = self.under(key, read);
        self.path.extend(last);
        result
    }

    /// True for a modifier at the top of the written value: the place of a field's policies.
    pub(super) fn is_policy_place(&self) -> bool {
        self.path.len() == 1
    }

    pub(super) fn value(&mut self, written: &Value, names: &Names) -> Node {
        match written {
            Value::Text(text) => Node::plain(self.text(text, names)),
            Value::Null => self.blank(),
            Value::Bool(_) | Value::Int(_) | Value::Decimal(_) => Node::plain(Form::Literal(written.clone())),
            Value::List(items) => Node::plain(self.list(items, names)),
            Value::Map(map) => self.map(map, names),
        }
    }

    fn blank(&mut self) -> Node {
        self.fault(
            Fault::new(FaultKind::BlankValue, "the value is blank")
                .help("leave the key out, or write `{ literal: \"\" }` if an empty text is meant"),
        );
        Node::plain(Form::Literal(Value::Null))
    }

    fn text(&mut self, text: &Arc<str>, names: &Names) -> Form {
        if text.trim().is_empty() {
            return self.blank().form;
        }
        if text.contains("${") {
            return self.template(text, names);
        }
        if text.starts_with('$') {
            return self.path(text, names).map_or(Form::Literal(Value::Null), Form::Path);
        }
        self.suspect_text(text, names);
        Form::Literal(Value::Text(Arc::clone(text)))
    }

    /// Plain text that was most likely meant as an expression is told of, and taken as it stands.
    fn suspect_text(&mut self, text: &str, names: &Names) {
        if let Some(suspicion) = suspect::suspicion(text, names, self.runtime) {
            self.suspicions.push(Fault { path: self.path.clone(), ..suspicion });
        }
    }

    fn template(&mut self, text: &Arc<str>, names: &Names) -> Form {
        let parts = match template::parts(text) {
            Ok(parts) => parts,
            Err(Unclosed(at)) => {
                self.fault(
                    Fault::new(FaultKind::TemplateSyntax, "`${` is never closed")
                        .within(at..at + 2)
                        .help("close it with `}`, or write `{ literal: ... }` if the text is meant as it is"),
                );
                return Form::Literal(Value::Null);
            }
        };
        if let [Part::Script(range)] = parts.as_slice() {
            let source = &text[range.clone()];
            return match self.program(source, range.start, names) {
                Some(program) => Form::Script { program, source: source.into() },
                None => Form::Literal(Value::Null),
            };
        }
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::Plain(range) => {
                    self.suspect_text(&text[range.clone()], names);
                    pieces.push(Piece::Plain(text[range].into()));
                }
                Part::Script(range) => {
                    pieces.extend(self.program(&text[range.clone()], range.start, names).map(Piece::Script));
                }
            }
        }
        Form::Text(pieces)
    }

    /// Compiles a script that begins at byte `offset` of the scalar at hand.
    pub(super) fn program(&mut self, source: &str, offset: usize, names: &Names) -> Option<Program> {
        self.constant = false;
        match Program::compile(self.runtime, source, names) {
            Ok(program) => {
                let path = &self.path;
                self.references.extend(program.references().iter().map(|reference| Reference {
                    path: path.clone(),
                    range: reference.range.start + offset..reference.range.end + offset,
                    ..reference.clone()
                }));
                Some(program)
            }
            Err(faults) => {
                for fault in faults {
                    self.fault(fault.shifted(offset, source.len()));
                }
                None
            }
        }
    }

    /// Parses a JSONPath that fills the scalar at hand.
    pub(super) fn path(&mut self, text: &str, names: &Names) -> Option<JsonPath> {
        self.constant = false;
        let path = match JsonPath::parse(text) {
            Ok(path) => path,
            Err(error) => {
                let end = text[error.at..].chars().next().map_or(error.at, |char| error.at + char.len_utf8());
                let help = suspect::instead_of_path(text, error.at, names);
                self.fault(Fault::new(FaultKind::PathSyntax, error.message).within(error.at..end).help(help));
                return None;
            }
        };
        let name = |segment: &Segment| match segment.selectors.as_slice() {
            [Selector::Name(name)] if !segment.descendant => Some(Arc::clone(name)),
            _ => None,
        };
        let first: Vec<Arc<str>> = path.segments().iter().map_while(name).take(3).collect();
        let first: Vec<&str> = first.iter().map(|name| &**name).collect();
        if let Some((root, rest)) = first.split_first()
            && let Some(missing) = names.check(root, rest)
        {
            let range = path.segments()[missing.segment].range.clone();
            self.fault(missing.fault.within(name_range(text, range)));
            return None;
        }
        self.references.push(Reference {
            path: self.path.clone(),
            range: 0..text.len(),
            kind: ReferenceKind::JsonPath,
            segments: path.segments().iter().map(reference_segment).collect(),
            whole: path.segments().is_empty(),
        });
        Some(path)
    }

    fn list(&mut self, items: &[Value], names: &Names) -> Form {
        let nodes =
            items.iter().enumerate().map(|(index, item)| self.under(index, |this| this.value(item, names)));
        Form::List(nodes.collect())
    }

    fn payload(&mut self, map: &Map, names: &Names) -> Form {
        let nodes = map
            .iter()
            .map(|(key, value)| (Arc::clone(key), self.under(&**key, |this| this.value(value, names))));
        Form::Map(nodes.collect())
    }

    fn map(&mut self, map: &Map, names: &Names) -> Node {
        let heads = HEADS.into_iter().filter(|head| map.contains_key(*head)).collect::<Vec<_>>();
        let head = match heads.as_slice() {
            [] => {
                self.suspect(map);
                return Node::plain(self.payload(map, names));
            }
            [head] => *head,
            [first, second, ..] => {
                let message = format!("`{first}` and `{second}` make different forms of a value");
                let help = "keep one of them, or put a payload with such keys under `payload:`";
                self.fault(Fault::new(FaultKind::BadForm, message).help(help));
                return Node::plain(Form::Literal(Value::Null));
            }
        };
        let form = match head {
            "each" => self.each(map, names),
            "literal" => Form::Literal(map[head].clone()),
            _ => self.under(head, |this| this.headed(head, &map[head], names)),
        };
        let modifiers = modifiers::parse(self, head, map, names);
        if modifiers.as_ref().is_some_and(|modifiers| !modifiers.transform.is_empty()) {
            self.constant = false;
        }
        Node { form, modifiers }
    }

    fn headed(&mut self, head: &str, written: &Value, names: &Names) -> Form {
        match (head, written) {
            ("from", Value::List(items)) if !items.is_empty() => {
                let nodes = items.iter().enumerate();
                let nodes = nodes.map(|(index, item)| self.under(index, |this| this.value(item, names)));
                Form::First(nodes.collect())
            }
            ("script", Value::Text(source)) => match self.program(source, 0, names) {
                Some(program) => Form::Script { program, source: Arc::clone(source) },
                None => Form::Literal(Value::Null),
            },
            ("script", other) => {
                self.fault(Fault::new(FaultKind::BadForm, format!("a script is text, not {}", other.kind())));
                Form::Literal(Value::Null)
            }
            ("payload", Value::Map(map)) => self.payload(map, names),
            ("payload", Value::List(items)) => self.list(items, names),
            (_, other) => {
                let node = self.value(other, names);
                match node.modifiers {
                    None => node.form,
                    Some(_) => Form::First(vec![node]),
                }
            }
        }
    }

    fn each(&mut self, map: &Map, names: &Names) -> Form {
        let over = self.under("each", |this| this.value(&map["each"], names));
        for reference in &mut self.references {
            let is_over = reference.path.len() == self.path.len() + 1
                && reference.path.starts_with(&self.path)
                && reference.path.last() == Some(&FaultSeg::from("each"));
            // Its items go on under another name.
            reference.whole |= is_over;
        }
        let name = self.under("as", |this| this.loop_name(map.get("as")));
        let Some(give) = map.get("give") else {
            let fault = Fault::new(FaultKind::BadForm, "`each` needs `give`: the value for one item");
            self.fault(fault.help("write `{ each: $.object.lines.data, as: line, give: $.line.id }`"));
            return Form::Literal(Value::Null);
        };
        let inner = names.clone().with(&name);
        let give = self.under("give", |this| this.value(give, &inner));
        Form::Each { over: Box::new(over), name, give: Box::new(give) }
    }

    fn loop_name(&mut self, written: Option<&Value>) -> Arc<str> {
        let Some(Value::Text(name)) = written else {
            self.fault(Fault::new(FaultKind::BadForm, "`each` needs `as`: a name for one item"));
            return "item".into();
        };
        if let Some(fault) = self.runtime.reserved(name) {
            self.fault(fault);
        }
        Arc::clone(name)
    }

    /// A payload that looks like a form whose head is misspelt: `{ form: $.object.amount, money: gbp }`.
    fn suspect(&mut self, map: &Map) {
        let has_modifier = map.keys().any(|key| modifiers::NAMES.contains(&&**key));
        let near = map.keys().find_map(|key| nearest(key, HEADS).map(|head| (key, head)));
        if let (true, Some((key, head))) = (has_modifier, near) {
            let fault = Fault::new(FaultKind::UnknownModifier, format!("`{key}` is not a form of a value"));
            self.fault(
                fault.help(format!("did you mean `{head}`? (`payload: {{...}}` if it is a key of your own)")),
            );
        }
    }
}

/// The bytes of the name inside a segment of a path, without its dot.
fn name_range(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let dots = text[range.clone()].bytes().take_while(|byte| *byte == b'.').count();
    range.start + dots..range.end
}

fn reference_segment(segment: &Segment) -> ReferenceSeg {
    if segment.descendant {
        return ReferenceSeg::Deep;
    }
    match segment.selectors.as_slice() {
        [Selector::Name(name)] => ReferenceSeg::Name(Arc::clone(name)),
        [Selector::Index(index)] => ReferenceSeg::Index(*index),
        _ => ReferenceSeg::Any,
    }
}
