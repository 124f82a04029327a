//! Checking the audit: every hash is computed again.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::store::{ChainHead, ChainState, Erasure, SealedEntry, Store, StoreError};
use crate::value::Value;

/// Entries read at once.
const PAGE: usize = 1_000;

/// An entry that is dated so much before one that was sealed earlier stands out: sealing takes a second, and the clocks
/// of machines differ by less.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Sealed entries that were checked and are as they were sealed.
    pub entries: u64,
    /// When the first and the last of them were written.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The end of what is unbroken: to be kept elsewhere.
    pub head: ChainHead,
    /// Entries that are not sealed yet: nothing proves them so far.
    pub unsealed: u64,
    /// Entries whose values the retention has erased.
    pub retention: u64,
    /// Entries whose values were erased because somebody asked for it.
    pub request: u64,
    /// Entries that were dated back.
    pub late: Option<Late>,
    /// The first thing that is wrong.
    pub flaw: Option<Flaw>,
}

/// Entries that are dated well before one that was sealed earlier: a clock was set back, or somebody wrote them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// How many.
    pub entries: u64,
    /// The first one's number.
    pub first: u64,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Entries are not there.
    Removed {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The values of an entry are not those that were sealed.
    Values(u64),
    /// An entry is not the one that was sealed with this number.
    Changed(u64),
    /// An entry's values are gone and nothing says that they were erased, or they were erased and are there.
    Erased(u64),
    /// An entry stands after the end that was noted when the last one was sealed.
    Inserted(u64),
    /// The chain does not lead through a head that was kept elsewhere.
    Unexpected {
        /// That head.
        expected: ChainHead,
        /// The number that the chain ends with.
        ends: u64,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { first, last } if first == last => write!(f, "entry {first} was removed"),
            Self::Removed { first, last } => write!(f, "entries {first} to {last} were removed"),
            Self::Values(number) => {
                write!(f, "the values of entry {number} were changed after it was sealed")
            }
            Self::Changed(number) => write!(
                f,
                "entry {number} is not the one that was sealed: it was changed, put in, or moved from another place"
            ),
            Self::Erased(number) => {
                write!(
                    f,
                    "entry {number} was changed: whether it was erased, and what is left of it, disagree"
                )
            }
            Self::Inserted(number) => {
                write!(f, "entry {number} was put in after the end that was noted down")
            }
            Self::Unexpected { expected, ends } if expected.number > *ends => {
                write!(
                    f,
                    "the expected head is entry {}, and the chain ends with {ends}: it was cut off",
                    expected.number
                )
            }
            Self::Unexpected { expected, .. } => {
                write!(
                    f,
                    "entry {} does not have the expected hash: the chain was written anew",
                    expected.number
                )
            }
        }
    }
}

/// Checks the whole chain of `store`, and that it leads through each of `expected`. A sealer may go on beside it.
pub async fn verify(store: &dyn Store, expected: &[ChainHead]) -> Result<Verdict, StoreError> {
    let ChainState { head: noted, unsealed } = store.chain().await?;
    let mut walk = Walk::new(unsealed);
    let mut marks: Vec<ChainHead> = expected.to_vec();
    marks.push(noted);
    loop {
        let page = store.sealed(walk.0.head.number, PAGE).await?;
        for entry in &page {
            if let Err(flaw) = walk.step(entry, &marks) {
                walk.0.flaw = Some(flaw);
                return Ok(walk.0);
            }
        }
        if page.len() < PAGE {
            break;
        }
    }
    let end = walk.0.head;
    walk.0.flaw = if end.number < noted.number {
        Some(Flaw::Removed { first: end.number + 1, last: noted.number })
    } else if store.chain().await?.head.number < end.number {
        Some(Flaw::Inserted(end.number))
    } else {
        let beyond = expected.iter().find(|head| head.number > end.number);
        beyond.map(|head| Flaw::Unexpected { expected: *head, ends: end.number })
    };
    Ok(walk.0)
}

/// A walk along the chain, with what was found so far.
struct Walk(Verdict);

impl Walk {
    fn new(unsealed: u64) -> Self {
        Self(Verdict {
            entries: 0,
            span: None,
            head: ChainHead::EMPTY,
            unsealed,
            retention: 0,
            request: 0,
            late: None,
            flaw: None,
        })
    }

    /// One entry, which has to follow the one before it.
    fn step(&mut self, entry: &SealedEntry, marks: &[ChainHead]) -> Result<(), Flaw> {
        let number = self.0.head.number + 1;
        if entry.number != number {
            return Err(Flaw::Removed { first: number, last: entry.number.saturating_sub(1) });
        }
        let said = entry.sealable().ok_or(Flaw::Changed(number))?;
        let mut values = said.entry.changes.iter().flat_map(|change| [&change.before, &change.after]);
        match (&entry.salt, entry.erased) {
            (Some(salt), None) if said.digest(salt).0[..] == entry.digest[..] => {}
            (Some(_), None) => return Err(Flaw::Values(number)),
            (None, Some(_)) if values.all(|value| *value == Value::Null) => {}
            _ => return Err(Flaw::Erased(number)),
        }
        let head = self.0.head.then(&said.stated(), &entry.digest);
        if head.link.0[..] != entry.link[..] {
            return Err(Flaw::Changed(number));
        }
        if let Some(mark) = marks.iter().find(|mark| mark.number == number && mark.link != head.link) {
            return Err(Flaw::Unexpected { expected: *mark, ends: number });
        }
        self.count(entry, head);
        Ok(())
    }

    fn count(&mut self, entry: &SealedEntry, head: ChainHead) {
        let verdict = &mut self.0;
        verdict.entries += 1;
        verdict.head = head;
        match entry.erased {
            Some(Erasure::Retention) => verdict.retention += 1,
            Some(Erasure::Request) => verdict.request += 1,
            None => {}
        }
        let (first, last) = verdict.span.unwrap_or((entry.at, entry.at));
        if last.duration_since(entry.at) > LATE {
            let late = verdict.late.get_or_insert(Late { entries: 0, first: entry.number });
            late.entries += 1;
        }
        verdict.span = Some((first.min(entry.at), last.max(entry.at)));
    }
}
