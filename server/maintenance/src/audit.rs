//! Writes the chains of the audit log as JSON Lines.

use crate::error::{MaintenanceError, Result};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Write};
use time::OffsetDateTime;
use vultus_store::Store;
use vultus_store::audit::{AuditEntry, Chain, Hash};

/// Entries that are read at a time.
const BATCH: u32 = 5_000;

/// An entry as a line of JSON. A change of the form needs a new name of a field.
#[derive(Serialize)]
struct Line<'a> {
    chain: Chain,
    number: Option<u64>,
    id: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    actor: &'a str,
    origin: Option<&'a str>,
    action: &'a str,
    object: Option<&'a str>,
    before: Option<&'a RawValue>,
    after: Option<&'a RawValue>,
    hash: Option<Hash>,
}

/// Writes an entry as one line of JSON.
pub fn write_line(entry: &AuditEntry, target: &mut impl Write) -> io::Result<()> {
    let raw = |text: &'_ Option<String>| -> io::Result<Option<Box<RawValue>>> {
        Ok(text.clone().map(RawValue::from_string).transpose()?)
    };
    let (before, after) = (raw(&entry.before)?, raw(&entry.after)?);
    let line = Line {
        chain: entry.chain,
        number: entry.place.map(|(number, _)| number),
        id: entry.id.to_string(),
        at: entry.at,
        actor: &entry.actor,
        origin: entry.origin.as_deref(),
        action: &entry.action,
        object: entry.object.as_deref(),
        before: before.as_deref(),
        after: after.as_deref(),
        hash: entry.place.map(|(_, hash)| hash),
    };
    serde_json::to_writer(&mut *target, &line)?;
    target.write_all(b"\n")
}

/// Writes the entries of a chain, oldest first, one line each. Returns how many.
pub async fn export(store: &dyn Store, chain: Chain, target: &mut impl Write) -> Result<u64> {
    let failed = |source| MaintenanceError::File {
        action: "writing the audit log to",
        path: "its target".into(),
        source,
    };
    let (mut after, mut written) = (0, 0);
    loop {
        let entries = store.chained(chain, after, BATCH).await?;
        for entry in &entries {
            write_line(entry, target).map_err(failed)?;
        }
        written += entries.len() as u64;
        match entries.last().and_then(|entry| entry.place) {
            Some((last, _)) => after = last,
            None => break,
        }
    }
    target.flush().map_err(failed)?;
    Ok(written)
}
