//! Reads request bodies and enforces all limits while they arrive. No parsing here.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep, timeout};
use vultus_core::{Error, Result};

/// Idle timeout of a body. A client that sends nothing for this long is disconnected.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Minimum rate of a body in bytes per second, over all waiting time beyond [`IDLE_TIMEOUT`].
const SLOWEST_PER_SECOND: u64 = 8 << 10;
/// Patience with a body while others wait for its resources.
const HURRIED_PATIENCE: Duration = Duration::from_secs(5);
/// Minimum rate of a body while others wait for its resources, in bytes per second.
const HURRIED_PER_SECOND: u64 = 64 << 10;
/// Interval of looks whether a body has to hurry.
const HURRY_CHECK: Duration = Duration::from_secs(1);
/// Time after which a client should retry whose body was too slow while others waited.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Maximum number of bytes that are read and discarded after a refusal, so that the client receives
/// the answer instead of a connection reset.
const DRAIN_BYTES: u64 = 64 << 20;
/// Maximum time of discarding.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Reads a whole body of at most `limit` bytes. `reserve` reserves memory for the next bytes.
pub(crate) async fn read_all(
    mut source: BodySource,
    limit: usize,
    mut reserve: impl FnMut(usize) -> Result<()> + Send,
) -> Result<Bytes> {
    let mut all = BytesMut::new();
    while let Some(chunk) = source.next().await {
        let chunk = chunk.map_err(|error| error.into_domain())?;
        if all.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        reserve(chunk.len())?;
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

fn too_large(limit: usize) -> Error {
    Error::LimitExceeded {
        argument: None,
        message: format!("the request is larger than {limit} bytes"),
        reason: Some("BODY_TOO_LARGE".to_owned()),
    }
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client disconnected or violated the protocol.
    #[error("the request body is incomplete")]
    Broken,
    /// The client was idle for [`IDLE_TIMEOUT`], or slower than [`SLOWEST_PER_SECOND`].
    #[error("the request body arrived too slowly")]
    Idle,
    /// The client was slower than [`HURRIED_PER_SECOND`] while others waited.
    #[error("the request body arrived too slowly for a busy server; try again later")]
    Hurried,
    /// The parser reads without result: the headers of a part, or the text before the first part,
    /// do not end.
    #[error("the request body has an endless part header")]
    Unused,
}

impl BodyError {
    pub(crate) fn into_domain(self) -> Error {
        let message = self.to_string();
        match self {
            Self::Hurried => Error::Unavailable { message, retry_after: RETRY_AFTER },
            Self::Broken | Self::Idle | Self::Unused => Error::InvalidInput {
                argument: None,
                message,
                reason: Some("BODY_INCOMPLETE".to_owned()),
            },
        }
    }
}

/// The body as a stream that a parser can read and that can be drained afterwards.
///
/// It yields at most one chunk per wake-up, so that a parser that reads ahead does not fill memory,
/// and at most the leash between two calls of [`BodySource::allow`].
#[derive(Clone)]
pub(crate) struct BodySource {
    shared: Arc<Shared>,
}

struct Shared {
    stream: Mutex<Inner>,
    leash: AtomicU64,
}

/// Says whether others wait for what a body holds.
type Hurry = Box<dyn Fn() -> bool + Send>;

struct Inner {
    body: BodyDataStream,
    hurry: Option<Hurry>,
    patience: Duration,
    idle: Pin<Box<Sleep>>,
    /// Start of the current wait for the client.
    waiting_since: Option<Instant>,
    /// Total duration of the earlier waits.
    waited: Duration,
    received: u64,
    just_yielded: bool,
    ended: bool,
}

impl BodySource {
    pub(crate) fn new(body: Body) -> Self {
        Self::with_patience(body, IDLE_TIMEOUT)
    }

    fn with_patience(body: Body, patience: Duration) -> Self {
        let idle = Box::pin(sleep(patience));
        let inner = Inner {
            body: body.into_data_stream(),
            hurry: None,
            patience,
            idle,
            waiting_since: None,
            waited: Duration::ZERO,
            received: 0,
            just_yielded: false,
            ended: false,
        };
        Self {
            shared: Arc::new(Shared { stream: Mutex::new(inner), leash: AtomicU64::new(u64::MAX) }),
        }
    }

    /// Sets the number of bytes that may be read until the next call.
    pub(crate) fn allow(&self, bytes: u64) {
        self.shared.leash.store(bytes, Ordering::Relaxed);
    }

    /// From now on the body has to arrive faster while `hurry` says that others wait.
    pub(crate) fn hurry_while(&self, hurry: impl Fn() -> bool + Send + 'static) {
        self.shared.stream.lock().hurry = Some(Box::new(hurry));
    }

    /// Reads and discards the rest of the body. A connection with an unread body is closed after
    /// the answer, which may lose the answer or the client's next request.
    pub(crate) async fn drain(mut self) {
        self.allow(DRAIN_BYTES);
        // The answer is sent whether draining succeeds or not.
        let _ = timeout(DRAIN_TIME, async { while let Some(Ok(_)) = self.next().await {} }).await;
    }
}

impl Inner {
    /// Remaining time to wait for the client. Time in which the server does not read does not
    /// count.
    fn patience_left(&self, hurries: bool) -> Duration {
        let (patience, per_second) = match hurries {
            true => (self.patience.min(HURRIED_PATIENCE), HURRIED_PER_SECOND),
            false => (self.patience, SLOWEST_PER_SECOND),
        };
        let earned = Duration::from_secs(self.received / per_second);
        (patience + earned).saturating_sub(self.waited).min(patience)
    }

    /// Waits for the client; completes with the error when it has been too slow.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        loop {
            let hurries = self.hurry.as_ref().is_some_and(|hurry| hurry());
            let deadline = since + self.patience_left(hurries);
            let now = Instant::now();
            if deadline <= now {
                return Poll::Ready(if hurries { BodyError::Hurried } else { BodyError::Idle });
            }
            let look =
                if self.hurry.is_some() { deadline.min(now + HURRY_CHECK) } else { deadline };
            self.idle.as_mut().reset(look);
            ready!(self.idle.as_mut().poll(cx));
        }
    }
}

impl Stream for BodySource {
    type Item = std::result::Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut inner = self.shared.stream.lock();
        if inner.ended {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut inner.just_yielded) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = inner.body.poll_next_unpin(cx);
        if polled.is_pending() {
            let error = ready!(inner.poll_patience(cx));
            inner.ended = true;
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(polled) {
            Some(Ok(chunk)) => {
                inner.just_yielded = true;
                let size = chunk.len() as u64;
                if let Some(since) = inner.waiting_since.take() {
                    inner.waited += since.elapsed();
                }
                inner.received += size;
                let leash = self.shared.leash.load(Ordering::Relaxed);
                if size > leash {
                    return Poll::Ready(Some(Err(BodyError::Unused)));
                }
                if leash != u64::MAX {
                    self.shared.leash.store(leash - size, Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Some(Err(_)) => {
                inner.ended = true;
                Poll::Ready(Some(Err(BodyError::Broken)))
            }
            None => {
                inner.ended = true;
                Poll::Ready(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let read = |text| read_all(BodySource::new(Body::from(text)), 5, |_| Ok(()));
        assert_eq!(read("12345").await.unwrap().len(), 5);
        let error = read("123456").await.unwrap_err();
        assert!(matches!(error, Error::LimitExceeded { .. }), "{error}");
    }

    #[tokio::test]
    async fn the_leash_stops_reading_ahead() {
        let mut source = BodySource::new(Body::from(vec![0u8; 100]));
        source.allow(99);
        assert!(matches!(source.next().await, Some(Err(BodyError::Unused))));
    }

    /// A body that sends `bytes` after each `pause`.
    fn dripping(bytes: usize, pause: Duration) -> Body {
        let drop = move |()| async move {
            sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes])), ()))
        };
        Body::from_stream(futures::stream::unfold((), drop))
    }

    #[tokio::test(start_paused = true)]
    async fn slow_drip_body_times_out() {
        let begun = Instant::now();
        let mut source = BodySource::new(dripping(10, Duration::from_secs(20)));
        let mut received = 0;
        let end = loop {
            match source.next().await {
                Some(Ok(chunk)) => received += chunk.len(),
                other => break other,
            }
        };
        assert!(matches!(end, Some(Err(BodyError::Idle))));
        assert!(
            received > 0 && begun.elapsed() <= IDLE_TIMEOUT + Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_at_10_kib_per_second_does_not_time_out() {
        let mut source = BodySource::new(dripping(40 << 10, Duration::from_secs(4)));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3600) {
            assert!(matches!(source.next().await, Some(Ok(_))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_body_ends_soon_when_others_begin_to_wait() {
        let others_wait = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut source = BodySource::new(dripping(40 << 10, Duration::from_secs(4)));
        source.hurry_while({
            let others_wait = others_wait.clone();
            move || others_wait.load(Ordering::Relaxed)
        });
        for _ in 0..20 {
            assert!(matches!(source.next().await, Some(Ok(_))));
        }
        others_wait.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        let end = loop {
            match source.next().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        };
        assert!(matches!(end, Some(Err(BodyError::Hurried))));
        assert!(begun.elapsed() <= HURRIED_PATIENCE + HURRY_CHECK, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_body_that_never_arrives_times_out() {
        let body = Body::from_stream(futures::stream::pending::<
            std::result::Result<Bytes, std::io::Error>,
        >());
        let mut source = BodySource::with_patience(body, Duration::from_millis(10));
        assert!(matches!(source.next().await, Some(Err(BodyError::Idle))));
    }
}
