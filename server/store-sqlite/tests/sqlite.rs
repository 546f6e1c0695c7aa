//! The contract suite over SQLite, and rules about its files: erasure of raw bytes, modes, other
//! processes.

use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use vultus_core::{Folder, JsonText, Resolution};
use vultus_store::contract::{World, at, crash, group, medium, verdict};
use vultus_store::{AnalysisResult, Applied, Change, FolderAdditions, Selection, Store};
use vultus_store_sqlite::{Options, SqliteStore};

const DEADLINE: Duration = Duration::from_secs(20);

fn open(data: &Path) -> Arc<dyn Store> {
    SqliteStore::open(&data.join("vultus.db"), Options::default()).expect("the store opens")
}

async fn make() -> (Arc<dyn Store>, TempDir) {
    let data = tempfile::tempdir().expect("a folder for the data");
    (open(data.path()), data)
}

vultus_store::contract_tests!(make);

fn files_with(data: &Path, needle: &str) -> Vec<String> {
    let files = std::fs::read_dir(data)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path());
    let holds = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).expect("the file can be read");
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    files.filter(holds).map(|path| path.display().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_folder_leaves_nothing_in_the_raw_files() {
    const CANARY: &str = "canary-4711-QXZ";
    let (store, data) = make().await;
    let world = World::new(store).await;
    let mut doomed = Vec::new();
    // Values of many sizes between rows that stay: inline, on overflow pages, and moved when pages
    // are rebalanced.
    for round in 0..40 {
        let keep = Folder {
            metadata: JsonText::from(json!({"keep": "k".repeat(37 * round)})).into(),
            ..world.folder(0)
        };
        world.store.create_folder(&keep, &FolderAdditions::default(), None).await.unwrap();
        let secret = format!("{CANARY}{}", "s".repeat(round * 131));
        let folder = Folder {
            metadata: JsonText::from(json!({ "secret": secret })).into(),
            external_id: Some(format!("{CANARY}{round}")),
            ..world.folder(0)
        };
        let mut taken = medium(folder.id, 0);
        taken.metadata = JsonText::from(json!({ "secret": secret })).into();
        taken.original_name = Some(format!("{CANARY}.jpg"));
        let new = group(folder.id, 0, &["liveness", "face_match"], &[taken.id]);
        let additions = FolderAdditions {
            media: vec![taken.clone()],
            group: Some(new.clone()),
            now: Some(at(0)),
            most_media: None,
            most_analyses: None,
        };
        world.store.create_folder(&folder, &additions, None).await.unwrap();
        let run = world.claim(0).await.expect("the run waits");
        let mut result = verdict(Resolution::Declined, taken.id);
        if let AnalysisResult::Finished { result, reasons, .. } = &mut result {
            *result = JsonText::from(json!({ "secret": secret }));
            reasons[0].message = format!("{CANARY} reason");
        }
        world.store.enter_analysis(run.token, new.group.analyses[0], at(1)).await.unwrap();
        assert_eq!(
            world
                .store
                .apply_result(run.token, new.group.analyses[0], &result, at(1))
                .await
                .unwrap(),
            Applied::Yes
        );
        world.store.enter_analysis(run.token, new.group.analyses[1], at(1)).await.unwrap();
        doomed.push((folder.id, run.token, new.group.analyses[1]));
    }
    assert!(!files_with(data.path(), CANARY).is_empty(), "the canary is stored before");
    // A permanent reader must not prevent the truncation of the log.
    let reading = tokio::spawn({
        let world = world.clone();
        async move {
            loop {
                let listed = world
                    .store
                    .list_folders(world.scope(), &Default::default(), Default::default(), None, 100)
                    .await;
                world.store.contents(listed.unwrap().0, Selection::CONTENTS).await.unwrap();
            }
        }
    });
    for (folder, token, running) in doomed {
        world.store.erase_folder(world.scope(), folder, at(9)).await.unwrap();
        let late = world
            .store
            .apply_result(token, running, &AnalysisResult::Failed(crash()), at(2))
            .await
            .unwrap();
        assert_eq!(late, Applied::Stale);
    }
    reading.abort();
    assert_eq!(files_with(data.path(), CANARY), Vec::<String>::new());
    let names = std::fs::read_dir(data.path()).unwrap().count();
    assert_eq!(names, 3, "the database, its log and its index");
}

#[tokio::test]
async fn files_are_for_the_owner_only() {
    let (store, data) = make().await;
    World::new(store).await;
    let modes = std::fs::read_dir(data.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777);
    let modes: Vec<u32> = modes.collect();
    assert!(modes.len() == 3 && modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_another_process_are_noticed() {
    let (store, data) = make().await;
    let world = World::new(Arc::clone(&store)).await;
    let mut changes = store.changes();
    // For SQLite another connection is like another process.
    let foreign = open(data.path());
    let elsewhere = World { store: Arc::clone(&foreign), ..world.clone() };
    let (folder, _) = elsewhere.queued(0, &["liveness"]).await;
    let noticed = tokio::time::timeout(DEADLINE, changes.next()).await.expect("it is noticed");
    assert_eq!(noticed, Some(Change::Missed));
    assert_eq!(world.contents(folder.id).await.folder.id, folder.id);
    tokio::time::timeout(DEADLINE, store.run_waiting()).await.expect("it wakes");
    assert!(world.claim(1).await.is_some());
    // Writes of this process are announced with their folder.
    world.queued(5, &["liveness"]).await;
    assert!(matches!(
        tokio::time::timeout(DEADLINE, changes.next()).await,
        Ok(Some(Change::Folder(_)))
    ));
}

#[tokio::test]
async fn data_survive_closing_and_opening() {
    let (store, data) = make().await;
    let world = World::new(Arc::clone(&store)).await;
    let (folder, _) = world.queued(0, &["liveness"]).await;
    let before = world.contents(folder.id).await;
    store.close().await.unwrap();
    let world = World { store: open(data.path()), ..world };
    assert_eq!(world.contents(folder.id).await, before);
    assert_eq!(world.claim(1).await.expect("the run waits").folder_id, folder.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_run_wakes_current_and_next_waiter() {
    let (store, _data) = make().await;
    let world = World::new(Arc::clone(&store)).await;
    let mut waiting = Box::pin(store.run_waiting());
    assert!(futures::poll!(&mut waiting).is_pending());
    world.queued(0, &["liveness"]).await;
    assert!(futures::poll!(&mut waiting).is_ready(), "it waited before");
    assert!(
        futures::poll!(Box::pin(store.run_waiting())).is_ready(),
        "it checked before the run was queued and waits after that"
    );
    assert!(
        futures::poll!(Box::pin(store.run_waiting())).is_pending(),
        "nothing wakes it without a new run"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_reader_only_delays_truncating_the_log() {
    const CANARY: &str = "canary-0815-JWK";
    let (store, data) = make().await;
    let world = World::new(store).await;
    let folder =
        Folder { metadata: JsonText::from(json!({ "secret": CANARY })).into(), ..world.folder(0) };
    world.store.create_folder(&folder, &FolderAdditions::default(), None).await.unwrap();
    let reader = rusqlite::Connection::open(data.path().join("vultus.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM folders").unwrap();
    world.store.erase_folder(world.scope(), folder.id, at(9)).await.unwrap();
    assert!(!files_with(data.path(), CANARY).is_empty(), "the reader's snapshot needs the log");
    reader.execute_batch("COMMIT").unwrap();
    let forgotten = async {
        while !files_with(data.path(), CANARY).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, forgotten).await.expect("the writer retries");
}
