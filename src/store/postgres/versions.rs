//! What clients run with: writing it down, reading it back, forgetting it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::columns::{Cells, clean};
use super::db::{Db, Pipe, Values};
use super::fault::Fault;
use crate::config::{FileSet, FileText};
use crate::store::columns::micros;
use crate::store::{GoodClient, LastGood, StoreError, Version};

/// Whoever keeps versions and whoever forgets some do it one after another: a text that is kept by one must not be
/// thrown away by the other at the same moment.
const ALONE: &str = "SELECT 1 FROM lockstep.meta WHERE name = 'mark' FOR UPDATE";

/// Keeps what clients run with; what they ran with before is retired. Within the transaction under way.
pub(super) async fn keep(pipe: Pipe<'_>, good: &[&GoodClient]) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    let sets: Vec<(&GoodClient, &FileSet)> = good
        .iter()
        .flat_map(|good| std::iter::once(&good.whole).chain(&good.pipelines).map(move |set| (*good, set)))
        .filter(|(_, set)| seen.insert(&set.version))
        .collect();
    pipe.rows(ALONE, &[]).await?;
    let ids: Vec<&str> = sets.iter().map(|(_, set)| &*set.version).collect();
    let owners: Vec<&str> = sets.iter().map(|(good, _)| &*good.client).collect();
    let clients: Vec<&str> = good.iter().map(|good| &*good.client).collect();
    let wholes: Vec<&str> = good.iter().map(|good| &*good.whole.version).collect();
    let checks: Vec<Option<&str>> = good.iter().map(|good| good.check.as_deref()).collect();
    let at: Vec<i64> = good.iter().map(|good| micros(good.at)).collect();
    let retire = "UPDATE lockstep.version v SET retired = u.at
        FROM unnest($1::text[], $2::bigint[]) AS u (client, at)
        WHERE v.client = u.client AND v.retired IS NULL AND NOT v.id = ANY($3::text[])";
    let retired: Values<'_> =
        &[(&clients, Type::TEXT_ARRAY), (&at, Type::INT8_ARRAY), (&ids, Type::TEXT_ARRAY)];
    let present = "INSERT INTO lockstep.version (id, client) SELECT * FROM unnest($1::text[], $2::text[])
        ON CONFLICT (id) DO UPDATE SET retired = NULL";
    let presented: Values<'_> = &[(&ids, Type::TEXT_ARRAY), (&owners, Type::TEXT_ARRAY)];
    let last = "INSERT INTO lockstep.last_good (client, version, passed)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
        ON CONFLICT (client) DO UPDATE SET version = excluded.version, passed = excluded.passed";
    let lasting: Values<'_> =
        &[(&clients, Type::TEXT_ARRAY), (&wholes, Type::TEXT_ARRAY), (&checks, Type::TEXT_ARRAY)];
    tokio::try_join!(
        pipe.change(retire, retired),
        pipe.change(present, presented),
        pipe.change(last, lasting),
        keep_files(pipe, sets.iter().map(|(_, set)| *set)),
    )?;
    Ok(())
}

async fn keep_files(pipe: Pipe<'_>, sets: impl Iterator<Item = &FileSet>) -> Result<(), Fault> {
    let mut texts: BTreeMap<Arc<str>, &str> = BTreeMap::new();
    let (mut versions, mut paths, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    for set in sets {
        for file in &set.files {
            let hash = file.hash();
            versions.push(&*set.version);
            paths.push(&*file.path);
            sources.push(hash.to_string());
            texts.insert(hash, &file.text);
        }
    }
    let hashes: Vec<&str> = texts.keys().map(|hash| &**hash).collect();
    let contents: Vec<_> = texts.values().map(|text| clean(text)).collect();
    let source = "INSERT INTO lockstep.source (hash, text) SELECT * FROM unnest($1::text[], $2::text[])
        ON CONFLICT (hash) DO NOTHING";
    let place = "INSERT INTO lockstep.version_file (version, path, source)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT (version, path) DO NOTHING";
    let kept: Values<'_> = &[(&hashes, Type::TEXT_ARRAY), (&contents, Type::TEXT_ARRAY)];
    let placed: Values<'_> =
        &[(&versions, Type::TEXT_ARRAY), (&paths, Type::TEXT_ARRAY), (&sources, Type::TEXT_ARRAY)];
    tokio::try_join!(pipe.change(source, kept), pipe.change(place, placed))?;
    Ok(())
}

/// What each client has run with last.
pub(super) async fn last_good(db: &Db) -> Result<BTreeMap<Arc<str>, LastGood>, StoreError> {
    let rows = db.rows("SELECT client, version, passed FROM lockstep.last_good", &[]).await?;
    let last = |cells: Cells<'_>| {
        Ok((cells.text(0)?, LastGood { version: Version(cells.text(1)?), check: cells.text_option(2)? }))
    };
    rows.iter().map(|row| last(Cells(row))).collect()
}

/// The files of a version.
pub(super) async fn files(db: &Db, version: &Version) -> Result<Option<FileSet>, StoreError> {
    let sql = "SELECT f.path, s.text FROM lockstep.version_file f JOIN lockstep.source s ON s.hash = f.source
         WHERE f.version = $1 ORDER BY f.path";
    let rows = db.rows(sql, &[(&&*version.0, Type::TEXT)]).await?;
    let file = |cells: Cells<'_>| Ok(FileText { path: cells.text(0)?, text: cells.text(1)? });
    let files = rows.iter().map(|row| file(Cells(row))).collect::<Result<Vec<_>, StoreError>>()?;
    Ok((!files.is_empty()).then(|| FileSet { version: Arc::clone(&version.0), files }))
}

/// Forgets the versions that were retired before `before` and that no unfinished run has begun with, and the texts
/// that nothing else needs. Within the transaction under way.
pub(super) async fn forget(pipe: Pipe<'_>, before: Timestamp) -> Result<u64, Fault> {
    // Each state as a literal, for its partial index; blocked runs have none by client, and there are few.
    let used = |state: u8| {
        format!(
            "AND NOT EXISTS (SELECT 1 FROM lockstep.run r WHERE r.state = {state} AND r.client = v.client \
             AND r.version = v.id)"
        )
    };
    let unused: Vec<String> = (0..=3).map(used).collect();
    let versions = format!(
        "WITH gone AS (
             DELETE FROM lockstep.version v WHERE v.retired IS NOT NULL AND v.retired < $1 {} RETURNING v.id
         ), files AS (
             DELETE FROM lockstep.version_file f USING gone WHERE f.version = gone.id
         )
         SELECT count(*) FROM gone",
        unused.join(" ")
    );
    pipe.rows(ALONE, &[]).await?;
    let gone = pipe.rows(&versions, &[(&micros(before), Type::INT8)]).await?;
    let gone = gone.first().map_or(Ok(0), |row| Cells(row).int(0)).map_err(Fault::Said)?;
    if gone > 0 {
        let texts = "DELETE FROM lockstep.source s
            WHERE NOT EXISTS (SELECT 1 FROM lockstep.version_file f WHERE f.source = s.hash)";
        pipe.change(texts, &[]).await?;
    }
    Ok(gone.unsigned_abs())
}
