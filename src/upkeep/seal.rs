//! Sealing what was written since the last time.

use crate::store::{Store, StoreError};

/// Entries sealed in one transaction: about two milliseconds of the writer's time.
const BATCH: usize = 256;

/// Seals what waits, and gives how many entries. Nothing may mean that another process is at it.
pub async fn seal_all(store: &dyn Store) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        let sealed = store.seal(BATCH).await?;
        all += u64::try_from(sealed).unwrap_or(u64::MAX);
        if sealed < BATCH {
            return Ok(all);
        }
    }
}
