//! `vultus plugin check`: examines one plugin, rule by rule, in a separate process that is locked
//! in like a worker.
//!
//! The command starts this process with a request on standard input and reads one event per line
//! from standard output. A plugin that ends the process or hangs breaks the rule whose examination
//! began last; the command starts another process for the following rules. The plugin is called
//! directly rather than through a run, so that the suite controls the memory layout of frames,
//! cancels at a given frame, and measures the heap before and after.

mod call;
mod cancel;
mod finding;
mod gauges;
mod inputs;
mod opening;
mod promises;
mod resources;
mod scene;
mod subject;

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

use vultus_media::Limits;
use vultus_worker_protocol::conformance::{
    ConformanceEvent, ConformanceRequest, RULES, RuleReport, RuleVerdict,
};

use crate::sandbox;
use finding::Finding;
use gauges::Gauges;
use scene::Sample;
use subject::{Parts, Subject};

/// The argument that starts the worker's executable as an examiner.
pub const ARGUMENT: &str = "conform";

/// Maximum size of a request, in bytes.
const REQUEST_BYTES: u64 = 1 << 20;
/// Time limit of one rule, without the plugin's own time.
const RULE_MARGIN: Duration = Duration::from_secs(20);
/// Maximum time limit of one rule.
const RULE_LIMIT: Duration = Duration::from_secs(150);

/// Why the examination is impossible.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// The request is malformed.
    #[error("reading the request: {0}")]
    Request(String),
    /// The sandbox could not be set up.
    #[error("{0}")]
    Sandbox(String),
    /// Standard output is closed.
    #[error("writing an event: {0}")]
    Output(#[from] io::Error),
}

/// Runs the examination to its end.
///
/// # Errors
/// See [`ConformanceError`]. A plugin that breaks rules is not an error.
pub fn run() -> Result<(), ConformanceError> {
    let request = read_request(io::stdin())?;
    let mut files = Vec::new();
    for sample in &request.media {
        match File::open(&sample.path) {
            Ok(file) => files.push((file, sample)),
            Err(error) => return tell(&failed(format!("{}: {error}", sample.path))),
        }
    }
    let gauges = Gauges::open()
        .map_err(|error| ConformanceError::Sandbox(format!("reading /proc: {error}")))?;
    let sandbox_failed =
        |error: sandbox::SandboxError| ConformanceError::Sandbox(error.to_string());
    let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    let locked = sandbox::lock_in(&request.setup, parent).map_err(sandbox_failed)?;
    for gap in locked.gaps {
        tell(&ConformanceEvent::Gap { sentence: gap })?;
    }
    let mut samples = Vec::new();
    for (file, sample) in files {
        match Sample::decode(file, sample.tags.clone(), &Limits::default()) {
            Ok(decoded) => samples.push(decoded),
            Err(error) => return tell(&failed(format!("{}: {error}", sample.path))),
        }
    }
    let parts = match Parts::of(&request.setup, samples, gauges) {
        Ok(parts) => parts,
        Err(error) => return tell(&failed(error)),
    };
    examine(&parts, request.first_rule.as_deref(), request.setup.cpu_seconds)
}

/// Reads a request to its end.
pub(crate) fn read_request(input: impl Read) -> Result<ConformanceRequest, ConformanceError> {
    let mut text = String::new();
    let unreadable = |error: &dyn std::error::Error| ConformanceError::Request(error.to_string());
    input.take(REQUEST_BYTES).read_to_string(&mut text).map_err(|e| unreadable(&e))?;
    serde_json::from_str(&text).map_err(|e| unreadable(&e))
}

fn failed(detail: String) -> ConformanceEvent {
    ConformanceEvent::Failed { detail }
}

/// Examines all rules, starting with `first`.
fn examine(parts: &Parts, first: Option<&str>, cpu_seconds: u64) -> Result<(), ConformanceError> {
    let mut subject = None;
    for rule in RULES.iter().skip_while(|rule| first.is_some_and(|first| first != rule.name)) {
        sandbox::allow_cpu_seconds(cpu_seconds)
            .map_err(|error| ConformanceError::Sandbox(error.to_string()))?;
        // In a process that resumes after a crash, the plugin is opened during the first rule.
        let unopened = if opening::is_of_opening(rule.name) { RULE_MARGIN } else { RULE_LIMIT };
        let limit = subject.as_ref().map_or(unopened, rule_limit);
        let limit_ms = limit.as_millis() as u64;
        tell(&ConformanceEvent::Begin { rule: rule.name.to_owned(), limit_ms })?;
        let finding = match opening::check(rule.name, parts) {
            Some(finding) => finding,
            None => {
                if subject.is_none() {
                    // Opening may be what fails; then the following rules are not reached.
                    subject = Subject::open(parts).ok();
                }
                subject
                    .as_ref()
                    .map_or(Finding::NotReached("the plugin cannot be opened"), |subject| {
                        check(rule.name, subject)
                    })
            }
        };
        if rule.name == "manifest"
            && let Ok(plugin) = parts.open()
        {
            let manifest = plugin.manifest();
            let (id, version, sha256) =
                (manifest.id.clone(), manifest.version.clone(), plugin.file_sha256().to_owned());
            tell(&ConformanceEvent::Opened { id, version, sha256 })?;
        }
        let (verdict, details) = match finding {
            Finding::Holds(remark) => {
                (RuleVerdict::Holds, Some(remark).filter(|r| !r.is_empty()).into_iter().collect())
            }
            Finding::Broken(problems) => (RuleVerdict::Broken, problems),
            Finding::NotApplicable(why) => (RuleVerdict::NotApplicable, vec![why.to_owned()]),
            Finding::NotReached(why) => (RuleVerdict::NotReached, vec![why.to_owned()]),
        };
        let (rule, about, abi) = (rule.name.to_owned(), rule.about.to_owned(), rule.abi.to_vec());
        tell(&ConformanceEvent::End(RuleReport { rule, about, abi, verdict, details }))?;
    }
    Ok(())
}

/// Time limit of a rule. A plugin that respects its own time limit respects this one: no rule makes
/// more than a few calls that can last that long.
fn rule_limit(subject: &Subject<'_>) -> Duration {
    let longest = subject.analyses().iter().map(|spec| spec.timeout_ms).max().unwrap_or_default();
    (RULE_MARGIN + 4 * Duration::from_millis(longest)).min(RULE_LIMIT)
}

fn check(rule: &str, subject: &Subject<'_>) -> Finding {
    match rule {
        "empty_input" => inputs::empty(subject),
        "tiny_input" => inputs::tiny(subject),
        "huge_input" => inputs::huge(subject),
        "grey_input" => inputs::grey(subject),
        "no_face_input" => inputs::no_face(subject),
        "long_input" => inputs::long(subject),
        "many_media" => inputs::many_media(subject),
        "own_media" => inputs::own_media(subject),
        "parameters" => inputs::parameters(subject),
        "pixel_formats" => inputs::pixel_formats(subject),
        "padded_rows" => promises::padded_rows(subject),
        "newer_host" => promises::newer_host(subject),
        "listed_features" => promises::listed_features(subject),
        "artifacts" => promises::artifacts(subject),
        "same_input_same_result" => promises::same_result(subject),
        "threads" => promises::threads(subject),
        "cancel_before" => cancel::before(subject),
        "cancel_during" => cancel::during(subject),
        "provides" => inputs::provides(subject),
        "memory" => resources::memory(subject),
        "leftovers" => resources::leftovers(subject),
        _ => Finding::NotReached("this version does not know the rule"),
    }
}

pub(crate) fn tell(event: &ConformanceEvent) -> Result<(), ConformanceError> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, event).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}
