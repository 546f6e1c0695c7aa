//! Watching the cases that wait: their numbers first, then each newer state. Level-triggered, as
//! [`crate::events`].

use crate::answers::NextAnswer;
use crate::cases::WantedCases;
use crate::errors::stored;
use crate::events::Events;
use crate::services::Services;
use futures::Stream;
use futures::stream::unfold;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use vultus_auth::policy::{self, Action};
use vultus_core::clock::Clock;
use vultus_core::{Error, Principal, Result};
use vultus_store::{CaseCounts, CaseFilter, Scope};

/// Minimum time between two reads of one subscription: a busy queue changes more often than a
/// person can follow.
const INTERVAL: Duration = Duration::from_secs(1);

struct CaseWatch {
    events: Events,
    clock: Clock,
    scope: Scope,
    filter: CaseFilter,
    changes: watch::Receiver<u64>,
    seen: Option<CaseCounts>,
    read_at: Option<Instant>,
    next_answer: NextAnswer,
}

impl CaseWatch {
    /// Waits for a change, or for the end of a claim; returns at once for the first state. False
    /// if the node stops.
    async fn changed(&mut self) -> bool {
        let Some(read_at) = self.read_at else { return true };
        let stopping = self.events.stopping.clone();
        let wait = async {
            let now = self.clock.now();
            let next_end = self.seen.and_then(|counts| counts.next_end);
            let left = next_end.map(|end| Duration::try_from(end - now).unwrap_or_default());
            tokio::select! {
                changed = self.changes.changed() => changed.is_ok(),
                () = sleep_for(left) => true,
            }
        };
        let changed = tokio::select! {
            () = stopping.cancelled() => false,
            changed = wait => changed,
        };
        if changed {
            tokio::time::sleep_until(read_at + INTERVAL).await;
        }
        changed
    }

    async fn next(&mut self) -> Option<Result<CaseCounts>> {
        while self.changed().await {
            let slot = self.next_answer.reserve().await;
            self.changes.mark_unchanged();
            self.read_at = Some(Instant::now());
            let now = self.clock.now();
            if let Some((_, at)) = &mut self.filter.free_for {
                *at = now;
            }
            let counts = self.events.store.count_cases(self.scope, &self.filter, now);
            match stored(counts.await) {
                Ok(counts) if self.seen == Some(counts) => {}
                Ok(counts) => {
                    self.seen = Some(counts);
                    self.next_answer.keep(slot);
                    return Some(Ok(counts));
                }
                // A late state is better than an ended subscription.
                Err(Error::Unavailable { .. }) if self.seen.is_some() => {
                    self.changes.mark_changed()
                }
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

/// Sleeps for a time; without one for as long as the caller waits.
async fn sleep_for(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Cases.
impl Services {
    /// The numbers of the cases that wait, then each newer state.
    pub fn watch_cases(
        &self,
        caller: &Principal,
        wanted: WantedCases,
        next_answer: NextAnswer,
    ) -> impl Stream<Item = Result<CaseCounts>> + Send + use<> {
        let events = self.0.events.clone();
        let desk = self.desk();
        let start = policy::authorize(caller, Action::ViewCase).and_then(|scope| {
            let filter = desk.filter(caller, wanted)?;
            Ok(CaseWatch {
                changes: events.hub.watch_cases(),
                clock: desk.clock.clone(),
                events,
                scope,
                filter,
                seen: None,
                read_at: None,
                next_answer,
            })
        });
        unfold(Some(start), |state| async {
            let mut watch = match state? {
                Ok(watch) => watch,
                Err(error) => return Some((Err(error), None)),
            };
            let item = watch.next().await?;
            let next = item.is_ok().then_some(Ok(watch));
            Some((item, next))
        })
    }
}
