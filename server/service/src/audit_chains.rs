//! The background task of the audit log: gives waiting entries their places within a second, and
//! signs the heads of the chains each hour. In a cluster one node does it, under a lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::{Builder, Uuid};
use vultus_auth::audit_heads::{HeadError, HeadKey, SignedHead};
use vultus_core::AuditEntryId;
use vultus_core::clock::Clock;
use vultus_store::audit::{Chain, ChainHead, verify_since};
use vultus_store::{Result, Store};

/// Interval of looking for waiting entries.
const INTERVAL: Duration = Duration::from_millis(400);
/// Entries that get their places in one transaction.
const BATCH: u32 = 500;
/// Duration of the lease. If its node dies, entries wait for this long.
const LEASE: Duration = Duration::from_secs(5);
/// The lease is extended when it has less than this left.
const EXTEND: Duration = Duration::from_secs(2);
/// Interval of searching all waiting entries, and not only those of the last [`MARGIN`].
const SEARCH_ALL: Duration = Duration::from_secs(10);
/// More than any write takes, and more than the clocks of nodes differ.
const MARGIN: time::Duration = time::Duration::seconds(60);
/// Interval of looking for heads to be signed.
const LOOK_AT_HEADS: Duration = Duration::from_secs(60);
/// Time after which the head of a chain that grew is signed again.
const SIGN_AFTER: time::Duration = time::Duration::hours(1);

/// The background task.
pub(crate) struct AuditChains {
    store: Arc<dyn Store>,
    key: HeadKey,
    clock: Clock,
    node: String,
    lease_until: Option<Instant>,
    searched_all: Option<Instant>,
    looked_at_heads: Option<Instant>,
}

impl AuditChains {
    pub(crate) fn new(store: Arc<dyn Store>, key: HeadKey, clock: Clock) -> Self {
        Self {
            store,
            key,
            clock,
            node: Uuid::now_v7().to_string(),
            lease_until: None,
            searched_all: None,
            looked_at_heads: None,
        }
    }

    /// Runs until `stop` is cancelled.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut timer = tokio::time::interval(INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        while stop.run_until_cancelled(timer.tick()).await.is_some() {
            let done = self.step(&stop).await;
            if let (Err(error), false) = (&done, failing) {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "could not chain or sign the audit log; it is tried again"
                );
            }
            failing = done.is_err();
        }
    }

    async fn step(&mut self, stop: &CancellationToken) -> Result<()> {
        if !self.holds_lease().await? {
            return Ok(());
        }
        let is_due = |last: Option<Instant>, interval| {
            last.is_none_or(|last: Instant| last.elapsed() >= interval)
        };
        let all = is_due(self.searched_all, SEARCH_ALL);
        let from = if all { None } else { Some(first_id(self.clock.now() - MARGIN)) };
        while self.store.chain_waiting(from, BATCH).await? >= BATCH && !stop.is_cancelled() {}
        if all {
            self.searched_all = Some(Instant::now());
        }
        if is_due(self.looked_at_heads, LOOK_AT_HEADS) {
            self.sign_heads().await?;
            self.looked_at_heads = Some(Instant::now());
        }
        Ok(())
    }

    async fn holds_lease(&mut self) -> Result<bool> {
        let now = Instant::now();
        if self.lease_until.is_some_and(|until| until > now + EXTEND) {
            return Ok(true);
        }
        let holds = self.store.hold_lease("audit", &self.node, LEASE).await?;
        self.lease_until = holds.then_some(now + LEASE);
        Ok(holds)
    }

    /// Signs the heads of chains that grew since they were signed an hour ago, or never. The log of
    /// the node carries them out of the reach of those who can change the store. A chain that does
    /// not continue its last signed head is not signed again, so that `vultus audit verify` still
    /// finds what is wrong with it.
    async fn sign_heads(&self) -> Result<()> {
        let now = self.clock.now();
        let kept: HashMap<Chain, String> = self.store.signed_heads().await?.into_iter().collect();
        for head in self.store.chain_heads().await? {
            let last = match kept.get(&head.chain).map(|text| self.key.verify(text)) {
                Some(Ok(last)) => last,
                // The secret keys were replaced: the old head cannot be verified any more.
                None | Some(Err(HeadError::OtherKey { .. })) => SignedHead {
                    head: ChainHead::empty(head.chain),
                    signed_at: OffsetDateTime::UNIX_EPOCH,
                },
                Some(Err(error)) => {
                    report_broken(head.chain, &error);
                    continue;
                }
            };
            if last.head.number == head.number || now - last.signed_at < SIGN_AFTER {
                continue;
            }
            match verify_since(self.store.as_ref(), last.head).await? {
                Ok(head) => {
                    let signed = self.key.sign(&head, now);
                    self.store.keep_signed_head(head.chain, &signed).await?;
                    tracing::info!(head = signed, "signed head of the audit log");
                }
                Err(fault) => report_broken(head.chain, &fault),
            }
        }
        Ok(())
    }
}

fn report_broken(chain: Chain, fault: &(dyn std::error::Error + 'static)) {
    tracing::error!(%chain, error = fault, "the audit log was tampered with; it is not signed");
}

/// An id that is not greater than any that was made at this time or later.
fn first_id(at: OffsetDateTime) -> AuditEntryId {
    let milliseconds = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    AuditEntryId(Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_id_of_a_time_precedes_the_ids_of_that_time() {
        let now = Clock::system().now();
        let id = AuditEntryId(Uuid::now_v7());
        assert!(first_id(now - time::Duration::milliseconds(1)) <= id);
        assert!(first_id(now + time::Duration::seconds(1)) > id);
    }
}
