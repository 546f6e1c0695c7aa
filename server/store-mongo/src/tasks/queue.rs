//! Runs as a queue.
//!
//! The three writes of a run's events are no tasks: they join the line of [`crate::writes`], whose
//! task writes them, and wait without a connection. They must join it when they are first polled,
//! so that a flush that follows finds them there.

use crate::MongoStore;
use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use vultus_core::{AnalysisFailure, AnalysisId, CompanyId};
use vultus_store::{
    AnalysisResult, Applied, ClaimRequest, ClaimedRun, DeathVerdict, LeaseToken, Queue, QueueDepth,
    Result, WorkerDeath,
};

#[async_trait]
impl Queue for MongoStore {
    async fn claim_run(&self, request: &ClaimRequest) -> Result<Option<ClaimedRun>> {
        let request = request.clone();
        self.run(|cases| async move { cases.claim_run(&request).await }).await
    }

    async fn unfinished_runs(&self, company: CompanyId, pool: &str, at_most: u64) -> Result<u64> {
        let pool = pool.to_owned();
        self.run(|cases| async move { cases.unfinished_runs(company, &pool, at_most).await }).await
    }

    async fn heartbeat(
        &self,
        token: LeaseToken,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<bool> {
        self.run(|cases| async move { cases.heartbeat(token, now, lease).await }).await
    }

    async fn enter_analysis(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.cases.enter_analysis(token, id, now).await
    }

    async fn record_progress(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        fraction: f32,
    ) -> Result<Applied> {
        self.cases.record_progress(token, id, fraction).await
    }

    async fn apply_result(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        result: &AnalysisResult,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.cases.apply_result(token, id, result, now).await
    }

    async fn record_death(
        &self,
        token: LeaseToken,
        death: WorkerDeath,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<DeathVerdict> {
        let failure = failure.clone();
        self.run(|cases| async move { cases.record_death(token, death, &failure, now).await }).await
    }

    fn flush_kept_back(&self, token: LeaseToken) {
        self.cases.flush_kept_back(token);
    }

    async fn release_run(
        &self,
        token: LeaseToken,
        retry_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.run(|cases| async move { cases.release_run(token, retry_at, now).await }).await
    }

    async fn fail_unserved(
        &self,
        pools: &[String],
        asked_before: OffsetDateTime,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<u64> {
        let (pools, failure) = (pools.to_vec(), failure.clone());
        self.run(
            |cases| async move { cases.fail_unserved(&pools, asked_before, &failure, now).await },
        )
        .await
    }

    async fn queue_depth(&self) -> Result<QueueDepth> {
        self.run(|cases| async move { cases.queue_depth().await }).await
    }
}
