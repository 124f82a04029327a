//! Events -> tree: anchors, merges, equal keys and the limits.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, ScalarStyle as Style, StructureStyle, Tag};

use super::suspects::{Plain, SCRIPT_KEYS};
use super::traps::Context;
use super::{Data, Document, Entry, Key, Node, ScalarStyle, SourceFile, Span, quote, scalar};
use crate::diagnostic::{Code, Diagnostic, Place};

/// Nodes of one file, with every alias counted as what it stands for: a file of nine lines can otherwise expand
/// to a billion.
const NODES_MAX: usize = 250_000;
/// Levels of lists and maps, aliases counted as what they stand for: everything that walks a tree recurses.
const DEPTH_MAX: usize = 100;
/// From this many entries on, equal keys are found by hashing instead of by comparing all pairs.
const HASHED_FROM: usize = 16;

/// Whether the builder can go on.
#[derive(PartialEq, Eq)]
pub(super) enum Step {
    /// The next event, please.
    Next,
    /// A limit is reached, or there is a second document.
    Stop,
}

/// A finished node with what it weighs.
#[derive(Clone)]
struct Built {
    node: Node,
    /// Nodes, itself included, aliases expanded.
    size: usize,
    /// Levels below and including itself; 0 for a scalar.
    height: usize,
}

/// A list or map that is still open.
struct Frame {
    start: Span,
    anchor: usize,
    style: StructureStyle,
    kind: Kind,
    size: usize,
    height: usize,
}

enum Kind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<PendingKey>, merges: Vec<Node> },
}

enum PendingKey {
    Name(Key),
    Merge,
    /// A key that was refused; its value is read and dropped.
    Refused,
}

/// Builds the tree of one file.
pub(super) struct Builder<'a> {
    file: &'a Arc<SourceFile>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
    last_scalar: Span,
    last_key: Span,
    last_closed: Span,
    findings: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: &'a Arc<SourceFile>) -> Self {
        Self {
            file,
            stack: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            documents: 0,
            root: None,
            last_scalar: Span::default(),
            last_key: Span::default(),
            last_closed: Span::default(),
            findings: Vec::new(),
        }
    }

    pub(super) fn into_findings(self) -> Vec<Diagnostic> {
        self.findings
    }

    /// The document; an empty file is one whose value is nothing.
    pub(super) fn finish(self) -> (Option<Document>, Vec<Diagnostic>) {
        let nothing =
            Node { span: Span::default(), data: Data::Null, style: ScalarStyle::Plain, origin: None };
        let root = self.root.unwrap_or(nothing);
        (Some(Document { file: Arc::clone(self.file), root }), self.findings)
    }

    /// Takes the next event. `tag` is where the node's tag stands.
    pub(super) fn take(&mut self, event: Event<'_>, span: Span, tag: Option<Span>) -> Step {
        match event {
            Event::DocumentStart(..) => self.begin_document(span),
            Event::Scalar(text, style, anchor, name) => {
                let built = self.scalar(&text, style, span, name.as_deref().zip(tag));
                self.last_scalar = built.node.span;
                self.close(built, anchor)
            }
            Event::SequenceStart(style, anchor, name) => {
                self.refuse_tag(name.as_deref().zip(tag));
                self.open(span, anchor, style, Kind::List(Vec::new()))
            }
            Event::MappingStart(style, anchor, name) => {
                self.refuse_tag(name.as_deref().zip(tag));
                self.open(
                    span,
                    anchor,
                    style,
                    Kind::Map { entries: Vec::new(), key: None, merges: Vec::new() },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(frame) => self.end(frame, span),
                None => Step::Next,
            },
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => Step::Next,
        }
    }

    fn begin_document(&mut self, span: Span) -> Step {
        self.documents += 1;
        if self.documents == 1 {
            return Step::Next;
        }
        let finding = self
            .finding(Code::SeveralDocuments, span, "a second document begins here")
            .label("a file holds one document")
            .help("remove the `---`, or move what follows it to a file of its own");
        self.findings.push(finding);
        Step::Stop
    }

    fn scalar(&mut self, text: &str, style: Style, span: Span, tag: Option<(&Tag, Span)>) -> Built {
        let (style, mut data) = match style {
            Style::Plain => (ScalarStyle::Plain, scalar::plain(text)),
            Style::SingleQuoted => (ScalarStyle::Single, Data::Text(text.into())),
            Style::DoubleQuoted => (ScalarStyle::Double, Data::Text(text.into())),
            Style::Literal => (ScalarStyle::Literal, Data::Text(text.into())),
            Style::Folded => (ScalarStyle::Folded, Data::Text(text.into())),
        };
        let mut span = span;
        if style == ScalarStyle::Plain && tag.is_none() {
            self.suspect(text, span);
        }
        if let Some((tag, at)) = tag {
            match tag.core_suffix() {
                Some("str") => data = Data::Text(text.into()),
                Some(_) => {}
                None => {
                    // What was meant is most likely the text with its `!`: later stages go on with that.
                    let start = at.start as usize;
                    let end = quote::value_end(self.file.text(), start, self.open_flow().is_some());
                    span = Span::new(start, end.max(at.end as usize));
                    let written = self.file.slice(span);
                    data = Data::Text(written.into());
                    self.tag_for_not(tag, at, written);
                }
            }
        }
        Built { node: Node { span, data, style, origin: None }, size: 1, height: 0 }
    }

    fn suspect(&mut self, text: &str, span: Span) {
        let key = self.pending_key();
        let in_flow = self.open_flow().is_some();
        let plain = Plain { file: self.file, text, span, key: key.as_deref(), in_flow };
        if let Some(finding) = plain.suspect() {
            self.findings.push(finding);
        }
    }

    /// The key whose value comes next.
    fn pending_key(&self) -> Option<Arc<str>> {
        match &self.stack.last()?.kind {
            Kind::Map { key: Some(PendingKey::Name(key)), .. } => Some(Arc::clone(&key.name)),
            _ => None,
        }
    }

    /// The innermost `{` or `[` that is open.
    fn open_flow(&self) -> Option<Span> {
        self.stack.last().filter(|frame| frame.style == StructureStyle::Flow).map(|frame| frame.start)
    }

    /// How far reading came, for an explanation of what stopped it.
    pub(super) fn context(&self) -> Context {
        Context {
            last_scalar: self.last_scalar,
            last_key: self.last_key,
            last_closed: self.last_closed,
            open_flow: self.open_flow(),
        }
    }

    /// `when: !x`: a tag to YAML, a negation to its author.
    fn tag_for_not(&mut self, tag: &Tag, at: Span, written: &str) {
        let key = self.pending_key();
        let quoted = quote::quoted(written);
        let help = match &key {
            Some(key) if SCRIPT_KEYS.contains(&&**key) => format!("write `{key}: {quoted}`"),
            _ => format!("write `{quoted}` for this text, or `\"${{{written}}}\"` for what the script gives"),
        };
        let start = at.start as usize;
        let mut fix = quote::fix(self.file, &(start..start + written.len()), &quoted);
        fix.safe = key.is_some_and(|key| SCRIPT_KEYS.contains(&&*key));
        let finding = self
            .finding(Code::UnexpectedTag, at, format!("`{}` is a tag", tag.original()))
            .label("an unquoted `!` begins a YAML tag")
            .help(help)
            .fix(fix);
        self.findings.push(finding);
    }

    fn refuse_tag(&mut self, tag: Option<(&Tag, Span)>) {
        let Some((tag, at)) = tag.filter(|(tag, _)| tag.core_suffix().is_none()) else { return };
        let finding = self
            .finding(Code::UnexpectedTag, at, format!("`{}` is a tag", tag.original()))
            .label("an unquoted `!` begins a YAML tag")
            .help("remove it: tags mean nothing here");
        self.findings.push(finding);
    }

    fn open(&mut self, start: Span, anchor: usize, style: StructureStyle, kind: Kind) -> Step {
        if self.stack.len() >= DEPTH_MAX {
            return self.too_deep(start);
        }
        self.stack.push(Frame { start, anchor, style, kind, size: 1, height: 0 });
        Step::Next
    }

    fn end(&mut self, frame: Frame, end: Span) -> Step {
        let span = self.trimmed(Span { start: frame.start.start, end: end.end.max(frame.start.end) });
        self.last_closed = span;
        let data = match frame.kind {
            Kind::List(items) => Data::List(items.into()),
            Kind::Map { entries, merges, .. } => Data::Map(self.entries(entries, &merges).into()),
        };
        let node = Node { span, data, style: ScalarStyle::Plain, origin: None };
        self.close(Built { node, size: frame.size, height: frame.height + 1 }, frame.anchor)
    }

    /// A block's end is where the next one begins: without the white space in between.
    fn trimmed(&self, span: Span) -> Span {
        let length = self.file.slice(span).trim_end().len();
        Span::new(span.start as usize, span.start as usize + length)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Step {
        let Some(built) = self.anchors.get(&anchor) else {
            let finding = self
                .finding(Code::BadAlias, span, "this alias stands inside of the value it refers to")
                .label("it would contain itself");
            self.findings.push(finding);
            return Step::Stop;
        };
        let node = Node { span, origin: Some(built.node.written()), ..built.node.clone() };
        let built = Built { node, ..*built };
        if self.stack.len() + built.height > DEPTH_MAX {
            return self.too_deep(span);
        }
        self.close(built, 0)
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, built: Built, anchor: usize) -> Step {
        self.nodes += if built.node.origin.is_some() { built.size } else { 1 };
        if self.nodes > NODES_MAX {
            let fact = format!("the file has more than {NODES_MAX} values, with aliases written out");
            let finding =
                self.finding(Code::YamlLimit, built.node.span, fact).label("the limit is reached here");
            self.findings.push(finding);
            return Step::Stop;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(mut frame) = self.stack.pop() else {
            self.root = Some(built.node);
            return Step::Next;
        };
        frame.size += built.size;
        frame.height = frame.height.max(built.height);
        match &mut frame.kind {
            Kind::List(items) => items.push(built.node),
            Kind::Map { entries, key, merges } => match key.take() {
                None => *key = Some(self.key(&built.node)),
                Some(PendingKey::Name(key)) => entries.push(Entry { key, value: built.node }),
                Some(PendingKey::Merge) => merges.push(built.node),
                Some(PendingKey::Refused) => {}
            },
        }
        self.stack.push(frame);
        Step::Next
    }

    fn key(&mut self, node: &Node) -> PendingKey {
        let span = node.span;
        self.last_key = span;
        let name = match &node.data {
            Data::Text(text) if &**text == "<<" && node.style == ScalarStyle::Plain => {
                return PendingKey::Merge;
            }
            Data::Text(text) => Arc::clone(text),
            Data::List(_) | Data::Map(_) => {
                let finding = self
                    .finding(Code::KeyNotText, span, format!("{} stands where a key is wanted", node.kind()))
                    .label("a key is plain text")
                    .help(self.help_for_braces(span));
                self.findings.push(finding);
                return PendingKey::Refused;
            }
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Decimal(_) => {
                self.file.slice(node.written()).trim().into()
            }
        };
        PendingKey::Name(Key { name, span })
    }

    /// `{{ x }}` is a map whose key is a map; its author most likely comes from a language of templates.
    fn help_for_braces(&self, span: Span) -> String {
        let inside = self.file.slice(span).strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let doubled =
            span.start > 0 && self.file.text().as_bytes().get(span.start as usize - 1) == Some(&b'{');
        match inside.filter(|_| doubled) {
            Some(script) => format!("write `\"${{{}}}\"` for what a script gives", script.trim()),
            None => "text that begins with `{` or `[` needs quotes".into(),
        }
    }

    /// The entries of a map: the written ones, of equal keys the first, then what is merged in.
    fn entries(&mut self, written: Vec<Entry>, merges: &[Node]) -> Vec<Entry> {
        let mut entries = Unique::with_capacity(written.len());
        for entry in written {
            if let Some((first, again)) = entries.push(entry) {
                self.duplicate(&again, first);
            }
        }
        for merge in merges {
            let sources = match &merge.data {
                Data::List(items) => items,
                _ => std::slice::from_ref(merge),
            };
            for from in sources {
                let Data::Map(inherited) = &from.data else {
                    let finding = self
                        .finding(Code::BadAlias, from.span, format!("`<<` cannot merge {}", from.kind()))
                        .label("a map, or a list of maps, is merged");
                    self.findings.push(finding);
                    continue;
                };
                for entry in inherited.iter() {
                    // A key that is written out wins over a merged one, and an earlier merge over a later one.
                    entries.push(entry.clone());
                }
            }
        }
        entries.all
    }

    fn duplicate(&mut self, key: &Key, first: Span) {
        let related = Place::bytes(Arc::clone(self.file.path()), first);
        let finding = self
            .finding(Code::DuplicateKey, key.span, format!("the key `{}` is written twice", key.name))
            .label("only one of the two would count")
            .related(related, "first written here")
            .help("remove one of the two, or rename it");
        self.findings.push(finding);
    }

    fn too_deep(&mut self, span: Span) -> Step {
        let fact = format!("lists and maps are nested deeper than {DEPTH_MAX} levels");
        let finding = self.finding(Code::YamlLimit, span, fact).label("the limit is reached here");
        self.findings.push(finding);
        Step::Stop
    }

    fn finding(&self, code: Code, span: Span, fact: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, Place::bytes(Arc::clone(self.file.path()), span), fact)
    }
}

/// Entries without equal keys; a hash is kept only for maps that are large enough to need one.
struct Unique {
    all: Vec<Entry>,
    index: HashMap<Arc<str>, usize>,
}

impl Unique {
    fn with_capacity(capacity: usize) -> Self {
        Self { all: Vec::with_capacity(capacity), index: HashMap::new() }
    }

    /// Adds an entry; when its key is there already, gives back where the first is, and the second key.
    fn push(&mut self, entry: Entry) -> Option<(Span, Key)> {
        let first = if self.all.len() < HASHED_FROM {
            self.all.iter().position(|other| other.key.name == entry.key.name)
        } else {
            if self.index.is_empty() {
                self.index.extend(self.all.iter().map(|known| Arc::clone(&known.key.name)).zip(0..));
            }
            self.index.get(&entry.key.name).copied()
        };
        if let Some(first) = first.and_then(|at| self.all.get(at)) {
            return Some((first.key.span, entry.key));
        }
        if !self.index.is_empty() {
            self.index.insert(Arc::clone(&entry.key.name), self.all.len());
        }
        self.all.push(entry);
        None
    }
}
