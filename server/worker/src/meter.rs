//! The costs of a run: CPU time of the whole process, by activity. Each moment counts once: the
//! time inside a feature does not count as the analysis', and the time inside a nested feature does
//! not count as the outer feature's.

use std::time::Duration;

use vultus_worker_protocol::RunCosts;

/// An activity that uses CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Decoding and scaling media.
    Decode,
    /// Finding faces.
    Detection,
    /// All other features: templates, tracks.
    Embedding,
    /// Inside `analyze`.
    Analysis,
    /// The worker's own work.
    Other,
}

/// Attributes CPU time to activities.
#[derive(Debug)]
pub(crate) struct Meter {
    doing: Work,
    since: Duration,
    spent: [Duration; 5],
    /// Media that the run decoded.
    pub(crate) media_decoded: u64,
    /// Media that a probe had decoded.
    pub(crate) media_reused: u64,
}

impl Meter {
    /// Starts with the activity [`Work::Other`].
    pub(crate) fn start() -> Self {
        Self {
            doing: Work::Other,
            since: process_cpu(),
            spent: [Duration::ZERO; 5],
            media_decoded: 0,
            media_reused: 0,
        }
    }

    /// Switches to another activity and returns the previous one.
    pub(crate) fn switch(&mut self, work: Work) -> Work {
        let now = process_cpu();
        self.spent[self.doing as usize] += now.saturating_sub(self.since);
        self.since = now;
        std::mem::replace(&mut self.doing, work)
    }

    /// The costs so far.
    pub(crate) fn costs(&mut self) -> RunCosts {
        self.switch(self.doing);
        let of = |work: Work| self.spent[work as usize].as_micros() as u64;
        RunCosts {
            decode_us: of(Work::Decode),
            detection_us: of(Work::Detection),
            embedding_us: of(Work::Embedding),
            analysis_us: of(Work::Analysis),
            total_us: self.spent.iter().sum::<Duration>().as_micros() as u64,
            media_decoded: self.media_decoded,
            media_reused: self.media_reused,
        }
    }
}

/// CPU time of this process since its start, over all threads.
pub(crate) fn process_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing; this clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
