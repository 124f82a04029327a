//! A power cut. SIGKILL leaves the system's cache as it is and so proves nothing about fsync; here everything that was
//! not synced is gone (invariant 1).

use std::collections::BTreeSet;
use std::fs;

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use super::shim;
use super::stop::{charges, send};
use crate::world::World;

/// A machine with its disk: what is durable of the store's files.
struct Machine {
    world: World,
    disk: TempDir,
    library: String,
    switch: &'static str,
}

impl Machine {
    async fn with(switch: &'static str) -> Self {
        let disk = TempDir::new().unwrap();
        let kept = disk.path().join("durable");
        fs::create_dir(kept).unwrap();
        let library = shim::compile(disk.path()).to_str().unwrap().to_owned();
        let mut machine = Self { world: World::at_rest().await, disk, library, switch };
        machine.start();
        machine
    }

    fn start(&mut self) {
        let folder = self.world.folder().to_str().unwrap().to_owned();
        let durable = self.disk.path().join("durable");
        self.world.start(&[
            ("LD_PRELOAD", &self.library),
            ("SHIM_FOLDER", &folder),
            ("SHIM_DISK", durable.to_str().unwrap()),
            ("LOCKSTEP_FAILPOINT", self.switch),
        ]);
    }

    /// Kills the process, and leaves of the store what was synced.
    fn cut(&mut self) {
        self.world.kill();
        for file in fs::read_dir(self.world.folder()).unwrap().map(Result::unwrap) {
            if file.file_name().to_str().unwrap().starts_with("lockstep.db") {
                fs::remove_file(file.path()).unwrap();
            }
        }
        for file in fs::read_dir(self.disk.path().join("durable")).unwrap().map(Result::unwrap) {
            let name = file.file_name();
            if name.to_str().unwrap().starts_with("lockstep.db") {
                fs::copy(file.path(), self.world.folder().join(name)).unwrap();
            }
        }
        self.start();
    }

    /// The events that the store knows.
    fn known(&self) -> BTreeSet<u32> {
        let events = self.world.json(&["events", "list", "--limit", "10000"]);
        let number = |event: &serde_json::Value| event["id"].as_str()?.rsplit('_').next()?.parse().ok();
        events["events"].as_array().unwrap().iter().map(|event| number(event).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let mut machine = Machine::with("").await;
    let mut acknowledged = BTreeSet::new();
    for cut in 0..3 {
        let (world, sent) = (&machine.world, cut * 60..(cut + 1) * 60);
        // The cut comes while events are being taken and runs are under way.
        let before = charges(world).len();
        let (some, ()) = tokio::join!(
            send(world, sent),
            world.until("some tasks were written", async || charges(world).len() > before + 5)
        );
        acknowledged.extend(some);
        machine.cut();
        let known = machine.known();
        let lost: Vec<_> = acknowledged.difference(&known).collect();
        assert_eq!(lost, Vec::<&u32>::new(), "acknowledged and lost");
    }
    machine.world.all_ended().await;
    let expected: BTreeSet<String> = acknowledged.iter().map(|number| format!("ch_{number}")).collect();
    let written = charges(&machine.world);
    assert_eq!(written.len(), expected.len(), "each once");
    assert_eq!(BTreeSet::from_iter(written), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_did_not_sync_each_commit_would_be_caught() {
    let mut machine = Machine::with("sync-seldom").await;
    let acknowledged = send(&machine.world, 0..30).await;
    assert_eq!(acknowledged.len(), 30);
    machine.cut();
    assert!(!machine.known().is_superset(&acknowledged), "nothing was lost although nothing was synced");
}
