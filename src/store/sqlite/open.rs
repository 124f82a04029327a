//! Opening a store's file: what it must be, how it is set up, and how an older one is brought up to date.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::columns::{error, name};
use crate::store::{Access, StoreError};

/// The migrations in order: the schema's version is how many of them were applied.
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

/// Marks an SQLite file as ours: "LKST".
const APPLICATION_ID: i32 = 0x4c4b_5354;

/// How long one process waits for another one's transaction, which takes milliseconds.
const BUSY: Duration = Duration::from_secs(5);

/// How long a start looks for damage: some hundred megabytes, when they are in the system's cache.
const EXAMINED: Duration = Duration::from_millis(500);

/// The writer's connection, and the name of the store.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) mark: String,
    /// Keeps other processes from carrying out the runs of this store, as long as it is open.
    pub(super) guard: Option<File>,
}

/// Opens the store at `path`, makes it or brings it up to date.
pub(super) fn open(path: &Path, access: Access) -> Result<Opened, StoreError> {
    let guard = match access {
        Access::Run => Some(lock(path)?),
        Access::Beside => None,
        Access::Share(_) => return Err(StoreError::Unshared { store: name(path) }),
    };
    let flags = match access {
        Access::Run => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Access::Beside | Access::Share(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    if access == Access::Beside && !path.exists() {
        return Err(StoreError::Unopened { store: name(path), reason: "there is no such file".into() });
    }
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let mut connection = connection.map_err(|failure| error(&failure, path))?;
    let version = identify(&connection, path)?;
    if access == Access::Run {
        examine(&mut connection, path)?;
    }
    set_up(&connection).map_err(|failure| error(&failure, path))?;
    migrate(&mut connection, version).map_err(|failure| error(&failure, path))?;
    let mark = connection
        .query_row("SELECT value FROM meta WHERE name = 'mark'", [], |row| row.get(0))
        .map_err(|failure| error(&failure, path))?;
    Ok(Opened { connection, mark, guard })
}

/// A connection for reading.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        // 2 MB: readers touch few pages, and there are several of them.
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048;")?;
        plans_stay(&connection)?;
        Ok(connection)
    };
    open().map_err(|failure: rusqlite::Error| error(&failure, path))
}

/// One process at a time carries runs out: an SQLite store writes no claims. The lock goes with the process.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let unopened = |failure: &std::io::Error| match failure.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly { store: name(path), reason: failure.to_string() }
        }
        _ => StoreError::Unopened { store: name(path), reason: failure.to_string() },
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let reason = format!("there is no folder {}; make it first", folder.display());
        return Err(StoreError::Unopened { store: name(path), reason });
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
    let file = file.map_err(|failure| unopened(&failure))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { store: name(path) }),
        Err(TryLockError::Error(failure)) => Err(unopened(&failure)),
    }
}

/// The schema version of a file that is ours or new; anything else is refused before it is touched.
fn identify(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let number = |pragma: &str| {
        connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
            .map_err(|failure| error(&failure, path))
    };
    connection.busy_timeout(BUSY).map_err(|failure| error(&failure, path))?;
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        .map_err(|failure| error(&failure, path))?;
    if tables > 0 && application != i64::from(APPLICATION_ID) {
        let reason = "it is a database of another program".into();
        return Err(StoreError::Damaged { store: name(path), reason });
    }
    if number("page_count")? == 0 {
        not_cut_off(path)?;
    }
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        return Err(StoreError::Newer {
            store: name(path),
            found: short(version),
            known: short(MIGRATIONS.len()),
        });
    }
    Ok(version)
}

/// SQLite takes a file that ends within its first page for a new one. It is one only when nothing is in it, nor in
/// the log beside it.
fn not_cut_off(path: &Path) -> Result<(), StoreError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    if length(path) == 0 && length(Path::new(&log)) == 0 {
        return Ok(());
    }
    let reason = "it is cut off within its first page".into();
    Err(StoreError::Damaged { store: name(path), reason })
}

/// Refuses a damaged file before anything is done on its account. A large file is only looked at for so long: what
/// is damaged beyond is told when it is met.
fn examine(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let began = Instant::now();
    let mut look = || {
        connection.progress_handler(1_000, Some(move || began.elapsed() > EXAMINED))?;
        let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        connection.progress_handler(0, None::<fn() -> bool>)?;
        found
    };
    match look() {
        Ok(found) if found == "ok" => Ok(()),
        Ok(reason) => Err(StoreError::Damaged { store: name(path), reason }),
        Err(failure) if failure.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(failure) => Err(error(&failure, path)),
    }
}

/// `page_size` and `auto_vacuum` work only before the first table. With pages of 8 kB an event's body lies in one, and a commit
/// writes half as many frames. 8 MB of cache: indexes of some hundred thousand unfinished runs. A checkpoint every
/// 1,000 pages keeps the log near 8 MB; one that could not run (a long reader) is cut back when it can. What is deleted
/// is written over where its page is written anyway; `erase` asks for more.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    plans_stay(connection)?;
    connection.execute_batch(
        "PRAGMA page_size = 8192;
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 1000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -8192;
         PRAGMA temp_store = MEMORY;
         PRAGMA secure_delete = FAST;",
    )?;
    #[cfg(feature = "failpoints")]
    if crate::failpoint::is_switched_on("sync-seldom") {
        connection.execute_batch("PRAGMA synchronous = NORMAL;")?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// A statement is planned once, whatever is bound to it: an SQLite that keeps samples of its indexes would plan each of ours anew, each
/// time that it is used.
fn plans_stay(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Applies what is missing, each migration in a transaction of its own. The version is read again inside: another
/// process may have been faster.
fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let present: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if usize::try_from(present).is_ok_and(|present| present > number) {
            continue;
        }
        transaction.execute_batch(migration)?;
        if number == 0 {
            transaction.execute(
                "INSERT INTO meta (name, value) VALUES ('mark', ?1)",
                [uuid::Uuid::now_v7().simple().to_string()],
            )?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        transaction.pragma_update(None, "user_version", i64::try_from(number + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}
