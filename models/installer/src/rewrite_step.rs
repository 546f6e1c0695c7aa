//! The rewrites of a model that `models.toml` can request.

use serde::Deserialize;

/// A rewrite of a model that does not change its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "install", derive(clap::ValueEnum))]
#[cfg_attr(feature = "install", value(rename_all = "snake_case"))]
pub enum RewriteStep {
    /// Convert a TFLite file to ONNX. Only as the first step.
    ConvertTflite,
    /// Convert weights stored as int8 blocks to float32.
    UnpackWeights,
    /// Allow any height and width of the input, and any number of rows of the outputs.
    FreeInputSize,
    /// Replace `PRelu(x, a)` by `a·x + (1−a)·Relu(x)`.
    SplitPrelu,
    /// Set weights below 1e-15 to zero: too small to change an output, but slow to compute with,
    /// because their products are subnormal numbers.
    ZeroTinyWeights,
}
