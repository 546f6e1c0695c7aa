//! Instant checks: media judged at once, with nothing stored and no queue.

use super::Services;
use super::catalog::Catalog;
use super::intake::{self, KnownMedium};
use super::options::{CheckerOptions, RequestLimits};
use super::plan::{self, CheckedRequest, PlanMedium, PlannedAnalysis};
use super::types::{
    AnalysisRequest, CheckedAnalysis, CheckedArtifact, CheckedMedium, CheckedReason, NewMedium,
};
use super::upload::Readable;
use futures::future::try_join_all;
use std::sync::Arc;
use std::time::Duration;
use vultus_auth::policy::{self, Action};
use vultus_blobs::MemoryBudget;
use vultus_core::clock::Clock;
use vultus_core::slots::Candidate;
use vultus_core::{
    AnalysisFailure, AnalysisState, Error, MediaId, Principal, Provenance, Resolution, Result,
};
use vultus_pools::run::Judged;
use vultus_pools::verdict::{self, Verdict};
use vultus_pools::{RunCancel, WorkerPools, run_direct};
use vultus_worker_protocol::{RunAnalysis, RunMedium, RunRequest, SlottedMedium};

/// What a client is told to wait when too many checks go on.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The failure of an analysis whose media the worker could not decode.
const UNREADABLE: &str = "MEDIA_UNREADABLE";

/// Judges media with nothing but workers: no store, no queue, no caller. What the instant check and
/// the command line share.
#[derive(Clone)]
pub struct Checker {
    pub(super) pools: WorkerPools,
    pub(super) catalog: Arc<Catalog>,
    pub(super) limits: RequestLimits,
    /// For uploads that are decrypted to be examined.
    pub(super) memory: MemoryBudget,
}

impl Checker {
    /// With the configured policy and limits. A policy that an analyzer refuses is an error.
    pub fn new(pools: WorkerPools, options: CheckerOptions, clock: Clock) -> Result<Self> {
        let catalog = Catalog::new(pools.clone(), options.policies, clock)
            .map_err(|message| Error::invalid("analyzers", message))?;
        let memory = MemoryBudget::new(options.upload_memory_bytes);
        Ok(Self { pools, catalog: Arc::new(catalog), limits: options.limits, memory })
    }

    /// Judges media at once. Dropping the future stops the work.
    pub async fn check(
        &self,
        media: Vec<NewMedium>,
        requests: Vec<AnalysisRequest>,
    ) -> Result<Vec<CheckedAnalysis>> {
        let requests = self.checked_requests(requests)?;
        let ready = self.ready(media)?;
        let known = self.identify(&ready).await?;
        let ids = intake::new_ids(known.len());
        let all: Vec<PlanMedium<'_>> = known
            .iter()
            .zip(&ids)
            .map(|(medium, &id)| PlanMedium {
                candidate: Candidate { id, kind: medium.kind, tags: &medium.tags },
                key: medium.key.as_deref(),
            })
            .collect();
        let planned: Vec<PlannedAnalysis> =
            requests.into_iter().map(|request| request.assign(&all)).collect::<Result<_>>()?;
        let request = run_request(&planned, &known, &ids);
        let readable =
            try_join_all(known.iter().map(|medium| medium.file.readable(&self.memory))).await?;
        let descriptors = readable.iter().map(Readable::descriptor).collect::<Result<Vec<_>>>()?;
        let direct = run_direct(&self.pools, request, descriptors, &RunCancel::new(), |_| {}).await;
        if direct.judged.len() != planned.len() {
            return Err(Error::broken(
                "an instant check came back with another number of verdicts than asked for",
            ));
        }
        if direct
            .judged
            .iter()
            .any(|judged| matches!(&judged.result, Err(failure) if failure.code == UNREADABLE))
        {
            // The probe says which medium it is and why, as for a folder.
            self.examine(ready, None).await?;
        }
        let verdict = |(plan, judged): (&PlannedAnalysis, Judged)| {
            let known = judged
                .analyzer
                .clone()
                .or_else(|| self.pools.analyzer(&plan.known.pool, &plan.known.kind));
            match (known, judged.result) {
                (Some(analyzer), result) => {
                    Ok(verdict::accept(Judged { result, ..judged }, &analyzer))
                }
                // Its plugin was taken out of use meanwhile.
                (None, Err(failure)) => Ok(Err(failure)),
                (None, Ok(_)) => Err(Error::broken(
                    "an instant check was judged by a pool that does not offer the analysis",
                )),
            }
        };
        let verdicts =
            planned.iter().zip(direct.judged).map(verdict).collect::<Result<Vec<_>>>()?;
        Ok(planned
            .into_iter()
            .zip(verdicts)
            .map(|(plan, verdict)| checked(plan, verdict, &known, &ids))
            .collect())
    }

    pub(super) fn checked_requests(
        &self,
        requests: Vec<AnalysisRequest>,
    ) -> Result<Vec<CheckedRequest>> {
        let most = self.limits.analyses_per_request;
        if requests.len() > most {
            return Err(Error::LimitExceeded {
                argument: Some("input.analyses".to_owned()),
                message: format!("at most {most} analyses in one request"),
                reason: Some("TOO_MANY_ANALYSES".to_owned()),
            });
        }
        plan::check(&self.catalog, requests)
    }
}

impl Services {
    /// Judges media at once, for a caller, as long as not too many such checks go on. Dropping the
    /// future stops the work.
    pub async fn check(
        &self,
        caller: &Principal,
        media: Vec<NewMedium>,
        requests: Vec<AnalysisRequest>,
    ) -> Result<Vec<CheckedAnalysis>> {
        policy::authorize(caller, Action::Check)?;
        let _permit = self.inner.checks.try_acquire().map_err(|_| Error::Unavailable {
            message: "too many instant checks go on; try again".to_owned(),
            retry_after: RETRY_AFTER,
        })?;
        self.inner.checker.check(media, requests).await
    }
}

/// The worst of the verdicts; none when one of the analyses has none.
pub fn overall_resolution(analyses: &[CheckedAnalysis]) -> Option<Resolution> {
    analyses
        .iter()
        .map(|analysis| analysis.resolution)
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .max()
}

fn run_request(planned: &[PlannedAnalysis], known: &[KnownMedium], ids: &[MediaId]) -> RunRequest {
    let medium = |(medium, id): (&KnownMedium, &MediaId)| RunMedium {
        id: id.to_string(),
        byte_size: medium.file.byte_size(),
        tags: medium.tags.iter().map(ToString::to_string).collect(),
        frame: None,
    };
    let analysis = |(index, plan): (usize, &PlannedAnalysis)| RunAnalysis {
        id: index.to_string(),
        kind: plan.known.kind.clone(),
        params: plan.params.values.clone(),
        media: plan
            .media
            .iter()
            .filter_map(|taken| {
                let index = u32::try_from(ids.iter().position(|id| *id == taken.media_id)?).ok()?;
                Some(SlottedMedium { index, slot: taken.slot.clone(), named: taken.named })
            })
            .collect(),
        timeout_ms: plan.known.timeout_ms,
    };
    RunRequest {
        run: uuid::Uuid::now_v7().to_string(),
        media: known.iter().zip(ids).map(medium).collect(),
        analyses: planned.iter().enumerate().map(analysis).collect(),
    }
}

fn checked(
    plan: PlannedAnalysis,
    verdict: Result<Verdict, vultus_worker_protocol::AnalysisFailure>,
    known: &[KnownMedium],
    ids: &[MediaId],
) -> CheckedAnalysis {
    let position = |id: MediaId| ids.iter().position(|other| *other == id).unwrap_or_default();
    let media: Vec<CheckedMedium> = plan
        .media
        .iter()
        .map(|taken| {
            let index = position(taken.media_id);
            let medium = known.get(index);
            CheckedMedium {
                index,
                key: medium.and_then(|medium| medium.key.clone()),
                kind: medium.map_or(vultus_core::MediaKind::Image, |medium| medium.kind),
                slot: taken.slot.clone(),
            }
        })
        .collect();
    let empty = CheckedAnalysis {
        kind: plan.known.kind.clone(),
        state: AnalysisState::Failed,
        resolution: None,
        reasons: Vec::new(),
        result: None,
        failure: None,
        provenance: Provenance { parameter_sources: plan.params.sources, ..Provenance::default() },
        params: plan.params.values,
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
