//! Limits of the ABI. The host enforces them during a call, and the node again afterwards.

/// Maximum size of a result, manifest or feature, in bytes.
pub const MAX_RESULT_BYTES: u64 = 4 << 20;
/// Maximum number of frames of a track.
pub const MAX_TRACK_FRAMES: u32 = 256;
/// Maximum number of frames of a track per second.
pub const TRACK_RATE: u32 = 30;
/// The same for manifests that ask for a slow track.
pub const SLOW_TRACK_RATE: u32 = 15;
/// Maximum side of a track's frames, in pixels.
pub const MAX_TRACK_SIDE: u32 = 480;
/// Maximum number of JSON values of an outcome, including nested ones. Names of fields count too.
pub const MAX_RESULT_VALUES: usize = 50_000;
/// Maximum nesting of objects and lists in an outcome.
pub const MAX_RESULT_DEPTH: usize = 64;
/// Maximum size of an artifact, in bytes.
pub const MAX_ARTIFACT_BYTES: u64 = 8 << 20;
/// Maximum number of artifacts of one analysis.
pub const MAX_ARTIFACTS: usize = 16;
/// Maximum number of reasons of one outcome.
pub const MAX_REASONS: usize = 256;
/// Maximum length of a message of a failure or of the log, in bytes; longer ones are cut.
pub const MAX_MESSAGE_BYTES: usize = 2048;
