//! The audit as a chain of hashes: what was sealed once cannot be changed, taken out or moved without a trace.
//!
//! ```text
//! digest = SHA-256(salt, the values before and after)     the salt keeps erased values from being guessed
//! stated = SHA-256(all else that the entry says)
//! link   = SHA-256(link before, number, stated, digest)   the first one begins with zeros
//! ```
//!
//! Erasing takes the values and the salt; the digest stays, so the link can still be computed, and what the entry says
//! beside its values is still proved. Everything here is arithmetic: who seals, and who checks, is in `upkeep`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use super::erase::Erasure;
use super::error::StoreError;
use super::run::RunId;
use crate::steps::AuditEntry;

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link(pub [u8; 32]);

impl Link {
    /// What the first entry is chained to.
    pub const BEFORE_THE_FIRST: Self = Self([0; 32]);
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The end of a chain, or a place in it: `1042:9f3a...`. It stands for every entry up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// The entry's number; they count from 1 without a gap.
    pub number: u64,
    /// The entry's link.
    pub link: Link,
}

impl ChainHead {
    /// What an empty chain ends with.
    pub const EMPTY: Self = Self { number: 0, link: Link::BEFORE_THE_FIRST };

    /// The head after one more entry.
    #[must_use]
    pub fn then(self, stated: &Link, digest: &[u8]) -> Self {
        let number = self.number + 1;
        let mut hash = Sha256::new();
        hash.update(self.link.0);
        hash.update(number.to_be_bytes());
        hash.update(stated.0);
        hash.update(digest);
        Self { number, link: Link(hash.finalize().into()) }
    }
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.link)
    }
}

/// The text is no head of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a head is written NUMBER:HASH, with 64 hexadecimal digits, as `lockstep audit verify` prints it")]
pub struct ChainHeadError;

impl FromStr for ChainHead {
    type Err = ChainHeadError;

    fn from_str(text: &str) -> Result<Self, ChainHeadError> {
        let (number, digits) = text.split_once(':').ok_or(ChainHeadError)?;
        let number = number.parse().map_err(|_| ChainHeadError)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(ChainHeadError);
        }
        let mut link = [0; 32];
        for (byte, place) in link.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[place..place + 2], 16).map_err(|_| ChainHeadError)?;
        }
        Ok(Self { number, link: Link(link) })
    }
}

/// Where the chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainState {
    /// The end that was noted down when the last entry was sealed.
    pub head: ChainHead,
    /// Entries that are not sealed yet.
    pub unsealed: u64,
}

/// An entry of the audit as it is sealed: what it says, and which call of which run it is about.
#[derive(Debug, Clone, Copy)]
pub struct Sealable<'a> {
    /// When.
    pub at: Timestamp,
    /// The client.
    pub client: &'a str,
    /// The run; 0 for what a person or the retention did without one.
    pub run: RunId,
    /// The call's place in its run.
    pub call: &'a str,
    /// The entry.
    pub entry: &'a AuditEntry,
}

impl Sealable<'_> {
    /// The hash over all but the values: it can be computed again after they were erased.
    pub fn stated(&self) -> Link {
        let entry = self.entry;
        let mut hash = Parts(Sha256::new());
        hash.part(b"lockstep audit 1");
        hash.part(&self.at.as_microsecond().to_be_bytes());
        hash.part(&self.run.0.to_be_bytes());
        for text in [self.client, self.call, &entry.connection, &entry.object, entry.verb, &entry.step] {
            hash.part(text.as_bytes());
        }
        for text in [&entry.record, &entry.note] {
            hash.count(usize::from(text.is_some()));
            hash.part(text.as_deref().unwrap_or_default().as_bytes());
        }
        hash.count(entry.changes.len());
        entry.changes.iter().for_each(|change| hash.part(change.field.as_bytes()));
        hash.count(entry.left_alone.len());
        entry.left_alone.iter().for_each(|field| hash.part(field.as_bytes()));
        Link(hash.0.finalize().into())
    }

    /// The hash over the values.
    pub fn digest(&self, salt: &[u8]) -> Link {
        let mut hash = Parts(Sha256::new());
        hash.part(salt);
        for change in &self.entry.changes {
            hash.part(change.before.to_json().as_bytes());
            hash.part(change.after.to_json().as_bytes());
        }
        Link(hash.0.finalize().into())
    }
}

/// A hash over parts, each with its length before it: no two lists of parts run together to the same bytes.
struct Parts(Sha256);

impl Parts {
    fn part(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn count(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }
}

/// Bytes of a salt.
const SALT: usize = 16;

/// What sealing adds to an entry, but for its link, which depends on the entry before it.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    pub(super) salt: [u8; SALT],
    pub(super) stated: Link,
    pub(super) digest: Link,
}

impl Seal {
    /// Seals with a salt that nobody can guess.
    pub(super) fn of(entry: Sealable<'_>) -> Result<Self, StoreError> {
        let mut salt = [0; SALT];
        let filled = SystemRandom::new().fill(&mut salt);
        filled.map_err(|_| StoreError::Database("the system gives no random numbers".into()))?;
        Ok(Self { stated: entry.stated(), digest: entry.digest(&salt), salt })
    }
}

/// A sealed entry as the store has it now.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedEntry {
    /// Its number in the chain.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The client.
    pub client: Arc<str>,
    /// The run.
    pub run: RunId,
    /// The call's place in its run.
    pub call: Arc<str>,
    /// What it says; `None` when it cannot be read: whatever stands there, we did not write it.
    pub entry: Option<AuditEntry>,
    /// The salt; `None` once the values are erased.
    pub salt: Option<Vec<u8>>,
    /// The hash over the values.
    pub digest: Vec<u8>,
    /// The link to the entry before it.
    pub link: Vec<u8>,
    /// Why its values are gone, when they are.
    pub erased: Option<Erasure>,
}

impl SealedEntry {
    /// An entry that somebody else has written over.
    pub(super) fn unreadable(number: u64) -> Self {
        Self {
            number,
            at: Timestamp::UNIX_EPOCH,
            client: Arc::default(),
            run: RunId(0),
            call: Arc::default(),
            entry: None,
            salt: None,
            digest: Vec::new(),
            link: Vec::new(),
            erased: None,
        }
    }

    /// The entry as it was sealed, when it can be read.
    pub fn sealable(&self) -> Option<Sealable<'_>> {
        let entry = self.entry.as_ref()?;
        Some(Sealable { at: self.at, client: &self.client, run: self.run, call: &self.call, entry })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::{assert_eq, assert_ne};

    use super::*;
    use crate::steps::FieldChange;
    use crate::value::Value;

    fn entry() -> AuditEntry {
        AuditEntry {
            connection: "crm".into(),
            object: "Task".into(),
            record: Some("00T1".into()),
            verb: "update",
            step: "2".into(),
            changes: vec![FieldChange {
                field: "Phone".into(),
                before: Value::Null,
                after: Value::from("1"),
            }],
            left_alone: vec!["Fax".into()],
            note: None,
        }
    }

    fn of(entry: &AuditEntry) -> Sealable<'_> {
        Sealable { at: Timestamp::UNIX_EPOCH, client: "acme", run: RunId(7), call: "2", entry }
    }

    #[test]
    fn every_part_of_an_entry_is_proved_and_only_values_by_the_digest() {
        let first = entry();
        let whole = (of(&first).stated(), of(&first).digest(b"salt"));
        let others = [
            AuditEntry { connection: "mail".into(), ..entry() },
            AuditEntry { object: "Lead".into(), ..entry() },
            AuditEntry { record: None, ..entry() },
            AuditEntry { record: Some("00T2".into()), ..entry() },
            AuditEntry { verb: "create", ..entry() },
            AuditEntry { step: "3".into(), ..entry() },
            AuditEntry { left_alone: vec![], ..entry() },
            AuditEntry { note: Some(Arc::default()), ..entry() },
            AuditEntry { changes: vec![], left_alone: vec!["Phone".into(), "Fax".into()], ..entry() },
        ];
        for other in &others {
            assert_ne!(of(other).stated(), whole.0, "{other:?}");
        }
        assert_ne!(Sealable { run: RunId(8), ..of(&first) }.stated(), whole.0);
        assert_ne!(Sealable { call: "3", ..of(&first) }.stated(), whole.0);
        assert_ne!(Sealable { client: "globex", ..of(&first) }.stated(), whole.0);

        let mut changed = entry();
        changed.changes[0].after = Value::from("2");
        assert_eq!(of(&changed).stated(), whole.0, "values can go without it");
        assert_ne!(of(&changed).digest(b"salt"), whole.1);
        assert_ne!(of(&first).digest(b"pepper"), whole.1);
    }

    #[test]
    fn a_head_stands_for_all_before_it_and_reads_back() {
        let (stated, digest) = (of(&entry()).stated(), Link([1; 32]));
        let one = ChainHead::EMPTY.then(&stated, &digest.0);
        let two = one.then(&stated, &digest.0);
        assert_eq!((one.number, two.number), (1, 2));
        assert_ne!(one.link, two.link);
        assert_ne!(one.link, ChainHead { number: 1, ..one }.then(&stated, &digest.0).link);
        assert_eq!(two.to_string().parse(), Ok(two));
        for text in
            ["", "1", "1:", "x:00", &format!("1:{}", "g".repeat(64)), &format!("1:{}", "é".repeat(32))]
        {
            assert_eq!(text.parse::<ChainHead>(), Err(ChainHeadError), "{text}");
        }
    }
}
