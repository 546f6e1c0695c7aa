//! From a request for analyses to analyses that can be queued: types and parameters first (before
//! any medium is looked at), then the media in their slots.

use super::catalog::{Catalog, KnownAnalysis};
use super::params::MergedParams;
use super::types::{AnalysisRequest, Urgency};
use std::collections::BTreeMap;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vultus_core::analysis::TakenMedium;
use vultus_core::slots::{self, Candidate, Mismatch};
use vultus_core::{
    Analysis, AnalysisGroup, AnalysisId, AnalysisState, Error, Folder, FolderId, GroupId, MediaId,
    Provenance, Result, RunId,
};
use vultus_store::{NewGroup, NewRun};

/// Runs that nobody waits for let those pass that are waited for, if they are asked for within this
/// time. No run waits longer than that because of others' urgency, however many these are.
const LETS_PASS: Duration = Duration::seconds(5);

/// A request whose type and parameters are right.
pub(super) struct CheckedRequest {
    request: AnalysisRequest,
    pub(super) known: Arc<KnownAnalysis>,
    pub(super) params: MergedParams,
}

/// A medium that analyses may take.
pub(super) struct PlanMedium<'a> {
    pub(super) candidate: Candidate<'a>,
    /// The client's name for it within the call.
    pub(super) key: Option<&'a str>,
}

/// An analysis with its media.
pub(super) struct PlannedAnalysis {
    pub(super) known: Arc<KnownAnalysis>,
    pub(super) params: MergedParams,
    pub(super) media: Vec<TakenMedium>,
}

/// Checks types and parameters.
pub(super) fn check(
    catalog: &Catalog,
    requests: Vec<AnalysisRequest>,
) -> Result<Vec<CheckedRequest>> {
    let check = |request: AnalysisRequest| {
        let known = catalog.get(&request.kind, &format!("{}.type", request.argument))?;
        let mut params =
            known.params.merge(request.params.as_ref(), &format!("{}.params", request.argument))?;
        known.params.fill(&mut params, catalog.today());
        Ok(CheckedRequest { request, known, params })
    };
    requests.into_iter().map(check).collect()
}

impl CheckedRequest {
    /// Puts media in the slots: those that the request names, or all of `media` that fit.
    pub(super) fn assign(self, media: &[PlanMedium<'_>]) -> Result<PlannedAnalysis> {
        let named = self.named(media)?;
        let candidates = match &named {
            Some(named) => named.iter().map(|(_, candidate)| *candidate).collect(),
            None => media.iter().map(|medium| medium.candidate).collect::<Vec<_>>(),
        };
        let taken = slots::assign(&self.known.slots, &candidates, named.is_some())
            .map_err(|mismatch| self.mismatch(&mismatch, named.as_deref().unwrap_or_default()))?;
        Ok(PlannedAnalysis { known: self.known, params: self.params, media: taken })
    }

    /// The media that the request names, each with its argument.
    fn named<'a>(&self, media: &[PlanMedium<'a>]) -> Result<Option<Vec<(String, Candidate<'a>)>>> {
        let request = &self.request;
        if request.media_ids.is_none() && request.media_keys.is_none() {
            return Ok(None);
        }
        let find = |argument: String, wanted: &dyn Fn(&PlanMedium<'_>) -> bool| {
            let found = media.iter().find(|medium| wanted(medium)).map(|medium| medium.candidate);
            found
                .map(|candidate| (argument.clone(), candidate))
                .ok_or_else(|| Error::not_found("medium", argument))
        };
        let ids = request.media_ids.iter().flatten().enumerate();
        let by_id = ids.map(|(index, id)| {
            find(format!("{}.mediaIds[{index}]", request.argument), &|m| m.candidate.id == *id)
        });
        let keys = request.media_keys.iter().flatten().enumerate();
        let by_key = keys.map(|(index, key)| {
            find(format!("{}.mediaKeys[{index}]", request.argument), &|m| {
                m.key == Some(key.as_str())
            })
        });
        by_id.chain(by_key).collect::<Result<Vec<_>>>().map(Some)
    }

    fn mismatch(&self, mismatch: &Mismatch, named: &[(String, Candidate<'_>)]) -> Error {
        let (index, reason) = match mismatch {
            Mismatch::NamedDoesNotFit { index, .. } => (Some(*index), "MEDIUM_DOES_NOT_FIT"),
            Mismatch::NamedTwice { index } => (Some(*index), "MEDIUM_NAMED_TWICE"),
            Mismatch::TooFew { .. } => (None, "TOO_FEW_MEDIA"),
            Mismatch::TooMany { .. } => (None, "TOO_MANY_MEDIA"),
        };
        let place = index.and_then(|index| named.get(index)).map(|(argument, _)| argument.clone());
        Error::InvalidInput {
            argument: Some(place.unwrap_or_else(|| self.request.argument.clone())),
            message: mismatch.to_string(),
            reason: Some(reason.to_owned()),
        }
    }
}

/// The planned analyses as one group, with one run per pool, ready to be queued.
pub(super) fn group(
    folder: &Folder,
    planned: Vec<PlannedAnalysis>,
    urgency: Urgency,
    now: OffsetDateTime,
) -> Option<NewGroup> {
    if planned.is_empty() {
        return None;
    }
    let (folder_id, group_id) = (folder.id, GroupId(Uuid::now_v7()));
    let turn_at = match urgency {
        Urgency::Waited => now,
        Urgency::Later => now + LETS_PASS,
    };
    let mut ids = Vec::with_capacity(planned.len());
    let mut runs: BTreeMap<String, NewRun> = BTreeMap::new();
    for plan in planned {
        let pool = plan.known.pool.as_str().to_owned();
        let new = || NewRun {
            id: RunId(Uuid::now_v7()),
            pool: pool.clone(),
            turn_at,
            analyses: Vec::new(),
        };
        let run = runs.entry(pool.clone()).or_insert_with(new);
        let analysis = queued(plan, folder_id, group_id, run.id, now);
        ids.push(analysis.id);
        run.analyses.push(analysis);
    }
    let group = AnalysisGroup { id: group_id, folder_id, analyses: ids, created_at: now };
    Some(NewGroup {
        group,
        runs: runs.into_values().collect(),
        media_seen: folder.media_changed_at,
    })
}

fn queued(
    plan: PlannedAnalysis,
    folder_id: FolderId,
    group_id: GroupId,
    run_id: RunId,
    now: OffsetDateTime,
) -> Analysis {
    Analysis {
        id: AnalysisId(Uuid::now_v7()),
        folder_id,
        group_id,
        run_id,
        kind: plan.known.kind.clone(),
        state: AnalysisState::Queued,
        resolution: None,
        reasons: Vec::new(),
        progress: 0.0,
        media: plan.media,
        params: plan.params.values,
        result: None,
        failure: None,
        provenance: Provenance { parameter_sources: plan.params.sources, ..Provenance::default() },
        attempts: 0,
        deaths: 0,
        timeout_ms: plan.known.timeout_ms,
        created_at: now,
        started_at: None,
        finished_at: None,
        revision: 1,
    }
}

/// The ids of the media that a request can name, for tests of both callers.
pub(super) fn candidates<'a>(
    media: impl IntoIterator<Item = &'a vultus_core::Medium>,
) -> Vec<PlanMedium<'a>> {
    let medium = |medium: &'a vultus_core::Medium| PlanMedium {
        candidate: candidate(medium.id, medium),
        key: None,
    };
    media.into_iter().map(medium).collect()
}

fn candidate(id: MediaId, medium: &vultus_core::Medium) -> Candidate<'_> {
    Candidate { id, kind: medium.kind, tags: &medium.tags }
}
