//! Analyses without a store, for `check` and `eval`. Applies the rule of blame in memory, as the
//! claim loop does with the store: after a death, analyses run one by one; an analysis fails after
//! [`FATAL_DEATHS`] deaths.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use tokio::sync::mpsc;
use vultus_core::CompanyId;
use vultus_core::rules::FATAL_DEATHS;
use vultus_worker_protocol::{AnalysisFailure, RunAnalysis, RunCosts, RunRequest};

use super::blame::{blamed, crash_failure};
use super::pool::RETRY_AFTER;
use super::run::{Judged, PoolName, RunCancel, RunEnd, RunEvent};
use super::worker_pools::WorkerPools;

/// Capacity of the channel of events.
const EVENTS: usize = 64;

/// Result of [`run_direct`].
#[derive(Debug, Default)]
pub struct DirectResult {
    /// One for each requested analysis, in the order of the request.
    pub judged: Vec<Judged>,
    /// Costs of the successful runs.
    pub costs: RunCosts,
}

/// Runs all analyses of `request`, each in the pool that offers it, one pool after the other. They
/// are of `company`; the command line has none.
/// `observe` gets the events. `media` are readable descriptors in the order of the request's media;
/// the pools get copies.
pub async fn run_direct(
    pools: &WorkerPools,
    company: Option<CompanyId>,
    request: RunRequest,
    media: Vec<OwnedFd>,
    cancel: &RunCancel,
    mut observe: impl FnMut(&RunEvent),
) -> DirectResult {
    let mut by_pool: BTreeMap<PoolName, Vec<RunAnalysis>> = BTreeMap::new();
    let mut judged = BTreeMap::new();
    for analysis in &request.analyses {
        match pools.pool_of(&analysis.kind) {
            Some(pool) => by_pool.entry(pool).or_default().push(analysis.clone()),
            None => keep(&mut judged, failed(&analysis.id, no_analyzer(&analysis.kind))),
        }
    }
    let mut costs = RunCosts::default();
    for (pool, analyses) in by_pool {
        let mut direct = DirectRun {
            pools,
            company,
            pool,
            request: &request,
            media: &media,
            cancel,
            judged: &mut judged,
        };
        add(&mut costs, direct.run(analyses, &mut observe).await);
    }
    let judged =
        request.analyses.iter().filter_map(|analysis| judged.remove(&analysis.id)).collect();
    DirectResult { judged, costs }
}

struct DirectRun<'a> {
    pools: &'a WorkerPools,
    company: Option<CompanyId>,
    pool: PoolName,
    request: &'a RunRequest,
    media: &'a [OwnedFd],
    cancel: &'a RunCancel,
    judged: &'a mut BTreeMap<String, Judged>,
}

impl DirectRun<'_> {
    async fn run(
        &mut self,
        mut todo: Vec<RunAnalysis>,
        observe: &mut impl FnMut(&RunEvent),
    ) -> RunCosts {
        let mut costs = RunCosts::default();
        let mut deaths: BTreeMap<String, u32> = BTreeMap::new();
        let mut one_by_one = false;
        while let Some(first) = todo.first() {
            let batch = if one_by_one { vec![first.clone()] } else { todo.clone() };
            match self.attempt(batch.clone(), observe).await {
                RunEnd::Done(of_run) => add(&mut costs, of_run),
                RunEnd::WorkerStopped => {}
                RunEnd::WorkerDied(death) => {
                    one_by_one = true;
                    if let Some(id) = blamed(&death, &batch) {
                        let count = deaths.entry(id.to_owned()).or_default();
                        *count += 1;
                        if *count >= FATAL_DEATHS {
                            let failure = crash_failure(&death, &self.plugin_of(id));
                            keep(self.judged, failed(id, failure));
                        }
                    }
                }
                RunEnd::Unavailable { .. } => {
                    for analysis in &batch {
                        keep(self.judged, failed(&analysis.id, unavailable()));
                    }
                }
            }
            todo.retain(|analysis| !self.judged.contains_key(&analysis.id));
        }
        costs
    }

    async fn attempt(
        &mut self,
        mut analyses: Vec<RunAnalysis>,
        observe: &mut impl FnMut(&RunEvent),
    ) -> RunEnd {
        let taken = only_taken(&mut analyses);
        let media: io::Result<Vec<OwnedFd>> = taken
            .iter()
            .filter_map(|&at| self.media.get(at as usize))
            .map(OwnedFd::try_clone)
            .collect();
        let Ok(media) = media else {
            // The process has no descriptors left.
            return RunEnd::Unavailable { retry_after: RETRY_AFTER };
        };
        let described =
            taken.iter().filter_map(|&at| self.request.media.get(at as usize)).cloned().collect();
        let request = RunRequest { run: self.request.run.clone(), media: described, analyses };
        let (sender, mut events) = mpsc::channel(EVENTS);
        let running = self.pools.run(&self.pool, self.company, request, media, sender, self.cancel);
        let listening = async {
            while let Some(event) = events.recv().await {
                observe(&event);
                if let RunEvent::Judged(one) = event {
                    keep(self.judged, one);
                }
            }
        };
        tokio::join!(running, listening).0
    }

    fn plugin_of(&self, analysis: &str) -> String {
        let analysis = self.request.analyses.iter().find(|asked| asked.id == analysis);
        analysis.and_then(|asked| self.pools.plugin_of(&asked.kind)).unwrap_or_default()
    }
}

/// Indexes of the media that the analyses take. The analyses are changed to refer to places in that
/// list. So a pool gets no descriptor of a medium that its analyses do not take.
fn only_taken(analyses: &mut [RunAnalysis]) -> Vec<u32> {
    let mut taken: Vec<u32> =
        analyses.iter().flat_map(|analysis| &analysis.media).map(|medium| medium.index).collect();
    taken.sort_unstable();
    taken.dedup();
    for medium in analyses.iter_mut().flat_map(|analysis| &mut analysis.media) {
        if let Ok(place) = taken.binary_search(&medium.index) {
            medium.index = u32::try_from(place).unwrap_or(u32::MAX);
        }
    }
    taken
}

fn keep(all: &mut BTreeMap<String, Judged>, one: Judged) {
    all.insert(one.analysis.clone(), one);
}

fn failed(analysis: &str, failure: AnalysisFailure) -> Judged {
    Judged {
        analysis: analysis.to_owned(),
        result: Err(failure),
        artifacts: Vec::new(),
        analyzer: None,
    }
}

fn no_analyzer(analysis_type: &str) -> AnalysisFailure {
    AnalysisFailure {
        code: "NO_ANALYZER".to_owned(),
        message: format!("No analyzer offers {analysis_type:?}."),
        detail: String::new(),
        retryable: false,
    }
}

fn unavailable() -> AnalysisFailure {
    AnalysisFailure {
        code: "ANALYZER_UNAVAILABLE".to_owned(),
        message: "The analyzer takes no work at the moment.".to_owned(),
        detail: "no worker of its pool takes work".to_owned(),
        retryable: true,
    }
}

fn add(sum: &mut RunCosts, costs: RunCosts) {
    sum.decode_us += costs.decode_us;
    sum.detection_us += costs.detection_us;
    sum.embedding_us += costs.embedding_us;
    sum.analysis_us += costs.analysis_us;
    sum.total_us += costs.total_us;
    sum.media_decoded += costs.media_decoded;
    sum.media_reused += costs.media_reused;
}
