//! One job on one worker: a probe or a run, with its deadlines. Decides what a message of the
//! worker means for the job; what happens to the worker afterwards is decided by its seat.

mod failure;
mod fate;
mod plugin_log;
mod probe;
mod run;

pub(crate) use failure::{cancelled_failure, failed};
pub(crate) use fate::WorkerFate;
pub(crate) use plugin_log::log;
pub(crate) use probe::{ProbeEnd, probe};
pub(crate) use run::run;
