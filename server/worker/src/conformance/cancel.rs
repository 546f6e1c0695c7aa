//! Checks that a plugin stops when it is cancelled.

use std::time::Duration;

use vultus_plugin_api::Status;
use vultus_plugin_api::manifest::AnalysisSpec;

use super::call::{Cancel, Job};
use super::finding::Finding;
use super::scene::{Amount, Content, ORDINARY, Scene};
use super::subject::{Called, Subject, call};

/// Time within which a plugin has to return.
const PROMPT: Duration = Duration::from_millis(100);
/// Number of tries, of which the best counts, so that a busy machine does not look like a slow
/// plugin.
const TRIES: usize = 3;
/// A call of at most this duration cannot be cancelled in the middle.
const SHORT: Duration = Duration::from_millis(20);

pub(super) fn before(subject: &Subject<'_>) -> Finding {
    over_all(subject, |spec, problems| {
        let jobs = [Amount::Fewest, Amount::Long]
            .into_iter()
            .filter_map(|amount| job(subject, spec, ORDINARY, amount));
        for job in jobs {
            let called = best_of(subject, &job, Cancel::Before)?;
            problems
                .extend(problem(&called, true).map(|problem| format!("{}: {problem}", spec.kind)));
            worst(&called)?;
        }
        Some(())
    })
}

pub(super) fn during(subject: &Subject<'_>) -> Finding {
    over_all(subject, |spec, problems| {
        // At the second of many frames: the plugin has to check between frames.
        if let Some(job) = job(subject, spec, ORDINARY, Amount::Long) {
            let called = best_of(subject, &job, Cancel::AtFrame(1))?;
            problems.extend(
                problem(&called, true)
                    .map(|problem| format!("{}, at the second frame: {problem}", spec.kind)),
            );
        }
        // In the middle of one large frame: the plugin may finish the frame if that is quick.
        let job = job(subject, spec, (spec.max_side, spec.max_side), Amount::Fewest)?;
        let whole = call(&mut subject.create().ok()?, &job, Cancel::Never).took;
        if whole > SHORT {
            let called = best_of(subject, &job, Cancel::After(whole / 3))?;
            let place =
                format!("{}, in a frame of {} × {}", spec.kind, spec.max_side, spec.max_side);
            problems.extend(problem(&called, false).map(|problem| format!("{place}: {problem}")));
        }
        Some(())
    })
}

fn over_all(
    subject: &Subject<'_>,
    check: impl Fn(&AnalysisSpec, &mut Vec<String>) -> Option<()>,
) -> Finding {
    let mut problems = Vec::new();
    for spec in subject.analyses() {
        check(spec, &mut problems);
    }
    match subject.analyses() {
        [] => Finding::NotApplicable("it offers no analysis"),
        _ => Finding::of(problems, ""),
    }
}

fn job<'s>(
    subject: &'s Subject<'_>,
    spec: &AnalysisSpec,
    size: (u32, u32),
    amount: Amount,
) -> Option<Job<'s>> {
    Some(subject.job(spec, Scene::made(spec, Content::Noise, size, amount)?))
}

/// The quickest of several tries.
fn best_of(subject: &Subject<'_>, job: &Job<'_>, cancel: Cancel) -> Option<Called> {
    let mut instance = subject.create().ok()?;
    let tries = (0..TRIES).map(|_| call(&mut instance, job, cancel));
    tries.min_by_key(|called| called.stopped_after.unwrap_or_default())
}

fn worst(called: &Called) -> Option<Duration> {
    called.stopped_after
}

/// Describes how the plugin failed to stop.
fn problem(called: &Called, must_be_cancelled: bool) -> Option<String> {
    let after = called.stopped_after?;
    let ms = after.as_millis();
    match &called.result {
        _ if after > PROMPT => {
            Some(format!("it returned {ms} ms after it was cancelled; at most 100 are allowed"))
        }
        Ok(_) if must_be_cancelled => {
            Some("it returned an outcome although it was cancelled".to_owned())
        }
        Err(failure) if failure.status != Status::Cancelled && must_be_cancelled => {
            Some(format!("it returned {} instead of CANCELLED", failure.status.name()))
        }
        Ok(_) | Err(_) => None,
    }
}
