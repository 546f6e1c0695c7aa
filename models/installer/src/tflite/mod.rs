//! Converts TFLite models to ONNX: the 21 operators of MediaPipe's face landmarks and blendshapes.
//!
//! TFLite stores pictures with the channels last, ONNX computes with planes. A value therefore has
//! up to two forms, which are made when an operation needs them; the runtime removes pairs of
//! opposite transpositions. Half-precision weights become float32, which every operation computes
//! in anyway.

mod flatbuffer;
mod graph;
mod model;
mod operators;

use crate::onnx::{Model, OperatorSetId};
use crate::rewrite::RewriteError;

/// Version of the ONNX operators that the converted model uses.
const OPERATOR_SET: i64 = 17;
/// Version of the file format that belongs to them.
const FILE_VERSION: i64 = 8;

/// Converts a file. Deterministic: equal files give equal models.
pub(crate) fn convert(bytes: &[u8]) -> Result<Model, RewriteError> {
    let model = model::Model::read(bytes).ok_or(RewriteError::NotTflite)?;
    let mut builder = graph::Builder::new(&model);
    for (place, operator) in model.operators.iter().enumerate() {
        let described = || format!("{} of the TFLite file", place + 1);
        operators::convert(&mut builder, operator)
            .map_err(|problem| RewriteError::Node { node: described(), problem })?;
    }
    Ok(Model {
        ir_version: Some(FILE_VERSION),
        producer_name: Some("vultus-models".to_owned()),
        graph: Some(builder.finish()?),
        opset_import: vec![OperatorSetId {
            domain: Some(String::new()),
            version: Some(OPERATOR_SET),
        }],
        ..Model::default()
    })
}
