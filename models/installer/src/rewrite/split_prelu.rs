//! Replaces every `PRelu(x, a)` by `a·x + (1−a)·Relu(x)`, the same function.
//!
//! The CPU provider of ONNX Runtime has no PRelu for its blocked memory layout. It reorders memory
//! before and after each one, which takes half of the network's run time. Relu, Mul and Add exist
//! for the blocked layout.

use std::collections::HashMap;

use super::error::RewriteError;
use super::graph::{drop_unused, initializers};
use crate::onnx::{Graph, Node, Tensor};

pub(super) fn split_prelu(graph: &mut Graph) -> Result<(), RewriteError> {
    let constants = initializers(graph);
    let mut complements = HashMap::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for node in &graph.node {
        if !node.is("PRelu") {
            nodes.push(node.clone());
            continue;
        }
        let ([x, slope], [y]) = (node.input.as_slice(), node.output.as_slice()) else {
            return Err(RewriteError::node(node, "it does not have two inputs and one output"));
        };
        let slopes =
            constants.get(slope.as_str()).and_then(|tensor| Some((tensor, tensor.floats()?)));
        let Some((tensor, slopes)) = slopes else {
            return Err(RewriteError::node(node, "its slope is not a float32 constant"));
        };
        let complement = format!("{slope}_complement");
        let elements: Vec<f32> = slopes.iter().map(|slope| 1.0 - slope).collect();
        complements.insert(
            complement.clone(),
            Tensor::of_floats(complement.clone(), tensor.dims.clone(), &elements),
        );
        let (positive, sloped, rest) =
            (format!("{y}_positive"), format!("{y}_sloped"), format!("{y}_rest"));
        nodes.push(operation("Relu", &[x], &positive));
        nodes.push(operation("Mul", &[x, slope], &sloped));
        nodes.push(operation("Mul", &[&positive, &complement], &rest));
        nodes.push(operation("Add", &[&sloped, &rest], y));
    }
    graph.node = nodes;
    let mut complements: Vec<Tensor> = complements.into_values().collect();
    complements.sort_by(|a, b| a.name.cmp(&b.name));
    graph.initializer.extend(complements);
    drop_unused(graph);
    refuse_double_names(graph)
}

fn operation(op_type: &str, input: &[&str], output: &str) -> Node {
    Node {
        input: input.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        name: Some(output.to_owned()),
        op_type: Some(op_type.to_owned()),
        ..Node::default()
    }
}

/// The names of the new values must be unused: in ONNX every value has exactly one producer.
fn refuse_double_names(graph: &Graph) -> Result<(), RewriteError> {
    let mut names = std::collections::HashSet::new();
    let made = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
    let constants = graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref());
    for name in made.chain(constants).filter(|name| !name.is_empty()) {
        if !names.insert(name) {
            return Err(RewriteError::Value {
                value: name.to_owned(),
                problem: "two values would have this name",
            });
        }
    }
    Ok(())
}
