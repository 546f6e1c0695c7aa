//! Where the configuration comes from: the one place that reads the file and the environment.

use super::keys::Config;
use super::problem::Problem;
use super::read;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("reading the configuration file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It is invalid.
    #[error("the configuration has {} problem(s):\n{}", .0.len(), list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

/// The variable that names the configuration file when the command line does not.
pub const FILE_VARIABLE: &str = "VULTUS_CONFIG";

/// Reads `file`, or the one that `VULTUS_CONFIG` names, or none, and the environment of this
/// process.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let (text, environment) = read_sources(file)?;
    Config::from_sources(&text, &environment).map_err(ConfigError::Invalid)
}

/// The values that apply, as TOML without secrets.
pub fn effective(file: Option<&Path>) -> Result<String, ConfigError> {
    let (text, environment) = read_sources(file)?;
    read::effective(&text, &environment).map_err(ConfigError::Invalid)
}

fn read_sources(file: Option<&Path>) -> Result<(String, BTreeMap<String, String>), ConfigError> {
    let mut environment = process_environment();
    let named = environment.remove(FILE_VARIABLE).map(PathBuf::from);
    let text = match file.map(Path::to_owned).or(named) {
        Some(path) => std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::Unreadable { path, source })?,
        None => String::new(),
    };
    Ok((text, environment))
}

/// The variables whose names begin with `VULTUS_`.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment: everything else takes the configuration"
)]
fn process_environment() -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        if let Ok(name) = name.into_string()
            && name.starts_with("VULTUS_")
        {
            environment.insert(name, value.to_string_lossy().into_owned());
        }
    }
    environment
}
