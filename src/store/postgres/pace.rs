//! Paces that all processes keep together: a row for each, in which turns are taken.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::columns::Cells;
use super::db::{Db, Pipe, Values};
use super::fault::Fault;
use crate::store::{Bucket, HeldBack, PaceName, StoreError, Turns, TurnsAsked};

/// A pace as its row has it, in microseconds of the database's clock.
struct Pace {
    now: i64,
    empty_at: Vec<i64>,
    held_until: i64,
}

/// Takes turns, within a transaction.
pub(super) async fn take(pipe: Pipe<'_>, asked: TurnsAsked<'_>) -> Result<Turns, Fault> {
    // Losing it in a crash of the database lets some calls go a little earlier.
    pipe.batch("SET LOCAL synchronous_commit = off").await?;
    let mut pace = row(pipe, asked.pace).await?;
    let turns = pace.take(asked);
    if !turns.waits.is_empty() {
        let sql =
            "UPDATE lockstep.pace SET empty_at = $4 WHERE client = $1 AND connection = $2 AND operation = $3";
        let PaceName { client, connection, operation } = asked.pace;
        let values: Values<'_> = &[
            (&client, Type::TEXT),
            (&connection, Type::TEXT),
            (&operation, Type::TEXT),
            (&pace.empty_at, Type::INT8_ARRAY),
        ];
        pipe.change(sql, values).await?;
    }
    Ok(turns)
}

/// Has everybody leave a connection alone.
pub(super) async fn hold_back(pipe: Pipe<'_>, name: PaceName<'_>, wait: Duration) -> Result<(), Fault> {
    let pace = row(pipe, name).await?;
    let sql = "UPDATE lockstep.pace SET held_until = greatest(held_until, $4)
        WHERE client = $1 AND connection = $2 AND operation = $3";
    let until = pace.now.saturating_add(micros(wait));
    let values: Values<'_> = &[
        (&name.client, Type::TEXT),
        (&name.connection, Type::TEXT),
        (&name.operation, Type::TEXT),
        (&until, Type::INT8),
    ];
    pipe.change(sql, values).await.map(drop)
}

/// The paces over which nobody calls now.
pub(super) async fn held_back(db: &Db) -> Result<Vec<HeldBack>, StoreError> {
    let sql = "SELECT client, connection, operation, held_until - now.now
        FROM lockstep.pace, (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS now
        WHERE held_until > now.now";
    let held = |cells: Cells<'_>| {
        let (client, connection, operation) = (cells.text(0)?, cells.text(1)?, cells.text(2)?);
        let wait = Duration::from_micros(cells.int(3)?.unsigned_abs());
        Ok(HeldBack { client, connection, operation, wait })
    };
    db.rows(sql, &[]).await?.iter().map(|row| held(Cells(row))).collect()
}

/// The row of a pace, locked; made when it is missing.
async fn row(pipe: Pipe<'_>, name: PaceName<'_>) -> Result<Pace, Fault> {
    let sql = "SELECT empty_at, held_until, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
        FROM lockstep.pace WHERE client = $1 AND connection = $2 AND operation = $3 FOR UPDATE";
    let make = "INSERT INTO lockstep.pace (client, connection, operation, empty_at, held_until)
        VALUES ($1, $2, $3, '{}', 0) ON CONFLICT DO NOTHING";
    let values: Values<'_> =
        &[(&name.client, Type::TEXT), (&name.connection, Type::TEXT), (&name.operation, Type::TEXT)];
    let mut rows = pipe.rows(sql, values).await?;
    if rows.is_empty() {
        pipe.change(make, values).await?;
        rows = pipe.rows(sql, values).await?;
    }
    let cells = rows.first().map(Cells).ok_or(Fault::Again)?;
    let read = || Ok(Pace { empty_at: cells.ints(0)?, held_until: cells.int(1)?, now: cells.int(2)? });
    read().map_err(Fault::Said)
}

impl Pace {
    fn take(&mut self, asked: TurnsAsked<'_>) -> Turns {
        // Other rates than before: they begin anew.
        self.empty_at.resize(asked.buckets.len(), self.now);
        let mut turns = Turns::default();
        while turns.waits.len() < asked.count {
            let at = self.next(asked.buckets);
            let wait = Duration::from_micros(at.saturating_sub(self.now).unsigned_abs());
            if wait > asked.patience {
                turns.next = wait;
                break;
            }
            for (empty_at, bucket) in self.empty_at.iter_mut().zip(asked.buckets) {
                *empty_at = (*empty_at).max(at).saturating_add(micros(bucket.interval));
            }
            turns.waits.push(wait);
        }
        turns
    }

    /// When the next call may go.
    fn next(&self, buckets: &[Bucket]) -> i64 {
        let all = self.empty_at.iter().zip(buckets);
        let free = all.map(|(empty_at, bucket)| empty_at.saturating_sub(micros(bucket.burst)));
        free.fold(self.now.max(self.held_until), i64::max)
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const NAME: PaceName<'static> = PaceName { client: "acme", connection: "crm", operation: "" };

    #[test]
    fn a_burst_goes_at_once_and_the_rest_evenly_and_nothing_beyond_patience() {
        let buckets = [Bucket { interval: Duration::from_millis(100), burst: Duration::from_millis(900) }];
        let mut pace = Pace { now: 5_000_000, empty_at: Vec::new(), held_until: 0 };
        let asked =
            |count| TurnsAsked { pace: NAME, buckets: &buckets, count, patience: Duration::from_millis(250) };
        let all = pace.take(asked(20)).waits;
        let waits: Vec<u128> = all.iter().map(Duration::as_millis).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200]);
        let refused = pace.take(asked(1));
        assert_eq!((refused.waits.len(), refused.next.as_millis()), (0, 300));
        pace.now += 200_000;
        assert_eq!(pace.take(asked(1)).waits, [Duration::from_millis(100)]);
    }

    #[test]
    fn all_rates_hold_and_so_does_a_system_that_throttled() {
        let fast = Bucket { interval: Duration::from_millis(10), burst: Duration::from_millis(990) };
        let slow = Bucket { interval: Duration::from_secs(30), burst: Duration::from_secs(30) };
        let mut pace = Pace { now: 0, empty_at: Vec::new(), held_until: 2_000_000 };
        let asked =
            TurnsAsked { pace: NAME, buckets: &[fast, slow], count: 3, patience: Duration::from_secs(5) };
        let turns = pace.take(asked);
        assert_eq!(turns.waits, [Duration::from_secs(2), Duration::from_secs(2)]);
        assert_eq!(turns.next, Duration::from_secs(32));
    }
}
