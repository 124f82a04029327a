//! The example clients as files with trees, and edits of them.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

use lockstep::config::{ConnectionSchema, FileSet, FileText, ObjectSchema};
use lockstep::diagnostic::SourceFile;
use lockstep::yaml::{self, Data, Entry, Node};

/// One example client.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) pages: Vec<Page>,
    /// Files that no mistake is made in: what was pulled of its accounts.
    others: Vec<FileText>,
    /// The same, by connection.
    schemas: BTreeMap<String, ConnectionSchema>,
}

/// One YAML file.
pub(super) struct Page {
    pub(super) path: Arc<str>,
    pub(super) text: Arc<str>,
    root: Node,
}

/// An entry of a map, and how it is reached.
#[derive(Clone)]
pub(super) struct Item<'a> {
    /// The keys above it, the outermost first; elements of lists are `[]`.
    pub(super) trail: Vec<&'a str>,
    /// The map that it is in, and those above it, the outermost first.
    pub(super) maps: Vec<&'a Node>,
    pub(super) entry: &'a Entry,
}

/// A text, and how it is reached.
pub(super) struct Scalar<'a> {
    /// The keys to it, the outermost first; elements of lists are `[]`.
    pub(super) trail: Vec<&'a str>,
    pub(super) node: &'a Node,
    /// Its bytes, quotes included.
    pub(super) range: Range<usize>,
    /// How it is written.
    pub(super) raw: &'a str,
}

/// One file with one mistake.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) file: Arc<str>,
    pub(super) text: String,
    /// Where a finding should stand, as lines of the file with the mistake in it.
    pub(super) lines: RangeInclusive<usize>,
    /// What was done, for people.
    pub(super) shown: String,
}

impl Client {
    /// Every client of `pipelines/`.
    pub(super) fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
        let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders.iter().filter(|path| path.is_dir()).map(|path| Self::read(path)).collect()
    }

    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let mut client = Self { name, pages: Vec::new(), others: Vec::new(), schemas: BTreeMap::new() };
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.extend(fs::read_dir(folder.join("schemas")).unwrap().map(|entry| entry.unwrap().path()));
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()) {
            let text = fs::read_to_string(path).unwrap();
            let file = path.file_name().unwrap().to_str().unwrap();
            if let Some(connection) = file.strip_suffix(".json") {
                client.schemas.insert(connection.to_owned(), serde_json::from_str(&text).unwrap());
                let path = format!("pipelines/{}/schemas/{file}", client.name).into();
                client.others.push(FileText { path, text: text.into() });
            } else {
                client.pages.push(Page::new(&format!("pipelines/{}/{file}", client.name), text));
            }
        }
        client
    }

    /// All files.
    pub(super) fn files(&self) -> FileSet {
        self.files_where(|_| true)
    }

    /// The files that a mistake in `file` has to do with: of the pipelines, that one alone.
    pub(super) fn files_about(&self, file: &str) -> FileSet {
        let stem = |path: &str| path.trim_end_matches(".yaml").trim_end_matches(".test").to_owned();
        let is_whole = |path: &str| path.contains("/client.") || path.contains(".part.");
        if is_whole(file) {
            return self.files();
        }
        self.files_where(|path| is_whole(path) || stem(path) == stem(file))
    }

    fn files_where(&self, keep: impl Fn(&str) -> bool) -> FileSet {
        let pages = self.pages.iter().filter(|page| keep(&page.path));
        let pages = pages.map(|page| FileText { path: Arc::clone(&page.path), text: Arc::clone(&page.text) });
        FileSet::of(pages.chain(self.others.iter().cloned()).collect())
    }

    /// What was pulled of an object: `salesforce.Account`.
    pub(super) fn pulled(&self, object: &str) -> Option<&ObjectSchema> {
        let (connection, object) = object.split_once('.')?;
        self.schemas.get(connection)?.objects.get(object)
    }

    /// True when the fields of an object are known at all.
    pub(super) fn knows(&self, object: &str) -> bool {
        object.starts_with("stripe.") || self.pulled(object).is_some()
    }

    /// The objects of the step with this id; none when it has none, or there is no such step.
    pub(super) fn objects_of_step(&self, id: &str) -> Vec<String> {
        let mut objects = Vec::new();
        for page in &self.pages {
            for item in page.items().iter().filter(|item| &*item.entry.key.name == "id") {
                let Some(step) = item.maps.last().filter(|_| item.entry.value.as_str() == Some(id)) else {
                    continue;
                };
                for verb in step.as_map().unwrap() {
                    let alone = verb.value.get("object").into_iter();
                    let any = verb.value.get("any").and_then(Node::as_list).unwrap_or_default().iter();
                    let all = alone.chain(any.filter_map(|place| place.get("object")));
                    objects.extend(all.filter_map(Node::as_str).map(ToOwned::to_owned));
                }
            }
        }
        objects
    }
}

impl Page {
    fn new(path: &str, text: String) -> Self {
        let file = Arc::new(SourceFile::new(path, text));
        let (document, _) = yaml::parse(&file);
        Self { path: path.into(), text: Arc::clone(file.text()), root: document.unwrap().root }
    }

    pub(super) fn is_pipeline(&self) -> bool {
        self.root.get("trigger").is_some()
    }

    pub(super) fn is_test(&self) -> bool {
        self.path.ends_with(".test.yaml")
    }

    pub(super) fn is_client(&self) -> bool {
        self.path.contains("/client.")
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    /// Every entry of every map that is written here, outer before inner.
    pub(super) fn items(&self) -> Vec<Item<'_>> {
        let mut found = Vec::new();
        items(&self.root, &mut Vec::new(), &mut Vec::new(), &mut found);
        found
    }

    /// Every text that is written here.
    pub(super) fn scalars(&self) -> Vec<Scalar<'_>> {
        let mut found = Vec::new();
        scalars(self, &self.root, &mut Vec::new(), &mut found);
        found
    }

    /// What is written at these bytes.
    pub(super) fn raw(&self, range: &Range<usize>) -> &str {
        &self.text[range.clone()]
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        line(&self.text, at)
    }

    /// The bytes of the line that a byte is in, without its end.
    pub(super) fn line_range(&self, at: usize) -> Range<usize> {
        let start = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end);
        start..end
    }

    /// An entry that has a line of its own, and that line.
    pub(super) fn own_line(&self, entry: &Entry) -> Option<Range<usize>> {
        let key = entry.key.span.range();
        let line = self.line_range(key.start);
        let value = entry.value.span.range();
        let is_alone = self.text[line.start..key.start].chars().all(|c| c == ' ');
        let is_scalar =
            !matches!(entry.value.data, Data::Null) && value.start > key.end && value.end <= line.end;
        (is_alone && is_scalar).then_some(line)
    }

    /// The whole lines of an entry that begins one.
    pub(super) fn whole_lines(&self, entry: &Entry) -> Option<Range<usize>> {
        let key = entry.key.span.range();
        let start = self.line_range(key.start).start;
        let end = self.line_range(entry.value.span.range().end.saturating_sub(1).max(key.end)).end;
        let is_alone = self.text[start..key.start].chars().all(|c| c == ' ');
        is_alone.then(|| start..(end + 1).min(self.text.len()))
    }

    /// The file with `with` in place of `range`.
    pub(super) fn edit(&self, range: Range<usize>, with: &str) -> Mistake {
        let text = format!("{}{with}{}", &self.text[..range.start], &self.text[range.end..]);
        let (first, last) = (line(&text, range.start), line(&text, range.start + with.len()));
        let was = self.raw(&range).trim();
        let shown = format!("{}:{first}: {was:?} -> {:?}", self.path, with.trim());
        Mistake { file: Arc::clone(&self.path), text, lines: first..=last, shown }
    }
}

impl Mistake {
    /// The same, with other lines for its finding.
    pub(super) fn on(mut self, lines: RangeInclusive<usize>) -> Self {
        self.lines = lines;
        self
    }
}

fn line(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

fn items<'a>(node: &'a Node, trail: &mut Vec<&'a str>, maps: &mut Vec<&'a Node>, found: &mut Vec<Item<'a>>) {
    // What an alias stands for is written elsewhere.
    if node.origin.is_some() {
        return;
    }
    match &node.data {
        Data::List(elements) => {
            trail.push("[]");
            elements.iter().for_each(|element| items(element, trail, maps, found));
            trail.pop();
        }
        Data::Map(entries) => {
            maps.push(node);
            for entry in &**entries {
                found.push(Item { trail: trail.clone(), maps: maps.clone(), entry });
                trail.push(&entry.key.name);
                items(&entry.value, trail, maps, found);
                trail.pop();
            }
            maps.pop();
        }
        _ => {}
    }
}

fn scalars<'a>(page: &'a Page, node: &'a Node, trail: &mut Vec<&'a str>, found: &mut Vec<Scalar<'a>>) {
    if node.origin.is_some() {
        return;
    }
    match &node.data {
        Data::List(elements) => {
            trail.push("[]");
            elements.iter().for_each(|element| scalars(page, element, trail, found));
            trail.pop();
        }
        Data::Map(entries) => {
            for entry in &**entries {
                trail.push(&entry.key.name);
                scalars(page, &entry.value, trail, found);
                trail.pop();
            }
        }
        Data::Text(_) => {
            let range = node.span.range();
            found.push(Scalar { trail: trail.clone(), node, raw: page.raw(&range), range });
        }
        _ => {}
    }
}
