//! Folders and groups of analyses.

use crate::ids::{AnalysisId, CompanyId, FolderId, GroupId, UserId};
use crate::json::JsonText;
use crate::part::Part;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Longest `externalId`, in bytes.
pub const MAX_EXTERNAL_ID_BYTES: usize = 256;

/// State of a folder, derived from its analyses by [`crate::summary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FolderState {
    /// No analysis was requested.
    Empty,
    /// The newest analysis of at least one type is not final.
    Processing,
    /// The newest analysis of every type has a verdict.
    Finished,
    /// All newest analyses are final, and at least one failed or was cancelled.
    Failed,
}

/// A folder: the media and analyses of one person in one case of the client.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// Id.
    pub id: FolderId,
    /// The company that it belongs to.
    pub company_id: CompanyId,
    /// The user who created it.
    pub owner_id: UserId,
    /// The client's own key, unique within the company.
    pub external_id: Option<String>,
    /// The client's own data: a JSON object.
    pub metadata: Part<JsonText>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Time at which the folder, its media or its analyses last changed.
    pub updated_at: OffsetDateTime,
    /// Time at which a usable medium was last added or deleted.
    pub media_changed_at: Option<OffsetDateTime>,
    /// Number of changes of the folder, its media and its analyses, counted from 1.
    pub revision: u64,
    /// The key of its blobs, wrapped under the company's key. It never changes. Deleting the folder
    /// deletes the key, which makes the blobs unreadable.
    pub wrapped_key: Vec<u8>,
}

/// The analyses requested together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisGroup {
    /// Id.
    pub id: GroupId,
    /// The folder that it belongs to.
    pub folder_id: FolderId,
    /// The analyses, in the order of the request.
    pub analyses: Vec<AnalysisId>,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
}
