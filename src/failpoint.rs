//! Named points at which a test can have the process killed, to prove that nothing is lost or doubled there.
//!
//! Compiled only with the feature `failpoints`; without it a point is nothing. `LOCKSTEP_FAILPOINT=after-intent:3`
//! kills the process (SIGKILL: nothing is flushed, dropped or told) when it comes to that point for the third time;
//! `LOCKSTEP_FAILPOINT_HITS=FILE` adds a line to a file at each hit of any point, so that a test sees where processes
//! have been. `tests/it/crash` kills at each of them.

/// The points, in the order in which an event comes to them.
pub const FAILPOINTS: &[&str] = &[
    // The start: what is unfinished is taken up.
    "before-take-up",
    "after-take-up",
    // The files of clients, at the start and when they change: before and after what will run is kept in the store;
    // what runs replaced, and its hooks not yet.
    "before-kept",
    "after-kept",
    "in-reload",
    // The webhook: nothing written yet; on disk and known to nobody; handed to the scheduler and not yet answered.
    "before-accept",
    "after-accept",
    "after-hand-over",
    // The store's writer: all statements of a transaction executed; committed and nobody told.
    "before-commit",
    "after-commit",
    // A store that several processes share: the claim renewed, and this process not yet aware of it; partitions with nothing
    // under way about to be handed over; handed over.
    "after-renewal",
    "before-hand-over",
    "after-handed-over",
    // The scheduler: due runs read; a run sent back to wait behind another; those read again.
    "after-load",
    "before-blocked",
    "after-refill",
    // A call: its intent; the request; its answer, begun and whole; an intent that is taken back.
    "before-intent",
    "after-intent",
    "before-call",
    "in-answer",
    "after-answer",
    "between-pages",
    "before-withdrawn",
    "after-withdrawn",
    // Its outcome: before the journal; queued there and not committed; as far on disk as the run waits for.
    "before-record",
    "record-queued",
    "after-record",
    // A poll: a part of it found, and nothing written; on disk, with what was seen; everything listed; its end on disk.
    "before-polled",
    "after-polled",
    "before-report",
    "after-report",
    // The end of a run: not yet handed to the store; handed over; on disk.
    "before-end",
    "after-end",
    "end-settled",
];

/// A point at which a test can have the process killed; nothing without the feature `failpoints`. A name that is not
/// among [`FAILPOINTS`] does not compile.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        {
            const { assert!($crate::failpoint::is_listed($name)) };
            $crate::failpoint::reached($name);
        }
    };
}

pub(crate) use failpoint;

/// Whether a point has this name.
#[cfg(feature = "failpoints")]
pub(crate) const fn is_listed(name: &str) -> bool {
    let mut point = 0;
    while point < FAILPOINTS.len() {
        let (listed, name) = (FAILPOINTS[point].as_bytes(), name.as_bytes());
        let mut same = 0;
        while same < listed.len() && same < name.len() && listed[same] == name[same] {
            same += 1;
        }
        if same == listed.len() && same == name.len() {
            return true;
        }
        point += 1;
    }
    false
}

/// Whether `LOCKSTEP_FAILPOINT` names this switch: a fault that a test builds in, to prove that it would be found.
#[cfg(feature = "failpoints")]
pub(crate) fn is_switched_on(switch: &str) -> bool {
    WATCH.wanted.as_ref().is_some_and(|(wanted, _)| wanted == switch)
}

/// Counts, and kills when the environment asks for it.
#[cfg(feature = "failpoints")]
pub(crate) fn reached(name: &str) {
    use std::io::Write;
    use std::sync::PoisonError;
    use std::sync::atomic::Ordering;

    if let Some(file) = &WATCH.hits {
        // One write a line: several processes share the file. What it cannot take is missed by the test.
        let line = format!("{name}\n");
        drop(file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()));
    }
    if let Some((point, hit)) = &WATCH.wanted
        && point == name
        && WATCH.count.fetch_add(1, Ordering::SeqCst) + 1 == *hit
    {
        let me = rustix::process::getpid();
        // It does not return; should it ever, the end is as sudden.
        let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
        std::process::abort();
    }
}

#[cfg(feature = "failpoints")]
struct Watch {
    wanted: Option<(String, u64)>,
    count: std::sync::atomic::AtomicU64,
    hits: Option<std::sync::Mutex<std::fs::File>>,
}

#[cfg(feature = "failpoints")]
static WATCH: std::sync::LazyLock<Watch> = std::sync::LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "switches for tests, which no configuration can set")]
    let read = |name: &str| std::env::var(name).ok();
    let wanted = read("LOCKSTEP_FAILPOINT").and_then(|text| {
        let (point, hit) = text.split_once(':').unwrap_or((&text, "1"));
        Some((point.to_owned(), hit.parse().ok()?))
    });
    let hits = read("LOCKSTEP_FAILPOINT_HITS")
        .and_then(|path| std::fs::OpenOptions::new().create(true).append(true).open(path).ok());
    Watch { wanted, count: std::sync::atomic::AtomicU64::new(0), hits: hits.map(std::sync::Mutex::new) }
});
