//! Single analyses.

use crate::audit::{Audit, Caller};
use crate::errors::stored;
use std::sync::Arc;
use vultus_auth::policy::{self, Action};
use vultus_core::clock::Clock;
use vultus_core::{Analysis, AnalysisId, Artifact, Error, Principal, Result};
use vultus_pools::RunningRuns;
use vultus_store::audit::{AuditAction, AuditObject, ChainOf, NewEntry};
use vultus_store::{Cancelled, JsonSelection, Scope, Selection};

/// The type of the analyses that read identity documents.
const DOCUMENT: &str = "document";

/// The part that reads and cancels analyses.
#[derive(Clone)]
pub(crate) struct Analyses {
    pub(crate) store: Arc<dyn vultus_store::Analyses>,
    pub(crate) audit: Audit,
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

    /// The selected JSON of analyses, at most `bytes` of it. What an analysis read from an identity
    /// document is returned to a person only after the audit log has an entry about it.
    pub(crate) async fn analyses_json(
        &self,
        caller: &Caller,
        ids: &[AnalysisId],
        json: JsonSelection,
        bytes: usize,
    ) -> Result<Vec<Analysis>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        let found = self.store.analyses(scope, ids, Selection::json(json, bytes)).await;
        let found: Vec<Analysis> =
            stored(found)?.into_iter().map(|(analysis, _)| analysis).collect();
        if json.results && caller.person().is_some() {
            let documents = found.iter().filter(|analysis| analysis.kind == DOCUMENT);
            let entries = documents.map(|analysis| NewEntry {
                object: Some(AuditObject::Analysis(analysis.id)),
                ..self.audit.entry(
                    caller,
                    AuditAction::DocumentRead,
                    ChainOf::Analysis(analysis.id),
                )
            });
            self.audit.record_once(entries.collect()).await?;
        }
        Ok(found)
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
        caller: &Caller,
        id: AnalysisId,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        let scope = policy::authorize(caller, Action::CancelAnalysis)?;
        let entry = NewEntry {
            object: Some(AuditObject::Analysis(id)),
            ..self.audit.entry(caller, AuditAction::AnalysisCancelled, ChainOf::Analysis(id))
        };
        let recording = self.audit.recording(entry);
        match stored(recording.cancel_analysis(scope, id, self.clock.now()).await)? {
            Cancelled::Now(analysis) => {
                self.running.look_again(analysis.folder_id);
                Ok((*analysis, Vec::new()))
            }
            Cancelled::AlreadyFinal(analysis) => self.in_scope(scope, analysis.id).await,
        }
    }
}
