//! Test data: a company with a user in an empty store, and what to put into its folders.

use crate::records::*;
use crate::{Selection, Store};
use serde_json::json;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vultus_core::analysis::TakenMedium;
use vultus_core::turns::Turns;
use vultus_core::{
    Analysis, AnalysisFailure, AnalysisGroup, AnalysisId, AnalysisState, Artifact, ArtifactId,
    CompanyId, Decisions, Folder, FolderId, GroupId, JsonText, MayStart, MediaId, MediaKind,
    Medium, Part, Provenance, Reason, Resolution, Role, RunId, User, UserId,
};

/// Duration of leases in the rules.
pub const LEASE: Duration = Duration::seconds(10);

/// A time, in seconds after the start of a rule.
pub fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH
        + Duration::seconds(1_790_000_000 + seconds)
        + Duration::nanoseconds(7)
}

/// An identifier.
pub fn new_id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

/// A store with one company and one user in it.
#[derive(Clone)]
pub struct World {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The company.
    pub company: Company,
    /// Its user.
    pub owner: User,
    /// The turns in which it claims.
    pub turns: Turns,
}

impl World {
    /// Creates the company and the user.
    pub async fn new(store: Arc<dyn Store>) -> Self {
        let company = Company {
            id: new_id::<CompanyId>(),
            name: "Contract & Söhne".to_owned(),
            wrapped_key: b"wrapped key of the company \0\xff".to_vec(),
            created_at: at(0),
            suspended_at: None,
            deleting_at: None,
        };
        store.create_company(&company).await.expect("creating a company works");
        let owner = user_of(&company);
        store.create_user(&owner, "$argon2id$hash").await.expect("creating a user works");
        Self { store, company, owner, turns: Turns::default() }
    }

    /// Another company with a user in the same store, which takes turns with this one.
    pub async fn neighbour(&self) -> Self {
        Self { turns: self.turns.clone(), ..Self::new(Arc::clone(&self.store)).await }
    }

    /// What the company sees.
    pub fn scope(&self) -> Scope {
        Scope::Company(self.company.id)
    }

    /// What the user sees.
    pub fn owner_scope(&self) -> Scope {
        Scope::Owner(self.company.id, self.owner.id)
    }

    /// A folder created at `seconds`; it is not stored yet.
    pub fn folder(&self, seconds: i64) -> Folder {
        Folder {
            id: new_id(),
            company_id: self.company.id,
            owner_id: self.owner.id,
            external_id: None,
            metadata: JsonText::empty_object().into(),
            created_at: at(seconds),
            updated_at: at(seconds),
            media_changed_at: None,
            revision: 1,
            wrapped_key: b"wrapped key of a folder \0\xff".to_vec(),
        }
    }

    /// Stores a folder with one medium and one run of analyses of these kinds.
    pub async fn queued(&self, seconds: i64, kinds: &[&str]) -> (Folder, NewGroup) {
        let folder = self.folder(seconds);
        let medium = medium(folder.id, seconds);
        let group = group(folder.id, seconds, kinds, &[medium.id]);
        let additions = FolderAdditions {
            media: vec![medium],
            group: Some(group.clone()),
            now: Some(at(seconds)),
            most_media: None,
            most_analyses: None,
        };
        self.store.create_folder(&folder, &additions, None).await.expect("creating a folder works");
        (folder, group)
    }

    /// Stores a folder with one analysis that has this verdict, given 2 s after `seconds`.
    pub async fn finished(&self, seconds: i64, resolution: Resolution) -> (Folder, Analysis) {
        let (folder, new) = self.queued(seconds, &["liveness"]).await;
        let run = self.claim(seconds + 1).await.expect("the run waits");
        let (id, result) = (new.group.analyses[0], verdict(resolution, run.media[0].id));
        let applied = self.store.apply_result(run.token, id, &result, at(seconds + 2)).await;
        assert_eq!(applied.expect("writing works"), Applied::Yes);
        (folder, self.analysis(id).await)
    }

    /// Claims a run of the pool `built-in` at `seconds`.
    pub async fn claim(&self, seconds: i64) -> Option<ClaimedRun> {
        let request = ClaimRequest { turns: self.turns.clone(), ..claim_request(seconds) };
        self.store.claim_run(&request).await.expect("claiming works")
    }

    /// The folder as it is now.
    pub async fn contents(&self, id: FolderId) -> FolderContents {
        let found =
            self.store.folders(self.scope(), &[id], Selection::ALL).await.expect("reading works");
        found.into_iter().next().expect("the folder is there")
    }

    /// An analysis as it is now.
    pub async fn analysis(&self, id: AnalysisId) -> Analysis {
        let found =
            self.store.analyses(self.scope(), &[id], Selection::ALL).await.expect("reading works");
        found.into_iter().next().expect("the analysis is there").0
    }
}

/// A claim for the pool `built-in` at `seconds`, in its own turns.
pub fn claim_request(seconds: i64) -> ClaimRequest {
    ClaimRequest {
        pool: "built-in".to_owned(),
        node: "node".to_owned(),
        now: at(seconds),
        lease: LEASE,
        turns: Turns::default(),
        except: Vec::new(),
    }
}

/// A user of a company.
pub fn user_of(company: &Company) -> User {
    let id: UserId = new_id();
    User {
        id,
        company_id: Some(company.id),
        email: format!("{id}@example.org"),
        name: "Ünal".to_owned(),
        role: Role::ClientAdmin,
        is_service: true,
        may_start: MayStart::only(vec!["liveness".to_owned(), "quality".to_owned()]),
        created_at: at(0),
        disabled_at: None,
    }
}

/// A medium with all its fields set.
pub fn medium(folder: FolderId, seconds: i64) -> Medium {
    let id: MediaId = new_id();
    Medium {
        id,
        folder_id: folder,
        kind: MediaKind::Video,
        tags: vec!["video_selfie".parse().expect("a tag"), "x_free".parse().expect("a tag")],
        metadata: JsonText::from(json!({"n": [1, 2.5, null]})).into(),
        original_name: Some("ä \"clip\".mp4".to_owned()),
        content_type: "video/mp4".to_owned(),
        byte_size: 5_000_000_000,
        sha256: "ab".repeat(32),
        width: 720,
        height: 1280,
        orientation_applied: 6,
        duration_us: Some(5_000_123),
        frame_count: Some(150),
        frame_rate: Some(29.97),
        blob_key: format!("blob-of-{id}"),
        thumbnail_key: Some(format!("thumbnail-of-{id}")),
        created_at: at(seconds),
    }
}

/// One group, one run for the pool `built-in`, one analysis of each kind over the same media.
pub fn group(folder: FolderId, seconds: i64, kinds: &[&str], media: &[MediaId]) -> NewGroup {
    let (group_id, run_id): (GroupId, RunId) = (new_id(), new_id());
    let analyses: Vec<Analysis> =
        kinds.iter().map(|kind| analysis(folder, group_id, run_id, seconds, kind, media)).collect();
    let ids = analyses.iter().map(|analysis| analysis.id).collect();
    NewGroup {
        group: AnalysisGroup {
            id: group_id,
            folder_id: folder,
            analyses: ids,
            created_at: at(seconds),
        },
        runs: vec![NewRun {
            id: run_id,
            pool: "built-in".to_owned(),
            turn_at: at(seconds),
            analyses,
        }],
        media_seen: None,
    }
}

fn analysis(
    folder: FolderId,
    group: GroupId,
    run: RunId,
    seconds: i64,
    kind: &str,
    media: &[MediaId],
) -> Analysis {
    let taken = |media_id: &MediaId| TakenMedium {
        media_id: *media_id,
        slot: "faces".to_owned(),
        named: true,
    };
    Analysis {
        id: new_id(),
        folder_id: folder,
        group_id: group,
        run_id: run,
        kind: kind.to_owned(),
        state: AnalysisState::Queued,
        resolution: None,
        decisions: Decisions::default(),
        reasons: Vec::new(),
        progress: 0.0,
        media: media.iter().map(taken).collect(),
        params: JsonText::from(json!({"threshold": 0.5})).into(),
        result: Part::Read(None),
        failure: None,
        provenance: provenance(),
        attempts: 0,
        deaths: 0,
        timeout_ms: 60_000,
        created_at: at(seconds),
        started_at: None,
        finished_at: None,
        revision: 1,
        details_erased_at: None,
    }
}

/// A provenance with all its fields set.
pub fn provenance() -> Provenance {
    Provenance {
        analyzer: Some("contract".to_owned()),
        analyzer_version: Some("1.2.3".to_owned()),
        analyzer_sha256: Some("cd".repeat(32)),
        weights: vec![("model.onnx".to_owned(), "ef".repeat(32))],
        parameter_sources: vec![("threshold".to_owned(), "default".to_owned())],
    }
}

/// A verdict with a reason and one artifact.
pub fn verdict(resolution: Resolution, media: MediaId) -> AnalysisResult {
    AnalysisResult::Finished {
        resolution,
        reasons: vec![Reason {
            code: "SPOOF".to_owned(),
            message: "It is.".to_owned(),
            media_id: Some(media),
            frame: Some(3),
        }],
        result: json!({"score": 0.875}).into(),
        provenance: provenance(),
        artifacts: vec![Artifact {
            id: new_id::<ArtifactId>(),
            analysis_id: new_id(),
            name: "best_shot".to_owned(),
            content_type: "image/jpeg".to_owned(),
            byte_size: 12_345,
            sha256: "12".repeat(32),
            blob_key: format!("artifact-of-{media}"),
        }],
    }
}

/// A failure.
pub fn crash() -> AnalysisFailure {
    AnalysisFailure {
        code: "ANALYZER_CRASHED".to_owned(),
        message: "contract died twice".to_owned(),
    }
}

/// An idempotency key.
pub fn key(world: &World, key: &str, fingerprint: &str) -> IdempotencyKey {
    IdempotencyKey {
        user_id: world.owner.id,
        operation: "createFolder".to_owned(),
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
    }
}
