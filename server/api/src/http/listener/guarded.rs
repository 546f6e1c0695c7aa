//! A connection that ends when its client is idle for too long, sends headers too slowly, or does
//! not read its answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use vultus_core::fair::FairPermit;

use super::ConnectionLimits;
use super::liveliness::Liveliness;
use crate::http::peer::ClientAddress;

/// Time for a client to read an answer, beyond the time by [`SLOWEST_PER_SECOND`].
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// Minimum rate at which a client reads answers, in bytes per second.
const SLOWEST_PER_SECOND: u64 = 8 << 10;

pub(super) struct Guarded {
    stream: TcpStream,
    liveliness: Arc<Liveliness>,
    limits: Arc<ConnectionLimits>,
    /// Number of the request that the connection waits for.
    awaited: usize,
    /// Start of the current wait for a request.
    idle_since: Option<Instant>,
    /// Arrival of the first byte of the request that the connection waits for.
    begun_at: Option<Instant>,
    read_timer: Timer,
    /// Start of the current wait until the client reads.
    stalled_since: Option<Instant>,
    /// Total duration of the earlier waits.
    stalled: Duration,
    written: u64,
    write_timer: Timer,
    _permit: FairPermit<ClientAddress>,
}

impl Guarded {
    pub(super) fn new(
        stream: TcpStream,
        liveliness: Arc<Liveliness>,
        limits: Arc<ConnectionLimits>,
        permit: FairPermit<ClientAddress>,
    ) -> Self {
        Self {
            stream,
            liveliness,
            limits,
            awaited: 0,
            idle_since: None,
            begun_at: None,
            read_timer: Timer::default(),
            stalled_since: None,
            stalled: Duration::ZERO,
            written: 0,
            write_timer: Timer::default(),
            _permit: permit,
        }
    }

    /// Completes when the client has been idle for too long, or slow with its headers.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.awaits_request() {
            self.liveliness.wake_when_sent(cx.waker());
            // The request may have ended just before that.
            if !self.awaits_request() {
                return Poll::Pending;
            }
        }
        let idle_since = *self.idle_since.get_or_insert_with(Instant::now);
        let deadline = match self.begun_at {
            Some(begun) => begun + self.limits.header_timeout,
            None => idle_since + self.limits.idle_timeout,
        };
        self.read_timer.poll(deadline, cx)
    }

    fn awaits_request(&mut self) -> bool {
        let begun = self.liveliness.begun();
        if self.awaited != begun {
            self.awaited = begun;
            (self.idle_since, self.begun_at) = (None, None);
        }
        self.liveliness.awaits_request()
    }

    fn note_read(&mut self) {
        if self.awaits_request() {
            self.begun_at.get_or_insert_with(Instant::now);
        }
    }

    /// Passes on the result of a write, or an error if the client reads too slowly.
    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.liveliness.is_upgraded() {
            return written;
        }
        if let Poll::Ready(result) = written {
            if let Some(since) = self.stalled_since.take() {
                self.stalled += since.elapsed();
            }
            self.written += result.as_ref().map_or(0, |&bytes| bytes as u64);
            return Poll::Ready(result);
        }
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        let earned = Duration::from_secs(self.written / SLOWEST_PER_SECOND);
        let left = (WRITE_PATIENCE + earned).saturating_sub(self.stalled);
        ready!(self.write_timer.poll(since + left.min(WRITE_PATIENCE), cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.note_read();
            return read;
        }
        ready!(self.poll_idle(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A timer that is made when it is first needed.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Completes at `deadline`.
    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}
