//! Costs of the runs of a pool, for operators and benchmarks. Counted since the node started and
//! not stored.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vultus_worker_protocol::RunCosts;

/// Number and costs of the runs that ended without the loss of their worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotalCosts {
    /// Number of runs.
    pub runs: u64,
    /// CPU time for decoding and scaling media, in microseconds.
    pub decode_us: u64,
    /// CPU time for finding faces, in microseconds.
    pub detection_us: u64,
    /// CPU time for face templates and tracks, in microseconds.
    pub embedding_us: u64,
    /// CPU time of the analyses themselves, in microseconds.
    pub analysis_us: u64,
    /// CPU time of the runs as a whole, in microseconds.
    pub total_us: u64,
    /// Number of media that runs decoded.
    pub media_decoded: u64,
    /// Number of media that a probe had decoded for the run.
    pub media_reused: u64,
}

impl TotalCosts {
    /// The sum of both.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            runs: self.runs.saturating_add(other.runs),
            decode_us: self.decode_us.saturating_add(other.decode_us),
            detection_us: self.detection_us.saturating_add(other.detection_us),
            embedding_us: self.embedding_us.saturating_add(other.embedding_us),
            analysis_us: self.analysis_us.saturating_add(other.analysis_us),
            total_us: self.total_us.saturating_add(other.total_us),
            media_decoded: self.media_decoded.saturating_add(other.media_decoded),
            media_reused: self.media_reused.saturating_add(other.media_reused),
        }
    }
}

/// Adds up the costs of runs. Its fields are read one after the other, not as a snapshot.
#[derive(Debug, Default)]
pub(crate) struct CostCounter {
    runs: AtomicU64,
    decode_us: AtomicU64,
    detection_us: AtomicU64,
    embedding_us: AtomicU64,
    analysis_us: AtomicU64,
    total_us: AtomicU64,
    media_decoded: AtomicU64,
    media_reused: AtomicU64,
}

impl CostCounter {
    /// Counts one run. Costs come from the worker, so sums wrap around instead of panicking.
    pub(crate) fn add(&self, costs: RunCosts) {
        self.runs.fetch_add(1, Relaxed);
        self.decode_us.fetch_add(costs.decode_us, Relaxed);
        self.detection_us.fetch_add(costs.detection_us, Relaxed);
        self.embedding_us.fetch_add(costs.embedding_us, Relaxed);
        self.analysis_us.fetch_add(costs.analysis_us, Relaxed);
        self.total_us.fetch_add(costs.total_us, Relaxed);
        self.media_decoded.fetch_add(costs.media_decoded, Relaxed);
        self.media_reused.fetch_add(costs.media_reused, Relaxed);
    }

    pub(crate) fn total(&self) -> TotalCosts {
        TotalCosts {
            runs: self.runs.load(Relaxed),
            decode_us: self.decode_us.load(Relaxed),
            detection_us: self.detection_us.load(Relaxed),
            embedding_us: self.embedding_us.load(Relaxed),
            analysis_us: self.analysis_us.load(Relaxed),
            total_us: self.total_us.load(Relaxed),
            media_decoded: self.media_decoded.load(Relaxed),
            media_reused: self.media_reused.load(Relaxed),
        }
    }
}
