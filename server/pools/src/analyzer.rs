//! What the node itself knows about an analysis type of a pool. The node checks verdicts against
//! it, because a worker runs third-party code and the origin of a stored verdict must be correct.

use vultus_core::JsonText;
use vultus_plugin_api::Manifest;
use vultus_worker_protocol::{Judgement, PluginReport};

/// The analyzer of an analysis type, from the plugin file that the pool opened at its start.
#[derive(Debug)]
pub struct Analyzer {
    plugin: String,
    version: String,
    file_sha256: String,
    /// Weights of all plugins of the pool, because features may come from other plugins.
    weights: Vec<(String, String)>,
    result: jsonschema::Validator,
}

impl Analyzer {
    /// The analyzers of a plugin, by analysis type. An error says which result schema is invalid.
    pub(super) fn of_plugin(
        manifest: &Manifest,
        report: &PluginReport,
        weights: &[(String, String)],
    ) -> Result<Vec<(String, Self)>, String> {
        let analyzer = |spec: &vultus_plugin_api::manifest::AnalysisSpec| {
            let result = jsonschema::validator_for(&spec.result_schema).map_err(|error| {
                format!("the result schema of {} is invalid: {error}", spec.kind)
            })?;
            let analyzer = Self {
                plugin: manifest.id.clone(),
                version: manifest.version.clone(),
                file_sha256: report.file_sha256.clone(),
                weights: weights.to_vec(),
                result,
            };
            Ok((spec.kind.clone(), analyzer))
        };
        manifest.analyses.iter().map(analyzer).collect()
    }

    /// Id of the plugin.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Checks that the origin that a judgement states is this analyzer.
    pub(super) fn check_origin(&self, judgement: &Judgement) -> Result<(), String> {
        let stated = (
            judgement.plugin.as_str(),
            judgement.plugin_version.as_str(),
            judgement.plugin_sha256.as_str(),
        );
        if stated != (self.plugin.as_str(), self.version.as_str(), self.file_sha256.as_str()) {
            return Err("the worker states another plugin than the pool opened".to_owned());
        }
        match judgement.weights.iter().find(|weights| !self.weights.contains(weights)) {
            Some((file, _)) => {
                Err(format!("the worker states weights that the pool did not open: {file}"))
            }
            None => Ok(()),
        }
    }

    /// Checks a result against the schema of the manifest. The error names the place, never the
    /// value. It is parsed for this only; its number of values is limited.
    pub(super) fn check_result(&self, result: &JsonText) -> Result<(), String> {
        let result = result.to_value().map_err(|_| "the result is not JSON".to_owned())?;
        match self.result.iter_errors(&result).next() {
            Some(error) => Err(format!(
                "the result violates its schema at {:?}",
                error.instance_path().as_str()
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// The analyzer `example` of the plugin `org.example`; its result is an object with a number.
    pub(in super::super) fn example() -> Analyzer {
        Analyzer {
            plugin: "org.example".to_owned(),
            version: "1.0.0".to_owned(),
            file_sha256: "00".to_owned(),
            weights: vec![("a.onnx".to_owned(), "11".to_owned())],
            result: jsonschema::validator_for(
                &json!({"type": "object", "properties": {"score": {"type": "number"}}}),
            )
            .unwrap(),
        }
    }

    #[test]
    fn judgement_of_another_origin_is_rejected() {
        let own = Judgement {
            outcome: String::new(),
            plugin: "org.example".to_owned(),
            plugin_version: "1.0.0".to_owned(),
            plugin_sha256: "00".to_owned(),
            weights: vec![("a.onnx".to_owned(), "11".to_owned())],
        };
        assert_eq!(example().check_origin(&own), Ok(()));
        for other in [
            Judgement { plugin: "org.other".to_owned(), ..own.clone() },
            Judgement { plugin_version: "1.0.1".to_owned(), ..own.clone() },
            Judgement { plugin_sha256: "01".to_owned(), ..own.clone() },
            Judgement { weights: vec![("a.onnx".to_owned(), "12".to_owned())], ..own.clone() },
            Judgement { weights: vec![("b.onnx".to_owned(), "11".to_owned())], ..own },
        ] {
            assert!(example().check_origin(&other).is_err(), "{other:?}");
        }
    }
}
