//! The seam to ONNX Runtime: the only file that names the `ort` crate.
//!
//! The runtime library is opened once per plugin library. A session belongs to one caller; memory
//! is kept small by planning buffers per input shape, and idle threads sleep instead of spinning.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::CPU;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;

use crate::VisionError;

/// Where runtime and weights are, and how many threads an inference may use.
#[derive(Debug, Clone)]
pub struct ModelOptions {
    /// The ONNX Runtime library; a bare file name is searched by the system's loader.
    pub runtime: PathBuf,
    /// The folder with the weight files.
    pub weights: PathBuf,
    /// Threads of one inference, at least 1.
    pub threads: usize,
}

/// A model ready to run.
#[derive(Debug)]
pub struct Model {
    session: Session,
    file: String,
    input: String,
    output: String,
}

/// The answer of one run, readable by output name.
pub struct Outputs<'a> {
    values: SessionOutputs<'a>,
    file: &'a str,
}

impl Model {
    /// Opens the weight file `file` in the weights folder.
    pub fn open(options: &ModelOptions, file: &str) -> Result<Self, VisionError> {
        Self::open_with(options, file, Buffers::Planned)
    }

    /// The same for a model whose input differs in size from run to run: its buffers are kept, but
    /// none is planned for a size.
    pub fn open_for_many_sizes(options: &ModelOptions, file: &str) -> Result<Self, VisionError> {
        Self::open_with(options, file, Buffers::Kept)
    }

    /// The same for a large model that is run seldom, on pictures of many sizes: its buffers are
    /// given back after each run.
    pub fn open_large(options: &ModelOptions, file: &str) -> Result<Self, VisionError> {
        Self::open_with(options, file, Buffers::GivenBack)
    }

    fn open_with(
        options: &ModelOptions,
        file: &str,
        buffers: Buffers,
    ) -> Result<Self, VisionError> {
        let environment = environment(&options.runtime)?;
        let path = options.weights.join(file);
        let session =
            build(environment, &path, options.threads.max(1), buffers).map_err(|source| {
                VisionError::Open { file: file.to_owned(), source: source.to_string().into() }
            })?;
        let input =
            session.inputs().first().map(|input| input.name().to_owned()).ok_or_else(|| {
                VisionError::Open { file: file.to_owned(), source: "it has no input".into() }
            })?;
        let output =
            session.outputs().first().map(|output| output.name().to_owned()).ok_or_else(|| {
                VisionError::Open { file: file.to_owned(), source: "it has no output".into() }
            })?;
        Ok(Self { session, file: file.to_owned(), input, output })
    }

    /// Name of the first output.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// What the model's makers noted in the file under `key`.
    pub fn note(&self, key: &str) -> Option<String> {
        self.session.metadata().ok()?.custom(key)
    }

    /// Runs the model on one tensor and hands its outputs to `read`.
    pub fn run<T>(
        &mut self,
        shape: [usize; 4],
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
    /// The values of output `name`, which must be at least `length`.
    pub fn read(&self, name: &str, length: usize) -> Result<&[f32], VisionError> {
        let values = self
            .values
            .get(name)
            .and_then(|value| value.try_extract_tensor::<f32>().ok())
            .map(|(_, values)| values)
            .filter(|values| values.len() >= length);
        values.ok_or_else(|| self.unusable(name))
    }

    /// The values of the only output, which must be at least `length`: for models whose output has
    /// no telling name.
    pub fn only(&self, length: usize) -> Result<&[f32], VisionError> {
        let name = self.values.keys().next().unwrap_or_default().to_owned();
        self.read(&name, length)
    }

    /// The error that says that output `name` makes no sense.
    pub fn unusable(&self, name: &str) -> VisionError {
        VisionError::Output { file: self.file.to_owned(), output: name.to_owned() }
    }
}

/// What a session does with its buffers between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buffers {
    /// Kept, as one block for each size of input.
    Planned,
    Kept,
    GivenBack,
}

fn build(
    environment: &Environment,
    path: &Path,
    threads: usize,
    buffers: Buffers,
) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(buffers == Buffers::Planned)?
        .with_execution_providers([CPU::default()
            .with_arena_allocator(buffers != Buffers::GivenBack)
            .build()])?
        .commit_from_file(path)
}

/// The runtime, opened at the first call and never closed.
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
