//! Watching folders and analyses: the current state first, then each newer one. Level-triggered: a
//! slow reader gets the newest state.

use super::errors::stored;
use super::types::FolderContents;
use super::{NextAnswer, Services};
use futures::Stream;
use futures::stream::unfold;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vultus_auth::policy::{self, Action};
use vultus_core::{Analysis, AnalysisId, Artifact, Error, FolderId, Principal, Result};
use vultus_store::{Change, ChangeStream, FolderChange, Scope};

/// A store that does not answer is asked again after this time: who watches is told late rather
/// than cut off.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Folders watched before those that nobody watches any more are looked for.
const FIRST_PRUNE: usize = 1024;

/// One reader of the store's changes for all who watch: each is woken for its own folder only.
#[derive(Default)]
pub(super) struct Hub(Mutex<Watchers>);

/// How many changes of a folder there were, and how many that may have made an analysis final.
#[derive(Debug, Clone, Copy, Default)]
struct Changes {
    all: u64,
    settling: u64,
}

impl Changes {
    fn one_more(&mut self, may_settle: bool) {
        self.all += 1;
        self.settling += u64::from(may_settle);
    }
}

#[derive(Default)]
struct Watchers {
    by_folder: HashMap<FolderId, watch::Sender<Changes>>,
    prune_at: usize,
}

impl Hub {
    fn watch(&self, id: FolderId) -> watch::Receiver<Changes> {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watchers.by_folder.len() >= watchers.prune_at.max(FIRST_PRUNE) {
            watchers.by_folder.retain(|_, sender| sender.receiver_count() > 0);
            watchers.prune_at = watchers.by_folder.len() * 2;
        }
        watchers.by_folder.entry(id).or_default().subscribe()
    }

    fn wake(&self, change: FolderChange) {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match watchers.by_folder.get(&change.folder_id) {
            Some(sender) if sender.receiver_count() > 0 => {
                sender.send_modify(|changes| changes.one_more(change.may_settle))
            }
            Some(_) => drop(watchers.by_folder.remove(&change.folder_id)),
            None => {}
        }
    }

    fn wake_all(&self) {
        let watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in watchers.by_folder.values() {
            sender.send_modify(|changes| changes.one_more(true));
        }
    }
}

/// Passes the store's changes on until the node stops.
pub(super) async fn spread(hub: Arc<Hub>, mut changes: ChangeStream, stopping: CancellationToken) {
    loop {
        let change = tokio::select! {
            () = stopping.cancelled() => return,
            change = changes.next() => change,
        };
        match change {
            Some(Change::Folder(change)) => hub.wake(change),
            Some(Change::Missed) => hub.wake_all(),
            None => return,
        }
    }
}

struct Watch {
    services: Services,
    scope: Scope,
    folder: FolderId,
    changes: watch::Receiver<Changes>,
    seen: Option<u64>,
    next_answer: NextAnswer,
    /// The store did not answer when the state was read last.
    unanswered: bool,
}

impl Watch {
    fn new(services: &Services, scope: Scope, folder: FolderId, next_answer: NextAnswer) -> Self {
        let (services, changes) = (services.clone(), services.inner.hub.watch(folder));
        Self { services, scope, folder, changes, seen: None, next_answer, unanswered: false }
    }

    /// Waits for a change, but not before the first state was given. False: the node stops.
    async fn changed(&mut self) -> bool {
        if self.seen.is_none() {
            return true;
        }
        if std::mem::take(&mut self.unanswered) {
            return tokio::select! {
                () = self.services.inner.stopping.cancelled() => false,
                () = tokio::time::sleep(ASK_AGAIN) => true,
            };
        }
        tokio::select! {
            () = self.services.inner.stopping.cancelled() => false,
            changed = self.changes.changed() => changed.is_ok(),
        }
    }

    async fn next_folder(&mut self) -> Option<Result<Arc<FolderContents>>> {
        while self.changed().await {
            let slot = self.next_answer.reserve().await;
            self.changes.mark_unchanged();
            match self.services.shared_contents(self.scope, self.folder).await {
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
            match self.services.analysis_in(self.scope, id).await {
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

impl Services {
    /// The folder as it is, then each newer state. An erased folder ends it with NOT_FOUND, a
    /// shutdown without.
    pub fn watch_folder(
        &self,
        caller: &Principal,
        id: FolderId,
        next_answer: NextAnswer,
    ) -> impl Stream<Item = Result<Arc<FolderContents>>> + Send + use<> {
        let start = policy::authorize(caller, Action::ViewFolder)
            .map(|scope| Watch::new(self, scope, id, next_answer));
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

    /// The analysis as it is, then each newer state, up to its final one.
    pub fn watch_analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
        next_answer: NextAnswer,
    ) -> impl Stream<Item = Result<(Analysis, Vec<Artifact>)>> + Send + use<> {
        let scope = policy::authorize(caller, Action::ViewFolder);
        let services = self.clone();
        unfold(Some((scope, None::<Watch>)), move |state| {
            let (services, next_answer) = (services.clone(), next_answer.clone());
            async move {
                let (scope, watch) = state?;
                let begun = async {
                    let scope = scope?;
                    match watch {
                        Some(watch) => Ok((scope, watch)),
                        None => {
                            let (analysis, _) = services.analysis_in(scope, id).await?;
                            let folder = analysis.folder_id;
                            Ok((scope, Watch::new(&services, scope, folder, next_answer)))
                        }
                    }
                };
                let (scope, mut watch) = match begun.await {
                    Ok(begun) => begun,
                    Err(error) => return Some((Err(error), None)),
                };
                let item = watch.next_analysis(id).await?;
                let goes_on = item.as_ref().is_ok_and(|(analysis, _)| !analysis.state.is_final());
                Some((item, goes_on.then_some((Ok(scope), Some(watch)))))
            }
        })
    }

    /// Waits until all of the analyses are final, the time is up or the node stops; gives the
    /// folder as it is then.
    pub async fn wait_final(
        &self,
        caller: &Principal,
        folder: FolderId,
        analyses: &[AnalysisId],
        until: Instant,
    ) -> Result<FolderContents> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let until = until.min(Instant::now() + self.inner.checker.limits.wait);
        let mut changes = self.inner.hub.watch(folder);
        loop {
            let seen = changes.borrow_and_update().settling;
            // The folder is read whole once, at the end, and not after each change.
            let found = patiently(until, || async {
                stored(self.inner.store.analyses(scope, analyses).await)
            })
            .await?;
            if found.iter().all(|(analysis, _)| analysis.state.is_final()) {
                break;
            }
            tokio::select! {
                changed = settled(&mut changes, seen) => if changed.is_err() { break },
                () = tokio::time::sleep_until(until) => break,
                () = self.inner.stopping.cancelled() => return self.contents_of(scope, folder).await,
            }
        }
        patiently(until, || self.contents_of(scope, folder)).await
    }

    async fn analysis_in(&self, scope: Scope, id: AnalysisId) -> Result<(Analysis, Vec<Artifact>)> {
        let found = stored(self.inner.store.analyses(scope, &[id]).await)?.pop();
        found.ok_or(Error::NotFound { what: "analysis", argument: None })
    }
}

/// Waits until an analysis may have become final after so many that did.
async fn settled(
    changes: &mut watch::Receiver<Changes>,
    seen: u64,
) -> std::result::Result<(), watch::error::RecvError> {
    changes.wait_for(|changes| changes.settling > seen).await.map(drop)
}

/// Reads what is stored already from a store that may not answer for a while.
async fn patiently<T, F: Future<Output = Result<T>>>(
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
