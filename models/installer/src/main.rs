//! `vultus-models`: lists the packages to download, installs files from them, verifies installed
//! files, rewrites a single model.
//!
//! `scripts/setup.sh` calls it and does the downloads. Paths default to those of the repository.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vultus_models::{FileReport, Manifest, Package, Plan, Registry, RewriteStep, Samples, rewrite};

#[derive(Parser)]
#[command(about = "Installs and checks the neural models and the sample pictures")]
struct Arguments {
    /// Folder that contains `models/`, `samples/` and `tests/`.
    #[arg(long, default_value = ".", global = true)]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the packages needed for files that are missing or changed, one per line: registry,
    /// name, version, archive, sha256, address (or `-`), separated by tabs.
    Packages {
        /// Name of a package that could not be downloaded; print other origins of its files.
        #[arg(long)]
        unavailable: Vec<String>,
    },
    /// Install the files that are missing or changed: unpack, check, rewrite.
    Install {
        /// Folder of the downloaded archives.
        #[arg(long)]
        packages: PathBuf,
    },
    /// Compare every installed file with its pinned sha256; exit code 1 if a file differs or is
    /// missing.
    Verify,
    /// Rewrite one model file without comparing checksums.
    Rewrite {
        /// Rewrite step; repeat the option for several, in order.
        #[arg(long = "step", required = true, value_enum)]
        steps: Vec<RewriteStep>,
        /// File to read.
        from: PathBuf,
        /// File to write.
        to: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            let mut text = format!("vultus-models: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            // If stderr cannot be written, the exit code still reports the failure.
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if let Command::Rewrite { steps, from, to } = &arguments.command {
        let original =
            fs::read(from).map_err(|error| format!("cannot read {}: {error}", from.display()))?;
        fs::write(to, rewrite::rewrite(&original, steps)?)
            .map_err(|error| format!("cannot write {}: {error}", to.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let lists = Lists::read(&arguments.root)?;
    let mut out = io::stdout().lock();
    match &arguments.command {
        Command::Packages { unavailable } => {
            for package in lists.plan().packages(unavailable) {
                let Package { registry, name, version, archive, sha256, .. } = package;
                let address = package.address.as_deref().unwrap_or("-");
                let registry = match registry {
                    Registry::PyPI => "pypi",
                    Registry::Npm => "npm",
                    Registry::Address => "address",
                };
                writeln!(out, "{registry}\t{name}\t{version}\t{archive}\t{sha256}\t{address}")?;
            }
        }
        Command::Install { packages } => {
            for file in lists.plan().carry_out(packages)? {
                writeln!(out, "installed {} ({} bytes)", file.path.display(), file.bytes)?;
            }
        }
        Command::Verify => {
            let reports = lists.verify()?;
            for report in &reports {
                writeln!(out, "{}: {}", report.path.display(), report.describe())?;
            }
            if !reports.iter().all(FileReport::is_intact) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Rewrite { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// The lists of the repository and the folders of their files.
struct Lists {
    models_dir: PathBuf,
    samples_dir: PathBuf,
    tests_dir: PathBuf,
    manifest: Manifest,
    samples: Samples,
    tools: Samples,
}

impl Lists {
    fn read(root: &Path) -> vultus_models::Result<Self> {
        let [models_dir, samples_dir, tests_dir] =
            ["models", "samples", "tests"].map(|folder| root.join(folder));
        let manifest = Manifest::read(&models_dir.join("models.toml"))?;
        let samples = Samples::read(&samples_dir.join("samples.toml"))?;
        let tools = Samples::read(&tests_dir.join("tools.toml"))?;
        Ok(Self { models_dir, samples_dir, tests_dir, manifest, samples, tools })
    }

    fn verify(&self) -> vultus_models::Result<Vec<FileReport>> {
        let models_toml = self.models_dir.join("models.toml");
        let mut reports = vultus_models::verify(&models_toml, &self.models_dir.join("weights"))?;
        reports
            .push(vultus_models::verify_runtime(&models_toml, &self.models_dir.join("runtime"))?);
        for (list, dir) in [("samples.toml", &self.samples_dir), ("tools.toml", &self.tests_dir)] {
            reports.extend(vultus_models::verify_samples(&dir.join(list), &dir.join("files"))?);
        }
        Ok(reports)
    }

    fn plan(&self) -> Plan<'_> {
        Plan::of(&self.manifest, &self.models_dir, &self.samples, &self.samples_dir)
            .and(&self.tools, &self.tests_dir)
    }
}
