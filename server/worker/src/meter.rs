//! What a run costs: CPU time of the whole process, split by what it is spent on. Time is counted
//! once: inside a feature it is not the analysis', inside a nested feature not the outer one's.

use std::time::Duration;

use vultus_worker_protocol::RunCosts;

/// What CPU time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Decoding and scaling media.
    Decode,
    /// Finding faces.
    Detection,
    /// Every other feature: templates, tracks.
    Embedding,
    /// Inside `analyze`.
    Analysis,
    /// The worker itself.
    Other,
}

/// A clock that knows what is being done.
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
    /// Starts with the worker's own work.
    pub(crate) fn start() -> Self {
        Self {
            doing: Work::Other,
            since: process_cpu(),
            spent: [Duration::ZERO; 5],
            media_decoded: 0,
            media_reused: 0,
        }
    }

    /// From now on, `work` is being done. Gives what was done before, to switch back to.
    pub(crate) fn switch(&mut self, work: Work) -> Work {
        let now = process_cpu();
        self.spent[self.doing as usize] += now.saturating_sub(self.since);
        self.since = now;
        std::mem::replace(&mut self.doing, work)
    }

    /// What was spent so far.
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

/// CPU time of this process since it started, over all threads.
pub(crate) fn process_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to; this clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
