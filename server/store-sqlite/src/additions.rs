//! Creating folders, media and analyses, at most once per idempotency key.

use super::accounts::company;
use super::documents::{GroupAnalyses, StoredReplay};
use super::fault::Answer;
use super::folder_state::{Settles, newest_analysis, refuse_duplicate, touch};
use super::rows::{self, change, optional};
use super::scope;
use super::sweeping::refuse_swept;
use super::values::{document, json_list, nanoseconds};
use super::writer::Effects;
use rusqlite::{Connection, params};
use std::collections::HashSet;
use time::OffsetDateTime;
use vultus_core::rules::{media_changed_by_addition, media_changed_by_plan};
use vultus_core::{Folder, FolderId};
use vultus_store::StoreError;
use vultus_store::events::FolderChange;
use vultus_store::{Created, FolderAdditions, IdempotencyKey, NewGroup, Replay, Scope};

pub(super) fn create_folder(
    connection: &Connection,
    effects: &mut Effects,
    folder: &Folder,
    additions: &FolderAdditions,
    key: Option<&IdempotencyKey>,
) -> Answer<Created> {
    if let Some(replay) = replayed(connection, key)? {
        effects.unchanged = true;
        return Ok(Created::Replayed(replay));
    }
    if let Some(external_id) = &folder.external_id {
        refuse_duplicate(connection, folder, external_id)?;
    }
    if company(connection, folder.company_id)?.deleting_at.is_some() {
        return Err(StoreError::BeingErased.into());
    }
    let newest_medium = additions.media.iter().map(|medium| medium.created_at).max();
    let media_changed_at = folder.media_changed_at.max(newest_medium);
    let stored = Folder { media_changed_at, revision: folder.revision.max(1), ..folder.clone() };
    rows::insert_folder(connection, &stored)?;
    add(connection, effects, folder.id, additions)?;
    effects.changes.push(FolderChange {
        folder_id: folder.id,
        revision: stored.revision,
        may_settle: false,
    });
    remember(connection, key, folder.id, additions, additions.now.unwrap_or(folder.created_at))?;
    Ok(Created::New)
}

pub(super) fn add_to_folder(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: FolderId,
    additions: &FolderAdditions,
    key: Option<&IdempotencyKey>,
) -> Answer<Created> {
    if let Some(replay) = replayed(connection, key)? {
        effects.unchanged = true;
        return Ok(Created::Replayed(replay));
    }
    let folder = scope::folder(connection, scope, id)?;
    add(connection, effects, id, additions)?;
    let newest_medium = additions.media.iter().map(|medium| medium.created_at).max();
    let changed_at = media_changed_at(connection, &folder, additions, newest_medium)?;
    if changed_at != folder.media_changed_at {
        let sql = "UPDATE folders SET media_changed_at = ?2 WHERE id = ?1";
        change(connection, sql, (id.to_string(), changed_at.map(nanoseconds)))?;
    }
    let requested = additions.group.as_ref().map(|new| new.group.created_at);
    let now = additions.now.or(requested).or(newest_medium);
    touch(connection, effects, id, Settles::No, now)?;
    remember(connection, key, id, additions, now.unwrap_or(folder.updated_at))?;
    Ok(Created::New)
}

/// When the folder's media count as changed after the additions, which are stored already.
fn media_changed_at(
    connection: &Connection,
    folder: &Folder,
    additions: &FolderAdditions,
    newest_medium: Option<OffsetDateTime>,
) -> Answer<Option<OffsetDateTime>> {
    let stored = folder.media_changed_at;
    let group = additions.group.as_ref();
    let own = group.map(|new| new.group.id);
    let others_requested_at = newest_analysis(connection, folder.id, own)?;
    let changed_at = media_changed_by_addition(stored, newest_medium, others_requested_at);
    let Some(new) = group else { return Ok(changed_at) };
    let requested_at = newest_analysis(connection, folder.id, None)?;
    Ok(media_changed_by_plan(changed_at, stored, new.media_seen, requested_at))
}

fn add(
    connection: &Connection,
    effects: &mut Effects,
    folder: FolderId,
    additions: &FolderAdditions,
) -> Answer<()> {
    refuse_too_many_media(connection, folder, additions)?;
    for medium in &additions.media {
        refuse_swept(connection, &medium.blob_key)?;
        if let Some(key) = &medium.thumbnail_key {
            refuse_swept(connection, key)?;
        }
        rows::insert_medium(connection, folder, medium)?;
    }
    match &additions.group {
        Some(new) => {
            refuse_too_many_analyses(connection, folder, new, additions.most_analyses)?;
            add_group(connection, effects, folder, new)
        }
        None => Ok(()),
    }
}

/// Fails if the folder would hold more media than the request allows. Concurrent requests have
/// looked before they were uploaded, so that only the commit can tell.
fn refuse_too_many_media(
    connection: &Connection,
    folder: FolderId,
    additions: &FolderAdditions,
) -> Answer<()> {
    let Some(most) = additions.most_media.filter(|_| !additions.media.is_empty()) else {
        return Ok(());
    };
    let sql = "SELECT count(*) FROM media WHERE folder_id = ?1";
    let present: usize =
        connection.prepare_cached(sql)?.query_row([folder.to_string()], |row| row.get(0))?;
    if present + additions.media.len() <= most {
        return Ok(());
    }
    Err(StoreError::TooManyMedia { most, present }.into())
}

/// Fails if the folder would hold more analyses than the request allows.
fn refuse_too_many_analyses(
    connection: &Connection,
    folder: FolderId,
    new: &NewGroup,
    most: Option<usize>,
) -> Answer<()> {
    let more: usize = new.runs.iter().map(|run| run.analyses.len()).sum();
    let Some(most) = most.filter(|_| more > 0) else { return Ok(()) };
    let sql = "SELECT count(*) FROM analyses WHERE folder_id = ?1";
    let present: usize =
        connection.prepare_cached(sql)?.query_row([folder.to_string()], |row| row.get(0))?;
    if present + more <= most {
        return Ok(());
    }
    Err(StoreError::TooManyAnalyses { most, present }.into())
}

fn add_group(
    connection: &Connection,
    effects: &mut Effects,
    folder: FolderId,
    new: &NewGroup,
) -> Answer<()> {
    refuse_missing_media(connection, folder, new)?;
    let group = &new.group;
    change(
        connection,
        "INSERT INTO analysis_groups (id, folder_id, analyses_doc, created_at)
         VALUES (?1, ?2, ?3, ?4)",
        params![
            group.id.to_string(),
            folder.to_string(),
            serde_json::to_string(&GroupAnalyses::new(&group.analyses))?,
            nanoseconds(group.created_at),
        ],
    )?;
    for run in &new.runs {
        change(
            connection,
            "INSERT INTO runs (id, folder_id, company_id, pool, state, turn_at)
             VALUES (?1, ?2, (SELECT company_id FROM folders WHERE id = ?2), ?3, 'QUEUED', ?4)",
            params![run.id.to_string(), folder.to_string(), run.pool, nanoseconds(run.turn_at)],
        )?;
        for analysis in &run.analyses {
            rows::insert_analysis(connection, folder, analysis)?;
        }
        effects.run_waiting = true;
    }
    Ok(())
}

/// Fails if a medium was deleted after the request read the folder.
fn refuse_missing_media(connection: &Connection, folder: FolderId, new: &NewGroup) -> Answer<()> {
    let analyses = new.runs.iter().flat_map(|run| &run.analyses);
    let taken: HashSet<_> =
        analyses.flat_map(|analysis| &analysis.media).map(|taken| taken.media_id).collect();
    let sql = "SELECT count(*) FROM json_each(?1) wanted
               JOIN media m ON m.id = wanted.value AND m.folder_id = ?2";
    let arguments = (json_list(&taken), folder.to_string());
    let found: usize = connection.prepare_cached(sql)?.query_row(arguments, |row| row.get(0))?;
    if found == taken.len() { Ok(()) } else { Err(StoreError::NotFound("medium").into()) }
}

/// What an earlier request with this key created. Fails if that was a different request.
fn replayed(connection: &Connection, key: Option<&IdempotencyKey>) -> Answer<Option<Replay>> {
    let Some(key) = key else { return Ok(None) };
    let sql = "SELECT fingerprint, replay_doc FROM idempotency
               WHERE user_id = ?1 AND operation = ?2 AND key = ?3";
    let arguments = (key.user_id.to_string(), &key.operation, &key.key);
    let found = optional(connection, sql, arguments, |row| {
        Ok((row.get::<_, String>(0)?, document::<StoredReplay>(row, 1)?))
    })?;
    match found {
        Some((fingerprint, _)) if fingerprint != key.fingerprint => {
            Err(StoreError::IdempotencyMismatch.into())
        }
        Some((_, replay)) => Ok(Some(replay.into())),
        None => Ok(None),
    }
}

/// What an earlier request with this key created.
pub(super) fn replay(connection: &Connection, key: &IdempotencyKey) -> Answer<Option<Replay>> {
    replayed(connection, Some(key))
}

/// Stores what the request created under its key.
fn remember(
    connection: &Connection,
    key: Option<&IdempotencyKey>,
    folder: FolderId,
    additions: &FolderAdditions,
    now: OffsetDateTime,
) -> Answer<()> {
    let Some(key) = key else { return Ok(()) };
    change(
        connection,
        "INSERT INTO idempotency (user_id, operation, key, fingerprint, replay_doc, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            key.user_id.to_string(),
            key.operation,
            key.key,
            key.fingerprint,
            serde_json::to_string(&StoredReplay::from(Replay::of(folder, additions)))?,
            nanoseconds(now),
        ],
    )?;
    Ok(())
}
