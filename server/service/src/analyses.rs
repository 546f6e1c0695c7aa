//! Single analyses.

use crate::errors::stored;
use std::sync::Arc;
use vultus_auth::policy::{self, Action};
use vultus_core::clock::Clock;
use vultus_core::{Analysis, AnalysisId, Artifact, Error, Principal, Result};
use vultus_pools::RunningRuns;
use vultus_store::{Cancelled, JsonSelection, Scope, Selection};

/// The part that reads and cancels analyses.
#[derive(Clone)]
pub(crate) struct Analyses {
    pub(crate) store: Arc<dyn vultus_store::Analyses>,
    pub(crate) running: RunningRuns,
    pub(crate) clock: Clock,
}

impl Analyses {
    pub(crate) async fn analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
    ) -> Result<Option<(Analysis, Vec<Artifact>)>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        Ok(stored(self.store.analyses(scope, &[id], Selection::ENTITIES).await)?.pop())
    }

    /// The selected JSON of analyses, at most `bytes` of it.
    pub(crate) async fn analyses_json(
        &self,
        caller: &Principal,
        ids: &[AnalysisId],
        json: JsonSelection,
        bytes: usize,
    ) -> Result<Vec<Analysis>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let found = self.store.analyses(scope, ids, Selection::json(json, bytes)).await;
        Ok(stored(found)?.into_iter().map(|(analysis, _)| analysis).collect())
    }

    /// An analysis within the scope; NOT_FOUND if it does not exist.
    pub(crate) async fn in_scope(
        &self,
        scope: Scope,
        id: AnalysisId,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        let found = stored(self.store.analyses(scope, &[id], Selection::ENTITIES).await)?.pop();
        found.ok_or(Error::NotFound { what: "analysis", argument: None })
    }

    pub(crate) async fn cancel_analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        let scope = policy::authorize(caller, Action::CancelAnalysis)?;
        match stored(self.store.cancel_analysis(scope, id, self.clock.now()).await)? {
            Cancelled::Now(analysis) => {
                self.running.look_again(analysis.folder_id);
                Ok((*analysis, Vec::new()))
            }
            Cancelled::AlreadyFinal(analysis) => self.in_scope(scope, analysis.id).await,
        }
    }
}
