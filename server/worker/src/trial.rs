//! `vultus models import`: tries whether a plugin works with a folder of weights, in a process that
//! is locked in like a worker, because the weights come from outside.
//!
//! The request is that of `vultus plugin check`; the answer is one event.

use std::io;

use vultus_plugin_api::Config;
use vultus_plugin_host::Plugin;
use vultus_worker_protocol::conformance::{ConformanceEvent, ConformanceRequest};

use crate::conformance::{ConformanceError, read_request, tell};
use crate::sandbox;
use crate::weights::Weights;

/// The argument that starts the worker's executable for a trial.
pub const ARGUMENT: &str = "try";

/// Creates one instance of the request's last plugin.
///
/// # Errors
/// See [`ConformanceError`]. A plugin that does not work with the weights is not an error.
pub fn run() -> Result<(), ConformanceError> {
    let request = read_request(io::stdin())?;
    let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    sandbox::lock_in(&request.setup, parent)
        .map_err(|error| ConformanceError::Sandbox(error.to_string()))?;
    tell(&match create(&request) {
        Ok(opened) => opened,
        Err(detail) => ConformanceEvent::Failed { detail },
    })
}

fn create(request: &ConformanceRequest) -> Result<ConformanceEvent, String> {
    let setup = &request.setup;
    let file = setup.plugins.last().ok_or("there is no plugin to try")?;
    let plugin = Plugin::open(std::path::Path::new(&file.path)).map_err(|e| e.to_string())?;
    let manifest = plugin.manifest();
    Weights::new(setup.weights_dir.as_deref())
        .verify(&manifest.weights)
        .map_err(|error| error.to_string())?;
    let config = Config {
        onnxruntime: setup.onnxruntime.clone(),
        weights_dir: setup.weights_dir.clone(),
        threads: setup.threads,
        settings: file.settings.as_object().cloned().unwrap_or_default(),
    };
    plugin.create(&config).map_err(|failure| failure.message)?;
    let (id, version) = (manifest.id.clone(), manifest.version.clone());
    Ok(ConformanceEvent::Opened { id, version, sha256: plugin.file_sha256().to_owned() })
}
