//! An analyzer that panics on purpose, for tests only: never ship it. Its sisters in C are beside
//! it.
//!
//! Analysis `panics`, parameter `mode`: `panic` unwinds, which the door catches; `abort` panics
//! while it unwinds, which ends the process as `panic = "abort"` does; anything else gives a
//! verdict.

use serde_json::json;
use vultus_plugin_api::{Analyzer, Config, Failure, Job, Manifest, Outcome, Resolution};

/// The analyzer.
#[derive(Debug)]
pub struct Panics;

impl Analyzer for Panics {
    fn manifest() -> Manifest {
        let manifest = json!({
            "id": "org.vultus.panics", "name": "Panics", "version": "1.0.0", "vendor": "Vultus", "license": "Apache-2.0",
            "analyses": [{
                "type": "panics", "title": "Panics",
                "slots": [{"name": "media", "kinds": ["IMAGE"], "min": 0, "max": 1}],
                "params_schema": {"type": "object", "properties": {"mode": {"type": "string", "default": "none"}}},
                "result_schema": {"type": "object"}, "max_side": 320, "timeout_ms": 20_000
            }]
        });
        serde_json::from_value(manifest).expect("the manifest above has the fields of one")
    }

    fn new(_config: &Config) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        match job.params()["mode"].as_str() {
            Some("panic") => panic!("as asked"),
            Some("abort") => {
                let _panics_too = PanicsWhenDropped;
                panic!("as asked, and once more");
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
