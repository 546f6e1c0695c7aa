//! Arguments and results of the use cases: plain values, no transport and no database types.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use serde_json::Value;
use time::OffsetDateTime;
use vultus_core::{
    AnalysisFailure, AnalysisId, AnalysisState, CompanyId, FolderId, GroupId, JsonText, MayStart,
    MediaId, MediaKind, Provenance, Resolution, Role, User,
};
use vultus_plugin_api::manifest::AnalysisSpec;
use vultus_pools::AnalysisStatistics;

pub use crate::client_info::ClientInfo;
pub use crate::credential_types::{CreatedApiKey, NewApiKey, PasswordResetToken};
pub use crate::uploads::{UploadSink, UploadedFile};
pub use vultus_store::{
    ApiKey, CaseCounts, CaseCursor, CaseFilter, Company, FolderContents, FolderCursor,
    FolderFilter, FolderOrder, JsonSelection, Selection, Session, UserFilter,
};

/// A pair of tokens after a login or a refresh.
#[derive(Clone)]
pub struct Tokens {
    /// Short-lived token, sent with each call.
    pub access_token: String,
    /// When it expires.
    pub access_expires_at: OffsetDateTime,
    /// Token for one refresh.
    pub refresh_token: String,
    /// When it expires.
    pub refresh_expires_at: OffsetDateTime,
    /// The user that logged in.
    pub user: User,
}

/// A verified access token: the caller, and how long a connection may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The caller.
    pub principal: vultus_core::Principal,
    /// When the token expires.
    pub expires_at: OffsetDateTime,
    /// The key of this server that signed the token; `None` for other credentials.
    pub signed_by: Option<String>,
}

/// The caller's user and permissions.
#[derive(Debug, Clone)]
pub struct ViewerInfo {
    /// The user.
    pub user: User,
    /// The actions that are permitted, with their reach.
    pub permissions: Vec<vultus_auth::policy::Permission>,
}

/// A user to be created.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Login name; converted to lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Whether it is an account of a machine.
    pub is_service: bool,
    /// The analyses that it may start.
    pub may_start: MayStart,
    /// For roles with a company; the default company if absent.
    pub company_id: Option<CompanyId>,
    /// Generated and returned if absent.
    pub password: Option<secrecy::SecretString>,
}

/// Another role for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRole {
    /// The role.
    pub role: Role,
    /// Its company; needed if the user has none and the role needs one.
    pub company_id: Option<CompanyId>,
}

/// A user that was created.
#[derive(Debug)]
pub struct AddedUser {
    /// The user.
    pub user: User,
    /// The generated password, if none was given.
    pub password: Option<secrecy::SecretString>,
}

/// JSON text as a client sent it. It is validated before it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct UncheckedJson(pub Arc<str>);

impl UncheckedJson {
    /// The text of a value.
    pub fn of(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

/// The content is left out: it may be personal data.
impl fmt::Debug for UncheckedJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UncheckedJson({} bytes)", self.0.len())
    }
}

/// A folder to be created, with its first media and analyses.
#[derive(Debug, Clone, Default)]
pub struct NewFolder {
    /// The company, for callers without one.
    pub company_id: Option<CompanyId>,
    /// The client's external id.
    pub external_id: Option<String>,
    /// The client's data: a JSON object, or null.
    pub metadata: Option<UncheckedJson>,
    /// Media.
    pub media: Vec<NewMedium>,
    /// Analyses.
    pub analyses: Vec<AnalysisRequest>,
    /// Whether a client waits for the analyses.
    pub urgency: Urgency,
}

/// Whether a request waits for its verdicts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It waits.
    Waited,
    /// It does not wait: runs with a waiting client go first for a few seconds.
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
    /// Tags as sent by the client.
    pub tags: Vec<String>,
    /// The client's data: a JSON object, or null.
    pub metadata: Option<UncheckedJson>,
    /// Its path in the request, for errors: `input.media[0]`.
    pub argument: String,
}

/// A requested analysis.
#[derive(Debug, Clone)]
pub struct AnalysisRequest {
    /// Type, such as `liveness`.
    pub kind: String,
    /// Ids of media in the folder. Without ids and keys: all media that fit.
    pub media_ids: Option<Vec<MediaId>>,
    /// Keys of media in the same call.
    pub media_keys: Option<Vec<String>>,
    /// Parameters: a JSON object.
    pub params: Option<UncheckedJson>,
    /// Its path in the request, for errors: `input.analyses[0]`.
    pub argument: String,
}

/// The `Idempotency-Key` of a request.
#[derive(Debug, Clone)]
pub struct ClientKey {
    /// The client's key.
    pub key: String,
    /// The operation, such as `createFolder`.
    pub operation: &'static str,
    /// SHA-256 of the operation, its variables and the hashes of its files.
    pub fingerprint: String,
}

/// The result of an addition to a folder.
#[derive(Debug, Clone)]
pub struct FolderChanged {
    /// The folder.
    pub folder_id: FolderId,
    /// The new media, in the order of the request.
    pub media: Vec<MediaId>,
    /// The group of the new analyses.
    pub group: Option<GroupId>,
    /// The new analyses, in the order of the request.
    pub analyses: Vec<AnalysisId>,
    /// Whether an earlier request with the same idempotency key added them.
    pub replayed: bool,
}

/// A change of a folder's fields.
#[derive(Debug, Clone, Default)]
pub struct FolderUpdate {
    /// New metadata: a JSON object. `None` does not change it.
    pub metadata: Option<UncheckedJson>,
    /// New external id; `Some(None)` clears it, `None` does not change it.
    pub external_id: Option<Option<String>>,
}

/// An analysis of an instant check. It is not stored; media are identified by their index in the
/// call.
#[derive(Debug, Clone)]
pub struct CheckedAnalysis {
    /// Type.
    pub kind: String,
    /// FINISHED or FAILED.
    pub state: AnalysisState,
    /// The verdict; only if FINISHED.
    pub resolution: Option<Resolution>,
    /// The reasons for the verdict.
    pub reasons: Vec<CheckedReason>,
    /// The analyzer's result. Index n of a medium in it is `media[n]`.
    pub result: Option<JsonText>,
    /// The cause, if there is no verdict.
    pub failure: Option<AnalysisFailure>,
    /// Plugin, weights and parameter sources of the verdict.
    pub provenance: Provenance,
    /// Merged and validated parameters.
    pub params: JsonText,
    /// The media that the analysis used.
    pub media: Vec<CheckedMedium>,
    /// Files that the analysis produced, with their bytes.
    pub artifacts: Vec<CheckedArtifact>,
}

/// A reason of a verdict of an instant check.
#[derive(Debug, Clone)]
pub struct CheckedReason {
    /// Stable code.
    pub code: String,
    /// One sentence for the user.
    pub message: String,
    /// Index of the medium in the call.
    pub medium: Option<usize>,
    /// Frame of the medium, counted from 0 in the run's set.
    pub frame: Option<u32>,
}

/// A medium of an instant check.
#[derive(Debug, Clone)]
pub struct CheckedMedium {
    /// Index in the call.
    pub index: usize,
    /// The client's name for it.
    pub key: Option<String>,
    /// Kind, detected from the content.
    pub kind: MediaKind,
    /// The slot that it fills.
    pub slot: String,
}

/// An artifact of an instant check.
#[derive(Debug, Clone)]
pub struct CheckedArtifact {
    /// Name given by the plugin.
    pub name: String,
    /// MIME type.
    pub content_type: String,
    /// The bytes.
    pub bytes: bytes::Bytes,
}

/// The file that a signed URL leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// The bytes of a medium.
    Medium(MediaId),
    /// The thumbnail of a medium.
    Thumbnail(MediaId),
    /// An artifact of an analysis, by name.
    Artifact(AnalysisId, String),
}

/// A stream of bytes.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// A file that is ready to be sent. The transport handles range requests.
pub struct OpenDownload {
    /// Reads a range of the bytes. Bytes that are not sent are not read.
    pub bytes: Box<dyn FnOnce(Range<u64>) -> ByteStream + Send>,
    /// Size in bytes.
    pub byte_size: u64,
    /// MIME type, from a short list that is safe to send.
    pub content_type: String,
    /// Name for saving: id and extension, never the client's file name.
    pub file_name: String,
    /// SHA-256 of the bytes, if known; used as entity tag.
    pub sha256: Option<String>,
}

/// Health of an analyzer, with the cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalyzerCondition {
    /// Health.
    pub health: AnalyzerHealth,
    /// The cause, unless it is ready.
    pub reason: Option<String>,
}

/// Health of an analyzer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnalyzerHealth {
    /// It works.
    Ready,
    /// It takes work, but has a fault.
    Degraded,
    /// It takes no work for a while.
    Unavailable,
    /// It takes no work until the operator intervenes.
    Quarantined,
}

/// A loaded analyzer, as clients see it.
#[derive(Debug, Clone)]
pub struct AnalyzerInfo {
    /// Id of the plugin.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Vendor.
    pub vendor: String,
    /// SPDX licence expression.
    pub license: String,
    /// SHA-256 of the plugin's file.
    pub sha256: String,
    /// The analyses that it offers.
    pub analyses: Vec<AnalysisSpec>,
    /// The features that it provides, such as `faces/1`.
    pub provides: Vec<String>,
    /// SHA-256 of each weight file in use.
    pub weights: Vec<(String, String)>,
    /// The parameters of a request that sets none, by analysis type: defaults overridden by the
    /// company's policy.
    pub effective_params: BTreeMap<String, JsonText>,
    /// Health. The cause is only set if the caller may see the folders of all companies.
    pub condition: AnalyzerCondition,
    /// Statistics of its analyses, by type. They include all companies, so they are empty unless
    /// the caller may see the folders of all companies.
    pub statistics: BTreeMap<String, AnalysisStatistics>,
}

/// Version and limits of the server.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Version of the server.
    pub version: &'static str,
    /// Limits for clients.
    pub limits: ServerLimits,
}

/// The workers' sandbox on this machine.
#[derive(Debug, Clone)]
pub struct SandboxInfo {
    /// Whether the server refuses to start with a gap.
    pub required: bool,
    /// The protections that the kernel does not offer, one sentence each.
    pub gaps: Vec<String>,
}

/// Limits for clients.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Maximum size of a file, in bytes.
    pub upload_bytes: u64,
    /// Maximum number of media in one request.
    pub media_per_request: usize,
    /// Maximum number of analyses in one request.
    pub analyses_per_request: usize,
    /// Maximum size of a picture, in pixels.
    pub pixels: u64,
    /// Maximum duration of a video, in seconds.
    pub video_seconds: u32,
    /// Maximum `waitMs`, in milliseconds.
    pub wait_ms: u64,
}

/// Whether the node can serve requests.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// Nothing is missing, and no shutdown has begun.
    pub ready: bool,
    /// What is missing, one stable word each: `store`, `disk`, `workers`,
    /// `stopping`.
    pub missing: Vec<&'static str>,
}
