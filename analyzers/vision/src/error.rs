//! Errors of models and pixel buffers. They contain no personal data.

/// A failure of the runtime, of a weight file or of the caller's pixel buffer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// The ONNX Runtime library could not be loaded.
    #[error("cannot load ONNX Runtime from {path}")]
    Runtime {
        /// Path that was tried.
        path: String,
        /// Error of the loader.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A weight file could not be opened as a model.
    #[error("cannot open the model {file}")]
    Open {
        /// The weight file.
        file: String,
        /// Error of the runtime.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model failed to run.
    #[error("cannot run the model {file}")]
    Run {
        /// The weight file.
        file: String,
        /// Error of the runtime.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model lacks an output or its values are invalid: probably another model under the same
    /// file name.
    #[error("the output {output} of the model {file} is missing or invalid")]
    Output {
        /// The weight file.
        file: String,
        /// The output that is missing, too short or contains numbers that are not finite.
        output: String,
    },
    /// An imported model is not the one that it should be.
    #[error(
        "{file} is another model, or an inexact export: its outputs for the inputs of models.toml \
         differ from the listed ones by up to {difference}"
    )]
    Answers {
        /// The weight file.
        file: String,
        /// Largest difference; infinite if the number of outputs is another one.
        difference: f32,
    },
    /// The caller's pixel buffer is too small for the stated size.
    #[error("a pixel buffer of {length} bytes is too small for a picture of {width}x{height}")]
    Pixels {
        /// Stated width in pixels.
        width: u32,
        /// Stated height in pixels.
        height: u32,
        /// Size of the buffer in bytes.
        length: usize,
    },
    /// The five landmarks coincide, so that the face cannot be aligned.
    #[error("the landmarks of the face are degenerate")]
    Landmarks,
    /// No weights folder is configured.
    #[error("weights_dir is not configured, but the plugin needs models")]
    NoWeights,
}
