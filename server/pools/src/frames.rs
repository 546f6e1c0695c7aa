//! Single pictures as probes decoded them, kept for the run that follows within seconds: so a
//! picture is decoded once on its way from upload to verdict. A run without them decodes again. The
//! node never looks at the pixels; they lie in sealed anonymous memory.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vultus_core::MediaId;
use vultus_worker_protocol::FrameReport;

/// How long a frame is kept.
const LIFE: Duration = Duration::from_secs(10);
/// Most bytes of all frames together.
const BUDGET: u64 = 128 << 20;

/// A decoded picture.
#[derive(Debug)]
pub struct ProbedFrame {
    /// Its sizes.
    pub report: FrameReport,
    /// Its pixels, sealed.
    pub pixels: OwnedFd,
}

/// The frames of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ProbedFrames(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    frames: HashMap<MediaId, ProbedFrame>,
    bytes: u64,
}

impl ProbedFrames {
    /// Keeps a medium's frame for a while, if there is room.
    pub fn keep(&self, medium: MediaId, frame: ProbedFrame) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = kept.bytes + frame.report.byte_size();
        if bytes > BUDGET {
            return;
        }
        kept.bytes = bytes;
        kept.frames.insert(medium, frame);
        drop(kept);
        let frames = self.clone();
        // Nobody waits for it: at the end of the process there is nothing to forget.
        tokio::spawn(async move {
            tokio::time::sleep(LIFE).await;
            drop(frames.take(medium));
        });
    }

    /// Takes a medium's frame: the first run that asks gets it.
    pub fn take(&self, medium: MediaId) -> Option<ProbedFrame> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = kept.frames.remove(&medium)?;
        kept.bytes -= frame.report.byte_size();
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
        // Only its sizes count here.
        ProbedFrame { report, pixels: sealed("frame", b"").unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_is_given_once_and_forgotten_after_a_while() {
        let (frames, medium) = (ProbedFrames::default(), MediaId(Uuid::from_u128(1)));
        frames.keep(medium, frame(10));
        assert!(frames.take(medium).is_some());
        assert!(frames.take(medium).is_none());
        frames.keep(medium, frame(10));
        tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
        assert!(frames.take(medium).is_none());
        assert_eq!(frames.0.lock().unwrap().bytes, 0);
    }

    #[tokio::test]
    async fn frames_beyond_the_budget_are_not_kept() {
        let (frames, id) = (ProbedFrames::default(), |number| MediaId(Uuid::from_u128(number)));
        // 48 MB each.
        for number in 0..4 {
            frames.keep(id(number), frame(4000));
        }
        assert_eq!((0..4).filter(|&number| frames.take(id(number)).is_some()).count(), 2);
    }
}
