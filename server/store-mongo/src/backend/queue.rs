//! Runs as a queue.

use crate::documents::RunDocument;
use crate::run_event::RunEvent;
use crate::transaction::without_transaction;
use crate::{Cases, claim, lease, queue};
use async_trait::async_trait;
use futures::FutureExt;
use time::{Duration, OffsetDateTime};
use vultus_core::{AnalysisFailure, AnalysisId, CompanyId};
use vultus_store::{
    AnalysisResult, Applied, ClaimRequest, ClaimedRun, DeathVerdict, LeaseToken, Queue, QueueDepth,
    Result, WorkerDeath,
};

impl Cases {
    async fn requeue(&self, run: &RunDocument, now: OffsetDateTime) -> Result<bool> {
        self.attempts("requeueing a run")
            .run(move |t| queue::requeue_claimed(t, run, now).boxed())
            .await
    }
}

#[async_trait]
impl Queue for Cases {
    async fn claim_run(&self, request: &ClaimRequest) -> Result<Option<ClaimedRun>> {
        loop {
            let taken = async {
                let _turn = self.claiming.acquire().await;
                claim::take(&self.collections, &self.queue_heads, request).await
            };
            let taken = without_transaction("claiming a run", taken).await?;
            let Some(run) = taken else { return Ok(None) };
            // A run that was claimed before may have RUNNING analyses.
            if run.fence > 1 && !self.requeue(&run, request.now).await? {
                continue;
            }
            let token = lease::token(&run);
            let claimed = without_transaction(
                "reading a claimed run",
                claim::unfinished(&self.collections, run),
            )
            .await?;
            if claimed.is_some() {
                return Ok(claimed);
            }
            without_transaction("ending a run", claim::end(&self.collections, token)).await?;
        }
    }

    async fn unfinished_runs(&self, company: CompanyId, pool: &str, at_most: u64) -> Result<u64> {
        let counted = queue::unfinished_runs(&self.collections, company, pool, at_most);
        without_transaction("counting the runs of a company", counted).await
    }

    async fn heartbeat(
        &self,
        token: LeaseToken,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<bool> {
        without_transaction(
            "extending a lease",
            queue::heartbeat(&self.collections, token, now, lease),
        )
        .await
    }

    async fn enter_analysis(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.writes.write(token, id, RunEvent::Entered(now)).await
    }

    async fn record_progress(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        fraction: f32,
    ) -> Result<Applied> {
        self.writes.write(token, id, RunEvent::Progress(fraction)).await
    }

    async fn apply_result(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        result: &AnalysisResult,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.writes.write(token, id, RunEvent::Result(Box::new(result.clone()), now)).await
    }

    async fn record_death(
        &self,
        token: LeaseToken,
        death: WorkerDeath,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<DeathVerdict> {
        self.writes.take_ended(token);
        let done = self
            .attempts("recording a worker's death")
            .run(move |t| queue::record_death(t, token, death, failure, now).boxed())
            .await?;
        self.queue_heads.forget();
        Ok(done)
    }

    fn flush_kept_back(&self, token: LeaseToken) {
        self.writes.flush_kept_back(token);
    }

    async fn release_run(
        &self,
        token: LeaseToken,
        retry_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        // Usually its last result has ended it.
        if self.writes.take_ended(token)
            || without_transaction("reading a run", lease::ended_under(&self.collections, token))
                .await?
        {
            return Ok(Applied::Yes);
        }
        let done = self
            .attempts("releasing a run")
            .run(move |t| queue::release_run(t, token, retry_at, now).boxed())
            .await?;
        self.queue_heads.forget();
        Ok(done)
    }

    async fn fail_unserved(
        &self,
        pools: &[String],
        asked_before: OffsetDateTime,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<u64> {
        let context = "failing analyses of unserved pools";
        let mut failed = 0;
        for run in without_transaction(
            context,
            queue::unserved(&self.collections, pools, asked_before, now),
        )
        .await?
        {
            let run = &run;
            failed += self
                .attempts(context)
                .run(move |t| queue::fail_run(t, run, failure, now).boxed())
                .await?;
        }
        Ok(failed)
    }

    async fn queue_depth(&self) -> Result<QueueDepth> {
        without_transaction("counting runs", queue::queue_depth(&self.collections)).await
    }
}
