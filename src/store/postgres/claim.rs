//! Which process carries the runs of a store out: one at a time, as long as it shows that it is alive.
//!
//! Its row in `replica` is its claim. It renews the row; a row that was not renewed in time is deleted by whoever wants
//! to work next. From then on nothing that the former process writes is taken, for each of its transactions needs the
//! row: it may have been silent, but it cannot write beside its successor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;

use super::db::{Db, Link};
use super::fault::Fault;
use crate::failpoint::failpoint;
use crate::store::StoreError;

/// A process that has not renewed its claim for so long is taken for dead.
pub(super) const LEASE: Duration = Duration::from_secs(6);

/// How often it renews it.
const RENEW: Duration = Duration::from_secs(2);

/// Who wants to work waits for so long: a process that died just now leaves its claim behind.
const WAIT: Duration = Duration::from_secs(10);

/// How often it looks whether the store is free.
const LOOK: Duration = Duration::from_millis(250);

/// This process's row, and whether it may carry runs out.
#[derive(Clone)]
pub(super) struct Claim(Arc<Inner>);

struct Inner {
    id: String,
    began: Instant,
    /// Milliseconds since `began` until when nobody can have taken over.
    sure_until: AtomicU64,
}

/// Renews a claim as long as this value lives.
pub(super) struct Renewal(
    #[expect(dead_code, reason = "held, to stop the task when it is dropped")] AbortOnDropHandle<()>,
);

impl Claim {
    /// A process that does not carry runs out.
    pub(super) fn none() -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        Self(Arc::new(Inner { id, began: Instant::now(), sure_until: AtomicU64::new(0) }))
    }

    /// Waits until no other process carries runs out, and claims that.
    pub(super) async fn take(db: &Db) -> Result<(Self, Renewal), StoreError> {
        let claim = Self::none();
        let patient_until = Instant::now() + WAIT;
        loop {
            let asked = Instant::now();
            let signed_on = async { sign_on(&mut db.writer().await?, claim.id(), true).await };
            if signed_on.await.map_err(|fault| fault.told(&db.store))? {
                claim.extend(asked);
                let renewal = tokio::spawn(claim.clone().renew(db.clone()));
                return Ok((claim, Renewal(AbortOnDropHandle::new(renewal))));
            }
            if Instant::now() > patient_until {
                return Err(StoreError::InUse { store: Arc::clone(&db.store) });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Names the process's row.
    pub(super) fn id(&self) -> &str {
        &self.0.id
    }

    /// True while nobody else can have taken over.
    pub(super) fn holds(&self) -> bool {
        let now = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        now < self.0.sure_until.load(Ordering::Acquire)
    }

    /// The claim was renewed by a statement that was sent at `asked`: the database's lease began later.
    fn extend(&self, asked: Instant) {
        let until = asked.duration_since(self.0.began) + LEASE;
        self.0.sure_until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    async fn renew(self, db: Db) {
        let sql = "UPDATE lockstep.replica SET until = greatest(until, now() + $2 * interval '1 second') WHERE id = $1
            RETURNING batch";
        loop {
            tokio::time::sleep(RENEW).await;
            let asked = Instant::now();
            let lease = LEASE.as_secs_f64();
            let values: super::db::Values<'_> = &[(&self.0.id, Type::TEXT), (&lease, Type::FLOAT8)];
            let renewed = async { db.writer().await?.rows(sql, values).await };
            match tokio::time::timeout(LEASE, renewed).await {
                Ok(Ok(rows)) if rows.is_empty() => {
                    self.0.sure_until.store(0, Ordering::Release);
                    tracing::error!(error = %StoreError::Fenced, "this process carries no runs out any more: restart it");
                    return;
                }
                Ok(Ok(_)) => {
                    failpoint!("after-renewal");
                    self.extend(asked);
                }
                Ok(Err(fault)) => {
                    tracing::warn!(error = %fault.told(&db.store), "the claim on the store could not be renewed");
                }
                Err(_) => tracing::warn!("the claim on the store could not be renewed in time"),
            }
        }
    }
}

/// Makes a process's row, after sweeping away those of dead ones. False: another process works.
pub(super) async fn sign_on(link: &mut Link, id: &str, works: bool) -> Result<bool, Fault> {
    link.rows("DELETE FROM lockstep.replica WHERE until < now()", &[]).await?;
    let lease = LEASE.as_secs_f64();
    let sql = "INSERT INTO lockstep.replica (id, batch, works, until)
        VALUES ($1, 0, $2, now() + $3 * interval '1 second') ON CONFLICT DO NOTHING RETURNING id";
    let rows = link.rows(sql, &[(&id, Type::TEXT), (&works, Type::BOOL), (&lease, Type::FLOAT8)]).await?;
    Ok(!rows.is_empty())
}
