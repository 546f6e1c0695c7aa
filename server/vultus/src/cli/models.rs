//! `vultus models`: compares the installed models with `models.toml`, and installs one from a file.

use crate::app;
use crate::cli::audit::record_change;
use crate::cli::operate::load;
use crate::cli::outcome::{CommandError, Done, FAILURE};
use crate::cli::report;
use crate::config::Config;
use clap::Subcommand;
use serde_json::json;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use vultus_models::{ImportedModel, Manifest, Sha256Sum};
use vultus_pools::deployment::PoolsConfig;
use vultus_store::audit::{AuditAction, Facts};
use vultus_worker_protocol::conformance::{ConformanceEvent, ConformanceRequest};
use vultus_worker_protocol::{PROTOCOL_VERSION, PluginFile, WorkerSetup};

/// Argument that makes the worker's executable try a plugin with weights.
const TRY: &str = "try";
/// Largest file to import, in bytes.
const LARGEST_FILE: u64 = 256 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Compare each installed file with its sha256 in models.toml
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Install a model from a file: an archive or a file that models.toml names, or an export of an
    /// optional model
    Import {
        /// The file
        file: PathBuf,
    },
}

/// Runs the command.
pub(super) fn run(config: Option<&Path>, command: &ModelsCommand) -> Done {
    let config = load(config)?;
    let pools =
        app::pools_config(&config).map_err(|error| CommandError::because("models", &error))?;
    let weights = pools.weights_dir.clone();
    let folder = weights.as_deref().and_then(Path::parent).ok_or_else(|| {
        CommandError::new("models: no models found; set models_dir to their folder")
    })?;
    match command {
        ModelsCommand::Verify { json } => verify(folder, *json),
        ModelsCommand::Import { file } => import(&config, &pools, folder, file),
    }
}

fn verify(folder: &Path, as_json: bool) -> Done {
    let list = folder.join("models.toml");
    let verifying = |error: vultus_models::Error| CommandError::because("models verify", &error);
    let weights = folder.join("weights");
    let mut reports = vultus_models::verify(&list, &weights).map_err(verifying)?;
    reports.push(vultus_models::verify_runtime(&list, &folder.join("runtime")).map_err(verifying)?);
    let intact = reports.iter().all(vultus_models::FileReport::is_intact);
    let optional = Manifest::read(&list).map_err(verifying)?.imported;
    if as_json {
        let mut files = Vec::new();
        for file in &reports {
            let (is_intact, state) = (file.is_intact(), file.describe());
            files.push(json!({"file": file.file, "intact": is_intact, "state": state}));
        }
        let mut imported = Vec::new();
        for model in &optional {
            imported.push(json!({"file": model.file, "sha256": sum_of(&weights, model)}));
        }
        report::json(&json!({"intact": intact, "files": files, "imported": imported}));
    } else {
        for file in &reports {
            report::line(format_args!("{}: {}", file.path.display(), file.describe()));
        }
        for model in &optional {
            let path = weights.join(&model.file);
            match sum_of(&weights, model) {
                Some(sum) => report::line(format_args!("{}: imported, {sum}", path.display())),
                None => report::line(format_args!(
                    "{}: not installed (optional): {}",
                    path.display(),
                    model.without_it
                )),
            }
        }
    }
    Ok(if intact { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
}

/// The checksum of an imported model as text; `None` if it is not installed.
fn sum_of(weights: &Path, model: &ImportedModel) -> Option<String> {
    let file = std::fs::File::open(weights.join(&model.file)).ok()?;
    Sha256Sum::of_reader(file).ok().map(|sum| sum.to_string())
}

fn import(config: &Config, pools: &PoolsConfig, folder: &Path, file: &Path) -> Done {
    let doing = format!("importing {}", file.display());
    let failed = |error: &dyn std::error::Error| CommandError::because(&doing, error);
    let manifest = Manifest::read(&folder.join("models.toml")).map_err(|error| failed(&error))?;
    let weights = folder.join("weights");
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| failed(&error))?;
    opened.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(CommandError::new(format!("{doing}: it has more than {LARGEST_FILE} bytes")));
    }
    let installed = vultus_models::import_listed(&manifest, &weights, file, &bytes)
        .map_err(|error| failed(&error))?;
    for done in &installed {
        report::line(format_args!("installed {} ({} bytes)", done.path.display(), done.bytes));
    }
    if !installed.is_empty() {
        let names = installed.iter().filter_map(|done| done.path.file_name()?.to_str());
        record(config, names, &bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut refusals = Vec::new();
    for model in &manifest.imported {
        let trial = Trial::prepare(&manifest, &weights, model, &bytes).map_err(|e| failed(&e))?;
        match trial.run(pools, model)? {
            Ok(()) => {
                let path = weights.join(&model.file);
                trial.keep(&path).map_err(|error| failed(&error))?;
                let sum = Sha256Sum::of_bytes(&bytes);
                report::line(format_args!("installed {} (sha256 {sum})", path.display()));
                report::line("a running server uses it after its next start");
                record(config, [model.file.as_str()], &bytes)?;
                return Ok(ExitCode::SUCCESS);
            }
            Err(refusal) => refusals.push(format!("as {}: {refusal}", model.file)),
        }
    }
    let sum = Sha256Sum::of_bytes(&bytes);
    Err(CommandError::new(format!(
        "{doing}: it is no model of models.toml; no file or archive there has its sha256 {sum}; {}",
        refusals.join("; ")
    )))
}

/// Writes to the audit log that files were installed from `bytes`.
fn record<'a>(
    config: &Config,
    files: impl IntoIterator<Item = &'a str>,
    bytes: &[u8],
) -> Result<(), CommandError> {
    let sum = Sha256Sum::of_bytes(bytes).to_string();
    let facts = Facts::new().codes("files", files).code("sha256", &sum);
    record_change(config, AuditAction::ModelImported, Facts::new(), facts)
}

/// A folder with the weights of one plugin, among them the file to import. Removed on drop.
struct Trial {
    folder: PathBuf,
    file: PathBuf,
}

impl Trial {
    fn prepare(
        manifest: &Manifest,
        weights: &Path,
        model: &ImportedModel,
        bytes: &[u8],
    ) -> std::io::Result<Self> {
        let folder = weights.join(format!("import-{}.tmp", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let trial = Self { file: folder.join(&model.file), folder };
        std::fs::write(&trial.file, bytes)?;
        let others = manifest.models.iter();
        for other in
            others.filter(|other| other.used_by.iter().any(|it| model.used_by.contains(it)))
        {
            let (from, to) = (weights.join(&other.file), trial.folder.join(&other.file));
            // A folder on another kind of file system may not know links.
            std::fs::hard_link(&from, &to).or_else(|_| std::fs::copy(&from, &to).map(drop))?;
        }
        Ok(trial)
    }

    /// Whether the plugin that uses the model accepts it; if not, why.
    fn run(
        &self,
        pools: &PoolsConfig,
        model: &ImportedModel,
    ) -> Result<Result<(), String>, CommandError> {
        let is_user = |plugin: &&PluginFile| {
            let names =
                model.used_by.iter().map(|it| format!("libvultus_{}.so", it.replace('-', "_")));
            let file = Path::new(&plugin.path).file_name().and_then(|name| name.to_str());
            file.is_some_and(|file| names.into_iter().any(|name| name == file))
        };
        let plugin = pools.built_in.iter().find(is_user).cloned().ok_or_else(|| {
            CommandError::new(format!("no plugin of this server uses {}", model.file))
        })?;
        let as_text = |path: &Path| path.display().to_string();
        let setup = WorkerSetup {
            protocol: PROTOCOL_VERSION,
            plugins: vec![plugin],
            onnxruntime: pools.onnxruntime.as_deref().map(as_text),
            weights_dir: Some(as_text(&self.folder)),
            threads: pools.threads,
            limits: pools.limits.clone(),
            decode: pools.decode.clone(),
            memory_bytes: pools.memory_bytes,
            cpu_seconds: pools.cpu_seconds,
            sandbox: pools.sandbox,
            only_describe: false,
        };
        let request = ConformanceRequest { setup, media: Vec::new(), first_rule: None };
        let trying = |error: &dyn std::error::Error| CommandError::because("trying it", error);
        #[expect(clippy::disallowed_methods, reason = "the process is awaited; its CPU is limited")]
        let mut command = Command::new(&pools.worker_executable);
        let mut child = command
            .arg(TRY)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| trying(&error))?;
        let text = serde_json::to_vec(&request).map_err(|error| trying(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // If the process is dead already, its exit status says so.
            let _ = stdin.write_all(&text);
        }
        let output = child.wait_with_output().map_err(|error| trying(&error))?;
        let events = output.stdout.split(|byte| *byte == b'\n');
        for event in events.filter_map(|line| serde_json::from_slice(line).ok()) {
            match event {
                ConformanceEvent::Opened { .. } => return Ok(Ok(())),
                ConformanceEvent::Failed { detail } => return Ok(Err(detail)),
                _ => {}
            }
        }
        Ok(Err(format!("the process that tried it ended with {}", output.status)))
    }

    fn keep(self, path: &Path) -> std::io::Result<()> {
        std::fs::File::open(&self.file)?.sync_all()?;
        std::fs::rename(&self.file, path)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // What remains is named *.tmp and is no weight file of any plugin.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
