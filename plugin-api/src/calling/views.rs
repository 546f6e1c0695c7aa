//! The ABI's views of media, frames and texts of the host.

use super::job_host::FrameView;
use crate::abi;
use crate::job::JobMedium;
use crate::manifest::SlotKind;

pub(super) fn raw_medium(medium: &JobMedium, tags: &[abi::Bytes]) -> abi::Medium {
    abi::Medium {
        index: medium.index,
        kind: match medium.kind {
            SlotKind::Image => abi::kind::IMAGE,
            SlotKind::Video => abi::kind::VIDEO,
            SlotKind::ShotSet => abi::kind::SHOT_SET,
        },
        slot: view(&medium.slot),
        tags: tags.as_ptr(),
        tag_count: tags.len() as u32,
        flags: if medium.named { abi::MEDIUM_NAMED } else { 0 },
        width: medium.width,
        height: medium.height,
        duration_us: medium.duration_us.unwrap_or(abi::NO_DURATION),
        frame_count: medium.frame_count,
        track_count: medium.track_count,
    }
}

pub(super) fn view(text: &str) -> abi::Bytes {
    abi::Bytes::of(text.as_bytes())
}

pub(super) fn raw_frame(frame: &FrameView) -> abi::Frame {
    let pixels: &[u8] = (*frame.pixels).as_ref();
    let mut planes = [abi::Plane::EMPTY; abi::MAX_PLANES];
    planes[0] = abi::Plane {
        data: pixels.as_ptr(),
        len: pixels.len() as u64,
        stride: frame.stride,
        reserved0: 0,
    };
    abi::Frame {
        struct_size: size_of::<abi::Frame>() as u32,
        medium: frame.medium,
        index: frame.index,
        format: frame.format.code(),
        width: frame.width,
        height: frame.height,
        source_width: frame.source_width,
        source_height: frame.source_height,
        pts_us: frame.pts_us,
        plane_count: 1,
        reserved0: 0,
        planes,
    }
}
