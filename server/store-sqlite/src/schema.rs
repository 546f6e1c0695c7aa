//! The tables, and how an older file becomes a current one: each step runs once, in one transaction
//! with its number.

use super::fault::{Answer, Fault};
use rusqlite::{Connection, TransactionBehavior};
use vultus_store::StoreError;

/// Steps in order; the n-th makes version n + 1. A step that was released is never edited.
const STEPS: [&str; 2] = [include_str!("schema/0001.sql"), include_str!("schema/0002.sql")];

/// The newest version.
pub(super) const NEWEST: usize = STEPS.len();

/// Marks the file as ours: "VULT".
const APPLICATION_ID: i64 = 0x5655_4c54;

/// Brings the file to the newest version; refuses a file that a newer program wrote.
pub(super) fn migrate(connection: &mut Connection) -> Answer<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > STEPS.len() {
        return Err(Fault::Known(StoreError::Internal {
            context: "opening the data".to_owned(),
            source: format!(
                "it has schema version {version}, and this program knows versions up to {}: use a newer program",
                STEPS.len()
            )
            .into(),
        }));
    }
    for (at, step) in STEPS.iter().enumerate().skip(version) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", at + 1)?;
    }
    if version == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_run_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
            .execute("INSERT INTO tombstones (blob_key, created_at) VALUES ('kept', 0)", ())
            .unwrap();
        migrate(&mut connection).unwrap();
        let kept: u64 =
            connection.query_row("SELECT count(*) FROM tombstones", (), |row| row.get(0)).unwrap();
        assert_eq!(kept, 1);
    }

    #[test]
    fn a_newer_version_is_refused_and_left_as_it_is() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut connection).unwrap_err().into_store("opening");
        let source = std::error::Error::source(&error).expect("it says why").to_string();
        assert!(source.contains("99") && source.contains("newer program"), "{source}");
        let tables: u64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }
}
