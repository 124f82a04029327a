//! Reading a body within bounds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refusal;

/// The largest body that is read. The largest events known (an invoice with its first lines, a subscription with
/// twenty items) are below 200 kB; what is beyond this is no event.
pub(super) const BODY_MAX: usize = 1024 * 1024;

/// How long a body may take to arrive: senders give up themselves after about as long.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// The bodies in memory at once, in KiB: bounds the memory that strangers can take, whatever they send.
const BODIES_KIB_MAX: usize = 64 * 1024;

/// How much of a body that is too large is read to nowhere, and how long.
const DISCARD_MAX: usize = 8 * BODY_MAX;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// What room a body of unknown length is given.
const UNKNOWN_LENGTH: usize = BODY_MAX;

/// The room for bodies in memory.
#[derive(Debug)]
pub(super) struct Room(Arc<Semaphore>);

/// A body, and the room that it takes until it is dropped.
pub(super) struct Held {
    pub(super) body: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_KIB_MAX)))
    }
}

impl Room {
    /// Reads a body whole: at most [`BODY_MAX`] bytes, within [`BODY_TIME_MAX`], when there is room for it.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Held, Refusal> {
        let length = declared(headers).unwrap_or(UNKNOWN_LENGTH);
        if length > BODY_MAX {
            discard(body).await;
            return Err(Refusal::TooLarge);
        }
        let kib = u32::try_from(length / 1024 + 1).map_err(|_| Refusal::TooLarge)?;
        let room = Arc::clone(&self.0).try_acquire_many_owned(kib).map_err(|_| Refusal::Crowded)?;
        let read = tokio::time::timeout(BODY_TIME_MAX, whole(body));
        let body = read.await.map_err(|_| Refusal::TooSlow(BODY_TIME_MAX))??;
        Ok(Held { body, _room: room })
    }
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body to nowhere, within bounds: a sender that is still sending when the connection is closed would not
/// see the answer (RFC 9112, section 9.6).
async fn discard(body: Body) {
    let mut chunks = body.into_data_stream();
    let reading = async {
        let mut read = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            read += chunk.len();
            if read > DISCARD_MAX {
                return;
            }
        }
    };
    // Whether all of it came makes no difference: it is refused either way.
    drop(tokio::time::timeout(DISCARD_TIME_MAX, reading).await);
}

async fn whole(body: Body) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    let Some(first) = chunks.next().await.transpose().map_err(|_| Refusal::BrokenOff)? else {
        return Ok(Bytes::new());
    };
    let mut all: Option<BytesMut> = None;
    while let Some(chunk) = chunks.next().await.transpose().map_err(|_| Refusal::BrokenOff)? {
        let all = all.get_or_insert_with(|| BytesMut::from(&first[..]));
        if all.len() + chunk.len() > BODY_MAX {
            return Err(Refusal::TooLarge);
        }
        all.extend_from_slice(&chunk);
    }
    match all {
        Some(all) => Ok(all.freeze()),
        None if first.len() > BODY_MAX => Err(Refusal::TooLarge),
        // The usual case: the body came in one piece, and is not copied.
        None => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> =
            sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    async fn read(sizes: &[usize]) -> Result<usize, &'static str> {
        let read = Room::default().read(&HeaderMap::new(), pieces(sizes)).await;
        read.map(|held| held.body.len()).map_err(|refusal| refusal.word())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_and_not_beyond() {
        assert_eq!(read(&[]).await, Ok(0));
        assert_eq!(read(&[3, 4]).await, Ok(7));
        assert_eq!(read(&[BODY_MAX]).await, Ok(BODY_MAX));
        assert_eq!(read(&[BODY_MAX - 1, 1]).await, Ok(BODY_MAX));
        assert_eq!(read(&[BODY_MAX + 1]).await, Err("too_large"));
        assert_eq!(read(&[BODY_MAX, 1]).await, Err("too_large"));
    }

    #[tokio::test]
    async fn a_declared_length_beyond_the_limit_is_not_even_read() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, (BODY_MAX + 1).into())]);
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let read = Room::default().read(&headers, body).await;
        assert_eq!(read.map(|_| ()).map_err(|refusal| refusal.word()), Err("too_large"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let read = Room::default().read(&HeaderMap::new(), body).await;
        assert_eq!(read.map(|_| ()).map_err(|refusal| refusal.word()), Err("too_slow"));
    }

    #[tokio::test]
    async fn when_the_room_is_taken_the_sender_is_asked_to_come_back() {
        let room = Room::default();
        let mut held = Vec::new();
        let refusal = loop {
            match room.read(&HeaderMap::new(), pieces(&[1])).await {
                Ok(body) => held.push(body),
                Err(refusal) => break refusal,
            }
        };
        assert_eq!((held.len(), refusal.word()), (63, "crowded"));
        held.clear();
        assert!(
            room.read(&HeaderMap::new(), pieces(&[1])).await.is_ok(),
            "room that was given back is there again"
        );
    }
}
