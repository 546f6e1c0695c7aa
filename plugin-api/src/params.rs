//! Parameters of an analysis: reading and checking their values, and writing their JSON Schema.
//!
//! Thresholds carry marks that the server enforces: `x-stricter` is the direction in which a
//! request may move a threshold away from the company's policy, and `x-at-most` names another
//! parameter that the value must not exceed.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Failure;

/// Reads the parameters of a job into `T`; `null` gives the defaults. `INVALID_INPUT` if they do
/// not match `T`.
///
/// ```
/// use serde_json::json;
/// use vultus_plugin_api::params;
///
/// #[derive(Default, serde::Deserialize)]
/// #[serde(deny_unknown_fields, default)]
/// struct Params {
///     least: f64,
/// }
///
/// assert_eq!(params::read::<Params>(&json!({ "least": 0.5 })).unwrap().least, 0.5);
/// assert!(params::read::<Params>(&json!({ "lest": 0.5 })).is_err());
/// ```
pub fn read<T: DeserializeOwned + Default>(params: &Value) -> Result<T, Failure> {
    if params.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(params.clone())
        .map_err(|error| Failure::invalid_input(format!("reading the parameters: {error}")))
}

/// Checks that the parameter `name` lies between 0 and `maximum`; `INVALID_INPUT` otherwise.
pub fn check_range(name: &str, value: f64, maximum: f64) -> Result<(), Failure> {
    if (0.0..=maximum).contains(&value) {
        return Ok(());
    }
    Err(Failure::invalid_input(format!("`{name}` must lie between 0 and {maximum}")))
}

/// Checks two thresholds, given as name and value: both lie between 0 and 1, and `lower` does not
/// exceed `upper`. `INVALID_INPUT` otherwise.
pub fn check_ordered(lower: (&str, f64), upper: (&str, f64)) -> Result<(), Failure> {
    check_range(lower.0, lower.1, 1.0)?;
    check_range(upper.0, upper.1, 1.0)?;
    if lower.1 <= upper.1 {
        return Ok(());
    }
    Err(Failure::invalid_input(format!("`{}` must not exceed `{}`", lower.0, upper.0)))
}

/// The direction in which a threshold becomes stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stricter {
    /// Lower values are stricter.
    Lower,
    /// Higher values are stricter.
    Higher,
}

/// The JSON Schema of a threshold between 0 and `maximum`.
pub fn threshold(maximum: u32, default: f64, stricter: Stricter, description: &str) -> Value {
    json!({
        "type": "number", "minimum": 0, "maximum": maximum, "default": default,
        "x-stricter": match stricter {
            Stricter::Lower => "lower",
            Stricter::Higher => "higher",
        },
        "description": description
    })
}

/// The schema `threshold` with the mark that its value must not exceed the parameter `other`.
pub fn at_most(mut threshold: Value, other: &str) -> Value {
    threshold["x-at-most"] = json!(other);
    threshold
}

/// The JSON Schema of a parameter that is true or false.
pub fn flag(default: bool, description: &str) -> Value {
    json!({"type": "boolean", "default": default, "description": description})
}

/// The JSON Schema of the parameters with these `properties` and no others.
pub fn schema(properties: impl Into<Value>) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "properties": properties.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_must_be_in_range_and_order() {
        assert!(check_ordered(("low", 0.3), ("high", 0.3)).is_ok());
        let message = |low, high| check_ordered(("low", low), ("high", high)).unwrap_err().message;
        assert_eq!(message(0.5, 0.3), "`low` must not exceed `high`");
        assert_eq!(message(-0.1, 0.3), "`low` must lie between 0 and 1");
        assert_eq!(message(0.5, 1.1), "`high` must lie between 0 and 1");
    }

    #[test]
    fn null_gives_the_default_parameters() {
        assert!(read::<Vec<u32>>(&Value::Null).unwrap().is_empty());
    }
}
