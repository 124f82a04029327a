//! What a value expression is, once it is read.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::tz::TimeZone;

use super::parse::HEADS;
use crate::expr::fault::Fault;
use crate::expr::functions::Function;
use crate::expr::functions::time::Format;
use crate::expr::json_path::JsonPath;
use crate::expr::names::Reference;
use crate::expr::rhai::{Program, Runtime};
use crate::value::{Map, Value};

/// A value expression, ready to be evaluated any number of times.
#[derive(Clone)]
pub struct Expr {
    pub(in crate::expr) inner: Arc<Inner>,
}

pub(in crate::expr) struct Inner {
    pub(in crate::expr) node: Node,
    pub(in crate::expr) write: Write,
    pub(in crate::expr) on_nothing: OnNothing,
    pub(in crate::expr) references: Vec<Reference>,
    pub(in crate::expr) suspicions: Vec<Fault>,
    pub(in crate::expr) constant: bool,
    /// The expression as it stands in its file.
    pub(in crate::expr) written: Value,
}

/// When a field may be written (`write:`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Write {
    /// Whenever its value differs.
    #[default]
    Always,
    /// Only when the record is created.
    OnCreate,
    /// Only while the field is empty.
    IfEmpty,
}

/// What a value that is nothing does to its field (`nothing:`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum OnNothing {
    /// The field keeps what it has.
    #[default]
    Leave,
    /// The field is emptied.
    Clear,
}

/// A form of value with its modifiers.
pub(in crate::expr) struct Node {
    pub(in crate::expr) form: Form,
    pub(in crate::expr) modifiers: Option<Box<Modifiers>>,
}

/// The forms of the table in the language reference.
pub(in crate::expr) enum Form {
    Literal(Value),
    Path(JsonPath),
    Script {
        program: Program,
        source: Arc<str>,
    },
    Text(Vec<Piece>),
    /// `from: [a, b]`: the first that is there.
    First(Vec<Node>),
    Each {
        over: Box<Node>,
        name: Arc<str>,
        give: Box<Node>,
    },
    List(Vec<Node>),
    Map(Vec<(Arc<str>, Node)>),
}

/// A part of a text.
pub(in crate::expr) enum Piece {
    Plain(Arc<str>),
    Script(Program),
}

/// What is done to a value, in this order.
#[derive(Default)]
pub(in crate::expr) struct Modifiers {
    pub(in crate::expr) transform: Vec<Transform>,
    pub(in crate::expr) convert: Option<Convert>,
    pub(in crate::expr) default: Option<Node>,
    pub(in crate::expr) required: bool,
}

/// A function of one value.
pub(in crate::expr) enum Transform {
    Shared(&'static Function),
    Library { runtime: Arc<Runtime>, name: Arc<str> },
}

/// The one conversion that a value may have.
pub(in crate::expr) enum Convert {
    Money(Node),
    Minor(Node),
    Datetime { format: Format, zone: Option<Zone> },
    Table(Table),
    Truncate(usize),
}

/// Where a time is told.
pub(in crate::expr) enum Zone {
    Fixed(TimeZone),
    Read(Node),
}

/// Values by values.
pub(in crate::expr) enum Table {
    Fixed(IndexMap<Arc<str>, Value>),
    Read(JsonPath),
}

impl Expr {
    /// True for a map that is a form of its own (`from`, `script`, ...), and not a payload.
    pub fn is_form(map: &Map) -> bool {
        HEADS.iter().any(|head| map.contains_key(*head))
    }

    /// What the value is, for an outline.
    pub(in crate::expr) fn node(&self) -> &Node {
        &self.inner.node
    }

    /// When the field may be written.
    pub fn write(&self) -> Write {
        self.inner.write
    }

    /// What nothing does to the field.
    pub fn on_nothing(&self) -> OnNothing {
        self.inner.on_nothing
    }

    /// True when the value is the same in every context.
    pub fn is_constant(&self) -> bool {
        self.inner.constant
    }

    /// What was written so that something else was most likely meant; it means what it says.
    pub fn suspicions(&self) -> &[Fault] {
        &self.inner.suspicions
    }

    /// The paths of the context that are read, by JSONPath and by scripts.
    pub fn references(&self) -> &[Reference] {
        &self.inner.references
    }
}

impl std::fmt::Debug for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expr({})", self.inner.node.form.source())
    }
}

impl Node {
    pub(in crate::expr) fn plain(form: Form) -> Self {
        Self { form, modifiers: None }
    }
}

impl Form {
    /// The form as it was written, shortly: for messages and traces.
    pub(in crate::expr) fn source(&self) -> String {
        match self {
            Self::Literal(value) => value.to_string(),
            Self::Path(path) => path.source().to_owned(),
            Self::Script { source, .. } => source.to_string(),
            Self::Text(_) => "the text".to_owned(),
            Self::First(nodes) => nodes.iter().map(|node| node.form.source()).collect::<Vec<_>>().join(", "),
            Self::Each { over, .. } => format!("each of {}", over.form.source()),
            Self::List(_) => "the list".to_owned(),
            Self::Map(_) => "the payload".to_owned(),
        }
    }
}
