//! What can go wrong between pixels and a model's answer. None of it tells anything about a person.

/// A fault of the runtime, of a weight file or of the caller's pixels.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// The ONNX Runtime library could not be loaded.
    #[error("cannot load ONNX Runtime from {path}")]
    Runtime {
        /// Where it was looked for.
        path: String,
        /// What the loader said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A weight file could not be opened as a model.
    #[error("cannot open the model {file}")]
    Open {
        /// The weight file.
        file: String,
        /// What the runtime said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model refused to run.
    #[error("cannot run the model {file}")]
    Run {
        /// The weight file.
        file: String,
        /// What the runtime said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model has not the outputs that its task needs: another model under the same file name.
    #[error("the model {file} has no usable output {output}")]
    Output {
        /// The weight file.
        file: String,
        /// The output that is missing, too short or not made of finite numbers.
        output: String,
    },
    /// The caller's pixel buffer does not hold what its size promises.
    #[error("a picture of {width}x{height} does not fit its {length} bytes")]
    Pixels {
        /// Promised width in pixels.
        width: u32,
        /// Promised height in pixels.
        height: u32,
        /// Bytes there are.
        length: usize,
    },
    /// Five landmarks that lie in one point cannot be aligned.
    #[error("the landmarks of the face are degenerate")]
    Landmarks,
    /// The operator named no weight folder.
    #[error("no weights_dir is configured for a plugin that needs models")]
    NoWeights,
}
