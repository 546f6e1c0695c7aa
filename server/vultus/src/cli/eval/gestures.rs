//! `vultus eval gestures`: which gestures of clips are found, and which are found that were not
//! made.

use super::super::local::{LocalChecker, LocalMedium};
use super::super::outcome::{CommandError, Done};
use super::super::report;
use super::arguments::GestureArguments;
use super::judge::judge_all;
use super::list::{GestureClip, GestureEvent, read_gesture_clips};
use super::wilson::Rate;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use vultus_service::CheckedAnalysis;

/// Time by which a gesture may begin before or end after the listed moment, in seconds.
const TOLERANCE: f64 = 1.0;

/// Counts of one gesture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    made: usize,
    found: usize,
    /// Found where none was made.
    false_ones: usize,
}

struct Figures {
    clips: usize,
    /// Clips that show a gesture of the head and one of the face: what every challenge asks for.
    head_and_face: usize,
    seconds: f64,
    gestures: BTreeMap<String, Counts>,
}

pub(super) fn run(config: Option<&Path>, arguments: &GestureArguments) -> Done {
    let list = read_gesture_clips(&arguments.list, &arguments.root)?;
    let media = |clip: &GestureClip| {
        vec![LocalMedium { path: clip.clip.clone(), tags: vec!["video_selfie".to_owned()] }]
    };
    let samples = list.iter().map(media).collect();
    let answers = LocalChecker::with(config, async |checker| {
        judge_all(checker, "gestures", None, samples).await
    })?;
    let figures = figures(&list, &answers)?;
    if arguments.json {
        print_json(&figures, arguments.each.then(|| each(&list, &answers)));
    } else {
        print_table(&figures)
    }
    Ok(ExitCode::SUCCESS)
}

fn figures(list: &[GestureClip], answers: &[CheckedAnalysis]) -> Result<Figures, CommandError> {
    let mut figures =
        Figures { clips: list.len(), head_and_face: 0, seconds: 0.0, gestures: BTreeMap::new() };
    for (clip, answer) in list.iter().zip(answers) {
        let media = answer.result.as_ref().and_then(|result| result.field::<Value>("media"));
        let media = media.ok_or_else(|| {
            CommandError::new(format!("{} could not be judged", clip.clip.display()))
        })?;
        let medium = &media[0];
        let rate = medium["frameRate"].as_f64().unwrap_or(f64::INFINITY);
        figures.seconds += medium["frames"].as_f64().unwrap_or_default() / rate;
        let seen: Vec<Seen> =
            medium["seen"].as_array().into_iter().flatten().filter_map(Seen::of).collect();
        figures.head_and_face += usize::from(shows_head_and_face(&seen));
        count(&clip.events, &seen, &mut figures.gestures);
    }
    Ok(figures)
}

fn shows_head_and_face(seen: &[Seen]) -> bool {
    let any = |names: &[&str]| seen.iter().any(|it| names.contains(&it.gesture.as_str()));
    any(&["left", "right", "up", "down"]) && any(&["smile", "blink"])
}

/// File, verdict, reasons and result of each clip.
fn each(list: &[GestureClip], answers: &[CheckedAnalysis]) -> Value {
    let of = |(clip, answer): (&GestureClip, &CheckedAnalysis)| {
        let codes: Vec<&str> = answer.reasons.iter().map(|it| it.code.as_str()).collect();
        json!({
            "file": clip.clip.display().to_string(),
            "resolution": answer.resolution,
            "reasons": codes,
            "media": answer.result.as_ref().and_then(|result| result.field::<Value>("media")),
        })
    };
    list.iter().zip(answers).map(of).collect()
}

/// A gesture that counts, in seconds.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    gesture: String,
    from: f64,
    to: f64,
}

impl Seen {
    /// `None` if it does not count.
    fn of(value: &Value) -> Option<Self> {
        let seconds = |name: &str| value[name].as_f64().map(|us| us / 1e6);
        value["flaw"].is_null().then_some(())?;
        let gesture = value["gesture"].as_str()?.to_owned();
        Some(Self { gesture, from: seconds("fromUs")?, to: seconds("toUs")? })
    }

    fn is(&self, event: &GestureEvent) -> bool {
        self.gesture == event.gesture
            && (self.from - TOLERANCE..=self.to + TOLERANCE).contains(&event.seconds)
    }
}

/// Each gesture that was made takes one that was seen.
fn count(made: &[GestureEvent], seen: &[Seen], counts: &mut BTreeMap<String, Counts>) {
    let mut rest: Vec<&Seen> = seen.iter().collect();
    for event in made {
        let of_kind = counts.entry(event.gesture.clone()).or_default();
        of_kind.made += 1;
        if let Some(place) = rest.iter().position(|seen| seen.is(event)) {
            of_kind.found += 1;
            rest.remove(place);
        }
    }
    for unexpected in rest {
        counts.entry(unexpected.gesture.clone()).or_default().false_ones += 1;
    }
}

impl Counts {
    fn rate(self) -> Rate {
        Rate { cases: self.found, of: self.made }
    }
}

impl Figures {
    fn head_and_face(&self) -> Rate {
        Rate { cases: self.head_and_face, of: self.clips }
    }

    fn false_per_100_s(&self) -> Option<f64> {
        let false_ones: usize = self.gestures.values().map(|counts| counts.false_ones).sum();
        (self.seconds > 0.0).then(|| false_ones as f64 * 100.0 / self.seconds)
    }
}

fn print_json(figures: &Figures, each: Option<Value>) {
    let mut gestures = serde_json::Map::new();
    for (name, counts) in &figures.gestures {
        let rate = counts.rate();
        let value = json!({
            "made": counts.made,
            "found": counts.found,
            "rate": rate.share(),
            "interval": rate.interval().map(|(low, high)| [low, high]),
            "false": counts.false_ones,
        });
        gestures.insert(name.clone(), value);
    }
    let mut json = json!({
        "clips": figures.clips,
        "headAndFace": figures.head_and_face().json(),
        "seconds": figures.seconds,
        "gestures": gestures,
        "falsePer100Seconds": figures.false_per_100_s(),
    });
    if let Some(each) = each {
        json["each"] = each;
    }
    report::json(&json);
}

fn print_table(figures: &Figures) {
    let heading = ["gesture", "made", "found", "95 % interval", "false"].map(str::to_owned);
    let mut rows = vec![heading.to_vec()];
    for (name, counts) in &figures.gestures {
        let interval = counts.rate().interval().map_or_else(
            || "-".to_owned(),
            |(low, high)| format!("{:.0}–{:.0} %", low * 100.0, high * 100.0),
        );
        rows.push(vec![
            name.clone(),
            counts.made.to_string(),
            counts.found.to_string(),
            interval,
            counts.false_ones.to_string(),
        ]);
    }
    report::table(&rows);
    let rate = figures.false_per_100_s().map_or_else(|| "-".to_owned(), |it| format!("{it:.2}"));
    report::line(format_args!(
        "{} clips, {:.0} s; false gestures per 100 s: {rate}",
        figures.clips, figures.seconds
    ));
    report::line(format_args!(
        "clips that show a gesture of the head and one of the face: {}",
        figures.head_and_face()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(gesture: &str, seconds: f64) -> GestureEvent {
        GestureEvent { gesture: gesture.to_owned(), seconds }
    }

    fn seen(gesture: &str, from: f64, to: f64) -> Seen {
        Seen { gesture: gesture.to_owned(), from, to }
    }

    #[test]
    fn challenge_needs_head_and_face() {
        let (left, smile) = (seen("left", 1.0, 2.0), seen("smile", 3.0, 4.0));
        assert!(shows_head_and_face(&[left.clone(), smile.clone()]));
        assert!(!shows_head_and_face(&[left.clone(), left]) && !shows_head_and_face(&[smile]));
    }

    #[test]
    fn gesture_is_found_once_and_near_its_moment() {
        let mut counts = BTreeMap::new();
        let made = [event("left", 2.0), event("left", 9.0), event("smile", 5.0)];
        let found = [seen("left", 2.5, 4.0), seen("smile", 8.0, 9.0), seen("blink", 1.0, 1.1)];
        count(&made, &found, &mut counts);
        let of = |made, found, false_ones| Counts { made, found, false_ones };
        assert_eq!(counts["left"], of(2, 1, 0));
        assert_eq!(counts["smile"], of(1, 0, 1));
        assert_eq!(counts["blink"], of(0, 0, 1));
    }
}
