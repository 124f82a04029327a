//! Redirects: followed to the hosts that the manifest names, as the very request that was sent, and nowhere else.
//!
//! An HTTP client's own way is of no use here: it turns a redirected POST into an empty GET, and takes credentials to
//! hosts that nobody has named.

use reqwest::header::LOCATION;

use super::answer::Answer;
use super::http::{HostPattern, Reach};
use super::request::Outgoing;

/// One request is sent on so many times at most.
pub(super) const REDIRECTS_MAX: usize = 3;

/// The hosts that a redirect may lead to.
#[derive(Debug, Default)]
pub(super) struct Redirects(Vec<HostPattern>);

impl Redirects {
    pub(super) fn new(hosts: Vec<HostPattern>) -> Self {
        Self(hosts)
    }

    /// True when any are followed.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The same request at the address that `answer` names: method, headers and body stay. `None` when it is no
    /// redirect, is one that asks for something else (303), or leads where requests may not go.
    pub(super) fn next(&self, sent: Outgoing, answer: &Answer, reach: &Reach) -> Option<Outgoing> {
        if !matches!(answer.status, 301 | 302 | 307 | 308) {
            return None;
        }
        let location = answer.headers.get(LOCATION)?.to_str().ok()?;
        let url = sent.url.join(location).ok()?;
        let host = url.host_str()?.to_ascii_lowercase();
        let allowed = self.0.iter().any(|pattern| pattern.fits(&host));
        (allowed && reach.check_encryption(&url).is_ok()).then_some(Outgoing { url, ..sent })
    }
}
