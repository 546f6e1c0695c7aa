//! A probe: a worker examines one medium within a time limit.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use vultus_worker_protocol::{ProbeRequest, RefusalReport, ToWorker};

use super::fate::WorkerFate;
use crate::inbound::{Probed, WorkerMessage};
use crate::process::{Inbound, Worker};

/// Step of [`awake_for`]. A step that takes more than twice as long shows that this process was
/// suspended.
const AWAKE_STEP: Duration = Duration::from_millis(100);

/// How a probe ended.
#[derive(Debug)]
pub(crate) enum ProbeEnd {
    /// The worker answered.
    Answered(Result<Probed, RefusalReport>),
    /// The worker died during the probe.
    Died,
    /// The worker exceeded the time limit.
    TooSlow,
}

/// Has `worker` examine one medium, within `limit` from now.
pub(crate) async fn probe(
    worker: &mut Worker,
    medium: OwnedFd,
    byte_size: u64,
    limit: Duration,
) -> (ProbeEnd, WorkerFate) {
    let mut too_slow = std::pin::pin!(awake_for(limit));
    let name = "probe".to_owned();
    worker.send(ToWorker::Probe(ProbeRequest { probe: name.clone(), byte_size }), vec![medium]);
    loop {
        let inbound = tokio::select! {
            inbound = worker.receive() => inbound,
            () = &mut too_slow => return (ProbeEnd::TooSlow, WorkerFate::Spent),
        };
        match inbound {
            Inbound::Gone(_) => return (ProbeEnd::Died, WorkerFate::DiedDecoding),
            Inbound::Message(message) => match *message {
                WorkerMessage::Probed { probe, result } if probe == name => {
                    return (ProbeEnd::Answered(result), WorkerFate::Lives);
                }
                WorkerMessage::Log { .. } => {}
                _ => return (ProbeEnd::Died, WorkerFate::Crashed),
            },
        }
    }
}

/// Waits for `limit`, and hardly counts time in which this process was suspended: an answer that
/// arrived meanwhile must be read before the probe counts as late.
async fn awake_for(limit: Duration) {
    let mut left = limit;
    while !left.is_zero() {
        let (step, begun) = (left.min(AWAKE_STEP), Instant::now());
        sleep(step).await;
        left = left.saturating_sub(begun.elapsed().min(2 * step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_while_the_process_is_suspended_does_not_count() {
        let waiting = tokio::spawn(awake_for(5 * AWAKE_STEP));
        tokio::task::yield_now().await;
        // Blocks the only thread of the runtime, like a suspended process.
        std::thread::sleep(10 * AWAKE_STEP);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        waiting.await.unwrap();
    }
}
