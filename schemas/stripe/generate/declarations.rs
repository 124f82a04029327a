//! The declarations of the package: interfaces, names for types, and what each file imports.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::tokens::{Token, tokens};

/// A type, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// One of these.
    Union(Vec<Type>),
    /// A name with what stands in its angle brackets.
    Named(Vec<String>, Vec<Type>),
    /// A word in quotes.
    Word(String),
    /// Members that are written here.
    Members(Interface),
    /// Anything that no field of an object has.
    Other,
}

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) extends: Vec<Vec<String>>,
    pub(crate) members: Vec<Member>,
    /// The values of any key.
    pub(crate) values: Option<Box<Type>>,
}

/// A member of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) optional: bool,
    pub(crate) of: Type,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Declared {
    Interface(Interface),
    Alias(Type),
}

/// What a name of another file stands for.
#[derive(Debug, Clone)]
enum Import {
    Item(PathBuf, String),
    Folder(PathBuf),
}

/// One file: its declarations by their dotted names, and its imports.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) declared: BTreeMap<String, Declared>,
    imports: HashMap<String, Import>,
}

/// All files.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) api_version: String,
    pub(crate) files: BTreeMap<PathBuf, File>,
}

/// A declaration with the place where its names are to be looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'p> {
    pub(crate) file: &'p Path,
    pub(crate) name: &'p str,
    pub(crate) what: &'p Declared,
}

impl Package {
    /// Reads the folder `esm` of the package.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let version = fs::read_to_string(folder.join("apiVersion.d.ts"))?;
        let api_version = version.split('"').nth(1).ok_or("apiVersion.d.ts names no version")?.to_owned();
        let mut files = BTreeMap::new();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else if path.to_string_lossy().ends_with(".d.ts") {
                    let file = Reader::new(&fs::read_to_string(&path)?, &path).file();
                    files.insert(path, file);
                }
            }
        }
        Ok(Self { api_version, files })
    }

    /// What `name` stands for inside the declaration `scope` of `file`.
    pub(crate) fn find<'p>(&'p self, file: &Path, scope: &str, name: &[String]) -> Option<Found<'p>> {
        let (path, content) = self.files.get_key_value(file)?;
        let dotted = name.join(".");
        let mut around = Some(scope);
        while let Some(outer) = around {
            let whole = if outer.is_empty() { dotted.clone() } else { format!("{outer}.{dotted}") };
            if let Some((name, what)) = content.declared.get_key_value(&whole) {
                return Some(Found { file: path, name, what });
            }
            around = (!outer.is_empty()).then(|| outer.rsplit_once('.').map_or("", |(outer, _)| outer));
        }
        let (first, rest) = name.split_first()?;
        match content.imports.get(first)? {
            // The index of a folder stands for all files in it.
            Import::Item(file, _) if file.ends_with("index.d.ts") => self.inside(file.parent()?, rest),
            Import::Item(file, item) => {
                let name: Vec<String> = std::iter::once(item).chain(rest).cloned().collect();
                self.find(file, "", &name)
            }
            Import::Folder(folder) => self.inside(folder, rest),
        }
    }

    /// What `name` stands for in the files of a folder.
    fn inside<'p>(&'p self, folder: &Path, name: &[String]) -> Option<Found<'p>> {
        let name = name.join(".");
        let mut inside = self.files.iter().filter(|(file, _)| file.parent() == Some(folder));
        inside.find_map(|(file, content)| {
            let (name, what) = content.declared.get_key_value(&name)?;
            Some(Found { file, name, what })
        })
    }
}

/// Reads one file.
struct Reader<'f> {
    tokens: Vec<Token>,
    at: usize,
    path: &'f Path,
    file: File,
}

impl<'f> Reader<'f> {
    fn new(source: &str, path: &'f Path) -> Self {
        Self { tokens: tokens(source), at: 0, path, file: File::default() }
    }

    fn file(mut self) -> File {
        while self.at < self.tokens.len() {
            self.declaration("");
        }
        self.file
    }

    fn is(&self, ahead: usize, sign: char) -> bool {
        self.tokens.get(self.at + ahead) == Some(&Token::Sign(sign))
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn eat(&mut self, sign: char) -> bool {
        let is = self.is(0, sign);
        self.at += usize::from(is);
        is
    }

    fn name(&mut self) -> String {
        let name = self.word(0).unwrap_or_default().to_owned();
        self.at += 1;
        name
    }

    fn declaration(&mut self, scope: &str) {
        let whole = |name: &str| if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        match self.word(0) {
            Some("export" | "declare") => self.at += 1,
            Some("import") => self.import(),
            Some("interface") => {
                self.at += 1;
                let name = whole(&self.name());
                self.skip_angles();
                let mut extends = Vec::new();
                if self.word(0) == Some("extends") {
                    self.at += 1;
                    while let Type::Named(name, _) = self.one() {
                        extends.push(name);
                        if !self.eat(',') {
                            break;
                        }
                    }
                }
                let body = self.members();
                self.file.declared.insert(name, Declared::Interface(Interface { extends, ..body }));
            }
            Some("type") if self.word(1).is_some() => {
                self.at += 1;
                let name = whole(&self.name());
                self.skip_angles();
                self.eat('=');
                let of = self.of();
                self.eat(';');
                self.file.declared.insert(name, Declared::Alias(of));
            }
            Some("namespace") => {
                self.at += 1;
                let name = whole(&self.name());
                self.eat('{');
                while !self.eat('}') && self.at < self.tokens.len() {
                    self.declaration(&name);
                }
            }
            _ => self.skip(),
        }
    }

    /// `import { A, B as C } from './X.js'`, `import * as D from './D/index.js'`.
    fn import(&mut self) {
        self.at += 1;
        let mut names = Vec::new();
        let mut folder = None;
        while !matches!(self.tokens.get(self.at), Some(Token::Text(_)) | None) {
            match self.word(0) {
                Some("from" | "type") | None => self.at += 1,
                Some("as") => {
                    self.at += 1;
                    folder = Some(self.name());
                }
                Some(_) => {
                    let name = self.name();
                    let local = if self.word(0) == Some("as") {
                        self.at += 1;
                        self.name()
                    } else {
                        name.clone()
                    };
                    names.push((local, name));
                }
            }
        }
        if let Some(Token::Text(from)) = self.tokens.get(self.at) {
            let target = self.path.parent().unwrap_or(self.path).join(from.replace(".js", ".d.ts"));
            let target = normal(&target);
            for (local, name) in names {
                self.file.imports.insert(local, Import::Item(target.clone(), name));
            }
            if let (Some(local), Some(folder)) = (folder, target.parent()) {
                self.file.imports.insert(local, Import::Folder(folder.to_owned()));
            }
        }
        self.at += 1;
        self.eat(';');
    }

    /// Skips to the end of a declaration that is of no use here.
    fn skip(&mut self) {
        let mut depth = 0_i32;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') => {
                    depth -= 1;
                    if depth <= 0 {
                        return;
                    }
                }
                Token::Sign(';') if depth == 0 => return,
                _ => {}
            }
        }
    }

    fn skip_angles(&mut self) {
        if self.eat('<') {
            while self.at < self.tokens.len() && !self.eat('>') {
                self.at += 1;
            }
        }
    }

    fn members(&mut self) -> Interface {
        let mut body = Interface::default();
        self.eat('{');
        while self.at < self.tokens.len() && !self.eat('}') {
            if self.eat('[') {
                while self.at < self.tokens.len() && !self.eat(']') {
                    self.at += 1;
                }
                self.eat(':');
                body.values = Some(Box::new(self.of()));
            } else {
                let name = match self.tokens.get(self.at) {
                    Some(Token::Word(name) | Token::Text(name)) => name.clone(),
                    _ => String::new(),
                };
                self.at += 1;
                let optional = self.eat('?');
                if self.eat(':') {
                    body.members.push(Member { name, optional, of: self.of() });
                } else {
                    self.method();
                }
            }
            self.eat(';');
        }
        body
    }

    /// A member that is a function.
    fn method(&mut self) {
        while self.at < self.tokens.len() && !self.is(0, ';') && !self.is(0, '}') {
            self.at += 1;
        }
    }

    fn of(&mut self) -> Type {
        self.eat('|');
        let mut all = vec![self.one()];
        while self.eat('|') || self.eat('&') {
            all.push(self.one());
        }
        match all.pop() {
            Some(only) if all.is_empty() => only,
            last => {
                all.extend(last);
                Type::Union(all)
            }
        }
    }

    fn one(&mut self) -> Type {
        let mut found = match self.tokens.get(self.at).cloned() {
            Some(Token::Text(text)) => {
                self.at += 1;
                Type::Word(text)
            }
            Some(Token::Word(_)) => {
                let mut name = vec![self.name()];
                while self.eat('.') {
                    name.push(self.name());
                }
                let mut inside = Vec::new();
                if self.eat('<') {
                    while self.at < self.tokens.len() && !self.eat('>') {
                        inside.push(self.of());
                        self.eat(',');
                    }
                }
                Type::Named(name, inside)
            }
            Some(Token::Sign('{')) => Type::Members(self.members()),
            Some(Token::Sign('(')) => {
                self.at += 1;
                let inner = self.of();
                self.eat(')');
                inner
            }
            _ => {
                self.at += 1;
                Type::Other
            }
        };
        while self.is(0, '[') && self.is(1, ']') {
            self.at += 2;
            found = Type::Named(vec!["Array".to_owned()], vec![found]);
        }
        found
    }
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(normal.pop()),
            std::path::Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
