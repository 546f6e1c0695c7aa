//! The state of a run: whether a token is current, and its end.

use super::fault::Answer;
use super::rows::{change, optional};
use super::values::parsed;
use rusqlite::Connection;
use vultus_core::{FolderId, RunId};
use vultus_store::LeaseToken;

/// The folder of the token's run, if the token is current.
pub(super) fn current(connection: &Connection, token: LeaseToken) -> Answer<Option<FolderId>> {
    let sql = "SELECT folder_id FROM runs WHERE id = ?1 AND fence = ?2 AND state = 'LEASED'";
    optional(connection, sql, (token.run_id.to_string(), token.fence), |row| parsed(row, 0))
}

/// Ends a run.
pub(super) fn end_run(connection: &Connection, run: RunId) -> Answer<()> {
    let sql = "UPDATE runs SET state = 'DONE', node = NULL, lease_until = NULL, retry_at = NULL
               WHERE id = ?1";
    change(connection, sql, [run.to_string()])?;
    Ok(())
}

/// Ends a run that waits with nothing left to do.
pub(super) fn end_if_idle(connection: &Connection, run: RunId) -> Answer<()> {
    let sql = "UPDATE runs SET state = 'DONE', retry_at = NULL WHERE id = ?1 AND state = 'QUEUED'
               AND NOT EXISTS (SELECT 1 FROM analyses a
                   WHERE a.run_id = ?1 AND a.state IN ('QUEUED', 'RUNNING'))";
    change(connection, sql, [run.to_string()])?;
    Ok(())
}
