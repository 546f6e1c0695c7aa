//! Analyses as their clients see them; how workers process them is [`super::Queue`].

use super::Result;
use crate::records::{Cancelled, Scope};
use crate::selection::Selection;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::{Analysis, AnalysisId, Artifact};

/// Analyses as their clients see them.
#[async_trait]
pub trait Analyses: Send + Sync + 'static {
    /// Analyses by id, with their artifacts; those outside the scope are left out.
    async fn analyses(
        &self,
        scope: Scope,
        ids: &[AnalysisId],
        selection: Selection,
    ) -> Result<Vec<(Analysis, Vec<Artifact>)>>;
    /// Cancels an analysis unless it is final. Returns it without JSON.
    async fn cancel_analysis(
        &self,
        scope: Scope,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Cancelled>;
}
