//! Instant checks: media are judged at once, without the queue and the store.

use crate::acting_company::acting_company;
use crate::additions::authorize_types;
use crate::audit::{Audit, Caller, of_company};
use crate::checker::Checker;
use crate::intake::{self, IdentifiedMedium};
use crate::plan::{CheckedRequest, PlanMedium, PlannedAnalysis};
use crate::types::{
    AnalysisRequest, CheckedAnalysis, CheckedArtifact, CheckedMedium, CheckedReason, NewMedium,
};
use crate::uploads::Readable;
use futures::future::try_join_all;
use std::sync::Arc;
use std::time::Duration;
use vultus_auth::policy::{self, Action};
use vultus_core::fair::{FairPermits, Owner, Shares, Tenant};
use vultus_core::slots::Candidate;
use vultus_core::{
    AnalysisFailure, AnalysisState, CompanyId, Error, MediaId, Principal, Provenance, Resolution,
    Result,
};
use vultus_pools::run::Judged;
use vultus_pools::verdict::{self, Verdict};
use vultus_pools::{RunCancel, run_direct};
use vultus_store::audit::{AuditAction, Facts, NewEntry};
use vultus_worker_protocol::{RunAnalysis, RunMedium, RunRequest, SlottedMedium};

/// Time after which a client should retry when too many checks run.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The failure of an analysis whose media the worker could not decode.
const UNREADABLE: &str = "MEDIA_UNREADABLE";

impl Checker {
    /// Judges media at once. Dropping the future stops the work.
    pub async fn check(
        &self,
        owner: Owner,
        media: Vec<NewMedium>,
        requests: Vec<AnalysisRequest>,
    ) -> Result<Vec<CheckedAnalysis>> {
        let requests = self.checked_requests(requests, None)?;
        let validated = self.validated_media(media)?;
        let identified = self.identify(owner, &validated).await?;
        let ids = intake::new_ids(identified.len());
        let planned = assigned(requests, &identified, &ids)?;
        let request = run_request(&planned, &identified, &ids);
        let readable =
            try_join_all(identified.iter().map(|medium| medium.file.readable(&self.memory)))
                .await?;
        let descriptors = readable.iter().map(Readable::descriptor).collect::<Result<Vec<_>>>()?;
        let (company, cancel) = (Some(owner.company), RunCancel::new());
        let direct = run_direct(&self.pools, company, request, descriptors, &cancel, |_| {}).await;
        if direct.judged.len() != planned.len() {
            return Err(Error::broken(
                "the number of verdicts of an instant check differs from the number of analyses",
            ));
        }
        let is_unreadable =
            |judged: &Judged| matches!(&judged.result, Err(failure) if failure.code == UNREADABLE);
        if direct.judged.iter().any(is_unreadable) {
            // The probe's error names the medium and the cause, as for a folder.
            self.examine(owner, validated, None).await?;
        }
        let mut checked = Vec::with_capacity(planned.len());
        for (plan, judged) in planned.into_iter().zip(direct.judged) {
            let verdict = self.accepted(&plan, judged)?;
            checked.push(checked_analysis(plan, verdict, &identified, &ids));
        }
        Ok(checked)
    }

    /// Validates what a worker answered against the analyzer that judged.
    fn accepted(
        &self,
        plan: &PlannedAnalysis,
        judged: Judged,
    ) -> Result<Result<Verdict, vultus_worker_protocol::AnalysisFailure>> {
        let analyzer = judged
            .analyzer
            .clone()
            .or_else(|| self.pools.analyzer(&plan.offered.pool, &plan.offered.kind));
        match (analyzer, judged.result) {
            (Some(analyzer), result) => Ok(verdict::accept(Judged { result, ..judged }, &analyzer)),
            // Its plugin was unloaded during the run.
            (None, Err(failure)) => Ok(Err(failure)),
            (None, Ok(_)) => Err(Error::broken(
                "an instant check was judged by a pool that does not offer the analysis",
            )),
        }
    }
}

/// The part that limits the number of instant checks.
pub(crate) struct Checks {
    pub(crate) store: Arc<dyn vultus_store::Accounts>,
    pub(crate) audit: Audit,
    pub(crate) checker: Checker,
    pub(crate) permits: FairPermits<Tenant>,
    pub(crate) shares: Shares,
}

impl Checks {
    pub(crate) async fn check(
        &self,
        caller: &Caller,
        company: Option<CompanyId>,
        media: Vec<NewMedium>,
        requests: Vec<AnalysisRequest>,
    ) -> Result<Vec<CheckedAnalysis>> {
        policy::authorize(caller, Action::Check)?;
        authorize_types(caller, &requests)?;
        let argument = "input.companyId";
        let company = acting_company(self.store.as_ref(), caller, company, argument).await?;
        let principal: &Principal = caller;
        let owner = Owner::from(principal).working_for(company);
        let permit = self.permits.try_acquire_for(owner, self.shares);
        let _permit = permit.map_err(|_| Error::Unavailable {
            message: "too many instant checks are running, or too many of yours; try again"
                .to_owned(),
            retry_after: RETRY_AFTER,
        })?;
        let types = requests.iter().map(|request| request.kind.as_str());
        let entry = NewEntry {
            after: Facts::new().codes("types", types).number("media", media.len() as u64),
            ..self.audit.entry(caller, AuditAction::Checked, of_company(company))
        };
        let entries = [entry];
        let judging = self.checker.check(owner, media, requests);
        let (checked, ()) = tokio::try_join!(judging, self.audit.record(&entries))?;
        Ok(checked)
    }
}

/// The worst of the verdicts; `None` if an analysis has no verdict.
pub fn overall_resolution(analyses: &[CheckedAnalysis]) -> Option<Resolution> {
    analyses
        .iter()
        .map(|analysis| analysis.resolution)
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .max()
}

/// Assigns the media of the call to the analyses.
fn assigned(
    requests: Vec<CheckedRequest>,
    identified: &[IdentifiedMedium],
    ids: &[MediaId],
) -> Result<Vec<PlannedAnalysis>> {
    let mut media = Vec::with_capacity(identified.len());
    for (medium, &id) in identified.iter().zip(ids) {
        let candidate = Candidate { id, kind: medium.kind, tags: &medium.tags };
        media.push(PlanMedium { candidate, key: medium.key.as_deref() });
    }
    requests.into_iter().map(|request| request.assign(&media)).collect()
}

fn run_request(
    planned: &[PlannedAnalysis],
    identified: &[IdentifiedMedium],
    ids: &[MediaId],
) -> RunRequest {
    let medium = |(medium, id): (&IdentifiedMedium, &MediaId)| RunMedium {
        id: id.to_string(),
        byte_size: medium.file.byte_size(),
        tags: medium.tags.iter().map(ToString::to_string).collect(),
        frame: None,
    };
    let analysis = |(index, plan): (usize, &PlannedAnalysis)| RunAnalysis {
        id: index.to_string(),
        kind: plan.offered.kind.clone(),
        params: plan.params.values.clone(),
        media: plan
            .media
            .iter()
            .filter_map(|taken| {
                let index = u32::try_from(ids.iter().position(|id| *id == taken.media_id)?).ok()?;
                Some(SlottedMedium { index, slot: taken.slot.clone(), named: taken.named })
            })
            .collect(),
        timeout_ms: plan.offered.timeout_ms,
    };
    RunRequest {
        run: uuid::Uuid::now_v7().to_string(),
        media: identified.iter().zip(ids).map(medium).collect(),
        analyses: planned.iter().enumerate().map(analysis).collect(),
    }
}

fn checked_analysis(
    plan: PlannedAnalysis,
    verdict: Result<Verdict, vultus_worker_protocol::AnalysisFailure>,
    identified: &[IdentifiedMedium],
    ids: &[MediaId],
) -> CheckedAnalysis {
    let position = |id: MediaId| ids.iter().position(|other| *other == id).unwrap_or_default();
    let media: Vec<CheckedMedium> = plan
        .media
        .iter()
        .map(|taken| {
            let index = position(taken.media_id);
            let medium = identified.get(index);
            CheckedMedium {
                index,
                key: medium.and_then(|medium| medium.key.clone()),
                kind: medium.map_or(vultus_core::MediaKind::Image, |medium| medium.kind),
                slot: taken.slot.clone(),
            }
        })
        .collect();
    let empty = CheckedAnalysis {
        kind: plan.offered.kind.clone(),
        state: AnalysisState::Failed,
        resolution: None,
        reasons: Vec::new(),
        result: None,
        failure: None,
        provenance: Provenance { parameter_sources: plan.params.sources, ..Provenance::default() },
        params: plan.params.values.into(),
        media,
        artifacts: Vec::new(),
    };
    match verdict {
        Ok(verdict) => finished(empty, verdict),
        Err(failure) => CheckedAnalysis {
            failure: Some(AnalysisFailure { code: failure.code, message: failure.message }),
            ..empty
        },
    }
}

fn finished(empty: CheckedAnalysis, verdict: Verdict) -> CheckedAnalysis {
    let reasons = verdict.reasons.into_iter().map(|reason| CheckedReason {
        code: reason.code,
        message: reason.message,
        medium: reason
            .medium
            .and_then(|index| empty.media.get(index as usize))
            .map(|medium| medium.index),
        frame: reason.frame,
    });
    let artifacts = verdict.artifacts.into_iter().map(|artifact| CheckedArtifact {
        name: artifact.name,
        content_type: artifact.content_type,
        bytes: artifact.bytes.into(),
    });
    CheckedAnalysis {
        state: AnalysisState::Finished,
        resolution: Some(verdict.resolution),
        reasons: reasons.collect(),
        result: Some(verdict.result),
        provenance: Provenance {
            parameter_sources: empty.provenance.parameter_sources.clone(),
            ..verdict.provenance
        },
        artifacts: artifacts.collect(),
        ..empty
    }
}
