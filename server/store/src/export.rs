//! The contents of a store as records, for backups and for moving an installation from one kind of
//! store to another.
//!
//! The format is a separate contract with a version: renaming a field of the domain does not change
//! it. It does not contain tombstones, counts of failed logins, tokens that reset passwords and
//! change feeds, which belong to a store and not to the data, nor blobs, which are stored
//! elsewhere.

use crate::audit::{AuditEntry, Chain, Place};
use crate::credentials::{ApiKey, Session};
use crate::records::{Company, IdempotencyKey, Replay, UserWithPassword};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use vultus_core::analysis::TakenMedium;
use vultus_core::{
    Analysis, AnalysisFailure, AnalysisGroup, AnalysisId, AnalysisState, ApiKeyId, Artifact,
    ArtifactId, AuditEntryId, CompanyId, CompanyPolicy, Decisions, Folder, FolderId, GroupId,
    JsonText, MayStart, MediaId, MediaKind, Medium, Part, PolicyRules, Provenance, Reason,
    Resolution, Role, RunId, SessionId, Tag, User, UserId,
};

/// Version of the records.
pub const RECORDS_VERSION: u32 = 1;

/// One entity with everything that belongs to it alone. Records come in the order of the variants,
/// and those of one variant in the order of their ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", content = "of", rename_all = "snake_case")]
pub enum Record {
    /// A company.
    Company(CompanyRecord),
    /// A user.
    User(UserRecord),
    /// A session with its refresh tokens.
    Session(SessionRecord),
    /// A key of a service account.
    ApiKey(ApiKeyRecord),
    /// A version of a company's policy.
    Policy(PolicyRecord),
    /// A folder.
    Folder(Box<FolderRecord>),
    /// An idempotency key.
    Idempotency(IdempotencyRecord),
    /// An entry of the audit log.
    Audit(AuditRecord),
    /// The newest signed head of a chain of the audit log.
    AuditHead(AuditHeadRecord),
}

impl Record {
    /// Plural name of the variant, for counts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Company(_) => "companies",
            Self::User(_) => "users",
            Self::Session(_) => "sessions",
            Self::ApiKey(_) => "keys of service accounts",
            Self::Policy(_) => "versions of policies",
            Self::Folder(_) => "folders",
            Self::Idempotency(_) => "idempotency keys",
            Self::Audit(_) => "audit entries",
            Self::AuditHead(_) => "audit heads",
        }
    }
}

/// A session with the tokens that descend from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The session.
    #[serde(with = "SessionShape")]
    pub session: Session,
    /// SHA-256 of each of its tokens, in ascending order, and whether the token was used.
    pub refresh_tokens: Vec<(String, bool)>,
}

/// A key of a service account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// The key.
    #[serde(with = "ApiKeyShape")]
    pub key: ApiKey,
    /// Stored form of its secret.
    pub sha256: String,
}

/// A folder with its contents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FolderRecord {
    /// The folder.
    #[serde(with = "FolderShape")]
    pub folder: Folder,
    /// Its media, oldest first.
    pub media: Vec<MediumRecord>,
    /// Its groups of analyses, oldest first.
    pub groups: Vec<GroupRecord>,
    /// Its runs, oldest first.
    pub runs: Vec<RunRecord>,
    /// Its analyses, oldest first.
    pub analyses: Vec<AnalysisRecord>,
    /// Their artifacts, oldest first.
    pub artifacts: Vec<ArtifactRecord>,
}

/// A run, waiting or done. Leases are not exported: no node processes a run of a store that was
/// just filled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Id.
    pub id: RunId,
    /// The pool of workers.
    pub pool: String,
    /// Whether it left the queue.
    pub done: bool,
    /// Increases with each claim.
    pub fence: u64,
    /// It cannot be claimed before this time.
    pub retry_at: Option<OffsetDateTime>,
    /// Whether its analyses must run one by one.
    pub one_by_one: bool,
    /// Worker deaths so far.
    pub deaths: u32,
    /// Its turn: waiting runs are claimed in this order.
    #[serde(alias = "created_at")]
    pub turn_at: OffsetDateTime,
}

/// An idempotency key with what its request created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// The key.
    #[serde(with = "IdempotencyKeyShape")]
    pub key: IdempotencyKey,
    /// What the request created.
    pub replay: Replay,
    /// Time of the request.
    pub created_at: OffsetDateTime,
}

/// The newest signed head of a chain of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditHeadRecord {
    /// The chain.
    pub chain: Chain,
    /// The signed head as text.
    pub signed: String,
}

macro_rules! records {
    ($($(#[$meta:meta])* $name:ident($item:ident as $shape:literal);)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct $name(#[serde(with = $shape)] pub $item);
    )+};
}

records! {
    /// A company.
    CompanyRecord(Company as "CompanyShape");
    /// A user.
    UserRecord(UserWithPassword as "UserWithPasswordShape");
    /// A version of a company's policy.
    PolicyRecord(CompanyPolicy as "CompanyPolicyShape");
    /// A medium.
    MediumRecord(Medium as "MediumShape");
    /// A group of analyses.
    GroupRecord(AnalysisGroup as "GroupShape");
    /// An analysis.
    AnalysisRecord(Analysis as "AnalysisShape");
    /// An artifact.
    ArtifactRecord(Artifact as "ArtifactShape");
    /// An entry of the audit log.
    AuditRecord(AuditEntry as "AuditEntryShape");
}

/// Shapes: the names of the fields in records. A field that is renamed in the domain keeps its name
/// here. `= default`: older records do not have the field.
macro_rules! shapes {
    ($($name:ident of $item:literal {
        $($field:ident: $type:ty $(as $shape:literal)? $(= $default:ident)?),+ $(,)?
    })+) => {$(
        #[derive(Serialize, Deserialize)]
        #[serde(remote = $item)]
        struct $name {
            $($(#[serde(with = $shape)])? $(#[serde($default)])? $field: $type,)+
        }
    )+};
}

shapes! {
    CompanyShape of "Company" {
        id: CompanyId,
        name: String,
        wrapped_key: Vec<u8> as "hexadecimal",
        created_at: OffsetDateTime,
        suspended_at: Option<OffsetDateTime> = default,
        deleting_at: Option<OffsetDateTime> = default,
    }
    UserWithPasswordShape of "UserWithPassword" {
        user: User as "UserShape",
        password_hash: String,
        deleted_at: Option<OffsetDateTime> = default,
    }
    UserShape of "User" {
        id: UserId,
        company_id: Option<CompanyId>,
        email: String,
        name: String,
        role: Role,
        is_service: bool,
        may_start: MayStart = default,
        created_at: OffsetDateTime,
        disabled_at: Option<OffsetDateTime> = default,
    }
    SessionShape of "Session" {
        id: SessionId,
        user_id: UserId,
        created_at: OffsetDateTime,
        refreshed_at: Option<OffsetDateTime>,
        expires_at: OffsetDateTime,
        revoked: bool,
        network: Option<String>,
        agent: Option<String>,
    }
    ApiKeyShape of "ApiKey" {
        id: ApiKeyId,
        user_id: UserId,
        name: String,
        prefix: String,
        scopes: Option<Vec<String>>,
        created_at: OffsetDateTime,
        expires_at: Option<OffsetDateTime>,
        revoked_at: Option<OffsetDateTime>,
        last_used_at: Option<OffsetDateTime>,
    }
    CompanyPolicyShape of "CompanyPolicy" {
        company_id: CompanyId,
        version: u64,
        changed_at: Option<OffsetDateTime>,
        changed_by: Option<UserId>,
        rules: PolicyRules,
    }
    FolderShape of "Folder" {
        id: FolderId,
        company_id: CompanyId,
        owner_id: UserId,
        external_id: Option<String>,
        metadata: Part<JsonText>,
        created_at: OffsetDateTime,
        updated_at: OffsetDateTime,
        media_changed_at: Option<OffsetDateTime>,
        revision: u64,
        wrapped_key: Vec<u8> as "hexadecimal",
    }
    MediumShape of "Medium" {
        id: MediaId,
        folder_id: FolderId,
        kind: MediaKind,
        tags: Vec<Tag>,
        metadata: Part<JsonText>,
        original_name: Option<String>,
        content_type: String,
        byte_size: u64,
        sha256: String,
        width: u32,
        height: u32,
        orientation_applied: u8,
        duration_us: Option<i64>,
        frame_count: Option<u64>,
        frame_rate: Option<f64>,
        blob_key: String,
        thumbnail_key: Option<String>,
        created_at: OffsetDateTime,
    }
    GroupShape of "AnalysisGroup" {
        id: GroupId,
        folder_id: FolderId,
        analyses: Vec<AnalysisId>,
        created_at: OffsetDateTime,
    }
    AnalysisShape of "Analysis" {
        id: AnalysisId,
        folder_id: FolderId,
        group_id: GroupId,
        run_id: RunId,
        kind: String,
        state: AnalysisState,
        resolution: Option<Resolution>,
        decisions: Decisions = default,
        reasons: Vec<Reason>,
        progress: f32,
        media: Vec<TakenMedium>,
        params: Part<JsonText>,
        result: Part<Option<JsonText>>,
        failure: Option<AnalysisFailure>,
        provenance: Provenance,
        attempts: u32,
        deaths: u32,
        timeout_ms: u64,
        created_at: OffsetDateTime,
        started_at: Option<OffsetDateTime>,
        finished_at: Option<OffsetDateTime>,
        revision: u64,
        details_erased_at: Option<OffsetDateTime>,
    }
    ArtifactShape of "Artifact" {
        id: ArtifactId,
        analysis_id: AnalysisId,
        name: String,
        content_type: String,
        byte_size: u64,
        sha256: String,
        blob_key: String,
    }
    AuditEntryShape of "AuditEntry" {
        id: AuditEntryId,
        chain: Chain,
        at: OffsetDateTime,
        actor: String,
        origin: Option<String>,
        action: String,
        object: Option<String>,
        before: Option<String>,
        after: Option<String>,
        place: Option<Place>,
    }
    IdempotencyKeyShape of "IdempotencyKey" {
        user_id: UserId,
        operation: String,
        key: String,
        fingerprint: String,
    }
}

/// Bytes as hexadecimal text.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
