//! Folders and groups of analyses.

use crate::ids::{AnalysisId, CompanyId, FolderId, GroupId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Longest `externalId`, in bytes.
pub const MAX_EXTERNAL_ID_BYTES: usize = 256;

/// Where a folder is, from its analyses (see [`crate::summary`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FolderState {
    /// No analysis was asked for.
    Empty,
    /// One of the newest of each type is not final.
    Processing,
    /// All of the newest of each type have a verdict.
    Finished,
    /// One of the newest of each type failed or was cancelled.
    Failed,
}

/// A folder: what a client keeps about one person in one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// Id.
    pub id: FolderId,
    /// The company that it belongs to.
    pub company_id: CompanyId,
    /// The user who made it.
    pub owner_id: UserId,
    /// The client's own key, unique within the company.
    pub external_id: Option<String>,
    /// The client's own data: a JSON object.
    pub metadata: serde_json::Value,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it, its media or its analyses last changed.
    pub updated_at: OffsetDateTime,
    /// When a usable medium was last added or deleted.
    pub media_changed_at: Option<OffsetDateTime>,
    /// Counts the changes of the folder, its media and its analyses, from 1.
    pub revision: u64,
    /// The key of its blobs, wrapped under the company's key. Never changes; it goes with the
    /// folder, and the blobs' content with it.
    pub wrapped_key: Vec<u8>,
}

/// The analyses asked for in one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisGroup {
    /// Id.
    pub id: GroupId,
    /// Its folder.
    pub folder_id: FolderId,
    /// The analyses, in the order of the request.
    pub analyses: Vec<AnalysisId>,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
}
