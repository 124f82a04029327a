//! Calling clients that are dormant.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

/// How many calls may wait. Whoever comes when it is full waits until one is answered.
const WAITING: usize = 1024;

/// A call.
pub(super) struct Call {
    pub(super) client: Arc<str>,
    /// Dropped when the client is open, or cannot be opened.
    pub(super) _answered: oneshot::Sender<()>,
}

/// Calls dormant clients. Cheap to clone.
#[derive(Clone)]
pub(super) struct Rouser(mpsc::Sender<Call>);

impl Rouser {
    /// One that calls, and where its calls arrive.
    pub(super) fn new() -> (Self, mpsc::Receiver<Call>) {
        let (calls, arriving) = mpsc::channel(WAITING);
        (Self(calls), arriving)
    }

    /// Calls a client, and waits until it is open or known to be broken.
    pub(super) fn rouse(&self, client: Arc<str>) -> BoxFuture<'static, ()> {
        let calls = self.0.clone();
        async move {
            let (answered, answer) = oneshot::channel();
            if calls.send(Call { client, _answered: answered }).await.is_ok() {
                // An answer is that nobody is left who could give one.
                let _ = answer.await;
            }
        }
        .boxed()
    }

    /// Calls a client, unless too many wait already: then it is called again when its runs are looked at again.
    pub(super) fn call(&self, client: &Arc<str>) {
        let (answered, _) = oneshot::channel();
        let _ = self.0.try_send(Call { client: Arc::clone(client), _answered: answered });
    }
}
