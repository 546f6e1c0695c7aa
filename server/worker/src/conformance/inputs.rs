//! Jobs with all kinds of input: the answer must be a valid outcome every time.

use std::time::Duration;

use serde_json::Value;
use vultus_plugin_api::manifest::{AnalysisSpec, Scope};
use vultus_plugin_api::{PixelFormat, Status};
use vultus_plugin_host::Instance;

use super::call::{Cancel, Job, Layout};
use super::finding::Finding;
use super::scene::{Amount, Content, MOST_FRAMES, ORDINARY, SMALL, Scene};
use super::subject::{Called, Subject, call, defaults, may_refuse, must_judge};

/// Checks an answer; returns what is wrong with it.
type Judge = fn(&Called) -> Option<String>;

/// Calls every analysis with the jobs that `jobs` creates for it.
fn try_all<'s>(
    subject: &'s Subject<'_>,
    nothing: &'static str,
    judge: Judge,
    jobs: impl Fn(&'s AnalysisSpec) -> Vec<(String, Job<'s>)>,
) -> Finding {
    let (mut problems, mut tried, mut longest) = (Vec::new(), 0, Duration::ZERO);
    for spec in subject.analyses() {
        let jobs = jobs(spec);
        if jobs.is_empty() {
            continue;
        }
        let mut instance = match subject.create() {
            Ok(instance) => instance,
            Err(failure) => return Finding::Broken(vec![format!("create returned {failure}")]),
        };
        for (what, job) in jobs {
            tried += 1;
            let called = call(&mut instance, &job, Cancel::Never);
            longest = longest.max(called.took);
            problems
                .extend(judge(&called).map(|problem| format!("{}, {what}: {problem}", spec.kind)));
            if called.took > Duration::from_millis(spec.timeout_ms) {
                let took = called.took.as_millis();
                problems.push(format!(
                    "{}, {what}: it took {took} ms, its timeout_ms is {}",
                    spec.kind, spec.timeout_ms
                ));
            }
        }
    }
    match tried {
        0 => Finding::NotApplicable(nothing),
        _ => Finding::of(
            problems,
            format!("{tried} jobs, the longest {:.0} ms", longest.as_secs_f64() * 1e3),
        ),
    }
}

const NO_ANALYSIS: &str = "it offers no analysis";

fn made<'s>(
    subject: &'s Subject<'_>,
    spec: &'s AnalysisSpec,
    content: Content,
    size: (u32, u32),
    amount: Amount,
) -> Option<(String, Job<'s>)> {
    let (width, height) = size;
    let what = match content {
        Content::Flat(level) => format!("{width} × {height} of level {level}"),
        Content::Noise => format!("{width} × {height} of noise"),
        Content::Gradient => format!("{width} × {height} of a gradient"),
    };
    Some((what, subject.job(spec, Scene::made(spec, content, size, amount)?)))
}

pub(super) fn empty(subject: &Subject<'_>) -> Finding {
    try_all(subject, NO_ANALYSIS, may_refuse, |spec| {
        let job = made(subject, spec, Content::Flat(0), SMALL, Amount::NoFrame);
        job.map(|(_, job)| ("media without a frame".to_owned(), job)).into_iter().collect()
    })
}

pub(super) fn tiny(subject: &Subject<'_>) -> Finding {
    const SIZES: [(u32, u32); 6] = [(1, 1), (2, 2), (3, 3), (1, 3), (3, 1), (2, 640)];
    try_all(subject, NO_ANALYSIS, may_refuse, |spec| {
        SIZES
            .iter()
            .filter_map(|size| made(subject, spec, Content::Noise, *size, Amount::Fewest))
            .collect()
    })
}

pub(super) fn huge(subject: &Subject<'_>) -> Finding {
    try_all(subject, NO_ANALYSIS, must_judge, |spec| {
        let side = spec.max_side;
        let sizes = [(side, side), (side, 16), (side * 2, side)];
        sizes
            .iter()
            .filter_map(|size| made(subject, spec, Content::Noise, *size, Amount::Fewest))
            .collect()
    })
}

pub(super) fn grey(subject: &Subject<'_>) -> Finding {
    try_all(subject, NO_ANALYSIS, must_judge, |spec| {
        let levels = [128, 0, 255];
        levels
            .iter()
            .filter_map(|level| {
                made(subject, spec, Content::Flat(*level), ORDINARY, Amount::Fewest)
            })
            .collect()
    })
}

pub(super) fn no_face(subject: &Subject<'_>) -> Finding {
    try_all(subject, NO_ANALYSIS, must_judge, |spec| {
        let contents = [Content::Gradient, Content::Noise];
        contents
            .iter()
            .filter_map(|content| made(subject, spec, *content, ORDINARY, Amount::Fewest))
            .collect()
    })
}

pub(super) fn long(subject: &Subject<'_>) -> Finding {
    try_all(subject, "its slots take single pictures only", must_judge, |spec| {
        let job = made(subject, spec, Content::Noise, ORDINARY, Amount::Long);
        job.map(|(_, job)| (format!("{MOST_FRAMES} frames"), job)).into_iter().collect()
    })
}

pub(super) fn many_media(subject: &Subject<'_>) -> Finding {
    try_all(subject, NO_ANALYSIS, must_judge, |spec| {
        let job = made(subject, spec, Content::Gradient, SMALL, Amount::MostMedia);
        job.map(|(_, job)| (format!("{} media", job.request.media.len()), job))
            .into_iter()
            .collect()
    })
}

pub(super) fn own_media(subject: &Subject<'_>) -> Finding {
    if subject.samples().is_empty() {
        return Finding::NotApplicable("no --media was given");
    }
    try_all(subject, "the media given fit no analysis", must_judge, |spec| {
        let scene = Scene::of_samples(spec, subject.samples());
        scene
            .map(|scene| ("the media given".to_owned(), subject.job(spec, scene)))
            .into_iter()
            .collect()
    })
}

pub(super) fn parameters(subject: &Subject<'_>) -> Finding {
    try_all(subject, "it takes no parameters with bounds", may_refuse, |spec| {
        let job = |(what, params)| {
            let scene = Scene::made(spec, Content::Gradient, SMALL, Amount::Fewest)?;
            Some((what, subject.job_with(spec, scene, subject.layout(spec), params)))
        };
        edges(spec).into_iter().filter_map(job).collect()
    })
}

/// The default parameters, each time with one parameter at a bound of its schema, if the schema
/// accepts the result.
fn edges(spec: &AnalysisSpec) -> Vec<(String, Value)> {
    let Some(properties) = spec.params_schema.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let Ok(schema) = vultus_plugin_host::compile_schema(&spec.params_schema) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, property) in properties {
        let bounds =
            ["minimum", "maximum"].iter().filter_map(|bound| property.get(*bound)).cloned();
        let choices = property.get("enum").and_then(Value::as_array).into_iter().flatten().cloned();
        let flags = (property.get("type") == Some(&Value::from("boolean")))
            .then_some([Value::from(true), Value::from(false)]);
        for value in bounds.chain(choices).chain(flags.into_iter().flatten()) {
            let mut params = defaults(spec);
            params[name.as_str()] = value.clone();
            if schema.is_valid(&params) {
                found.push((format!("{name} = {value}"), params));
            }
        }
    }
    found
}

pub(super) fn pixel_formats(subject: &Subject<'_>) -> Finding {
    try_all(subject, "its manifest names one pixel format only", must_judge, |spec| {
        if spec.pixel_formats.len() < 2 {
            return Vec::new();
        }
        let job = |format: PixelFormat| {
            let scene = Scene::made(spec, Content::Noise, SMALL, Amount::Fewest)?;
            let layout = Layout { format, ..subject.layout(spec) };
            Some((format.name().to_owned(), subject.job_with(spec, scene, layout, defaults(spec))))
        };
        spec.pixel_formats
            .iter()
            .filter_map(|name| PixelFormat::from_name(name))
            .filter_map(job)
            .collect()
    })
}

/// The plugin's own features, requested as another plugin would request them.
pub(super) fn provides(subject: &Subject<'_>) -> Finding {
    let Some(provider) = subject.own_provider() else {
        return Finding::NotApplicable("it provides no feature");
    };
    // The media of a job without an analysis: one picture.
    let spec = AnalysisSpec {
        slots: vec![vultus_plugin_api::manifest::Slot {
            name: "any".into(),
            kinds: vec![vultus_plugin_api::manifest::SlotKind::Image],
            ..Default::default()
        }],
        ..AnalysisSpec::default()
    };
    let cases = [
        (Content::Flat(128), ORDINARY),
        (Content::Noise, ORDINARY),
        (Content::Noise, (1, 1)),
        (Content::Noise, (1920, 1920)),
    ];
    let (mut problems, mut tried) = (Vec::new(), 0);
    for provided in &subject.plugin.manifest().provides {
        for (content, size) in cases {
            let Some((what, job)) = made(subject, &spec, content, size, Amount::Fewest) else {
                continue;
            };
            let frame = match provided.scope {
                Scope::Frame => Some(0),
                Scope::Medium => None,
            };
            tried += 1;
            // A feature may have conditions, such as pictures of one size.
            if let Err(failure) = job.provide(provider, provided, 0, frame)
                && failure.status != Status::InvalidInput
            {
                problems.push(format!("{}, {what}: it returned {failure}", provided.feature));
            }
        }
    }
    Finding::of(problems, format!("{tried} calls"))
}

/// An instance and a job on ordinary pictures, for rules that compare answers.
pub(super) fn ordinary<'s>(
    subject: &'s Subject<'_>,
    spec: &'s AnalysisSpec,
    content: Content,
) -> Option<(Instance, Scene, Job<'s>)> {
    let scene = Scene::made(spec, content, ORDINARY, Amount::Fewest)?;
    Some((subject.create().ok()?, scene.clone(), subject.job(spec, scene)))
}
