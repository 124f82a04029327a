//! One simulator behind HTTP: reads a request, lets faults and latency have their way, records, answers.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body as HttpBody;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::serve::{IncomingStream, Listener};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::calls::{Calls, Counts};
use super::control;
use super::faults::{Body, Effect, Fault, Faults};
use super::reply::{Reply, Request};
use crate::clock::SharedClock;

/// Larger bodies are answered 413. Salesforce takes 200 records in a call, which is well below.
const BODY_MAX: usize = 8 * 1024 * 1024;

/// What makes a simulator: a function from request to reply, and how it words what the server decides.
pub(super) trait Simulator: Send + Sync + 'static {
    /// Refuses what is refused before any work begins; marks what is in progress.
    fn admit(&self, _request: &Request) -> Result<(), Reply> {
        Ok(())
    }

    /// Does the work.
    fn answer(&self, request: &Request) -> Reply;

    /// Hears what the client was told in the end of a call that was admitted, whether an answer or a fault made it.
    fn settle(&self, _request: &Request, _told: Option<&Reply>) {}

    /// How this vendor words a status.
    fn refusal(&self, status: u16) -> Reply;

    /// Makes the credential of this request invalid.
    fn expire(&self, _request: &Request) {}

    /// The records by object, for inspection.
    fn records(&self) -> serde_json::Value;

    /// What was changed so far.
    fn counts(&self) -> Counts;

    /// Further requests under `/_sandbox/`.
    fn control(&self, _request: &Request) -> Option<Reply> {
        None
    }
}

/// A simulator that runs. Dropped, it stops.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    pub(super) faults: Arc<Faults>,
    pub(super) calls: Arc<Calls>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that is bound, so that a simulator can know its own address before it runs.
pub(super) struct Bound(TcpListener, SocketAddr);

impl Bound {
    /// Binds a port of the loopback interface; 0 takes a free one.
    pub(super) async fn to(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self(listener, address))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.1)
    }

    /// Serves a simulator until the server is dropped.
    pub(super) fn serve(self, simulator: Arc<dyn Simulator>, clock: SharedClock) -> Server {
        let Self(listener, address) = self;
        let faults = Arc::new(Faults::default());
        let calls = Arc::new(Calls::default());
        let desk =
            Arc::new(Desk { simulator, faults: Arc::clone(&faults), calls: Arc::clone(&calls), clock });
        let app = axum::Router::new().fallback(
            move |ConnectInfo(line): ConnectInfo<Line>, request: axum::extract::Request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(desk.serve(&line, request).await) }
            },
        );
        let service = app.into_make_service_with_connect_info::<Line>();
        let task = tokio::spawn(async move {
            // Serving ends with an error only when it is given one to end with; it is aborted instead.
            if let Err(error) = axum::serve(Lines(listener), service).await {
                tracing::error!(%error, "simulator stopped");
            }
        });
        Server { address, faults, calls, task }
    }
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Where requests arrive.
struct Desk {
    simulator: Arc<dyn Simulator>,
    faults: Arc<Faults>,
    calls: Arc<Calls>,
    clock: SharedClock,
}

impl Desk {
    async fn serve(&self, line: &Line, request: axum::extract::Request) -> axum::response::Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
            return http(self.simulator.refusal(413));
        };
        let request = Request {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
        };
        if request.path.starts_with("/_sandbox/") {
            return http(control::answer(&*self.simulator, &self.faults, &self.calls, &request));
        }
        let at = self.clock.now();
        let fault = self.faults.take(&request);
        let (told, begun) = self.handle(&request, fault.as_ref()).await;
        if begun {
            self.simulator.settle(&request, told.as_ref());
        }
        self.calls.push(at, &request, told.as_ref());
        match (told, fault.map(|fault| fault.effect)) {
            (Some(reply), Some(Effect::Stall {})) => stalling(reply),
            (Some(reply), _) => http(reply),
            (None, Some(Effect::Silence {})) => std::future::pending().await,
            (None, _) => {
                line.cut();
                http(Reply::empty(500))
            }
        }
    }

    /// What the client is told, nothing when it is told nothing; and whether the call began executing.
    async fn handle(&self, request: &Request, fault: Option<&Fault>) -> (Option<Reply>, bool) {
        let begins = fault.is_none_or(Fault::lets_the_call_begin);
        if begins && let Err(refused) = self.simulator.admit(request) {
            return (Some(refused), false);
        }
        tokio::time::sleep(self.faults.current_latency()).await;
        let Some(fault) = fault else { return (Some(self.simulator.answer(request)), true) };
        if matches!(fault.effect, Effect::ExpireSession {}) {
            self.simulator.expire(request);
            return (Some(self.simulator.answer(request)), begins);
        }
        let done = fault.lets_the_work_be_done().then(|| self.simulator.answer(request));
        (self.told(&fault.effect, done), begins)
    }

    fn told(&self, effect: &Effect, done: Option<Reply>) -> Option<Reply> {
        match effect {
            Effect::Reset {} | Effect::Silence {} | Effect::ExpireSession {} => None,
            Effect::Truncate {} | Effect::Stall {} => done.map(|mut reply| {
                let middle = (0..=reply.body.len() / 2).rev().find(|at| reply.body.is_char_boundary(*at));
                reply.body.truncate(middle.unwrap_or(0));
                reply
            }),
            Effect::Answer { status, headers, body } => {
                let mut reply = match body {
                    None => self.simulator.refusal(*status),
                    Some(Body::Json(json)) => Reply::of(*status, "application/json", json.to_json()),
                    Some(Body::Html(page)) => Reply::of(*status, "text/html", page.clone()),
                    Some(Body::Text(text)) => Reply::text(*status, text.clone()),
                };
                reply.headers.extend(headers.iter().cloned());
                Some(reply)
            }
        }
    }
}

/// The reply, and then nothing more, although more was promised.
fn stalling(reply: Reply) -> axum::response::Response {
    let said = futures_util::stream::iter([Ok::<_, Infallible>(reply.body.clone())]);
    let more = futures_util::stream::pending();
    let mut response = http(Reply { body: String::new(), ..reply });
    *response.body_mut() = HttpBody::from_stream(said.chain(more));
    response
}

fn http(reply: Reply) -> axum::response::Response {
    let mut builder = axum::response::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    // A scripted fault may hold a status or header that HTTP does not allow.
    builder.body(HttpBody::from(reply.body)).unwrap_or_else(|error| {
        let mut response =
            axum::response::Response::new(HttpBody::from(format!("fault cannot be sent: {error}")));
        *response.status_mut() = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// The switch that cuts one connection.
#[derive(Debug, Clone, Default)]
struct Line(Arc<AtomicBool>);

impl Line {
    fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_cut(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Accepts connections that can be cut.
struct Lines(TcpListener);

/// A connection that can be cut: the next write fails, and the kernel sends a reset.
struct Cuttable {
    stream: TcpStream,
    line: Line,
}

impl Listener for Lines {
    type Io = Cuttable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // `axum`'s own accept waits out a shortage of file descriptors instead of ending.
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Cuttable { stream, line: Line::default() }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Lines>> for Line {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        stream.io().line.clone()
    }
}

impl Cuttable {
    fn alive(&self) -> io::Result<()> {
        if self.line.is_cut() {
            self.stream.set_zero_linger()?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
