//! Parameters of the analysis, as the request gives them.

use serde::Deserialize;
use serde_json::{Value, json};
use time::Date;
use vultus_plugin_api::Failure;

use crate::policy::Policy;

/// Parameters with their defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Params {
    /// The day that decides what has expired; the node fills it in, so that no analyzer needs a
    /// clock.
    #[serde(with = "crate::date::iso_option")]
    pub today: Option<Date>,
    /// Whether to read the visual zone and compare it with the machine-readable zone.
    pub visual_zone: bool,
    /// Whether to keep the portrait.
    pub extract_portrait: bool,
    /// Documents narrower than this many pixels are too small.
    pub min_width: u32,
    /// Sharpness below this is a blur.
    pub min_sharpness: f32,
    /// Share of burnt-out area above which there is glare.
    pub max_glare: f32,
    /// Pattern strength above which a screen or a print is suspected.
    pub max_moire: f32,
    /// The operator's table of verdicts, which no request can change.
    #[serde(skip)]
    pub policy: Policy,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            today: None,
            visual_zone: true,
            extract_portrait: true,
            min_width: 320,
            min_sharpness: 0.2,
            max_glare: 0.08,
            max_moire: 0.45,
            policy: Policy::default(),
        }
    }
}

impl Params {
    /// Reads and checks the parameters of a request; `policy` comes from the analyzer's settings.
    pub fn read(params: &Value, policy: &Policy) -> Result<Self, Failure> {
        let mut read: Self = if params.is_null() {
            Self::default()
        } else {
            serde_json::from_value(params.clone())
                .map_err(|e| Failure::invalid_input(format!("reading the parameters: {e}")))?
        };
        let fractions = [read.min_sharpness, read.max_glare, read.max_moire];
        if fractions.iter().any(|fraction| !(0.0..=1.0).contains(fraction)) {
            return Err(Failure::invalid_input("a limit lies outside 0 to 1"));
        }
        read.policy = policy.clone();
        Ok(read)
    }

    /// The JSON Schema of the parameters.
    pub fn schema() -> Value {
        let defaults = Self::default();
        // The mark tells the node in which direction a request may move a limit.
        let limit = |default: f32, stricter: &str, description: &str| {
            json!({
                "type": "number", "minimum": 0, "maximum": 1, "default": (f64::from(default) * 1e4).round() / 1e4,
                "x-stricter": stricter, "description": description
            })
        };
        let flag = |default: bool, description: &str| json!({"type": "boolean", "default": default, "description": description});
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "today": {
                    "type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "x-filled-by-node": "today",
                    "description": "The day (UTC) that decides what has expired. The server fills it in when the analysis is asked for; a request cannot."
                },
                "visualZone": flag(defaults.visual_zone, "Read the visual zone and compare it with the machine-readable zone."),
                "extractPortrait": flag(defaults.extract_portrait, "Keep the portrait as the artifact portrait."),
                "minWidth": {
                    "type": "integer", "minimum": 0, "maximum": 8192, "default": defaults.min_width, "x-stricter": "higher",
                    "description": "Documents narrower than this many pixels are too small."
                },
                "minSharpness": limit(defaults.min_sharpness, "higher", "Sharpness below this is a blur."),
                "maxGlare": limit(defaults.max_glare, "lower", "Share of burnt-out area above which there is glare."),
                "maxMoire": limit(defaults.max_moire, "lower", "Pattern strength above which a screen or a print is suspected.")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn the_schema_states_the_defaults_and_accepts_the_day_of_the_node() {
        let read = |value| Params::read(&value, &Policy::default());
        let schema = Params::schema();
        let defaults: serde_json::Map<String, Value> = schema["properties"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
            .collect();
        assert_eq!(read(Value::Object(defaults)).unwrap(), Params::default());
        assert_eq!(
            read(json!({"today": "2026-11-26"})).unwrap().today,
            Some(date!(2026 - 11 - 26))
        );
    }

    #[test]
    fn wrong_parameters_are_refused() {
        let read = |value| Params::read(&value, &Policy::default());
        assert!(read(json!({"today": "26.11.2026"})).is_err());
        assert!(read(json!({"maxGlare": 1.5})).is_err());
        assert!(read(json!({"policy": {}})).is_err(), "the table of verdicts is not the request's");
    }
}
