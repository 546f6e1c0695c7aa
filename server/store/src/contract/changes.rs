//! Rules of the stream of changes.

use super::fixtures::{World, at, crash};
use crate::events::{Change, ChangeStream, FolderChange};
use crate::records::{AnalysisResult, Scope};
use crate::{Selection, Store};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use vultus_core::FolderId;

/// Maximum wait for a change.
const DEADLINE: Duration = Duration::from_secs(20);

/// Changes of a folder come in the order of its revisions. The state that is read after a change is
/// never older than the change. The last change is never omitted. Erasure comes last, as revision
/// 0.
pub(crate) async fn changes_come_in_order_and_never_before_the_state(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, _) = world.queued(0, &["a"]).await;
    let mut changes = world.store.changes();
    let writers = (0..40).map(|number| {
        let world = world.clone();
        tokio::spawn(async move {
            let metadata = json!({ "number": number }).into();
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
            // The change just before the subscription may arrive late.
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
    assert!(matches!(
        erased,
        Some(Change::Folder(change)) if change.revision == 0 && change.folder_id == folder.id
    ));
}

/// The next change of a folder with at least this revision, merged with those before it.
async fn change_of(changes: &mut ChangeStream, folder: FolderId, revision: u64) -> FolderChange {
    let mut settled = false;
    loop {
        let next = tokio::time::timeout(DEADLINE, changes.next()).await.expect("a change is sent");
        let Some(Change::Folder(change)) = next else { panic!("the stream ended or missed some") };
        settled |= change.folder_id == folder && change.may_settle;
        if change.folder_id == folder && change.revision >= revision {
            return FolderChange { may_settle: settled, ..change };
        }
    }
}

/// A change may settle its folder exactly when an analysis became final or the folder was erased.
pub(crate) async fn only_final_analyses_may_settle_a_folder(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, new) = world.queued(0, &["a", "b"]).await;
    let [a, b] = [new.group.analyses[0], new.group.analyses[1]];
    let mut changes = world.store.changes();
    // The creation may arrive late; what comes with the next change is not of interest.
    let metadata = json!({ "k": "v" }).into();
    let update = world.store.update_folder(world.scope(), folder.id, Some(&metadata), None, at(1));
    let mut revision = update.await.expect("changing works").revision;
    change_of(&mut changes, folder.id, revision).await;
    let token = world.claim(1).await.expect("the run waits").token;
    let mut expect = async |what: &str, may_settle: bool| {
        revision = world.contents(folder.id).await.folder.revision;
        let change = change_of(&mut changes, folder.id, revision).await;
        assert_eq!(change.may_settle, may_settle, "{what}");
    };
    let update = world.store.update_folder(world.scope(), folder.id, None, Some(None), at(2));
    update.await.expect("changing works");
    expect("external id", false).await;
    world.store.enter_analysis(token, a, at(2)).await.expect("entering works");
    expect("entering", false).await;
    world.store.record_progress(token, a, 0.5).await.expect("writing works");
    expect("progress", false).await;
    let failed = AnalysisResult::Failed(crash());
    world.store.apply_result(token, a, &failed, at(3)).await.expect("writing works");
    expect("a result", true).await;
    world.store.cancel_analysis(world.scope(), b, at(4)).await.expect("cancelling works");
    expect("cancelling", true).await;
    world.store.erase_folder(world.scope(), folder.id, at(5)).await.expect("erasing works");
    let erased = change_of(&mut changes, folder.id, 0).await;
    assert!(erased.revision == 0 && erased.may_settle);
}

/// A closed store ends its streams and rejects calls.
pub(crate) async fn closed_store_ends_its_streams(store: Arc<dyn Store>) {
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
        store
            .folders(Scope::Everything, &[super::fixtures::new_id::<FolderId>()], Selection::ALL)
            .await
            .is_err()
    );
}
