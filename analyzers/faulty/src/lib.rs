//! An analyzer that panics on purpose, for tests only; it is never shipped. The misbehaving plugins
//! in C are in the same folder.
//!
//! Analysis `panics`, parameter `mode`: `panic` unwinds and is caught at the ABI boundary; `abort`
//! panics while unwinding, which ends the process as `panic = "abort"` does; any other value gives
//! a verdict.

use serde_json::json;
use vultus_plugin_api::{Analyzer, Config, Failure, Job, Manifest, Outcome, Resolution};

/// The analyzer.
#[derive(Debug)]
pub struct Panics;

impl Analyzer for Panics {
    fn manifest() -> Manifest {
        let manifest = json!({
            "id": "org.vultus.panics", "name": "Panics", "version": "1.0.0", "vendor": "Vultus",
            "license": "Apache-2.0",
            "analyses": [{
                "type": "panics", "title": "Panics",
                "slots": [{"name": "media", "kinds": ["IMAGE"], "min": 0, "max": 1}],
                "params_schema": {
                    "type": "object",
                    "properties": {"mode": {"type": "string", "default": "none"}}
                },
                "result_schema": {"type": "object"}, "max_side": 320, "timeout_ms": 20_000
            }]
        });
        serde_json::from_value(manifest).expect("the JSON above is a valid manifest")
    }

    fn new(_config: &Config) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        match job.params()["mode"].as_str() {
            Some("panic") => panic!("as requested"),
            Some("abort") => {
                let _panics_too = PanicsWhenDropped;
                panic!("as requested, and again while unwinding");
            }
            _ => Ok(Outcome {
                resolution: Resolution::Success,
                reasons: Vec::new(),
                result: json!({}),
            }),
        }
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("while a panic unwinds");
    }
}

vultus_plugin_api::export_analyzer!(Panics);
