//! The store behind a running server: a full disk, reads that cannot begin, conflicts of external
//! ids, and the number of reads that a page takes.

use serde_json::{Value, json};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use vultus_store::contract::{World, at, group, medium};
use vultus_store::{FolderAdditions, Folders, Store};
use vultus_store_sqlite::{Options, SqliteStore};
use vultus_tests::{
    CREATE_FOLDER, Client, DELETE_FOLDER, Node, NodeOptions, id_photo, sample, wait_until,
};

const MEBI: u64 = 1 << 20;
const CANARY: &str = "canary-on-a-full-disk";

/// A file that takes all space that is left.
struct Filler(PathBuf);

impl Filler {
    fn fill(folder: &Path) -> Self {
        let path = folder.join("filler");
        let file = File::create(&path).unwrap();
        // Page by page at the end: a tmpfs counts in pages.
        for piece in [MEBI, 4096] {
            let mut end = file.metadata().unwrap().len();
            let flags = rustix::fs::FallocateFlags::empty();
            while rustix::fs::fallocate(&file, flags, end, piece).is_ok() {
                end += piece;
            }
        }
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn missing(node: &Node) -> Value {
    let answer = reqwest::get(format!("{}/readyz", node.url)).await.unwrap();
    answer.json::<Value>().await.unwrap()["missing"].clone()
}

fn contains(folder: &Path, needle: &str) -> bool {
    let names = ["vultus.db", "vultus.db-wal"];
    let files = names.iter().map(|name| std::fs::read(folder.join(name)).unwrap_or_default());
    let needle = needle.as_bytes();
    files.into_iter().any(|file| file.windows(needle.len()).any(|window| window == needle))
}

#[tokio::test]
async fn full_disk_refuses_uploads_and_allows_deletions() {
    let config = format!("disk.reserve_bytes = {}", 8 * MEBI);
    let options = NodeOptions { config, disk_bytes: Some(40 * MEBI), ..NodeOptions::default() };
    let node = Node::start_with(options).await;
    let client = node.client().await;
    let photo = || [id_photo(sample("obama.jpg"))];
    let folder = client.create(&photo(), json!({"metadata": {"note": CANARY}})).await;
    let other = client.create(&photo(), json!({})).await;
    assert_eq!(missing(&node).await, json!([]));

    let filler = Filler::fill(&node.data());
    wait_until("the node to see that the disk is full", || async {
        (missing(&node).await == json!(["disk"])).then_some(())
    })
    .await;
    let blobs = node.blobs();
    for refused in [
        client.refused(&photo(), json!({})).await,
        client.error(CREATE_FOLDER, json!({"input": {"metadata": {"a": "b"}}})).await,
    ] {
        assert_eq!(refused["code"], "UNAVAILABLE", "{refused:#}");
        assert!(refused["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{refused:#}");
    }
    assert_eq!((node.blobs(), node.spooled_files()), (blobs, Vec::new()));
    assert_eq!(client.folder(folder["id"].as_str().unwrap()).await["id"], folder["id"]);

    client.data(DELETE_FOLDER, json!({"input": {"folderId": folder["id"]}})).await;
    assert_eq!(client.folder(folder["id"].as_str().unwrap()).await, Value::Null);
    wait_until("the raw files to hold no trace", || async {
        (!contains(&node.data(), CANARY) && node.blobs().len() == 2).then_some(())
    })
    .await;
    let medium = json!({"input": {"mediaId": other["media"]["nodes"][0]["id"]}});
    let delete = "mutation($input: DeleteMediaInput!) { deleteMedia(input: $input) { deletedId } }";
    client.data(delete, medium).await;
    wait_until("the files to be gone", || async { node.blobs().is_empty().then_some(()) }).await;
    assert_eq!(missing(&node).await, json!(["disk"]), "the filler has the rest");

    drop(filler);
    wait_until("the node to be ready again", || async { node.is_ready().await.then_some(()) })
        .await;
    assert_eq!(std::fs::metadata(node.data().join("reserve")).unwrap().len(), 8 * MEBI);
    client.create(&photo(), json!({})).await;
}

/// Locks the marks of SQLite's readers in the index of its log, as a process would that recovers
/// the log. Dropping it unlocks them.
fn lock_readers(node: &Node) -> File {
    let index = node.data().join("vultus.db-shm");
    let file = File::options().read(true).write(true).open(index).unwrap();
    let whence = libc::c_short::try_from(libc::SEEK_SET).unwrap();
    let kind = libc::c_short::try_from(libc::F_WRLCK).unwrap();
    // Bytes 123 to 127 are the locks of readers.
    let lock = libc::flock { l_type: kind, l_whence: whence, l_start: 123, l_len: 5, l_pid: 0 };
    // SAFETY: the descriptor is open, and `lock` lives until the call returns.
    let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLKW, &raw const lock) };
    assert_eq!(locked, 0, "{}", std::io::Error::last_os_error());
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_cannot_begin_are_unavailable() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client.data(CREATE_FOLDER, json!({"input": {}})).await;
    let id = folder["createFolder"]["folder"]["id"].clone();
    let read = async || {
        client.query("query($id: ID!) { folder(id: $id) { id } }", json!({"id": id})).await
    };
    let locked = lock_readers(&node);
    // More than there are readers: some have one that waits, and the others wait for one.
    for answer in futures::future::join_all((0..12).map(|_| read())).await {
        let error = &answer["errors"][0]["extensions"];
        assert_eq!(error["code"], "UNAVAILABLE", "{answer:#}");
    }
    assert_eq!(missing(&node).await, json!(["store"]));
    drop(locked);
    assert_eq!(read().await["data"]["folder"]["id"], id);
    assert!(node.is_ready().await);
}

/// Stores folders with media and analyses beside the running node.
async fn store_folders(node: &Node, count: usize) {
    let file = node.data().join("vultus.db");
    let store = SqliteStore::open(&file, Options::default()).unwrap();
    let world = World::new(store.clone()).await;
    for _ in 0..count {
        let folder = world.folder(0);
        let media = vec![medium(folder.id, 0), medium(folder.id, 0)];
        let mut group = group(folder.id, 0, &["liveness", "face_match"], &[media[0].id]);
        // No worker serves it.
        "elsewhere".clone_into(&mut group.runs[0].pool);
        let additions = FolderAdditions {
            media,
            group: Some(group),
            now: Some(at(0)),
            most_media: None,
            most_analyses: None,
        };
        store.create_folder(&folder, &additions, None).await.unwrap();
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn page_of_100_folders_takes_at_most_four_reads() {
    let config = "log.level = \"info,vultus_store_sqlite=trace\"".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    store_folders(&node, 100).await;
    let query = "{ folders(first: 100) { nodes { id resolution
        media(first: 2) { nodes { id kind } }
        analyses(first: 2) { nodes { id state artifacts { name } media { id } } } } } }";
    let reads = || node.log().matches("reading the store").count();
    let mut fewest = usize::MAX;
    // Readiness and the sweeper read, too: the quietest of some requests counts.
    for _ in 0..5 {
        let before = reads();
        let page = client.data(query, json!({})).await;
        fewest = fewest.min(reads() - before);
        let nodes = page["folders"]["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 100);
        assert_eq!(nodes[99]["media"]["nodes"].as_array().map(Vec::len), Some(2));
        assert_eq!(nodes[99]["analyses"]["nodes"].as_array().map(Vec::len), Some(2));
    }
    assert!((1..=4).contains(&fewest), "{fewest} reads");
}

async fn conflict(client: &Client, external_id: &str) -> Value {
    client.error(CREATE_FOLDER, json!({"input": {"externalId": external_id}})).await
}

#[tokio::test]
async fn conflict_names_only_folders_within_reach() {
    let node = Node::start().await;
    let first = node.client_as("first@example.org", "client").await;
    let colleague = node.client_as("colleague@example.org", "client").await;
    let create = json!({"input": {"externalId": "case-7"}});
    let created = first.data(CREATE_FOLDER, create).await["createFolder"]["folder"]["id"].clone();
    let own = conflict(&first, "case-7").await;
    assert_eq!((&own["code"], &own["existingId"]), (&json!("CONFLICT"), &created), "{own:#}");
    let foreign = conflict(&colleague, "case-7").await;
    let told = |error: &Value| {
        let mut told = error.as_object().unwrap().clone();
        told.retain(|name, _| !["existingId", "requestId"].contains(&name.as_str()));
        told
    };
    assert_eq!(foreign["existingId"], Value::Null, "{foreign:#}");
    assert_eq!(told(&foreign), told(&own), "the same but for the id");
    let mine = colleague.data(CREATE_FOLDER, json!({"input": {}})).await;
    let update =
        "mutation($input: UpdateFolderInput!) { updateFolder(input: $input) { folder { id } } }";
    let input = json!({"input": {
        "folderId": mine["createFolder"]["folder"]["id"], "externalId": "case-7",
    }});
    let refused = colleague.error(update, input.clone()).await;
    assert_eq!((&refused["code"], &refused["existingId"]), (&json!("CONFLICT"), &Value::Null));
    let administrator = node.client().await;
    let told = administrator.error(update, input).await;
    assert_eq!(told["existingId"], created, "an administrator sees both folders");
}
