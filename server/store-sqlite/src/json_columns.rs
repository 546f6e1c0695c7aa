//! The columns that hold JSON of clients and analyzers. They are read by themselves, and only when
//! they are selected.

use super::fault::Answer;
use super::values::json_list;
use rusqlite::Connection;
use std::collections::HashMap;
use vultus_core::{Analysis, Folder, JsonText, Medium, Part};
use vultus_store::{JsonCount, JsonSelection, StoreError};

/// Reads the selected JSON of folders.
pub(super) fn fill_folders(
    connection: &Connection,
    folders: &mut [Folder],
    selected: JsonSelection,
    count: &JsonCount,
) -> Answer<()> {
    if !selected.metadata || folders.is_empty() {
        return Ok(());
    }
    let ids = folders.iter().map(|folder| folder.id);
    let found = texts(connection, "SELECT id, metadata FROM folders", ids, count)?;
    for folder in folders {
        folder.metadata = found.get(&folder.id.to_string()).cloned().flatten().into_part();
    }
    Ok(())
}

/// Reads the selected JSON of media.
pub(super) fn fill_media(
    connection: &Connection,
    media: &mut [Medium],
    selected: JsonSelection,
    count: &JsonCount,
) -> Answer<()> {
    if !selected.metadata || media.is_empty() {
        return Ok(());
    }
    let ids = media.iter().map(|medium| medium.id);
    let found = texts(connection, "SELECT id, metadata FROM media", ids, count)?;
    for medium in media {
        medium.metadata = found.get(&medium.id.to_string()).cloned().flatten().into_part();
    }
    Ok(())
}

/// Reads the selected JSON of analyses.
pub(super) fn fill_analyses(
    connection: &Connection,
    analyses: &mut [Analysis],
    selected: JsonSelection,
    count: &JsonCount,
) -> Answer<()> {
    if analyses.is_empty() {
        return Ok(());
    }
    if selected.params {
        let ids = analyses.iter().map(|analysis| analysis.id);
        let found = texts(connection, "SELECT id, params FROM analyses", ids, count)?;
        for analysis in &mut *analyses {
            analysis.params = found.get(&analysis.id.to_string()).cloned().flatten().into_part();
        }
    }
    if selected.results {
        let ids = analyses.iter().map(|analysis| analysis.id);
        let found = texts(connection, "SELECT id, result FROM analyses", ids, count)?;
        for analysis in analyses {
            analysis.result = found.get(&analysis.id.to_string()).cloned().into_part();
        }
    }
    Ok(())
}

/// The texts of a column by id. `select` is the start of the statement.
fn texts<I: ToString>(
    connection: &Connection,
    select: &str,
    ids: impl Iterator<Item = I>,
    count: &JsonCount,
) -> Answer<HashMap<String, Option<JsonText>>> {
    let sql = format!("{select} WHERE id IN (SELECT value FROM json_each(?1))");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([json_list(ids)])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(1)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        if let Some(text) = text {
            count.add(text).map_err(StoreError::from)?;
        }
        found.insert(row.get(0)?, text.map(JsonText::stored));
    }
    Ok(found)
}

/// A column of a row that is gone meanwhile stays left out.
trait IntoPart<T> {
    fn into_part(self) -> Part<T>;
}

impl<T> IntoPart<T> for Option<T> {
    fn into_part(self) -> Part<T> {
        self.map_or(Part::LeftOut, Part::Read)
    }
}
