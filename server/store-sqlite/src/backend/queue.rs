//! Runs as a queue.

use crate::{SqliteStore, queue, results};
use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use vultus_core::{AnalysisFailure, AnalysisId, CompanyId};
use vultus_store::{
    AnalysisResult, Applied, ClaimRequest, ClaimedRun, DeathVerdict, LeaseToken, Queue, QueueDepth,
    Result, WorkerDeath,
};

#[async_trait]
impl Queue for SqliteStore {
    async fn claim_run(&self, request: &ClaimRequest) -> Result<Option<ClaimedRun>> {
        let request = request.clone();
        self.write_lazily("claiming a run", move |c, e| queue::claim_run(c, e, &request)).await
    }

    async fn unfinished_runs(&self, company: CompanyId, pool: &str, at_most: u64) -> Result<u64> {
        let pool = pool.to_owned();
        self.read("counting the runs of a company", move |c| {
            queue::unfinished_runs(c, company, &pool, at_most)
        })
        .await
    }

    async fn heartbeat(
        &self,
        token: LeaseToken,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<bool> {
        self.write_lazily("extending a lease", move |c, _| queue::heartbeat(c, token, now, lease))
            .await
    }

    async fn enter_analysis(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.write_lazily("entering an analysis", move |c, e| {
            results::enter_analysis(c, e, token, id, now)
        })
        .await
    }

    async fn record_progress(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        fraction: f32,
    ) -> Result<Applied> {
        self.write_lazily("recording progress", move |c, e| {
            results::record_progress(c, e, token, id, fraction)
        })
        .await
    }

    async fn apply_result(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        result: &AnalysisResult,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        let result = result.clone();
        self.write("writing a result", move |c, e| {
            results::apply_result(c, e, token, id, &result, now)
        })
        .await
    }

    async fn record_death(
        &self,
        token: LeaseToken,
        death: WorkerDeath,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<DeathVerdict> {
        let failure = failure.clone();
        self.write("recording a worker's death", move |c, e| {
            queue::record_death(c, e, token, death, &failure, now)
        })
        .await
    }

    async fn release_run(
        &self,
        token: LeaseToken,
        retry_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.write_lazily("releasing a run", move |c, e| {
            queue::release_run(c, e, token, retry_at, now)
        })
        .await
    }

    async fn fail_unserved(
        &self,
        pools: &[String],
        asked_before: OffsetDateTime,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<u64> {
        let (pools, failure) = (pools.to_vec(), failure.clone());
        self.write("failing analyses of unserved pools", move |c, e| {
            queue::fail_unserved(c, e, &pools, asked_before, &failure, now)
        })
        .await
    }

    async fn queue_depth(&self) -> Result<QueueDepth> {
        self.read("counting runs", queue::queue_depth).await
    }
}
