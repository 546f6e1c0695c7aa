//! The queue's half of judging: claims runs from the store under a lease, lets a pool judge them,
//! and writes the results. Knows no worker process.

mod claims;
mod run_failure;
mod run_task;
mod stored_verdict;
mod unserved;

pub use claims::{Dispatcher, DispatcherParts};
