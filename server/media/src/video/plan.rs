//! Selects the frames of a video to keep, and the packets to decode for them. Pure: does not use
//! FFmpeg.

use super::index::{Index, ShownFrame};
use crate::limits::{Limits, Tracking};
use crate::refusal::Refusal;
use std::ops::{Range, RangeInclusive};

/// Number of sampled frames per second of a clip, before the bounds below.
const SAMPLES_PER_SECOND: f64 = 3.2;
/// Minimum number of sampled frames; a clip with fewer frames gives all of them.
const FEWEST_SAMPLES: u32 = 16;
/// Maximum number of frames per second of a track. Blinks need 24.
const TRACK_RATE: f64 = 30.0;
/// Number of slots per second of its slow part, which has one frame of each: the ABI's
/// `SLOW_TRACK_RATE`.
const SLOW_RATE: i64 = 15;
/// Tolerance for a clip whose rate is nominally [`TRACK_RATE`].
const RATE_SLACK: f64 = 1.02;

/// The frames to keep and the packets to decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Frames to keep, in presentation order.
    pub(super) targets: Vec<ShownFrame>,
    /// Frames of the track, in presentation order.
    pub(super) track: Vec<TrackPlace>,
    /// Number of frames of the whole track, of which `track` may be the slow part. It determines
    /// their size.
    pub(super) whole_track: usize,
    /// Ranges of packets to decode, in file order. Each starts at a key frame or at the first
    /// packet.
    pub(super) spans: Vec<Range<usize>>,
    /// Number of packets before the last decoded one that are not decoded.
    skipped: usize,
}

/// A frame of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TrackPlace {
    pub(super) frame: ShownFrame,
    /// Whether it belongs to the slow part.
    pub(super) slow: bool,
}

impl Plan {
    /// Samples a clip: n = 3.2 frames per second, at least 16 and at most `max_frames_stored`.
    /// Takes the frame nearest to the middle of each of n equal parts of the clip, so that the
    /// first and the last part are always covered.
    pub(super) fn new(index: &Index, limits: &Limits) -> Self {
        let shown = &index.shown;
        let wanted = (index.duration_us as f64 / 1e6 * SAMPLES_PER_SECOND).round();
        let most = limits.max_frames_stored.max(1);
        let count = (wanted as u32).clamp(FEWEST_SAMPLES.min(most), most) as usize;
        let count = count.min(shown.len());
        Self::for_targets(index, spread(shown, count, index.duration_us))
    }

    /// Samples only frames shown in these times, as many as this plan has if there are enough. The
    /// new plan has no track.
    pub(super) fn within(&self, index: &Index, times: &[RangeInclusive<i64>]) -> Self {
        // On a time axis from which the unusable times are cut out.
        let (mut allowed, mut length) = (Vec::new(), 0);
        for time in times {
            let inside = index.shown.iter().filter(|frame| time.contains(&frame.pts_us));
            let moved = |frame: &ShownFrame| frame.pts_us - time.start() + length;
            allowed.extend(inside.map(|frame| ShownFrame { pts_us: moved(frame), ..*frame }));
            length += time.end() - time.start();
        }
        let count = self.targets.len().min(allowed.len());
        let chosen = spread(&allowed, count, length);
        let packets: Vec<usize> = chosen.iter().map(|frame| frame.packet).collect();
        let kept = index.shown.iter().filter(|frame| packets.contains(&frame.packet));
        Self::for_targets(index, kept.copied().collect())
    }

    /// Adds a track: the frames of the whole clip at up to 30 per second, spread evenly if there
    /// are more than `max_track_frames`. If the whole clip costs too much, only frames that are
    /// decoded anyway are taken. Nothing for [`Tracking::Off`].
    pub(super) fn add_track(&mut self, index: &Index, limits: &Limits, tracking: Tracking) {
        if tracking == Tracking::Off {
            return;
        }
        let packets = index.times.len() as u64;
        let most = limits.max_track_pixels.min(limits.max_video_pixels);
        let whole = packets.saturating_mul(index.pixels) <= most;
        let decoded = |packet: usize| self.spans.iter().any(|span| span.contains(&packet));
        let shown: Vec<ShownFrame> =
            index.shown.iter().filter(|frame| whole || decoded(frame.packet)).copied().collect();
        let by_rate = index.duration_us as f64 / 1e6 * TRACK_RATE;
        let mut count = shown.len().min(limits.max_track_frames as usize);
        if shown.len() as f64 > by_rate * RATE_SLACK {
            count = count.min((by_rate.round() as usize).max(1));
        }
        let frames =
            if count == shown.len() { shown } else { spread(&shown, count, index.duration_us) };
        self.whole_track = frames.len();
        self.track = with_slow_part(frames);
        self.track.retain(|place| place.slow || tracking == Tracking::Whole);
        if whole {
            *self = self.without_skipping(index);
        }
    }

    /// The first frame alone, for the thumbnail.
    pub(super) fn first_frame(index: &Index) -> Self {
        Self::for_targets(index, index.shown.iter().take(1).copied().collect())
    }

    fn for_targets(index: &Index, targets: Vec<ShownFrame>) -> Self {
        let keys = &index.keys;
        let segment_of =
            |packet: usize| keys.partition_point(|&key| key <= packet).saturating_sub(1);
        let start_of = |segment: usize| if segment == 0 { 0 } else { keys[segment] };
        let runs = targets.iter().map(|&ShownFrame { packet, .. }| {
            let mut segment = segment_of(packet);
            // A frame shown before its key frame may depend on the previous segment.
            if segment > 0 && index.times[packet] < index.times[keys[segment]] {
                segment -= 1;
            }
            start_of(segment)..packet + 1
        });
        let spans = merged(runs.collect());
        let decoded: usize = spans.iter().map(ExactSizeIterator::len).sum();
        let skipped = spans.last().map_or(0, |span| span.end) - decoded;
        Self { targets, track: Vec::new(), whole_track: 0, spans, skipped }
    }

    /// Whether packets before the last decoded one are not decoded.
    pub(super) fn skips_packets(&self) -> bool {
        self.skipped > 0
    }

    /// The same frames, with everything before them decoded.
    pub(super) fn without_skipping(&self, index: &Index) -> Self {
        let track = self.track.iter().map(|place| &place.frame);
        let kept = self.targets.iter().chain(track).map(|frame| frame.packet + 1);
        let end = kept.max().unwrap_or(0).min(index.times.len());
        Self {
            targets: self.targets.clone(),
            track: self.track.clone(),
            whole_track: self.whole_track,
            spans: std::iter::once(0..end).collect(),
            skipped: 0,
        }
    }

    /// Rejects a plan whose decoding costs too much.
    pub(super) fn check(&self, index: &Index, limits: &Limits) -> Result<(), Refusal> {
        let packets: u64 = self.spans.iter().map(|span| span.len() as u64).sum();
        let actual = packets.saturating_mul(index.pixels);
        if actual > limits.max_video_pixels {
            return Err(Refusal::TooMuchVideo { actual, limit: limits.max_video_pixels });
        }
        Ok(())
    }
}

/// Marks the first frame of each slot of a fifteenth of a second. The slots begin a quarter early,
/// so that times rounded to milliseconds fall into their own.
fn with_slow_part(frames: Vec<ShownFrame>) -> Vec<TrackPlace> {
    let length = 1_000_000 / SLOW_RATE;
    let mut last = None;
    let mut place = |frame: ShownFrame| {
        let slot = Some((frame.pts_us + length / 4).div_euclid(length));
        let slow = slot != last;
        last = slot;
        TrackPlace { frame, slow }
    };
    frames.into_iter().map(&mut place).collect()
}

/// The `count` frames nearest to the middles of equal parts of the clip, none twice. `count` is at
/// most the number of frames.
fn spread(shown: &[ShownFrame], count: usize, duration_us: i64) -> Vec<ShownFrame> {
    let mut frames: Vec<ShownFrame> = Vec::with_capacity(count);
    let mut next = 0;
    for i in 0..count {
        let time = (2 * i as i128 + 1) * i128::from(duration_us) / (2 * count as i128);
        let last_allowed = shown.len() - (count - i);
        while next < last_allowed
            && (i128::from(shown[next + 1].pts_us) - time).abs()
                <= (i128::from(shown[next].pts_us) - time).abs()
        {
            next += 1;
        }
        frames.push(shown[next]);
        next += 1;
    }
    frames
}

/// Merges ranges into ascending ones that neither touch nor overlap.
fn merged(mut runs: Vec<Range<usize>>) -> Vec<Range<usize>> {
    runs.sort_unstable_by_key(|run| run.start);
    let mut spans: Vec<Range<usize>> = Vec::new();
    for run in runs {
        match spans.last_mut() {
            Some(span) if run.start <= span.end => span.end = span.end.max(run.end),
            _ => spans.push(run),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clip with these times in microseconds and a key frame at every `gop`-th packet.
    fn clip(times: &[i64], gop: usize) -> Index {
        Index::from_times(times.to_vec(), (0..times.len()).step_by(gop).collect(), 1280 * 720)
    }

    fn packets(plan: &Plan) -> Vec<usize> {
        plan.targets.iter().map(|target| target.packet).collect()
    }

    #[test]
    fn samples_are_the_middles_of_equal_parts() {
        let times: Vec<i64> = (0..150).map(|i| i * 33_333).collect();
        let plan = Plan::new(&clip(&times, 250), &Limits::default());
        assert_eq!(plan.targets.len(), 16, "3.2 per second of 4.99995 s");
        let expected = [5, 14, 23, 33, 42, 52, 61, 70, 80, 89, 98, 108, 117, 127, 136, 145];
        assert_eq!(packets(&plan), expected);
        assert_eq!(plan.spans, std::slice::from_ref(&(0..146)));
    }

    #[test]
    fn long_clips_give_max_frames_and_short_clips_all_frames() {
        let times: Vec<i64> = (0..3000).map(|i| i * 33_333).collect();
        let plan = Plan::new(&clip(&times, 30), &Limits::default());
        assert_eq!(plan.targets.len(), 24);
        assert!(plan.skips_packets() && plan.spans.iter().all(|span| span.start % 30 == 0));
        assert!(packets(&plan)[23] > 2900, "the end of the clip is looked at");
        let plan = Plan::new(&clip(&[0, 40_000, 80_000], 250), &Limits::default());
        assert_eq!(packets(&plan), [0, 1, 2]);
    }

    #[test]
    fn uneven_times_never_sample_a_frame_twice_and_keep_both_ends() {
        let mut times: Vec<i64> = (0..10).map(|i| i * 1_000).collect();
        times.extend((0..10).map(|i| 4_000_000 + i * 1_000));
        let plan = Plan::new(&clip(&times, 250), &Limits::default());
        let packets = packets(&plan);
        assert!(
            packets.len() >= 8 && packets.windows(2).all(|pair| pair[0] < pair[1]),
            "{packets:?}"
        );
        assert!(packets[0] < 10 && packets[packets.len() - 1] >= 10, "{packets:?}");
    }

    #[test]
    fn frame_shown_before_its_key_frame_needs_previous_segment() {
        // Packet 4 is a key frame shown at 50; packet 5 follows it in the file and is shown before
        // it.
        let index = Index::from_times(vec![0, 10, 20, 30, 50, 40, 60, 70], vec![0, 4], 1);
        let target = ShownFrame { packet: 5, pts_us: 40 };
        assert_eq!(Plan::for_targets(&index, vec![target]).spans, std::slice::from_ref(&(0..6)));
        let later = ShownFrame { packet: 6, pts_us: 60 };
        assert_eq!(
            Plan::for_targets(&index, vec![target, later]).spans,
            std::slice::from_ref(&(0..7))
        );
        let target = ShownFrame { packet: 6, pts_us: 60 };
        assert_eq!(Plan::for_targets(&index, vec![target]).spans, std::slice::from_ref(&(4..7)));
    }

    #[test]
    fn unusable_times_are_left_out_and_the_number_of_samples_stays() {
        let times: Vec<i64> = (0..90).map(|i| i * 33_333).collect();
        let index = clip(&times, 250);
        let plan = Plan::new(&index, &Limits::default());
        let within = plan.within(&index, &[600_000..=1_200_000, 1_800_000..=3_000_000]);
        assert_eq!(within.targets.len(), plan.targets.len());
        let usable = |time: i64| (600_000..=1_200_000).contains(&time) || time >= 1_800_000;
        assert!(within.targets.iter().all(|target| usable(target.pts_us)), "{within:?}");
        assert!(within.targets.windows(2).all(|pair| pair[0].pts_us < pair[1].pts_us));
        let few = plan.within(&index, &[600_000..=700_000]);
        assert_eq!(few.targets.len(), 3);
    }

    #[test]
    fn work_is_bounded_by_the_pixels_to_decode() {
        let times: Vec<i64> = (0..150).map(|i| i * 33_333).collect();
        let limits = Limits { max_video_pixels: 1_000_000, ..Limits::default() };
        let index = clip(&times, 250);
        let refusal = Plan::new(&index, &limits).check(&index, &limits);
        assert_eq!(refusal, Err(Refusal::TooMuchVideo { actual: 146 * 921_600, limit: 1_000_000 }));
    }
}
