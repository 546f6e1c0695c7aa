//! Parameters of the analysis.

use serde::Deserialize;
use serde_json::{Value, json};
use vultus_plugin_api::Failure;
use vultus_plugin_api::params::{self, Stricter};

/// Parameters of a request, with their defaults.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Params {
    /// Calibrated similarity, 0–1, from which a pair passes.
    pub(crate) accept_from: f64,
    /// Calibrated similarity, 0–1, below which a pair is declined; between the two, an operator
    /// decides.
    pub(crate) decline_below: f64,
    /// The media are aligned faces of 112x112 pixels: no detection, and never SUCCESS.
    pub(crate) aligned: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { accept_from: 0.5, decline_below: 0.5, aligned: false }
    }
}

impl Params {
    /// Reads and validates the parameters of a request. `INVALID_INPUT` if they do not match the
    /// schema.
    pub(crate) fn read(request: &Value) -> Result<Self, Failure> {
        let read: Self = params::read(request)?;
        params::check_ordered(
            ("declineBelow", read.decline_below),
            ("acceptFrom", read.accept_from),
        )?;
        Ok(read)
    }

    /// The JSON Schema of the parameters.
    pub(crate) fn schema() -> Value {
        let defaults = Self::default();
        let threshold = |default: f64, description: &str| {
            params::threshold(1, default, Stricter::Higher, description)
        };
        params::schema(json!({
            "acceptFrom": threshold(
                defaults.accept_from,
                "Similarity from which a pair passes."
            ),
            "declineBelow": params::at_most(
                threshold(
                    defaults.decline_below,
                    "Similarity below which a pair is declined; at most acceptFrom. Between the \
                     two, an operator decides."
                ),
                "acceptFrom"
            ),
            "aligned": params::flag(
                defaults.aligned,
                "For evaluation only: the media are aligned faces of 112x112 pixels, no face \
                 detection runs, and the verdict is never SUCCESS."
            )
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_out_of_order_or_range_are_rejected() {
        assert_eq!(Params::read(&json!({})).unwrap(), Params::default());
        assert!(Params::read(&json!({"acceptFrom": 0.8, "declineBelow": 0.3})).is_ok());
        assert!(Params::read(&json!({"acceptFrom": 0.3, "declineBelow": 0.8})).is_err());
        assert!(Params::read(&json!({"acceptFrom": 1.1})).is_err());
        assert!(Params::read(&json!({"threshold": 0.5})).is_err());
    }
}
