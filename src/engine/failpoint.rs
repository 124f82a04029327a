//! Named points at which a test can have the process killed, to prove that nothing is lost or doubled there.
//!
//! Compiled only with the feature `failpoints`. `LOCKSTEP_FAILPOINT=after-intent:3` aborts the process when it
//! comes to that point for the third time.

/// The points, in the order in which a run comes to them.
pub const FAILPOINTS: [&str; 6] =
    ["after-accept", "after-intent", "after-call", "after-record", "before-end", "after-end"];

/// A point at which a test can have the process killed; nothing without the feature `failpoints`.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::engine::failpoint::reached($name);
    };
}

pub(super) use failpoint;

/// Counts, and aborts when the environment asks for it.
#[cfg(feature = "failpoints")]
pub(super) fn reached(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static HITS: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "a switch for tests, which no configuration can set")]
        let text = std::env::var("LOCKSTEP_FAILPOINT").ok()?;
        let (point, hit) = text.split_once(':').unwrap_or((&text, "1"));
        Some((point.to_owned(), hit.parse().ok()?))
    });
    if let Some((point, hit)) = wanted
        && point == name
        && HITS.fetch_add(1, Ordering::SeqCst) + 1 == *hit
    {
        std::process::abort();
    }
}
