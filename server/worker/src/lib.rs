//! The worker process: the only place where media are decoded and plugins run.
//!
//! The node starts it with a socket and nothing else. The worker locks itself in ([`sandbox`]),
//! opens its plugins and answers `Ready`. Then it executes one probe or run at a time until the
//! node closes the socket. A second thread reads the socket, so that a cancellation takes effect
//! during a run. The worker holds no secret, and no state between runs.

mod allocator;
pub mod conformance;
mod failure;
mod features;
mod host;
mod inbox;
mod medium;
mod meter;
mod outbox;
mod plugins;
mod probe;
mod run;
mod sandbox;
mod selection;
mod source;
pub mod trial;
mod weights;

pub use allocator::EndsWhenExhausted;

use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use vultus_media::{DecodeOptions, Limits};
use vultus_worker_protocol::channel::{Channel, ChannelError};
use vultus_worker_protocol::{FromWorker, PROTOCOL_VERSION, ToWorker, WorkerReady, WorkerSetup};

use inbox::{Inbox, Task};
use outbox::Outbox;
use plugins::Plugins;
use sandbox::{Locked, SandboxError};

/// Idle time after which memory freed by a run is returned to the system.
const IDLE_TRIM: Duration = Duration::from_secs(1);

/// Why a worker ends before the node closes the socket.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It was not started by a node.
    #[error("the Vultus node starts this program; run `vultus serve` or `vultus check` instead")]
    Usage,
    /// The sandbox could not be set up.
    #[error("{0}")]
    Sandbox(#[from] SandboxError),
    /// The socket failed.
    #[error("communicating with the node: {0}")]
    Channel(#[from] ChannelError),
    /// The node's setup is invalid.
    #[error("{0}")]
    Setup(String),
}

/// Runs the worker. The arguments are the descriptor of the socket and the process id of the node.
/// Returns when the node closes the socket.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), WorkerError> {
    let mut number =
        || arguments.next().and_then(|text| text.parse().ok()).ok_or(WorkerError::Usage);
    let (descriptor, parent) = (number()?, number()?);
    let socket = sandbox::keep_only(descriptor)?;
    let mut channel = Channel::from_descriptor(socket);
    sandbox::bind_to_parent(parent)?;
    let setup = match channel.receive::<ToWorker>() {
        Ok((ToWorker::Hello(setup), _)) => setup,
        Ok(_) => {
            return Err(WorkerError::Setup("the node's first message is not a setup".to_owned()));
        }
        Err(ChannelError::Closed) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut outbox = Outbox::new(channel.try_clone().map_err(clone_failed)?);
    match prepare(&setup, parent, &mut outbox) {
        Ok(mut worker) => {
            let inbox = Inbox::start(channel).map_err(clone_failed)?;
            worker.serve(&inbox, &mut outbox)
        }
        Err(error @ (WorkerError::Setup(_) | WorkerError::Sandbox(_))) => {
            outbox.send(&FromWorker::Unfit { detail: error.to_string() }, &[])?;
            Err(error)
        }
        Err(other) => Err(other),
    }
}

fn clone_failed(source: std::io::Error) -> WorkerError {
    WorkerError::Channel(ChannelError::Socket {
        doing: "duplicating the handle of the socket",
        source,
    })
}

struct Worker {
    plugins: Plugins,
    limits: Limits,
    decode: DecodeOptions,
    cpu_seconds: u64,
    scratch: Option<&'static Path>,
}

/// Locks the process in, opens the plugins and answers `Ready`. Runs on a single thread until the
/// first plugin is opened.
fn prepare(setup: &WorkerSetup, parent: i32, outbox: &mut Outbox) -> Result<Worker, WorkerError> {
    if setup.protocol != PROTOCOL_VERSION {
        let theirs = setup.protocol;
        return Err(WorkerError::Setup(format!(
            "the node uses protocol {theirs}, this worker {PROTOCOL_VERSION}"
        )));
    }
    let malformed = |what: &str, error: serde_json::Error| {
        WorkerError::Setup(format!("reading the {what}: {error}"))
    };
    let limits = serde_json::from_value(setup.limits.clone())
        .map_err(|error| malformed("media limits", error))?;
    let decode = match &setup.decode {
        serde_json::Value::Null => DecodeOptions::default(),
        given => serde_json::from_value(given.clone())
            .map_err(|error| malformed("decoder's options", error))?,
    };
    let Locked { scratch, gaps: sandbox_gaps } = sandbox::lock_in(setup, parent)?;
    // A probe's frame goes on to another worker, so it is sealed; a pool for probes has no plugin.
    outbox.attach_in(scratch.filter(|_| !setup.plugins.is_empty()));
    let plugins = Plugins::open(setup);
    let ready = WorkerReady {
        protocol: PROTOCOL_VERSION,
        plugins: plugins.reports(),
        refused: plugins.refused().to_vec(),
        sandbox_gaps,
    };
    outbox.send(&FromWorker::Ready(Box::new(ready)), &[])?;
    Ok(Worker { plugins, limits, decode, cpu_seconds: setup.cpu_seconds, scratch })
}

impl Worker {
    fn serve(&mut self, inbox: &Inbox, outbox: &mut Outbox) -> Result<(), WorkerError> {
        let mut trimmed = true;
        loop {
            let task = match inbox.next(if trimmed { None } else { Some(IDLE_TRIM) }) {
                Ok(task) => task,
                Err(RecvTimeoutError::Timeout) => {
                    sandbox::give_back_memory();
                    trimmed = true;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            trimmed = false;
            sandbox::allow_cpu_seconds(self.cpu_seconds)?;
            match task {
                Task::Probe(request, descriptors) => {
                    probe::answer(&request, descriptors, &self.limits, outbox)?
                }
                Task::Run(request, descriptors, cancel) => {
                    let settings = run::Settings { limits: &self.limits, decode: self.decode };
                    run::answer(
                        &request,
                        descriptors,
                        &cancel,
                        settings,
                        &mut self.plugins,
                        outbox,
                    )?;
                    inbox.finished(&request.run, &cancel);
                    if let Some(scratch) = self.scratch {
                        sandbox::empty(scratch)?;
                    }
                }
            }
        }
    }
}
