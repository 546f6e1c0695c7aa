//! Between the plugin API and this crate: configuration to model options, frames to pixel views,
//! errors to failures, weight files to manifest entries.

use std::path::PathBuf;

use vultus_plugin_api::manifest::Weight;
use vultus_plugin_api::{Config, Failure, Frame, PixelFormat};

use crate::{Channels, ModelOptions, PixelView, VisionError};

/// Library name passed to the system's loader if no ONNX Runtime is configured.
const SYSTEM_RUNTIME: &str = "libonnxruntime.so";

/// The weight files of the built-in plugins: name, SHA-256, licence. The same values are in
/// `models/models.toml`, together with the origin of the files.
const WEIGHTS: [(&str, &str, &str); 12] = [
    (
        "face_landmarks.onnx",
        "6437951146df7844420fd76d4f6fb1545c7dc4aed91ac3d93fd57d4c78399c4c",
        "Apache-2.0",
    ),
    (
        "face_blendshapes.onnx",
        "e660664e92b823a4ecc5c53b17fece34f8bbcea04427959ea0deee815f1dbee0",
        "Apache-2.0",
    ),
    (
        "face_detection_yunet.onnx",
        "23dcab5fc1ac0c7f89075f8b7b22f301fde957af757d054e700720a7572a54be",
        "MIT",
    ),
    (
        "face_recognition_sface.onnx",
        "13fb5f429602e1ba6456507319c5b27167f9d93e41ba1c46bb0bd049fcb5bca9",
        "Apache-2.0",
    ),
    ("fr_feature.onnx", "97a14daaacdcc44a0822a0f03cbdade8d086862ca12e5f4179977823fc584bd2", "MIT"),
    ("fr_eye.onnx", "1afcea006abc1ccac3c517022abde0aa092bed74ff3c9fe6878483ef9e6e38de", "MIT"),
    ("fr_landmark.onnx", "f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258", "MIT"),
    ("fr_pose.onnx", "72d032ec941b7153bf8d3f2c03a4c165453cc7e63d479041ec7c6ef087e5839d", "MIT"),
    (
        "ppocr_v4_det.onnx",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
        "Apache-2.0",
    ),
    (
        "ppocr_v4_rec.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
        "Apache-2.0",
    ),
    (
        "ppocr_v2_cls.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
        "Apache-2.0",
    ),
    ("fr_liveness.onnx", "0484e01cc3cae5b5dedced4000e49c940b1771ef3209f9dadc05521533b0d3f1", "MIT"),
];

/// The manifest entry of a built-in weight file. Unknown files get an empty checksum, which the
/// host rejects.
pub fn weight(file: &str) -> Weight {
    let known = WEIGHTS.iter().find(|(name, _, _)| *name == file);
    let (sha256, license) = known.map_or(("", ""), |(_, sha256, license)| (*sha256, *license));
    Weight {
        file: file.to_owned(),
        sha256: sha256.to_owned(),
        license: license.to_owned(),
        optional: false,
    }
}

/// The manifest entry of an optional weight file that the operator imports. Any bytes are accepted,
/// because the model is checked by its answers.
pub fn imported_weight(file: &str) -> Weight {
    let license = "Apache-2.0".to_owned();
    Weight { file: file.to_owned(), sha256: String::new(), license, optional: true }
}

/// Converts the plugin configuration to model options. `UNAVAILABLE` without a weights folder.
pub fn options(config: &Config) -> Result<ModelOptions, Failure> {
    let weights = config.weights_dir.as_ref().ok_or_else(|| failure(VisionError::NoWeights))?;
    Ok(ModelOptions {
        runtime: PathBuf::from(config.onnxruntime.as_deref().unwrap_or(SYSTEM_RUNTIME)),
        weights: PathBuf::from(weights),
        threads: config.threads.max(1) as usize,
    })
}

/// The pixels of a frame as a view. `INTERNAL` if the buffer is too small for the frame's size.
pub fn view<'a>(frame: &Frame<'a>) -> Result<PixelView<'a>, Failure> {
    let channels = match frame.format() {
        PixelFormat::Rgb8 => Channels::Rgb,
        PixelFormat::Bgr8 => Channels::Bgr,
        PixelFormat::Gray8 => Channels::Gray,
    };
    let (width, height) = (frame.width(), frame.height());
    PixelView::new(frame.pixels(), width, height, frame.stride(), channels).map_err(failure)
}

/// Converts an error to a plugin failure whose message includes all sources. Missing files and
/// libraries are `UNAVAILABLE`, everything else is `INTERNAL`.
pub fn failure(error: VisionError) -> Failure {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    match error {
        VisionError::Runtime { .. }
        | VisionError::Open { .. }
        | VisionError::Answers { .. }
        | VisionError::NoWeights => Failure::unavailable(message),
        VisionError::Run { .. }
        | VisionError::Output { .. }
        | VisionError::Pixels { .. }
        | VisionError::Landmarks => Failure::internal(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_weights_match_the_model_list() {
        let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/models.toml");
        let list = std::fs::read_to_string(list).unwrap();
        for (file, sha256, _) in WEIGHTS {
            let entry = list.split("[[model]]").find(|e| e.contains(&format!("file = \"{file}\"")));
            assert!(entry.unwrap().contains(&format!("\nsha256 = \"{sha256}\"")), "{file}");
        }
    }

    #[test]
    fn missing_weights_folder_is_unavailable() {
        let config = Config {
            onnxruntime: None,
            weights_dir: None,
            threads: 1,
            settings: serde_json::Map::new(),
        };
        let status = options(&config).unwrap_err().status;
        assert_eq!(status, vultus_plugin_api::Status::Unavailable);
    }
}
