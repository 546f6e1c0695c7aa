//! Writes what happens in a run to the store, under the lease of the run.

use super::run_context::{Abandoned, RunContext};
use super::run_failure::{not_offered, unstorable};
use super::stored_verdict;
use vultus_core::{Analysis, AnalysisId};
use vultus_pools::run::{Judged, RunEvent};
use vultus_pools::verdict::{self, Verdict};
use vultus_store::{AnalysisResult, Applied, StoreError};
use vultus_worker_protocol::AnalysisFailure;

/// Maximum number of attempts to write artifacts that the sweeper deletes before the commit.
const WRITE_ATTEMPTS: u32 = 5;

impl RunContext {
    /// Writes an event of the worker.
    pub(super) async fn write_event(&self, event: RunEvent) -> Result<(), Abandoned> {
        match event {
            RunEvent::Entered { analysis } => {
                let Some(analysis) = self.analysis(&analysis) else { return Ok(()) };
                let entering =
                    self.dispatch.store.enter_analysis(self.run.token, analysis.id, self.now());
                self.observe_applied(entering.await?, analysis.id)
            }
            RunEvent::Progress { analysis, fraction } => {
                let Some(analysis) = self.analysis(&analysis) else { return Ok(()) };
                let recording =
                    self.dispatch.store.record_progress(self.run.token, analysis.id, fraction);
                self.observe_applied(recording.await?, analysis.id)
            }
            RunEvent::Judged(judged) => self.write_judged(judged).await,
        }
    }

    async fn write_judged(&self, judged: Judged) -> Result<(), Abandoned> {
        let Some(analysis) = self.analysis(&judged.analysis) else { return Ok(()) };
        let current = || self.dispatch.pools.analyzer(&self.pool, &analysis.kind);
        let Some(analyzer) = judged.analyzer.clone().or_else(current) else {
            tracing::warn!(
                pool = %self.pool,
                analysis_type = analysis.kind,
                "a pool judged an analysis that it does not offer"
            );
            return self.write_failure(analysis, &not_offered()).await;
        };
        match verdict::accept(judged, &analyzer) {
            Ok(verdict) => self.write_verdict(analysis, &verdict).await,
            // If it was cancelled in the store, it is final there. If this node cancelled it at its
            // shutdown, it is judged later.
            Err(failure) if failure.code == "CANCELLED" => Ok(()),
            Err(failure) => {
                if failure.retryable && self.retry_later(analysis) {
                    tracing::info!(
                        analysis = %analysis.id,
                        code = failure.code,
                        detail = failure.detail,
                        "an analysis failed and is tried again"
                    );
                    return Ok(());
                }
                self.write_failure(analysis, &failure).await
            }
        }
    }

    /// Writes a verdict with its artifacts. If the sweeper deletes the artifacts before the commit,
    /// they are written again.
    async fn write_verdict(&self, analysis: &Analysis, verdict: &Verdict) -> Result<(), Abandoned> {
        let (folder, store) = (self.folder_key().await?, self.dispatch.store.as_ref());
        let (mut attempt, mut swept) = (0, Vec::new());
        loop {
            attempt += 1;
            let artifacts =
                stored_verdict::write_artifacts(verdict, analysis, &folder, &self.dispatch.blobs)
                    .await?;
            let keys: Vec<String> =
                artifacts.iter().map(|artifact| artifact.blob_key.clone()).collect();
            if !swept.is_empty() {
                store.revive(&swept).await?;
            }
            let result = stored_verdict::finished(verdict, analysis, artifacts);
            match store.apply_result(self.run.token, analysis.id, &result, self.now()).await {
                Err(StoreError::BlobSwept { .. }) if attempt < WRITE_ATTEMPTS => {
                    swept = self.dispatch.blobs.await_deletions(store, &keys).await?;
                }
                Err(error @ StoreError::Internal { .. }) => {
                    self.delete_unreferenced(&keys).await;
                    return self.not_stored(analysis, &error).await;
                }
                other => {
                    let applied = other?;
                    if applied != Applied::Yes {
                        self.delete_unreferenced(&keys).await;
                    }
                    return self.observe_applied(applied, analysis.id);
                }
            }
        }
    }

    /// The store rejects a verdict permanently. The analysis is tried again a few times and then
    /// fails, so that the run does not return to the queue without end.
    async fn not_stored(&self, analysis: &Analysis, error: &StoreError) -> Result<(), Abandoned> {
        tracing::error!(
            analysis = %analysis.id,
            error = error as &dyn std::error::Error,
            "a verdict cannot be stored"
        );
        if self.retry_later(analysis) {
            return Ok(());
        }
        self.write_failure(analysis, &unstorable()).await
    }

    /// Deletes artifacts of a verdict that was not stored. Its folder may have been erased, and
    /// then its artifacts must not be left.
    async fn delete_unreferenced(&self, keys: &[String]) {
        let store = self.dispatch.store.as_ref();
        if let Err(error) = self.dispatch.blobs.delete_unreferenced(store, keys, self.now()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "deleting unreferenced artifacts failed; the sweeper deletes them later"
            );
        }
    }

    /// Writes that an analysis failed.
    pub(super) async fn write_failure(
        &self,
        analysis: &Analysis,
        failure: &AnalysisFailure,
    ) -> Result<(), Abandoned> {
        tracing::warn!(
            analysis = %analysis.id,
            code = failure.code,
            detail = failure.detail,
            "analysis failed"
        );
        let result = AnalysisResult::Failed(vultus_core::AnalysisFailure {
            code: failure.code.clone(),
            message: failure.message.clone(),
        });
        let applying =
            self.dispatch.store.apply_result(self.run.token, analysis.id, &result, self.now());
        self.observe_applied(applying.await?, analysis.id)
    }

    /// Reacts to the effect of a write. A stale lease ends the run; an analysis that is final
    /// already is cancelled in the worker.
    fn observe_applied(&self, applied: Applied, id: AnalysisId) -> Result<(), Abandoned> {
        match applied {
            Applied::Yes => Ok(()),
            Applied::Stale => Err(Abandoned::Stale),
            Applied::AlreadyFinal => {
                self.cancel.cancel_analysis(&id.to_string());
                Ok(())
            }
        }
    }
}
