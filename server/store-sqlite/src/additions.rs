//! What makes things in a folder: the folder itself, its media, its analyses, at most once per
//! idempotency key.

use super::documents::{GroupAnalyses, StoredReplay};
use super::fault::Answer;
use super::folders::touch;
use super::rows::{self, change, optional};
use super::scope;
use super::sweeping::refuse_swept;
use super::values::{document, json_list, nanoseconds};
use super::writer::Effects;
use rusqlite::{Connection, params};
use std::collections::HashSet;
use time::{Duration, OffsetDateTime};
use vultus_core::{Folder, FolderId};
use vultus_store::StoreError;
use vultus_store::events::FolderChange;
use vultus_store::{Created, FolderAdditions, IdempotencyKey, NewGroup, Replay, Scope};

/// Idempotency keys are kept for this long at least; the next use of any key clears older ones.
const KEEP_KEYS: Duration = Duration::hours(48);

pub(super) fn create_folder(
    connection: &Connection,
    effects: &mut Effects,
    folder: &Folder,
    additions: &FolderAdditions,
    key: Option<&IdempotencyKey>,
) -> Answer<Created> {
    if let Some(replay) = replayed(connection, key)? {
        return Ok(Created::Replayed(replay));
    }
    if let Some(external_id) = &folder.external_id {
        refuse_duplicate(connection, folder, external_id)?;
    }
    let newest_medium = additions.media.iter().map(|medium| medium.created_at).max();
    let media_changed_at = folder.media_changed_at.max(newest_medium);
    let stored = Folder { media_changed_at, revision: folder.revision.max(1), ..folder.clone() };
    rows::insert_folder(connection, &stored)?;
    add(connection, effects, folder.id, additions)?;
    effects.changes.push(FolderChange {
        folder_id: folder.id,
        revision: stored.revision,
        may_settle: true,
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
        return Ok(Created::Replayed(replay));
    }
    let folder = scope::folder(connection, scope, id)?;
    add(connection, effects, id, additions)?;
    let newest_medium = additions.media.iter().map(|medium| medium.created_at).max();
    if let Some(newest) =
        newest_medium.filter(|newest| folder.media_changed_at.is_none_or(|before| before < *newest))
    {
        // Later than every analysis asked for in other requests: while these media were on their
        // way, none of those could take them.
        let sql = "UPDATE folders SET media_changed_at = max(?2,
            (SELECT ifnull(max(created_at) + 1, 0) FROM analyses WHERE folder_id = ?1 AND group_id IS NOT ?3)) WHERE id = ?1";
        let group = additions.group.as_ref().map(|new| new.group.id.to_string());
        change(connection, sql, (id.to_string(), nanoseconds(newest), group))?;
    }
    if additions.group.as_ref().is_some_and(|new| new.media_seen != folder.media_changed_at) {
        // A medium came or went between the look at the folder and this commit: later than these
        // analyses, which could not heed it.
        let sql = "UPDATE folders SET media_changed_at = max(ifnull(media_changed_at, 0),
            (SELECT ifnull(max(created_at) + 1, 0) FROM analyses WHERE folder_id = ?1)) WHERE id = ?1";
        change(connection, sql, [id.to_string()])?;
    }
    let asked = additions.group.as_ref().map(|new| new.group.created_at);
    let now = additions.now.or(asked).or(newest_medium);
    touch(connection, effects, id, now)?;
    remember(connection, key, id, additions, now.unwrap_or(folder.updated_at))?;
    Ok(Created::New)
}

/// Refuses a folder whose external id another folder of the company has.
pub(super) fn refuse_duplicate(
    connection: &Connection,
    folder: &Folder,
    external_id: &str,
) -> Answer<()> {
    let sql = "SELECT id FROM folders WHERE company_id = ?1 AND external_id = ?2 AND id <> ?3";
    let arguments = (folder.company_id.to_string(), external_id, folder.id.to_string());
    match optional(connection, sql, arguments, |row| row.get(0))? {
        Some(existing) => Err(StoreError::Duplicate { what: "externalId", existing }.into()),
        None => Ok(()),
    }
}

fn add(
    connection: &Connection,
    effects: &mut Effects,
    folder: FolderId,
    additions: &FolderAdditions,
) -> Answer<()> {
    for medium in &additions.media {
        refuse_swept(connection, &medium.blob_key)?;
        if let Some(key) = &medium.thumbnail_key {
            refuse_swept(connection, key)?;
        }
        rows::insert_medium(connection, folder, medium)?;
    }
    match &additions.group {
        Some(new) => add_group(connection, effects, folder, new),
        None => Ok(()),
    }
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
        "INSERT INTO analysis_groups (id, folder_id, analyses_doc, created_at) VALUES (?1, ?2, ?3, ?4)",
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
            "INSERT INTO runs (id, folder_id, pool, state, created_at) VALUES (?1, ?2, ?3, 'QUEUED', ?4)",
            params![run.id.to_string(), folder.to_string(), run.pool, nanoseconds(run.turn_at)],
        )?;
        for analysis in &run.analyses {
            rows::insert_analysis(connection, folder, analysis)?;
        }
        effects.run_waiting = true;
    }
    Ok(())
}

/// A medium may have been deleted since the request looked at the folder.
fn refuse_missing_media(connection: &Connection, folder: FolderId, new: &NewGroup) -> Answer<()> {
    let analyses = new.runs.iter().flat_map(|run| &run.analyses);
    let taken: HashSet<_> =
        analyses.flat_map(|analysis| &analysis.media).map(|taken| taken.media_id).collect();
    let sql = "SELECT count(*) FROM json_each(?1) wanted JOIN media m ON m.id = wanted.value AND m.folder_id = ?2";
    let arguments = (json_list(&taken), folder.to_string());
    let found: usize = connection.prepare_cached(sql)?.query_row(arguments, |row| row.get(0))?;
    if found == taken.len() { Ok(()) } else { Err(StoreError::NotFound("medium").into()) }
}

/// What the key made before; another request's key is refused.
fn replayed(connection: &Connection, key: Option<&IdempotencyKey>) -> Answer<Option<Replay>> {
    let Some(key) = key else { return Ok(None) };
    let sql = "SELECT fingerprint, replay_doc FROM idempotency WHERE user_id = ?1 AND operation = ?2 AND key = ?3";
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

/// What the key made before, for those who ask first.
pub(super) fn replay(connection: &Connection, key: &IdempotencyKey) -> Answer<Option<Replay>> {
    replayed(connection, Some(key))
}

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
        "DELETE FROM idempotency WHERE created_at < ?1",
        [nanoseconds(now - KEEP_KEYS)],
    )?;
    change(
        connection,
        "INSERT INTO idempotency (user_id, operation, key, fingerprint, replay_doc, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
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
