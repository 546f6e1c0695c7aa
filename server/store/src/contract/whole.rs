//! Rules of exporting and importing a store as a whole.

use super::decisions::decision;
use super::fixtures::{World, at, claim_request, group, key, medium, new_id, user_of, verdict};
use crate::credentials::{ApiKey, Session};
use crate::export::{
    AnalysisRecord, ApiKeyRecord, ArtifactRecord, CompanyRecord, FolderRecord, GroupRecord,
    IdempotencyRecord, MediumRecord, PolicyRecord, Record, RunRecord, SessionRecord, UserRecord,
};
use crate::records::*;
use crate::{Selection, Store};
use futures::TryStreamExt;
use serde_json::json;
use std::sync::Arc;
use vultus_core::{
    AnalysisState, Artifact, Choice, CompanyPolicy, Decision, DecisionRule, Decisions, Folder,
    FourEyes, JsonText, Part, Resolution, User,
};

/// A company with a user, one session, two folders and an idempotency key. The second folder has a
/// waiting run and a finished one.
fn some_records(world: &World) -> Vec<Record> {
    let company = Company {
        id: new_id(),
        suspended_at: Some(at(1)),
        deleting_at: Some(at(2)),
        ..world.company.clone()
    };
    let locked = UserWithPassword {
        user: User { disabled_at: Some(at(1)), ..user_of(&company) },
        password_hash: "$argon2id$other".to_owned(),
        deleted_at: Some(at(2)),
    };
    let owner = locked.user.clone();
    let session = Session {
        id: new_id(),
        user_id: owner.id,
        created_at: at(0),
        refreshed_at: Some(at(1)),
        expires_at: at(100),
        revoked: true,
        network: Some("203.0.113.0/24".to_owned()),
        agent: None,
    };
    let api_key = ApiKey {
        id: new_id(),
        user_id: owner.id,
        name: "Adapter".to_owned(),
        prefix: "vlt_abcdefgh".to_owned(),
        scopes: Some(vec!["folders:read".to_owned()]),
        created_at: at(0),
        expires_at: Some(at(100)),
        revoked_at: Some(at(50)),
        last_used_at: Some(at(40)),
    };
    let tokens = vec![("aa".repeat(32), true), ("bb".repeat(32), false)];
    let folder = |external_id: Option<&str>| Folder {
        company_id: company.id,
        owner_id: owner.id,
        external_id: external_id.map(str::to_owned),
        metadata: JsonText::from(json!({"a": {"b": [1, 2.5, null, "ä"]}})).into(),
        revision: 7,
        media_changed_at: Some(at(3)),
        ..world.folder(0)
    };
    let (empty, full) = (folder(None), folder(Some("case/1")));
    let first = MediumRecord(medium(full.id, 1));
    let mut runs = Vec::new();
    let (mut groups, mut analyses, mut artifacts) = (Vec::new(), Vec::new(), Vec::new());
    for done in [true, false] {
        let new = group(full.id, 2, &["liveness"], &[first.0.id]);
        let mut analysis = new.runs[0].analyses[0].clone();
        if done {
            let AnalysisResult::Finished { reasons, result, artifacts: made, .. } =
                verdict(Resolution::Declined, first.0.id)
            else {
                unreachable!("it is a verdict")
            };
            (analysis.state, analysis.resolution, analysis.progress) =
                (AnalysisState::Finished, Some(Resolution::Declined), 1.0);
            let decided = decision(new_id(), Choice::Accept, &analysis, 6).decision;
            analysis.decisions = Decisions {
                rule: DecisionRule { four_eyes: FourEyes::Blind, policy_version: 3 },
                taken: vec![Decision { took_ms: Some(1500), ..decided }],
            };
            (analysis.reasons, analysis.result) = (reasons, Part::Read(Some(result)));
            (analysis.attempts, analysis.started_at, analysis.finished_at) =
                (2, Some(at(4)), Some(at(5)));
            artifacts.extend(
                made.into_iter()
                    .map(|made| ArtifactRecord(Artifact { analysis_id: analysis.id, ..made })),
            );
        }
        runs.push(RunRecord {
            id: new.runs[0].id,
            pool: "built-in".to_owned(),
            done,
            fence: 4,
            retry_at: (!done).then(|| at(6)),
            one_by_one: !done,
            deaths: u32::from(!done),
            turn_at: at(2),
        });
        groups.push(GroupRecord(new.group));
        analyses.push(AnalysisRecord(analysis));
    }
    let replay = Replay { folder_id: Some(full.id), media: vec![first.0.id], ..Replay::default() };
    let idempotency = IdempotencyKey { user_id: owner.id, ..key(world, "k", "fingerprint") };
    let policy = CompanyPolicy { company_id: company.id, ..world.policy(1, FourEyes::Seeing) };
    let nothing = || FolderRecord {
        folder: empty.clone(),
        media: Vec::new(),
        groups: Vec::new(),
        runs: Vec::new(),
        analyses: Vec::new(),
        artifacts: Vec::new(),
    };
    vec![
        Record::Company(CompanyRecord(company.clone())),
        Record::User(UserRecord(locked)),
        Record::Session(SessionRecord { session, refresh_tokens: tokens }),
        Record::ApiKey(ApiKeyRecord { key: api_key, sha256: "cc".repeat(32) }),
        Record::Policy(PolicyRecord(policy)),
        Record::Folder(Box::new(nothing())),
        Record::Folder(Box::new(FolderRecord {
            folder: full,
            media: vec![first],
            groups,
            runs,
            analyses,
            artifacts,
        })),
        Record::Idempotency(IdempotencyRecord { key: idempotency, replay, created_at: at(5) }),
    ]
}

async fn exported(store: &Arc<dyn Store>) -> Vec<Record> {
    store.export().await.expect("exporting works").try_collect().await.expect("exporting works")
}

/// Imported records are exported unchanged and in the same order. A waiting run can be claimed from
/// its retry time on.
pub(crate) async fn imported_records_are_exported_unchanged(store: Arc<dyn Store>) {
    let world = World::new(Arc::clone(&store)).await;
    let before = exported(&store).await;
    assert_eq!(before.iter().map(Record::kind).collect::<Vec<_>>(), ["companies", "users"]);
    let records = some_records(&world);
    store.import(records.clone()).await.expect("importing works");
    let after = exported(&store).await;
    let (old, new): (Vec<_>, Vec<_>) =
        after.into_iter().partition(|record| before.contains(record));
    assert_eq!(old.len(), 2);
    assert_eq!(new, records);
    let claim =
        async |seconds| store.claim_run(&claim_request(seconds)).await.expect("claiming works");
    assert_eq!(claim(5).await, None);
    let run = claim(6).await.expect("it waits");
    assert_eq!((run.one_by_one, run.deaths, run.analyses.len(), run.media.len()), (true, 1, 1, 1));
    assert!(run.token.fence > 4);
}

/// Imported runs are claimed in the order of their turns, whatever the order of their folders.
pub(crate) async fn turns_of_imported_runs_are_kept(store: Arc<dyn Store>) {
    let world = World::new(Arc::clone(&store)).await;
    let mut expected = Vec::new();
    let mut records = Vec::new();
    for turn in [7, 3, 5] {
        let folder = world.folder(0);
        let medium = medium(folder.id, 1);
        let new = group(folder.id, turn, &["liveness"], &[medium.id]);
        expected.push((turn, folder.id));
        records.push(Record::Folder(Box::new(FolderRecord {
            folder,
            media: vec![MediumRecord(medium)],
            runs: vec![RunRecord {
                id: new.runs[0].id,
                pool: "built-in".to_owned(),
                done: false,
                fence: 0,
                retry_at: None,
                one_by_one: false,
                deaths: 0,
                turn_at: at(turn),
            }],
            analyses: new.runs[0].analyses.iter().cloned().map(AnalysisRecord).collect(),
            groups: vec![GroupRecord(new.group)],
            artifacts: Vec::new(),
        })));
    }
    store.import(records).await.expect("importing works");
    expected.sort_by_key(|(turn, _)| *turn);
    for (turn, folder) in expected {
        assert_eq!(world.claim(10).await.expect("a run waits").folder_id, folder, "turn {turn}");
    }
}

/// An export is a snapshot of the moment when it began, whatever is written while it is read.
pub(crate) async fn export_is_a_snapshot_of_one_moment(store: Arc<dyn Store>) {
    let world = World::new(Arc::clone(&store)).await;
    // More than a backend reads ahead.
    for seconds in 0..170 {
        let folder = world.folder(seconds);
        store
            .create_folder(&folder, &FolderAdditions::default(), None)
            .await
            .expect("creating a folder works");
    }
    let mut records = store.export().await.expect("exporting works");
    records.try_next().await.expect("exporting works").expect("a company comes first");
    let late = world.folder(200);
    store
        .create_folder(&late, &FolderAdditions::default(), None)
        .await
        .expect("creating a folder works");
    let rest: Vec<Record> = records.try_collect().await.expect("exporting works");
    let folders = rest.iter().filter(|record| record.kind() == "folders").count();
    assert_eq!(folders, 170, "later folders are not in it");
    let after = exported(&store).await;
    assert_eq!(after.iter().filter(|record| record.kind() == "folders").count(), 171);
}

/// An import that contains an existing record changes nothing.
pub(crate) async fn failed_import_changes_nothing(store: Arc<dyn Store>) {
    let world = World::new(Arc::clone(&store)).await;
    let mut records = some_records(&world);
    records.push(Record::Company(CompanyRecord(world.company.clone())));
    let before = exported(&store).await;
    store.import(records).await.expect_err("a company is there already");
    assert_eq!(exported(&store).await, before);
}

/// Callers that are polled once and never again hold no connection: a socket or a request may be
/// unpolled for as long as its client does not read.
pub(crate) async fn unpolled_callers_hold_no_connection(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    let read =
        || world.store.folders(Scope::Everything, std::slice::from_ref(&folder.id), Selection::ALL);
    // More than the connections of any backend.
    let mut callers: Vec<_> = (0..300).map(|_| read()).collect();
    for caller in &mut callers {
        let _ = futures::poll!(caller.as_mut());
    }
    let others = tokio::time::timeout(std::time::Duration::from_secs(10), read()).await;
    assert_eq!(others.expect("another caller is answered").expect("reading works").len(), 1);
    world.store.ping().await.expect("the store answers");
    drop(callers);
}
