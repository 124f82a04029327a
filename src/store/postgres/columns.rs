//! How our types lie in PostgreSQL's columns.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::steps::Identity;
use crate::store::{Part, Parts, Place, QueuedRun, RunId, Version};
use crate::store::{StoreError, columns};
use crate::value::Value;

/// A text as a column can hold it: PostgreSQL's know no NUL.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// [`clean`] of a text that may be missing.
pub(super) fn clean_option(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(clean)
}

/// 128 bits that stand for several texts in an index.
pub(super) fn digest(parts: &[&str]) -> Vec<u8> {
    whole_digest(parts)[..16].to_vec()
}

fn whole_digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length before it, so that no two lists of texts run into the same bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// The digest of an identity within a client.
pub(super) fn identity_digest(client: &str, identity: &Identity) -> Vec<u8> {
    digest(&[client, &identity.connection, &identity.object, &identity.key])
}

/// 64 bits that stand for a lane and key of a client.
pub(super) fn lane_hash(client: &str, lane: &str, key: &str) -> i64 {
    let mut number = [0; 8];
    number.copy_from_slice(&whole_digest(&[client, lane, key])[..8]);
    i64::from_le_bytes(number)
}

/// The partition that a lane belongs to.
pub(super) fn part(lane_hash: i64) -> Part {
    Part(lane_hash.to_le_bytes()[0])
}

/// A partition, as columns have it.
pub(super) fn part_number(part: Part) -> i16 {
    i16::from(part.0)
}

/// Partitions, as a statement takes them.
pub(super) fn part_numbers(parts: Parts) -> Vec<i16> {
    parts.iter().map(part_number).collect()
}

/// A row's columns as our types. What does not fit was not written by us.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a>(pub(super) &'a Row);

impl<'a> Cells<'a> {
    fn get<T: FromSql<'a>>(self, column: usize) -> Result<T, StoreError> {
        self.0.try_get(column).map_err(|error| unreadable(error.to_string()))
    }

    pub(super) fn int(self, column: usize) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub(super) fn int_option(self, column: usize) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    /// A column of 16 bits.
    pub(super) fn short(self, column: usize) -> Result<i64, StoreError> {
        self.get::<i16>(column).map(i64::from)
    }

    pub(super) fn short_option(self, column: usize) -> Result<Option<i64>, StoreError> {
        self.get::<Option<i16>>(column).map(|number| number.map(i64::from))
    }

    pub(super) fn ints(self, column: usize) -> Result<Vec<i64>, StoreError> {
        self.get::<Option<Vec<i64>>>(column).map(Option::unwrap_or_default)
    }

    pub(super) fn bool(self, column: usize) -> Result<bool, StoreError> {
        self.get(column)
    }

    pub(super) fn str(self, column: usize) -> Result<&'a str, StoreError> {
        self.get(column)
    }

    pub(super) fn str_option(self, column: usize) -> Result<Option<&'a str>, StoreError> {
        self.get(column)
    }

    pub(super) fn owned(self, column: usize) -> Result<String, StoreError> {
        self.get(column)
    }

    pub(super) fn text(self, column: usize) -> Result<Arc<str>, StoreError> {
        self.str(column).map(Arc::from)
    }

    pub(super) fn text_option(self, column: usize) -> Result<Option<Arc<str>>, StoreError> {
        Ok(self.str_option(column)?.map(Arc::from))
    }

    pub(super) fn bytes(self, column: usize) -> Result<&'a [u8], StoreError> {
        self.get(column)
    }

    /// A digest of 16 bytes.
    pub(super) fn digest(self, column: usize) -> Result<[u8; 16], StoreError> {
        let bytes = self.bytes(column)?;
        bytes.try_into().map_err(|_| unreadable(format!("a digest of {} bytes", bytes.len())))
    }

    pub(super) fn bytes_option(self, column: usize) -> Result<Option<&'a [u8]>, StoreError> {
        self.get(column)
    }

    pub(super) fn time(self, column: usize) -> Result<jiff::Timestamp, StoreError> {
        self.int(column).map(columns::time)
    }

    /// Ranks and counts.
    pub(super) fn small(self, column: usize) -> Result<u32, StoreError> {
        self.int(column).map(columns::small)
    }

    pub(super) fn json(self, column: usize) -> Result<Value, StoreError> {
        columns::json(self.str(column)?).map_err(unreadable)
    }
}

/// A column that does not hold what we wrote.
pub(super) fn unreadable(reason: String) -> StoreError {
    StoreError::Damaged { store: "the PostgreSQL store".into(), reason }
}

/// The columns that [`queued`] reads, of a run `r` with its payload `p`.
pub(super) const QUEUED: &str = "r.id, r.client, r.pipeline, r.version, r.lane, r.order_key, r.created, r.rank, \
     r.stale, r.state, r.attempts, r.received, r.spent, length(p.body)::bigint, r.part, \
     EXISTS (SELECT 1 FROM lockstep.run h WHERE h.state = 2 AND h.lane_hash = r.lane_hash AND h.client = r.client \
     AND h.lane = r.lane AND h.order_key = r.order_key \
     AND (h.created, h.rank, h.id) < (r.created, r.rank, r.id))";

/// How many they are.
pub(super) const QUEUED_COLUMNS: usize = 16;

/// A run as the scheduler sees it, from the columns [`QUEUED`].
pub(super) fn queued(row: &Row) -> Result<QueuedRun, StoreError> {
    let cells = Cells(row);
    Ok(QueuedRun {
        id: RunId(cells.int(0)?),
        client: cells.text(1)?,
        pipeline: cells.text(2)?,
        version: Version(cells.text(3)?),
        place: Place {
            lane: cells.text(4)?,
            key: cells.text(5)?,
            created: cells.time(6)?,
            rank: cells.small(7)?,
        },
        stale: columns::stale(cells.short(8)?).map_err(unreadable)?,
        state: columns::state(cells.short(9)?).map_err(unreadable)?,
        attempts: cells.small(10)?,
        received: cells.time(11)?,
        spent: columns::spent(cells.str_option(12)?).map_err(unreadable)?,
        weight: usize::try_from(cells.int(13)?).unwrap_or(0),
        part: Part(u8::try_from(cells.short(14)?).unwrap_or_default()),
        behind: cells.bool(15)?,
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_lane_keeps_its_partition_for_good() {
        const LANE_HASH: i64 = 7_289_126_847_046_153_271;
        // Written into the rows: another value for the same lane would let two processes work on it.
        assert_eq!(lane_hash("acme", "sync", "cus_1"), LANE_HASH);
        assert_eq!(part(lane_hash("acme", "sync", "cus_1")), Part(LANE_HASH.to_le_bytes()[0]));
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a", ""]), digest(&["a"]));
    }

    #[test]
    fn a_text_with_a_nul_can_be_kept() {
        assert_eq!(clean("a\0b"), "a\u{fffd}b");
        assert_eq!(clean("ab"), "ab");
    }
}
