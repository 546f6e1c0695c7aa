//! All packets of a video track, read once without decoding: times, key frames, duration, frame
//! rate.

use super::container::Track;
use crate::limits::Limits;
use crate::refusal::Refusal;

/// Duration of the last frame if the container does not declare it, in microseconds.
const FRAME_US: i64 = 40_000;

/// A key frame this long before a frame that precedes it in the file, in microseconds, belongs to
/// another recording: its clock has restarted. Reordering for prediction never moves key frames.
const RESTART_US: i64 = 500_000;

/// Tolerance for a camera clock that exceeds its nominal frame rate.
const CLOCK_SLACK: f64 = 1.01;

/// A shown frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShownFrame {
    /// Index of its packet in file order.
    pub(super) packet: usize,
    /// Presentation time in microseconds from the first shown frame.
    pub(super) pts_us: i64,
}

/// Index of the packets of a track.
#[derive(Debug)]
pub(super) struct Index {
    /// Presentation time of each packet's frame, in microseconds from the first shown frame; in
    /// file order.
    pub(super) times: Vec<i64>,
    /// Indices of the packets that are key frames, ascending.
    pub(super) keys: Vec<usize>,
    /// Shown frames, in presentation order.
    pub(super) shown: Vec<ShownFrame>,
    /// Time from the start of the first shown frame to the end of the last, in microseconds.
    pub(super) duration_us: i64,
    /// Number of pixels of one frame, by the container's header.
    pub(super) pixels: u64,
    /// Size of all packets, in bytes.
    pub(super) bytes: u64,
}

impl Index {
    /// Reads the track to its end.
    pub(super) fn read(track: &mut Track, limits: &Limits) -> Result<Self, Refusal> {
        let most_packets = (limits.max_seconds * limits.max_frame_rate).ceil().max(1.0) as usize;
        let (mut times, mut keys, mut hidden) = (Vec::new(), Vec::new(), Vec::new());
        let (mut latest, mut end, mut greatest) = (i64::MIN, i64::MIN, i64::MIN);
        let mut bytes = 0;
        while let Some(packet) = track.next_packet()? {
            bytes += packet.size() as u64;
            if packet.is_corrupt() {
                return Err(Refusal::Truncated { format: track.format() });
            }
            let at = times.len();
            if at >= most_packets {
                return Err(too_many(&times, limits));
            }
            let previous = times.last().map_or(0, |time: &i64| time.saturating_add(FRAME_US));
            let time =
                packet.pts().or(packet.dts()).map_or(previous, |pts| track.microseconds(pts));
            if packet.is_key() {
                if time < greatest.saturating_sub(RESTART_US) {
                    return Err(Refusal::Joined { format: track.format() });
                }
                keys.push(at);
            }
            greatest = greatest.max(time);
            if track.is_hidden(&packet) {
                hidden.push(at);
            } else if time >= latest {
                latest = time;
                end = packet.pts().map_or(time, |pts| {
                    track.microseconds(pts.saturating_add(packet.duration().max(0)))
                });
            }
            times.push(time);
        }
        track.check_tables()?;
        let mut index = Self::assemble(times, keys, &hidden, end)?;
        index.pixels = track.pixels();
        index.bytes = bytes;
        index.check(limits)?;
        Ok(index)
    }

    /// `end` is the end of the last shown frame, or not after its start if the container does not
    /// declare it.
    fn assemble(
        mut times: Vec<i64>,
        keys: Vec<usize>,
        hidden: &[usize],
        end: i64,
    ) -> Result<Self, Refusal> {
        let mut shown: Vec<ShownFrame> = times
            .iter()
            .enumerate()
            .filter(|(packet, _)| hidden.binary_search(packet).is_err())
            .map(|(packet, &pts_us)| ShownFrame { packet, pts_us })
            .collect();
        shown.sort_by_key(|frame| (frame.pts_us, frame.packet));
        let (Some(first), Some(last)) = (shown.first().copied(), shown.last().copied()) else {
            return Err(Refusal::NoFrames);
        };
        let zero = first.pts_us;
        times.iter_mut().for_each(|time| *time = time.saturating_sub(zero));
        shown.iter_mut().for_each(|frame| frame.pts_us = frame.pts_us.saturating_sub(zero));
        let between = last.pts_us.saturating_sub(zero);
        let length = match end.saturating_sub(last.pts_us) {
            told if told > 0 => told,
            _ if between > 0 => between / (shown.len() as i64 - 1),
            _ => FRAME_US,
        };
        let duration_us = between.saturating_add(length).max(1);
        Ok(Self { times, keys, shown, duration_us, pixels: 0, bytes: 0 })
    }

    fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        let actual = self.duration_us as f64 / 1e6;
        if actual > limits.max_seconds {
            return Err(Refusal::TooLong { actual, limit: limits.max_seconds });
        }
        let actual = self.frame_rate();
        if actual > limits.max_frame_rate * CLOCK_SLACK {
            return Err(Refusal::FrameRateTooHigh { actual, limit: limits.max_frame_rate });
        }
        Ok(())
    }

    /// Mean frames per second.
    pub(super) fn frame_rate(&self) -> f64 {
        self.shown.len() as f64 * 1e6 / self.duration_us as f64
    }

    #[cfg(test)]
    pub(super) fn from_times(times: Vec<i64>, keys: Vec<usize>, pixels: u64) -> Self {
        let mut index = Self::assemble(times, keys, &[], i64::MIN).unwrap();
        index.pixels = pixels;
        index
    }
}

/// The refusal of a track with more packets than the longest clip at the highest frame rate has.
fn too_many(times: &[i64], limits: &Limits) -> Refusal {
    let (first, last) = (times.iter().min().copied(), times.iter().max().copied());
    let seconds = last.unwrap_or(0).saturating_sub(first.unwrap_or(0)) as f64 / 1e6;
    if seconds > limits.max_seconds {
        Refusal::TooLong { actual: seconds, limit: limits.max_seconds }
    } else {
        let actual = times.len() as f64 / seconds.max(1e-6);
        Refusal::FrameRateTooHigh { actual, limit: limits.max_frame_rate }
    }
}
