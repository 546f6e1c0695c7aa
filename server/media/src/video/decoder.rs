//! Decodes the planned packets of a track, on one thread, and keeps the planned frames.
//!
//! Packets carry their position in the file as their time, so that a decoded frame is identified
//! exactly, even if the container's times are wrong. Frames that no other frame depends on and that
//! are not kept are not decoded; that changes no pixel of the kept frames.

use super::container::{Track, check_side};
use super::convert::Converter;
use super::hidden::{Av1Hidden, vp9_parts};
use super::index::ShownFrame;
use super::plan::Plan;
use crate::limits::{DecodeOptions, DecoderMode, Limits};
use crate::orientation::Orientation;
use crate::pixels::{self, StoredFrame};
use crate::refusal::Refusal;
use crate::track::TrackFrame;
use ffmpeg_next::codec::{self, decoder};
use ffmpeg_next::{Packet, ffi, frame};
use std::ops::Range;

/// Maximum number of packets that may fail to decode before decoding stops.
const MOST_ERRORS: u32 = 32;

/// The kept frames of a track.
pub(super) struct Decoded {
    /// Width after orientation, in pixels.
    pub(super) width: u32,
    /// Height after orientation, in pixels.
    pub(super) height: u32,
    /// The frames, in presentation order.
    pub(super) frames: Vec<StoredFrame>,
    /// The frames of the track, in presentation order.
    pub(super) track: Vec<TrackFrame>,
}

/// The decoder of one track.
pub(super) struct TrackDecoder {
    track: Track,
    decoder: decoder::Video,
    orientation: Orientation,
    converter: Converter,
    errors: u32,
    av1: Av1Hidden,
}

impl TrackDecoder {
    pub(super) fn new(
        track: Track,
        limits: &Limits,
        options: DecodeOptions,
    ) -> Result<Self, Refusal> {
        let refusal = Refusal::Unreadable { format: track.format(), step: "opening the decoder" };
        let refuse = |_| refusal.clone();
        let codec = decoder::find_by_name(track.decoder)
            .ok_or_else(|| Refusal::UnsupportedCodec { codec: track.decoder.to_owned() })?;
        let mut context = codec::Context::from_parameters(track.parameters()?).map_err(refuse)?;
        // SAFETY: we own the context and have not opened it yet; these fields are set by the user
        // (avcodec.h).
        unsafe {
            let context = context.as_mut_ptr();
            (*context).thread_count = 1;
            (*context).max_pixels = i64::from(limits.max_video_side).pow(2);
            if options.decoder == DecoderMode::Fast {
                (*context).skip_loop_filter = ffi::AVDiscard::AVDISCARD_ALL;
            }
        }
        let decoder =
            context.decoder().open_as(codec).and_then(decoder::Opened::video).map_err(refuse)?;
        let orientation = track.orientation();
        Ok(Self {
            track,
            decoder,
            orientation,
            converter: Converter::default(),
            errors: 0,
            av1: Av1Hidden::default(),
        })
    }

    /// Decodes the spans of the plan. Damaged and missing frames are left out.
    pub(super) fn decode(mut self, plan: &Plan, limits: &Limits) -> Result<Decoded, Refusal> {
        let mut kept = Kept::new(plan, limits);
        let mut at = 0;
        for span in &plan.spans {
            while at < span.end && self.errors <= MOST_ERRORS {
                let Some(packet) = self.track.next_packet()? else {
                    break;
                };
                if at >= span.start {
                    self.feed(packet, at, span, &mut kept)?;
                }
                at += 1;
            }
            if kept.is_full() {
                break;
            }
            // At the end of a span the decoder returns the frames that it still holds, then drops
            // all references.
            if self.decoder.send_eof().is_ok() {
                self.take_frames(span, &mut kept)?;
            }
            self.decoder.flush();
        }
        Ok(kept.finish(self.orientation))
    }

    fn feed(
        &mut self,
        packet: Packet,
        at: usize,
        span: &Range<usize>,
        kept: &mut Kept<'_>,
    ) -> Result<(), Refusal> {
        match (self.track.codec(), packet.data()) {
            (ffi::AVCodecID::AV_CODEC_ID_VP9, Some(data)) => {
                // One by one, so that each frame counts, including those that are not shown.
                for part in vp9_parts(data) {
                    let shown = self.send(Packet::copy(&data[part]), at, span, kept)?;
                    if shown == 0 {
                        // SAFETY: we own the context; its size is that of the frame decoded last.
                        let (width, height) = unsafe {
                            ((*self.decoder.as_ptr()).width, (*self.decoder.as_ptr()).height)
                        };
                        kept.count_pixels(
                            u64::from(width.unsigned_abs()) * u64::from(height.unsigned_abs()),
                        )?;
                    }
                }
                Ok(())
            }
            (ffi::AVCodecID::AV_CODEC_ID_AV1, Some(data)) => {
                kept.count_pixels(
                    self.av1.pixels(data, u64::from(kept.limits.max_video_side).pow(2)),
                )?;
                self.send(packet, at, span, kept).map(drop)
            }
            _ => self.send(packet, at, span, kept).map(drop),
        }
    }

    /// Decodes a packet and returns the number of frames that the decoder returned.
    fn send(
        &mut self,
        mut packet: Packet,
        at: usize,
        span: &Range<usize>,
        kept: &mut Kept<'_>,
    ) -> Result<u32, Refusal> {
        packet.set_pts(i64::try_from(at).ok());
        packet.set_dts(None);
        let skip = if kept.wants(at) {
            ffi::AVDiscard::AVDISCARD_DEFAULT
        } else {
            ffi::AVDiscard::AVDISCARD_NONREF
        };
        // SAFETY: we own the context; `skip_frame` may be changed between packets of a decoder
        // without threads.
        unsafe { (*self.decoder.as_mut_ptr()).skip_frame = skip };
        if let Err(error) = self.decoder.send_packet(&packet) {
            Refusal::if_out_of_memory(error)?;
            self.errors += 1;
        }
        self.take_frames(span, kept)
    }

    fn take_frames(&mut self, span: &Range<usize>, kept: &mut Kept<'_>) -> Result<u32, Refusal> {
        let mut frame = frame::Video::empty();
        let mut taken = 0;
        loop {
            if let Err(error) = self.decoder.receive_frame(&mut frame) {
                Refusal::if_out_of_memory(error)?;
                break;
            }
            taken += 1;
            let Some(packet) = frame.pts().and_then(|pts| usize::try_from(pts).ok()) else {
                continue;
            };
            check_side((frame.width(), frame.height()), kept.limits)?;
            kept.count_pixels(u64::from(frame.width()) * u64::from(frame.height()))?;
            if packet == span.start && packet > 0 && !frame.is_key() {
                kept.unmarked_start = Some(span.start);
            }
            let damaged = frame.is_corrupt() || frame.has_decode_errors();
            if damaged {
                self.errors += 1;
                continue;
            }
            if let Some(slot) = kept.track_slot(packet, span) {
                let display = self.converter.display_size(&frame);
                let size = kept.track_size(display);
                let place = kept.plan.track[slot];
                kept.track[slot] = self.converter.reduced(&frame, size, self.orientation, place);
            }
            if let Some(slot) = kept.slot(packet, span) {
                let display = self.converter.display_size(&frame);
                let first = *kept.size.get_or_insert(display);
                let size = kept.limits.stored_size(first.0, first.1, kept.plan.targets.len());
                // Browsers change the size while they record; players show all frames in one area.
                let inner = fitted(display, size);
                let rgb = self.converter.upright(&frame, inner, self.orientation).ok_or(
                    Refusal::Unreadable { format: self.track.format(), step: "converting a frame" },
                )?;
                let (inner, size) = (self.orientation.turned(inner), self.orientation.turned(size));
                kept.put(slot, pixels::centred(rgb, inner, size), size);
            }
        }
        Ok(taken)
    }
}

/// The largest size of a frame's shape within `area`; all of it if only rounding differs.
fn fitted(frame: (u32, u32), area: (u32, u32)) -> (u32, u32) {
    let [width, height, area_width, area_height] =
        [frame.0, frame.1, area.0, area.1].map(f64::from);
    let factor = (area_width / width).min(area_height / height);
    let scaled = |side: f64, most: f64| {
        let scaled = (side * factor).round();
        if most - scaled <= most / 64.0 { most } else { scaled.max(1.0) }
    };
    (scaled(width, area_width) as u32, scaled(height, area_height) as u32)
}

/// The targets of the plan and the frames decoded for them.
struct Kept<'a> {
    plan: &'a Plan,
    limits: &'a Limits,
    /// (packet, position among the targets), ascending.
    by_packet: Vec<(usize, usize)>,
    frames: Vec<Option<StoredFrame>>,
    /// (packet, position in the track), ascending.
    track_by_packet: Vec<(usize, usize)>,
    track: Vec<Option<TrackFrame>>,
    /// Size of the track's frames before orientation.
    track_size: Option<(u32, u32)>,
    /// Size of the first kept frame before orientation.
    size: Option<(u32, u32)>,
    /// Number of pixels decoded so far. The plan was checked with the size in the header, which may
    /// be false, and some frames are never shown.
    pixels: u64,
    /// Start of a span whose first frame turned out not to be a key frame: no frame of that span
    /// can be trusted.
    unmarked_start: Option<usize>,
}

impl<'a> Kept<'a> {
    fn new(plan: &'a Plan, limits: &'a Limits) -> Self {
        fn by_packet<'f>(frames: impl Iterator<Item = &'f ShownFrame>) -> Vec<(usize, usize)> {
            let mut places: Vec<_> =
                frames.enumerate().map(|(slot, frame)| (frame.packet, slot)).collect();
            places.sort_unstable();
            places
        }
        Self {
            plan,
            limits,
            by_packet: by_packet(plan.targets.iter()),
            frames: plan.targets.iter().map(|_| None).collect(),
            track_by_packet: by_packet(plan.track.iter().map(|place| &place.frame)),
            track: plan.track.iter().map(|_| None).collect(),
            track_size: None,
            size: None,
            pixels: 0,
            unmarked_start: None,
        }
    }

    fn count_pixels(&mut self, pixels: u64) -> Result<(), Refusal> {
        self.pixels = self.pixels.saturating_add(pixels);
        let limit = self.limits.max_video_pixels;
        if self.pixels > limit {
            return Err(Refusal::TooMuchVideo { actual: self.pixels, limit });
        }
        Ok(())
    }

    fn wants(&self, packet: usize) -> bool {
        find(&self.by_packet, packet).or_else(|| find(&self.track_by_packet, packet)).is_some()
    }

    fn slot(&self, packet: usize, span: &Range<usize>) -> Option<usize> {
        if self.unmarked_start == Some(span.start) {
            return None;
        }
        find(&self.by_packet, packet).filter(|&slot| self.frames[slot].is_none())
    }

    fn track_slot(&self, packet: usize, span: &Range<usize>) -> Option<usize> {
        if self.unmarked_start == Some(span.start) {
            return None;
        }
        find(&self.track_by_packet, packet).filter(|&slot| self.track[slot].is_none())
    }

    /// Size of the track's frames: that of the first, so that frames can be compared.
    fn track_size(&mut self, (width, height): (u32, u32)) -> (u32, u32) {
        let frames = self.plan.whole_track;
        *self.track_size.get_or_insert_with(|| self.limits.track_size(width, height, frames))
    }

    fn put(&mut self, slot: usize, rgb: Vec<u8>, (width, height): (u32, u32)) {
        let pts_us = self.plan.targets[slot].pts_us;
        self.frames[slot] = Some(StoredFrame { width, height, rgb, pts_us, index: 0 });
    }

    fn is_full(&self) -> bool {
        self.frames.iter().all(Option::is_some) && self.track.iter().all(Option::is_some)
    }

    fn finish(self, orientation: Orientation) -> Decoded {
        let (width, height) = orientation.turned(self.size.unwrap_or_default());
        let mut frames: Vec<StoredFrame> = self.frames.into_iter().flatten().collect();
        for (index, frame) in (0..).zip(&mut frames) {
            frame.index = index;
        }
        let track = self.track.into_iter().flatten().collect();
        Decoded { width, height, frames, track }
    }
}

/// The position of a packet's frame, from places sorted by packet.
fn find(by_packet: &[(usize, usize)], packet: usize) -> Option<usize> {
    let at = by_packet.binary_search_by_key(&packet, |&(packet, _)| packet).ok()?;
    Some(by_packet[at].1)
}
