//! The installed models, for benchmarks that call them directly.

use vultus_tests::workspace_root;
use vultus_vision::ModelOptions;

/// Options of the installed models on one thread.
pub fn options() -> ModelOptions {
    let models = workspace_root().join("models");
    ModelOptions {
        runtime: models.join("runtime/libonnxruntime.so"),
        weights: models.join("weights"),
        threads: 1,
    }
}
