//! Parameters of the analysis: the minimum of each measure.

use serde::Deserialize;
use serde_json::{Map, Value};
use vultus_plugin_api::Failure;
use vultus_plugin_api::params::{self, Stricter};

/// Minimum of each measure, 0–100; 0 disables the check.
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
    /// The requirements of a selfie for comparison: head turned by at most 30 degrees, eyes 36
    /// pixels apart, any background.
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
    /// Reads and validates the parameters of a request. `INVALID_INPUT` if they do not match the
    /// schema.
    pub(crate) fn read(request: &Value) -> Result<Self, Failure> {
        let read: Self = params::read(request)?;
        for (name, minimum) in read.all() {
            params::check_range(name, minimum, 100.0)?;
        }
        Ok(read)
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
            "minPose" => "Pose of the head: 75 allows angles of 30 degrees, 88 of 20.",
            "minEyesOpen" => "Probability that both eyes are open.",
            "minSharpness" => "Sharpness of the face.",
            "minExposure" => "Exposure: how little of the face is underexposed or overexposed.",
            "minSize" => "Size of the face: 100 is 90 pixels between the eyes.",
            "minCentring" => {
                "Centring: how close the face is to the middle, and whether it is complete."
            }
            _ => "Uniformity of the background: 50 allows little pattern, 0 disables the check.",
        };
        let property = |(name, minimum): (&str, f64)| {
            let description = format!("Minimum: {}", description(name));
            let property = params::threshold(100, minimum, Stricter::Higher, &description);
            (name.to_owned(), property)
        };
        let properties: Map<String, Value> =
            Self::default().all().into_iter().map(property).collect();
        params::schema(properties)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schema_states_the_defaults() {
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
