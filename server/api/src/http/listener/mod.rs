//! The accept loop: HTTP/1.1 on a listener, with limits of time and number for connections.
//!
//! `axum::serve` has neither, and answers HTTP/2 without TLS, which no client of this server needs.

mod guarded;
mod liveliness;

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use vultus_core::fair::{FairPermits, Share};

use super::peer::{ClientAddress, Network, Peer, Proxies};
use guarded::Guarded;
use liveliness::Liveliness;

/// Maximum size of the headers of a request, and of what is read ahead of a body, in bytes.
const BUFFER_BYTES: usize = 64 << 10;
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Minimum time between two warnings of the same kind.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// Sent to a connection over the limit, if the system takes it at once.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
                         Retry-After: 1\r\nContent-Length: 0\r\n\r\n";

/// Limits of connections.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Maximum number of open connections.
    pub all: usize,
    /// Maximum time from the first byte of a request to the end of its headers.
    pub header_timeout: Duration,
    /// Maximum time without a request.
    pub idle_timeout: Duration,
    /// Proxies whose connections are those of many clients.
    pub trusted_proxies: Vec<Network>,
}

/// Serves until `stop` is cancelled; then ends idle connections, and waits for running requests.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    stop: CancellationToken,
) -> io::Result<()> {
    let accepting = Accepting {
        router,
        permits: FairPermits::new(limits.all.max(1)),
        proxies: Proxies::new(limits.trusted_proxies.clone()),
        limits: Arc::new(limits),
        stop: stop.clone(),
        connections: TaskTracker::new(),
    };
    let (mut full, mut failed) = (Warning::default(), Warning::default());
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                if !accepting.begin(stream, peer.ip()) {
                    full.warn(
                        "connections are refused: their number, or that of one address, is \
                               at its limit",
                    );
                }
            }
            Err(error) if is_of_connection(&error) => {}
            Err(_) => {
                failed.warn("connections cannot be accepted: the system lacks descriptors");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    accepting.connections.close();
    accepting.connections.wait().await;
    Ok(())
}

struct Accepting {
    router: Router,
    permits: FairPermits<ClientAddress>,
    proxies: Proxies,
    limits: Arc<ConnectionLimits>,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Accepting {
    /// Starts a connection; returns false if it is one too many.
    fn begin(&self, stream: TcpStream, peer: IpAddr) -> bool {
        let share = if self.proxies.trust(peer) { Share::percent(100) } else { Share::ADDRESS };
        let Ok(permit) = self.permits.try_acquire(&[(peer.into(), share)]) else {
            // Best effort: the connection is closed whether it is written or not.
            let _ = stream.try_write(REFUSAL);
            return false;
        };
        // Small frames of a websocket must not wait for one another. A connection that refuses the
        // option works without it.
        let _ = stream.set_nodelay(true);
        let liveliness = Arc::new(Liveliness::default());
        let stream = Guarded::new(stream, liveliness.clone(), self.limits.clone(), permit);
        let serving = connection(stream, peer, liveliness, self.router.clone(), self.stop.clone());
        self.connections.spawn(serving);
        true
    }
}

/// Serves the requests of one connection.
async fn connection(
    stream: Guarded,
    peer: IpAddr,
    liveliness: Arc<Liveliness>,
    router: Router,
    stop: CancellationToken,
) {
    let state = liveliness.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let (router, running) = (router.clone(), Liveliness::begin_request(&liveliness));
        async move {
            let response: Response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            Ok::<_, std::convert::Infallible>(running.until_sent(response))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // `Guarded` has the timeouts: hyper's cannot tell an idle connection from half a header.
        .header_read_timeout(None::<Duration>)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    // Errors are of the client: it went away, broke the protocol or was too slow.
    if stop.run_until_cancelled(serving.as_mut()).await.is_none() && !state.awaits_request() {
        serving.as_mut().graceful_shutdown();
        let _ = serving.await;
    }
}

/// Whether an accept failed because of the connection, which its client has closed already.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// A warning that is logged once in a while, however often its cause occurs.
#[derive(Default)]
struct Warning(Option<Instant>);

impl Warning {
    fn warn(&mut self, text: &'static str) {
        if self.0.is_none_or(|last| last.elapsed() >= WARN_EVERY) {
            self.0 = Some(Instant::now());
            tracing::warn!("{text}");
        }
    }
}
