//! Folders, media, groups of analyses, and idempotency keys.

use super::super::values::{Json, binary, count, counted, few, id, nanoseconds, time, typed};
use mongodb::bson::{Binary, DateTime, Uuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use vultus_core::{AnalysisGroup, Folder, JsonText, MediaKind, Medium, Part, Tag};
use vultus_store::export::IdempotencyRecord;
use vultus_store::stored::{Name, V1, Version};
use vultus_store::{IdempotencyKey, Replay};

/// Length of the digest of a pair.
const PAIR_BYTES: usize = 16;

/// A folder, with the fields that listings filter by.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FolderDocument {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    v: Version,
    pub(crate) company_id: Uuid,
    pub(crate) owner_id: Uuid,
    /// Absent rather than null, so that the unique index omits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// The wrapped key of its blobs. It is stored nowhere else.
    wrapped_key: Binary,
    #[serde(default)]
    metadata: Json<JsonText>,
    #[serde(default)]
    metadata_pairs: Vec<Binary>,
    created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) media_changed_at: Option<i64>,
    pub(crate) revision: i64,
    /// Number of its analyses that are not final.
    pub(crate) open_analyses: i64,
    /// The types of its analyses, each once.
    pub(crate) analysis_types: Vec<String>,
    /// Creation time of its newest analysis.
    pub(crate) asked_at: Option<i64>,
    /// Number of media, groups and analyses ever added: the place of the next one.
    pub(crate) members: i64,
    /// Bytes of its metadata.
    #[serde(default)]
    metadata_bytes: i64,
    /// Bytes of its media and their metadata.
    #[serde(default)]
    pub(crate) media_bytes: i64,
}

impl FolderDocument {
    /// A new folder without members.
    pub(crate) fn new(folder: &Folder) -> Self {
        Self {
            id: id(folder.id),
            v: V1,
            company_id: id(folder.company_id),
            owner_id: id(folder.owner_id),
            external_id: folder.external_id.clone(),
            wrapped_key: binary(&folder.wrapped_key),
            metadata: Json(folder.metadata.clone()),
            metadata_pairs: folder.metadata.as_option().map(metadata_pairs).unwrap_or_default(),
            created_at: nanoseconds(folder.created_at),
            updated_at: nanoseconds(folder.updated_at),
            media_changed_at: folder.media_changed_at.map(nanoseconds),
            revision: count(folder.revision.max(1)),
            open_analyses: 0,
            analysis_types: Vec::new(),
            asked_at: None,
            members: 0,
            metadata_bytes: json_bytes(&folder.metadata),
            media_bytes: 0,
        }
    }
}

impl From<FolderDocument> for Folder {
    fn from(stored: FolderDocument) -> Self {
        Self {
            id: typed(stored.id),
            company_id: typed(stored.company_id),
            owner_id: typed(stored.owner_id),
            external_id: stored.external_id,
            metadata: stored.metadata.0,
            created_at: time(stored.created_at),
            updated_at: time(stored.updated_at),
            media_changed_at: stored.media_changed_at.map(time),
            revision: counted(stored.revision),
            wrapped_key: stored.wrapped_key.bytes,
        }
    }
}

fn json_bytes(json: &Part<JsonText>) -> i64 {
    count(json.as_option().map_or(0, |text| text.as_str().len()) as u64)
}

/// Digests of the string values at the top level of metadata, for the index of listings.
pub(crate) fn metadata_pairs(metadata: &JsonText) -> Vec<Binary> {
    metadata.top_strings().iter().map(|(key, value)| metadata_pair(key, value)).collect()
}

/// The digest of one key and value.
pub(crate) fn metadata_pair(key: &str, value: &str) -> Binary {
    let mut digest = Sha256::new();
    digest.update(count(key.len() as u64).to_le_bytes());
    digest.update(key);
    digest.update(value);
    binary(&digest.finalize()[..PAIR_BYTES])
}

/// The folder of a member with its company and owner, which never change.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) folder_id: Uuid,
    pub(crate) company_id: Uuid,
    pub(crate) owner_id: Uuid,
    /// Place in the order of the folder.
    pub(crate) place: i64,
}

/// A medium.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MediumDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    v: Version,
    member: Membership,
    kind: Name<MediaKind>,
    tags: Vec<Tag>,
    #[serde(default)]
    metadata: Json<JsonText>,
    original_name: Option<String>,
    content_type: String,
    byte_size: i64,
    sha256: String,
    width: i64,
    height: i64,
    orientation_applied: i32,
    duration_us: Option<i64>,
    frame_count: Option<i64>,
    frame_rate: Option<f64>,
    blob_key: String,
    thumbnail_key: Option<String>,
    created_at: i64,
    /// Bytes of the file and of the metadata.
    #[serde(default)]
    pub(crate) bytes: i64,
}

impl MediumDocument {
    /// A medium as a member of a folder.
    pub(crate) fn new(medium: &Medium, member: Membership) -> Self {
        Self {
            id: id(medium.id),
            v: V1,
            member,
            kind: Name(medium.kind),
            tags: medium.tags.clone(),
            metadata: Json(medium.metadata.clone()),
            original_name: medium.original_name.clone(),
            content_type: medium.content_type.clone(),
            byte_size: count(medium.byte_size),
            sha256: medium.sha256.clone(),
            width: medium.width.into(),
            height: medium.height.into(),
            orientation_applied: medium.orientation_applied.into(),
            duration_us: medium.duration_us,
            frame_count: medium.frame_count.map(count),
            frame_rate: medium.frame_rate,
            blob_key: medium.blob_key.clone(),
            thumbnail_key: medium.thumbnail_key.clone(),
            created_at: nanoseconds(medium.created_at),
            bytes: medium_bytes(medium),
        }
    }
}

/// Bytes of a medium's file and of its metadata.
pub(crate) fn medium_bytes(medium: &Medium) -> i64 {
    count(medium.byte_size).saturating_add(json_bytes(&medium.metadata))
}

impl From<MediumDocument> for Medium {
    fn from(stored: MediumDocument) -> Self {
        Self {
            id: typed(stored.id),
            folder_id: typed(stored.member.folder_id),
            kind: stored.kind.0,
            tags: stored.tags,
            metadata: stored.metadata.0,
            original_name: stored.original_name,
            content_type: stored.content_type,
            byte_size: counted(stored.byte_size),
            sha256: stored.sha256,
            width: few(stored.width),
            height: few(stored.height),
            orientation_applied: u8::try_from(stored.orientation_applied).unwrap_or_default(),
            duration_us: stored.duration_us,
            frame_count: stored.frame_count.map(counted),
            frame_rate: stored.frame_rate,
            blob_key: stored.blob_key,
            thumbnail_key: stored.thumbnail_key,
            created_at: time(stored.created_at),
        }
    }
}

/// The analyses of one request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GroupDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    v: Version,
    member: Membership,
    analyses: Vec<Uuid>,
    created_at: i64,
}

impl GroupDocument {
    /// A group as a member of a folder.
    pub(crate) fn new(group: &AnalysisGroup, member: Membership) -> Self {
        let analyses = group.analyses.iter().map(id).collect();
        Self {
            id: id(group.id),
            v: V1,
            member,
            analyses,
            created_at: nanoseconds(group.created_at),
        }
    }
}

impl From<GroupDocument> for AnalysisGroup {
    fn from(stored: GroupDocument) -> Self {
        Self {
            id: typed(stored.id),
            folder_id: typed(stored.member.folder_id),
            analyses: stored.analyses.into_iter().map(typed).collect(),
            created_at: time(stored.created_at),
        }
    }
}

/// What an idempotent request created. The three parts of the key are unique together.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyDocument {
    user_id: Uuid,
    operation: String,
    key: String,
    v: Version,
    pub(crate) fingerprint: String,
    folder_id: Option<Uuid>,
    media: Vec<Uuid>,
    group_id: Option<Uuid>,
    analyses: Vec<Uuid>,
    created_at: i64,
    /// When the server deletes it.
    forget_at: DateTime,
}

impl KeyDocument {
    /// What a request with a key created.
    pub(crate) fn new(
        key: &IdempotencyKey,
        replay: &Replay,
        created_at: OffsetDateTime,
        forget_at: DateTime,
    ) -> Self {
        Self {
            user_id: id(key.user_id),
            operation: key.operation.clone(),
            key: key.key.clone(),
            v: V1,
            fingerprint: key.fingerprint.clone(),
            folder_id: replay.folder_id.map(id),
            media: replay.media.iter().map(id).collect(),
            group_id: replay.group_id.map(id),
            analyses: replay.analyses.iter().map(id).collect(),
            created_at: nanoseconds(created_at),
            forget_at,
        }
    }
}

impl From<KeyDocument> for IdempotencyRecord {
    fn from(stored: KeyDocument) -> Self {
        let key = IdempotencyKey {
            user_id: typed(stored.user_id),
            operation: stored.operation.clone(),
            key: stored.key.clone(),
            fingerprint: stored.fingerprint.clone(),
        };
        Self { key, created_at: time(stored.created_at), replay: stored.into() }
    }
}

impl From<KeyDocument> for Replay {
    fn from(stored: KeyDocument) -> Self {
        Self {
            folder_id: stored.folder_id.map(typed),
            media: stored.media.into_iter().map(typed).collect(),
            group_id: stored.group_id.map(typed),
            analyses: stored.analyses.into_iter().map(typed).collect(),
        }
    }
}
