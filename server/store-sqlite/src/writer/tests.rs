use super::*;
use std::sync::mpsc::Sender;
use vultus_core::FolderId;
use vultus_store::events::FolderChange;

/// Time limits that no test reaches.
const GENEROUS: Limits = Limits { wait: Duration::from_secs(60), longest: Duration::from_secs(60) };

fn writer(pages: u32) -> (Writer, tempfile::TempDir) {
    writer_with(pages, GENEROUS)
}

fn writer_with(pages: u32, limits: Limits) -> (Writer, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let connection = Connection::open(data.path().join("db")).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x INTEGER UNIQUE, y BLOB)")
        .unwrap();
    connection.pragma_update(None, "max_page_count", pages).unwrap();
    (Writer::start(connection, TICK, limits, Arc::default()).unwrap(), data)
}

async fn insert(writer: &Writer, x: u32, bytes: u32) -> vultus_store::Result<usize> {
    let sql = "INSERT INTO t VALUES (?1, zeroblob(?2))";
    writer
        .write("inserting", Durability::Synced, move |connection, _| {
            Ok(connection.execute(sql, (x, bytes))?)
        })
        .await
}

async fn rows(writer: &Writer) -> u32 {
    let count = |connection: &Connection, _: &mut Effects| {
        Ok(connection.query_row("SELECT count(*) FROM t", (), |row| row.get(0))?)
    };
    writer.write("counting", Durability::Lazy, count).await.unwrap()
}

#[tokio::test]
async fn failed_command_is_undone_and_the_rest_of_its_batch_is_kept() {
    let (writer, _data) = writer(1000);
    let commands = (0..100).map(|number| {
        let writer = &writer;
        async move {
            let twice = writer.write("inserting twice", Durability::Lazy, move |connection, _| {
                connection.execute("INSERT INTO t VALUES (?1, NULL)", [1000 + number])?;
                // Every third breaks the unique index after its first insert.
                let second = if number % 3 == 0 { 1000 + number } else { 2000 + number };
                Ok(connection.execute("INSERT INTO t VALUES (?1, NULL)", [second])?)
            });
            twice.await
        }
    });
    let answers = futures::future::join_all(commands).await;
    let kept = u32::try_from(answers.iter().filter(|answer| answer.is_ok()).count()).unwrap();
    assert_eq!(kept, 66);
    assert_eq!(rows(&writer).await, 2 * kept);
}

#[tokio::test]
async fn panic_in_a_write_undoes_it_alone() {
    let (writer, _data) = writer(1000);
    let panics = writer.write("panicking", Durability::Synced, |connection, _| -> Answer<()> {
        connection.execute("INSERT INTO t VALUES (1, NULL)", ())?;
        panic!("on purpose")
    });
    let (panicked, inserted) = tokio::join!(panics, insert(&writer, 2, 10));
    assert!(matches!(panicked, Err(StoreError::Internal { .. })), "{panicked:?}");
    inserted.unwrap();
    assert_eq!(rows(&writer).await, 1);
}

#[tokio::test]
async fn full_disk_is_unavailable_and_smaller_writes_still_succeed() {
    let (writer, _data) = writer(40);
    let large = insert(&writer, 1, 1 << 20).await;
    assert!(matches!(large, Err(StoreError::Unavailable(_))), "{large:?}");
    insert(&writer, 2, 10).await.unwrap();
    assert_eq!(rows(&writer).await, 1);
}

/// A write that keeps the writer busy until the sender is dropped.
fn held(writer: &Writer) -> (Sender<()>, impl Future<Output = vultus_store::Result<()>>) {
    let (release, held) = channel::<()>();
    let work = move |_: &Connection, _: &mut Effects| {
        let _ = held.recv();
        Ok(())
    };
    (release, writer.write("holding", Durability::Synced, work))
}

#[tokio::test]
async fn write_that_gets_no_turn_is_unavailable_and_not_done() {
    let limits = Limits { wait: Duration::from_millis(100), ..GENEROUS };
    let (writer, _data) = writer_with(1000, limits);
    let (release, holding) = held(&writer);
    let (held, refused) = tokio::join!(holding, async {
        let refused = insert(&writer, 1, 10).await;
        drop(release);
        refused
    });
    held.expect("it had its turn");
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(rows(&writer).await, 0);
}

#[tokio::test]
async fn endless_write_is_unavailable() {
    let short = Duration::from_millis(50);
    let (writer, _data) = writer_with(1000, Limits { wait: short, longest: short });
    let (release, holding) = held(&writer);
    let refused = holding.await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    drop(release);
}

#[tokio::test]
async fn stopped_writer_completes_sent_commands_and_rejects_more() {
    let (writer, data) = writer(1000);
    insert(&writer, 1, 10).await.unwrap();
    writer.stop();
    assert!(matches!(insert(&writer, 2, 10).await, Err(StoreError::Unavailable(_))));
    let rows: u32 = Connection::open(data.path().join("db"))
        .unwrap()
        .query_row("SELECT count(*) FROM t", (), |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn merged_change_may_settle_if_one_of_them_may() {
    let (a, b) = (FolderId::from(uuid::Uuid::nil()), FolderId::from(uuid::Uuid::max()));
    let change = |folder_id, revision, may_settle| FolderChange { folder_id, revision, may_settle };
    let changes = [change(a, 2, true), change(b, 2, false), change(a, 3, false)];
    assert_eq!(merged(&changes), [change(b, 2, false), change(a, 3, true)]);
}
