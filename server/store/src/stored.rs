//! Parts of documents that all backends store in the same form.

use crate::names::{Named, named};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use vultus_core::{AnalysisFailure, Provenance};

/// The version of a document. Only version 1 can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i32")]
pub struct Version;

/// The current version.
pub const V1: Version = Version;

impl TryFrom<i64> for Version {
    type Error = String;
    fn try_from(version: i64) -> Result<Self, Self::Error> {
        if version == 1 {
            Ok(Self)
        } else {
            Err(format!("the document has version {version}; the newest known version is 1"))
        }
    }
}

impl From<Version> for i32 {
    fn from(Version: Version) -> Self {
        1
    }
}

/// A value of a closed set, stored by its name.
#[derive(Debug, Clone, Copy)]
pub struct Name<T>(pub T);

impl<T: Named> Serialize for Name<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de, T: Named> Deserialize<'de> for Name<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        named(&name).map(Self).map_err(de::Error::custom)
    }
}

/// Why an analysis failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredFailure {
    code: String,
    message: String,
}

impl From<&AnalysisFailure> for StoredFailure {
    fn from(failure: &AnalysisFailure) -> Self {
        Self { code: failure.code.clone(), message: failure.message.clone() }
    }
}

impl From<StoredFailure> for AnalysisFailure {
    fn from(stored: StoredFailure) -> Self {
        Self { code: stored.code, message: stored.message }
    }
}

/// Analyzer, weights and parameters that produced a verdict.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredProvenance {
    analyzer: Option<String>,
    analyzer_version: Option<String>,
    analyzer_sha256: Option<String>,
    weights: Vec<(String, String)>,
    parameter_sources: Vec<(String, String)>,
}

impl From<&Provenance> for StoredProvenance {
    fn from(provenance: &Provenance) -> Self {
        Self {
            analyzer: provenance.analyzer.clone(),
            analyzer_version: provenance.analyzer_version.clone(),
            analyzer_sha256: provenance.analyzer_sha256.clone(),
            weights: provenance.weights.clone(),
            parameter_sources: provenance.parameter_sources.clone(),
        }
    }
}

impl From<StoredProvenance> for Provenance {
    fn from(stored: StoredProvenance) -> Self {
        Self {
            analyzer: stored.analyzer,
            analyzer_version: stored.analyzer_version,
            analyzer_sha256: stored.analyzer_sha256,
            weights: stored.weights,
            parameter_sources: stored.parameter_sources,
        }
    }
}
