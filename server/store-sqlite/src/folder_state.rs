//! What every change of a folder needs: its revision, the times of its analyses, its external id.

use super::fault::Answer;
use super::rows::optional;
use super::values::{nanoseconds, time};
use super::writer::Effects;
use ::time::OffsetDateTime;
use rusqlite::Connection;
use vultus_core::{Folder, FolderId, GroupId};
use vultus_store::StoreError;
use vultus_store::events::FolderChange;

/// Whether an analysis of the folder may have become final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settles {
    No,
    Maybe,
}

/// Raises the revision and time of change of a folder, and announces the change.
pub(super) fn touch(
    connection: &Connection,
    effects: &mut Effects,
    id: FolderId,
    settles: Settles,
    now: Option<OffsetDateTime>,
) -> Answer<()> {
    let sql = "UPDATE folders SET revision = revision + 1,
               updated_at = max(updated_at, ifnull(?2, updated_at))
               WHERE id = ?1 RETURNING revision";
    let may_settle = settles == Settles::Maybe;
    let changed = optional(connection, sql, (id.to_string(), now.map(nanoseconds)), |row| {
        Ok(FolderChange { folder_id: id, revision: row.get(0)?, may_settle })
    })?;
    effects.changes.push(changed.ok_or(StoreError::NotFound("folder"))?);
    Ok(())
}

/// When the newest analysis of a folder was created, without those of one group.
pub(super) fn newest_analysis(
    connection: &Connection,
    folder: FolderId,
    except: Option<GroupId>,
) -> Answer<Option<OffsetDateTime>> {
    // Newest first by the index: at most the analyses of one group are passed over.
    let sql = "SELECT created_at FROM analyses INDEXED BY analyses_newest
               WHERE folder_id = ?1 AND group_id IS NOT ?2 ORDER BY created_at DESC LIMIT 1";
    let arguments = (folder.to_string(), except.map(|group| group.to_string()));
    optional(connection, sql, arguments, |row| time(row, 0))
}

/// Fails if another folder of the company has this external id.
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
