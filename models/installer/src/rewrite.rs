//! Rewrites of ONNX graphs at installation: each keeps what the network computes and makes it run,
//! or run faster.
//!
//! They are pure functions of the bytes, so the result has a pinned sum like the original.

mod free_input_size;
mod split_prelu;
mod unpack_weights;
mod zero_tiny_weights;

use std::collections::{HashMap, HashSet};

use crate::RewriteStep;
use crate::onnx::{self, Graph, Node, Tensor};

/// Why a graph could not be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The bytes are not a model that can be written back without loss.
    #[error("it is not an ONNX model, or holds ONNX features that the installer does not know")]
    NotUnderstood,
    /// An operation is not of the kind that the rewrite handles.
    #[error("operation `{node}`: {problem}")]
    Node {
        /// The name of its first output.
        node: String,
        /// What is unusual about it.
        problem: &'static str,
    },
    /// An input or output is not of the kind that the rewrite handles.
    #[error("input or output `{value}`: {problem}")]
    Value {
        /// Its name.
        value: String,
        /// What is unusual about it.
        problem: &'static str,
    },
}

impl RewriteError {
    fn node(node: &Node, problem: &'static str) -> Self {
        Self::Node { node: node.output.first().cloned().unwrap_or_default(), problem }
    }
}

/// Applies the steps in their order to a model file.
pub fn rewrite(bytes: &[u8], steps: &[RewriteStep]) -> Result<Vec<u8>, RewriteError> {
    let mut model = onnx::decode(bytes).ok_or(RewriteError::NotUnderstood)?;
    let graph = model.graph.as_mut().ok_or(RewriteError::NotUnderstood)?;
    for step in steps {
        match step {
            RewriteStep::UnpackWeights => unpack_weights::unpack_weights(graph)?,
            RewriteStep::FreeInputSize => free_input_size::free_input_size(graph)?,
            RewriteStep::SplitPrelu => split_prelu::split_prelu(graph)?,
            RewriteStep::ZeroTinyWeights => zero_tiny_weights::zero_tiny_weights(graph)?,
        }
    }
    Ok(onnx::encode(&model))
}

/// The graph's constants by name.
fn initializers(graph: &Graph) -> HashMap<&str, &Tensor> {
    graph.initializer.iter().filter_map(|tensor| Some((tensor.name.as_deref()?, tensor))).collect()
}

/// Drops constants that nothing reads, graph inputs that are constants or that nothing reads, and
/// the type hints of inner values, which may no longer fit. A constant that is no input any more is
/// one that the runtime may fold.
fn drop_unused(graph: &mut Graph) {
    let read: HashSet<&str> = graph
        .node
        .iter()
        .flat_map(|node| &node.input)
        .map(String::as_str)
        .chain(graph.output.iter().filter_map(|output| output.name.as_deref()))
        .collect();
    let is_read = |name: Option<&str>| name.is_some_and(|name| read.contains(name));
    graph.initializer.retain(|tensor| is_read(tensor.name.as_deref()));
    let constants: HashSet<&str> =
        graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
    graph.input.retain(|input| {
        is_read(input.name.as_deref())
            && !input.name.as_deref().is_some_and(|name| constants.contains(name))
    });
    graph.value_info.clear();
}
