//! New media: tags and metadata checked, the bytes examined by a worker, and only then written for
//! good.

use super::Services;
use super::errors::{of_blob, of_probe};
use super::instant::Checker;
use super::request::{checked_metadata, checked_tags};
use super::types::{NewMedium, UploadedFile};
use futures::future::join_all;
use std::collections::HashSet;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;
use vultus_blobs::keys::FolderKey;
use vultus_blobs::{BlobStore, SpooledBlob};
use vultus_core::{Error, FolderId, MediaId, MediaKind, Medium, Result, Tag};
use vultus_pools::{Probed, ProbedFrame};

/// A medium of which is known what an analysis must know before its run.
pub(super) struct KnownMedium {
    pub(super) key: Option<String>,
    pub(super) file: UploadedFile,
    pub(super) tags: Vec<Tag>,
    pub(super) kind: MediaKind,
}

/// A medium whose bytes were found good, not yet written.
pub(super) struct ExaminedMedium {
    pub(super) known: KnownMedium,
    metadata: serde_json::Value,
    probed: Probed,
    thumbnail: Option<SpooledBlob>,
}

/// Whether a file begins as JPEG, PNG or WebP does.
fn is_still_picture(first: &[u8]) -> bool {
    let is_webp = first.starts_with(b"RIFF") && first.get(8..12) == Some(b"WEBP");
    is_webp || first.starts_with(b"\xff\xd8\xff") || first.starts_with(b"\x89PNG\r\n\x1a\n")
}

/// Where media are to be stored, and the key of their folder.
pub(super) type Place<'a> = (&'a BlobStore, &'a Arc<FolderKey>);

/// A medium whose tags and metadata are right; of its bytes nothing is known.
#[derive(Clone)]
pub(super) struct ReadyMedium {
    medium: NewMedium,
    tags: Vec<Tag>,
    metadata: serde_json::Value,
}

impl Checker {
    /// Examines all media, side by side. The first refusal in the order of the request is the
    /// answer. With the place and the key of the folder that they are for, they and their
    /// thumbnails are made safe on disk meanwhile.
    pub(super) async fn examine(
        &self,
        media: Vec<ReadyMedium>,
        folder: Option<Place<'_>>,
    ) -> Result<Vec<ExaminedMedium>> {
        join_all(media.into_iter().map(|medium| self.examine_one(medium, folder)))
            .await
            .into_iter()
            .collect()
    }

    /// What kinds of media these are. A still picture shows it in its first bytes, and is looked at
    /// no further: where nothing is stored, the run itself finds out whether it can be read.
    pub(super) async fn identify(&self, media: &[ReadyMedium]) -> Result<Vec<KnownMedium>> {
        join_all(media.iter().map(|medium| self.identify_one(medium))).await.into_iter().collect()
    }

    async fn identify_one(&self, ready: &ReadyMedium) -> Result<KnownMedium> {
        if !is_still_picture(&ready.medium.file.first_bytes()?) {
            return Ok(self.examine_one(ready.clone(), None).await?.known);
        }
        let medium = ready.medium.clone();
        Ok(KnownMedium {
            key: medium.key,
            file: medium.file,
            tags: ready.tags.clone(),
            kind: MediaKind::Image,
        })
    }

    /// Checks all that can be said without a look at the bytes.
    pub(super) fn ready(&self, media: Vec<NewMedium>) -> Result<Vec<ReadyMedium>> {
        let limits = &self.limits;
        if media.len() > limits.media_per_request {
            return Err(Error::LimitExceeded {
                argument: Some("input.media".to_owned()),
                message: format!("at most {} media in one request", limits.media_per_request),
                reason: Some("TOO_MANY_MEDIA".to_owned()),
            });
        }
        unique_keys(&media)?;
        let mut ready = Vec::with_capacity(media.len());
        for medium in media {
            let tags = checked_tags(&medium.tags, &medium.argument)?;
            let metadata = checked_metadata(
                &medium.metadata,
                limits.metadata_bytes,
                &format!("{}.metadata", medium.argument),
            )?;
            ready.push(ReadyMedium { medium, tags, metadata });
        }
        Ok(ready)
    }

    async fn examine_one(
        &self,
        ready: ReadyMedium,
        folder: Option<Place<'_>>,
    ) -> Result<ExaminedMedium> {
        let ReadyMedium { medium, tags, metadata } = ready;
        let argument = format!("{}.file", medium.argument);
        let file = medium.file;
        if file.byte_size() == 0 {
            return Err(Error::InvalidInput {
                argument: Some(argument),
                message: "the file is empty".to_owned(),
                reason: Some("EMPTY_MEDIUM".to_owned()),
            });
        }
        // The disk writes while the worker examines; most uploads are good.
        let sealed = async {
            match (file.spooled(), folder) {
                (Some(spooled), Some((_, folder))) => {
                    spooled.write_ahead(folder.clone()).await.map_err(of_blob)
                }
                _ => Ok(()),
            }
        };
        let probed = async {
            let readable = file.readable(&self.memory).await?;
            self.pools
                .probe(readable.descriptor()?, file.byte_size())
                .await
                .map_err(|error| of_probe(error, argument))
        };
        let (mut probed, ()) = tokio::try_join!(probed, sealed)?;
        let thumbnail = match (probed.thumbnail.take(), folder) {
            (Some(bytes), Some((blobs, folder))) => {
                Some(blobs.spool_ahead(folder, bytes).await.map_err(of_blob)?)
            }
            _ => None,
        };
        let kind = probed.report.kind;
        let known = KnownMedium { key: medium.key, file, tags, kind };
        Ok(ExaminedMedium { known, metadata, probed, thumbnail })
    }
}

impl Services {
    /// Writes the bytes and thumbnails under the folder's key, all at once. Where that fails,
    /// nothing stays.
    pub(super) async fn write_media(
        &self,
        examined: &[ExaminedMedium],
        ids: &[MediaId],
        folder: FolderId,
        key: &Arc<FolderKey>,
        now: OffsetDateTime,
    ) -> Result<Vec<Medium>> {
        let blobs = &self.inner.blobs;
        let uploads = examined.iter().map(|medium| medium.known.file.spooled());
        let uploads: Option<Vec<&SpooledBlob>> = uploads.collect();
        let uploads =
            uploads.ok_or_else(|| Error::broken("a medium of a folder was uploaded to memory"))?;
        let all: Vec<&SpooledBlob> = uploads
            .into_iter()
            .chain(examined.iter().filter_map(|medium| medium.thumbnail.as_ref()))
            .collect();
        let keys: Vec<String> = all.iter().map(|blob| key.blob_key(blob.sha256())).collect();
        if let Err(error) = blobs.commit_all(&all, key).await {
            self.delete_blobs(&keys).await;
            return Err(of_blob(error));
        }
        let (uploads, thumbnail_keys) = keys.split_at(examined.len());
        let mut thumbnail_keys = thumbnail_keys.iter().cloned();
        let media = examined.iter().zip(ids).zip(uploads);
        let stored = media.map(|((medium, &id), blob_key)| {
            let thumbnail_key = medium.thumbnail.as_ref().and_then(|_| thumbnail_keys.next());
            medium.stored(id, folder, blob_key.clone(), thumbnail_key, now)
        });
        Ok(stored.collect())
    }
}

/// The keys of the blobs of a medium.
pub(super) fn blob_keys(medium: &Medium) -> impl Iterator<Item = String> {
    std::iter::once(medium.blob_key.clone()).chain(medium.thumbnail_key.clone())
}

impl ExaminedMedium {
    /// The frame that the probe left, once.
    pub(super) fn take_frame(&mut self) -> Option<ProbedFrame> {
        let report = self.probed.report.frame?;
        Some(ProbedFrame { report, pixels: self.probed.frame.take()? })
    }

    fn stored(
        &self,
        id: MediaId,
        folder_id: FolderId,
        blob_key: String,
        thumbnail_key: Option<String>,
        now: OffsetDateTime,
    ) -> Medium {
        let report = &self.probed.report;
        Medium {
            id,
            folder_id,
            kind: self.known.kind,
            tags: self.known.tags.clone(),
            metadata: self.metadata.clone(),
            original_name: self.known.file.file_name().map(str::to_owned),
            content_type: report.content_type.clone(),
            byte_size: self.known.file.byte_size(),
            sha256: self.known.file.sha256().to_owned(),
            width: report.width,
            height: report.height,
            orientation_applied: report.orientation_applied,
            duration_us: report.duration_us,
            frame_count: report.frame_count,
            frame_rate: report.frame_rate,
            blob_key,
            thumbnail_key,
            created_at: now,
        }
    }
}

/// New ids, in the order of the media.
pub(super) fn new_ids(count: usize) -> Vec<MediaId> {
    (0..count).map(|_| MediaId(Uuid::now_v7())).collect()
}

fn unique_keys(media: &[NewMedium]) -> Result<()> {
    let mut seen = HashSet::new();
    for medium in media {
        let Some(key) = &medium.key else { continue };
        let argument = || format!("{}.key", medium.argument);
        if key.is_empty() || key.len() > 64 {
            return Err(Error::invalid(argument(), "must have 1 to 64 bytes"));
        }
        if !seen.insert(key.as_str()) {
            return Err(Error::invalid(argument(), "is the key of another medium of this request"));
        }
    }
    Ok(())
}
