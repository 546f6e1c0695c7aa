//! The error of all rewrites.

use crate::onnx::Node;

/// Cause of a failed rewrite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The bytes are not a model that can be written back without loss.
    #[error("not an ONNX model, or one with ONNX features that the installer does not support")]
    NotUnderstood,
    /// The bytes are not a TFLite model with a single graph of built-in operators.
    #[error("not a TFLite model, or one with features that the installer does not support")]
    NotTflite,
    /// The rewrite does not support an operation.
    #[error("operation `{node}`: {problem}")]
    Node {
        /// Name of its first output.
        node: String,
        /// The unsupported property.
        problem: &'static str,
    },
    /// The rewrite does not support an input, an output or a constant.
    #[error("value `{value}`: {problem}")]
    Value {
        /// Its name.
        value: String,
        /// The unsupported property.
        problem: &'static str,
    },
}

impl RewriteError {
    pub(super) fn node(node: &Node, problem: &'static str) -> Self {
        Self::Node { node: node.output.first().cloned().unwrap_or_default(), problem }
    }
}
