//! What the runs of a pool cost so far, for operators and for benchmarks. Counted since the node
//! started; kept nowhere.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vultus_worker_protocol::RunCosts;

/// Runs that ended well, and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotalCosts {
    /// How many.
    pub runs: u64,
    /// CPU time in microseconds: decoding and scaling media.
    pub decode_us: u64,
    /// Finding faces.
    pub detection_us: u64,
    /// Templates and tracks.
    pub embedding_us: u64,
    /// The analyses themselves.
    pub analysis_us: u64,
    /// All of it, with what belongs to none of these.
    pub total_us: u64,
    /// Media that runs decoded.
    pub media_decoded: u64,
    /// Media that came to a run decoded, by their probe.
    pub media_reused: u64,
}

impl TotalCosts {
    /// Both together.
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

/// Adds up what runs cost. The sums are not of one instant: nothing is decided by them.
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
    /// Counts one run. Costs are what a worker says, so that they wrap around rather than panic.
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
