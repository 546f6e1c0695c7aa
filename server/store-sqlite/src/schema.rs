//! The tables, and the migration of older files. Each step runs once; all steps and the new version
//! are committed together.

use super::fault::{Answer, Fault};
use rusqlite::{Connection, TransactionBehavior};
use vultus_store::StoreError;

/// Migration steps in order; step `n` (from 0) leads to version `n + 1`. A released step is never
/// edited.
const STEPS: [&str; 14] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
    include_str!("schema/0008.sql"),
    include_str!("schema/0009.sql"),
    include_str!("schema/0010.sql"),
    include_str!("schema/0011.sql"),
    include_str!("schema/0012.sql"),
    include_str!("schema/0014.sql"),
    include_str!("schema/0016.sql"),
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
    fn json_of_version_3_moves_to_its_columns() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in &STEPS[..3] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 3).unwrap();
        let rows = r#"
            INSERT INTO companies (id, name, created_at) VALUES ('c', 'c', 0);
            INSERT INTO users (id, company_id, email, name, role, is_service, password_hash,
                created_at) VALUES ('u', 'c', 'e', 'n', 'ADMIN', 0, 'h', 0);
            INSERT INTO folders (id, company_id, owner_id, metadata, created_at, updated_at,
                revision) VALUES ('f', 'c', 'u', '{"n":12345678901234567890123}', 0, 0, 1);
            INSERT INTO media (id, folder_id, metadata, properties_doc, sha256, blob_key,
                created_at) VALUES ('m', 'f', '{"a":[1.50]}', '{}', 's', 'b', 0);
            INSERT INTO analysis_groups (id, folder_id, analyses_doc, created_at)
                VALUES ('g', 'f', '{}', 0);
            INSERT INTO runs (id, folder_id, pool, state, turn_at)
                VALUES ('r', 'f', 'p', 'DONE', 0);
            INSERT INTO analyses (id, folder_id, group_id, run_id, kind, state, progress,
                request_doc, outcome_doc, attempts, deaths, timeout_ms, created_at, revision)
                VALUES ('done', 'f', 'g', 'r', 'k', 'FINISHED', 1,
                    '{"v":1,"media":[],"params":{"t":0.50}}',
                    '{"v":1,"reasons":[],"result":{"score":1.50},"failure":null}', 1, 0, 1, 0, 1),
                ('open', 'f', 'g', 'r', 'k', 'QUEUED', 0, '{"v":1,"media":[],"params":{}}',
                    '{"v":1,"reasons":[],"result":null,"failure":null}', 0, 0, 1, 0, 1);"#;
        connection.execute_batch(rows).unwrap();
        migrate(&mut connection).unwrap();
        let text = |sql: &str| -> Option<String> {
            connection.query_row(sql, (), |row| row.get(0)).unwrap()
        };
        let folder = text("SELECT metadata FROM folders");
        assert_eq!(folder.as_deref(), Some(r#"{"n":12345678901234567890123}"#));
        assert_eq!(text("SELECT metadata FROM media").as_deref(), Some(r#"{"a":[1.50]}"#));
        let of = |column: &str, id: &str| {
            text(&format!("SELECT {column} FROM analyses WHERE id = '{id}'"))
        };
        assert_eq!(of("params", "done").as_deref(), Some(r#"{"t":0.50}"#));
        assert_eq!(of("result", "done").as_deref(), Some(r#"{"score":1.50}"#));
        assert_eq!((of("params", "open").as_deref(), of("result", "open")), (Some("{}"), None));
        assert_eq!(of("request_doc", "done").as_deref(), Some(r#"{"v":1,"media":[]}"#));
        let outcome = Some(r#"{"v":1,"reasons":[],"failure":null}"#);
        assert_eq!(of("outcome_doc", "done").as_deref(), outcome);
    }

    #[test]
    fn doubtful_analyses_of_version_3_wait_for_a_decision() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in &STEPS[..3] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 3).unwrap();
        let rows = r#"
            INSERT INTO companies (id, name, created_at) VALUES ('c', 'c', 0);
            INSERT INTO users (id, company_id, email, name, role, is_service, password_hash,
                created_at) VALUES ('u', 'c', 'e', 'n', 'ADMIN', 0, 'h', 0);
            INSERT INTO folders (id, company_id, owner_id, metadata, created_at, updated_at,
                revision) VALUES ('f', 'c', 'u', '{}', 0, 0, 1);
            INSERT INTO analysis_groups (id, folder_id, analyses_doc, created_at)
                VALUES ('g', 'f', '{}', 0);
            INSERT INTO runs (id, folder_id, pool, state, turn_at)
                VALUES ('r', 'f', 'p', 'DONE', 0);
            INSERT INTO analyses (id, folder_id, group_id, run_id, kind, state, resolution,
                progress, request_doc, outcome_doc, attempts, deaths, timeout_ms, created_at,
                finished_at, revision)
            VALUES ('doubtful', 'f', 'g', 'r', 'k', 'FINISHED', 'OPERATOR_REQUIRED', 1, '{}',
                    '{"v":1,"reasons":[{"code":"A"},{"code":"B"}],"result":null}',
                    1, 0, 1, 5, 7, 1),
                ('accepted', 'f', 'g', 'r', 'k', 'FINISHED', 'SUCCESS', 1, '{}',
                    '{"v":1,"reasons":[],"result":null}', 1, 0, 1, 5, 7, 1);"#;
        connection.execute_batch(rows).unwrap();
        migrate(&mut connection).unwrap();
        let sql = "SELECT analysis_id, company_id, reason_codes, waits_since FROM cases";
        let found: Vec<(String, String, String, i64)> = connection
            .prepare(sql)
            .unwrap()
            .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert_eq!(found, [("doubtful".into(), "c".into(), " A B ".into(), 7)]);
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
