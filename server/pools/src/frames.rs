//! Frames of single pictures that probes have decoded, kept for the run that follows within
//! seconds, so that a picture is decoded once between upload and verdict. A run without a frame
//! decodes the picture again. The node never reads the pixels, which lie in sealed anonymous
//! memory.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use vultus_core::MediaId;
use vultus_worker_protocol::FrameReport;

/// Time for which a frame is kept.
const LIFE: Duration = Duration::from_secs(10);
/// Maximum size of all frames together, in bytes.
const BUDGET: u64 = 128 << 20;

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
    frames: HashMap<MediaId, ProbedFrame>,
    bytes: u64,
}

impl ProbedFrames {
    /// Keeps the frame of a medium for a while, unless the budget is exceeded.
    pub fn keep(&self, medium: MediaId, frame: ProbedFrame) {
        let mut kept = self.0.lock();
        let bytes = kept.bytes + frame.report.byte_size();
        if bytes > BUDGET {
            return;
        }
        kept.bytes = bytes;
        kept.frames.insert(medium, frame);
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
        // The budget counts the reported dimensions, not the memory.
        ProbedFrame { report, pixels: sealed("frame", b"").unwrap() }
    }

    #[tokio::test(start_paused = true)]
    async fn frame_is_taken_once_and_expires() {
        let (frames, medium) = (ProbedFrames::default(), MediaId(Uuid::from_u128(1)));
        frames.keep(medium, frame(10));
        assert!(frames.take(medium).is_some());
        assert!(frames.take(medium).is_none());
        frames.keep(medium, frame(10));
        tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
        assert!(frames.take(medium).is_none());
        assert_eq!(frames.0.lock().bytes, 0);
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
