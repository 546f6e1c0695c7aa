//! Parameters of the analysis.

use serde::Deserialize;
use serde_json::{Value, json};
use vultus_plugin_api::Failure;
use vultus_plugin_api::params::{self, Stricter};

use crate::fusion::{ACCEPT_BELOW, DECLINE_FROM};

/// Parameters of a request, with their defaults.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Params {
    /// Scores (probability of an attack, 0–1) below this value pass.
    pub(crate) accept_below: f32,
    /// Scores from this value on are declined; between the two, an operator decides.
    pub(crate) decline_from: f32,
    /// Whether to keep the best picture of the face.
    pub(crate) extract_best_shot: bool,
    /// Whether the operator requires a challenge and the request answers none.
    pub(crate) challenge_missing: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            accept_below: ACCEPT_BELOW,
            decline_from: DECLINE_FROM,
            extract_best_shot: true,
            challenge_missing: false,
        }
    }
}

impl Params {
    /// Reads and validates the parameters of a request. `INVALID_INPUT` if they do not match the
    /// schema.
    pub(crate) fn read(request: &Value) -> Result<Self, Failure> {
        let read: Self = params::read(request)?;
        params::check_ordered(
            ("acceptBelow", read.accept_below.into()),
            ("declineFrom", read.decline_from.into()),
        )?;
        Ok(read)
    }

    /// The JSON Schema of the parameters.
    pub(crate) fn schema() -> Value {
        let defaults = Self::default();
        let threshold = |default: f32, description: &str| {
            params::threshold(1, default.into(), Stricter::Lower, description)
        };
        params::schema(json!({
            "acceptBelow": params::at_most(
                threshold(
                    defaults.accept_below,
                    "Scores below this value pass. At most declineFrom."
                ),
                "declineFrom"
            ),
            "declineFrom": threshold(
                defaults.decline_from,
                "Scores from this value on are declined; between the two, an operator decides."
            ),
            "extractBestShot": params::flag(
                defaults.extract_best_shot,
                "Keep the best picture of the face as the artifact best_shot."
            ),
            "challengeMissing": {
                "type": "boolean", "x-filled-by-node": "challenge_missing",
                "description": "The operator requires a challenge, and no analysis of the request \
                                answers one. Filled in by the server."
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_out_of_order_or_range_are_rejected() {
        assert_eq!(Params::read(&json!({})).unwrap(), Params::default());
        assert!(Params::read(&json!({"acceptBelow": 0.3, "declineFrom": 0.8})).is_ok());
        assert!(Params::read(&json!({"acceptBelow": 0.8, "declineFrom": 0.3})).is_err());
        assert!(Params::read(&json!({"acceptBelow": -0.1})).is_err());
        assert!(Params::read(&json!({"threshold": 0.5})).is_err());
    }
}
