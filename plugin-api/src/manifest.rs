//! The manifest: describes a plugin, the analyses that it offers, and the features that it needs
//! and provides.
//!
//! Later versions of this crate may add fields to these structs. To be unaffected, end each literal
//! with `..Manifest::default()` (`..AnalysisSpec::default()`, …).
//!
//! ```
//! use serde_json::json;
//! use vultus_plugin_api::manifest::{AnalysisSpec, Manifest, Slot, SlotKind};
//!
//! let manifest = Manifest {
//!     id: "org.example.brightness".into(),
//!     name: "Brightness".into(),
//!     version: "1.0.0".into(),
//!     vendor: "Example".into(),
//!     license: "Apache-2.0".into(),
//!     analyses: vec![AnalysisSpec {
//!         kind: "brightness".into(),
//!         title: "Is the picture bright enough?".into(),
//!         slots: vec![Slot {
//!             name: "pictures".into(),
//!             kinds: vec![SlotKind::Image],
//!             max: 8,
//!             ..Slot::default()
//!         }],
//!         result_schema: json!({ "type": "object" }),
//!         ..AnalysisSpec::default()
//!     }],
//!     ..Manifest::default()
//! };
//! assert_eq!(manifest.analyses[0].max_side, 1920);
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::limits::TRACK_RATE;

/// Description of a plugin, as JSON across the ABI. The default is empty: a host rejects it until
/// the five texts are set and it has an analysis or a feature.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name in reverse DNS notation, such as `org.vultus.liveness`; unique among loaded plugins.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Semantic version of the plugin.
    pub version: String,
    /// Name of the vendor.
    pub vendor: String,
    /// SPDX licence expression of the code.
    pub license: String,
    /// The analyses that clients can request.
    #[serde(default)]
    pub analyses: Vec<AnalysisSpec>,
    /// The features that this plugin computes for other plugins.
    #[serde(default)]
    pub provides: Vec<Provided>,
    /// Weight files that it opens, relative to `Config::weights_dir`.
    #[serde(default)]
    pub weights: Vec<Weight>,
    /// Number of instances that one worker may create.
    #[serde(default)]
    pub instances: Instances,
}

/// One analysis type that a plugin offers. The default takes no parameters, RGB frames of at most
/// 1920 pixels and 30 seconds; name, title, slots and result schema must be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalysisSpec {
    /// Name in the API: lower-case letters, digits and `_`, such as `face_match`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Display title.
    pub title: String,
    /// The media that it takes. A medium goes to the first slot that it fits.
    pub slots: Vec<Slot>,
    /// JSON Schema of the request's parameters, with a `default` for each of them.
    pub params_schema: Value,
    /// JSON Schema of `Outcome::result`.
    pub result_schema: Value,
    /// Features that the analysis requests, such as `faces/1`.
    #[serde(default)]
    pub features: Vec<String>,
    /// Accepted pixel formats, best first: `rgb8`, `bgr8`, `gray8`.
    #[serde(default = "rgb8")]
    pub pixel_formats: Vec<String>,
    /// Maximum side of the frames, in pixels; larger frames are scaled down.
    #[serde(default = "default_max_side")]
    pub max_side: u32,
    /// Time limit in milliseconds, after which the analysis is cancelled.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Whether the same input always gives the same result.
    #[serde(default)]
    pub deterministic: bool,
    /// Pixel format of the tracks of clips that the analysis reads by
    /// [`crate::Job::track_frame`]; absent: it reads none, and none is decoded for it. Hosts
    /// before ABI 1.1 refuse this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Maximum number of frames of the track per second: 30, or 15, which costs less and
    /// suffices for movement, but not for blinks. Hosts before ABI 1.1 refuse this field.
    #[serde(default = "default_track_rate", skip_serializing_if = "is_default_track_rate")]
    pub track_rate: u32,
}

impl Default for AnalysisSpec {
    fn default() -> Self {
        Self {
            kind: String::new(),
            title: String::new(),
            slots: Vec::new(),
            params_schema: json!({ "type": "object", "additionalProperties": false }),
            result_schema: json!({}),
            features: Vec::new(),
            pixel_formats: rgb8(),
            max_side: default_max_side(),
            timeout_ms: default_timeout_ms(),
            deterministic: false,
            track: None,
            track_rate: TRACK_RATE,
        }
    }
}

fn default_track_rate() -> u32 {
    TRACK_RATE
}

fn is_default_track_rate(rate: &u32) -> bool {
    *rate == TRACK_RATE
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

/// A place for media in an analysis. The default takes exactly one medium; name and kinds must be
/// set.
///
/// ```
/// use vultus_plugin_api::manifest::{Slot, SlotKind};
///
/// // Selfies of any kind, but no identity documents unless the request names them.
/// let faces = Slot {
///     name: "faces".into(),
///     kinds: vec![SlotKind::Image, SlotKind::Video, SlotKind::ShotSet],
///     unless_named_tags: vec!["photo_id".into()],
///     max: 10,
///     ..Slot::default()
/// };
/// assert_eq!(faces.min, 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Name of the slot, such as `faces`.
    pub name: String,
    /// Kinds of media that fit.
    pub kinds: Vec<SlotKind>,
    /// The medium needs at least one of these tags (empty: no condition).
    #[serde(default)]
    pub any_tags: Vec<String>,
    /// The medium needs all of these tags.
    #[serde(default)]
    pub all_tags: Vec<String>,
    /// A medium with one of these tags is left out unless the request names it.
    #[serde(default)]
    pub unless_named_tags: Vec<String>,
    /// Minimum number of media.
    pub min: u32,
    /// Maximum number of media.
    pub max: u32,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            name: String::new(),
            kinds: Vec::new(),
            any_tags: Vec::new(),
            all_tags: Vec::new(),
            unless_named_tags: Vec::new(),
            min: 1,
            max: 1,
        }
    }
}

/// Kind of a medium.
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

/// A feature that a plugin computes for other plugins. The default applies to a frame and needs
/// nothing; the name must be set.
///
/// ```
/// use vultus_plugin_api::manifest::{Provided, Scope};
///
/// let track = Provided {
///     feature: "smiles/1".into(),
///     scope: Scope::Medium,
///     needs: vec!["faces/1".into()],
///     ..Provided::default()
/// };
/// assert!(!track.restricted);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provided {
    /// Name and version, such as `faces/1`.
    pub feature: String,
    /// Whether it is computed for one frame or for one medium as a whole.
    pub scope: Scope,
    /// Features that it needs.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Features that it uses if a plugin provides them; without a provider, a request for one
    /// returns the JSON `null`.
    #[serde(default)]
    pub optional_needs: Vec<String>,
    /// Whether third parties need the operator's explicit grant, as for biometric templates.
    #[serde(default)]
    pub restricted: bool,
    /// Maximum side of the frames that `provide` receives, in pixels.
    #[serde(default = "default_max_side")]
    pub max_side: u32,
    /// Pixel format of the tracks of clips that `provide` reads, as [`AnalysisSpec::track`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Maximum number of frames of the track per second, as [`AnalysisSpec::track_rate`].
    #[serde(default = "default_track_rate", skip_serializing_if = "is_default_track_rate")]
    pub track_rate: u32,
    /// Form of the value. Hosts before ABI 1.1 refuse this field.
    #[serde(default, skip_serializing_if = "Encoding::is_json")]
    pub encoding: Encoding,
}

/// Form of a feature's value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// UTF-8 JSON.
    #[default]
    Json,
    /// Numbers in binary form, see [`crate::Table`].
    Table,
}

impl Encoding {
    fn is_json(&self) -> bool {
        *self == Self::Json
    }
}

impl Default for Provided {
    fn default() -> Self {
        Self {
            feature: String::new(),
            scope: Scope::Frame,
            needs: Vec::new(),
            optional_needs: Vec::new(),
            restricted: false,
            max_side: default_max_side(),
            track: None,
            track_rate: TRACK_RATE,
            encoding: Encoding::Json,
        }
    }
}

/// What a feature is computed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One frame.
    Frame,
    /// One medium with all its frames.
    Medium,
}

/// A weight file that a plugin opens. The worker checks its hash before the plugin sees it.
///
/// ```
/// use vultus_plugin_api::manifest::Weight;
///
/// let weight = Weight { file: "smile.onnx".into(), license: "MIT".into(), ..Weight::default() };
/// assert!(weight.sha256.is_empty(), "not pinned: any content is accepted");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// File name inside `Config::weights_dir`.
    pub file: String,
    /// SHA-256 of the file, lower-case hexadecimal. Empty: the plugin does not pin the content.
    #[serde(default)]
    pub sha256: String,
    /// SPDX licence of the weights, or a remark.
    #[serde(default)]
    pub license: String,
    /// Whether the plugin works without it.
    #[serde(default)]
    pub optional: bool,
}

/// Number of instances of a plugin that one worker may create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instances {
    /// Maximum number (at least 1).
    pub max: u32,
}

impl Default for Instances {
    fn default() -> Self {
        Self { max: 1 }
    }
}
