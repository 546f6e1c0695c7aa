//! Conversion of rows to domain values and back. Each list of columns precedes the function that
//! reads them in that order.

use super::documents::{
    AnalysisOutcome, AnalysisRequest, GroupAnalyses, MediumColumns, MediumProperties,
};
use super::fault::Answer;
use super::values::{document, name, nanoseconds, optional_name, optional_time, parsed, time};
use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row, params};
use vultus_core::{
    Analysis, AnalysisGroup, Artifact, Decisions, Folder, FolderId, JsonText, Medium, Part,
};
use vultus_store::StoreError;
use vultus_store::names::Named;
use vultus_store::stored::StoredDecisions;

/// Columns of [`folder`], of `folders f`.
pub(super) const FOLDER: &str =
    "f.id, f.company_id, f.owner_id, f.external_id, f.created_at, f.updated_at,
    f.media_changed_at, f.revision, f.wrapped_key";

/// A folder out of [`FOLDER`], without its metadata.
pub(super) fn folder(row: &Row<'_>) -> rusqlite::Result<Folder> {
    Ok(Folder {
        id: parsed(row, 0)?,
        company_id: parsed(row, 1)?,
        owner_id: parsed(row, 2)?,
        external_id: row.get(3)?,
        metadata: Part::LeftOut,
        created_at: time(row, 4)?,
        updated_at: time(row, 5)?,
        media_changed_at: optional_time(row, 6)?,
        revision: row.get(7)?,
        wrapped_key: row.get::<_, Option<Vec<u8>>>(8)?.unwrap_or_default(),
    })
}

/// Writes a new folder.
pub(super) fn insert_folder(connection: &Connection, folder: &Folder) -> Answer<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO folders (id, company_id, owner_id, external_id, metadata, created_at,
                              updated_at, media_changed_at, revision, wrapped_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    statement.execute(params![
        folder.id.to_string(),
        folder.company_id.to_string(),
        folder.owner_id.to_string(),
        folder.external_id,
        left_in(&folder.metadata)?.as_str(),
        nanoseconds(folder.created_at),
        nanoseconds(folder.updated_at),
        folder.media_changed_at.map(nanoseconds),
        folder.revision,
        folder.wrapped_key,
    ])?;
    Ok(())
}

/// Columns of [`medium`], of `media m`.
pub(super) const MEDIUM: &str =
    "m.id, m.folder_id, m.properties_doc, m.sha256, m.blob_key, m.thumbnail_key, m.created_at";

/// A medium out of [`MEDIUM`], without its metadata.
pub(super) fn medium(row: &Row<'_>) -> rusqlite::Result<Medium> {
    let properties: MediumProperties = document(row, 2)?;
    Ok(properties.into_medium(MediumColumns {
        id: parsed(row, 0)?,
        folder_id: parsed(row, 1)?,
        sha256: row.get(3)?,
        blob_key: row.get(4)?,
        thumbnail_key: row.get(5)?,
        created_at: time(row, 6)?,
    }))
}

/// Writes a new medium into a folder.
pub(super) fn insert_medium(
    connection: &Connection,
    folder: FolderId,
    medium: &Medium,
) -> Answer<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO media (id, folder_id, metadata, properties_doc, sha256, blob_key,
                            thumbnail_key, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute(params![
        medium.id.to_string(),
        folder.to_string(),
        left_in(&medium.metadata)?.as_str(),
        serde_json::to_string(&MediumProperties::from(medium))?,
        medium.sha256,
        medium.blob_key,
        medium.thumbnail_key,
        nanoseconds(medium.created_at),
    ])?;
    Ok(())
}

/// Columns of [`analysis`], of `analyses a`.
pub(super) const ANALYSIS: &str =
    "a.id, a.folder_id, a.group_id, a.run_id, a.kind, a.state, a.resolution, a.progress,
    a.request_doc, a.outcome_doc, a.attempts, a.deaths, a.timeout_ms, a.created_at, a.started_at,
    a.finished_at, a.revision, a.details_erased_at,
    (SELECT c.decisions_doc FROM cases c WHERE c.analysis_id = a.id)";

/// An analysis out of [`ANALYSIS`], without parameters and result.
pub(super) fn analysis(row: &Row<'_>) -> rusqlite::Result<Analysis> {
    let request: AnalysisRequest = document(row, 8)?;
    let outcome: AnalysisOutcome = document(row, 9)?;
    let decisions = match row.get_ref(18)?.data_type() {
        Type::Null => Decisions::default(),
        _ => document::<StoredDecisions>(row, 18)?.into(),
    };
    Ok(Analysis {
        id: parsed(row, 0)?,
        folder_id: parsed(row, 1)?,
        group_id: parsed(row, 2)?,
        run_id: parsed(row, 3)?,
        kind: row.get(4)?,
        state: name(row, 5)?,
        resolution: optional_name(row, 6)?,
        decisions,
        reasons: outcome.reasons.into_iter().map(Into::into).collect(),
        progress: row.get(7)?,
        media: request.media.into_iter().map(Into::into).collect(),
        params: Part::LeftOut,
        result: Part::LeftOut,
        failure: outcome.failure.map(Into::into),
        provenance: outcome.provenance.into(),
        attempts: row.get(10)?,
        deaths: row.get(11)?,
        timeout_ms: row.get(12)?,
        created_at: time(row, 13)?,
        started_at: optional_time(row, 14)?,
        finished_at: optional_time(row, 15)?,
        revision: row.get(16)?,
        details_erased_at: optional_time(row, 17)?,
    })
}

/// Writes a new analysis into a folder.
pub(super) fn insert_analysis(
    connection: &Connection,
    folder: FolderId,
    analysis: &Analysis,
) -> Answer<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO analyses (id, folder_id, group_id, run_id, kind, state, resolution, progress,
                               request_doc, outcome_doc, attempts, deaths, timeout_ms, created_at,
                               started_at, finished_at, revision, details_erased_at, params,
                               result)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20)",
    )?;
    let outcome =
        AnalysisOutcome::new(&analysis.reasons, analysis.failure.as_ref(), &analysis.provenance);
    statement.execute(params![
        analysis.id.to_string(),
        folder.to_string(),
        analysis.group_id.to_string(),
        analysis.run_id.to_string(),
        analysis.kind,
        analysis.state.name(),
        analysis.resolution.map(Named::name),
        analysis.progress,
        serde_json::to_string(&AnalysisRequest::from(analysis))?,
        serde_json::to_string(&outcome)?,
        analysis.attempts,
        analysis.deaths,
        analysis.timeout_ms,
        nanoseconds(analysis.created_at),
        analysis.started_at.map(nanoseconds),
        analysis.finished_at.map(nanoseconds),
        analysis.revision,
        analysis.details_erased_at.map(nanoseconds),
        left_in(&analysis.params)?.as_str(),
        left_in(&analysis.result)?.as_ref().map(JsonText::as_str),
    ])?;
    Ok(())
}

/// Columns of [`artifact`], of `artifacts r`.
pub(super) const ARTIFACT: &str =
    "r.id, r.analysis_id, r.name, r.content_type, r.byte_size, r.sha256, r.blob_key";

/// An artifact out of [`ARTIFACT`].
pub(super) fn artifact(row: &Row<'_>) -> rusqlite::Result<Artifact> {
    Ok(Artifact {
        id: parsed(row, 0)?,
        analysis_id: parsed(row, 1)?,
        name: row.get(2)?,
        content_type: row.get(3)?,
        byte_size: row.get(4)?,
        sha256: row.get(5)?,
        blob_key: row.get(6)?,
    })
}

/// Writes a new artifact.
pub(super) fn insert_artifact(connection: &Connection, artifact: &Artifact) -> Answer<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO artifacts (id, analysis_id, name, content_type, byte_size, sha256, blob_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    statement.execute(params![
        artifact.id.to_string(),
        artifact.analysis_id.to_string(),
        artifact.name,
        artifact.content_type,
        artifact.byte_size,
        artifact.sha256,
        artifact.blob_key,
    ])?;
    Ok(())
}

/// Columns of [`group`], of `analysis_groups g`.
pub(super) const GROUP: &str = "g.id, g.folder_id, g.analyses_doc, g.created_at";

/// A group out of [`GROUP`].
pub(super) fn group(row: &Row<'_>) -> rusqlite::Result<AnalysisGroup> {
    let analyses: GroupAnalyses = document(row, 2)?;
    Ok(AnalysisGroup {
        id: parsed(row, 0)?,
        folder_id: parsed(row, 1)?,
        analyses: analyses.analyses,
        created_at: time(row, 3)?,
    })
}

/// A part of an entity that is written.
fn left_in<T>(part: &Part<T>) -> Answer<&T> {
    part.read().map_err(|error| {
        let context = "writing an entity".to_owned();
        StoreError::Internal { context, source: Box::new(error) }.into()
    })
}

/// All rows of a query.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Answer<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, map)?.collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// The row of a query that returns at most one.
pub(super) fn optional<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Answer<Option<T>> {
    use rusqlite::OptionalExtension;
    Ok(connection.prepare_cached(sql)?.query_row(params, map).optional()?)
}

/// Executes a statement and returns the number of changed rows.
pub(super) fn change(connection: &Connection, sql: &str, params: impl Params) -> Answer<usize> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}
