//! Options of the use cases. The application maps its configuration to them once.

use crate::decisions::DecisionOptions;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;
use vultus_core::JsonLimits;
use vultus_core::fair::Shares;

/// Options of [`super::Services`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The address that clients use. If absent, links use the address of the request.
    pub public_url: Option<Url>,
    /// Lifetime of an access token.
    pub access_lifetime: Duration,
    /// Lifetime of a refresh token.
    pub refresh_lifetime: Duration,
    /// Maximum lifetime of a session, however often its refresh token is exchanged.
    pub session_lifetime: Duration,
    /// Shares of a company and of a user in what is limited for all together.
    pub shares: Shares,
    /// Maximum number of open websockets.
    pub websockets: usize,
    /// Maximum number of files that are received at the same time.
    pub uploads: usize,
    /// Maximum number of files that are sent at the same time.
    pub downloads: usize,
    /// Maximum number of concurrent instant checks.
    pub checks: usize,
    /// Memory for the media of all instant checks together, in bytes.
    pub check_memory_bytes: u64,
    /// Maximum number of unfinished runs of one company per pool.
    pub company_runs: u64,
    /// Maximum number of bytes that one company may store; `None`: no limit.
    pub company_bytes: Option<u64>,
    /// Whether the server requires the complete sandbox for its workers; shown in `serverInfo`.
    pub sandbox_required: bool,
    /// Limits of decisions.
    pub decisions: DecisionOptions,
    /// Options of the part that judges media.
    pub checker: CheckerOptions,
}

/// Options of [`super::Checker`].
#[derive(Debug, Clone)]
pub struct CheckerOptions {
    /// The company's policy: parameters by analysis type.
    pub policies: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    /// Limits on requests.
    pub limits: RequestLimits,
    /// Memory for uploads that are decrypted to be examined, in bytes.
    pub upload_memory_bytes: u64,
    /// Maximum number of files that are examined at the same time; further ones wait.
    pub examinations: usize,
    /// Whether passive liveness needs an answered challenge beside it for SUCCESS.
    pub require_challenge: bool,
}

/// Limits of one request and of its media.
#[derive(Debug, Clone)]
pub struct RequestLimits {
    /// Maximum number of media in one request.
    pub media_per_request: usize,
    /// Maximum number of analyses in one request.
    pub analyses_per_request: usize,
    /// Maximum number of media in one folder.
    pub media_per_folder: usize,
    /// Maximum number of analyses in one folder.
    pub analyses_per_folder: usize,
    /// Limits of metadata, and of the parameters of an analysis.
    pub json: JsonLimits,
    /// Maximum time that a request waits for verdicts.
    pub wait: Duration,
    /// Maximum size of a file, in bytes.
    pub upload_bytes: u64,
    /// Maximum size of a picture, in pixels.
    pub pixels: u64,
    /// Maximum duration of a video.
    pub video: Duration,
}
