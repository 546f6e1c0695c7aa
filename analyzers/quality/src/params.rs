//! Parameters of the analysis: the least value of each measure.

use serde::Deserialize;
use serde_json::{Value, json};
use vultus_plugin_api::Failure;

/// Least values of 0–100; 0 means that the measure does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Params {
    pub(crate) min_pose: f64,
    pub(crate) min_eyes_open: f64,
    pub(crate) min_sharpness: f64,
    pub(crate) min_exposure: f64,
    pub(crate) min_size: f64,
    pub(crate) min_centring: f64,
    pub(crate) min_background: f64,
}

impl Default for Params {
    /// What a selfie for a comparison needs: a head turned by at most 30 degrees, eyes 36 pixels
    /// apart, any background.
    fn default() -> Self {
        Self {
            min_pose: 75.0,
            min_eyes_open: 50.0,
            min_sharpness: 50.0,
            min_exposure: 50.0,
            min_size: 40.0,
            min_centring: 40.0,
            min_background: 0.0,
        }
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
        let range = 0.0..=100.0;
        if params.all().iter().any(|(_, least)| !range.contains(least)) {
            return Err(Failure::invalid_input("a least value lies outside 0 to 100"));
        }
        Ok(params)
    }

    fn all(&self) -> [(&'static str, f64); 7] {
        [
            ("minPose", self.min_pose),
            ("minEyesOpen", self.min_eyes_open),
            ("minSharpness", self.min_sharpness),
            ("minExposure", self.min_exposure),
            ("minSize", self.min_size),
            ("minCentring", self.min_centring),
            ("minBackground", self.min_background),
        ]
    }

    /// The JSON Schema of the parameters.
    pub(crate) fn schema() -> Value {
        let description = |name: &str| match name {
            "minPose" => {
                "How far the head faces the camera: 75 allows angles of 30 degrees, 88 of 20."
            }
            "minEyesOpen" => "How surely both eyes are open.",
            "minSharpness" => "How sharp the face is.",
            "minExposure" => "How little of the face is lost in the dark or the light.",
            "minSize" => "How large the face is: 100 is 90 pixels between the eyes.",
            "minCentring" => "How near to the middle and how whole the face is.",
            _ => "How calm the background is: 50 allows little pattern. 0: it does not matter.",
        };
        let property = |(name, least): (&str, f64)| {
            // A request may only ask for more than the company does.
            let property = json!({
                "type": "number", "minimum": 0, "maximum": 100, "default": least,
                "description": format!("Least value: {}", description(name)), "x-stricter": "higher",
            });
            (name.to_owned(), property)
        };
        let properties: serde_json::Map<String, Value> =
            Self::default().all().into_iter().map(property).collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": properties
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_the_parameters_that_are_read() {
        let schema = Params::schema();
        let defaults: serde_json::Map<String, Value> = schema["properties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, property)| (name.clone(), property["default"].clone()))
            .collect();
        assert_eq!(defaults.len(), 7);
        assert_eq!(Params::read(&Value::Object(defaults)).unwrap(), Params::default());
        assert!(Params::read(&json!({"minPose": 101})).is_err());
        assert!(Params::read(&json!({"minBeauty": 1})).is_err());
    }
}
