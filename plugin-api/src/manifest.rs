//! The manifest: what a plugin is, which analyses it offers, which features it wants and provides.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A plugin's description of itself, as JSON across the ABI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Reverse DNS name, such as `org.vultus.liveness`; unique among loaded plugins.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Semantic version of the plugin.
    pub version: String,
    /// Who ships it.
    pub vendor: String,
    /// SPDX licence expression of the code.
    pub license: String,
    /// The analyses that clients can ask for.
    #[serde(default)]
    pub analyses: Vec<AnalysisSpec>,
    /// The features that this plugin computes for others.
    #[serde(default)]
    pub provides: Vec<Provided>,
    /// Weight files that it opens, relative to `Config::weights_dir`.
    #[serde(default)]
    pub weights: Vec<Weight>,
    /// How many instances one worker may create.
    #[serde(default)]
    pub instances: Instances,
}

/// One analysis type that a plugin offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysisSpec {
    /// The name in the API: lower-case letters, digits and `_`, such as `face_match`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Title for people.
    pub title: String,
    /// Which media it takes. A medium goes to the first slot that it fits.
    pub slots: Vec<Slot>,
    /// JSON Schema of the request's parameters, with a `default` for each.
    pub params_schema: Value,
    /// JSON Schema of `Outcome::result`.
    pub result_schema: Value,
    /// Features wanted, such as `faces/1`.
    #[serde(default)]
    pub features: Vec<String>,
    /// Pixel formats accepted, best first: `rgb8`, `bgr8`, `gray8`.
    #[serde(default = "rgb8")]
    pub pixel_formats: Vec<String>,
    /// Longest side of the frames handed over, in pixels; larger ones are scaled down.
    #[serde(default = "default_max_side")]
    pub max_side: u32,
    /// After this time the analysis is cancelled, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Whether the same input always gives the same result.
    #[serde(default)]
    pub deterministic: bool,
}

fn rgb8() -> Vec<String> {
    vec!["rgb8".to_owned()]
}

fn default_max_side() -> u32 {
    1920
}

fn default_timeout_ms() -> u64 {
    30_000
}

/// A place for media in an analysis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Name of the slot, such as `faces`.
    pub name: String,
    /// Kinds of media that fit.
    pub kinds: Vec<SlotKind>,
    /// At least one of these tags must be on the medium (empty: no condition).
    #[serde(default)]
    pub any_tags: Vec<String>,
    /// All of these tags must be on the medium.
    #[serde(default)]
    pub all_tags: Vec<String>,
    /// A medium with one of these tags is left out unless the request names it.
    #[serde(default)]
    pub unless_named_tags: Vec<String>,
    /// Fewest media that this slot needs.
    pub min: u32,
    /// Most media that it takes.
    pub max: u32,
}

/// Kind of a medium, as a slot names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SlotKind {
    /// One still picture.
    Image,
    /// A video.
    Video,
    /// An archive of still pictures in order.
    ShotSet,
}

/// A feature that a plugin computes for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provided {
    /// Name and version, such as `faces/1`.
    pub feature: String,
    /// Computed for one frame, or for one medium as a whole.
    pub scope: Scope,
    /// Features that it needs itself.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Biometric templates and the like: third parties need the operator's explicit grant.
    #[serde(default)]
    pub restricted: bool,
    /// Longest side of the frames that `provide` is handed, in pixels.
    #[serde(default = "default_max_side")]
    pub max_side: u32,
}

/// What a feature is computed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One frame.
    Frame,
    /// One medium with all its frames.
    Medium,
}

/// A weight file that a plugin opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// File name inside `Config::weights_dir`.
    pub file: String,
    /// SHA-256 of the file, lower-case hexadecimal. Empty: not pinned by the plugin.
    #[serde(default)]
    pub sha256: String,
    /// SPDX licence of the weights, or a remark.
    #[serde(default)]
    pub license: String,
    /// Whether the plugin works without it.
    #[serde(default)]
    pub optional: bool,
}

/// How many instances of a plugin one worker may create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instances {
    /// At most this many (at least 1).
    pub max: u32,
}

impl Default for Instances {
    fn default() -> Self {
        Self { max: 1 }
    }
}
