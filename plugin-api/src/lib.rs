//! All that the author of a Vultus analyzer needs.
//!
//! A plugin is a shared library that exports one static symbol, `VULTUS_PLUGIN` (see `ABI.md`). In
//! Rust: implement [`Analyzer`], then write [`export_analyzer!`] once, and build the crate as a
//! `cdylib`. In C: include `include/vultus_plugin.h`. This crate depends on no other crate of the
//! workspace. What a host does with a plugin is in [`calling`] and in the crate
//! `vultus-plugin-host`.
//!
//! A complete analyzer, which says whether pictures are bright enough:
//!
//! ```
//! use serde_json::json;
//! use vultus_plugin_api::manifest::{AnalysisSpec, Instances, Manifest, Slot, SlotKind};
//! use vultus_plugin_api::testing::{Bench, Picture};
//! use vultus_plugin_api::{Analyzer, Config, Failure, Job, Outcome, Reason, Resolution};
//!
//! struct Brightness;
//!
//! impl Analyzer for Brightness {
//!     fn manifest() -> Manifest {
//!         Manifest {
//!             id: "org.example.brightness".into(),
//!             name: "Brightness".into(),
//!             version: "1.0.0".into(),
//!             vendor: "Example".into(),
//!             license: "Apache-2.0".into(),
//!             analyses: vec![AnalysisSpec {
//!                 kind: "brightness".into(),
//!                 title: "Is the picture bright enough?".into(),
//!                 slots: vec![Slot {
//!                     name: "pictures".into(),
//!                     kinds: vec![SlotKind::Image],
//!                     any_tags: vec![],
//!                     all_tags: vec![],
//!                     unless_named_tags: vec![],
//!                     min: 1,
//!                     max: 8,
//!                 }],
//!                 params_schema: json!({
//!                     "type": "object",
//!                     "properties": { "least": { "type": "number", "default": 40.0 } }
//!                 }),
//!                 result_schema: json!({
//!                     "type": "object",
//!                     "properties": { "darkest": { "type": "number" } },
//!                     "required": ["darkest"]
//!                 }),
//!                 features: vec![],
//!                 pixel_formats: vec!["gray8".into()],
//!                 max_side: 320,
//!                 timeout_ms: 2_000,
//!                 deterministic: true,
//!             }],
//!             provides: vec![],
//!             weights: vec![],
//!             instances: Instances { max: 2 },
//!         }
//!     }
//!
//!     fn new(_config: &Config) -> Result<Self, Failure> {
//!         Ok(Self)
//!     }
//!
//!     fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
//!         let least = job.params()["least"].as_f64().unwrap_or(40.0);
//!         let mut darkest = 255.0_f64;
//!         let mut reasons = Vec::new();
//!         while let Some(frame) = job.next_frame() {
//!             if job.is_cancelled() {
//!                 return Err(Failure::cancelled("between two frames"));
//!             }
//!             let rows = (0..frame.height()).filter_map(|y| frame.row(y));
//!             let sum: f64 = rows.flatten().map(|&luma| f64::from(luma)).sum();
//!             let mean = sum / (f64::from(frame.width()) * f64::from(frame.height()));
//!             if mean < least {
//!                 reasons.push(Reason::new("TOO_DARK", "The picture is too dark.").medium(frame.medium()));
//!             }
//!             darkest = darkest.min(mean);
//!         }
//!         Ok(Outcome {
//!             resolution: if reasons.is_empty() { Resolution::Success } else { Resolution::Declined },
//!             reasons,
//!             result: json!({ "darkest": darkest }),
//!         })
//!     }
//! }
//!
//! vultus_plugin_api::export_analyzer!(Brightness);
//!
//! fn main() -> Result<(), Failure> {
//!     // A unit test of it needs no server.
//!     let mut bench = Bench::new::<Brightness>(&Config::default())?;
//!     bench.medium(SlotKind::Image, &["photo_selfie"], vec![Picture::filled(64, 48, [9, 9, 9])]);
//!     let run = bench.run("brightness", json!({ "least": 40.0 }))?;
//!     assert_eq!(run.outcome.resolution, Resolution::Declined);
//!     assert_eq!(run.outcome.reasons[0].code, "TOO_DARK");
//!     Ok(())
//! }
//! ```

pub mod abi;
pub mod artifact;
pub mod calling;
mod error;
mod export;
pub mod features;
mod frame;
mod job;
pub mod manifest;
pub mod outcome;
pub mod testing;

pub use error::{Failure, Status};
pub use export::plugin;
pub use frame::{Frame, PixelFormat};
pub use job::{FeatureRequest, Job, JobMedium, LogLevel};
pub use manifest::Manifest;
pub use outcome::{Outcome, Reason, Resolution};

/// What `create` receives: where things are, and the operator's settings for this plugin.
///
/// ```
/// use vultus_plugin_api::{Config, Failure};
///
/// fn model_path(config: &Config) -> Result<std::path::PathBuf, Failure> {
///     let folder = config.weights_dir.as_ref().ok_or_else(|| Failure::unavailable("no weights folder is configured"))?;
///     Ok(std::path::Path::new(folder).join("smile.onnx"))
/// }
/// assert!(model_path(&Config::default()).is_err());
/// ```
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Absolute path of the ONNX Runtime shared library, when the operator has one.
    pub onnxruntime: Option<String>,
    /// Absolute path of the folder that holds the weight files named in the manifest.
    pub weights_dir: Option<String>,
    /// Threads that one inference may use (at least 1).
    #[serde(default = "one")]
    pub threads: u32,
    /// The operator's settings for this plugin: any JSON object, checked by the plugin itself.
    #[serde(default)]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

fn one() -> u32 {
    1
}

impl Default for Config {
    /// No models, one thread, no settings.
    fn default() -> Self {
        Self {
            onnxruntime: None,
            weights_dir: None,
            threads: one(),
            settings: serde_json::Map::new(),
        }
    }
}

/// An analyzer or a provider of features. One instance is never called by two threads at once.
pub trait Analyzer: Sized + Send + 'static {
    /// What this plugin is and offers. Must always return the same value.
    fn manifest() -> Manifest;

    /// Builds one instance: opens models, checks settings.
    fn new(config: &Config) -> Result<Self, Failure>;

    /// Judges one job. "No face" and "attack" are outcomes; a [`Failure`] is for faults only.
    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        let _ = job;
        Err(Failure::unsupported("this plugin has no analysis"))
    }

    /// Computes a feature that the manifest lists under `provides`: JSON bytes.
    fn provide(&mut self, job: &Job<'_>, request: &FeatureRequest) -> Result<Vec<u8>, Failure> {
        let _ = (job, request);
        Err(Failure::unsupported("this plugin provides no feature"))
    }
}
