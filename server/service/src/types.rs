//! What goes into and comes out of the use cases: plain values, no transport and no database types.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures::stream::BoxStream;
use serde_json::Value;
use time::OffsetDateTime;
use vultus_core::{
    AnalysisFailure, AnalysisId, AnalysisState, CompanyId, FolderId, GroupId, MediaId, MediaKind,
    Provenance, Resolution, Role, User,
};
use vultus_plugin_api::manifest::AnalysisSpec;
use vultus_pools::AnalysisStatistics;

pub use super::upload::{UploadSink, UploadedFile};
pub use vultus_store::{FolderContents, FolderCursor, FolderFilter, FolderOrder};

/// A pair of tokens after a login or a refresh.
#[derive(Clone)]
pub struct Tokens {
    /// For every call, short-lived.
    pub access_token: String,
    /// When it expires.
    pub access_expires_at: OffsetDateTime,
    /// For one refresh.
    pub refresh_token: String,
    /// When it expires.
    pub refresh_expires_at: OffsetDateTime,
    /// Who logged in.
    pub user: User,
}

/// A verified access token: who is asking, and until when a long-lived connection may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated {
    /// Who is asking.
    pub principal: vultus_core::Principal,
    /// When the token expires.
    pub expires_at: OffsetDateTime,
}

/// Who is asking, with what they may do.
#[derive(Debug, Clone)]
pub struct ViewerInfo {
    /// The user.
    pub user: User,
    /// What the role may do, over which objects.
    pub permissions: Vec<vultus_auth::policy::Permission>,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Login name; made lower case.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// Role.
    pub role: Role,
    /// A machine account.
    pub is_service: bool,
    /// Absent: the default company.
    pub company_id: Option<CompanyId>,
    /// Absent: one is made, and given back once.
    pub password: Option<secrecy::SecretString>,
}

/// A user that was made.
#[derive(Debug)]
pub struct AddedUser {
    /// The user.
    pub user: User,
    /// The password that was made, when none was given.
    pub password: Option<secrecy::SecretString>,
}

/// A folder to be made, with its first media and analyses.
#[derive(Debug, Clone, Default)]
pub struct NewFolder {
    /// The client's own key.
    pub external_id: Option<String>,
    /// The client's own data: a JSON object (or null for none).
    pub metadata: Value,
    /// Media.
    pub media: Vec<NewMedium>,
    /// Analyses.
    pub analyses: Vec<AnalysisRequest>,
    /// Whether somebody waits for them.
    pub urgency: Urgency,
}

/// Whether a request waits for its verdicts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It does.
    Waited,
    /// It does not: runs that are waited for may pass for a few seconds.
    #[default]
    Later,
}

/// A medium to be added.
#[derive(Debug, Clone)]
pub struct NewMedium {
    /// The client's name for it, unique within the call.
    pub key: Option<String>,
    /// The bytes.
    pub file: UploadedFile,
    /// Tags, as the client wrote them.
    pub tags: Vec<String>,
    /// The client's own data: a JSON object (or null for none).
    pub metadata: Value,
    /// Where it stands in the request, for errors: `input.media[0]`.
    pub argument: String,
}

/// An analysis that is asked for.
#[derive(Debug, Clone)]
pub struct AnalysisRequest {
    /// Type, such as `liveness`.
    pub kind: String,
    /// These media of the folder. With neither ids nor keys: all that fit.
    pub media_ids: Option<Vec<MediaId>>,
    /// These media of the same call, by key.
    pub media_keys: Option<Vec<String>>,
    /// Parameters: a JSON object.
    pub params: Option<Value>,
    /// Where it stands in the request, for errors: `input.analyses[0]`.
    pub argument: String,
}

/// The `Idempotency-Key` of a request.
#[derive(Debug, Clone)]
pub struct ClientKey {
    /// The client's key.
    pub key: String,
    /// The operation, such as `createFolder`.
    pub operation: &'static str,
    /// SHA-256 over operation, variables and the files' hashes.
    pub fingerprint: String,
}

/// What a change of a folder made.
#[derive(Debug, Clone)]
pub struct FolderChanged {
    /// The folder.
    pub folder_id: FolderId,
    /// The media made, in the order of the request.
    pub media: Vec<MediaId>,
    /// The group of the analyses.
    pub group: Option<GroupId>,
    /// The analyses made, in the order of the request.
    pub analyses: Vec<AnalysisId>,
    /// An earlier request with the same idempotency key made it.
    pub replayed: bool,
}

/// A change of a folder's own fields.
#[derive(Debug, Clone, Default)]
pub struct FolderUpdate {
    /// New metadata: a JSON object. Absent leaves it as it is.
    pub metadata: Option<Value>,
    /// New external id; `Some(None)` clears it, `None` leaves it as it is.
    pub external_id: Option<Option<String>>,
}

/// An analysis that was judged at once, with nothing stored. Media are named by their index in the
/// call.
#[derive(Debug, Clone)]
pub struct CheckedAnalysis {
    /// Type.
    pub kind: String,
    /// FINISHED or FAILED.
    pub state: AnalysisState,
    /// The verdict; only when FINISHED.
    pub resolution: Option<Resolution>,
    /// Why.
    pub reasons: Vec<CheckedReason>,
    /// The analyzer's result. Index n of a medium in it is `media[n]`.
    pub result: Option<Value>,
    /// Why there is no verdict.
    pub failure: Option<AnalysisFailure>,
    /// What judged.
    pub provenance: Provenance,
    /// Merged and validated parameters.
    pub params: Value,
    /// The media taken.
    pub media: Vec<CheckedMedium>,
    /// Files that the analysis made, with their bytes.
    pub artifacts: Vec<CheckedArtifact>,
}

/// A reason of an analysis that was not stored.
#[derive(Debug, Clone)]
pub struct CheckedReason {
    /// Stable code.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// Index of the medium in the call.
    pub medium: Option<usize>,
    /// Frame of it, counted from 0 in the run's set.
    pub frame: Option<u32>,
}

/// A medium of an instant check.
#[derive(Debug, Clone)]
pub struct CheckedMedium {
    /// Index in the call.
    pub index: usize,
    /// The client's name for it.
    pub key: Option<String>,
    /// Kind by content.
    pub kind: MediaKind,
    /// The slot that it was taken for.
    pub slot: String,
}

/// An artifact of an instant check.
#[derive(Debug, Clone)]
pub struct CheckedArtifact {
    /// The plugin's name for it.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// The bytes.
    pub bytes: bytes::Bytes,
}

/// What a signed URL leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// The bytes of a medium.
    Medium(MediaId),
    /// Its thumbnail.
    Thumbnail(MediaId),
    /// An artifact, by its name.
    Artifact(AnalysisId, String),
}

/// Bytes as they are read.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// A file that is ready to be sent. Range requests are the transport's.
pub struct OpenDownload {
    /// Gives the bytes from the start of a range to before its end; what is not sent is not read.
    pub bytes: Box<dyn FnOnce(Range<u64>) -> ByteStream + Send>,
    /// Size in bytes.
    pub byte_size: u64,
    /// MIME type, of a short list that is safe to send.
    pub content_type: String,
    /// Name to save it under: id and extension, never the client's.
    pub file_name: String,
    /// SHA-256 of the bytes where known (an entity tag).
    pub sha256: Option<String>,
}

/// How an analyzer is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalyzerCondition {
    /// In one word.
    pub health: AnalyzerHealth,
    /// Why, unless it is ready.
    pub reason: Option<String>,
}

/// How an analyzer is doing, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnalyzerHealth {
    /// Nothing is wrong.
    Ready,
    /// It takes work, and something is wrong.
    Degraded,
    /// It takes no work for a while.
    Unavailable,
    /// It takes no work until the operator does something.
    Quarantined,
}

/// A loaded analyzer, as clients see it.
#[derive(Debug, Clone)]
pub struct AnalyzerInfo {
    /// Id of the plugin.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Version.
    pub version: String,
    /// Who ships it.
    pub vendor: String,
    /// SPDX licence expression.
    pub license: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// The analyses that it offers.
    pub analyses: Vec<AnalysisSpec>,
    /// The features that it provides, such as `faces/1`.
    pub provides: Vec<String>,
    /// SHA-256 of each weight file in use.
    pub weights: Vec<(String, String)>,
    /// The parameters that apply when a request gives none, per analysis type: defaults with the
    /// company's policy on top.
    pub effective_params: BTreeMap<String, Value>,
    /// How it is doing; why, only for who may see the folders of all companies.
    pub condition: AnalyzerCondition,
    /// How its analyses went, by type: those of all companies, so none but for who may see the
    /// folders of all.
    pub statistics: BTreeMap<String, AnalysisStatistics>,
}

/// What the server is.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Version of the server.
    pub version: &'static str,
    /// Limits that clients should know.
    pub limits: ServerLimits,
}

/// How far the workers are locked in on this machine.
#[derive(Debug, Clone)]
pub struct SandboxInfo {
    /// Whether the server refuses to start where something is missing.
    pub required: bool,
    /// What the kernel does not offer, one sentence each.
    pub gaps: Vec<String>,
}

/// Limits that clients should know.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Largest file, in bytes.
    pub upload_bytes: u64,
    /// Most media in one request.
    pub media_per_request: usize,
    /// Most analyses in one request.
    pub analyses_per_request: usize,
    /// Most pixels of one picture.
    pub pixels: u64,
    /// Longest video, in seconds.
    pub video_seconds: u32,
    /// Longest `waitMs`, in milliseconds.
    pub wait_ms: u64,
}

/// Whether the node can do its work.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// All is well, and no shutdown has begun.
    pub ready: bool,
    /// What is missing, one stable word each: `store`, `workers`, `stopping`.
    pub missing: Vec<&'static str>,
}
