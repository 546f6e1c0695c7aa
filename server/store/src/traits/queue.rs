//! Runs as a queue: leases with fencing tokens, and what is written under them.

use super::Result;
use crate::records::{
    AnalysisResult, Applied, ClaimRequest, ClaimedRun, DeathVerdict, LeaseToken, QueueDepth,
    WorkerDeath,
};
use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use vultus_core::{AnalysisFailure, AnalysisId, CompanyId};

/// Runs as a queue.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Leases a waiting run of the pool (or one whose lease expired), and returns it with a new
    /// fencing token. It is a run of the company whose turn it is
    /// ([`vultus_core::turns::Turns`]), and among that company's runs the one with the earliest
    /// turn. Its QUEUED analyses stay QUEUED until a worker enters them.
    async fn claim_run(&self, request: &ClaimRequest) -> Result<Option<ClaimedRun>>;
    /// Number of unfinished runs of a company in a pool, counted up to `at_most`.
    async fn unfinished_runs(&self, company: CompanyId, pool: &str, at_most: u64) -> Result<u64>;
    /// Extends the lease. Returns false if the token is stale.
    async fn heartbeat(
        &self,
        token: LeaseToken,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<bool>;
    /// Records that a worker entered an analysis: RUNNING, one more attempt. A backend may hold
    /// this and progress back for up to a second, to write them together with a result; see
    /// [`Queue::flush_kept_back`].
    async fn enter_analysis(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Applied>;
    /// Records progress, 0–1. Progress that is not higher than the stored one changes nothing: it
    /// raises no revision and announces no change.
    async fn record_progress(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        fraction: f32,
    ) -> Result<Applied>;
    /// Writes the result of an analysis, once.
    async fn apply_result(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        result: &AnalysisResult,
        now: OffsetDateTime,
    ) -> Result<Applied>;
    /// Records the death of a worker and puts the run back into the queue. An analysis that was
    /// active in [`vultus_core::rules::FATAL_DEATHS`] deaths fails with `failure`.
    async fn record_death(
        &self,
        token: LeaseToken,
        death: WorkerDeath,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<DeathVerdict>;
    /// Tells the backend that no result of this run is about to follow: it writes at once what it
    /// holds back for the run. Does nothing in a backend that holds nothing back.
    fn flush_kept_back(&self, _token: LeaseToken) {}
    /// Ends a run whose analyses are all final. Otherwise puts it back into the queue with the
    /// rest QUEUED, not to be claimed before `retry_at`.
    async fn release_run(
        &self,
        token: LeaseToken,
        retry_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Applied>;
    /// Fails the analyses of waiting runs of pools other than these that were requested before
    /// `asked_before`: no node serves those pools. Each analysis gets `failure`. Returns how many
    /// analyses failed.
    async fn fail_unserved(
        &self,
        pools: &[String],
        asked_before: OffsetDateTime,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<u64>;
    /// Numbers of waiting and leased runs.
    async fn queue_depth(&self) -> Result<QueueDepth>;
}
