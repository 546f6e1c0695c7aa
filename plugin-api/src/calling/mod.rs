//! The host's side of the line: reading `VULTUS_PLUGIN`, holding an instance, calling it with a
//! job. For hosts ([`crate::testing`] and the crate `vultus-plugin-host`); authors of analyzers
//! need none of it. Opening files and judging what came back belong to `vultus-plugin-host`.

mod callbacks;
mod entry;
mod job_host;

pub use entry::{Entry, HeaderError, RawInstance};
pub use job_host::{FrameView, JobHost, JobRequest, Pixels};

/// Largest result, manifest or feature that a plugin may hand over, in bytes.
pub const MAX_RESULT_BYTES: u64 = 4 << 20;
/// Largest artifact, in bytes.
pub const MAX_ARTIFACT_BYTES: u64 = 8 << 20;
/// Most artifacts of one analysis.
pub const MAX_ARTIFACTS: usize = 16;
/// Longest message of a failure or of the log, in bytes; the rest is cut off.
pub const MAX_MESSAGE_BYTES: usize = 2048;
