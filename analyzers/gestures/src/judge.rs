//! Compares the gestures of a clip with those that were asked for. Pure.

use crate::detect::{Flaw, Seen};
use crate::gesture::Gesture;
use crate::policy::Finding;

/// The gestures that a clip has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Each of them, in any order, as tags name them. Other gestures do not matter.
    Each(Vec<Gesture>),
    /// These in this order, and no other head movement or smile before the last one.
    InOrder(Vec<Gesture>),
}

impl Wanted {
    /// The gestures in their order.
    pub(crate) fn gestures(&self) -> &[Gesture] {
        match self {
            Self::Each(gestures) | Self::InOrder(gestures) => gestures,
        }
    }
}

/// What prevents a clip with the gestures `seen` from showing `wanted`, and the frame that shows
/// it. Empty if it does.
pub(crate) fn compare(seen: &[Seen], wanted: &Wanted) -> Vec<(Finding, Option<usize>)> {
    match wanted {
        Wanted::Each(gestures) => {
            gestures.iter().filter_map(|gesture| each(seen, *gesture, gestures)).collect()
        }
        Wanted::InOrder(gestures) => in_order(seen, gestures).into_iter().collect(),
    }
}

fn each(seen: &[Seen], gesture: Gesture, wanted: &[Gesture]) -> Option<(Finding, Option<usize>)> {
    if seen.iter().any(|it| it.gesture == gesture && it.flaw.is_none()) {
        return None;
    }
    // A flawed one of the kind explains more than another gesture.
    if let Some(flawed) = seen.iter().find(|it| it.gesture == gesture) {
        return Some(flaw(flawed));
    }
    let other = seen.iter().find(|it| {
        it.flaw.is_none() && !it.gesture.is_involuntary() && !wanted.contains(&it.gesture)
    });
    Some(match other {
        Some(other) => (Finding::WrongGesture, Some(other.frames[0])),
        None => (Finding::GestureNotSeen, None),
    })
}

/// The first difference from the sequence.
fn in_order(seen: &[Seen], wanted: &[Gesture]) -> Option<(Finding, Option<usize>)> {
    let mut from = 0;
    for gesture in wanted {
        let counts = |it: &&Seen| it.flaw.is_none();
        let rest = &seen[from..];
        let place = rest.iter().position(|it| it.gesture == *gesture && it.flaw.is_none());
        let before = &rest[..place.unwrap_or(rest.len())];
        let between = before.iter().filter(counts).find(|it| !it.gesture.is_involuntary());
        if let Some(other) = between {
            return Some((Finding::WrongGesture, Some(other.frames[0])));
        }
        let Some(place) = place else {
            return Some(match before.iter().find(|it| it.gesture == *gesture) {
                Some(flawed) => flaw(flawed),
                None => (Finding::GestureNotSeen, None),
            });
        };
        from += place + 1;
    }
    let after = seen[from..].iter().find(|it| it.flaw.is_none() && !it.gesture.is_involuntary());
    after.map(|other| (Finding::WrongGesture, Some(other.frames[0])))
}

fn flaw(seen: &Seen) -> (Finding, Option<usize>) {
    let finding = match seen.flaw {
        Some(Flaw::TooFast) => Finding::GestureTooFast,
        Some(Flaw::NotNeutral) | None => Finding::NotNeutral,
    };
    (finding, Some(seen.frames[0]))
}

#[cfg(test)]
mod tests {
    use super::Gesture::{Blink, Down, Left, Right, Smile};
    use super::*;

    fn seen(gestures: &[(Gesture, Option<Flaw>)]) -> Vec<Seen> {
        let at = |(place, (gesture, flaw)): (usize, &(Gesture, Option<Flaw>))| Seen {
            gesture: *gesture,
            frames: [10 * place, 10 * place + 5],
            from_us: 1_000_000 * place as i64,
            to_us: 1_000_000 * place as i64 + 500_000,
            peak: 0.0,
            flaw: *flaw,
        };
        gestures.iter().enumerate().map(at).collect()
    }

    fn each_of(shown: &[(Gesture, Option<Flaw>)], wanted: &[Gesture]) -> Vec<Finding> {
        let findings = compare(&seen(shown), &Wanted::Each(wanted.to_vec()));
        findings.into_iter().map(|(finding, _)| finding).collect()
    }

    fn ordered(shown: &[(Gesture, Option<Flaw>)], wanted: &[Gesture]) -> Vec<Finding> {
        let findings = compare(&seen(shown), &Wanted::InOrder(wanted.to_vec()));
        findings.into_iter().map(|(finding, _)| finding).collect()
    }

    #[test]
    fn tagged_gesture_is_found_among_others() {
        assert_eq!(each_of(&[(Blink, None), (Left, None), (Right, None)], &[Left]), []);
        assert_eq!(each_of(&[(Smile, None), (Left, None)], &[Left, Smile]), []);
    }

    #[test]
    fn reason_says_why_a_gesture_does_not_count() {
        assert_eq!(each_of(&[], &[Left]), [Finding::GestureNotSeen]);
        assert_eq!(each_of(&[(Blink, None)], &[Left]), [Finding::GestureNotSeen]);
        assert_eq!(each_of(&[(Right, None)], &[Left]), [Finding::WrongGesture]);
        let fast = [(Right, None), (Left, Some(Flaw::TooFast))];
        assert_eq!(each_of(&fast, &[Left]), [Finding::GestureTooFast]);
        assert_eq!(each_of(&[(Left, Some(Flaw::NotNeutral))], &[Left]), [Finding::NotNeutral]);
    }

    #[test]
    fn sequence_needs_its_order_and_nothing_between() {
        let shown = [(Blink, None), (Left, None), (Blink, None), (Smile, None)];
        assert_eq!(ordered(&shown, &[Left, Smile]), []);
        assert_eq!(ordered(&shown, &[Left, Blink, Smile]), []);
        assert_eq!(ordered(&shown, &[Smile, Left]), [Finding::WrongGesture]);
        assert_eq!(ordered(&shown, &[Smile]), [Finding::WrongGesture]);
        assert_eq!(ordered(&shown, &[Left]), [Finding::WrongGesture]);
        assert_eq!(ordered(&shown[..2], &[Left, Smile]), [Finding::GestureNotSeen]);
        let doubt = [(Left, None), (Down, Some(Flaw::TooFast)), (Smile, None)];
        assert_eq!(ordered(&doubt, &[Left, Smile]), []);
        assert_eq!(ordered(&doubt, &[Left, Down]), [Finding::WrongGesture]);
        assert_eq!(ordered(&doubt[..2], &[Left, Down]), [Finding::GestureTooFast]);
    }
}
