//! Probes: a worker examines one uploaded medium.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use vultus_core::CompanyId;
use vultus_worker_protocol::RefusalReport;

use super::inbound::Probed;
use super::lane::Job;
use super::pool::{QUEUE, RETRY_AFTER};
use super::run::ProbeError;
use super::session::ProbeEnd;
use super::worker_pools::WorkerPools;

/// Time limit of a probe, from the moment a worker begins it.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
/// Maximum time that a probe waits for a worker.
const PROBE_WAIT: Duration = Duration::from_secs(15);

impl WorkerPools {
    /// Probes one medium of a company; companies take turns. `medium` is a readable descriptor of
    /// `byte_size` bytes whose position no other code changes. A medium that a worker cannot read
    /// within 5 s is refused; if no worker begins within 15 s, the error is
    /// [`ProbeError::Unavailable`].
    pub async fn probe(
        &self,
        company: Option<CompanyId>,
        medium: OwnedFd,
        byte_size: u64,
    ) -> Result<Probed, ProbeError> {
        let begin_before = Instant::now() + PROBE_WAIT;
        for _attempt in 0..2 {
            let copy = medium
                .try_clone()
                .map_err(|_| ProbeError::Unavailable { retry_after: RETRY_AFTER })?;
            match self.probe_once(company, copy, byte_size, begin_before).await? {
                ProbeEnd::Answered(result) => return result.map_err(ProbeError::Refused),
                ProbeEnd::TooSlow => return Err(ProbeError::Refused(too_slow())),
                ProbeEnd::Died => {}
            }
        }
        Err(ProbeError::Refused(RefusalReport {
            code: "DECODER_CRASHED".to_owned(),
            message: "The medium cannot be read: decoding it fails.".to_owned(),
            is_limit: false,
        }))
    }

    async fn probe_once(
        &self,
        company: Option<CompanyId>,
        medium: OwnedFd,
        byte_size: u64,
        begin_before: Instant,
    ) -> Result<ProbeEnd, ProbeError> {
        let pool = &self.set.probe;
        let unavailable = |retry_after| ProbeError::Unavailable { retry_after };
        let reserved = pool.reserve_if_available(company);
        let (lane, permit) = tokio::time::timeout_at(begin_before, reserved)
            .await
            .map_err(|_| unavailable(RETRY_AFTER))?
            .map_err(unavailable)?;
        let (reply, answer) = oneshot::channel();
        // The free worker may die before it takes the job. Then another worker takes it, or none
        // does before the timeout.
        let begun = Instant::now();
        lane.submit(permit, Job::Probe { medium, byte_size, limit: PROBE_DEADLINE, reply });
        let answer = tokio::time::timeout(PROBE_WAIT + PROBE_DEADLINE, answer).await;
        lane.permits.ended(company.unwrap_or(QUEUE), begun.elapsed());
        match answer {
            Ok(Ok(end)) => Ok(end),
            Ok(Err(_)) | Err(_) => Err(unavailable(RETRY_AFTER)),
        }
    }
}

fn too_slow() -> RefusalReport {
    RefusalReport {
        code: "TOO_SLOW".to_owned(),
        message: format!("Reading the medium takes longer than {} s.", PROBE_DEADLINE.as_secs()),
        is_limit: true,
    }
}
