//! The queue's half of judging: claims runs from the store under a lease, lets a pool judge them,
//! and writes the results. Knows no worker process.

mod claims;
mod context;
mod open_media;
mod run_context;
mod run_failure;
mod run_request;
mod run_task;
mod run_writes;
mod stored_verdict;
mod unserved;

pub use claims::{Dispatcher, DispatcherParts};
