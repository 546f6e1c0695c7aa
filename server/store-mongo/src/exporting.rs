//! Exporting the whole database as records, and importing records into an empty database.

use super::accounts::forget_after;
use super::api_keys::forget_key;
use super::collections::Collections;
use super::documents::{
    AnalysisDocument, ApiKeyDocument, AuditDocument, AuditHeadDocument, CompanyDocument,
    FolderDocument, GroupDocument, KeyDocument, MediumDocument, Membership, PolicyDocument,
    RunDocument, SessionDocument, TokenDocument, UserDocument, medium_bytes,
};
use super::fault::{Answer, Fault, code, is_duplicate};
use super::sweeping;
use super::transaction::Transaction;
use super::values::{count, id, nanoseconds, typed};
use mongodb::bson::{Document, Uuid, doc};
use mongodb::{ClientSession, Collection};
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};
use tokio::sync::mpsc::Sender;
use vultus_core::rules::{KEEP_IDEMPOTENCY_KEYS, KEEP_SESSIONS};
use vultus_core::{FolderId, RunId};
use vultus_store::StoreError;
use vultus_store::export::{
    AnalysisRecord, ApiKeyRecord, ArtifactRecord, AuditHeadRecord, AuditRecord, CompanyRecord,
    FolderRecord, GroupRecord, IdempotencyRecord, MediumRecord, PolicyRecord, Record,
    SessionRecord, UserRecord,
};
use vultus_store::stored::V1;

/// Folders read with one command. Their JSON is in memory together.
const BATCH: i64 = 10;

/// Code of the server: it has discarded the snapshot.
const SNAPSHOT_TOO_OLD: i32 = 239;

/// Sends all records of one moment: the session reads a snapshot, which the server keeps for five
/// minutes by default.
pub(super) async fn export(
    collections: &Collections,
    session: &mut ClientSession,
    records: &Sender<vultus_store::Result<Record>>,
) -> Answer<()> {
    match export_all(collections, session, records).await {
        Err(Fault::Driver(error)) if code(&error) == Some(SNAPSHOT_TOO_OLD) => {
            Err(Fault::Known(StoreError::Internal {
                context: "exporting the data: the server has discarded the snapshot; raise \
                          minSnapshotHistoryWindowInSeconds and start again"
                    .to_owned(),
                source: Box::new(error),
            }))
        }
        other => other,
    }
}

async fn export_all(
    collections: &Collections,
    session: &mut ClientSession,
    records: &Sender<vultus_store::Result<Record>>,
) -> Answer<()> {
    let by_id = doc! { "_id": 1 };
    for company in all(&collections.companies, doc! {}, by_id.clone(), session).await? {
        give(records, Record::Company(CompanyRecord(company.into()))).await?;
    }
    for user in all(&collections.users, doc! {}, by_id.clone(), session).await? {
        give(records, Record::User(UserRecord(user.into()))).await?;
    }
    for stored in all(&collections.sessions, doc! {}, by_id.clone(), session).await? {
        let of_session = doc! { "session_id": stored.id };
        let tokens = all(&collections.refresh_tokens, of_session, by_id.clone(), session).await?;
        let refresh_tokens = tokens.into_iter().map(|token| (token.sha256, token.used)).collect();
        give(records, Record::Session(SessionRecord { session: stored.into(), refresh_tokens }))
            .await?;
    }
    for stored in all(&collections.api_keys, doc! {}, by_id.clone(), session).await? {
        let sha256 = stored.sha256.clone();
        give(records, Record::ApiKey(ApiKeyRecord { key: stored.into(), sha256 })).await?;
    }
    let by_version = doc! { "company_id": 1, "version": 1 };
    for policy in all(&collections.policies, doc! {}, by_version, session).await? {
        give(records, Record::Policy(PolicyRecord(policy.into()))).await?;
    }
    let mut after: Option<Uuid> = None;
    loop {
        let filter = after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": after } });
        let cursor = collections
            .folders
            .find(filter)
            .sort(by_id.clone())
            .limit(BATCH)
            .session(&mut *session)
            .await?;
        let folders = drain(cursor, session).await?;
        let Some(last) = folders.last() else { break };
        after = Some(last.id);
        for record in folder_records(collections, session, folders).await? {
            give(records, Record::Folder(Box::new(record))).await?;
        }
    }
    let order = doc! { "user_id": 1, "operation": 1, "key": 1 };
    for key in all(&collections.idempotency, doc! {}, order, session).await? {
        give(records, Record::Idempotency(key.into())).await?;
    }
    let entries = collections.audit_entries.find(doc! {}).sort(by_id.clone());
    let mut entries = entries.session(&mut *session).await?;
    while let Some(entry) = entries.next(&mut *session).await.transpose()? {
        give(records, Record::Audit(AuditRecord(entry.into()))).await?;
    }
    for head in all(&collections.audit_heads, doc! {}, by_id, session).await? {
        let AuditHeadDocument { chain, signed, .. } = head;
        give(records, Record::AuditHead(AuditHeadRecord { chain, signed })).await?;
    }
    Ok(())
}

/// Sends a record. Fails if the receiver is gone, which ends the export.
async fn give(records: &Sender<vultus_store::Result<Record>>, record: Record) -> Answer<()> {
    let gone =
        |_| Fault::Known(StoreError::Unavailable("the receiver of the records is gone".to_owned()));
    records.send(Ok(record)).await.map_err(gone)
}

async fn all<T: DeserializeOwned + Send + Sync>(
    collection: &Collection<T>,
    filter: Document,
    order: Document,
    session: &mut ClientSession,
) -> Answer<Vec<T>> {
    let cursor = collection.find(filter).sort(order).session(&mut *session).await?;
    drain(cursor, session).await
}

async fn drain<T: DeserializeOwned>(
    mut cursor: mongodb::SessionCursor<T>,
    session: &mut ClientSession,
) -> Answer<Vec<T>> {
    let mut found = Vec::new();
    while let Some(document) = cursor.next(&mut *session).await.transpose()? {
        found.push(document);
    }
    Ok(found)
}

/// Reads folders with their contents, in order, with a fixed number of commands.
async fn folder_records(
    collections: &Collections,
    session: &mut ClientSession,
    folders: Vec<FolderDocument>,
) -> Answer<Vec<FolderRecord>> {
    let ids: Vec<Uuid> = folders.iter().map(|folder| folder.id).collect();
    let within = doc! { "member.folder_id": { "$in": ids } };
    let order = doc! { "member.folder_id": 1, "member.place": 1 };
    let mut records: Vec<FolderRecord> = folders.into_iter().map(without_members).collect();
    let places: HashMap<FolderId, usize> =
        records.iter().enumerate().map(|(at, record)| (record.folder.id, at)).collect();
    // Each is found, because both are in the same snapshot.
    let place = |folder: FolderId| places.get(&folder).copied().unwrap_or_default();
    for medium in all(&collections.media, within.clone(), order.clone(), session).await? {
        let medium = MediumRecord(medium.into());
        records[place(medium.0.folder_id)].media.push(medium);
    }
    for group in all(&collections.groups, within.clone(), order.clone(), session).await? {
        let group = GroupRecord(group.into());
        records[place(group.0.folder_id)].groups.push(group);
    }
    for run in all(&collections.runs, within.clone(), doc! { "member.place": 1, "_id": 1 }, session)
        .await?
    {
        records[place(typed(run.member.folder_id))].runs.push(run.into());
    }
    for stored in all(&collections.analyses, within, order, session).await? {
        let (analysis, made) = stored.into_parts();
        let record = &mut records[place(analysis.folder_id)];
        record.analyses.push(AnalysisRecord(analysis));
        record.artifacts.extend(made.into_iter().map(ArtifactRecord));
    }
    Ok(records)
}

fn without_members(folder: FolderDocument) -> FolderRecord {
    FolderRecord {
        folder: folder.into(),
        media: Vec::new(),
        groups: Vec::new(),
        runs: Vec::new(),
        analyses: Vec::new(),
        artifacts: Vec::new(),
    }
}

/// Writes records unchanged. Fails without a retry if one exists already.
pub(super) async fn import(transaction: &mut Transaction<'_>, records: &[Record]) -> Answer<()> {
    for record in records {
        let written = match record {
            Record::Company(CompanyRecord(company)) => {
                insert(transaction, |c| &c.companies, vec![CompanyDocument::from(company)]).await
            }
            Record::User(UserRecord(user)) => {
                insert(transaction, |c| &c.users, vec![UserDocument::from(user)]).await
            }
            Record::Session(session) => import_session(transaction, session).await,
            Record::ApiKey(ApiKeyRecord { key, sha256 }) => {
                let document = ApiKeyDocument::new(key, sha256, forget_key(key));
                insert(transaction, |c| &c.api_keys, vec![document]).await
            }
            Record::Policy(PolicyRecord(policy)) => {
                insert(transaction, |c| &c.policies, vec![PolicyDocument::from(policy)]).await
            }
            Record::Folder(folder) => import_folder(transaction, folder).await,
            Record::Idempotency(IdempotencyRecord { key, replay, created_at }) => {
                let document =
                    KeyDocument::new(key, replay, *created_at, forget_after(KEEP_IDEMPOTENCY_KEYS));
                insert(transaction, |c| &c.idempotency, vec![document]).await
            }
            Record::Audit(AuditRecord(entry)) => {
                insert(transaction, |c| &c.audit_entries, vec![AuditDocument::from(entry)]).await
            }
            Record::AuditHead(AuditHeadRecord { chain, signed }) => {
                let signed = signed.clone();
                let head = AuditHeadDocument { chain: *chain, v: V1, signed };
                insert(transaction, |c| &c.audit_heads, vec![head]).await
            }
        };
        written.map_err(|fault| refused(record, fault))?;
    }
    Ok(())
}

fn refused(record: &Record, fault: Fault) -> Fault {
    match fault {
        Fault::Driver(error) if is_duplicate(&error) => Fault::Known(StoreError::Internal {
            context: format!(
                "importing {}: a record with the same id or name exists already",
                record.kind()
            ),
            source: Box::new(error),
        }),
        other => other,
    }
}

async fn insert<T: serde::Serialize + Send + Sync>(
    transaction: &mut Transaction<'_>,
    collection: impl Fn(&Collections) -> &Collection<T>,
    documents: Vec<T>,
) -> Answer<()> {
    if documents.is_empty() {
        return Ok(());
    }
    let Transaction { session, collections, .. } = transaction;
    collection(collections).insert_many(documents).session(session).await?;
    Ok(())
}

async fn import_session(transaction: &mut Transaction<'_>, record: &SessionRecord) -> Answer<()> {
    let session = &record.session;
    let forget_at = forget_after(session.expires_at - session.created_at + KEEP_SESSIONS);
    insert(transaction, |c| &c.sessions, vec![SessionDocument::new(session, forget_at)]).await?;
    let tokens = record.refresh_tokens.iter().map(|(sha256, used)| TokenDocument {
        sha256: sha256.clone(),
        v: V1,
        session_id: id(session.id),
        used: *used,
        used_at: None,
        used_by: None,
        forget_at,
    });
    insert(transaction, |c| &c.refresh_tokens, tokens.collect()).await
}

async fn import_folder(transaction: &mut Transaction<'_>, record: &FolderRecord) -> Answer<()> {
    let folder = &record.folder;
    let mut places = 0_i64..;
    let mut next = || Membership {
        folder_id: id(folder.id),
        company_id: id(folder.company_id),
        owner_id: id(folder.owner_id),
        place: places.next().unwrap_or(i64::MAX),
    };
    let media = record
        .media
        .iter()
        .map(|MediumRecord(medium)| MediumDocument::new(medium, next()))
        .collect();
    let groups =
        record.groups.iter().map(|GroupRecord(group)| GroupDocument::new(group, next())).collect();
    let open_of = |run: RunId| {
        let of_run = record
            .analyses
            .iter()
            .filter(|analysis| analysis.0.run_id == run && !analysis.0.state.is_final());
        count(of_run.count() as u64)
    };
    let runs =
        record.runs.iter().map(|run| RunDocument::imported(run, next(), open_of(run.id))).collect();
    let analyses: Vec<AnalysisDocument> =
        record.analyses.iter().map(|analysis| imported(record, &analysis.0, next())).collect();
    let mut document = FolderDocument::new(folder);
    let open = record.analyses.iter().filter(|analysis| !analysis.0.state.is_final()).count();
    document.open_analyses = count(open as u64);
    let types: BTreeSet<&str> =
        record.analyses.iter().map(|analysis| analysis.0.kind.as_str()).collect();
    document.analysis_types = types.into_iter().map(str::to_owned).collect();
    document.asked_at =
        record.analyses.iter().map(|analysis| nanoseconds(analysis.0.created_at)).max();
    document.members = next().place;
    document.media_bytes =
        record.media.iter().map(|medium| medium_bytes(&medium.0)).fold(0, i64::saturating_add);
    let of_media = record
        .media
        .iter()
        .flat_map(|medium| std::iter::once(&medium.0.blob_key).chain(&medium.0.thumbnail_key));
    let keys: Vec<&str> = of_media
        .chain(record.artifacts.iter().map(|made| &made.0.blob_key))
        .map(String::as_str)
        .collect();
    sweeping::reference(transaction, &keys).await?;
    insert(transaction, |c| &c.folders, vec![document]).await?;
    insert(transaction, |c| &c.media, media).await?;
    insert(transaction, |c| &c.groups, groups).await?;
    insert(transaction, |c| &c.runs, runs).await?;
    insert(transaction, |c| &c.analyses, analyses).await
}

fn imported(
    record: &FolderRecord,
    analysis: &vultus_core::Analysis,
    member: Membership,
) -> AnalysisDocument {
    let mut document = AnalysisDocument::new(analysis, member);
    let own = record.artifacts.iter().filter(|made| made.0.analysis_id == analysis.id);
    document.artifacts = own.map(|made| (&made.0).into()).collect();
    document
}
