//! The guarantees of a plugin to every host: padding, a newer host, another thread and earlier jobs
//! do not change its results.

use vultus_plugin_api::{Failure, Outcome};

use super::call::{Cancel, Layout};
use super::finding::Finding;
use super::inputs::ordinary;
use super::scene::{Amount, Content, ORDINARY, Scene};
use super::subject::{Called, Subject, call, call_as_newer_host, defaults};

const NO_ANALYSIS: &str = "it offers no analysis";
const NOT_DETERMINISTIC: &str = "its manifest does not declare it deterministic";

/// Whether two answers are equal; of failures only the status is compared.
fn same(one: &Result<Outcome, Failure>, other: &Result<Outcome, Failure>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        (Err(one), Err(other)) => one.status == other.status,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// The author's media if they fit, else generated ones. With a face, more of the plugin's code
/// runs.
fn scene(subject: &Subject<'_>, spec: &vultus_plugin_api::manifest::AnalysisSpec) -> Option<Scene> {
    Scene::of_samples(spec, subject.samples())
        .or_else(|| Scene::made(spec, Content::Noise, ORDINARY, Amount::Fewest))
}

pub(super) fn padded_rows(subject: &Subject<'_>) -> Finding {
    let (mut problems, mut tried) = (Vec::new(), 0);
    for spec in subject.analyses() {
        let (Some(scene), Ok(mut instance)) = (scene(subject, spec), subject.create()) else {
            continue;
        };
        let plain = subject.job(spec, scene.clone());
        let layout = Layout { padding: 37, ..subject.layout(spec) };
        let padded = subject.job_with(spec, scene, layout, defaults(spec));
        let (first, second) = (
            call(&mut instance, &plain, Cancel::Never),
            call(&mut instance, &padded, Cancel::Never),
        );
        tried += 1;
        if spec.deterministic && !same(&first.result, &second.result) {
            problems
                .push(format!("{}: 37 bytes of padding between rows change the result", spec.kind));
        }
        if first.result.is_ok() && second.result.is_err() {
            problems.push(format!("{}: it fails if rows are padded", spec.kind));
        }
    }
    if tried == 0 {
        Finding::NotApplicable(NO_ANALYSIS)
    } else {
        Finding::of(problems, "37 bytes of padding")
    }
}

pub(super) fn newer_host(subject: &Subject<'_>) -> Finding {
    let (mut problems, mut tried) = (Vec::new(), 0);
    for spec in subject.analyses() {
        let scene = Scene::made(spec, Content::Noise, super::scene::SMALL, Amount::MostMedia);
        let (Some(scene), Ok(mut instance)) = (scene, subject.create()) else { continue };
        let job = subject.job(spec, scene);
        let own = call(&mut instance, &job, Cancel::Never);
        let newer = call_as_newer_host(&mut instance, &job);
        tried += 1;
        let differs = spec.deterministic && !same(&own.result, &newer.result);
        if differs || (own.result.is_ok() && newer.result.is_err()) {
            problems.push(format!(
                "{}: its answer changes if media are further apart and structs are longer \
                 (use medium_size to iterate over media)",
                spec.kind
            ));
        }
    }
    if tried == 0 {
        Finding::NotApplicable(NO_ANALYSIS)
    } else {
        Finding::of(problems, "40 bytes appended to each struct")
    }
}

pub(super) fn listed_features(subject: &Subject<'_>) -> Finding {
    let mut problems = Vec::new();
    for spec in subject.analyses() {
        for content in [Content::Noise, Content::Flat(128)] {
            let Some((mut instance, _, job)) = ordinary(subject, spec, content) else { continue };
            unlisted(&spec.kind, &call(&mut instance, &job, Cancel::Never), &mut problems);
        }
        if let (Some(scene), Ok(mut instance)) =
            (Scene::of_samples(spec, subject.samples()), subject.create())
        {
            unlisted(
                &spec.kind,
                &call(&mut instance, &subject.job(spec, scene), Cancel::Never),
                &mut problems,
            );
        }
    }
    problems.dedup();
    Finding::of(problems, "")
}

pub(super) fn artifacts(subject: &Subject<'_>) -> Finding {
    let (mut problems, mut given) = (Vec::new(), 0);
    for spec in subject.analyses() {
        let made = [Amount::Fewest, Amount::MostMedia, Amount::Long];
        let made = made
            .into_iter()
            .filter_map(|amount| Scene::made(spec, Content::Noise, super::scene::SMALL, amount));
        for scene in made.chain(Scene::of_samples(spec, subject.samples())) {
            let Ok(mut instance) = subject.create() else { continue };
            let called = call(&mut instance, &subject.job(spec, scene), Cancel::Never);
            given += called.artifacts;
            problems.extend(called.refused.into_iter().map(|why| format!("{}: {why}", spec.kind)));
        }
    }
    problems.dedup();
    match given {
        0 if problems.is_empty() => Finding::NotApplicable("it created no artifact"),
        _ => Finding::of(problems, format!("{given} artifacts")),
    }
}

fn unlisted(kind: &str, called: &Called, problems: &mut Vec<String>) {
    problems.extend(
        called
            .unlisted
            .iter()
            .map(|name| format!("{kind} requests {name}, which its manifest does not list")),
    );
}

pub(super) fn same_result(subject: &Subject<'_>) -> Finding {
    let (mut problems, mut tried) = (Vec::new(), 0);
    for spec in subject.analyses().iter().filter(|spec| spec.deterministic) {
        let (Some(scene), Ok(mut instance), Ok(mut other)) =
            (scene(subject, spec), subject.create(), subject.create())
        else {
            continue;
        };
        let job = subject.job(spec, scene);
        tried += 1;
        let first = call(&mut instance, &job, Cancel::Never);
        if !same(&first.result, &call(&mut instance, &job, Cancel::Never).result) {
            problems.push(format!(
                "{}: repeating the same job at once gives another result",
                spec.kind
            ));
        }
        for content in [Content::Flat(255), Content::Gradient] {
            if let Some(between) = subject.small_job(spec, content) {
                call(&mut instance, &between, Cancel::Never);
            }
        }
        if !same(&first.result, &call(&mut instance, &job, Cancel::Never).result) {
            problems
                .push(format!("{}: the same job gives another result after other jobs", spec.kind));
        }
        if !same(&first.result, &call(&mut other, &job, Cancel::Never).result) {
            problems.push(format!("{}: another instance gives another result", spec.kind));
        }
    }
    if tried == 0 {
        Finding::NotApplicable(NOT_DETERMINISTIC)
    } else {
        Finding::of(problems, format!("{tried} analyses, 4 times each"))
    }
}

pub(super) fn threads(subject: &Subject<'_>) -> Finding {
    let (mut problems, mut tried) = (Vec::new(), 0);
    let together = subject.plugin.manifest().instances.max.min(3) as usize;
    for spec in subject.analyses() {
        let Some((mut instance, _, job)) = ordinary(subject, spec, Content::Noise) else {
            continue;
        };
        tried += 1;
        let here = call(&mut instance, &job, Cancel::Never);
        let elsewhere = std::thread::scope(|scope| {
            let moved = scope.spawn(|| call(&mut instance, &job, Cancel::Never));
            moved.join().ok()
        });
        let other = |called: &Option<Called>| {
            called.as_ref().is_none_or(|called| {
                (spec.deterministic && !same(&here.result, &called.result))
                    || (here.result.is_ok() && called.result.is_err())
            })
        };
        if other(&elsewhere) {
            problems.push(format!(
                "{}: the answer of an instance differs on another thread",
                spec.kind
            ));
        }
        let instances: Result<Vec<_>, Failure> = (0..together).map(|_| subject.create()).collect();
        let Ok(mut instances) = instances else {
            problems.push(format!(
                "{together} instances cannot be created, although the manifest allows them"
            ));
            continue;
        };
        let at_once: Vec<Option<Called>> = std::thread::scope(|scope| {
            let started: Vec<_> = instances
                .iter_mut()
                .map(|instance| scope.spawn(|| call(instance, &job, Cancel::Never)))
                .collect();
            started.into_iter().map(|thread| thread.join().ok()).collect()
        });
        if at_once.iter().any(other) {
            problems.push(format!(
                "{}: the answers of {together} instances that are called at once differ",
                spec.kind
            ));
        }
    }
    if tried == 0 {
        Finding::NotApplicable(NO_ANALYSIS)
    } else {
        Finding::of(problems, format!("{together} instances at once"))
    }
}
