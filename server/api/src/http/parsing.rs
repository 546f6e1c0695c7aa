//! Where requests are parsed: small ones at once, large ones on threads for blocking work, of which
//! they get a few. So no client delays the others' requests by parsing its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use vultus_core::{Error, Result};

/// Size from which a request is parsed elsewhere, in bytes.
const LARGE_BYTES: usize = 32 << 10;
/// Maximum wait for one of the threads.
const WAIT: Duration = Duration::from_secs(5);
/// Time after which a client should retry when all threads are busy.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The threads that parse large requests. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Parsing(Arc<Semaphore>);

impl Parsing {
    /// Half of the processors, at least one.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }

    /// Runs `work`, which parses this many bytes. The caller is a task: it may be aborted, and
    /// then the work goes on to its end, holding its thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if bytes < LARGE_BYTES {
            return work();
        }
        let waiting = tokio::time::timeout(WAIT, self.0.clone().acquire_owned());
        let Ok(Ok(permit)) = waiting.await else {
            return Err(Error::Unavailable {
                message: "the server is parsing too many large requests; try again".to_owned(),
                retry_after: RETRY_AFTER,
            });
        };
        let parsed = tokio::task::spawn_blocking(move || {
            let parsed = work();
            drop(permit);
            parsed
        });
        parsed.await.map_err(|error| Error::internal("parsing a request", error))?
    }
}
