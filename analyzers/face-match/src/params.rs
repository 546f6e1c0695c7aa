//! Parameters of the analysis, as the request gives them.

use serde::Deserialize;
use serde_json::{Value, json};
use vultus_plugin_api::Failure;

/// Parameters with their defaults.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Params {
    /// Calibrated similarity from which a pair passes.
    pub(crate) accept_from: f64,
    /// Calibrated similarity under which a pair is declined; between the two a person decides.
    pub(crate) decline_below: f64,
    /// The media are aligned 112x112 faces: no detection, and never a verdict of SUCCESS.
    pub(crate) aligned: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { accept_from: 0.5, decline_below: 0.5, aligned: false }
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
        if !range.contains(&params.accept_from) || !range.contains(&params.decline_below) {
            return Err(Failure::invalid_input("a threshold lies outside 0 to 1"));
        }
        if params.decline_below > params.accept_from {
            return Err(Failure::invalid_input("declineBelow is greater than acceptFrom"));
        }
        Ok(params)
    }

    /// The JSON Schema of the parameters.
    pub(crate) fn schema() -> Value {
        // The marks tell the node in which direction a request may move a threshold, and how two of
        // them are ordered.
        let threshold = |description: &str, at_most: Option<&str>| {
            let mut property = json!({"type": "number", "minimum": 0, "maximum": 1, "default": 0.5, "description": description});
            property["x-stricter"] = json!("higher");
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
                "acceptFrom": threshold("Similarity from which a pair passes.", None),
                "declineBelow": threshold(
                    "Similarity under which a pair is declined; at most acceptFrom. Between the two a person decides.",
                    Some("acceptFrom")
                ),
                "aligned": {
                    "type": "boolean", "default": false,
                    "description": "For evaluation only: the media are aligned faces of 112x112 pixels, nothing is detected, and the verdict is never SUCCESS."
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
        assert!(Params::read(&json!({"acceptFrom": 0.8, "declineBelow": 0.3})).is_ok());
        assert!(Params::read(&json!({"acceptFrom": 0.3, "declineBelow": 0.8})).is_err());
        assert!(Params::read(&json!({"acceptFrom": 1.1})).is_err());
        assert!(Params::read(&json!({"threshold": 0.5})).is_err());
    }
}
