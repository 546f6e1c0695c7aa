//! Single analyses.

use super::Services;
use super::errors::stored;
use vultus_auth::policy::{self, Action};
use vultus_core::{Analysis, AnalysisId, Artifact, Error, Principal, Result};
use vultus_store::Cancelled;

impl Services {
    /// An analysis with its artifacts.
    pub async fn analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
    ) -> Result<Option<(Analysis, Vec<Artifact>)>> {
        Ok(self.analyses(caller, &[id]).await?.pop())
    }

    /// Those of the analyses that the caller may see, with their artifacts.
    pub async fn analyses(
        &self,
        caller: &Principal,
        ids: &[AnalysisId],
    ) -> Result<Vec<(Analysis, Vec<Artifact>)>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        stored(self.inner.store.analyses(scope, ids).await)
    }

    /// Cancels an analysis. One that is final already stays as it is; the answer tells.
    pub async fn cancel_analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        let scope = policy::authorize(caller, Action::CancelAnalysis)?;
        match stored(self.inner.store.cancel_analysis(scope, id, self.inner.clock.now()).await)? {
            Cancelled::Now(analysis) => {
                self.inner.running.look_again(analysis.folder_id);
                Ok((*analysis, Vec::new()))
            }
            Cancelled::AlreadyFinal(analysis) => {
                let found = stored(self.inner.store.analyses(scope, &[analysis.id]).await)?.pop();
                found.ok_or(Error::NotFound { what: "analysis", argument: None })
            }
        }
    }
}
