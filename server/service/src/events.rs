//! Watching folders and analyses: the current state first, then each newer one. Level-triggered: a
//! slow reader skips to the newest state.

use crate::analyses::Analyses;
use crate::answers::NextAnswer;
use crate::errors::stored;
use crate::folders::folder_contents;
use crate::hub::{Changes, Hub};
use crate::shared_reads::SharedReads;
use futures::Stream;
use futures::stream::unfold;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vultus_auth::policy::{self, Action};
use vultus_core::{Analysis, AnalysisId, Artifact, Error, FolderId, Principal, Result};
use vultus_store::{FolderContents, Scope, Selection, Store};

/// Time after which a store that did not answer is asked again: a late state is better than an
/// ended subscription.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The part that watches folders and analyses. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Hub,
    pub(crate) shared_reads: SharedReads,
    pub(crate) analyses: Analyses,
    pub(crate) max_wait: Duration,
    pub(crate) stopping: CancellationToken,
}

struct Watch {
    events: Events,
    scope: Scope,
    folder: FolderId,
    selection: Selection,
    changes: watch::Receiver<Changes>,
    seen: Option<u64>,
    next_answer: NextAnswer,
    /// The store did not answer the last read.
    unanswered: bool,
}

impl Watch {
    fn new(
        events: &Events,
        scope: Scope,
        folder: FolderId,
        selection: Selection,
        next_answer: NextAnswer,
    ) -> Self {
        let (events, changes) = (events.clone(), events.hub.watch(folder));
        Self {
            events,
            scope,
            folder,
            selection,
            changes,
            seen: None,
            next_answer,
            unanswered: false,
        }
    }

    /// Waits for a change; returns at once for the first state. False if the node stops.
    async fn changed(&mut self) -> bool {
        if self.seen.is_none() {
            return true;
        }
        if std::mem::take(&mut self.unanswered) {
            return tokio::select! {
                () = self.events.stopping.cancelled() => false,
                () = tokio::time::sleep(ASK_AGAIN) => true,
            };
        }
        tokio::select! {
            () = self.events.stopping.cancelled() => false,
            changed = self.changes.changed() => changed.is_ok(),
        }
    }

    async fn next_folder(&mut self) -> Option<Result<Arc<FolderContents>>> {
        while self.changed().await {
            let slot = self.next_answer.reserve().await;
            self.changes.mark_unchanged();
            let Self { scope, folder, selection, .. } = *self;
            match self.events.shared_reads.contents(scope, folder, selection).await {
                Ok(contents) if self.seen == Some(contents.folder.revision) => {}
                Ok(contents) => {
                    self.seen = Some(contents.folder.revision);
                    self.next_answer.keep(slot);
                    return Some(Ok(contents));
                }
                Err(Error::Unavailable { .. }) if self.seen.is_some() => self.unanswered = true,
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    async fn next_analysis(&mut self, id: AnalysisId) -> Option<Result<(Analysis, Vec<Artifact>)>> {
        while self.changed().await {
            let slot = self.next_answer.reserve().await;
            self.changes.mark_unchanged();
            match self.events.analyses.in_scope(self.scope, id).await {
                Ok((analysis, _)) if self.seen == Some(analysis.revision) => {}
                Ok(found) => {
                    self.seen = Some(found.0.revision);
                    self.next_answer.keep(slot);
                    return Some(Ok(found));
                }
                Err(Error::Unavailable { .. }) if self.seen.is_some() => self.unanswered = true,
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

impl Events {
    pub(crate) fn watch_folder(
        &self,
        caller: &Principal,
        id: FolderId,
        selection: Selection,
        next_answer: NextAnswer,
    ) -> impl Stream<Item = Result<Arc<FolderContents>>> + Send + use<> {
        let start = policy::authorize(caller, Action::ViewFolder)
            .map(|scope| Watch::new(self, scope, id, selection, next_answer));
        unfold(Some(start), |state| async {
            let mut watch = match state? {
                Ok(watch) => watch,
                Err(error) => return Some((Err(error), None)),
            };
            let item = watch.next_folder().await?;
            let next = item.is_ok().then_some(Ok(watch));
            Some((item, next))
        })
    }

    pub(crate) fn watch_analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
        next_answer: NextAnswer,
    ) -> impl Stream<Item = Result<(Analysis, Vec<Artifact>)>> + Send + use<> {
        let scope = policy::authorize(caller, Action::ViewFolder);
        let events = self.clone();
        unfold(Some((scope, None::<Watch>)), move |state| {
            let (events, next_answer) = (events.clone(), next_answer.clone());
            async move {
                let (scope, watch) = state?;
                let begun = async {
                    let scope = scope?;
                    match watch {
                        Some(watch) => Ok((scope, watch)),
                        None => {
                            let (analysis, _) = events.analyses.in_scope(scope, id).await?;
                            let folder = analysis.folder_id;
                            let selection = Selection::ENTITIES;
                            let watch = Watch::new(&events, scope, folder, selection, next_answer);
                            Ok((scope, watch))
                        }
                    }
                };
                let (scope, mut watch) = match begun.await {
                    Ok(begun) => begun,
                    Err(error) => return Some((Err(error), None)),
                };
                let item = watch.next_analysis(id).await?;
                let continues = item.as_ref().is_ok_and(|(analysis, _)| !analysis.state.is_final());
                Some((item, continues.then_some((Ok(scope), Some(watch)))))
            }
        })
    }

    pub(crate) async fn wait_final(
        &self,
        caller: &Principal,
        folder: FolderId,
        analyses: &[AnalysisId],
        until: Instant,
        selection: Selection,
    ) -> Result<FolderContents> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let until = until.min(Instant::now() + self.max_wait);
        let mut changes = self.hub.watch(folder);
        loop {
            let seen = changes.borrow_and_update().settling;
            // Only the analyses are read after each change; the whole folder once, at the end.
            let found = retry_until(until, || async {
                stored(self.store.analyses(scope, analyses, Selection::ENTITIES).await)
            })
            .await?;
            if found.iter().all(|(analysis, _)| analysis.state.is_final()) {
                break;
            }
            tokio::select! {
                changed = settled(&mut changes, seen) => if changed.is_err() { break },
                () = tokio::time::sleep_until(until) => break,
                () = self.stopping.cancelled() => {
                    return folder_contents(self.store.as_ref(), scope, folder, selection).await;
                }
            }
        }
        retry_until(until, || folder_contents(self.store.as_ref(), scope, folder, selection)).await
    }
}

/// Waits until more than `seen` changes may have made an analysis final.
async fn settled(
    changes: &mut watch::Receiver<Changes>,
    seen: u64,
) -> std::result::Result<(), watch::error::RecvError> {
    changes.wait_for(|changes| changes.settling > seen).await.map(drop)
}

/// Repeats a read until the deadline while the store does not answer.
async fn retry_until<T, F: Future<Output = Result<T>>>(
    until: Instant,
    read: impl Fn() -> F,
) -> Result<T> {
    loop {
        match read().await {
            Err(Error::Unavailable { .. }) if Instant::now() + ASK_AGAIN < until => {
                tokio::time::sleep(ASK_AGAIN).await
            }
            other => return other,
        }
    }
}
