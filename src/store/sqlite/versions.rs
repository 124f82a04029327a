//! What clients run with: writing it down, reading it back, forgetting it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, Result, params};

use super::columns::micros;
use crate::config::{FileSet, FileText};
use crate::store::{GoodClient, LastGood, Version};

/// Retired versions, and whether an unfinished run has begun with one: each state as a literal, for its partial index.
pub(super) const RETIRED: &str = "SELECT id, client FROM version WHERE retired IS NOT NULL AND retired < ?1";
pub(super) const IN_USE: [&str; 4] = [
    "SELECT 1 FROM run INDEXED BY run_ready WHERE state = 0 AND client = ?1 AND version = ?2",
    "SELECT 1 FROM run INDEXED BY run_blocked WHERE state = 1 AND client = ?1 AND version = ?2",
    "SELECT 1 FROM run INDEXED BY run_held WHERE state = 2 AND client = ?1 AND version = ?2",
    "SELECT 1 FROM run INDEXED BY run_waiting WHERE state = 3 AND client = ?1 AND version = ?2",
];

/// Keeps what a client runs with; what it ran with before is retired.
pub(super) fn keep(connection: &Connection, good: &GoodClient) -> Result<()> {
    let mut retire =
        connection.prepare_cached("UPDATE version SET retired = ?2 WHERE client = ?1 AND retired IS NULL")?;
    retire.execute(params![good.client, micros(good.at)])?;
    for set in std::iter::once(&good.whole).chain(&good.pipelines) {
        keep_set(connection, &good.client, set)?;
    }
    let mut last_good = connection.prepare_cached(
        "INSERT INTO last_good (client, version, passed) VALUES (?1, ?2, ?3)
         ON CONFLICT (client) DO UPDATE SET version = excluded.version, passed = excluded.passed",
    )?;
    last_good.execute(params![good.client, good.whole.version, good.check])?;
    Ok(())
}

fn keep_set(connection: &Connection, client: &str, set: &FileSet) -> Result<()> {
    let mut known = connection.prepare_cached("UPDATE version SET retired = NULL WHERE id = ?1")?;
    if known.execute([&set.version])? > 0 {
        return Ok(());
    }
    let mut version = connection.prepare_cached("INSERT INTO version (id, client) VALUES (?1, ?2)")?;
    version.execute(params![set.version, client])?;
    let mut text = connection
        .prepare_cached("INSERT INTO source (hash, text) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING")?;
    let mut place =
        connection.prepare_cached("INSERT INTO version_file (version, path, source) VALUES (?1, ?2, ?3)")?;
    for file in &set.files {
        let hash = file.hash();
        text.execute(params![hash, file.text])?;
        place.execute(params![set.version, file.path, hash])?;
    }
    Ok(())
}

/// What each client has run with last.
pub(super) fn last_good(connection: &Connection) -> Result<BTreeMap<Arc<str>, LastGood>> {
    let mut statement = connection.prepare_cached("SELECT client, version, passed FROM last_good")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, LastGood { version: Version(row.get(1)?), check: row.get(2)? }))
    })?;
    rows.collect()
}

/// The files of a version.
pub(super) fn files(connection: &Connection, version: &Version) -> Result<Option<FileSet>> {
    let mut statement = connection.prepare_cached(
        "SELECT f.path, s.text FROM version_file f JOIN source s ON s.hash = f.source
         WHERE f.version = ?1 ORDER BY f.path",
    )?;
    let rows =
        statement.query_map([&version.0], |row| Ok(FileText { path: row.get(0)?, text: row.get(1)? }))?;
    let files: Vec<FileText> = rows.collect::<Result<_>>()?;
    Ok((!files.is_empty()).then(|| FileSet { version: Arc::clone(&version.0), files }))
}

/// The versions that were retired before `before`, and that no unfinished run has begun with. Asked of a reader: with
/// a million runs waiting this looks at many of them.
pub(super) fn unneeded(connection: &Connection, before: Timestamp) -> Result<Vec<Version>> {
    let mut statement = connection.prepare_cached(RETIRED)?;
    let rows = statement
        .query_map([micros(before)], |row| Ok((Version(row.get(0)?), row.get::<_, Arc<str>>(1)?)))?;
    let mut unneeded = Vec::new();
    for row in rows {
        let (version, client) = row?;
        let mut in_use = false;
        for runs in IN_USE {
            in_use = in_use || connection.prepare_cached(runs)?.exists(params![client, version.0])?;
        }
        if !in_use {
            unneeded.push(version);
        }
    }
    Ok(unneeded)
}

/// Forgets these versions, unless their client has come back to one meanwhile, and the texts that nothing else needs.
pub(super) fn forget(connection: &Connection, versions: &[Version], before: Timestamp) -> Result<u64> {
    let mut version = connection
        .prepare_cached("DELETE FROM version WHERE id = ?1 AND retired IS NOT NULL AND retired < ?2")?;
    let mut texts = connection.prepare_cached("SELECT source FROM version_file WHERE version = ?1")?;
    let mut files = connection.prepare_cached("DELETE FROM version_file WHERE version = ?1")?;
    let mut text = connection.prepare_cached(
        "DELETE FROM source WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM version_file WHERE source = ?1)",
    )?;
    let mut forgotten = 0;
    for id in versions {
        if version.execute(params![id.0, micros(before)])? == 0 {
            continue;
        }
        forgotten += 1;
        let hashes: Vec<Arc<str>> = texts.query_map([&id.0], |row| row.get(0))?.collect::<Result<_>>()?;
        files.execute([&id.0])?;
        for hash in hashes {
            text.execute([hash])?;
        }
    }
    Ok(forgotten)
}
