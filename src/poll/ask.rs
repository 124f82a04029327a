//! Asking a system for a page, with some patience: one answer that was lost is no reason to list everything again.

use std::time::Duration;

use super::round::{Round, Trouble};
use crate::connector::{Call, Class, Failure, Reply};

/// How often a page is asked for.
const TRIES: u32 = 4;

/// The pause before the second try; doubled from one to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// A system that asks to be left alone for longer than this is: the next poll asks it.
const PATIENCE: Duration = Duration::from_mins(1);

impl Round<'_> {
    /// One page.
    pub(super) async fn ask(&self, call: &Call) -> Result<Reply, Trouble> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.around.engine.call(&self.job.client.name, call).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => match wait(&failure, pause) {
                    Some(wait) => tokio::time::sleep(wait + self.around.jitter.of(pause)).await,
                    None => return Err(Trouble::failed(&failure)),
                },
            }
            pause *= 2;
        }
        let last = self.around.engine.call(&self.job.client.name, call).await;
        last.map_err(|failure| Trouble::failed(&failure))
    }
}

/// How long to wait before the page is asked for again; `None` when there is no sense in that.
fn wait(failure: &Failure, pause: Duration) -> Option<Duration> {
    match failure.class {
        Class::Transient | Class::Unknown | Class::Locked => Some(failure.wait.unwrap_or(pause)),
        Class::Throttled => Some(failure.wait.unwrap_or(pause * 4)),
        Class::Missing
        | Class::Duplicate
        | Class::Expired
        | Class::ConnectionDown
        | Class::Permanent
        | Class::Partial => None,
    }
    .filter(|wait| *wait <= PATIENCE)
}
