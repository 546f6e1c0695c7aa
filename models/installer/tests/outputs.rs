//! Rewritten models give the same outputs as the original ones, measured with ONNX Runtime on real
//! pictures.
//!
//! Needs the files that `make setup` installs: models/weights, models/runtime, samples/files.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor as Value;
use vultus_models::onnx::{
    self, Attribute, DataType, Dimension, Graph, Length, Model, Node, OperatorSetId, Tensor,
    ValueInfo,
};
use vultus_models::{Manifest, RewriteStep, Sha256Sum, rewrite};

const PICTURES: [&str; 3] = ["obama.jpg", "obama2.jpg", "biden.jpg"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let library = root().join("models/runtime/libonnxruntime.so");
        ort::init_from(library).expect("make setup installs ONNX Runtime").build().unwrap()
    })
}

fn session(model: &[u8]) -> Session {
    Session::builder(environment())
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .commit_from_memory(model)
        .unwrap()
}

fn installed(file: &str) -> Vec<u8> {
    fs::read(root().join("models/weights").join(file)).expect("make setup installs the models")
}

/// Runs the model on one input and returns all outputs in order.
fn run(session: &mut Session, input: &str, shape: [i64; 4], elements: &[f32]) -> Vec<Vec<f32>> {
    let value = Value::from_array((shape, elements.to_vec())).unwrap();
    let outputs = session.run(ort::inputs![input => value]).unwrap();
    outputs
        .iter()
        .map(|(_, output)| output.try_extract_tensor::<f32>().unwrap().1.to_vec())
        .collect()
}

/// The upper square of a sample picture, where the face is, scaled to `side`×`side` pixels: three
/// planes in BGR order with levels 0–255.
fn picture(file: &str, side: u32) -> Vec<f32> {
    let picture = image::open(root().join("samples/files").join(file))
        .expect("make setup installs the samples");
    let width = picture.width();
    let square = picture.crop_imm(0, 0, width, width).resize_exact(
        side,
        side,
        image::imageops::FilterType::Triangle,
    );
    let pixels = square.to_rgb8();
    [2, 1, 0]
        .iter()
        .flat_map(|channel| pixels.pixels().map(move |pixel| f32::from(pixel.0[*channel])))
        .collect()
}

fn assert_same_outputs(file: &str, input: &str, side: u32, scaled: fn(f32) -> f32) {
    let mut packaged = session(&installed(&format!("packaged/{file}")));
    let mut rewritten = session(&installed(file));
    for name in PICTURES {
        let elements: Vec<f32> = picture(name, side).into_iter().map(scaled).collect();
        let shape = [1, 3, i64::from(side), i64::from(side)];
        let expected = run(&mut packaged, input, shape, &elements).remove(0);
        let found = run(&mut rewritten, input, shape, &elements).remove(0);
        let largest = expected.iter().fold(0_f32, |largest, value| largest.max(value.abs()));
        let difference =
            expected.iter().zip(&found).fold(0_f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(
            largest > 0.1,
            "{name}: the outputs of the original model are near zero, a comparison proves nothing"
        );
        assert_eq!(expected.len(), found.len());
        assert!(difference <= 1e-5, "{name}: outputs up to {largest} differ by {difference}");
    }
}

#[test]
fn rewritten_sface_gives_the_original_outputs() {
    assert_same_outputs("face_recognition_sface.onnx", "data", 112, |value| value);
}

#[test]
fn rewritten_fr_feature_gives_the_original_outputs() {
    assert_same_outputs("fr_feature.onnx", "input", 112, |value| (value - 127.0) / 128.0);
}

#[test]
fn rewritten_fr_liveness_gives_the_original_outputs() {
    assert_same_outputs("fr_liveness.onnx", "input", 128, |value| value);
}

#[test]
fn rewrite_of_every_model_gives_the_pinned_checksum() {
    let manifest = Manifest::read(&root().join("models/models.toml")).unwrap();
    for model in &manifest.models {
        let packaged = installed(&format!("packaged/{}", model.file));
        let rewritten = rewrite::rewrite(&packaged, &model.rewrite).unwrap();
        assert_eq!(Sha256Sum::of_bytes(&rewritten), model.sha256, "{}", model.file);
    }
}

/// ONNX Runtime cannot run the original YuNet, so there are no outputs to compare: the test checks
/// that the rewritten one runs at several sizes.
#[test]
fn rewritten_yunet_gives_one_row_per_cell_at_any_size() {
    let mut yunet = session(&installed("face_detection_yunet.onnx"));
    for (height, width) in [(320, 320), (192, 160), (640, 384)] {
        let elements = vec![0.0; 3 * height * width];
        let shape = [1, 3, i64::try_from(height).unwrap(), i64::try_from(width).unwrap()];
        let outputs = run(&mut yunet, "input", shape, &elements);
        let cells = [8, 16, 32].map(|stride| height / stride * (width / stride));
        let expected: Vec<usize> =
            [1, 1, 4, 10].iter().flat_map(|columns| cells.map(|rows| rows * columns)).collect();
        assert_eq!(
            outputs.iter().map(Vec::len).collect::<Vec<_>>(),
            expected,
            "at {height}x{width}"
        );
    }
}

/// Blocks along either axis, with an incomplete last block and with zero points. The expected
/// values are those of ONNX Runtime.
#[test]
fn unpacked_blocks_equal_those_of_onnx_runtime() {
    for (axis, block, scale_dims) in [(1, 2, [3_i64, 3]), (0, 2, [2, 5]), (-1, 5, [3, 1])] {
        let packed = packed_model(axis, block, scale_dims);
        let unpacked = rewrite::rewrite(&packed, &[RewriteStep::UnpackWeights]).unwrap();
        let operations = onnx::decode(&unpacked).unwrap().graph.unwrap().node;
        assert_eq!(
            operations.iter().map(|node| node.op_type.as_deref().unwrap()).collect::<Vec<_>>(),
            ["Add"]
        );
        let (x, shape) = (vec![0.0; 15], [1, 1, 5, 3]);
        let expected = run(&mut session(&packed), "x", shape, &x);
        assert!(expected[0].iter().any(|value| *value != 0.0));
        assert_eq!(
            run(&mut session(&unpacked), "x", shape, &x),
            expected,
            "axis {axis}, blocks of {block}"
        );
    }
}

/// y = x + reshape(dequantize(3×5 weights)).
fn packed_model(axis: i64, block: i64, scale_dims: [i64; 2]) -> Vec<u8> {
    let int8 = |name: &str, dims: &[i64], elements: Vec<i8>| Tensor {
        dims: dims.to_vec(),
        data_type: Some(DataType::Int8.into()),
        name: Some(name.into()),
        raw_data: Some(elements.into_iter().map(i8::cast_unsigned).collect()),
        ..Tensor::default()
    };
    let blocks = i8::try_from(scale_dims[0] * scale_dims[1]).unwrap();
    let scales: Vec<f32> = (0..blocks).map(|block| 0.1 + 0.07 * f32::from(block)).collect();
    let shape = Tensor {
        dims: vec![4],
        data_type: Some(DataType::Int64.into()),
        name: Some("shape".into()),
        raw_data: Some([1_i64, 1, 5, 3].iter().flat_map(|length| length.to_le_bytes()).collect()),
        ..Tensor::default()
    };
    let integer = |name: &str, value| Attribute {
        name: Some(name.into()),
        i: Some(value),
        r#type: Some(2),
        ..Attribute::default()
    };
    let mut dequantize = node("DequantizeLinear", &["weights", "scales", "zeros"], "unpacked");
    dequantize.attribute = vec![integer("axis", axis), integer("block_size", block)];
    let graph = Graph {
        node: vec![
            dequantize,
            node("Reshape", &["unpacked", "shape"], "shaped"),
            node("Add", &["x", "shaped"], "y"),
        ],
        name: Some("packed".into()),
        initializer: vec![
            int8("weights", &[3, 5], (-7..8).map(|value| value * 16).collect()),
            Tensor::of_floats("scales".into(), scale_dims.to_vec(), &scales),
            int8("zeros", &scale_dims, (0..blocks).map(|zero| zero * 3 - 9).collect()),
            shape,
        ],
        input: vec![value_info("x")],
        output: vec![value_info("y")],
        ..Graph::default()
    };
    let opset_import = vec![OperatorSetId { domain: Some(String::new()), version: Some(21) }];
    onnx::encode(&Model {
        ir_version: Some(10),
        graph: Some(graph),
        opset_import,
        ..Model::default()
    })
}

fn node(op_type: &str, input: &[&str], output: &str) -> Node {
    Node {
        input: input.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        op_type: Some(op_type.to_owned()),
        ..Node::default()
    }
}

fn value_info(name: &str) -> ValueInfo {
    let dim = [1, 1, 5, 3]
        .map(|length| Dimension { value: Some(Length::DimValue(length)), denotation: None })
        .to_vec();
    let tensor = onnx::TensorType {
        elem_type: Some(DataType::Float.into()),
        shape: Some(onnx::TensorShape { dim }),
    };
    let r#type = Some(onnx::Type { tensor_type: Some(tensor), denotation: None });
    ValueInfo { name: Some(name.to_owned()), r#type, doc_string: None }
}

#[test]
fn model_with_an_unlisted_field_is_rejected() {
    let mut model = packed_model(1, 2, [3, 3]);
    assert!(onnx::decode(&model).is_some());
    // Field 25 of a model is a function, which onnx.proto does not list; this one is empty.
    model.extend([0xca, 0x01, 0x00]);
    assert_eq!(rewrite::rewrite(&model, &[]), Err(rewrite::RewriteError::NotUnderstood));
}
