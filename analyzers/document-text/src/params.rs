//! Parameters of the analysis.

use serde::Deserialize;
use serde_json::{Value, json};
use time::Date;
use vultus_plugin_api::Failure;
use vultus_plugin_api::params::{self, Stricter};

use crate::policy::Policy;

/// Parameters of a request, with their defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Params {
    /// The day (UTC) for expiry checks. The server sets it, so that the analyzer needs no clock.
    #[serde(with = "crate::date::iso_option")]
    pub today: Option<Date>,
    /// Whether to read the visual zone and compare it with the machine-readable zone.
    pub visual_zone: bool,
    /// Whether to keep the portrait.
    pub extract_portrait: bool,
    /// Minimum width of the document in pixels.
    pub min_width: u32,
    /// Minimum sharpness, 0–1.
    pub min_sharpness: f32,
    /// Maximum share of overexposed area, 0–1.
    pub max_glare: f32,
    /// Maximum strength of a screen or print pattern, 0–1.
    pub max_moire: f32,
    /// The operator's table of verdicts; requests cannot change it.
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
    /// Reads and validates the parameters of a request; `policy` comes from the plugin's settings.
    /// `INVALID_INPUT` if they do not match the schema.
    pub fn read(request: &Value, policy: &Policy) -> Result<Self, Failure> {
        let mut read: Self = params::read(request)?;
        for (name, limit) in [
            ("minSharpness", read.min_sharpness),
            ("maxGlare", read.max_glare),
            ("maxMoire", read.max_moire),
        ] {
            params::check_range(name, limit.into(), 1.0)?;
        }
        read.policy = policy.clone();
        Ok(read)
    }

    /// The JSON Schema of the parameters.
    pub fn schema() -> Value {
        let defaults = Self::default();
        let limit = |default: f32, stricter: Stricter, description: &str| {
            // Four decimals, so that 0.2 is not written as 0.20000000298.
            let default = (f64::from(default) * 1e4).round() / 1e4;
            params::threshold(1, default, stricter, description)
        };
        params::schema(json!({
            "today": {
                "type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                "x-filled-by-node": "today",
                "description": "The day (UTC) for expiry checks. The server sets it when the \
                                analysis is requested; a request cannot."
            },
            "visualZone": params::flag(
                defaults.visual_zone,
                "Read the visual zone and compare it with the machine-readable zone."
            ),
            "extractPortrait": params::flag(
                defaults.extract_portrait,
                "Keep the portrait as the artifact portrait."
            ),
            "minWidth": {
                "type": "integer", "minimum": 0, "maximum": 8192, "default": defaults.min_width,
                "x-stricter": "higher",
                "description": "Minimum width of the document in pixels."
            },
            "minSharpness": limit(
                defaults.min_sharpness,
                Stricter::Higher,
                "Minimum sharpness of the document."
            ),
            "maxGlare": limit(
                defaults.max_glare,
                Stricter::Lower,
                "Maximum share of overexposed area."
            ),
            "maxMoire": limit(
                defaults.max_moire,
                Stricter::Lower,
                "Pattern strength above which a screen or a print is suspected."
            )
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn schema_states_the_defaults() {
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
    fn invalid_parameters_are_rejected() {
        let read = |value| Params::read(&value, &Policy::default());
        assert!(read(json!({"today": "26.11.2026"})).is_err());
        assert!(read(json!({"maxGlare": 1.5})).is_err());
        assert!(
            read(json!({"policy": {}})).is_err(),
            "a request cannot change the table of verdicts"
        );
    }
}
