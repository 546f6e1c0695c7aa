//! Rules of the stream of changes.

use super::fixtures::{World, at};
use crate::events::Change;
use crate::records::Scope;
use crate::traits::Store;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use vultus_core::FolderId;

/// No rule waits longer than this for a change.
const DEADLINE: Duration = Duration::from_secs(20);

/// Changes of a folder come in the order of its revisions, the state read after a change is never
/// older than it, the last change is never left out, and erasure comes last, as revision 0.
pub async fn changes_come_in_order_and_never_ahead_of_the_state(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    let mut changes = world.store.changes();
    let writers = (0..40).map(|number| {
        let world = world.clone();
        tokio::spawn(async move {
            let metadata = json!({ "number": number });
            world
                .store
                .update_folder(world.scope(), folder.id, Some(&metadata), None, at(number))
                .await
                .expect("changing works");
        })
    });
    let writers = futures::future::join_all(writers);
    let reader = async {
        let mut newest = 1;
        while newest < 41 {
            let Some(Change::Folder(change)) = changes.next().await else {
                panic!("the stream ended or missed some")
            };
            assert_eq!(change.folder_id, folder.id);
            // What happened just before the subscription may still be on its way.
            if (newest, change.revision) == (1, 1) {
                continue;
            }
            assert!(change.revision > newest, "{} after {newest}", change.revision);
            newest = change.revision;
            let read = world.contents(folder.id).await.folder.revision;
            assert!(read >= newest, "read {read} after {newest} was sent");
        }
        newest
    };
    let (written, newest) = tokio::time::timeout(DEADLINE, async { tokio::join!(writers, reader) })
        .await
        .expect("the last revision is sent");
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(newest, 41);
    world.store.erase_folder(world.scope(), folder.id, at(9)).await.expect("erasing works");
    let erased = tokio::time::timeout(DEADLINE, changes.next()).await.expect("the erasure is sent");
    assert!(
        matches!(erased, Some(Change::Folder(change)) if change.revision == 0 && change.folder_id == folder.id)
    );
}

/// A closed store ends its streams and answers no more.
pub async fn a_closed_store_ends_its_streams(store: Arc<dyn Store>) {
    let mut changes = store.changes();
    store.ping().await.expect("it answers");
    store.close().await.expect("closing works");
    assert_eq!(
        tokio::time::timeout(DEADLINE, changes.next()).await.expect("the stream ends"),
        None
    );
    assert_eq!(
        tokio::time::timeout(DEADLINE, store.changes().next()).await.expect("so does a later one"),
        None
    );
    assert!(store.ping().await.is_err());
    assert!(
        store.folders(Scope::Everything, &[super::fixtures::new_id::<FolderId>()]).await.is_err()
    );
}
