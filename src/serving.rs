//! One HTTP listener: binds, accepts within limits, serves a router, and lets what is under way finish when it is
//! told to stop. Both listeners stand on this; it knows neither.
//!
//! Slow and endless peers are bounded here, before a router sees anything: connections, header bytes, header count,
//! and the time a header may take (which is also how long an idle connection is kept).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections open at once. Each costs a task and at most [`HEADER_BYTES_MAX`] before a request is known; a reverse
/// proxy or Stripe keeps far fewer open. More wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;

/// Request line and headers together. Stripe's come to about 1 kB; proxies add some.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Headers of one request.
const HEADERS_MAX: usize = 64;

/// How long the headers of a request may take to arrive.
const HEADER_TIME_MAX: Duration = Duration::from_secs(15);

/// How long to wait when the system can give no further connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// A bound port that is not served yet.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = async {
            let tcp = TcpListener::bind(address).await?;
            let address = tcp.local_addr()?;
            Ok(Self { tcp, address })
        };
        bound.await.map_err(|source| BindError { address, source })
    }

    /// The address it is bound to, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `app` until `stop`; then accepts nothing more and ends when the requests under way are answered, after
    /// `grace` at the latest.
    pub async fn serve(self, app: Router, stop: CancellationToken, grace: Duration) {
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        while let Some(stream) = stop.run_until_cancelled(self.next(&slots)).await {
            let (stream, slot) = stream;
            let service = TowerToHyperService::new(app.clone());
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIME_MAX)
                .max_buf_size(HEADER_BYTES_MAX)
                .max_headers(HEADERS_MAX)
                .serve_connection(TokioIo::new(stream), service);
            let watched = graceful.watch(connection);
            tokio::spawn(async move {
                // A peer that hangs up or speaks no HTTP is its own affair.
                if let Err(error) = watched.await {
                    tracing::debug!(%error, "connection ended early");
                }
                drop(slot);
            });
        }
        drop(self.tcp);
        if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!(address = %self.address, "requests were still under way when the grace was over");
        }
    }

    async fn next(&self, slots: &Arc<Semaphore>) -> (TcpStream, Option<tokio::sync::OwnedSemaphorePermit>) {
        // The semaphore is never closed, so there always comes a permit.
        let slot = Arc::clone(slots).acquire_owned().await.ok();
        loop {
            match self.tcp.accept().await {
                Ok((stream, _)) => {
                    // Answers are small and wanted at once.
                    let _ = stream.set_nodelay(true);
                    return (stream, slot);
                }
                Err(error) if is_about_one_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn is_about_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
