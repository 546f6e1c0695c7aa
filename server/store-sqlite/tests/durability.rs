//! An answered write survives `kill -9`: this program starts itself as a writing child process and
//! kills it.

#![expect(clippy::disallowed_methods, reason = "the test starts itself as a child")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use vultus_core::FolderId;
use vultus_store::contract::World;
use vultus_store::{Folders, Queue, Scope, Selection, Store};
use vultus_store_sqlite::{Options, SqliteStore};

/// Variable with the data folder of the child.
const CHILD: &str = "VULTUS_DURABILITY_DATA";
/// Number of acknowledged folders before the child is killed.
const ENOUGH: usize = 300;

fn main() {
    match std::env::var_os(CHILD) {
        Some(data) => write_until_killed(Path::new(&data)),
        None => answered_writes_survive_a_kill(),
    }
}

#[tokio::main]
async fn write_until_killed(data: &Path) {
    let store: Arc<dyn Store> =
        SqliteStore::open(&data.join("vultus.db"), Options::default()).expect("the store opens");
    let world = World::new(store).await;
    let tasks = (0..8).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            for seconds in 0.. {
                let (folder, _) = world.queued(seconds, &["liveness", "face_match"]).await;
                let mut out = std::io::stdout().lock();
                writeln!(out, "{}", folder.id)
                    .and_then(|()| out.flush())
                    .expect("the parent reads");
            }
        })
    });
    futures::future::join_all(tasks).await;
}

fn answered_writes_survive_a_kill() {
    let data = tempfile::tempdir().expect("a folder for the data");
    let me = std::env::current_exe().expect("the path of this program");
    let mut child = Command::new(me)
        .env(CHILD, data.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    let mut answered: Vec<FolderId> = Vec::new();
    while answered.len() < ENOUGH {
        let line = lines.next().expect("the child writes until it is killed").expect("a line");
        answered.push(line.parse().expect("an id"));
    }
    child.kill().expect("it is killed with SIGKILL");
    // Folders that were answered before the kill took effect. A torn last line was not answered.
    answered.extend(lines.map_while(Result::ok).filter_map(|line| line.parse::<FolderId>().ok()));
    child.wait().expect("it is dead");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = SqliteStore::open(&data.path().join("vultus.db"), Options::default())
            .expect("it opens again");
        let found = store
            .folders(Scope::Everything, &answered, Selection::ALL)
            .await
            .expect("reading works");
        assert_eq!(found.len(), answered.len(), "every answered folder exists");
        assert!(
            found
                .iter()
                .all(|folder| folder.media.members().len() == 1
                    && folder.analyses.members().len() == 2),
            "every answered folder is complete"
        );
        let depth = store.queue_depth().await.expect("counting works");
        assert!(depth.queued >= answered.len() as u64, "every answered folder has its run");
        store.close().await.expect("it closes");
    });
    let mut out = std::io::stdout();
    writeln!(out, "answered_writes_survive_a_kill: {} folders, ok", answered.len())
        .expect("the output is open");
}
