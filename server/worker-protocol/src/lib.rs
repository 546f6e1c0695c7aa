//! The messages between the node and its worker processes.
//!
//! A message is JSON with a length prefix on a `SOCK_STREAM` pair; media, thumbnails and artifacts
//! are attached as descriptors (SCM_RIGHTS). The node treats all messages of a worker as hostile:
//! [`channel`] and these types limit lengths, counts and names.

pub mod channel;
pub mod conformance;
pub mod memfd;
mod message;

pub use message::*;

/// Version of the protocol. Increased whenever the meaning of a message changes: node and worker
/// must have the same.
pub const PROTOCOL_VERSION: u32 = 3;

/// Exit code of a worker that cannot get memory.
pub const EXIT_OUT_OF_MEMORY: i32 = 71;

/// Code of refusals and failures because a worker may use no more memory.
pub const MEMORY_EXCEEDED: &str = "MEMORY_EXCEEDED";

/// Maximum size of the frame that a probe returns, in bytes: 8 megapixels.
pub const MAX_FRAME_BYTES: u64 = 24 << 20;
