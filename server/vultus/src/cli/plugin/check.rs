//! `vultus plugin check`: examines a plugin in a separate process, and reports for each rule
//! whether it holds.
//!
//! Exit codes: 0 all rules hold, 2 a rule is broken, 1 the plugin could not be examined.

use crate::app;
use crate::cli::check::TaggedFile;
use crate::cli::operate::load;
use crate::cli::outcome::{CommandError, Done};
use crate::cli::report;
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use vultus_worker_protocol::conformance::{
    ConformanceEvent, ConformanceRequest, ENVIRONMENT, RULES, RuleInfo, RuleReport, RuleVerdict,
    SampleFile,
};
use vultus_worker_protocol::{PROTOCOL_VERSION, PluginFile, PluginOrigin, WorkerSetup};

/// Exit code of a plugin that breaks a rule.
const BROKEN: u8 = 2;
/// Argument that makes the worker's executable examine a plugin.
const EXAMINE: &str = "conform";
/// Maximum time from the start of the process to its first event. It decodes the media before.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A plugin that hangs this often is not examined further.
const HANGS: usize = 2;

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The plugin: a shared library
    file: PathBuf,
    /// A medium to try it on, besides generated ones: FILE[:tag,tag…]
    #[arg(long, value_name = "FILE[:TAG,TAG…]")]
    media: Vec<TaggedFile>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Identity of the plugin, known once it is open.
#[derive(Debug, Clone)]
struct Identity {
    id: String,
    version: String,
    sha256: String,
}

/// Runs the command.
pub(super) fn run(config: Option<&Path>, arguments: &CheckArguments) -> Done {
    let (request, worker) = request(config, arguments)?;
    let mut examination = Examination {
        worker,
        request,
        identity: None,
        reports: Vec::new(),
        hangs: 0,
        gaps: BTreeSet::new(),
    };
    examination.run()?;
    report::progress_done();
    let broken =
        examination.reports.iter().filter(|report| report.verdict == RuleVerdict::Broken).count();
    if arguments.json {
        print_json(&examination);
    } else {
        print_table(&examination, &arguments.file, broken);
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}

/// The request, and the executable that takes it.
fn request(
    config: Option<&Path>,
    arguments: &CheckArguments,
) -> Result<(ConformanceRequest, PathBuf), CommandError> {
    let found = |path: &Path| {
        std::fs::canonicalize(path)
            .map_err(|error| CommandError::because(&path.display().to_string(), &error))
    };
    let file = found(&arguments.file)?;
    let pools = app::pools_config(&load(config)?)
        .map_err(|error| CommandError::because("plugin check", &error))?;
    let as_text = |path: &Path| path.display().to_string();
    let mut plugins: Vec<PluginFile> =
        pools.built_in.iter().filter(|provider| provider.path != as_text(&file)).cloned().collect();
    let is_built_in = plugins.len() < pools.built_in.len();
    if !is_built_in {
        // What a worker would load with it.
        plugins.clone_from(&pools.providers_for_others);
    }
    let origin = if is_built_in { PluginOrigin::BuiltIn } else { PluginOrigin::ThirdParty };
    let third_party = pools.third_party.pools.iter().flat_map(|pool| &pool.plugins);
    let known = pools.built_in.iter().map(|known| (Path::new(&known.path), known));
    let known = known.chain(third_party.map(|found| (found.source.as_path(), &found.file)));
    let settings = known.filter(|(path, _)| *path == file).map(|(_, known)| known).next();
    let settings = settings.map_or_else(|| json!({}), |known| known.settings.clone());
    plugins.push(PluginFile {
        path: as_text(&file),
        settings,
        origin,
        grants: Vec::new(),
        only_for_features: false,
    });
    let sample = |medium: &TaggedFile| {
        Ok(SampleFile { path: as_text(&found(&medium.path)?), tags: medium.tags.clone() })
    };
    let setup = WorkerSetup {
        protocol: PROTOCOL_VERSION,
        plugins,
        onnxruntime: pools.onnxruntime.as_deref().map(as_text),
        weights_dir: pools.weights_dir.as_deref().map(as_text),
        threads: pools.threads,
        limits: pools.limits.clone(),
        decode: pools.decode.clone(),
        memory_bytes: pools.memory_bytes,
        cpu_seconds: pools.cpu_seconds,
        sandbox: pools.sandbox,
        only_describe: false,
    };
    let media = arguments.media.iter().map(sample).collect::<Result<_, CommandError>>()?;
    Ok((ConformanceRequest { setup, media, first_rule: None }, pools.worker_executable))
}

/// Runs one process after another until each rule has a report.
struct Examination {
    worker: PathBuf,
    request: ConformanceRequest,
    identity: Option<Identity>,
    reports: Vec<RuleReport>,
    hangs: usize,
    /// What the sandbox could not enforce.
    gaps: BTreeSet<String>,
}

/// How one process ended.
enum End {
    /// By itself, after the last rule.
    Done,
    /// In the middle of a rule.
    Died { rule: Option<String>, how: String },
    /// It was killed because a rule took too long.
    Hung { rule: Option<String>, limit: Duration },
}

impl Examination {
    fn run(&mut self) -> Result<(), CommandError> {
        while let Some(next) = RULES.get(self.reports.len()) {
            self.request.first_rule = Some(next.name.to_owned());
            let (rule, problem) = match self.one_process()? {
                End::Done if self.reports.len() == RULES.len() => return Ok(()),
                End::Done => return Err(CommandError::new("the examining process ended early")),
                End::Died { rule, how } => (rule, format!("the plugin ended the process: {how}")),
                End::Hung { rule, limit } => {
                    self.hangs += 1;
                    (rule, format!("the plugin did not return within {} s", limit.as_secs()))
                }
            };
            let Some(rule) = rule.and_then(|name| RULES.iter().find(|rule| rule.name == name))
            else {
                return Err(CommandError::new(format!(
                    "the examining process failed before the first rule: {problem}"
                )));
            };
            self.reports.push(without_process(rule, RuleVerdict::Broken, problem));
            // Without a manifest there is nothing to examine; a plugin that hangs repeatedly would
            // hang again.
            let why = match self.identity {
                None => "the plugin cannot be opened",
                Some(_) if self.hangs >= HANGS => "the plugin hung too often",
                Some(_) => continue,
            };
            let rest = RULES[self.reports.len()..].iter();
            self.reports.extend(
                rest.map(|rule| without_process(rule, RuleVerdict::NotReached, why.to_owned())),
            );
        }
        Ok(())
    }

    fn one_process(&mut self) -> Result<End, CommandError> {
        let starting =
            |error: std::io::Error| CommandError::because("starting the examining process", &error);
        #[expect(clippy::disallowed_methods, reason = "the examiner is killed and awaited below")]
        let mut command = Command::new(&self.worker);
        let mut child = command
            .arg(EXAMINE)
            .env_clear()
            .envs([ENVIRONMENT])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(starting)?;
        let text = serde_json::to_vec(&self.request)
            .map_err(|error| CommandError::because("writing the request", &error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // If the process is dead already, its exit status says so.
            let _ = stdin.write_all(&text);
        }
        let followed = self.follow(&mut child);
        // The process must not outlive the command. Killing fails if it has ended already.
        let _ = child.kill();
        let status = child
            .wait()
            .map_err(|error| CommandError::because("waiting for the examining process", &error))?;
        Ok(match followed? {
            End::Died { rule, .. } => End::Died { rule, how: describe(status) },
            other => other,
        })
    }

    /// Reads events until the process ends or a rule takes too long.
    fn follow(&mut self, child: &mut Child) -> Result<End, CommandError> {
        let (sender, lines) = mpsc::channel();
        let output = child
            .stdout
            .take()
            .ok_or_else(|| CommandError::new("the examining process has no output"))?;
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let (mut begun, mut limit) = (None, START_LIMIT);
        loop {
            let line = match lines.recv_timeout(limit) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Ok(End::Hung { rule: begun, limit });
                }
                Err(mpsc::RecvTimeoutError::Disconnected) if self.reports.len() == RULES.len() => {
                    return Ok(End::Done);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Ok(End::Died { rule: begun, how: String::new() });
                }
            };
            // A plugin may write to standard output although it must not: other lines are skipped.
            match serde_json::from_str(&line) {
                Ok(ConformanceEvent::Begin { rule, limit_ms }) => {
                    report::progress(format_args!("{rule} …"));
                    (begun, limit) = (Some(rule), Duration::from_millis(limit_ms));
                }
                Ok(ConformanceEvent::End(report)) => {
                    let expected =
                        RULES.get(self.reports.len()).is_some_and(|rule| rule.name == report.rule);
                    if expected {
                        self.reports.push(report);
                        begun = None;
                    }
                }
                Ok(ConformanceEvent::Opened { id, version, sha256 }) => {
                    self.identity = Some(Identity { id, version, sha256 })
                }
                Ok(ConformanceEvent::Gap { sentence }) => {
                    self.gaps.insert(sentence);
                }
                Ok(ConformanceEvent::Failed { detail }) => return Err(CommandError::new(detail)),
                Err(_) => {}
            }
        }
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

/// A report that the examining process could not give itself.
fn without_process(rule: &RuleInfo, verdict: RuleVerdict, detail: String) -> RuleReport {
    let (rule, about, abi) = (rule.name.to_owned(), rule.about.to_owned(), rule.abi.to_vec());
    RuleReport { rule, about, abi, verdict, details: vec![detail] }
}

fn print_json(examination: &Examination) {
    let plugin = examination.identity.as_ref();
    let plugin = plugin.map(|it| json!({"id": it.id, "version": it.version, "sha256": it.sha256}));
    let broken = examination.reports.iter().any(|report| report.verdict == RuleVerdict::Broken);
    report::json(&json!({
        "holds": !broken,
        "plugin": plugin,
        "rules": examination.reports,
        "sandboxGaps": examination.gaps,
    }));
}

fn print_table(examination: &Examination, file: &Path, broken: usize) {
    let mut rows = vec![["rule", "ABI", "verdict", "found"].map(str::to_owned).to_vec()];
    for report in &examination.reports {
        let abi: Vec<String> = report.abi.iter().map(ToString::to_string).collect();
        let verdict = match report.verdict {
            RuleVerdict::Holds => "holds",
            RuleVerdict::Broken => "BROKEN",
            RuleVerdict::NotApplicable => "does not apply",
            RuleVerdict::NotReached => "not reached",
        };
        let mut details = report.details.iter();
        let first = details.next().cloned().unwrap_or_default();
        rows.push(vec![report.rule.clone(), abi.join(","), verdict.to_owned(), first]);
        rows.extend(
            details.map(|detail| vec![String::new(), String::new(), String::new(), detail.clone()]),
        );
    }
    report::table(&rows);
    for gap in &examination.gaps {
        report::line(format_args!("examined with a weaker sandbox: {gap}"));
    }
    let name = examination
        .identity
        .as_ref()
        .map_or_else(|| file.display().to_string(), |it| format!("{} {}", it.id, it.version));
    match broken {
        0 => report::line(format_args!("{name}: all rules hold")),
        1 => report::line(format_args!("{name}: 1 rule is broken")),
        several => report::line(format_args!("{name}: {several} rules are broken")),
    }
}
