//! Opening: what the database must hold, and how an older schema is brought up to date.

use tokio_postgres::types::Type;

use super::columns::Cells;
use super::db::{Db, Link};
use super::fault::Fault;
use crate::store::{Access, StoreError};

/// The migrations in order: the schema's version is how many of them were applied. Equal to SQLite's by number.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_begin.sql"),
    include_str!("migrations/0002_versions.sql"),
    include_str!("migrations/0003_spent_and_alerts.sql"),
    include_str!("migrations/0004_secret.sql"),
    include_str!("migrations/0005_audit_chain.sql"),
    include_str!("migrations/0006_replicas.sql"),
    include_str!("migrations/0007_passed.sql"),
    include_str!("migrations/0008_polls.sql"),
    include_str!("migrations/0009_agreed.sql"),
    include_str!("migrations/0010_notes.sql"),
    include_str!("migrations/0011_poll_job.sql"),
];

/// What processes that migrate at one time queue for, within their transactions: "lockstep".
const LOCK: i64 = 0x6c6f_636b_7374_6570;

/// What is there before the first migration.
const GROUND: &str = "CREATE SCHEMA IF NOT EXISTS lockstep;
     CREATE TABLE IF NOT EXISTS lockstep.meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);";

/// Finds the store, makes it or brings it up to date as `access` asks, and gives its mark.
pub(super) async fn open(db: &Db, access: Access) -> Result<String, StoreError> {
    let told = |fault: Fault| match fault {
        Fault::Lost(reason) => StoreError::Unopened { store: db.store.clone(), reason },
        fault => fault.told(&db.store),
    };
    let mut link = db.writer().await.map_err(told)?;
    let found = version(&mut link).await.map_err(told)?;
    refuse_newer(db, found.unwrap_or(0))?;
    if found.unwrap_or(0) < MIGRATIONS.len() {
        if access == Access::Beside && found.is_none() {
            let reason = "there is no lockstep store in this database".into();
            return Err(StoreError::Unopened { store: db.store.clone(), reason });
        }
        let migrated = migrate(&mut link).await;
        if migrated.is_err() {
            link.roll_back().await;
        }
        // Another process, newer than this one, may have been faster.
        refuse_newer(db, migrated.map_err(told)?)?;
    }
    let mark = meta(&mut link, "mark").await.map_err(told)?;
    mark.ok_or_else(|| {
        let reason = "its table `lockstep.meta` names no mark".into();
        StoreError::Damaged { store: db.store.clone(), reason }
    })
}

fn refuse_newer(db: &Db, found: usize) -> Result<(), StoreError> {
    let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    if found <= MIGRATIONS.len() {
        return Ok(());
    }
    Err(StoreError::Newer { store: db.store.clone(), found: short(found), known: short(MIGRATIONS.len()) })
}

/// The schema's version; `None` when there is no store.
async fn version(link: &mut Link) -> Result<Option<usize>, Fault> {
    // Asked of the catalogue itself: `to_regclass` answers from a cache, which does not know yet what another process
    // has made while we waited for it.
    let there = "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'lockstep' AND c.relname = 'meta'";
    if link.rows(there, &[]).await?.is_empty() {
        return Ok(None);
    }
    let version = meta(link, "schema").await?;
    Ok(version.map(|version| version.parse().unwrap_or(usize::MAX)))
}

async fn meta(link: &mut Link, name: &str) -> Result<Option<String>, Fault> {
    let rows = link.rows("SELECT value FROM lockstep.meta WHERE name = $1", &[(&name, Type::TEXT)]).await?;
    rows.first().map(|row| Cells(row).owned(0)).transpose().map_err(Fault::Said)
}

/// Applies what is missing, in one transaction and one process at a time; gives the version that is there then.
async fn migrate(link: &mut Link) -> Result<usize, Fault> {
    link.batch("BEGIN").await?;
    link.rows("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)]).await?;
    let found = version(link).await?.unwrap_or(0);
    if found == 0 {
        link.batch(GROUND).await?;
    }
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        link.batch(migration).await?;
        if number == 0 {
            let mark = uuid::Uuid::now_v7().simple().to_string();
            set(link, "mark", &mark).await?;
        }
    }
    let reached = found.max(MIGRATIONS.len());
    if found < reached {
        set(link, "schema", &reached.to_string()).await?;
    }
    link.batch("COMMIT").await?;
    Ok(reached)
}

async fn set(link: &mut Link, name: &str, value: &str) -> Result<(), Fault> {
    let sql = "INSERT INTO lockstep.meta (name, value) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    link.rows(sql, &[(&name, Type::TEXT), (&value, Type::TEXT)]).await.map(drop)
}
