//! Erasing media and folders with everything that came from them.

use super::cases;
use super::documents::AnalysisOutcome;
use super::fault::Answer;
use super::folder_state::{Settles, newest_analysis, touch};
use super::folders::medium;
use super::results::cancel;
use super::rows::{self, all, change};
use super::scope;
use super::sweeping::tombstone_unreferenced as tombstone;
use super::values::nanoseconds;
use super::writer::Effects;
use rusqlite::{Connection, params};
use time::{Duration, OffsetDateTime};
use vultus_core::rules::media_changed_by_deletion;
use vultus_core::{Analysis, Folder, FolderId, MediaId};
use vultus_store::StoreError;
use vultus_store::events::FolderChange;
use vultus_store::{Orphans, Scope};

/// No tombstone of a killed deletion is replaced: what was referenced until now has none.
const NEVER: Duration = Duration::ZERO;

/// Deletes a medium, and erases the details of the analyses that took it.
pub(super) fn delete_medium(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: MediaId,
    now: OffsetDateTime,
) -> Answer<(Folder, Orphans)> {
    let medium = medium(connection, scope, id)?.ok_or(StoreError::NotFound("medium"))?;
    let mut keys: Vec<String> =
        std::iter::once(medium.blob_key).chain(medium.thumbnail_key).collect();
    for mut analysis in analyses_of(connection, medium.folder_id, id)? {
        if !analysis.state.is_final() {
            cancel(connection, &analysis, now)?;
        }
        keys.extend(delete_artifacts(connection, &analysis)?);
        analysis.erase_details(now);
        write_details(connection, &analysis)?;
    }
    change(connection, "DELETE FROM media WHERE id = ?1", [id.to_string()])?;
    let before = scope::folder(connection, scope, medium.folder_id)?.media_changed_at;
    let requested_at = newest_analysis(connection, medium.folder_id, None)?;
    let changed_at = media_changed_by_deletion(before, now, requested_at);
    let sql = "UPDATE folders SET media_changed_at = ?2 WHERE id = ?1";
    change(connection, sql, (medium.folder_id.to_string(), nanoseconds(changed_at)))?;
    touch(connection, effects, medium.folder_id, Settles::Maybe, Some(now))?;
    let orphans = Orphans { tombstones: tombstone(connection, &keys, now, NEVER)? };
    Ok((scope::folder(connection, scope, medium.folder_id)?, orphans))
}

/// The analyses of a folder that took a medium.
fn analyses_of(
    connection: &Connection,
    folder: FolderId,
    medium: MediaId,
) -> Answer<Vec<Analysis>> {
    let sql = format!(
        "SELECT {} FROM analyses a WHERE a.folder_id = ?1 AND EXISTS (
             SELECT 1 FROM json_each(a.request_doc, '$.media') taken
             WHERE json_extract(taken.value, '$.media_id') = ?2)
         ORDER BY a.row",
        rows::ANALYSIS
    );
    all(connection, &sql, (folder.to_string(), medium.to_string()), rows::analysis)
}

/// Deletes the artifacts of an analysis. Returns their blob keys.
fn delete_artifacts(connection: &Connection, analysis: &Analysis) -> Answer<Vec<String>> {
    let sql = "DELETE FROM artifacts WHERE analysis_id = ?1 RETURNING blob_key";
    all(connection, sql, [analysis.id.to_string()], |row| row.get(0))
}

/// Replaces what an analysis says about its media by what is left of it.
fn write_details(connection: &Connection, analysis: &Analysis) -> Answer<()> {
    let outcome =
        AnalysisOutcome::new(&analysis.reasons, analysis.failure.as_ref(), &analysis.provenance);
    let sql = "UPDATE analyses SET outcome_doc = ?2, result = NULL, details_erased_at = ?3,
               revision = revision + 1 WHERE id = ?1";
    let erased_at = analysis.details_erased_at.map(nanoseconds);
    let outcome = serde_json::to_string(&outcome)?;
    change(connection, sql, params![analysis.id.to_string(), outcome, erased_at])?;
    cases::keep(connection, analysis)
}

/// Deletes all rows of a folder, also its runs, so that a write under one of their tokens is stale.
pub(super) fn erase_folder(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: FolderId,
    now: OffsetDateTime,
) -> Answer<Orphans> {
    scope::folder(connection, scope, id)?;
    let sql = "SELECT blob_key FROM media WHERE folder_id = ?1
               UNION SELECT thumbnail_key FROM media
                   WHERE folder_id = ?1 AND thumbnail_key IS NOT NULL
               UNION SELECT r.blob_key FROM artifacts r JOIN analyses a ON a.id = r.analysis_id
                   WHERE a.folder_id = ?1";
    let keys: Vec<String> = all(connection, sql, [id.to_string()], |row| row.get(0))?;
    // By the index `idempotency_folder`, which is over this expression.
    let forget_keys = "DELETE FROM idempotency WHERE json_extract(replay_doc, '$.folder_id') = ?1";
    for sql in
        ["DELETE FROM runs WHERE folder_id = ?1", "DELETE FROM folders WHERE id = ?1", forget_keys]
    {
        change(connection, sql, [id.to_string()])?;
    }
    effects.changes.push(FolderChange { folder_id: id, revision: 0, may_settle: true });
    Ok(Orphans { tombstones: tombstone(connection, &keys, now, NEVER)? })
}
