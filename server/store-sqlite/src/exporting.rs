//! Exporting the whole file as records, and importing records into an empty file.

use super::documents::{GroupAnalyses, StoredReplay};
use super::fault::Answer;
use super::rows::{self, all, change};
use super::values::{document, nanoseconds, optional_time, parsed, time};
use super::{accounts, api_keys, audit, cases, folders, policies, sessions};
use rusqlite::{Connection, Row, params};
use vultus_core::{FolderId, Part};
use vultus_store::export::{
    AnalysisRecord, ArtifactRecord, AuditHeadRecord, AuditRecord, CompanyRecord, FolderRecord,
    GroupRecord, IdempotencyRecord, MediumRecord, PolicyRecord, Record, RunRecord, UserRecord,
};
use vultus_store::{FolderContents, IdempotencyKey, Scope, Selection};

/// Ids of folders read with one statement.
const BATCH: u32 = 100;

/// Passes all records to `give`, until it returns false.
pub(super) fn export(connection: &Connection, give: &mut dyn FnMut(Record) -> bool) -> Answer<()> {
    let mut some = accounts::companies(connection)?
        .into_iter()
        .map(|company| Record::Company(CompanyRecord(company)))
        .collect::<Vec<_>>();
    some.extend(
        accounts::all_users(connection)?.into_iter().map(|user| Record::User(UserRecord(user))),
    );
    some.extend(sessions::all_sessions(connection)?.into_iter().map(Record::Session));
    some.extend(api_keys::all_api_keys(connection)?.into_iter().map(Record::ApiKey));
    some.extend(
        policies::all_policies(connection)?
            .into_iter()
            .map(|policy| Record::Policy(PolicyRecord(policy))),
    );
    for record in some {
        if !give(record) {
            return Ok(());
        }
    }
    let mut after: Option<FolderId> = None;
    loop {
        let ids = folders::folder_ids(connection, after, BATCH)?;
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        // One at a time: the JSON of many folders may not fit into memory.
        for id in ids {
            let found = folders::folders(connection, Scope::Everything, &[id], Selection::ALL)?;
            for contents in found {
                if !give(Record::Folder(Box::new(folder_record(connection, contents)?))) {
                    return Ok(());
                }
            }
        }
    }
    let sql = "SELECT user_id, operation, key, fingerprint, replay_doc, created_at
               FROM idempotency ORDER BY user_id, operation, key";
    for record in all(connection, sql, (), idempotency)? {
        if !give(Record::Idempotency(record)) {
            return Ok(());
        }
    }
    audit::export(connection, &mut |entry| give(Record::Audit(AuditRecord(entry))))?;
    for (chain, signed) in audit::signed_heads(connection)? {
        if !give(Record::AuditHead(AuditHeadRecord { chain, signed })) {
            return Ok(());
        }
    }
    Ok(())
}

fn folder_record(connection: &Connection, contents: FolderContents) -> Answer<FolderRecord> {
    let id = contents.folder.id;
    let sql = "SELECT id, pool, state = 'DONE', fence, retry_at, one_by_one, deaths, turn_at
               FROM runs WHERE folder_id = ?1 ORDER BY row";
    Ok(FolderRecord {
        groups: folders::groups(connection, Scope::Everything, id)?
            .into_iter()
            .map(GroupRecord)
            .collect(),
        runs: all(connection, sql, [id.to_string()], run)?,
        folder: contents.folder,
        media: members(contents.media).map(MediumRecord).collect(),
        analyses: members(contents.analyses).map(AnalysisRecord).collect(),
        artifacts: members(contents.artifacts).map(ArtifactRecord).collect(),
    })
}

fn members<T>(part: Part<Vec<T>>) -> impl Iterator<Item = T> {
    part.into_option().into_iter().flatten()
}

fn run(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: parsed(row, 0)?,
        pool: row.get(1)?,
        done: row.get(2)?,
        fence: row.get(3)?,
        retry_at: optional_time(row, 4)?,
        one_by_one: row.get(5)?,
        deaths: row.get(6)?,
        turn_at: time(row, 7)?,
    })
}

fn idempotency(row: &Row<'_>) -> rusqlite::Result<IdempotencyRecord> {
    let key = IdempotencyKey {
        user_id: parsed(row, 0)?,
        operation: row.get(1)?,
        key: row.get(2)?,
        fingerprint: row.get(3)?,
    };
    Ok(IdempotencyRecord {
        key,
        replay: document::<StoredReplay>(row, 4)?.into(),
        created_at: time(row, 5)?,
    })
}

/// Writes records unchanged.
pub(super) fn import(connection: &Connection, records: &[Record]) -> Answer<()> {
    for record in records {
        match record {
            Record::Company(CompanyRecord(company)) => {
                accounts::create_company(connection, company)?
            }
            Record::User(UserRecord(user)) => accounts::insert_user(connection, user)?,
            Record::Session(session) => sessions::insert_session(connection, session)?,
            Record::ApiKey(key) => api_keys::insert_api_key(connection, key)?,
            Record::Policy(PolicyRecord(policy)) => policies::insert(connection, policy)?,
            Record::Folder(folder) => import_folder(connection, folder)?,
            Record::Idempotency(record) => import_idempotency(connection, record)?,
            Record::Audit(AuditRecord(entry)) => audit::insert(connection, entry)?,
            Record::AuditHead(AuditHeadRecord { chain, signed }) => {
                audit::keep_signed_head(connection, *chain, signed)?;
            }
        }
    }
    Ok(())
}

fn import_folder(connection: &Connection, record: &FolderRecord) -> Answer<()> {
    let id = record.folder.id;
    rows::insert_folder(connection, &record.folder)?;
    for MediumRecord(medium) in &record.media {
        rows::insert_medium(connection, id, medium)?;
    }
    for GroupRecord(group) in &record.groups {
        let analyses = serde_json::to_string(&GroupAnalyses::new(&group.analyses))?;
        let sql = "INSERT INTO analysis_groups (id, folder_id, analyses_doc, created_at)
                   VALUES (?1, ?2, ?3, ?4)";
        change(
            connection,
            sql,
            (group.id.to_string(), id.to_string(), analyses, nanoseconds(group.created_at)),
        )?;
    }
    for run in &record.runs {
        let sql = "INSERT INTO runs
                   (id, folder_id, pool, state, fence, retry_at, one_by_one, deaths, turn_at,
                    company_id)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let state = if run.done { "DONE" } else { "QUEUED" };
        let (retry_at, turn_at) = (run.retry_at.map(nanoseconds), nanoseconds(run.turn_at));
        let arguments = params![
            run.id.to_string(),
            id.to_string(),
            run.pool,
            state,
            run.fence,
            retry_at,
            run.one_by_one,
            run.deaths,
            turn_at,
            record.folder.company_id.to_string(),
        ];
        change(connection, sql, arguments)?;
    }
    for AnalysisRecord(analysis) in &record.analyses {
        rows::insert_analysis(connection, id, analysis)?;
        cases::keep(connection, analysis)?;
    }
    for ArtifactRecord(artifact) in &record.artifacts {
        rows::insert_artifact(connection, artifact)?;
    }
    Ok(())
}

fn import_idempotency(connection: &Connection, record: &IdempotencyRecord) -> Answer<()> {
    let IdempotencyRecord { key, replay, created_at } = record;
    let replay = serde_json::to_string(&StoredReplay::from(replay.clone()))?;
    let sql =
        "INSERT INTO idempotency (user_id, operation, key, fingerprint, replay_doc, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let arguments = params![
        key.user_id.to_string(),
        key.operation,
        key.key,
        key.fingerprint,
        replay,
        nanoseconds(*created_at)
    ];
    change(connection, sql, arguments)?;
    Ok(())
}
