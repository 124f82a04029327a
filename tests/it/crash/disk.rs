//! A disk that is full, read-only or damaged: clear words, and nothing acknowledged that is not kept (invariant 1).

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stop::{charges, send};
use crate::world::{World, charge};

/// Becomes what follows it, with a disk of its own: a file system in memory that nobody else sees, and that goes with
/// the process. `$BEFORE` prepares it.
const OWN_DISK: &str =
    r#"mount -t tmpfs -o size="$SIZE" tmpfs "$DISK" && (cd "$DISK" && eval "$BEFORE") && exec "$@""#;

/// How a disk may be mounted that only one process sees; nothing when this machine does not allow it.
fn unshare() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--map-root-user", "--mount"]];
    let works = |way: &&&[&str]| {
        let mut tried = Command::new(way[0]);
        let tried =
            tried.args(&way[1..]).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success())
    };
    WAYS.iter().find(works).copied()
}

/// A folder where a process mounts a disk of its own.
struct Disk {
    folder: TempDir,
    way: &'static [&'static str],
}

impl Disk {
    fn new() -> Self {
        let way = unshare().unwrap_or_else(|| {
            panic!("this machine lets nobody mount a file system: run it as root, or allow user namespaces")
        });
        Self { folder: TempDir::new().unwrap(), way }
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn store(&self) -> String {
        format!("sqlite:{}/lockstep.db", self.path())
    }

    fn wrapper(&self) -> Vec<&str> {
        [self.way, &["sh", "-c", OWN_DISK, "sh"]].concat()
    }

    /// A path on the disk, as seen from outside.
    fn within(&self, world: &World, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}/{name}", world.pid(), self.path()))
    }
}

/// A charge that fills a disk.
fn large(number: u32) -> Value {
    let mut event = charge("charge.succeeded", number);
    event["data"]["object"]["description"] = json!("x".repeat(50_000));
    event
}

fn small(number: u32) -> Value {
    charge("charge.succeeded", number)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_it_cannot_keep_and_goes_on_when_there_is_room() {
    let disk = Disk::new();
    let mut world = World::at_rest().await;
    let store = disk.store();
    world.start_within(
        &disk.wrapper(),
        &[
            ("LOCKSTEP_STORE", &store),
            ("DISK", disk.path()),
            ("SIZE", "6m"),
            ("BEFORE", "head -c 4200000 /dev/zero >ballast"),
        ],
    );
    // Large events until there is no room for them, then small ones until there is none for anything.
    let (mut sent, mut refused) = (Vec::new(), Vec::new());
    for make in [large, small] {
        for _ in 0..200 {
            let event = make(u32::try_from(sent.len()).unwrap());
            let (status, answer) = world.deliver(&event).await;
            sent.push(event.clone());
            if status != StatusCode::OK {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
                refused.push(event);
                if refused.len() % 5 == 0 {
                    break;
                }
            }
        }
    }
    assert!(refused.len() == 10 && sent.len() > 15, "{} of {} were refused", refused.len(), sent.len());
    assert!(world.log().contains("the disk of the store is full"), "{}", world.log());
    world
        .until("readyz says it", async || {
            world.deliver(&refused[0]).await;
            let (status, readiness) = world.admin("/readyz").await;
            status == StatusCode::SERVICE_UNAVAILABLE && readiness["store"] == "the disk of the store is full"
        })
        .await;

    fs::remove_file(disk.within(&world, "ballast")).unwrap();
    for event in &refused {
        world.until("there is room", async || world.deliver(event).await.0 == StatusCode::OK).await;
    }
    world.all_ended().await;
    world.until("readyz is content", async || world.admin("/readyz").await.0 == StatusCode::OK).await;
    let mut expected: Vec<String> = (0..sent.len()).map(|number| format!("ch_{number}")).collect();
    expected.sort_unstable();
    assert_eq!(charges(&world), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_told_at_the_start() {
    let disk = Disk::new();
    let mut world = World::at_rest().await;
    world.start(&[]);
    assert_eq!(send(&world, 0..5).await.len(), 5);
    assert_eq!(world.terminate(), Some(0));
    let before =
        format!("cp {}/lockstep.db* . && mount -o remount,ro {}", world.folder().display(), disk.path());
    let (store, wrapper) = (disk.store(), disk.wrapper());
    let output = world.run_within(
        &wrapper,
        &["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        &[("LOCKSTEP_STORE", &store), ("DISK", disk.path()), ("SIZE", "6m"), ("BEFORE", &before)],
    );
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("lockstep.db cannot be written to: "), "{said}");
}

/// A store with some events, closed.
async fn store_with_events() -> World {
    let mut world = World::at_rest().await;
    world.start(&[]);
    assert_eq!(send(&world, 0..60).await.len(), 60);
    world.all_ended().await;
    assert_eq!(world.terminate(), Some(0));
    // All of it in the one file, none in the log beside it.
    let store = rusqlite::Connection::open(world.folder().join("lockstep.db")).unwrap();
    store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    world
}

fn overwrite(store: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).open(store).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_refused_with_words_and_left_as_it_is() {
    let world = store_with_events().await;
    let store = world.folder().join("lockstep.db");
    let whole = fs::read(&store).unwrap();
    let length = whole.len() as u64;
    let cut = |length| fs::File::options().write(true).open(&store).unwrap().set_len(length).unwrap();
    let damages: [(&str, &dyn Fn()); 4] = [
        ("cut in half", &|| cut(length / 2)),
        ("cut within its first page", &|| cut(700)),
        ("another header", &|| overwrite(&store, 0, b"not a database at all")),
        ("pages in the middle", &|| overwrite(&store, 3 * 8_192, &vec![0xa5; 8 * 8_192])),
    ];
    for (name, damage) in damages {
        fs::write(&store, &whole).unwrap();
        damage();
        let before = fs::read(&store).unwrap();
        let run = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let output = world.run_within(&["timeout", "60"], &run, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains("lockstep.db is not a lockstep store, or is damaged: "), "{name}: {said}");
        assert!(said.contains("restore a backup"), "{name}: {said}");
        assert!(fs::read(&store).unwrap() == before, "{name}: it was changed");
    }
}
