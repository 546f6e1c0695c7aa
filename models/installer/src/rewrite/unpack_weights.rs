//! Converts weights stored as int8 blocks (`DequantizeLinear` with `block_size`, usually followed
//! by a `Reshape`) to float32 constants: element = (q − zero point of its block) · scale of its
//! block, computed in float32.
//!
//! ONNX Runtime would do this in every run, and does not support it for the one-dimensional biases
//! of YuNet.

use std::collections::{HashMap, HashSet};

use super::error::RewriteError;
use super::graph::{drop_unused, initializers};
use crate::onnx::{Graph, Node, Tensor, element_count};

pub(super) fn unpack_weights(graph: &mut Graph) -> Result<(), RewriteError> {
    let constants = initializers(graph);
    let readers = readers(graph);
    let mut unpacked = Vec::new();
    let mut done = HashSet::new();
    for (index, node) in graph.node.iter().enumerate() {
        if !node.is("DequantizeLinear")
            || !node.input.first().is_some_and(|name| constants.contains_key(name.as_str()))
        {
            continue;
        }
        let (name, elements, dims) = dequantize(node, &constants)?;
        done.insert(index);
        match reshape_after(name, graph, &readers, &constants) {
            Some((at, name, dims)) if element_count(&dims) == Some(elements.len()) => {
                done.insert(at);
                unpacked.push(Tensor::of_floats(name.to_owned(), dims, &elements));
            }
            Some(_) => {
                return Err(RewriteError::node(
                    node,
                    "the Reshape after it changes the number of elements",
                ));
            }
            None => unpacked.push(Tensor::of_floats(name.to_owned(), dims.to_vec(), &elements)),
        }
    }
    let mut index = 0..;
    graph.node.retain(|_| index.next().is_none_or(|index| !done.contains(&index)));
    graph.initializer.extend(unpacked);
    drop_unused(graph);
    Ok(())
}

/// Indices of the operations that read a value, by the value's name. Graph outputs are listed as
/// read by the index after the last operation.
fn readers(graph: &Graph) -> HashMap<&str, Vec<usize>> {
    let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        node.input.iter().for_each(|name| readers.entry(name).or_default().push(index));
    }
    for name in graph.output.iter().filter_map(|output| output.name.as_deref()) {
        readers.entry(name).or_default().push(graph.node.len());
    }
    readers
}

/// Index, output and constant shape of the Reshape if it is the only reader of the value.
fn reshape_after<'a>(
    value: &str,
    graph: &'a Graph,
    readers: &HashMap<&str, Vec<usize>>,
    constants: &HashMap<&str, &Tensor>,
) -> Option<(usize, &'a str, Vec<i64>)> {
    let [at] = readers.get(value)?.as_slice() else {
        return None;
    };
    let node = graph.node.get(*at).filter(|node| node.is("Reshape"))?;
    let ([_, shape], [output]) = (node.input.as_slice(), node.output.as_slice()) else {
        return None;
    };
    Some((*at, output, constants.get(shape.as_str())?.int64s()?))
}

/// Name, elements and shape of the output of a DequantizeLinear.
fn dequantize<'a>(
    node: &'a Node,
    constants: &HashMap<&str, &'a Tensor>,
) -> Result<(&'a str, Vec<f32>, &'a [i64]), RewriteError> {
    let refuse = |problem| RewriteError::node(node, problem);
    let constant =
        |at: usize| node.input.get(at).and_then(|name| constants.get(name.as_str()).copied());
    let packed = constant(0).ok_or(refuse("its input is not constant"))?;
    let quantized = packed.int8s().ok_or(refuse("its input is not int8"))?;
    let scale = constant(1).ok_or(refuse("its scale is not constant"))?;
    let scales = scale.floats().ok_or(refuse("its scale is not float32"))?;
    let zero_points = match node.input.get(2).filter(|name| !name.is_empty()) {
        Some(_) => constant(2)
            .and_then(Tensor::int8s)
            .ok_or(refuse("its zero point is not constant int8"))?,
        None => vec![0; scales.len()],
    };
    if zero_points.len() != scales.len() {
        return Err(refuse("scale and zero point differ in size"));
    }
    let block = Blocks::of(node, &packed.dims, &scale.dims)
        .ok_or(refuse("its blocks do not fit its shape"))?;
    let elements = quantized.iter().enumerate().map(|(at, quantized)| {
        let block = block.of_element(at);
        f32::from(i16::from(*quantized) - i16::from(zero_points[block])) * scales[block]
    });
    let name = node.output.first().ok_or(refuse("it has no output"))?;
    Ok((name, elements.collect(), &packed.dims))
}

/// Assignment of scales to elements.
enum Blocks {
    /// One scale for all elements.
    One,
    /// `size` neighbours along an axis of `length` share a scale; `inner` is the distance in memory
    /// between neighbours, in elements.
    AlongAxis { size: usize, length: usize, per_line: usize, inner: usize },
}

impl Blocks {
    fn of(node: &Node, dims: &[i64], scale_dims: &[i64]) -> Option<Self> {
        if element_count(scale_dims)? == 1 {
            return Some(Self::One);
        }
        let axis = node.int("axis", 1);
        let axis =
            usize::try_from(if axis < 0 { axis + i64::try_from(dims.len()).ok()? } else { axis })
                .ok()?;
        let size = usize::try_from(node.int("block_size", 0)).ok().filter(|size| *size > 0)?;
        let length = usize::try_from(*dims.get(axis)?).ok()?;
        let per_line = length.div_ceil(size);
        let mut expected = dims.to_vec();
        expected[axis] = i64::try_from(per_line).ok()?;
        let inner = element_count(&dims[axis + 1..])?;
        (expected == scale_dims).then_some(Self::AlongAxis { size, length, per_line, inner })
    }

    fn of_element(&self, at: usize) -> usize {
        match *self {
            Self::One => 0,
            Self::AlongAxis { size, length, per_line, inner } => {
                let (line, within) = (at / (length * inner), at % (length * inner));
                (line * per_line + within / inner / size) * inner + within % inner
            }
        }
    }
}
