//! The rules for a manifest beyond its shape. Reports all problems at once.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::Value;
use vultus_plugin_api::PixelFormat;
use vultus_plugin_api::calling::Entry;
use vultus_plugin_api::features::OF_HOST;
use vultus_plugin_api::limits::{SLOW_TRACK_RATE, TRACK_RATE};
use vultus_plugin_api::manifest::{AnalysisSpec, Manifest, Provided, Slot, Weight};

const MAX_SIDE: RangeInclusive<u32> = 16..=8192;
const TIMEOUT_MS: RangeInclusive<u64> = 1..=600_000;
const INSTANCES: RangeInclusive<u32> = 1..=64;
const TRACK_RATES: [u32; 2] = [SLOW_TRACK_RATE, TRACK_RATE];
const MAX_MEDIA_OF_SLOT: u32 = 64;
/// Maximum length of a display text, in characters.
const MAX_TEXT: usize = 200;
/// Maximum length of a name, in bytes.
const MAX_NAME: usize = 64;

/// All problems of a manifest, one sentence each; empty if it is valid.
pub fn manifest_problems(manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |ok: bool, problem: String| {
        if !ok {
            problems.push(problem);
        }
    };
    check(is_id(&manifest.id), format!("id {:?} is not a reverse DNS name", manifest.id));
    check(
        is_semver(&manifest.version),
        format!("version {:?} is not a semantic version", manifest.version),
    );
    let texts =
        [("name", &manifest.name), ("vendor", &manifest.vendor), ("license", &manifest.license)];
    for (field, text) in texts {
        check(is_text(text), format!("{field} is empty or longer than {MAX_TEXT} characters"));
    }
    let instances = manifest.instances.max;
    check(
        INSTANCES.contains(&instances),
        format!("instances.max {instances} is not {INSTANCES:?}"),
    );
    check(
        !manifest.analyses.is_empty() || !manifest.provides.is_empty(),
        "it offers neither an analysis nor a feature".into(),
    );
    let kinds = manifest.analyses.iter().map(|spec| spec.kind.as_str());
    check(are_unique(kinds), "an analysis type is listed twice".into());
    let features = manifest.provides.iter().map(|provided| provided.feature.as_str());
    check(are_unique(features), "a feature is provided twice".into());
    for spec in &manifest.analyses {
        problems.extend(analysis_problems(spec));
    }
    for provided in &manifest.provides {
        problems.extend(provided_problems(provided));
    }
    problems.extend(manifest.weights.iter().filter_map(weight_problem));
    problems
}

/// Functions that the manifest needs and the function table lacks.
pub(crate) fn function_problems(manifest: &Manifest, entry: &Entry) -> Vec<String> {
    let mut problems = Vec::new();
    if !manifest.analyses.is_empty() && !entry.has_analyze() {
        problems.push("it offers analyses, but the function analyze is null".into());
    }
    if !manifest.provides.is_empty() && !entry.has_provide() {
        problems.push("it provides features, but the function provide is null".into());
    }
    problems
}

fn analysis_problems(spec: &AnalysisSpec) -> Vec<String> {
    let mut problems = Vec::new();
    let kind = &spec.kind;
    let mut check = |ok: bool, problem: String| {
        if !ok {
            problems.push(format!("analysis {kind:?}: {problem}"));
        }
    };
    check(is_name(kind), "the type is not lower-case letters, digits and _".into());
    check(is_text(&spec.title), format!("title is empty or longer than {MAX_TEXT} characters"));
    check(MAX_SIDE.contains(&spec.max_side), format!("max_side is not {MAX_SIDE:?}"));
    check(TIMEOUT_MS.contains(&spec.timeout_ms), format!("timeout_ms is not {TIMEOUT_MS:?}"));
    let formats = &spec.pixel_formats;
    check(
        !formats.is_empty() && formats.iter().all(|name| PixelFormat::from_name(name).is_some()),
        "pixel_formats is empty or has an unknown name".into(),
    );
    check(is_track(spec.track.as_deref()), "track is not the name of a pixel format".into());
    check(
        TRACK_RATES.contains(&spec.track_rate),
        format!("track_rate is not one of {TRACK_RATES:?}"),
    );
    for feature in &spec.features {
        check(is_feature(feature), format!("the feature {feature:?} is not name/version"));
    }
    check(!spec.slots.is_empty(), "it has no slot".into());
    check(
        are_unique(spec.slots.iter().map(|slot| slot.name.as_str())),
        "a slot is listed twice".into(),
    );
    for slot in &spec.slots {
        check(is_slot(slot), format!("the slot {:?} is malformed", slot.name));
    }
    if let Err(problem) = check_params_schema(&spec.params_schema) {
        check(false, format!("params_schema {problem}"));
    }
    if let Err(problem) = compile_schema(&spec.result_schema) {
        check(false, format!("result_schema {problem}"));
    }
    problems
}

fn is_slot(slot: &Slot) -> bool {
    let mut tags = slot.any_tags.iter().chain(&slot.all_tags).chain(&slot.unless_named_tags);
    is_name(&slot.name)
        && !slot.kinds.is_empty()
        && slot.min <= slot.max
        && (1..=MAX_MEDIA_OF_SLOT).contains(&slot.max)
        && tags.all(|tag| is_name(tag))
}

/// Checks that the schema describes an object and accepts the object that consists of its defaults.
fn check_params_schema(schema: &Value) -> Result<(), String> {
    let validator = compile_schema(schema)?;
    if schema["type"] != "object" {
        return Err("does not have \"type\": \"object\"".into());
    }
    let properties = schema["properties"].as_object();
    let defaults: serde_json::Map<String, Value> = properties
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
        .collect();
    let defaults = Value::Object(defaults);
    validator
        .validate(&defaults)
        .map_err(|error| format!("rejects its own defaults at {}: {error}", error.instance_path()))
}

/// Compiles a schema of a manifest. The error continues a sentence that starts with its name.
///
/// # Errors
/// The schema does not compile without loading other documents.
pub fn compile_schema(schema: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::validator_for(schema).map_err(|error| format!("does not compile: {error}"))
}

fn provided_problems(provided: &Provided) -> Vec<String> {
    let mut problems = Vec::new();
    let name = &provided.feature;
    if !is_feature(name) {
        problems.push(format!("the provided feature {name:?} is not name/version"));
    }
    for need in
        provided.needs.iter().chain(&provided.optional_needs).filter(|need| !is_feature(need))
    {
        problems.push(format!("feature {name:?}: its need {need:?} is not name/version"));
    }
    if OF_HOST.contains(&name.as_str()) {
        problems.push(format!("the feature {name:?} is provided by the host"));
    }
    if !is_track(provided.track.as_deref()) {
        problems.push(format!("feature {name:?}: track is not the name of a pixel format"));
    }
    if !TRACK_RATES.contains(&provided.track_rate) {
        problems.push(format!("feature {name:?}: track_rate is not one of {TRACK_RATES:?}"));
    }
    if !MAX_SIDE.contains(&provided.max_side) {
        problems.push(format!("feature {name:?}: max_side is not {MAX_SIDE:?}"));
    }
    problems
}

fn is_track(format: Option<&str>) -> bool {
    format.is_none_or(|name| PixelFormat::from_name(name).is_some())
}

fn weight_problem(weight: &Weight) -> Option<String> {
    let file = &weight.file;
    if file.is_empty() || file.starts_with('.') || file.contains(['/', '\\', '\0']) {
        return Some(format!("the weight file {file:?} is not a plain file name"));
    }
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let sha256 = &weight.sha256;
    let pinned = sha256.len() == 64 && sha256.bytes().all(hex);
    (!sha256.is_empty() && !pinned)
        .then(|| format!("the sha256 of {file:?} is not 64 lower-case hexadecimal digits"))
}

fn are_unique<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    names.into_iter().all(|name| seen.insert(name))
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= MAX_TEXT
}

/// A lower-case letter followed by lower-case letters, digits and `_`.
fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// At least two labels of lower-case letters, digits and `-`.
fn is_id(id: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    id.len() <= 2 * MAX_NAME && id.contains('.') && id.split('.').all(label)
}

/// A name and a version from 1, such as `faces/1`.
fn is_feature(feature: &str) -> bool {
    feature.split_once('/').is_some_and(|(name, version)| {
        is_name(name) && !version.starts_with(['0', '+']) && version.parse::<u16>().is_ok()
    })
}

/// Three numbers, optionally with a pre-release or build part.
fn is_semver(version: &str) -> bool {
    let (core, extra) = match version.find(['-', '+']) {
        Some(at) => version.split_at(at),
        None => (version, ""),
    };
    let number = |part: &str| part.parse::<u32>().is_ok_and(|number| number.to_string() == part);
    let parts: Vec<&str> = core.split('.').collect();
    let extra_ok = extra.is_empty()
        || (extra.len() > 1
            && extra.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b)));
    parts.len() == 3 && parts.into_iter().all(number) && extra_ok
}
