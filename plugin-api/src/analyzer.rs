//! The trait of an analyzer.

use crate::config::Config;
use crate::error::Failure;
use crate::job::{FeatureRequest, Job};
use crate::manifest::Manifest;
use crate::outcome::Outcome;

/// An analyzer or a provider of features. One instance is never called by two threads at once.
pub trait Analyzer: Sized + Send + 'static {
    /// Describes this plugin. Must always return the same value.
    fn manifest() -> Manifest;

    /// Creates an instance: opens models, checks settings.
    ///
    /// # Errors
    /// `InvalidInput` for wrong settings, `Unavailable` for a missing model.
    fn new(config: &Config) -> Result<Self, Failure>;

    /// Judges one job. "No face" and "attack" are outcomes.
    ///
    /// # Errors
    /// Faults only.
    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        let _ = job;
        Err(Failure::unsupported("this plugin has no analysis"))
    }

    /// Computes a feature that the manifest lists under `provides`, as JSON.
    ///
    /// # Errors
    /// Faults only; `InvalidInput` if the feature has no value for the medium or frame.
    fn provide(&mut self, job: &Job<'_>, request: &FeatureRequest) -> Result<Vec<u8>, Failure> {
        let _ = (job, request);
        Err(Failure::unsupported("this plugin provides no feature"))
    }
}
