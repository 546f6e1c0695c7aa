//! The messages between the node and its worker processes.
//!
//! A message is JSON behind a length prefix on a `SOCK_STREAM` pair; media, thumbnails and
//! artifacts travel beside it as descriptors (SCM_RIGHTS). The node treats everything that a worker
//! says as hostile: lengths, counts and names are bounded by [`channel`] and by these types.

pub mod channel;
pub mod conformance;
pub mod memfd;
mod message;

pub use message::*;

/// Raised whenever a message changes its meaning: node and worker must agree.
pub const PROTOCOL_VERSION: u32 = 3;

/// Largest frame that a probe leaves, in bytes: 8 megapixels.
pub const MAX_FRAME_BYTES: u64 = 24 << 20;
