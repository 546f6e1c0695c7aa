//! The converted TFLite models answer as MediaPipe's do.
//!
//! The expected numbers are outputs of the reference conversion of the same files by TensorFlow's
//! own tools. Needs the files that `make setup` installs.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor as Value;
use vultus_models::rewrite::{self, RewriteError};
use vultus_models::{RewriteStep, onnx};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// The outputs of the installed model `file`, in order.
fn outputs(file: &str, shape: &[i64], elements: Vec<f32>) -> Vec<Vec<f32>> {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    let environment = ENVIRONMENT.get_or_init(|| {
        let library = models().join("runtime/libonnxruntime.so");
        ort::init_from(library).expect("make setup installs it").build().unwrap()
    });
    let model = fs::read(models().join("weights").join(file)).expect("make setup installs it");
    let mut session = Session::builder(environment)
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .commit_from_memory(&model)
        .unwrap();
    let input = session.inputs()[0].name().to_owned();
    let value = Value::from_array((shape.to_vec(), elements)).unwrap();
    let outputs = session.run(ort::inputs![input.as_str() => value]).unwrap();
    outputs
        .iter()
        .map(|(_, output)| output.try_extract_tensor::<f32>().unwrap().1.to_vec())
        .collect()
}

fn assert_close(found: impl Iterator<Item = f32>, expected: &[f32]) {
    let found: Vec<f32> = found.collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-4, "{found} instead of {expected}");
    }
}

#[test]
fn landmarks_equal_those_of_the_reference_conversion() {
    // Soft blobs, channels last.
    let mut levels = Vec::new();
    for place in 0..256 * 256 * 3_usize {
        let (channel, x, y) = (place % 3, place / 3 % 256, place / 3 / 256);
        let distance = x.abs_diff(128).pow(2) + y.abs_diff(128).pow(2);
        levels.push((255 - distance / 160 - 20 * channel) as f32 / 255.0);
    }
    let found = outputs("face_landmarks.onnx", &[1, 256, 256, 3], levels);
    assert_eq!(found[0].len(), 478 * 3);
    let expected = [
        129.4951, -4.2315, 154.8212, 51.5208, 9.0966, 134.3067, 162.8649, 20.194, 98.8003, 153.313,
        13.0438,
    ];
    assert_close(found[0].iter().copied().step_by(143), &expected);
    assert_close(found[1].iter().copied(), &[-6.861_138_3]);
}

#[test]
fn blendshapes_equal_those_of_the_reference_conversion() {
    let points = (0..292_u32).map(|i| ((i * i * 7 + i * 13) % 211) as f32).collect();
    let found = outputs("face_blendshapes.onnx", &[1, 146, 2], points);
    assert_eq!(found[0].len(), 52);
    let expected = [
        0.000_121, 0.124_839, 0.000_036, 0.732_237, 0.764_489, 0.036_37, 0.003_431, 0.001_388,
        0.077_694, 0.052_7, 0.003_296, 0.027_397, 0.653_557,
    ];
    assert_close(found[0].iter().copied().step_by(4), &expected);
}

/// A cut or a changed byte of the tables gives an error or another model, never a panic.
#[test]
fn damaged_tflite_file_is_an_error() {
    let file = models().join("weights/packaged/face_blendshapes.onnx");
    let whole = fs::read(file).expect("make setup installs it");
    let convert = |bytes: &[u8]| rewrite::rewrite(bytes, &[RewriteStep::ConvertTflite]);
    assert!(onnx::decode(&convert(&whole).unwrap()).is_some());
    for length in [0, 3, 7, 8, 64, 4096, whole.len() / 2] {
        assert_eq!(convert(&whole[..length]), Err(RewriteError::NotTflite), "{length}");
    }
    // The tables and operators are at the end of the file, behind the weights.
    let mut changed = whole.clone();
    for place in (whole.len() - 40_000..whole.len()).step_by(2003) {
        changed[place] ^= 0x5a;
        let _may_be_either = convert(&changed);
        changed[place] = whole[place];
    }
    assert!(convert(b"<!DOCTYPE html>").is_err());
}
