//! Everything that the author of a Vultus analyzer needs.
//!
//! A plugin is a shared library that exports one static symbol, `VULTUS_PLUGIN` (see `ABI.md`). In
//! Rust: implement [`Analyzer`], use [`export_analyzer!`] once, and build the crate as a `cdylib`.
//! In C: include `include/vultus_plugin.h`. This crate depends on no other crate of the workspace.
//! The host's side is in [`calling`] and in the crate `vultus-plugin-host`.
//!
//! A complete analyzer, which checks whether pictures are bright enough:
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
//!                 ..AnalysisSpec::default()
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
//!                 let reason = Reason::new("TOO_DARK", "The picture is too dark.");
//!                 reasons.push(reason.medium(frame.medium()));
//!             }
//!             darkest = darkest.min(mean);
//!         }
//!         let resolution =
//!             if reasons.is_empty() { Resolution::Success } else { Resolution::Declined };
//!         Ok(Outcome { resolution, reasons, result: json!({ "darkest": darkest }) })
//!     }
//! }
//!
//! vultus_plugin_api::export_analyzer!(Brightness);
//!
//! fn main() -> Result<(), Failure> {
//!     // A unit test of the analyzer needs no server.
//!     let mut bench = Bench::new::<Brightness>(&Config::default())?;
//!     bench.medium(SlotKind::Image, &["photo_selfie"], vec![Picture::filled(64, 48, [9, 9, 9])]);
//!     let run = bench.run("brightness", json!({ "least": 40.0 }))?;
//!     assert_eq!(run.outcome.resolution, Resolution::Declined);
//!     assert_eq!(run.outcome.reasons[0].code, "TOO_DARK");
//!     Ok(())
//! }
//! ```

pub mod abi;
mod analyzer;
pub mod artifact;
pub mod calling;
mod config;
mod error;
mod export;
pub mod features;
mod frame;
mod job;
pub mod limits;
pub mod manifest;
pub mod outcome;
pub mod params;
mod settings;
mod table;
pub mod testing;
pub mod verdict;

pub use analyzer::Analyzer;
pub use config::Config;
pub use error::{Failure, Status};
pub use export::plugin;
pub use frame::{Frame, PixelFormat};
pub use job::{FeatureRequest, Job, JobMedium, LogLevel};
pub use manifest::Manifest;
pub use outcome::{Outcome, Reason, Resolution};
pub use settings::NoSettings;
pub use table::{Table, TableError};
