//! What an operator may set of the use cases. The caller maps its configuration onto it once.

use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// Options of [`super::Services`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The address that clients use; absent: links are made from the address of the request.
    pub public_url: Option<Url>,
    /// Lifetime of an access token.
    pub access_lifetime: Duration,
    /// Lifetime of a refresh token.
    pub refresh_lifetime: Duration,
    /// Most files that are received at the same time.
    pub uploads: usize,
    /// Most instant checks at the same time.
    pub checks: usize,
    /// Most memory for the media of all instant checks together, in bytes.
    pub check_memory_bytes: u64,
    /// Whether the workers' sandbox must be whole, as `serverInfo` says it.
    pub sandbox_required: bool,
    /// Options of the part that judges media.
    pub checker: CheckerOptions,
}

/// Options of [`super::Checker`].
#[derive(Debug, Clone, Default)]
pub struct CheckerOptions {
    /// Policy of the company: parameters by analysis type, each a JSON object.
    pub policies: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    /// Limits on requests.
    pub limits: RequestLimits,
    /// Most memory for uploads that are decrypted to be examined, in bytes.
    pub upload_memory_bytes: u64,
}

/// Limits on what one request may ask for, and on its media.
#[derive(Debug, Clone, Default)]
pub struct RequestLimits {
    /// Most media in one request.
    pub media_per_request: usize,
    /// Most analyses in one request.
    pub analyses_per_request: usize,
    /// Most media in one folder.
    pub media_per_folder: usize,
    /// Largest metadata, in bytes of JSON.
    pub metadata_bytes: usize,
    /// Longest wait for verdicts.
    pub wait: Duration,
    /// Largest file, in bytes.
    pub upload_bytes: u64,
    /// Largest picture, in pixels.
    pub pixels: u64,
    /// Longest video.
    pub video: Duration,
}
