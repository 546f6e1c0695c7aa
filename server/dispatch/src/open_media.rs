//! The media of a run, decrypted into memory for a worker.

use super::run_context::{Abandoned, RunContext};
use futures::future::join_all;
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::time::Duration;
use vultus_blobs::keys::FolderKey;
use vultus_blobs::{BlobError, Reserved};
use vultus_core::{Analysis, MediaId, Medium};
use vultus_pools::ProbedFrame;
use vultus_worker_protocol::FrameReport;

/// Interval of heartbeats: three per lease.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(3);
/// Number of claims of a run after which a medium that cannot be opened counts as lost.
const MAX_CLAIMS: u64 = 6;

/// A medium whose bytes, or whose decoded frame, can be read.
pub(super) struct OpenMedium {
    pub(super) medium: Medium,
    /// Dimensions of the frame, if the descriptor is a frame that a probe has decoded.
    pub(super) frame: Option<FrameReport>,
}

/// The media of some analyses of a run, in memory.
pub(super) struct OpenMedia {
    pub(super) media: Vec<(OpenMedium, OwnedFd)>,
    /// Media that cannot be opened.
    pub(super) missing: HashSet<MediaId>,
    /// The memory of the decrypted bytes.
    pub(super) reserved: Reserved,
}

impl RunContext {
    /// Opens the media of some analyses: uses the frames that probes have left, and decrypts the
    /// other media into memory. Extends the lease meanwhile, because memory may be scarce and
    /// storage may be slow.
    pub(super) async fn open_media(&self, part: &[Analysis]) -> Result<OpenMedia, Abandoned> {
        let mut opening = std::pin::pin!(self.decrypt_media(part));
        let mut heartbeat =
            tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        loop {
            tokio::select! {
                opened = &mut opening => return opened,
                _ = heartbeat.tick() => self.keep_lease().await?,
            }
        }
    }

    async fn decrypt_media(&self, part: &[Analysis]) -> Result<OpenMedia, Abandoned> {
        let taken: HashSet<MediaId> =
            part.iter().flat_map(|analysis| &analysis.media).map(|taken| taken.media_id).collect();
        let wanted: Vec<&Medium> =
            self.run.media.iter().filter(|medium| taken.contains(&medium.id)).collect();
        let known: HashSet<MediaId> = wanted.iter().map(|medium| medium.id).collect();
        let frames: Vec<Option<ProbedFrame>> =
            wanted.iter().map(|medium| self.dispatch.pools.frames().take(medium.id)).collect();
        let encrypted = wanted.iter().zip(&frames).filter(|(_, frame)| frame.is_none());
        let encrypted_bytes = encrypted.map(|(medium, _)| medium.byte_size).sum();
        let mut open = OpenMedia {
            reserved: self.dispatch.memory.reserve(encrypted_bytes).await,
            media: Vec::new(),
            missing: taken.difference(&known).copied().collect(),
        };
        let folder = self.folder_key().await?;
        let opened = join_all(wanted.into_iter().zip(frames).map(async |(medium, frame)| {
            let opened = match frame {
                Some(ProbedFrame { report, pixels }) => Ok((Some(report), pixels)),
                None => self.plain_of(medium, &folder).await.map(|plain| (None, plain)),
            };
            (medium, opened)
        }));
        for (medium, opened) in opened.await {
            match opened {
                Ok((frame, descriptor)) => {
                    open.media.push((OpenMedium { medium: medium.clone(), frame }, descriptor));
                }
                Err(error) if self.is_lost(medium.id, &error) => {
                    open.missing.insert(medium.id);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(open)
    }

    async fn plain_of(&self, medium: &Medium, folder: &FolderKey) -> Result<OwnedFd, BlobError> {
        let plain = self.dispatch.blobs.open(&medium.blob_key, folder).await?.plain().await?;
        plain.descriptor()
    }

    /// Whether an error means that the medium is lost. If not, the run is tried again.
    fn is_lost(&self, medium: MediaId, error: &BlobError) -> bool {
        let source = error as &dyn std::error::Error;
        match error {
            BlobError::NotFound => true,
            BlobError::Damaged(_) => {
                tracing::error!(%medium, error = source, "decrypting a medium failed");
                true
            }
            BlobError::Internal { .. } if self.run.token.fence >= MAX_CLAIMS => {
                tracing::error!(%medium, error = source, "opening a medium failed repeatedly");
                true
            }
            BlobError::TooLarge { .. } | BlobError::Unavailable(_) | BlobError::Internal { .. } => {
                false
            }
        }
    }
}
