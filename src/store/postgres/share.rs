//! The task that keeps this process's row alive, and sees to it that it has its share of the partitions.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;

use super::claim::{Claim, LEASE};
use super::columns::Cells;
use super::db::{Db, Link, Values};
use super::fault::Fault;
use crate::failpoint::failpoint;
use crate::store::columns::time;
use crate::store::{PARTS, Part, Parts, Replica, StoreError};

/// How often a process renews its row.
const RENEW: Duration = Duration::from_secs(2);

/// How long after a lease has run out it is looked at: its process may have renewed it.
const MOMENT: Duration = Duration::from_millis(50);

/// Nobody looks more often than this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Keeps a claim alive as long as this value lives.
pub(super) struct Keeping(
    #[expect(dead_code, reason = "held, to stop the task when it is dropped")] AbortOnDropHandle<()>,
);

/// Signs this process on, claims what is free of its share, and goes on with both.
pub(super) async fn keep(db: &Db, claim: &Claim) -> Result<Keeping, StoreError> {
    let keeper = Keeper { db: db.clone(), claim: claim.clone() };
    let first = async {
        let mut link = db.writer().await?;
        let asked = Instant::now();
        sign_on(&mut link, claim, claim.works()).await?;
        claim.extend(asked, claim.tenure().number);
        keeper.see_to_share(&mut link).await
    };
    let pause = first.await.map_err(|fault: Fault| fault.told(&db.store))?;
    join(db, claim).await?;
    Ok(Keeping(AbortOnDropHandle::new(tokio::spawn(keeper.go_on(pause)))))
}

/// Makes this process's row, after sweeping away those of dead ones.
pub(super) async fn sign_on(link: &mut Link, claim: &Claim, works: bool) -> Result<(), Fault> {
    sweep(link).await?;
    let lease = LEASE.as_secs_f64();
    let sql = "INSERT INTO lockstep.replica (id, batch, works, role, until)
        VALUES ($1, 0, $2, $3, now() + $4 * interval '1 second') ON CONFLICT DO NOTHING";
    let values: Values<'_> = &[
        (&&*claim.id(), Type::TEXT),
        (&works, Type::BOOL),
        (&claim.role(), Type::TEXT),
        (&lease, Type::FLOAT8),
    ];
    link.rows(sql, values).await.map(drop)
}

/// Before events are taken in here: waits until every other process knows that it is not the only one that takes some in.
/// They are told, or look around; one that does neither is taken for dead.
async fn join(db: &Db, claim: &Claim) -> Result<(), StoreError> {
    if !claim.ingests() {
        return Ok(());
    }
    // Waits for a statement under way that could not see this process yet.
    let sql = "SELECT alone FROM lockstep.replica WHERE id <> $1 AND until >= now() FOR SHARE";
    let word = "SELECT pg_notify('lockstep', 'free')";
    loop {
        let asked = async {
            let mut link = db.writer().await?;
            let others = link.rows(sql, &[(&&*claim.id(), Type::TEXT)]).await?;
            let unaware = others.iter().any(|row| Cells(row).bool(0).unwrap_or(true));
            if unaware {
                link.rows(word, &[]).await?;
            }
            Ok(unaware)
        };
        if !asked.await.map_err(|fault: Fault| fault.told(&db.store))? {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Takes processes for dead that have not renewed their rows. One whose row is locked is writing, or was frozen while it
/// did: then the database ends its transaction after a while.
async fn sweep(link: &mut Link) -> Result<(), Fault> {
    let sql = "DELETE FROM lockstep.replica WHERE id IN (
            SELECT id FROM lockstep.replica WHERE until < now() FOR UPDATE SKIP LOCKED)";
    link.rows(sql, &[]).await.map(drop)
}

struct Keeper {
    db: Db,
    claim: Claim,
}

impl Keeper {
    async fn go_on(self, mut pause: Duration) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.claim.asked_to_look() => tokio::time::sleep(LOOK_AGAIN.min(pause)).await,
            }
            let round = async { self.round(&mut self.db.writer().await?).await };
            pause = match tokio::time::timeout(LEASE, round).await {
                Ok(Ok(pause)) => pause,
                Ok(Err(fault)) => {
                    tracing::warn!(error = %fault.told(&self.db.store), "the claim on the store could not be renewed");
                    RENEW / 2
                }
                Err(_) => {
                    tracing::warn!("the claim on the store could not be renewed in time");
                    Duration::ZERO
                }
            };
        }
    }

    /// Renews the row and sees to the share; gives how long to wait.
    async fn round(&self, link: &mut Link) -> Result<Duration, Fault> {
        let tenure = self.claim.tenure();
        if tenure.lost {
            // The scheduler drops what it holds; then it begins again, and tells.
            return Ok(RENEW);
        }
        let sql = "UPDATE lockstep.replica
            SET until = greatest(until, now() + $2 * interval '1 second'), works = works AND $3
            WHERE id = $1 RETURNING batch";
        let (asked, lease) = (Instant::now(), LEASE.as_secs_f64());
        let (id, works) = (self.claim.id(), self.claim.works());
        let values: Values<'_> = &[(&&*id, Type::TEXT), (&lease, Type::FLOAT8), (&works, Type::BOOL)];
        if link.rows(sql, values).await?.is_empty() {
            // Unless another one has begun meanwhile.
            if self.claim.tenure().number == tenure.number && *self.claim.id() == *id {
                if self.claim.carries() {
                    self.claim.lose();
                } else {
                    self.claim.change_id();
                    sign_on(link, &self.claim, false).await?;
                }
            }
            return Ok(RENEW);
        }
        failpoint!("after-renewal");
        self.claim.extend(asked, tenure.number);
        sweep(link).await?;
        self.see_to_share(link).await
    }

    /// Claims what is free of this process's share, or has leave what is beyond it; gives how long to wait.
    async fn see_to_share(&self, link: &mut Link) -> Result<Duration, Fault> {
        self.see_who_accepts(link).await?;
        let mut seen = self.claim.surveys();
        let mut survey = Survey::make(link, &self.claim.id()).await?;
        let share = if self.claim.works() { survey.share() } else { 0 };
        let missing = share.saturating_sub(survey.own.count()).min(survey.free);
        if missing > 0 {
            self.claim_free(link, missing).await?;
            // Looked at again rather than added up: an answer may have been lost.
            seen = self.claim.surveys();
            survey = Survey::make(link, &self.claim.id()).await?;
        }
        self.claim.surveyed(seen, survey.own, share, survey.workers);
        Ok(survey.next.map_or(RENEW, |next| (next + MOMENT).clamp(LOOK_AGAIN, RENEW)))
    }

    /// Finds out whether this process is the only one that takes events in, and has all know what it believes: it stops
    /// believing it before they hear so, and begins to after they have.
    async fn see_who_accepts(&self, link: &mut Link) -> Result<(), Fault> {
        let seen = self.claim.surveys();
        let id = self.claim.id();
        let values: Values<'_> = &[(&&*id, Type::TEXT)];
        let others =
            "SELECT 1 FROM lockstep.replica WHERE id <> $1 AND role IN ('all', 'ingest') AND until >= now()";
        if !link.rows(others, values).await?.is_empty() {
            self.claim.is_alone(seen, false);
        }
        let sql = "UPDATE lockstep.replica SET alone = NOT EXISTS (
                SELECT 1 FROM lockstep.replica o WHERE o.id <> $1 AND o.role IN ('all', 'ingest') AND o.until >= now())
            WHERE id = $1 RETURNING alone";
        let rows = link.rows(sql, values).await?;
        let alone = rows.first().map(|row| Cells(row).bool(0)).transpose().map_err(Fault::Said)?;
        self.claim.is_alone(seen, alone.unwrap_or(false));
        Ok(())
    }

    async fn claim_free(&self, link: &mut Link, count: usize) -> Result<(), Fault> {
        // Chosen by their freedom and nothing else, so that the look at the newest version of a locked row is enough.
        let sql = "WITH free AS (
                SELECT part FROM lockstep.partition WHERE owner IS NULL ORDER BY part LIMIT $2 FOR UPDATE SKIP LOCKED)
            UPDATE lockstep.partition p SET owner = $1 FROM free WHERE p.part = free.part";
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let values: Values<'_> = &[(&&*self.claim.id(), Type::TEXT), (&count, Type::INT8)];
        link.rows(sql, values).await.map(drop)
    }
}

/// Who has what.
struct Survey {
    workers: u32,
    /// How many of them come before this one.
    before: u32,
    own: Parts,
    free: usize,
    /// When the next lease of another process runs out, if it is not renewed.
    next: Option<Duration>,
}

impl Survey {
    async fn make(link: &mut Link, id: &str) -> Result<Self, Fault> {
        let sql = "SELECT (SELECT count(*) FROM lockstep.replica WHERE works AND until >= now()),
                (SELECT count(*) FROM lockstep.replica WHERE works AND until >= now() AND id < $1),
                ARRAY(SELECT part::bigint FROM lockstep.partition WHERE owner = $1),
                (SELECT count(*) FROM lockstep.partition WHERE owner IS NULL),
                (SELECT (extract(epoch FROM min(until) - now()) * 1000)::bigint FROM lockstep.replica WHERE id <> $1)";
        let rows = link.rows(sql, &[(&id, Type::TEXT)]).await?;
        let cells = rows.first().map(Cells).ok_or(Fault::Again)?;
        let read = || -> Result<Self, StoreError> {
            let own = cells.ints(2)?.into_iter().filter_map(|part| u8::try_from(part).ok().map(Part));
            let next =
                cells.int_option(4)?.map(|next| Duration::from_millis(u64::try_from(next).unwrap_or(0)));
            Ok(Self {
                workers: u32::try_from(cells.int(0)?).unwrap_or(u32::MAX).max(1),
                before: u32::try_from(cells.int(1)?).unwrap_or(0),
                own: own.collect(),
                free: usize::try_from(cells.int(3)?).unwrap_or(0),
                next,
            })
        };
        read().map_err(Fault::Said)
    }

    /// How many partitions this process should have: all processes come to all partitions together.
    fn share(&self) -> usize {
        let workers = self.workers as usize;
        PARTS / workers + usize::from((self.before as usize) < PARTS % workers)
    }
}

/// The processes that live.
pub(super) fn replicas<'a>(db: &'a Db, claim: &'a Claim) -> BoxFuture<'a, Result<Vec<Replica>, StoreError>> {
    async move {
        let sql = "SELECT r.id, r.role, (extract(epoch FROM r.since) * 1000000)::bigint,
                (SELECT count(*) FROM lockstep.partition p WHERE p.owner = r.id)
            FROM lockstep.replica r WHERE r.until >= now() AND r.role <> 'beside' ORDER BY r.id";
        let own = claim.id();
        let rows = db.rows(sql, &[]).await?;
        let replica = |cells: Cells<'_>| {
            let id = cells.text(0)?;
            Ok(Replica {
                own: id == own,
                id,
                role: cells.text(1)?,
                since: time(cells.int(2)?),
                partitions: cells.int(3)?.unsigned_abs(),
            })
        };
        rows.iter().map(|row| replica(Cells(row))).collect()
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_shares_of_all_are_all_there_is() {
        for workers in 1..=300 {
            let share = |before| Survey { workers, before, own: Parts::NONE, free: 0, next: None }.share();
            let shares: Vec<usize> = (0..workers).map(share).collect();
            assert_eq!(shares.iter().sum::<usize>(), PARTS, "{workers} processes");
            assert!(shares[0] - shares[shares.len() - 1] <= 1, "{workers} processes");
        }
    }
}
