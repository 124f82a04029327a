//! The terms of an outline.

use std::ops::Range;
use std::sync::Arc;

use crate::expr::fault::FaultSeg;
use crate::value::Value;

/// A part of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Where it stands.
    pub spot: Spot,
    /// What it is.
    pub what: What,
}

/// A place inside a written value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The scalar, from the top of the written value.
    pub path: Arc<[FaultSeg]>,
    /// The bytes of that scalar's text; `None` when all of it is meant.
    pub within: Option<Range<usize>>,
}

/// What a term is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A value that is written out.
    Literal(Value),
    /// A top-level name of the context, or a variable of a script or loop.
    Name(Arc<str>),
    /// The member `key` of a map. The place is that of the key.
    Member {
        /// The map.
        of: Box<Term>,
        /// The key.
        key: Arc<str>,
    },
    /// One element of a list, or the member of a computed name.
    Element {
        /// The list.
        of: Box<Term>,
        /// Which.
        index: Box<Term>,
    },
    /// Each child of a value in a JSONPath: a wildcard, a slice, several names.
    Children(Box<Term>),
    /// Those children of a value in a JSONPath for which a condition holds; in it `@` names the child.
    Filtered {
        /// The list or map.
        of: Box<Term>,
        /// What must hold.
        condition: Box<Term>,
    },
    /// Anything below a value in a JSONPath.
    Descendants(Box<Term>),
    /// The list of all nodes that a JSONPath finds, which may be none.
    Nodes(Box<Term>),
    /// Text that is put together.
    Text(Vec<Term>),
    /// The first that is there: `from: [a, b]`, `a ?? b`.
    First(Vec<Term>),
    /// A list from a list.
    Each {
        /// The list.
        over: Box<Term>,
        /// The name of its element in `give`.
        name: Arc<str>,
        /// What one element becomes.
        give: Box<Term>,
    },
    /// A list of these.
    List(Vec<Term>),
    /// A map of these.
    Map(Vec<(Arc<str>, Term)>),
    /// A function or an operator; of a method, the receiver is the first argument. `x in list` is `contains(list, x)`.
    Call {
        /// Its name: `money`, `==`, `filter`.
        name: Arc<str>,
        /// Its arguments.
        args: Vec<Term>,
    },
    /// True when all are.
    And(Vec<Term>),
    /// True when one is.
    Or(Vec<Term>),
    /// One of two, or nothing.
    If {
        /// What decides.
        condition: Box<Term>,
        /// When it holds.
        then: Box<Term>,
        /// When it does not.
        otherwise: Option<Box<Term>>,
    },
    /// Statements in order; the value is that of the last.
    Block(Vec<Term>),
    /// A variable from here on.
    Let {
        /// Its name.
        name: Arc<str>,
        /// What it is.
        value: Box<Term>,
    },
    /// A variable, or something inside of it, is changed.
    Assign {
        /// The variable.
        name: Arc<str>,
        /// What is put there.
        value: Box<Term>,
    },
    /// Statements for each element.
    For {
        /// The element's name.
        name: Arc<str>,
        /// The list.
        over: Box<Term>,
        /// The statements.
        body: Box<Term>,
    },
    /// One of several values, by what `on` is.
    Switch {
        /// What decides.
        on: Box<Term>,
        /// The values.
        cases: Vec<Term>,
    },
    /// The script ends here, with this value.
    Return(Option<Box<Term>>),
    /// A function without a name.
    Closure {
        /// Its parameters.
        parameters: Vec<Arc<str>>,
        /// Its body.
        body: Box<Term>,
    },
    /// A value that modifiers change.
    Changed {
        /// The value.
        of: Box<Term>,
        /// What is done to it.
        by: Change,
    },
    /// Anything else; what is read in it is.
    Other(Vec<Term>),
}

/// What modifiers do, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The names of functions.
    pub transform: Vec<Arc<str>>,
    /// The conversion, with its place.
    pub conversion: Option<(Spot, Conversion)>,
    /// What stands in for nothing.
    pub default: Option<Box<Term>>,
    /// True when nothing is an error.
    pub required: bool,
}

/// What a value becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conversion {
    /// Minor units become a decimal; the currency.
    Money(Box<Term>),
    /// A decimal becomes minor units; the currency.
    Minor(Box<Term>),
    /// A time in another form.
    Datetime {
        /// How it is written.
        form: TimeForm,
        /// Where it is told, when `zone` says so.
        zone: Option<Box<Term>>,
    },
    /// A value for a value.
    Table(Table),
    /// Text of this length at most.
    Truncate(usize),
}

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeForm {
    /// With its offset from UTC.
    Iso8601,
    /// The day.
    Date,
    /// Seconds since 1970.
    Unix,
    /// By a pattern, which may leave the offset out.
    Pattern,
}

/// Values by values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    /// Written beside the value.
    Fixed(Vec<(Arc<str>, Value)>),
    /// Read from the context.
    Read(Box<Term>),
}

impl Term {
    /// A term that fills its scalar.
    pub(in crate::expr) fn whole(path: &[FaultSeg], what: What) -> Self {
        Self { spot: Spot { path: path.into(), within: None }, what }
    }

    /// The terms that it is made of.
    pub fn parts(&self) -> Vec<&Term> {
        match &self.what {
            What::Literal(_) | What::Name(_) => Vec::new(),
            What::Member { of, .. } | What::Children(of) | What::Descendants(of) | What::Nodes(of) => {
                vec![of]
            }
            What::Element { of, index } => vec![of, index],
            What::Filtered { of, condition } => vec![of, condition],
            What::Text(parts)
            | What::First(parts)
            | What::List(parts)
            | What::And(parts)
            | What::Or(parts)
            | What::Block(parts)
            | What::Other(parts) => parts.iter().collect(),
            What::Call { args, .. } => args.iter().collect(),
            What::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
            What::Each { over, give, .. } => vec![over, give],
            What::If { condition, then, otherwise } => {
                let otherwise = otherwise.iter().map(|otherwise| &**otherwise);
                [&**condition, &**then].into_iter().chain(otherwise).collect()
            }
            What::Let { value, .. } | What::Assign { value, .. } => vec![value],
            What::For { over, body, .. } => vec![over, body],
            What::Switch { on, cases } => std::iter::once(&**on).chain(cases).collect(),
            What::Return(value) => value.iter().map(|value| &**value).collect(),
            What::Closure { body, .. } => vec![body],
            What::Changed { of, by } => std::iter::once(&**of).chain(by.parts()).collect(),
        }
    }

    /// The path that this term reads, as it is written in Rhai; `None` for anything that is computed.
    pub fn path_text(&self) -> Option<String> {
        match &self.what {
            What::Name(name) => Some(name.to_string()),
            What::Member { of, key } => {
                let mut text = of.path_text()?;
                text.push('.');
                text.push_str(key);
                Some(text)
            }
            What::Element { of, index } => match &index.what {
                What::Literal(Value::Int(index)) => Some(format!("{}[{index}]", of.path_text()?)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Change {
    /// The terms beside the value: currency, zone, table, default.
    fn parts(&self) -> impl Iterator<Item = &Term> {
        let beside = self.conversion.as_ref().and_then(|(_, conversion)| match conversion {
            Conversion::Money(term) | Conversion::Minor(term) | Conversion::Table(Table::Read(term)) => {
                Some(&**term)
            }
            Conversion::Datetime { zone, .. } => zone.as_deref(),
            Conversion::Table(Table::Fixed(_)) | Conversion::Truncate(_) => None,
        });
        beside.into_iter().chain(self.default.as_deref())
    }
}

/// Where the text of a script or path stands, for those who outline it.
#[derive(Debug, Clone)]
pub(in crate::expr) struct Outlining<'a> {
    /// The text.
    pub(in crate::expr) source: &'a str,
    /// The scalar that it stands in.
    pub(in crate::expr) path: Arc<[FaultSeg]>,
    /// The byte of the scalar at which it begins.
    pub(in crate::expr) offset: usize,
}

impl Outlining<'_> {
    /// A term at these bytes of the text.
    pub(in crate::expr) fn term(&self, range: Range<usize>, what: What) -> Term {
        let within = range.start + self.offset..range.end + self.offset;
        Term { spot: Spot { path: Arc::clone(&self.path), within: Some(within) }, what }
    }
}
