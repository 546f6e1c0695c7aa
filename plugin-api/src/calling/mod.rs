//! The host's side of the ABI: reads `VULTUS_PLUGIN`, holds an instance and calls it with a job.
//! For hosts ([`crate::testing`] and the crate `vultus-plugin-host`); authors of analyzers do not
//! need it. Opening files and checking results belong to `vultus-plugin-host`.

mod callbacks;
mod entry;
mod job_host;
mod views;

pub use crate::limits::{MAX_ARTIFACT_BYTES, MAX_ARTIFACTS, MAX_MESSAGE_BYTES, MAX_RESULT_BYTES};
pub use entry::{Entry, HeaderError, RawInstance};
pub use job_host::{FrameView, JobHost, JobRequest, Pixels};
