//! Judging local files in workers of this command's own: no store, no queue, nothing written.

use super::CommandError;
use super::operate::{block_on, load};
use crate::app;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use vultus_core::clock::Clock;
use vultus_pools::WorkerPools;
use vultus_service::{AnalysisRequest, CheckedAnalysis, Checker, NewMedium, UploadedFile};

/// A file with its tags.
#[derive(Debug, Clone)]
pub(super) struct LocalMedium {
    pub(super) path: PathBuf,
    pub(super) tags: Vec<String>,
}

/// Workers and the rules of the configured analyzers.
pub(super) struct LocalChecker {
    checker: Checker,
    workers: usize,
}

impl LocalChecker {
    /// Starts workers, hands a checker to `work`, and ends the workers whatever came out.
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

    /// How many runs go on at the same time.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// Judges files at once.
    pub(super) async fn check(
        &self,
        media: Vec<LocalMedium>,
        analyses: Vec<AnalysisRequest>,
    ) -> vultus_core::Result<Vec<CheckedAnalysis>> {
        let new_medium = |(index, medium): (usize, LocalMedium)| {
            let argument = format!("media[{index}]");
            let file = UploadedFile::local(&medium.path).map_err(|error| {
                vultus_core::Error::invalid(&argument, format!("it cannot be read: {error}"))
            })?;
            Ok(NewMedium { key: None, file, tags: medium.tags, metadata: Value::Null, argument })
        };
        let media = media
            .into_iter()
            .enumerate()
            .map(new_medium)
            .collect::<vultus_core::Result<Vec<_>>>()?;
        self.checker.check(media, analyses).await
    }
}

/// Whether a file is a still picture, by its first bytes: only to choose the tags of `--selfie`.
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
    let is_webp = head.starts_with(b"RIFF") && head.ends_with(b"WEBP");
    Ok(is_webp || head.starts_with(&[0xff, 0xd8]) || head.starts_with(b"\x89PNG"))
}
