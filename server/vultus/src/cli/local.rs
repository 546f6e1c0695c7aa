//! Judges local files in temporary workers: no store, no queue, nothing written.

use super::operate::{block_on, load};
use super::outcome::CommandError;
use crate::app;
use std::io::Read;
use std::path::{Path, PathBuf};
use vultus_core::clock::Clock;
use vultus_core::fair::Owner;
use vultus_pools::WorkerPools;
use vultus_service::{AnalysisRequest, CheckedAnalysis, Checker, NewMedium, UploadedFile};

/// A file with its tags.
#[derive(Debug, Clone)]
pub(super) struct LocalMedium {
    pub(super) path: PathBuf,
    pub(super) tags: Vec<String>,
}

/// Workers, with the rules of the configured analyzers.
pub(super) struct LocalChecker {
    checker: Checker,
    workers: usize,
}

impl LocalChecker {
    /// Starts workers, passes a checker to `work`, and stops the workers, also after an error.
    pub(super) fn with<T>(
        config: Option<&Path>,
        work: impl AsyncFnOnce(&Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let config = load(config)?;
        let starting =
            |error: &dyn std::error::Error| CommandError::because("starting the workers", error);
        let pools_config = app::pools_config(&config).map_err(|error| starting(&error))?;
        let workers = pools_config.workers;
        block_on(async {
            let pools = WorkerPools::start(pools_config).await.map_err(|error| starting(&error))?;
            let done =
                match Checker::new(pools.clone(), app::checker_options(&config), Clock::system()) {
                    Ok(checker) => work(&Self { checker, workers }).await,
                    Err(error) => Err(starting(&error)),
                };
            pools.shutdown().await;
            done
        })
    }

    /// Number of concurrent runs.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// Judges files together.
    pub(super) async fn check(
        &self,
        media: Vec<LocalMedium>,
        analyses: Vec<AnalysisRequest>,
    ) -> vultus_core::Result<Vec<CheckedAnalysis>> {
        let mut new_media = Vec::new();
        for (index, LocalMedium { path, tags }) in media.into_iter().enumerate() {
            let argument = format!("media[{index}]");
            let file = UploadedFile::local(&path).map_err(|error| {
                vultus_core::Error::invalid(&argument, format!("the file cannot be read: {error}"))
            })?;
            new_media.push(NewMedium { key: None, file, tags, metadata: None, argument });
        }
        self.checker.check(Owner::COMMAND_LINE, new_media, analyses).await
    }
}

/// Whether a file is a still picture, by its first bytes. Only chooses the tags of `--selfie`.
pub(super) fn is_photo(path: &Path) -> Result<bool, CommandError> {
    let reading = |error| CommandError::because(&format!("reading {}", path.display()), &error);
    let mut head = [0; 12];
    let mut file = std::fs::File::open(path).map_err(reading)?;
    let mut filled = 0;
    while filled < head.len() {
        match file.read(&mut head[filled..]).map_err(reading)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(vultus_core::media::begins_as_picture(&head))
}
