//! Reading and changing folders and media.

use super::fault::Answer;
use super::folder_state::{Settles, refuse_duplicate, touch};
use super::json_columns;
use super::results::cancel;
use super::rows::{self, all, change, optional};
use super::scope;
use super::values::{json_list, parsed};
use super::writer::Effects;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use time::OffsetDateTime;
use vultus_core::{
    Analysis, AnalysisGroup, AnalysisId, Artifact, CompanyId, Folder, FolderId, JsonText, MediaId,
    Medium, Part,
};
use vultus_store::StoreError;
use vultus_store::{Cancelled, FolderContents, JsonCount, Scope, Selection, WrappedFolderKey};

pub(super) fn update_folder(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: FolderId,
    metadata: Option<&JsonText>,
    external_id: Option<Option<&str>>,
    now: OffsetDateTime,
) -> Answer<Folder> {
    let folder = scope::folder(connection, scope, id)?;
    if let Some(Some(external_id)) = external_id {
        refuse_duplicate(connection, &folder, external_id)?;
    }
    let external_id = external_id.unwrap_or(folder.external_id.as_deref());
    let sql = "UPDATE folders SET metadata = ifnull(?2, metadata), external_id = ?3 WHERE id = ?1";
    let metadata = metadata.map(JsonText::as_str);
    change(connection, sql, params![id.to_string(), metadata, external_id])?;
    touch(connection, effects, id, Settles::No, Some(now))?;
    scope::folder(connection, scope, id)
}

pub(super) fn folders(
    connection: &Connection,
    scope: Scope,
    ids: &[FolderId],
    selection: Selection,
) -> Answer<Vec<FolderContents>> {
    let sql = format!(
        "SELECT {} FROM json_each(?3) wanted JOIN folders f ON f.id = wanted.value
         WHERE {} ORDER BY wanted.key",
        rows::FOLDER,
        scope::CONDITION
    );
    let (company, owner) = scope::arguments(scope);
    let found = all(connection, &sql, (company, owner, json_list(ids)), rows::folder)?;
    contents(connection, found, selection)
}

pub(super) fn folder_ids(
    connection: &Connection,
    after: Option<FolderId>,
    limit: u32,
) -> Answer<Vec<FolderId>> {
    let sql = "SELECT id FROM folders WHERE id > ?1 ORDER BY id LIMIT ?2";
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    all(connection, sql, (after, limit), |row| parsed(row, 0))
}

pub(super) fn folder_key(
    connection: &Connection,
    id: FolderId,
) -> Answer<Option<WrappedFolderKey>> {
    let sql = "SELECT company_id, ifnull(wrapped_key, x'') FROM folders WHERE id = ?1";
    let key = |row: &rusqlite::Row<'_>| {
        Ok(WrappedFolderKey { company_id: parsed(row, 0)?, wrapped_key: row.get(1)? })
    };
    optional(connection, sql, [id.to_string()], key)
}

/// What a company stores; triggers of the schema keep the sum.
pub(super) fn stored_bytes(connection: &Connection, company: CompanyId) -> Answer<u64> {
    let sql = "SELECT bytes FROM company_bytes WHERE company_id = ?1";
    Ok(optional(connection, sql, [company.to_string()], |row| row.get(0))?.unwrap_or_default())
}

/// Reads the selected contents of any number of folders: one statement for each kind of row, and
/// one for each selected column of JSON.
pub(super) fn contents(
    connection: &Connection,
    mut folders: Vec<Folder>,
    selection: Selection,
) -> Answer<Vec<FolderContents>> {
    let count = JsonCount::of(&selection);
    json_columns::fill_folders(connection, &mut folders, selection.json, &count)?;
    let ids = json_list(folders.iter().map(|folder| folder.id));
    let media = match selection.media {
        true => Some(media_of(connection, &ids, selection, &count)?),
        false => None,
    };
    let analyses = match selection.analyses {
        true => Some(analyses_of(connection, &ids, selection, &count)?),
        false => None,
    };
    // Cloned, because the same folder may be requested twice.
    let of = |folder: Folder| {
        let media = media.as_ref().map(|of| of.get(&folder.id).cloned().unwrap_or_default());
        let analyses = analyses.as_ref().map(|of| of.get(&folder.id).cloned().unwrap_or_default());
        let (analyses, artifacts) = analyses.unzip();
        FolderContents {
            media: media.map_or(Part::LeftOut, Part::Read),
            analyses: analyses.map_or(Part::LeftOut, Part::Read),
            artifacts: artifacts.map_or(Part::LeftOut, Part::Read),
            folder,
        }
    };
    Ok(folders.into_iter().map(of).collect())
}

/// The media of folders (`ids` is a JSON list), oldest first.
fn media_of(
    connection: &Connection,
    ids: &str,
    selection: Selection,
    count: &JsonCount,
) -> Answer<HashMap<FolderId, Vec<Medium>>> {
    let sql = format!(
        "SELECT {} FROM media m INDEXED BY media_folder
         WHERE m.folder_id IN (SELECT value FROM json_each(?1))
         ORDER BY m.row LIMIT ?2",
        rows::MEDIUM
    );
    let mut media = all(connection, &sql, (ids, count.row_limit()), rows::medium)?;
    count.add_rows(media.len()).map_err(StoreError::from)?;
    json_columns::fill_media(connection, &mut media, selection.json, count)?;
    let mut media_of: HashMap<FolderId, Vec<Medium>> = HashMap::new();
    for medium in media {
        media_of.entry(medium.folder_id).or_default().push(medium);
    }
    Ok(media_of)
}

type WithArtifacts = (Vec<Analysis>, Vec<Artifact>);

/// The analyses of folders (`ids` is a JSON list) and their artifacts, oldest first.
fn analyses_of(
    connection: &Connection,
    ids: &str,
    selection: Selection,
    count: &JsonCount,
) -> Answer<HashMap<FolderId, WithArtifacts>> {
    let among = "IN (SELECT value FROM json_each(?1))";
    let sql = format!(
        "SELECT {} FROM analyses a INDEXED BY analyses_folder
         WHERE a.folder_id {among} ORDER BY a.row LIMIT ?2",
        rows::ANALYSIS
    );
    let mut analyses = all(connection, &sql, (ids, count.row_limit()), rows::analysis)?;
    count.add_rows(analyses.len()).map_err(StoreError::from)?;
    json_columns::fill_analyses(connection, &mut analyses, selection.json, count)?;
    let mut analyses_of: HashMap<FolderId, WithArtifacts> = HashMap::new();
    for analysis in analyses {
        analyses_of.entry(analysis.folder_id).or_default().0.push(analysis);
    }
    let sql = format!(
        "SELECT {}, a.folder_id FROM artifacts r JOIN analyses a ON a.id = r.analysis_id
         WHERE a.folder_id {among} ORDER BY r.row",
        rows::ARTIFACT
    );
    let artifact = |row: &rusqlite::Row<'_>| Ok((rows::artifact(row)?, parsed(row, 7)?));
    for (artifact, folder) in all(connection, &sql, [ids], artifact)? {
        analyses_of.entry(folder).or_default().1.push(artifact);
    }
    Ok(analyses_of)
}

pub(super) fn folder_by_external_id(
    connection: &Connection,
    scope: Scope,
    company: CompanyId,
    external_id: &str,
) -> Answer<Option<FolderId>> {
    let sql = format!(
        "SELECT f.id FROM folders f WHERE {} AND f.company_id = ?3 AND f.external_id = ?4",
        scope::CONDITION
    );
    let (scope_company, owner) = scope::arguments(scope);
    optional(connection, &sql, (scope_company, owner, company.to_string(), external_id), |row| {
        parsed(row, 0)
    })
}

pub(super) fn medium(connection: &Connection, scope: Scope, id: MediaId) -> Answer<Option<Medium>> {
    Ok(media(connection, scope, &[id], Selection::ENTITIES)?.pop())
}

pub(super) fn media(
    connection: &Connection,
    scope: Scope,
    ids: &[MediaId],
    selection: Selection,
) -> Answer<Vec<Medium>> {
    let sql = format!(
        "SELECT {} FROM json_each(?3) wanted
         JOIN media m ON m.id = wanted.value JOIN folders f ON f.id = m.folder_id
         WHERE {} ORDER BY wanted.key",
        rows::MEDIUM,
        scope::CONDITION
    );
    let (company, owner) = scope::arguments(scope);
    let mut found = all(connection, &sql, (company, owner, json_list(ids)), rows::medium)?;
    let count = JsonCount::of(&selection);
    json_columns::fill_media(connection, &mut found, selection.json, &count)?;
    Ok(found)
}

pub(super) fn groups(
    connection: &Connection,
    scope: Scope,
    id: FolderId,
) -> Answer<Vec<AnalysisGroup>> {
    let sql = format!(
        "SELECT {} FROM analysis_groups g JOIN folders f ON f.id = g.folder_id
         WHERE {} AND f.id = ?3 ORDER BY g.row",
        rows::GROUP,
        scope::CONDITION
    );
    let (company, owner) = scope::arguments(scope);
    all(connection, &sql, (company, owner, id.to_string()), rows::group)
}

pub(super) fn analyses(
    connection: &Connection,
    scope: Scope,
    ids: &[AnalysisId],
    selection: Selection,
) -> Answer<Vec<(Analysis, Vec<Artifact>)>> {
    let sql = format!(
        "SELECT {} FROM json_each(?3) wanted
         JOIN analyses a ON a.id = wanted.value JOIN folders f ON f.id = a.folder_id
         WHERE {} ORDER BY wanted.key",
        rows::ANALYSIS,
        scope::CONDITION
    );
    let (company, owner) = scope::arguments(scope);
    let mut found = all(connection, &sql, (company, owner, json_list(ids)), rows::analysis)?;
    let count = JsonCount::of(&selection);
    json_columns::fill_analyses(connection, &mut found, selection.json, &count)?;
    let sql = format!(
        "SELECT {} FROM artifacts r
         WHERE r.analysis_id IN (SELECT value FROM json_each(?1)) ORDER BY r.row",
        rows::ARTIFACT
    );
    let ids = json_list(found.iter().map(|analysis| analysis.id));
    let mut artifacts: HashMap<AnalysisId, Vec<Artifact>> = HashMap::new();
    for artifact in all(connection, &sql, [ids], rows::artifact)? {
        artifacts.entry(artifact.analysis_id).or_default().push(artifact);
    }
    // Cloned, because the same analysis may be requested twice.
    let of = |id| artifacts.get(&id).cloned().unwrap_or_default();
    Ok(found.into_iter().map(|analysis| (analysis.clone(), of(analysis.id))).collect())
}

pub(super) fn cancel_analysis(
    connection: &Connection,
    effects: &mut Effects,
    scope: Scope,
    id: AnalysisId,
    now: OffsetDateTime,
) -> Answer<Cancelled> {
    let one = |connection| {
        analyses(connection, scope, &[id], Selection::ENTITIES)
            .map(|mut found| found.pop().map(|(analysis, _)| Box::new(analysis)))
    };
    let analysis = one(connection)?.ok_or(StoreError::NotFound("analysis"))?;
    if analysis.state.is_final() {
        effects.unchanged = true;
        return Ok(Cancelled::AlreadyFinal(analysis));
    }
    cancel(connection, &analysis, now)?;
    touch(connection, effects, analysis.folder_id, Settles::Maybe, Some(now))?;
    let cancelled = one(connection)?.ok_or(StoreError::NotFound("analysis"))?;
    Ok(Cancelled::Now(cancelled))
}
