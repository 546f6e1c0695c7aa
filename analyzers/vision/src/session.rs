//! Wrapper of ONNX Runtime: the only file that uses the `ort` crate.
//!
//! The runtime library is loaded once per plugin library. A session belongs to one caller. Buffers
//! are planned per input shape to save memory, and idle threads sleep instead of spinning.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::CPU;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;

use vultus_models::rewrite::rewrite;
use vultus_models::{Manifest, RewriteStep, TOLERANCE};

use crate::VisionError;

/// The list of the models, for the answers of those that are imported.
const MODELS: &str = include_str!("../../../models/models.toml");

/// Locations of runtime and weights, and the number of threads per inference.
#[derive(Debug, Clone)]
pub struct ModelOptions {
    /// The ONNX Runtime library; a bare file name is resolved by the system's loader.
    pub runtime: PathBuf,
    /// The folder with the weight files.
    pub weights: PathBuf,
    /// Threads per inference, at least 1.
    pub threads: usize,
}

/// An open model.
#[derive(Debug)]
pub struct Model {
    session: Session,
    file: String,
    input: String,
    output: String,
}

/// The outputs of one run, readable by name.
pub struct Outputs<'a> {
    values: SessionOutputs<'a>,
    file: &'a str,
}

impl Model {
    /// Opens the weight file `file` in the weights folder. Buffers are planned for the input size.
    pub fn open(options: &ModelOptions, file: &str) -> Result<Self, VisionError> {
        Self::open_with(options, file, Buffers::Planned)
    }

    /// Opens a model whose input size varies: buffers are kept between runs but not planned for a
    /// size.
    pub fn open_for_many_sizes(options: &ModelOptions, file: &str) -> Result<Self, VisionError> {
        Self::open_with(options, file, Buffers::Kept)
    }

    /// Opens a large model that runs rarely, on pictures of many sizes: buffers are freed after
    /// each run.
    pub fn open_large(options: &ModelOptions, file: &str) -> Result<Self, VisionError> {
        Self::open_with(options, file, Buffers::Freed)
    }

    /// Opens the optional model `file` that the operator imported; `None` if it is not there. It is
    /// checked by its answers, because its bytes are not known in advance.
    ///
    /// The file stays as it is, so that its checksum in a verdict is that of the imported file. The
    /// PReLUs, which take half of the time, are split in memory.
    pub fn open_imported(options: &ModelOptions, file: &str) -> Result<Option<Self>, VisionError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| VisionError::Open {
            file: file.to_owned(),
            source,
        };
        let bytes = match std::fs::read(options.weights.join(file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        };
        let listed = Manifest::imported_models(MODELS);
        let listed = listed.iter().find(|listed| listed.file == file);
        let listed = listed.ok_or_else(|| failed("models.toml does not list it".into()))?;
        // What the rewrite does not understand runs as it is, only slower.
        let bytes = rewrite(&bytes, &[RewriteStep::SplitPrelu]).unwrap_or(bytes);
        let mut model = Self::open_from(options, file, Buffers::Planned, |mut builder| {
            builder.commit_from_memory(&bytes)
        })?;
        let mut outputs = Vec::new();
        for number in 0..listed.answers.len() {
            let answer = model.run(listed.input, &listed.question(number), |outputs| {
                Ok(outputs.only(0)?.to_vec())
            })?;
            outputs.push(answer);
        }
        let difference = listed.difference(&outputs);
        if difference > TOLERANCE {
            return Err(VisionError::Answers { file: file.to_owned(), difference });
        }
        Ok(Some(model))
    }

    fn open_with(
        options: &ModelOptions,
        file: &str,
        buffers: Buffers,
    ) -> Result<Self, VisionError> {
        let path = options.weights.join(file);
        Self::open_from(options, file, buffers, |mut builder| builder.commit_from_file(path))
    }

    fn open_from(
        options: &ModelOptions,
        file: &str,
        buffers: Buffers,
        commit: impl FnOnce(SessionBuilder) -> ort::Result<Session>,
    ) -> Result<Self, VisionError> {
        let environment = environment(&options.runtime)?;
        let session = build(environment, options.threads.max(1), buffers)
            .and_then(commit)
            .map_err(|source| VisionError::Open {
                file: file.to_owned(),
                source: source.to_string().into(),
            })?;
        let input =
            session.inputs().first().map(|input| input.name().to_owned()).ok_or_else(|| {
                VisionError::Open { file: file.to_owned(), source: "the model has no input".into() }
            })?;
        let output =
            session.outputs().first().map(|output| output.name().to_owned()).ok_or_else(|| {
                VisionError::Open {
                    file: file.to_owned(),
                    source: "the model has no output".into(),
                }
            })?;
        Ok(Self { session, file: file.to_owned(), input, output })
    }

    /// Name of the first output.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// The custom metadata entry `key` of the model file.
    pub fn note(&self, key: &str) -> Option<String> {
        self.session.metadata().ok()?.custom(key)
    }

    /// Runs the model on `data` as a tensor of `shape`, outermost axis first, and passes the
    /// outputs to `read`.
    pub fn run<T, const AXES: usize>(
        &mut self,
        shape: [usize; AXES],
        data: &[f32],
        read: impl FnOnce(&Outputs<'_>) -> Result<T, VisionError>,
    ) -> Result<T, VisionError> {
        let refused = |file: &str, error: ort::Error| VisionError::Run {
            file: file.to_owned(),
            source: error.to_string().into(),
        };
        let tensor =
            TensorRef::from_array_view((shape, data)).map_err(|e| refused(&self.file, e))?;
        let values = self
            .session
            .run(ort::inputs![self.input.as_str() => tensor])
            .map_err(|e| refused(&self.file, e))?;
        read(&Outputs { values, file: &self.file })
    }
}

impl Outputs<'_> {
    /// The values of output `name`; [`VisionError::Output`] if there are fewer than `length`.
    pub fn read(&self, name: &str, length: usize) -> Result<&[f32], VisionError> {
        let values = self
            .values
            .get(name)
            .and_then(|value| value.try_extract_tensor::<f32>().ok())
            .map(|(_, values)| values)
            .filter(|values| values.len() >= length);
        values.ok_or_else(|| self.unusable(name))
    }

    /// Like [`Outputs::read`], for models with a single output whose name is meaningless.
    pub fn only(&self, length: usize) -> Result<&[f32], VisionError> {
        let name = self.values.keys().next().unwrap_or_default().to_owned();
        self.read(&name, length)
    }

    /// The error for output `name` with invalid values.
    pub fn unusable(&self, name: &str) -> VisionError {
        VisionError::Output { file: self.file.to_owned(), output: name.to_owned() }
    }
}

/// Handling of buffers between two runs of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buffers {
    /// Kept as one block per input size.
    Planned,
    /// Kept in the allocator's arena.
    Kept,
    /// Freed.
    Freed,
}

fn build(
    environment: &Environment,
    threads: usize,
    buffers: Buffers,
) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(buffers == Buffers::Planned)?
        .with_execution_providers([CPU::default()
            .with_arena_allocator(buffers != Buffers::Freed)
            .build()])?;
    Ok(builder)
}

/// The runtime, loaded by the first call and never unloaded.
fn environment(path: &Path) -> Result<&'static Environment, VisionError> {
    static OPENED: OnceLock<Environment> = OnceLock::new();
    static OPENING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = OPENED.get() {
        return Ok(environment);
    }
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| VisionError::Runtime {
        path: path.display().to_string(),
        source,
    };
    let environment = ort::init_from(path)
        .map_err(|e| failed(e.to_string().into()))?
        .with_name("vultus")
        .with_telemetry(false)
        .build()
        .map_err(|e| failed(e.to_string().into()))?;
    Ok(OPENED.get_or_init(|| environment))
}
