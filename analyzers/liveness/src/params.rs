//! Parameters of the analysis, as the request gives them.

use serde::Deserialize;
use serde_json::{Value, json};
use vultus_plugin_api::Failure;

/// Parameters with their defaults.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Params {
    /// Scores below this pass.
    pub(crate) accept_below: f32,
    /// Scores from this on are declined; between the two a person decides.
    pub(crate) decline_from: f32,
    /// Whether to keep the best picture of the face.
    pub(crate) extract_best_shot: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { accept_below: 0.5, decline_from: 0.5, extract_best_shot: true }
    }
}

impl Params {
    /// Reads and checks the parameters.
    pub(crate) fn read(params: &Value) -> Result<Self, Failure> {
        if params.is_null() {
            return Ok(Self::default());
        }
        let params: Self = serde_json::from_value(params.clone())
            .map_err(|e| Failure::invalid_input(format!("reading the parameters: {e}")))?;
        let range = 0.0..=1.0;
        if !range.contains(&params.accept_below) || !range.contains(&params.decline_from) {
            return Err(Failure::invalid_input("a threshold lies outside 0 to 1"));
        }
        if params.accept_below > params.decline_from {
            return Err(Failure::invalid_input("acceptBelow is greater than declineFrom"));
        }
        Ok(params)
    }

    /// The JSON Schema of the parameters.
    pub(crate) fn schema() -> Value {
        // The marks tell the node in which direction a request may move a threshold, and how two of
        // them are ordered.
        let threshold = |description: &str, at_most: Option<&str>| {
            let mut property = json!({"type": "number", "minimum": 0, "maximum": 1, "default": 0.5, "description": description});
            property["x-stricter"] = json!("lower");
            if let Some(other) = at_most {
                property["x-at-most"] = json!(other);
            }
            property
        };
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "acceptBelow": threshold("Scores below this pass. At most declineFrom.", Some("declineFrom")),
                "declineFrom": threshold("Scores from this on are declined; between the two a person decides.", None),
                "extractBestShot": {
                    "type": "boolean", "default": true,
                    "description": "Keep the best picture of the face as the artifact best_shot."
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_out_of_order_or_range_are_refused() {
        assert_eq!(Params::read(&json!({})).unwrap(), Params::default());
        assert!(Params::read(&json!({"acceptBelow": 0.3, "declineFrom": 0.8})).is_ok());
        assert!(Params::read(&json!({"acceptBelow": 0.8, "declineFrom": 0.3})).is_err());
        assert!(Params::read(&json!({"acceptBelow": -0.1})).is_err());
        assert!(Params::read(&json!({"threshold": 0.5})).is_err());
    }
}
