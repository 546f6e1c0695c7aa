//! `models/models.toml`, `samples/samples.toml` and `tests/tools.toml` as types: packages, the
//! files in them, their sums and uses.
//!
//! Parsing refuses unknown keys, unknown package names and file names that would leave the target
//! folder.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::{Error, Result, Sha256Sum};

/// `models.toml`: the packages, the models in them, and ONNX Runtime.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Registry packages, by `package[].name` referred to below.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
    /// The models, each one installed file.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
    /// The library that runs them.
    pub runtime: Runtime,
}

/// `samples.toml` and `tools.toml`: pictures for the demo and the tests, and what only tests use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// The package that holds them all.
    pub package: Package,
    /// The files.
    #[serde(rename = "sample")]
    pub samples: Vec<Sample>,
}

/// One archive of a package registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Which registry has it.
    pub registry: Registry,
    /// Name in the registry.
    pub name: String,
    /// Exact version.
    pub version: String,
    /// File name of the archive as the registry's client stores it.
    pub archive: String,
    /// Sum of the archive.
    pub sha256: Sha256Sum,
    /// The package's own licence (SPDX).
    pub licence: String,
}

/// A package registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registry {
    /// The Python package index.
    PyPI,
    /// The npm registry.
    Npm,
}

/// How a package is packed, told by the archive's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageFormat {
    /// A Python wheel: zip.
    Wheel,
    /// A Python source package or an npm package: gzipped tar.
    GzippedTar,
}

impl Package {
    /// The archive's format; `None` when its name has an unknown ending.
    pub fn format(&self) -> Option<PackageFormat> {
        if self.archive.ends_with(".whl") {
            return Some(PackageFormat::Wheel);
        }
        (self.archive.ends_with(".tgz") || self.archive.ends_with(".tar.gz"))
            .then_some(PackageFormat::GzippedTar)
    }
}

/// One model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Installed file name in `models/weights/`.
    pub file: String,
    /// What it does, in a few words.
    pub task: String,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// What the licence leaves open.
    pub licence_remark: String,
    /// Card with strengths, weaknesses and measured error rates, relative to `models/`.
    pub card: String,
    /// The plugins that load it.
    pub used_by: Vec<String>,
    /// Name of the package that holds it.
    pub package: String,
    /// Path inside the package.
    pub path: String,
    /// Sum of the file in the package.
    pub original_sha256: Sha256Sum,
    /// What is done to the graph at installation, in this order.
    pub rewrite: Vec<RewriteStep>,
    /// Sum of the installed file.
    pub sha256: Sha256Sum,
}

/// A rewrite of an ONNX graph that keeps its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "install", derive(clap::ValueEnum))]
#[cfg_attr(feature = "install", value(rename_all = "snake_case"))]
pub enum RewriteStep {
    /// Turn weights kept as int8 blocks into float32.
    UnpackWeights,
    /// Let the first input take any height and width, and the outputs any number of rows.
    FreeInputSize,
    /// Replace `PRelu(x, a)` by `a·x + (1−a)·Relu(x)`.
    SplitPrelu,
    /// Set weights below 1e-15 to zero, which no output can show, but which cost time as subnormal
    /// numbers.
    ZeroTinyWeights,
}

/// ONNX Runtime, the library that runs the models.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Installed file name in `models/runtime/`.
    pub file: String,
    /// Its version.
    pub version: String,
    /// Its licence (SPDX).
    pub licence: String,
    /// Name of the package that holds it.
    pub package: String,
    /// Path inside the package.
    pub path: String,
    /// Sum of the file, which is installed as it is.
    pub sha256: Sha256Sum,
}

/// One file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Installed file name in `files/` beside the list.
    pub file: String,
    /// What it shows, or is.
    pub shows: String,
    /// Path inside the package.
    pub path: String,
    /// Sum of the file.
    pub sha256: Sha256Sum,
}

impl Manifest {
    /// Reads and checks `models.toml`.
    pub fn read(path: &Path) -> Result<Self> {
        let manifest: Self = read_list(path)?;
        manifest
            .check()
            .map_err(|problem| Error::ManifestRule { path: path.to_owned(), problem })?;
        Ok(manifest)
    }

    /// The package of that name; `read` made sure that there is one for each model and for the
    /// runtime.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    fn check(&self) -> Result<(), String> {
        self.packages.iter().try_for_each(check_package)?;
        let files = self.models.iter().map(|model| (&model.file, &model.package));
        for (file, package) in files.chain([(&self.runtime.file, &self.runtime.package)]) {
            check_file_name(file)?;
            if self.package(package).is_none() {
                return Err(format!(
                    "`{file}` is said to come from `{package}`, which is not among the packages"
                ));
            }
        }
        check_unique(self.models.iter().map(|model| model.file.as_str()))
    }
}

impl Samples {
    /// Reads and checks `samples.toml`.
    pub fn read(path: &Path) -> Result<Self> {
        let samples: Self = read_list(path)?;
        samples
            .check()
            .map_err(|problem| Error::ManifestRule { path: path.to_owned(), problem })?;
        Ok(samples)
    }

    fn check(&self) -> Result<(), String> {
        check_package(&self.package)?;
        self.samples.iter().try_for_each(|sample| check_file_name(&sample.file))?;
        check_unique(self.samples.iter().map(|sample| sample.file.as_str()))
    }
}

fn read_list<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(Error::read(path))?;
    toml::from_str(&text).map_err(|source| Error::Manifest { path: path.to_owned(), source })
}

fn check_package(package: &Package) -> Result<(), String> {
    check_file_name(&package.archive)?;
    match package.format() {
        Some(_) => Ok(()),
        None => Err(format!("`{}` is neither a wheel nor a gzipped tar", package.archive)),
    }
}

/// A plain file name: it can neither leave the folder it is put into nor be hidden there.
fn check_file_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("`{name}` is not a plain file name"))
}

fn check_unique<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("`{name}` is listed twice"));
        }
    }
    Ok(())
}
