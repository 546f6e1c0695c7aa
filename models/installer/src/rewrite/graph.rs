//! Operations on graphs that several rewrites need.

use std::collections::{HashMap, HashSet};

use crate::onnx::{Graph, Tensor};

/// The constants of the graph by name.
pub(super) fn initializers(graph: &Graph) -> HashMap<&str, &Tensor> {
    graph.initializer.iter().filter_map(|tensor| Some((tensor.name.as_deref()?, tensor))).collect()
}

/// Removes unused constants, graph inputs that are unused or constants, and the type hints of
/// intermediate values, which may be outdated. The runtime may fold a constant only if it is not a
/// graph input.
pub(super) fn drop_unused(graph: &mut Graph) {
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
