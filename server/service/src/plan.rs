//! Turns a request for analyses into analyses that can be queued: checks types and parameters
//! before any medium is examined, then assigns the media to slots.

use crate::catalog::{Catalog, OfferedAnalysis};
use crate::challenges::{AnsweredChallenge, ChallengeVerifier};
use crate::params::{Filling, MergedParams};
use crate::request::checked_object;
use crate::types::{AnalysisRequest, Urgency};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vultus_core::analysis::TakenMedium;
use vultus_core::slots::{self, Candidate, Mismatch};
use vultus_core::{
    Analysis, AnalysisGroup, AnalysisId, AnalysisState, Decisions, Error, Folder, FolderId,
    GroupId, JsonLimits, JsonText, Medium, Part, Provenance, Result, RunId,
};
use vultus_store::{NewGroup, NewRun};

/// Delay of runs without a waiting client in the turns of their company. Runs with a waiting client
/// that are queued within this time go first; later ones do not, so the delay is bounded.
const UNWAITED_DELAY: Duration = Duration::minutes(5);

/// A request with valid type and parameters.
pub(crate) struct CheckedRequest {
    request: AnalysisRequest,
    pub(crate) offered: Arc<OfferedAnalysis>,
    pub(crate) params: MergedParams,
    /// The challenge that it answers.
    pub(crate) challenge: Option<AnsweredChallenge>,
}

/// Challenges in a request.
pub(crate) struct ChallengeRules<'a> {
    /// Verifies them; absent where nothing can be used up.
    pub(crate) verifier: Option<ChallengeVerifier<'a>>,
    /// Whether the operator requires one.
    pub(crate) required: bool,
}

/// A medium that can be assigned to analyses.
pub(crate) struct PlanMedium<'a> {
    pub(crate) candidate: Candidate<'a>,
    /// The client's name for it within the call.
    pub(crate) key: Option<&'a str>,
}

/// An analysis with its assigned media.
pub(crate) struct PlannedAnalysis {
    pub(crate) offered: Arc<OfferedAnalysis>,
    pub(crate) params: MergedParams,
    pub(crate) media: Vec<TakenMedium>,
}

/// Checks types, parameters and challenges.
pub(crate) fn check_requests(
    catalog: &Catalog,
    requests: Vec<AnalysisRequest>,
    rules: &ChallengeRules<'_>,
    limits: &JsonLimits,
) -> Result<Vec<CheckedRequest>> {
    let mut checked = Vec::with_capacity(requests.len());
    for request in requests {
        let offered = catalog.get(&request.kind, &format!("{}.type", request.argument))?;
        let argument = format!("{}.params", request.argument);
        let given = checked_object(request.params.as_ref(), limits, &argument)?;
        let params = offered.params.merge(&given, &argument)?;
        let challenge = match offered.params.challenge(&params) {
            Some((name, text)) => Some(rules.verify(text, &format!("{argument}.{name}"))?),
            None => None,
        };
        checked.push(CheckedRequest { request, offered, params, challenge });
    }
    let answers_none = checked.iter().all(|request| request.challenge.is_none());
    for CheckedRequest { offered, params, challenge, .. } in &mut checked {
        let gestures = challenge.as_ref().map(|answered| answered.challenge.gestures.as_slice());
        offered.params.fill(
            params,
            &Filling {
                today: catalog.today(),
                challenge: gestures,
                challenge_missing: rules.required && answers_none,
            },
        );
    }
    Ok(checked)
}

/// The pools of the requested analyses, each once.
pub(crate) fn pools(requests: &[CheckedRequest]) -> Vec<String> {
    let pools: BTreeSet<&str> =
        requests.iter().map(|request| request.offered.pool.as_str()).collect();
    pools.into_iter().map(str::to_owned).collect()
}

impl ChallengeRules<'_> {
    fn verify(&self, text: &str, argument: &str) -> Result<AnsweredChallenge> {
        match &self.verifier {
            Some(verifier) => verifier.verify(text, argument),
            None => Err(Error::InvalidInput {
                argument: Some(argument.to_owned()),
                message: "an instant check answers no challenge: create a folder".to_owned(),
                reason: Some("CHALLENGE_NEEDS_FOLDER".to_owned()),
            }),
        }
    }
}

impl CheckedRequest {
    /// Assigns media to the slots: those that the request names, or all of `media` that fit.
    pub(crate) fn assign(self, media: &[PlanMedium<'_>]) -> Result<PlannedAnalysis> {
        let named = self.named(media)?;
        let candidates = match &named {
            Some(named) => named.iter().map(|(_, candidate)| *candidate).collect(),
            None => media.iter().map(|medium| medium.candidate).collect::<Vec<_>>(),
        };
        let taken = slots::assign(&self.offered.slots, &candidates, named.is_some())
            .map_err(|mismatch| self.mismatch(&mismatch, named.as_deref().unwrap_or_default()))?;
        Ok(PlannedAnalysis { offered: self.offered, params: self.params, media: taken })
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
pub(crate) fn group(
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
        Urgency::Later => now + UNWAITED_DELAY,
    };
    let mut ids = Vec::with_capacity(planned.len());
    let mut runs: BTreeMap<String, NewRun> = BTreeMap::new();
    for plan in planned {
        let pool = plan.offered.pool.as_str().to_owned();
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
        kind: plan.offered.kind.clone(),
        state: AnalysisState::Queued,
        resolution: None,
        decisions: Decisions::default(),
        reasons: Vec::new(),
        progress: 0.0,
        media: plan.media,
        params: JsonText::from(plan.params.values).into(),
        result: Part::Read(None),
        failure: None,
        provenance: Provenance { parameter_sources: plan.params.sources, ..Provenance::default() },
        attempts: 0,
        deaths: 0,
        timeout_ms: plan.offered.timeout_ms,
        created_at: now,
        started_at: None,
        finished_at: None,
        revision: 1,
        details_erased_at: None,
    }
}

/// The stored media of a folder, which a request can name by id only.
pub(crate) fn candidates(media: &[Medium]) -> Vec<PlanMedium<'_>> {
    let mut candidates = Vec::with_capacity(media.len());
    for medium in media {
        let candidate = Candidate { id: medium.id, kind: medium.kind, tags: &medium.tags };
        candidates.push(PlanMedium { candidate, key: None });
    }
    candidates
}
