//! The threads that compute password hashes: a fixed number, each with one block of memory that it
//! reuses while jobs come. A flood of logins thus takes no more memory than a few.
//!
//! Jobs wait for a bounded time in a bounded queue, of which one owner can fill a part only.

use argon2::Block;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use vultus_core::fair::{FairPermits, Share};
use vultus_core::{CompanyId, Error, Result};
use vultus_store::audit::Origin;

/// Maximum time that a job waits for its result.
const WAIT: Duration = Duration::from_secs(10);
/// Time after which a client should retry when the queue is full.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Jobs that may wait for each thread: what a thread computes in about two seconds.
const JOBS_PER_THREAD: usize = 48;
/// Share of the jobs that one owner may have.
const SHARE: Share = Share::ADDRESS;
/// Time without a job after which a thread releases its memory.
const IDLE: Duration = Duration::from_secs(10);

/// Who a hash is computed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashOwner {
    /// A stranger at this address.
    Address(IpAddr),
    /// A stranger from this network.
    Network(Origin),
    /// A company.
    Company(CompanyId),
    /// Users without a company, and the command line.
    Installation,
}

impl From<Option<CompanyId>> for HashOwner {
    fn from(company: Option<CompanyId>) -> Self {
        company.map_or(Self::Installation, Self::Company)
    }
}

type Job = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// The threads with their queue. Dropping it ends them.
pub(crate) struct HashingThreads {
    queue: Arc<Queue>,
    permits: FairPermits<HashOwner>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl HashingThreads {
    /// Starts the threads. They allocate their memory with the first job.
    pub(crate) fn start(threads: usize) -> Result<Self> {
        let threads = threads.max(1);
        let queue = Arc::new(Queue::default());
        let permits = FairPermits::new(threads * JOBS_PER_THREAD);
        let mut started = Self { queue, permits, threads: Vec::with_capacity(threads) };
        for number in 0..threads {
            let queue = started.queue.clone();
            let thread = std::thread::Builder::new().name(format!("hashing-{number}"));
            let thread = thread
                .spawn(move || queue.work())
                .map_err(|error| Error::internal("starting a thread that hashes", error))?;
            started.threads.push(thread);
        }
        Ok(started)
    }

    /// Runs `work` on one of the threads, with the thread's memory. UNAVAILABLE if it has to wait
    /// too long, or if too many jobs of the same owner wait already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        owner: HashOwner,
        work: impl FnOnce(&mut Vec<Block>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permits.try_acquire(&[(owner, SHARE)]).map_err(|_| busy())?;
        let (sender, result) = oneshot::channel();
        let job = move |memory: &mut Vec<Block>| {
            // The permit is released before the caller is woken.
            let permit = permit;
            if sender.is_closed() {
                return;
            }
            let done = work(memory);
            drop(permit);
            // The caller may have given up.
            let _ = sender.send(done);
        };
        self.queue.waiting.lock().jobs.push_back(Box::new(job));
        self.queue.changed.notify_one();
        match tokio::time::timeout(WAIT, result).await {
            Ok(done) => done.map_err(|_| Error::broken("a thread that hashes ended"))?,
            Err(_) => Err(busy()),
        }
    }
}

fn busy() -> Error {
    Error::Unavailable {
        message: "too many logins at present; try again".to_owned(),
        retry_after: RETRY_AFTER,
    }
}

impl Queue {
    fn work(&self) {
        let mut memory = Vec::new();
        while let Some(job) = self.next(&mut memory) {
            // A panic costs the job, whose caller gets an error, and not the thread.
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                job(&mut memory);
            }));
            if caught.is_err() {
                memory = Vec::new();
            }
        }
    }

    /// Waits for a job. Releases `memory` when none has come for [`IDLE`].
    fn next(&self, memory: &mut Vec<Block>) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.is_closed {
                return None;
            }
            if memory.is_empty() {
                self.changed.wait(&mut waiting);
            } else if self.changed.wait_for(&mut waiting, IDLE).timed_out() {
                *memory = Vec::new();
            }
        }
    }
}

impl Drop for HashingThreads {
    fn drop(&mut self) {
        {
            let mut waiting = self.queue.waiting.lock();
            waiting.is_closed = true;
            waiting.jobs.clear();
        }
        self.queue.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A panic of a job is caught; that of the loop itself is in the log.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const STRANGER: HashOwner =
        HashOwner::Address(IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1)));
    const OTHER: HashOwner = HashOwner::Company(CompanyId(uuid::Uuid::from_u128(1)));

    #[tokio::test]
    async fn one_owner_fills_a_part_of_the_queue_only() {
        let threads = Arc::new(HashingThreads::start(1).unwrap());
        let (go, gate) = mpsc::channel::<()>();
        let blocked = threads.clone();
        let first = tokio::spawn(async move {
            blocked
                .run(OTHER, move |_| {
                    let _ = gate.recv();
                    Ok(())
                })
                .await
        });
        let mut flood = Vec::new();
        for _ in 0..2 * JOBS_PER_THREAD {
            flood.push(Box::pin(threads.run(STRANGER, |_| Ok(()))));
        }
        let mut refused = 0;
        for job in &mut flood {
            if let std::task::Poll::Ready(done) = futures::poll!(job.as_mut()) {
                assert!(matches!(done, Err(Error::Unavailable { .. })));
                refused += 1;
            }
        }
        assert!((JOBS_PER_THREAD..2 * JOBS_PER_THREAD).contains(&refused), "{refused}");
        let mut honest = Box::pin(threads.run(OTHER, |_| Ok(7)));
        assert!(futures::poll!(honest.as_mut()).is_pending(), "another owner may wait");
        go.send(()).unwrap();
        assert_eq!(honest.await.unwrap(), 7);
        first.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_panic_costs_its_job_only() {
        let threads = HashingThreads::start(1).unwrap();
        let lost = threads.run::<()>(STRANGER, |_| panic!("in a job")).await;
        assert!(matches!(lost, Err(Error::Internal { .. })));
        assert_eq!(threads.run(STRANGER, |_| Ok(1)).await.unwrap(), 1);
    }
}
