//! The tables, and the migration of older files. Each step runs once; all steps and the new version
//! are committed together.

use super::fault::{Answer, Fault};
use rusqlite::{Connection, TransactionBehavior};
use vultus_store::StoreError;

/// Migration steps in order; step `n` (from 0) leads to version `n + 1`. A released step is never
/// edited.
const STEPS: [&str; 7] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
];

/// The newest version.
pub(super) const NEWEST: usize = STEPS.len();

/// Identifies files of this program: "VULT".
const APPLICATION_ID: i64 = 0x5655_4c54;

/// Migrates the file to the newest version. Fails if a newer program wrote it.
pub(super) fn migrate(connection: &mut Connection) -> Answer<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > NEWEST {
        return Err(Fault::Known(StoreError::Internal {
            context: "opening the data".to_owned(),
            source: format!(
                "it has schema version {version}, and this program knows versions up to {NEWEST}: \
                 use a newer program"
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
    fn turns_of_runs_of_version_2_are_kept_and_get_their_company() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in &STEPS[..2] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 2).unwrap();
        let rows = "
            INSERT INTO companies (id, name, created_at) VALUES ('c', 'c', 0);
            INSERT INTO users (id, company_id, email, name, role, is_service, password_hash,
                created_at) VALUES ('u', 'c', 'e', 'n', 'ADMIN', 0, 'h', 0);
            INSERT INTO folders (id, company_id, owner_id, metadata, created_at, updated_at,
                revision) VALUES ('f', 'c', 'u', '{}', 0, 0, 1);
            INSERT INTO runs (id, folder_id, pool, state, created_at)
                VALUES ('later', 'f', 'p', 'QUEUED', 9), ('sooner', 'f', 'p', 'QUEUED', 5);";
        connection.execute_batch(rows).unwrap();
        migrate(&mut connection).unwrap();
        let sql = "SELECT id, turn_at FROM runs
                   WHERE state <> 'DONE' AND pool = 'p' AND company_id = 'c' ORDER BY turn_at, row";
        let runs: Vec<(String, i64)> = connection
            .prepare(sql)
            .unwrap()
            .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert_eq!(runs, [("sooner".to_owned(), 5), ("later".to_owned(), 9)]);
    }

    #[test]
    fn newer_version_is_rejected_and_not_changed() {
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
