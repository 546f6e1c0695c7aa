//! [`Checker`]: what is needed to validate requests and to judge media without a store.

use crate::catalog::Catalog;
use crate::challenges::ChallengeVerifier;
use crate::examinations::Examinations;
use crate::options::{CheckerOptions, RequestLimits};
use crate::plan::{self, ChallengeRules, CheckedRequest};
use crate::types::AnalysisRequest;
use std::sync::Arc;
use vultus_blobs::MemoryBudget;
use vultus_core::clock::Clock;
use vultus_core::{Error, Result};
use vultus_pools::WorkerPools;

/// Judges media with workers only: without store, queue and caller. The instant check and the
/// command line share it.
#[derive(Clone)]
pub struct Checker {
    pub(crate) pools: WorkerPools,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) limits: RequestLimits,
    /// Memory for uploads that are decrypted to be examined.
    pub(crate) memory: MemoryBudget,
    /// Permits to have a file examined.
    pub(crate) examinations: Examinations,
    /// Whether passive liveness needs an answered challenge beside it for SUCCESS.
    require_challenge: bool,
}

impl Checker {
    /// Takes the configured policy and limits. Fails if an analyzer rejects its policy.
    pub fn new(pools: WorkerPools, options: CheckerOptions, clock: Clock) -> Result<Self> {
        let catalog = Catalog::new(pools.clone(), options.policies, clock)
            .map_err(|message| Error::invalid("analyzers", message))?;
        let memory = MemoryBudget::new(options.upload_memory_bytes);
        let examinations = Examinations::new(options.examinations);
        let require_challenge = options.require_challenge;
        let catalog = Arc::new(catalog);
        let limits = options.limits;
        Ok(Self { pools, catalog, limits, memory, examinations, require_challenge })
    }

    /// Checks number, types and parameters of the requested analyses. Without a verifier no
    /// challenge is accepted.
    pub(crate) fn checked_requests(
        &self,
        requests: Vec<AnalysisRequest>,
        verifier: Option<ChallengeVerifier<'_>>,
    ) -> Result<Vec<CheckedRequest>> {
        let most = self.limits.analyses_per_request;
        if requests.len() > most {
            return Err(Error::LimitExceeded {
                argument: Some("input.analyses".to_owned()),
                message: format!("a request holds at most {most} analyses"),
                reason: Some("TOO_MANY_ANALYSES".to_owned()),
            });
        }
        let rules = ChallengeRules { verifier, required: self.require_challenge };
        plan::check_requests(&self.catalog, requests, &rules, &self.limits.json)
    }
}
