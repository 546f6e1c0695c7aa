//! Rewrites of models at installation. Each leaves the computed function unchanged and makes the
//! model run at all or run faster.
//!
//! Rewrites are pure functions of the bytes, so that the checksum of the result can be pinned too.

mod error;
mod free_input_size;
mod graph;
mod split_prelu;
mod unpack_weights;
mod zero_tiny_weights;

use crate::rewrite_step::RewriteStep;
use crate::{onnx, tflite};

pub use error::RewriteError;

/// Applies `steps`, in order, to the bytes of a model file and returns the rewritten file.
pub fn rewrite(bytes: &[u8], steps: &[RewriteStep]) -> Result<Vec<u8>, RewriteError> {
    let (mut model, steps) = match steps {
        [RewriteStep::ConvertTflite, rest @ ..] => (tflite::convert(bytes)?, rest),
        all => (onnx::decode(bytes).ok_or(RewriteError::NotUnderstood)?, all),
    };
    let graph = model.graph.as_mut().ok_or(RewriteError::NotUnderstood)?;
    for step in steps {
        match step {
            RewriteStep::ConvertTflite => return Err(RewriteError::NotTflite),
            RewriteStep::UnpackWeights => unpack_weights::unpack_weights(graph)?,
            RewriteStep::FreeInputSize => free_input_size::free_input_size(graph)?,
            RewriteStep::SplitPrelu => split_prelu::split_prelu(graph)?,
            RewriteStep::ZeroTinyWeights => zero_tiny_weights::zero_tiny_weights(graph)?,
        }
    }
    Ok(onnx::encode(&model))
}
