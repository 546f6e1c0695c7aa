//! All of the database as records, and records into an empty one.

use super::accounts::{KEEP, forget_after};
use super::additions::KEEP_KEYS;
use super::collections::Collections;
use super::documents::{
    AnalysisDocument, CompanyDocument, FolderDocument, GroupDocument, KeyDocument, MediumDocument, Membership, RunDocument,
    SessionDocument, TokenDocument, UserDocument,
};
use super::fault::{Answer, Fault, is_duplicate};
use super::sweeping;
use super::transaction::Transaction;
use super::values::{V1, count, id, nanoseconds};
use crate::export::{
    AnalysisRecord, ArtifactRecord, CompanyRecord, FolderRecord, GroupRecord, IdempotencyRecord, MediumRecord, Record, RunRecord,
    SessionRecord, UserRecord,
};
use crate::traits::StoreError;
use mongodb::bson::{Document, Uuid, doc};
use mongodb::{ClientSession, Collection};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use tokio::sync::mpsc::Sender;
use vultus_core::RunId;

/// Folders that are read at a time.
const BATCH: i64 = 100;

/// All records as of one moment: the session reads one snapshot, which the server keeps for five minutes unless it is told otherwise.
pub(super) async fn export(
    collections: &Collections,
    session: &mut ClientSession,
    records: &Sender<crate::Result<Record>>,
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
        give(records, Record::Session(SessionRecord { session: stored.into(), refresh_tokens })).await?;
    }
    let mut after: Option<Uuid> = None;
    loop {
        let filter = after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": after } });
        let cursor = collections.folders.find(filter).sort(by_id.clone()).limit(BATCH).session(&mut *session).await?;
        let folders = drain(cursor, session).await?;
        let Some(last) = folders.last() else { break };
        after = Some(last.id);
        for folder in folders {
            let record = folder_record(collections, session, folder).await?;
            give(records, Record::Folder(Box::new(record))).await?;
        }
    }
    let order = doc! { "user_id": 1, "operation": 1, "key": 1 };
    for key in all(&collections.idempotency, doc! {}, order, session).await? {
        give(records, Record::Idempotency(key.into())).await?;
    }
    Ok(())
}

/// Nobody takes more: ends the reading.
async fn give(records: &Sender<crate::Result<Record>>, record: Record) -> Answer<()> {
    let gone = |_| Fault::Known(StoreError::Unavailable("nobody takes the records".to_owned()));
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

async fn drain<T: DeserializeOwned>(mut cursor: mongodb::SessionCursor<T>, session: &mut ClientSession) -> Answer<Vec<T>> {
    let mut found = Vec::new();
    while let Some(document) = cursor.next(&mut *session).await.transpose()? {
        found.push(document);
    }
    Ok(found)
}

async fn folder_record(collections: &Collections, session: &mut ClientSession, folder: FolderDocument) -> Answer<FolderRecord> {
    let within = doc! { "member.folder_id": folder.id };
    let order = doc! { "member.folder_id": 1, "member.place": 1 };
    let media = all(&collections.media, within.clone(), order.clone(), session).await?;
    let groups = all(&collections.groups, within.clone(), order.clone(), session).await?;
    let runs = all(&collections.runs, within.clone(), doc! { "member.place": 1, "_id": 1 }, session).await?;
    let (mut analyses, mut artifacts) = (Vec::new(), Vec::new());
    for stored in all(&collections.analyses, within, order, session).await? {
        let (analysis, made) = stored.into_parts();
        analyses.push(AnalysisRecord(analysis));
        artifacts.extend(made.into_iter().map(ArtifactRecord));
    }
    Ok(FolderRecord {
        folder: folder.into(),
        media: media.into_iter().map(|medium| MediumRecord(medium.into())).collect(),
        groups: groups.into_iter().map(|group| GroupRecord(group.into())).collect(),
        runs: runs.into_iter().map(RunRecord::from).collect(),
        analyses,
        artifacts,
    })
}

/// Writes records as they were. What is there already ends it: another attempt would meet it again.
pub(super) async fn import(transaction: &mut Transaction, records: &[Record]) -> Answer<()> {
    for record in records {
        let written = match record {
            Record::Company(CompanyRecord(company)) => {
                insert(transaction, |c| &c.companies, vec![CompanyDocument::from(company)]).await
            }
            Record::User(UserRecord(user)) => insert(transaction, |c| &c.users, vec![UserDocument::from(user)]).await,
            Record::Session(session) => import_session(transaction, session).await,
            Record::Folder(folder) => import_folder(transaction, folder).await,
            Record::Idempotency(IdempotencyRecord { key, replay, created_at }) => {
                let document = KeyDocument::new(key, replay, *created_at, forget_after(KEEP_KEYS));
                insert(transaction, |c| &c.idempotency, vec![document]).await
            }
        };
        written.map_err(|fault| refused(record, fault))?;
    }
    Ok(())
}

fn refused(record: &Record, fault: Fault) -> Fault {
    match fault {
        Fault::Driver(error) if is_duplicate(&error) => Fault::Known(StoreError::Internal {
            context: format!("importing {}: something with the same id or name is there already", record.kind()),
            source: Box::new(error),
        }),
        other => other,
    }
}

async fn insert<T: serde::Serialize + Send + Sync>(
    transaction: &mut Transaction,
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

async fn import_session(transaction: &mut Transaction, record: &SessionRecord) -> Answer<()> {
    let session = &record.session;
    let forget_at = forget_after(session.expires_at - session.created_at + KEEP);
    insert(transaction, |c| &c.sessions, vec![SessionDocument::new(session, forget_at)]).await?;
    let tokens = record.refresh_tokens.iter().map(|(sha256, used)| TokenDocument {
        sha256: sha256.clone(),
        v: V1,
        session_id: id(session.id),
        used: *used,
        forget_at,
    });
    insert(transaction, |c| &c.refresh_tokens, tokens.collect()).await
}

async fn import_folder(transaction: &mut Transaction, record: &FolderRecord) -> Answer<()> {
    let folder = &record.folder;
    let mut places = 0_i64..;
    let mut next = || Membership {
        folder_id: id(folder.id),
        company_id: id(folder.company_id),
        owner_id: id(folder.owner_id),
        place: places.next().unwrap_or(i64::MAX),
    };
    let media = record.media.iter().map(|MediumRecord(medium)| MediumDocument::new(medium, next())).collect();
    let groups = record.groups.iter().map(|GroupRecord(group)| GroupDocument::new(group, next())).collect();
    let open_of = |run: RunId| {
        let of_run = record.analyses.iter().filter(|analysis| analysis.0.run_id == run && !analysis.0.state.is_final());
        count(of_run.count() as u64)
    };
    let runs = record.runs.iter().map(|run| RunDocument::imported(run, next(), open_of(run.id))).collect();
    let analyses: Vec<AnalysisDocument> = record.analyses.iter().map(|analysis| imported(record, &analysis.0, next())).collect();
    let mut document = FolderDocument::new(folder);
    let open = record.analyses.iter().filter(|analysis| !analysis.0.state.is_final()).count();
    document.open_analyses = count(open as u64);
    let types: BTreeSet<&str> = record.analyses.iter().map(|analysis| analysis.0.kind.as_str()).collect();
    document.analysis_types = types.into_iter().map(str::to_owned).collect();
    document.asked_at = record.analyses.iter().map(|analysis| nanoseconds(analysis.0.created_at)).max();
    document.members = next().place;
    let of_media = record.media.iter().flat_map(|medium| std::iter::once(&medium.0.blob_key).chain(&medium.0.thumbnail_key));
    let keys: Vec<&str> = of_media.chain(record.artifacts.iter().map(|made| &made.0.blob_key)).map(String::as_str).collect();
    sweeping::reference(transaction, &keys).await?;
    insert(transaction, |c| &c.folders, vec![document]).await?;
    insert(transaction, |c| &c.media, media).await?;
    insert(transaction, |c| &c.groups, groups).await?;
    insert(transaction, |c| &c.runs, runs).await?;
    insert(transaction, |c| &c.analyses, analyses).await
}

fn imported(record: &FolderRecord, analysis: &vultus_core::Analysis, member: Membership) -> AnalysisDocument {
    let mut document = AnalysisDocument::new(analysis, member);
    let own = record.artifacts.iter().filter(|made| made.0.analysis_id == analysis.id);
    document.artifacts = own.map(|made| (&made.0).into()).collect();
    document
}
