//! One worker process: spawning, messages, reaping. Knows nothing of pools, runs or deadlines.
//!
//! One thread spawns all workers and lives as long as the pools, because the parent-death signal
//! fires when the spawning thread ends. Each worker has two threads in the node, a reader and a
//! writer; async code uses channels.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc as blocking};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, setpriority_process};
use tokio::sync::{mpsc, oneshot, watch};
use vultus_worker_protocol::channel::{Channel, ChannelError};
use vultus_worker_protocol::{EXIT_OUT_OF_MEMORY, ToWorker};

use super::inbound::{self, WorkerMessage};

/// A worker that does not read its messages for this long counts as dead.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Capacity of the channel of messages from a worker. If it is full, the reader waits.
const INBOUND_MESSAGES: usize = 64;

/// Where the standard error of workers goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerStderr {
    /// The standard error of the node.
    Inherit,
    /// Discarded.
    Discard,
}

/// How a worker shares the processors with other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Niceness {
    /// Like the node.
    Normal,
    /// It gives way to others that want to run.
    GivesWay,
}

/// The nice value of [`Niceness::GivesWay`]: about a third of the weight of a normal process.
const GIVES_WAY: i32 = 5;

/// How a worker ended that could not allocate memory.
pub(crate) const OUT_OF_MEMORY: &str = "out of memory";

/// The signal after an instruction that the processor does not know.
const SIGILL: i32 = 4;

/// A request to the spawning thread.
type SpawnRequest = (Niceness, oneshot::Sender<io::Result<Worker>>);

/// Handle of the thread that spawns workers, all from the executable file that it opened at its
/// start.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: blocking::Sender<SpawnRequest>,
    /// Ids of the processes that are not reaped yet.
    alive: watch::Sender<BTreeSet<u32>>,
}

impl Spawner {
    /// Opens the worker executable and starts the thread. Dropping the spawner ends the thread and
    /// with it every worker.
    pub(crate) fn start(executable: &Path, stderr: WorkerStderr) -> io::Result<Self> {
        let opened = rustix::fs::open(executable, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let (requests, inbox) = blocking::channel::<SpawnRequest>();
        let alive = watch::Sender::new(BTreeSet::new());
        let counter = alive.clone();
        thread::Builder::new().name("worker-spawner".to_owned()).spawn(move || {
            for (niceness, reply) in inbox {
                // If the caller stopped waiting, the reply is dropped, which ends the worker.
                let _ = reply.send(spawn(&opened, stderr, niceness, &counter));
            }
        })?;
        Ok(Self { requests, alive })
    }

    /// Starts one worker. No message is sent to it yet.
    pub(crate) async fn spawn(&self, niceness: Niceness) -> io::Result<Worker> {
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the spawning thread ended");
        self.requests.send((niceness, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Ids of the processes that are not reaped yet.
    pub(crate) fn alive(&self) -> Vec<u32> {
        self.alive.borrow().iter().copied().collect()
    }

    /// Waits until every spawned process is reaped.
    pub(crate) async fn all_reaped(&self) {
        // The channel cannot close while `self` holds the sender.
        let _ = self.alive.subscribe().wait_for(BTreeSet::is_empty).await;
    }
}

fn spawn(
    executable: &OwnedFd,
    stderr: WorkerStderr,
    niceness: Niceness,
    alive: &watch::Sender<BTreeSet<u32>>,
) -> io::Result<Worker> {
    let (near, far) = Channel::pair()?;
    near.set_send_timeout(SEND_TIMEOUT)?;
    #[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
    let mut command = Command::new(format!("/proc/self/fd/{}", executable.as_raw_fd()));
    let child = command
        .arg0("vultus-worker")
        .arg("0")
        .arg(std::process::id().to_string())
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(far.into_descriptor()))
        .stdout(Stdio::null())
        .stderr(match stderr {
            WorkerStderr::Inherit => Stdio::inherit(),
            WorkerStderr::Discard => Stdio::null(),
        })
        .spawn()?;
    if niceness == Niceness::GivesWay
        && let Err(error) = setpriority_process(Some(Pid::from_child(&child)), GIVES_WAY)
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the priority of a worker could not be lowered"
        );
    }
    alive.send_modify(|alive| {
        alive.insert(child.id());
    });
    let process =
        Arc::new(Process { pid: child.id(), child: Mutex::new(child), alive: alive.clone() });
    attach(&process, near)
}

fn attach(process: &Arc<Process>, near: Channel) -> io::Result<Worker> {
    let (to_reader, inbound) = mpsc::channel(INBOUND_MESSAGES);
    let (outbound, to_write) = blocking::channel();
    let (reaper, writer) = (Arc::clone(process), Arc::clone(process));
    let reader = near.try_clone().and_then(|reading| {
        let name = format!("worker-{}-in", process.pid);
        thread::Builder::new().name(name).spawn(move || read(reading, &reaper, &to_reader))
    });
    if let Err(error) = reader {
        process.end();
        return Err(error);
    }
    // From here on the reader reaps the process in every case.
    let worker = Worker { process: Arc::clone(process), outbound, inbound };
    let name = format!("worker-{}-out", process.pid);
    thread::Builder::new().name(name).spawn(move || write(near, &writer, &to_write))?;
    Ok(worker)
}

/// A worker process and its channels. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Arc<Process>,
    outbound: blocking::Sender<(ToWorker, Vec<OwnedFd>)>,
    inbound: mpsc::Receiver<Inbound>,
}

/// An event from a worker.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A message that passed all checks.
    Message(Box<WorkerMessage>),
    /// The worker ended and is reaped. This is the last event.
    Gone(String),
}

impl Worker {
    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Queues a message. If it cannot be sent, the worker dies and `receive` reports that.
    pub(crate) fn send(&self, message: ToWorker, descriptors: Vec<OwnedFd>) {
        // The writing thread ends only after the worker, which `receive` reports.
        let _ = self.outbound.send((message, descriptors));
    }

    /// Waits for the next event. Cancel safe.
    pub(crate) async fn receive(&mut self) -> Inbound {
        self.inbound
            .recv()
            .await
            .unwrap_or_else(|| Inbound::Gone("it has already ended".to_owned()))
    }

    /// Kills the process. `receive` reports its end.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Kills the process and waits until it is reaped.
    pub(crate) async fn end(mut self) {
        self.kill();
        while let Inbound::Message(_) = self.receive().await {}
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Debug)]
struct Process {
    pid: u32,
    child: Mutex<Child>,
    alive: watch::Sender<BTreeSet<u32>>,
}

impl Process {
    fn kill(&self) {
        // Fails only if the process is already reaped.
        let _ = self.child.lock().kill();
    }

    /// Reaps the process and returns how it ended. Kills it unless it ends by itself within a
    /// moment. Called once for each process.
    fn end(&self) -> String {
        // A dying process closes its socket shortly before it can be reaped. Waiting a moment gets
        // its own exit status.
        let own = (0..50).find_map(|_| {
            let status = self.child.lock().try_wait().ok().flatten();
            if status.is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            status
        });
        self.kill();
        let ended = match own {
            Some(status) if status.code() == Some(EXIT_OUT_OF_MEMORY) => {
                format!("{OUT_OF_MEMORY} ({status})")
            }
            Some(status) if status.signal() == Some(SIGILL) => format!(
                "{status}: it, or a plugin, was built for instructions that this processor lacks"
            ),
            Some(status) => status.to_string(),
            None => match self.child.lock().wait() {
                Ok(status) => format!("killed: {status}"),
                Err(error) => format!("waiting for it failed: {error}"),
            },
        };
        self.alive.send_modify(|alive| {
            alive.remove(&self.pid);
        });
        ended
    }
}

fn read(mut channel: Channel, process: &Process, to: &mpsc::Sender<Inbound>) {
    let why = loop {
        let accepted = match channel.receive() {
            Ok((message, descriptors)) => inbound::accept(message, descriptors),
            Err(ChannelError::Closed) => break String::new(),
            Err(error) => break with_source(&error),
        };
        match accepted {
            Ok(message) => {
                if to.blocking_send(Inbound::Message(Box::new(message))).is_err() {
                    break "its receiver was dropped".to_owned();
                }
            }
            Err(violation) => break with_source(&violation),
        }
    };
    channel.close();
    let status = process.end();
    let detail = if why.is_empty() { status } else { format!("{why}; {status}") };
    // The receiver is closed if the worker was dropped.
    let _ = to.blocking_send(Inbound::Gone(detail));
}

fn write(
    mut channel: Channel,
    process: &Process,
    from: &blocking::Receiver<(ToWorker, Vec<OwnedFd>)>,
) {
    for (message, descriptors) in from {
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        if channel.send(&message, &borrowed).is_err() {
            process.kill();
            return;
        }
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
