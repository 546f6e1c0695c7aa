//! Makes the height and width of a fully convolutional network with one picture input free.
//!
//! Only the declared shapes change. Whether the network accepts other sizes is a property of the
//! model (YuNet: any multiples of 32) that this rewrite cannot check.

use super::error::RewriteError;
use crate::onnx::{Dimension, Graph, Length, ValueInfo};

pub(super) fn free_input_size(graph: &mut Graph) -> Result<(), RewriteError> {
    let [input] = graph.input.as_mut_slice() else {
        let value = graph.name.clone().unwrap_or_default();
        return Err(RewriteError::Value {
            value,
            problem: "the graph does not have exactly one input",
        });
    };
    let [_, _, height, width] = shape(input)? else {
        let value = input.name.clone().unwrap_or_default();
        return Err(RewriteError::Value {
            value,
            problem: "the shape is not [batch, channels, height, width]",
        });
    };
    height.value = Some(Length::DimParam("height".to_owned()));
    width.value = Some(Length::DimParam("width".to_owned()));
    for output in &mut graph.output {
        let value = output.name.clone().unwrap_or_default();
        let [_, rows, _] = shape(output)? else {
            return Err(RewriteError::Value {
                value,
                problem: "the shape is not [batch, rows, columns]",
            });
        };
        rows.value = Some(Length::DimParam(format!("anchors_{value}")));
    }
    graph.value_info.clear();
    Ok(())
}

fn shape(value: &mut ValueInfo) -> Result<&mut [Dimension], RewriteError> {
    let shape = value
        .r#type
        .as_mut()
        .and_then(|t| t.tensor_type.as_mut())
        .and_then(|tensor| tensor.shape.as_mut());
    match shape {
        Some(shape) => Ok(&mut shape.dim),
        None => {
            let value = value.name.clone().unwrap_or_default();
            Err(RewriteError::Value { value, problem: "it has no shape" })
        }
    }
}
