//! Parameters of the analysis.

use serde::Deserialize;
use serde_json::{Value, json};
use vultus_plugin_api::Failure;
use vultus_plugin_api::params;

use crate::gesture::Gesture;

/// Maximum number of gestures in one clip.
const LONGEST: usize = 8;

/// Parameters of a request, with their defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Params {
    /// The gestures of a clip that has no tag of a gesture, in order.
    pub(crate) sequence: Vec<Gesture>,
    /// Whether the clips are mirror images.
    pub(crate) mirrored: bool,
    /// The challenge that the client answers; the server has verified it.
    pub(crate) challenge: Option<String>,
    /// The gestures of that challenge; the server fills it in.
    pub(crate) challenge_sequence: Option<Vec<Gesture>>,
}

impl Params {
    /// Reads and validates the parameters of a request. `INVALID_INPUT` if they do not match the
    /// schema.
    pub(crate) fn read(request: &Value) -> Result<Self, Failure> {
        let read: Self = params::read(request)?;
        if read.challenge.is_some() && read.challenge_sequence.is_none() {
            return Err(Failure::invalid_input("the challenge was not verified by a server"));
        }
        Ok(read)
    }

    /// The JSON Schema of the parameters.
    pub(crate) fn schema() -> Value {
        let names: Vec<&str> = Gesture::ALL.iter().map(|gesture| gesture.name()).collect();
        params::schema(json!({
            "sequence": {
                "type": "array", "default": [], "maxItems": LONGEST,
                "items": {"type": "string", "enum": names},
                "description": "The gestures of a clip without a tag of a gesture, in order."
            },
            "mirrored": params::flag(
                false,
                "The clips are mirror images, as some front cameras record them: left and right \
                 change places."
            ),
            "challenge": {
                "type": ["string", "null"], "default": null, "maxLength": 4096,
                "x-challenge": "consumed",
                "description": "The challenge of createChallenge that the clip answers. It is used \
                                up by this request."
            },
            "challengeSequence": {
                "type": ["array", "null"], "x-filled-by-node": "challenge",
                "items": {"type": "string", "enum": names},
                "description": "The gestures of the challenge, filled in by the server."
            }
        }))
    }
}
