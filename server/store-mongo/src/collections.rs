//! The collections and their indexes. Every start creates and checks them, also when several nodes
//! start at the same time.

use super::documents::{
    AnalysisDocument, ApiKeyDocument, AttemptsDocument, AuditDocument, AuditHeadDocument,
    CompanyDocument, FolderDocument, GroupDocument, KeyDocument, MediumDocument, PolicyDocument,
    ResetDocument, RunDocument, SessionDocument, TokenDocument, UserDocument,
};
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};
use std::time::Duration;

/// The collections of one installation.
#[derive(Debug, Clone)]
pub(super) struct Collections {
    pub(super) database: Database,
    pub(super) companies: Collection<CompanyDocument>,
    pub(super) users: Collection<UserDocument>,
    pub(super) sessions: Collection<SessionDocument>,
    pub(super) refresh_tokens: Collection<TokenDocument>,
    pub(super) password_resets: Collection<ResetDocument>,
    pub(super) api_keys: Collection<ApiKeyDocument>,
    pub(super) login_attempts: Collection<AttemptsDocument>,
    pub(super) policies: Collection<PolicyDocument>,
    pub(super) folders: Collection<FolderDocument>,
    pub(super) media: Collection<MediumDocument>,
    pub(super) groups: Collection<GroupDocument>,
    pub(super) analyses: Collection<AnalysisDocument>,
    pub(super) runs: Collection<RunDocument>,
    pub(super) idempotency: Collection<KeyDocument>,
    /// One document per blob that is or was referenced. References and deletions conflict on it.
    pub(super) blobs: Collection<Document>,
    /// One document per challenge that was answered.
    pub(super) used_challenges: Collection<Document>,
    pub(super) audit_entries: Collection<AuditDocument>,
    pub(super) audit_heads: Collection<AuditHeadDocument>,
}

/// Names of all collections.
pub(super) const NAMES: [&str; 19] = [
    "companies",
    "users",
    "sessions",
    "refresh_tokens",
    PASSWORD_RESETS,
    API_KEYS,
    "login_attempts",
    "policies",
    FOLDERS,
    "media",
    "groups",
    ANALYSES,
    RUNS,
    "idempotency",
    BLOBS,
    "used_challenges",
    ERASED_COMPANIES,
    AUDIT_ENTRIES,
    "audit_heads",
];
/// The collection of tokens that reset passwords.
pub(super) const PASSWORD_RESETS: &str = "password_resets";
/// The collection of keys of service accounts.
pub(super) const API_KEYS: &str = "api_keys";
/// The collection whose changes are the events for all nodes.
pub(super) const FOLDERS: &str = "folders";
/// The collection of analyses.
pub(super) const ANALYSES: &str = "analyses";
/// The collection that is the queue.
pub(super) const RUNS: &str = "runs";
/// The collection of traces of companies that were erased a moment ago.
pub(super) const ERASED_COMPANIES: &str = "erased_companies";
/// The collection of references to blobs.
pub(super) const BLOBS: &str = "blobs";
/// The collection of entries of the audit log.
pub(super) const AUDIT_ENTRIES: &str = "audit_entries";

impl Collections {
    /// The collections of a database.
    pub(super) fn of(database: &Database) -> Self {
        Self {
            database: database.clone(),
            companies: database.collection("companies"),
            users: database.collection("users"),
            sessions: database.collection("sessions"),
            refresh_tokens: database.collection("refresh_tokens"),
            password_resets: database.collection(PASSWORD_RESETS),
            api_keys: database.collection(API_KEYS),
            login_attempts: database.collection("login_attempts"),
            policies: database.collection("policies"),
            folders: database.collection(FOLDERS),
            media: database.collection("media"),
            groups: database.collection("groups"),
            analyses: database.collection(ANALYSES),
            runs: database.collection(RUNS),
            idempotency: database.collection("idempotency"),
            blobs: database.collection(BLOBS),
            used_challenges: database.collection("used_challenges"),
            audit_entries: database.collection(AUDIT_ENTRIES),
            audit_heads: database.collection("audit_heads"),
        }
    }
}

/// Indexes of older programs, which a start drops.
pub(super) const RETIRED_INDEXES: [(&str, &str); 1] = [(RUNS, "pool_1_turn_at_1__id_1")];

/// The indexes of each collection.
pub(super) fn indexes() -> Vec<(&'static str, Vec<IndexModel>)> {
    let at_once = Duration::ZERO;
    let forget =
        |fields: Document| index(fields, IndexOptions::builder().expire_after(at_once).build());
    let unique = |fields: Document| index(fields, IndexOptions::builder().unique(true).build());
    let partial = |fields: Document, only: Document| {
        index(fields, IndexOptions::builder().partial_filter_expression(only).build())
    };
    let plain = |fields: Document| index(fields, IndexOptions::default());
    let waiting = || doc! { "waits_since": { "$exists": true } };
    let decided = || doc! { "decided_at": { "$exists": true } };
    vec![
        ("users", vec![unique(doc! { "email": 1 }), plain(doc! { "company_id": 1, "_id": 1 })]),
        ("sessions", vec![plain(doc! { "user_id": 1, "_id": 1 }), forget(doc! { "forget_at": 1 })]),
        ("refresh_tokens", vec![plain(doc! { "session_id": 1 }), forget(doc! { "forget_at": 1 })]),
        (PASSWORD_RESETS, vec![unique(doc! { "sha256": 1 }), forget(doc! { "forget_at": 1 })]),
        (
            API_KEYS,
            vec![
                unique(doc! { "sha256": 1 }),
                plain(doc! { "user_id": 1, "_id": 1 }),
                forget(doc! { "forget_at": 1 }),
            ],
        ),
        ("login_attempts", vec![plain(doc! { "name": 1 }), forget(doc! { "forget_at": 1 })]),
        ("policies", vec![unique(doc! { "company_id": 1, "version": 1 })]),
        (
            "folders",
            vec![
                index(
                    doc! { "company_id": 1, "external_id": 1 },
                    IndexOptions::builder()
                        .unique(true)
                        .partial_filter_expression(doc! { "external_id": { "$exists": true } })
                        .build(),
                ),
                plain(doc! { "created_at": 1, "_id": 1 }),
                plain(doc! { "updated_at": 1, "_id": 1 }),
                plain(doc! { "company_id": 1, "created_at": 1, "_id": 1 }),
                plain(doc! { "company_id": 1, "updated_at": 1, "_id": 1 }),
                plain(doc! { "owner_id": 1, "created_at": 1, "_id": 1 }),
                plain(doc! { "owner_id": 1, "updated_at": 1, "_id": 1 }),
                plain(doc! { "company_id": 1, "metadata_pairs": 1, "created_at": 1 }),
                plain(doc! { "company_id": 1, "metadata_bytes": 1, "media_bytes": 1 }),
                partial(
                    doc! { "company_id": 1, "created_at": 1, "open_analyses": 1 },
                    doc! { "open_analyses": { "$gt": 0 } },
                ),
            ],
        ),
        (
            "media",
            vec![
                plain(doc! { "member.folder_id": 1, "member.place": 1 }),
                plain(doc! { "blob_key": 1 }),
                plain(doc! { "thumbnail_key": 1 }),
            ],
        ),
        ("groups", vec![plain(doc! { "member.folder_id": 1, "member.place": 1 })]),
        (
            "analyses",
            vec![
                plain(doc! { "member.folder_id": 1, "member.place": 1 }),
                plain(doc! { "run_id": 1, "member.place": 1 }),
                partial(doc! { "waits_since": 1, "_id": 1 }, waiting()),
                partial(doc! { "member.company_id": 1, "waits_since": 1, "_id": 1 }, waiting()),
                partial(doc! { "reasons.code": 1, "waits_since": 1, "_id": 1 }, waiting()),
                partial(doc! { "kind": 1, "waits_since": 1, "_id": 1 }, waiting()),
                partial(doc! { "decided_at": 1 }, decided()),
                partial(doc! { "member.company_id": 1, "decided_at": 1 }, decided()),
                index(
                    doc! { "artifacts.blob_key": 1 },
                    IndexOptions::builder().sparse(true).build(),
                ),
            ],
        ),
        (
            "runs",
            vec![
                // Without `ready_at`, so that claims and heartbeats do not change the index:
                // deleted entries slow down its readers for minutes.
                partial(
                    doc! { "pool": 1, "member.company_id": 1, "turn_at": 1, "_id": 1 },
                    doc! { "state": { "$in": ["QUEUED", "LEASED"] } },
                ),
                plain(doc! { "member.folder_id": 1 }),
            ],
        ),
        (
            "idempotency",
            vec![
                unique(doc! { "user_id": 1, "operation": 1, "key": 1 }),
                plain(doc! { "folder_id": 1 }),
                forget(doc! { "forget_at": 1 }),
            ],
        ),
        ("used_challenges", vec![forget(doc! { "forget_at": 1 })]),
        (
            AUDIT_ENTRIES,
            vec![
                index(
                    doc! { "chain": 1, "number": 1 },
                    IndexOptions::builder()
                        .unique(true)
                        .partial_filter_expression(doc! { "number": { "$gt": 0 } })
                        .build(),
                ),
                partial(doc! { "waiting": 1, "_id": 1 }, doc! { "waiting": true }),
            ],
        ),
        ("blobs", vec![partial(doc! { "swept_at": 1 }, doc! { "swept_at": { "$exists": true } })]),
    ]
}

fn index(fields: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(fields).options(options).build()
}
