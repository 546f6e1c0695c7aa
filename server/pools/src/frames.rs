//! Frames of single pictures that probes have decoded, kept for the run that follows within
//! seconds, so that a picture is decoded once between upload and verdict. A run without a frame
//! decodes the picture again. The node never reads the pixels, which lie in sealed anonymous
//! memory.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use vultus_core::{CompanyId, MediaId};
use vultus_worker_protocol::FrameReport;

/// Time for which a frame is kept.
const LIFE: Duration = Duration::from_secs(10);
/// Maximum size of all frames together, in bytes. One company gets at most half of it.
const BUDGET: u64 = 128 << 20;
/// Maximum number of frames; each holds a descriptor. One company gets at most half of it.
const MOST: usize = 256;

/// A decoded picture.
#[derive(Debug)]
pub struct ProbedFrame {
    /// Dimensions of the frame.
    pub report: FrameReport,
    /// Sealed memory with the pixels.
    pub pixels: OwnedFd,
}

/// The kept frames of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ProbedFrames(Arc<Mutex<KeptFrames>>);

#[derive(Debug, Default)]
struct KeptFrames {
    frames: HashMap<MediaId, (CompanyId, ProbedFrame)>,
    all: Share,
    companies: HashMap<CompanyId, Share>,
}

/// What some frames take.
#[derive(Debug, Default, Clone, Copy)]
struct Share {
    count: usize,
    bytes: u64,
}

impl Share {
    fn plus(self, frame: &ProbedFrame) -> Self {
        Self { count: self.count + 1, bytes: self.bytes + frame.report.byte_size() }
    }

    fn minus(self, frame: &ProbedFrame) -> Self {
        Self { count: self.count - 1, bytes: self.bytes - frame.report.byte_size() }
    }

    fn fits(self, count: usize, bytes: u64) -> bool {
        self.count <= count && self.bytes <= bytes
    }
}

impl ProbedFrames {
    /// Keeps the frame of a company's medium for a while, unless there is no room for it.
    pub fn keep(&self, company: CompanyId, medium: MediaId, frame: ProbedFrame) {
        let mut kept = self.0.lock();
        let own = kept.companies.get(&company).copied().unwrap_or_default().plus(&frame);
        let all = kept.all.plus(&frame);
        if !all.fits(MOST, BUDGET) || !own.fits(MOST / 2, BUDGET / 2) {
            return;
        }
        kept.all = all;
        kept.companies.insert(company, own);
        kept.frames.insert(medium, (company, frame));
        drop(kept);
        let frames = self.clone();
        // Not joined: the end of the process frees the frames anyway.
        tokio::spawn(async move {
            tokio::time::sleep(LIFE).await;
            drop(frames.take(medium));
        });
    }

    /// Takes the frame of a medium. Only the first caller gets it.
    pub fn take(&self, medium: MediaId) -> Option<ProbedFrame> {
        let mut kept = self.0.lock();
        let (company, frame) = kept.frames.remove(&medium)?;
        kept.all = kept.all.minus(&frame);
        if let Some(own) = kept.companies.get_mut(&company) {
            *own = own.minus(&frame);
            if own.count == 0 {
                kept.companies.remove(&company);
            }
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;
    use vultus_worker_protocol::memfd::sealed;

    fn frame(side: u32) -> ProbedFrame {
        let report =
            FrameReport { source_width: side, source_height: side, width: side, height: side };
        // The budget counts the reported dimensions, not the memory.
        ProbedFrame { report, pixels: sealed("frame", b"").unwrap() }
    }

    fn company(number: u128) -> CompanyId {
        CompanyId(Uuid::from_u128(number))
    }

    fn medium(number: u128) -> MediaId {
        MediaId(Uuid::from_u128(number))
    }

    #[tokio::test(start_paused = true)]
    async fn frame_is_taken_once_and_expires() {
        let frames = ProbedFrames::default();
        frames.keep(company(1), medium(1), frame(10));
        assert!(frames.take(medium(1)).is_some());
        assert!(frames.take(medium(1)).is_none());
        frames.keep(company(1), medium(1), frame(10));
        tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
        assert!(frames.take(medium(1)).is_none());
        let kept = frames.0.lock();
        assert_eq!((kept.all.count, kept.all.bytes, kept.companies.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn frames_beyond_the_budget_are_not_kept() {
        let frames = ProbedFrames::default();
        // 48 MB each: one fits into the share of a company, and two into the budget.
        for number in 0..4 {
            frames.keep(company(number), medium(number), frame(4000));
            frames.keep(company(number), medium(100 + number), frame(4000));
        }
        let all = (0..4).chain(100..104);
        assert_eq!(all.filter(|&number| frames.take(medium(number)).is_some()).count(), 2);
    }

    #[tokio::test]
    async fn tiny_frames_are_bounded_by_their_number() {
        let frames = ProbedFrames::default();
        for number in 0..1000 {
            frames.keep(company(1), medium(number), frame(1));
        }
        assert_eq!(frames.0.lock().frames.len(), MOST / 2);
        frames.keep(company(2), medium(5000), frame(1));
        assert!(frames.take(medium(5000)).is_some(), "another company has its own share");
    }
}
