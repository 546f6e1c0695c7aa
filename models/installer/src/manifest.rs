//! `models/models.toml`, `samples/samples.toml` and `tests/tools.toml` as types: packages, the
//! files in them, their checksums and uses.
//!
//! Reading a list rejects unknown keys, unknown package names, and file names that could escape
//! from the target folder.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::checksum::Sha256Sum;
use crate::error::{Error, Result};
use crate::rewrite_step::RewriteStep;

/// `models.toml`: the packages, the models in them, and ONNX Runtime.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Registry packages; models refer to them by name.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
    /// The models that set-up installs; each is one installed file.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
    /// Optional models that no registry publishes. `vultus models import` installs them.
    #[serde(rename = "imported_model", default)]
    pub imported: Vec<ImportedModel>,
    /// The library that runs the models.
    pub runtime: Runtime,
}

/// `samples.toml` (pictures for the demo and the tests) and `tools.toml` (files for tests only).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// The package that contains all files.
    pub package: Package,
    /// The files.
    #[serde(rename = "sample")]
    pub samples: Vec<Sample>,
}

/// One archive: of a package registry, or of an address in the internet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Registry that publishes it.
    pub registry: Registry,
    /// Name in the registry.
    pub name: String,
    /// Exact version.
    pub version: String,
    /// File name under which the registry's client stores the archive.
    pub archive: String,
    /// Checksum of the archive.
    pub sha256: Sha256Sum,
    /// Licence of the package (SPDX).
    pub licence: String,
    /// Where the archive is, if the registry is `address`.
    #[serde(default)]
    pub address: Option<String>,
}

/// A package registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registry {
    /// The Python package index.
    PyPI,
    /// The npm registry.
    Npm,
    /// None: the archive is downloaded from an address.
    Address,
}

/// Archive format of a package, derived from its file extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageFormat {
    /// A Python wheel or a MediaPipe task: zip.
    Zip,
    /// A Python source package or an npm package: gzipped tar.
    GzippedTar,
}

impl Package {
    /// Format of the archive; `None` if the extension is unknown.
    pub fn format(&self) -> Option<PackageFormat> {
        if self.archive.ends_with(".whl") || self.archive.ends_with(".task") {
            return Some(PackageFormat::Zip);
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
    /// Task of the model, in a few words.
    pub task: String,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// Questions that the licence leaves open, such as the terms of the training data.
    pub licence_remark: String,
    /// Card with strengths, weaknesses and measured error rates, relative to `models/`.
    pub card: String,
    /// The plugins that load it.
    pub used_by: Vec<String>,
    /// Where the file comes from, best first. All origins have the same bytes.
    pub origins: Vec<Origin>,
    /// Checksum of the file as its origins publish it.
    pub original_sha256: Sha256Sum,
    /// Rewrites at installation, in this order.
    pub rewrite: Vec<RewriteStep>,
    /// Checksum of the installed file.
    pub sha256: Sha256Sum,
}

/// One place to get a file from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Name of the package that contains the file.
    pub package: String,
    /// Path inside the package.
    pub path: String,
    /// Path inside the file at `path`, if that is a zip archive itself.
    #[serde(default)]
    pub member: Option<String>,
}

/// An optional model that is recognised by its answers, not by its bytes: each export of the same
/// public weights is another file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedModel {
    /// Installed file name in `models/weights/`.
    pub file: String,
    /// Task of the model, in a few words.
    pub task: String,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// Where the weights come from, and the questions that the licence leaves open.
    pub licence_remark: String,
    /// Card with strengths, weaknesses and measured error rates, relative to `models/`.
    pub card: String,
    /// The plugins that load it.
    pub used_by: Vec<String>,
    /// What its absence costs, as one sentence for the operator.
    pub without_it: String,
    /// Lengths of the input's axes: batch, channels, rows, columns.
    pub input: [usize; 4],
    /// Its outputs for the inputs that [`ImportedModel::question`] makes.
    pub answers: Vec<Vec<f32>>,
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
    /// Name of the package that contains it.
    pub package: String,
    /// Path inside the package.
    pub path: String,
    /// Checksum of the file, which is installed unchanged.
    pub sha256: Sha256Sum,
}

/// One file of a [`Samples`] list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Installed file name in `files/` beside the list.
    pub file: String,
    /// Content of the file.
    pub shows: String,
    /// Path inside the package.
    pub path: String,
    /// Checksum of the file.
    pub sha256: Sha256Sum,
}

impl Manifest {
    /// Reads and validates `models.toml`.
    pub fn read(path: &Path) -> Result<Self> {
        let manifest: Self = read_list(path)?;
        manifest
            .check()
            .map_err(|problem| Error::ManifestRule { path: path.to_owned(), problem })?;
        Ok(manifest)
    }

    /// Reads the imported models from the text of `models.toml`. Empty if the text is malformed.
    pub fn imported_models(text: &str) -> Vec<ImportedModel> {
        toml::from_str::<Self>(text).map(|manifest| manifest.imported).unwrap_or_default()
    }

    /// The package `name`. [`Manifest::read`] guarantees that the packages of all models and of the
    /// runtime exist.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    fn check(&self) -> Result<(), String> {
        self.packages.iter().try_for_each(check_package)?;
        let mut sources = vec![(&self.runtime.file, &self.runtime.package)];
        for model in &self.models {
            if model.origins.is_empty() {
                return Err(format!("`{}` has no origin", model.file));
            }
            sources.extend(model.origins.iter().map(|origin| (&model.file, &origin.package)));
        }
        for (file, package) in sources {
            check_file_name(file)?;
            if self.package(package).is_none() {
                return Err(format!("the package `{package}` of `{file}` is not listed"));
            }
        }
        for model in &self.imported {
            check_file_name(&model.file)?;
            if model.answers.is_empty() {
                return Err(format!("`{}` has no answers to recognise it by", model.file));
            }
        }
        let imported = self.imported.iter().map(|model| model.file.as_str());
        check_unique(self.models.iter().map(|model| model.file.as_str()).chain(imported))
    }
}

impl Samples {
    /// Reads and validates `samples.toml` or `tools.toml`.
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
    let at_address = package.registry == Registry::Address;
    if at_address != package.address.as_ref().is_some_and(|it| it.starts_with("https://")) {
        return Err(format!(
            "`{}` needs an https address if its registry is `address`, and none otherwise",
            package.name
        ));
    }
    match package.format() {
        Some(_) => Ok(()),
        None => Err(format!("`{}` is neither a zip nor a gzipped tar", package.archive)),
    }
}

/// Accepts letters, digits, `.`, `_` and `-`, not starting with `.`: such a file stays in its
/// target folder and is not hidden there.
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
