//! Receives messages from the node on a dedicated thread: passes tasks to the main thread, and sets
//! the flags of cancelled runs.
//!
//! When the node closes the socket or sends an invalid message, the process exits at once.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use vultus_worker_protocol::channel::{Channel, ChannelError};
use vultus_worker_protocol::{ProbeRequest, RunRequest, ToWorker};

/// A task with the descriptors of its media.
#[derive(Debug)]
pub(crate) enum Task {
    Probe(ProbeRequest, Vec<OwnedFd>),
    Run(Box<RunRequest>, Vec<OwnedFd>, Arc<Cancel>),
}

/// The cancellation flags of one run.
#[derive(Debug)]
pub(crate) struct Cancel {
    all: AtomicBool,
    analyses: BTreeMap<String, AtomicBool>,
}

impl Cancel {
    fn of(request: &RunRequest) -> Self {
        let analyses = request
            .analyses
            .iter()
            .map(|analysis| (analysis.id.clone(), AtomicBool::new(false)))
            .collect();
        Self { all: AtomicBool::new(false), analyses }
    }

    fn set(&self, analysis: Option<&str>) {
        let flag = match analysis {
            None => Some(&self.all),
            Some(id) => self.analyses.get(id),
        };
        if let Some(flag) = flag {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the whole run is cancelled.
    pub(crate) fn is_set(&self) -> bool {
        self.all.load(Ordering::Relaxed)
    }

    /// Whether the analysis is cancelled.
    pub(crate) fn covers(&self, analysis: &str) -> bool {
        self.is_set()
            || self.analyses.get(analysis).is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

type Flags = Arc<Mutex<HashMap<String, Arc<Cancel>>>>;

/// The main thread's end of the inbox.
#[derive(Debug)]
pub(crate) struct Inbox {
    tasks: mpsc::Receiver<Task>,
    flags: Flags,
}

impl Inbox {
    /// Starts the receiving thread.
    pub(crate) fn start(channel: Channel) -> io::Result<Self> {
        let (sender, tasks) = mpsc::channel();
        let flags = Flags::default();
        let theirs = Arc::clone(&flags);
        thread::Builder::new()
            .name("inbox".to_owned())
            .stack_size(256 << 10)
            .spawn(move || read(channel, &sender, &theirs))?;
        Ok(Self { tasks, flags })
    }

    /// Waits for the next task, for at most `limit`.
    pub(crate) fn next(&self, limit: Option<Duration>) -> Result<Task, RecvTimeoutError> {
        match limit {
            Some(limit) => self.tasks.recv_timeout(limit),
            None => self.tasks.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// Forgets the flags of a run, unless a later run with the same name replaced them.
    pub(crate) fn finished(&self, run: &str, cancel: &Arc<Cancel>) {
        let mut flags = self.flags.lock();
        if flags.get(run).is_some_and(|newest| Arc::ptr_eq(newest, cancel)) {
            flags.remove(run);
        }
    }
}

fn read(mut channel: Channel, tasks: &mpsc::Sender<Task>, flags: &Flags) {
    let code = loop {
        let (message, descriptors) = match channel.receive::<ToWorker>() {
            Ok(received) => received,
            Err(ChannelError::Closed) => break 0,
            Err(_) => break 3,
        };
        let task = match message {
            ToWorker::Probe(request) => Task::Probe(request, descriptors),
            ToWorker::Run(request) => {
                let cancel = Arc::new(Cancel::of(&request));
                flags.lock().insert(request.run.clone(), Arc::clone(&cancel));
                Task::Run(request, descriptors, cancel)
            }
            ToWorker::Cancel { run, analysis } => {
                if let Some(cancel) = flags.lock().get(&run) {
                    cancel.set(analysis.as_deref());
                }
                continue;
            }
            ToWorker::Hello(_) => break 3,
        };
        if tasks.send(task).is_err() {
            return;
        }
    };
    // SAFETY: exits at once, without running destructors of libraries that another thread may be
    // executing.
    unsafe { libc::_exit(code) }
}
