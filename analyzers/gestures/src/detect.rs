//! Finds gestures in the measures of a clip. Pure.
//!
//! The rules, relative to the neutral face, were set on clips of live people and on prints that
//! were moved and bent:
//!
//! - left, right: yaw from 20° for 0.2 s, pitch within 25°; yaw within 10° in the 2 s before and
//!   after;
//! - up, down: pitch from 15° or −12° for 0.2 s, yaw within 15°; pitch within 8° in the 2 s
//!   before and after;
//! - smile: from 0.45 and neutral + 0.35 for 0.4 s, yaw within 20°, pitch within 15°, nose within
//!   10 %; below 0.2 in the 2.5 s before;
//! - blink: lids from their median of 3 s + 0.22 for less than 0.5 s, open before and after,
//!   opening at most 60 % of its median, within 25° of the camera and 20° of neutral;
//! - zoom: distance of the eyes × 1.25 or × 0.8 for 0.3 s, yaw within 20°.
//!
//! A head that turns to its profile is lost: a gap between two frames that are turned by 30° to
//! the same side belongs to the turn. So does a shorter gap to a nod: of a head bowed to the
//! chest.

use crate::gesture::Gesture;
use crate::series::{Measures, Series, median};

const TURN: f32 = 20.0;
/// A turn ends below this angle, so that one that wavers is one.
const TURN_HELD: f32 = 12.0;
const UP: f32 = 15.0;
const DOWN: f32 = 12.0;
const NOD_HELD: f32 = 8.0;
const HEAD_US: i64 = 200_000;
const SMILE_US: i64 = 400_000;
const ZOOM_US: i64 = 300_000;
const BLINK_US: i64 = 500_000;
const AROUND_US: i64 = 2_000_000;
const BEFORE_SMILE_US: i64 = 2_500_000;
/// One frame without a smile may be an error of the mesh.
const EARNEST_FRAMES: usize = 2;
/// A run of frames may miss single ones.
const BRIDGE_US: i64 = 100_000;
/// Longest time out of sight that belongs to a turn, and the angle on both sides of it.
const PROFILE_US: i64 = 3_000_000;
const PROFILE: f32 = 30.0;
/// Longest time out of sight that belongs to a nod.
const BOWED_US: i64 = 1_000_000;

/// A gesture that a clip shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    pub(crate) gesture: Gesture,
    /// First and last frame.
    pub(crate) frames: [usize; 2],
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    /// The most extreme measure: degrees, 0–1, or a factor.
    pub(crate) peak: f32,
    pub(crate) flaw: Option<Flaw>,
}

/// Why a gesture does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    TooFast,
    NotNeutral,
}

/// All gestures of a clip in the order of their beginning, also those that do not count.
pub(crate) fn gestures(series: &Series) -> Vec<Seen> {
    let mut seen = Vec::new();
    turns(series, &mut seen);
    nods(series, &mut seen);
    smiles(series, &mut seen);
    blinks(series, &mut seen);
    zooms(series, &mut seen);
    seen.sort_by_key(|seen| (seen.from_us, seen.to_us));
    seen
}

/// A rule: when a gesture begins and is held, its measure, and its least time.
struct Rule<'a> {
    gesture: Gesture,
    begins: &'a dyn Fn(&Measures) -> bool,
    holds: &'a dyn Fn(&Measures) -> bool,
    strength: &'a dyn Fn(&Measures) -> f32,
    least_us: i64,
}

impl Series {
    /// Runs of frames that satisfy `rule`, or that `also` says belong to one. The time of a run
    /// counts only frames that satisfy the stricter condition.
    fn runs(&self, rule: &Rule<'_>, also: &[bool]) -> Vec<Seen> {
        let begins = |i: usize| also[i] || self.frames[i].as_ref().is_some_and(rule.begins);
        let holds = |i: usize| also[i] || self.frames[i].as_ref().is_some_and(rule.holds);
        let bridge = BRIDGE_US.max(self.step_us.saturating_mul(21) / 10);
        let (mut runs, mut next) = (Vec::new(), 0);
        while next < self.times.len() {
            let first = next;
            next += 1;
            if !begins(first) {
                continue;
            }
            let (mut last, mut strict) = (first, self.step_us);
            let mut last_strict = first;
            while let Some(following) = (last + 1..self.times.len())
                .take_while(|i| self.times[*i] - self.times[last] <= bridge)
                .find(|i| holds(*i))
            {
                if begins(following) {
                    if self.times[following] - self.times[last_strict] <= bridge {
                        strict += self.times[following] - self.times[last_strict];
                    } else {
                        strict += self.step_us;
                    }
                    last_strict = following;
                }
                last = following;
            }
            let strongest = self.frames[first..=last].iter().flatten().map(rule.strength);
            let peak =
                strongest.fold(0.0, |most: f32, it| if it.abs() > most.abs() { it } else { most });
            runs.push(Seen {
                gesture: rule.gesture,
                frames: [first, last_strict],
                from_us: self.times[first],
                to_us: self.times[last_strict],
                peak,
                flaw: (strict < rule.least_us).then_some(Flaw::TooFast),
            });
            next = last + 1;
        }
        runs
    }

    /// Whether a frame within `time` before the frame `first` satisfies `rule`.
    fn before(&self, first: usize, time: i64, rule: &dyn Fn(&Measures) -> bool) -> bool {
        let earlier = (0..first).rev().take_while(|i| self.times[first] - self.times[*i] <= time);
        earlier.into_iter().any(|i| self.frames[i].as_ref().is_some_and(rule))
    }

    /// Whether a frame within `time` after the frame `last` satisfies `rule`.
    fn after(&self, last: usize, time: i64, rule: &dyn Fn(&Measures) -> bool) -> bool {
        let later =
            (last + 1..self.times.len()).take_while(|i| self.times[*i] - self.times[last] <= time);
        later.into_iter().any(|i| self.frames[i].as_ref().is_some_and(rule))
    }

    /// Adds runs, and marks those that lack a neutral position before or after them.
    fn add_head(&self, runs: Vec<Seen>, neutral: &dyn Fn(&Measures) -> bool, to: &mut Vec<Seen>) {
        for mut run in runs {
            let [first, last] = run.frames;
            let framed =
                self.before(first, AROUND_US, neutral) && self.after(last, AROUND_US, neutral);
            if run.flaw.is_none() && !framed {
                run.flaw = Some(Flaw::NotNeutral);
            }
            to.push(run);
        }
    }

    /// The frames out of sight, for `most` at most, between two frames that satisfy `rule`.
    fn hidden(&self, most: i64, rule: &dyn Fn(&Measures) -> bool) -> Vec<bool> {
        let mut hidden = vec![false; self.frames.len()];
        let turned = |frame: &Option<Measures>| frame.as_ref().is_some_and(rule);
        let mut next = 0;
        while let Some(first) = (next..self.frames.len()).find(|i| self.frames[*i].is_none()) {
            let seen_again = (first..self.frames.len()).find(|i| self.frames[*i].is_some());
            let Some(end) = seen_again else { break };
            let before = &self.frames[first.saturating_sub(3)..first];
            let after = &self.frames[end..self.frames.len().min(end + 3)];
            let short = self.times[end] - self.times[first] <= most;
            if short && before.iter().any(turned) && after.iter().any(turned) {
                hidden[first..end].fill(true);
            }
            next = end;
        }
        hidden
    }
}

fn turns(series: &Series, to: &mut Vec<Seen>) {
    for (gesture, sign) in [(Gesture::Right, 1.0), (Gesture::Left, -1.0)] {
        let level = |it: &Measures| it.pitch.abs() < 25.0;
        let rule = Rule {
            gesture,
            begins: &|it| sign * it.yaw >= TURN && level(it),
            holds: &|it| sign * it.yaw >= TURN_HELD && level(it),
            strength: &|it| it.yaw,
            least_us: HEAD_US,
        };
        let neutral = |it: &Measures| it.yaw.abs() < 10.0 && level(it);
        let hidden = series.hidden(PROFILE_US, &|it| sign * it.yaw >= PROFILE);
        series.add_head(series.runs(&rule, &hidden), &neutral, to);
    }
}

fn nods(series: &Series, to: &mut Vec<Seen>) {
    for (gesture, sign, least) in [(Gesture::Up, 1.0, UP), (Gesture::Down, -1.0, DOWN)] {
        let straight = |it: &Measures| it.yaw.abs() < 15.0;
        let rule = Rule {
            gesture,
            begins: &|it| sign * it.pitch >= least && straight(it),
            holds: &|it| sign * it.pitch >= NOD_HELD && straight(it),
            strength: &|it| it.pitch,
            least_us: HEAD_US,
        };
        let neutral = |it: &Measures| it.pitch.abs() < 8.0 && straight(it);
        let hidden = series.hidden(BOWED_US, rule.begins);
        series.add_head(series.runs(&rule, &hidden), &neutral, to);
    }
}

fn smiles(series: &Series, to: &mut Vec<Seen>) {
    let least = (series.neutral.smile + 0.35).max(0.45);
    let facing = |it: &Measures| {
        it.yaw.abs() < 20.0 && it.pitch.abs() < 15.0 && (it.nose - 1.0).abs() < 0.10
    };
    let rule = Rule {
        gesture: Gesture::Smile,
        begins: &|it| it.smile >= least && facing(it),
        holds: &|it| it.smile >= least && facing(it),
        strength: &|it| it.smile,
        least_us: SMILE_US,
    };
    for mut run in series.runs(&rule, &vec![false; series.frames.len()]) {
        let earnest = |i: &usize| series.frames[*i].is_some_and(|it| it.smile < 0.2);
        let first = run.frames[0];
        let earlier = (0..first)
            .rev()
            .take_while(|i| series.times[first] - series.times[*i] <= BEFORE_SMILE_US);
        if run.flaw.is_none() && earlier.filter(earnest).count() < EARNEST_FRAMES {
            run.flaw = Some(Flaw::NotNeutral);
        }
        to.push(run);
    }
}

fn blinks(series: &Series, to: &mut Vec<Seen>) {
    let around = |middle: usize, measure: fn(&Measures) -> f32| {
        let near = (0..series.times.len())
            .filter(|i| (series.times[*i] - series.times[middle]).abs() <= 1_500_000);
        median(near.filter_map(|i| series.frames[i].as_ref().map(measure)))
    };
    let mut next = 0;
    while next < series.times.len() {
        let first = next;
        next += 1;
        let least = around(first, |it| it.closed) + 0.22;
        let closed = |i: usize| series.frames[i].is_some_and(|it| it.closed >= least);
        if !closed(first) {
            continue;
        }
        let end = (first..series.times.len()).find(|i| !closed(*i)).unwrap_or(series.times.len());
        next = end;
        let last = end - 1;
        let openings = &series.frames[first.saturating_sub(1)..series.frames.len().min(end + 1)];
        let narrowest = openings.iter().flatten().map(|it| it.opening).fold(f32::MAX, f32::min);
        let is_short = series.times[last] - series.times[first] < BLINK_US;
        // Lids sink when a head comes back from a turn.
        let facing = |it: &Measures| it.absolute_yaw.abs() < 25.0 && it.yaw.abs() < TURN;
        let faces = series.frames[first..end].iter().flatten().all(facing);
        let was_open = first > 0 && end < series.times.len();
        if faces && is_short && was_open && narrowest <= 0.6 * around(first, |it| it.opening) {
            let strongest = series.frames[first..end].iter().flatten().map(|it| it.closed);
            to.push(Seen {
                gesture: Gesture::Blink,
                frames: [first, last],
                from_us: series.times[first],
                to_us: series.times[last],
                peak: strongest.fold(0.0, f32::max),
                flaw: None,
            });
        }
    }
}

fn zooms(series: &Series, to: &mut Vec<Seen>) {
    let facing = |it: &Measures| it.yaw.abs() < 20.0;
    let near = |it: &Measures| it.size >= 1.25 && facing(it);
    let far = |it: &Measures| it.size <= 0.8 && facing(it);
    let strength = &|it: &Measures| it.size;
    let mut find = |gesture, holds: &dyn Fn(&Measures) -> bool| {
        let rule = Rule { gesture, begins: holds, holds, strength, least_us: ZOOM_US };
        to.extend(series.runs(&rule, &vec![false; series.frames.len()]));
    };
    find(Gesture::ZoomIn, &near);
    find(Gesture::ZoomOut, &far);
}

#[cfg(test)]
#[path = "detect_tests.rs"]
mod tests;
