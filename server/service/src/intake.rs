//! New media: tags and metadata are validated, then a worker examines the bytes. Both happen before
//! anything is committed.

use crate::checker::Checker;
use crate::errors::{of_blob, of_probe};
use crate::request::{checked_object, checked_tags};
use crate::types::NewMedium;
use crate::uploads::UploadedFile;
use futures::future::join_all;
use std::collections::HashSet;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;
use vultus_blobs::keys::FolderKey;
use vultus_blobs::{BlobStore, SpooledBlob};
use vultus_core::fair::Owner;
use vultus_core::media::begins_as_picture;
use vultus_core::{Error, FolderId, JsonText, MediaId, MediaKind, Medium, Result, Tag};
use vultus_pools::{Probed, ProbedFrame};

/// A medium with what an analysis must know before its run.
pub(crate) struct IdentifiedMedium {
    pub(crate) key: Option<String>,
    pub(crate) file: UploadedFile,
    pub(crate) tags: Vec<Tag>,
    pub(crate) kind: MediaKind,
}

/// A medium whose bytes are valid. It is not committed yet.
pub(crate) struct ExaminedMedium {
    pub(crate) identified: IdentifiedMedium,
    metadata: JsonText,
    probed: Probed,
    thumbnail: Option<SpooledBlob>,
}

/// The storage that examined media are spooled for, and the key of their folder.
#[derive(Clone, Copy)]
pub(crate) struct SpoolFor<'a> {
    pub(crate) blobs: &'a BlobStore,
    pub(crate) key: &'a Arc<FolderKey>,
}

/// A medium whose tags and metadata are valid. Its bytes are not examined yet.
#[derive(Clone)]
pub(crate) struct ValidatedMedium {
    medium: NewMedium,
    tags: Vec<Tag>,
    metadata: JsonText,
}

impl Checker {
    /// Examines all media concurrently; returns the first error in the order of the request. With
    /// `folder`, files and thumbnails are encrypted and written to the spool at the same time.
    pub(crate) async fn examine(
        &self,
        owner: Owner,
        media: Vec<ValidatedMedium>,
        folder: Option<SpoolFor<'_>>,
    ) -> Result<Vec<ExaminedMedium>> {
        join_all(media.into_iter().map(|medium| self.examine_one(owner, medium, folder)))
            .await
            .into_iter()
            .collect()
    }

    /// Finds the kinds of media. A still picture is recognized by its first bytes and not examined:
    /// an instant check stores nothing, and its run finds out whether the picture can be read.
    pub(crate) async fn identify(
        &self,
        owner: Owner,
        media: &[ValidatedMedium],
    ) -> Result<Vec<IdentifiedMedium>> {
        let identified = media.iter().map(|medium| self.identify_one(owner, medium));
        join_all(identified).await.into_iter().collect()
    }

    async fn identify_one(
        &self,
        owner: Owner,
        validated: &ValidatedMedium,
    ) -> Result<IdentifiedMedium> {
        if !begins_as_picture(&validated.medium.file.first_bytes()?) {
            return Ok(self.examine_one(owner, validated.clone(), None).await?.identified);
        }
        let medium = validated.medium.clone();
        Ok(IdentifiedMedium {
            key: medium.key,
            file: medium.file,
            tags: validated.tags.clone(),
            kind: MediaKind::Image,
        })
    }

    /// Validates all that does not need the bytes.
    pub(crate) fn validated_media(&self, media: Vec<NewMedium>) -> Result<Vec<ValidatedMedium>> {
        let limits = &self.limits;
        if media.len() > limits.media_per_request {
            return Err(Error::LimitExceeded {
                argument: Some("input.media".to_owned()),
                message: format!("a request holds at most {} media", limits.media_per_request),
                reason: Some("TOO_MANY_MEDIA".to_owned()),
            });
        }
        unique_keys(&media)?;
        let mut validated = Vec::with_capacity(media.len());
        for medium in media {
            let tags = checked_tags(&medium.tags, &medium.argument)?;
            let argument = format!("{}.metadata", medium.argument);
            let metadata = checked_object(medium.metadata.as_ref(), &limits.json, &argument)?;
            validated.push(ValidatedMedium { medium, tags, metadata });
        }
        Ok(validated)
    }

    /// Has a worker examine a file, when the owner gets a permit. As a task: a request that
    /// is not polled must not hold a permit, nor memory.
    async fn probe(&self, owner: Owner, file: UploadedFile, argument: String) -> Result<Probed> {
        let checker = self.clone();
        let probing = tokio::spawn(async move {
            let _permit = checker.examinations.take(owner).await?;
            let readable = file.readable(&checker.memory).await?;
            let (pools, company) = (&checker.pools, Some(owner.company));
            let probed = pools.probe(company, readable.descriptor()?, file.byte_size()).await;
            probed.map_err(|error| of_probe(error, argument))
        });
        let probed = AbortOnDropHandle::new(probing).await;
        probed.map_err(|error| Error::internal("examining a file", error))?
    }

    async fn examine_one(
        &self,
        owner: Owner,
        validated: ValidatedMedium,
        folder: Option<SpoolFor<'_>>,
    ) -> Result<ExaminedMedium> {
        let ValidatedMedium { medium, tags, metadata } = validated;
        let argument = format!("{}.file", medium.argument);
        let file = medium.file;
        if file.byte_size() == 0 {
            return Err(Error::InvalidInput {
                argument: Some(argument),
                message: "the file is empty".to_owned(),
                reason: Some("EMPTY_MEDIUM".to_owned()),
            });
        }
        // The disk writes while the worker examines, because most uploads are valid.
        let sealed = async {
            match (file.spooled(), folder) {
                (Some(spooled), Some(folder)) => {
                    spooled.write_ahead(folder.key.clone()).await.map_err(of_blob)
                }
                _ => Ok(()),
            }
        };
        let probed = self.probe(owner, file.clone(), argument);
        let (mut probed, ()) = tokio::try_join!(probed, sealed)?;
        let thumbnail = match (probed.thumbnail.take(), folder) {
            (Some(bytes), Some(folder)) => {
                Some(folder.blobs.spool_ahead(folder.key, bytes).await.map_err(of_blob)?)
            }
            _ => None,
        };
        let kind = probed.report.kind;
        let identified = IdentifiedMedium { key: medium.key, file, tags, kind };
        Ok(ExaminedMedium { identified, metadata, probed, thumbnail })
    }
}

/// The keys of the blobs of a medium.
pub(crate) fn blob_keys(medium: &Medium) -> impl Iterator<Item = String> {
    std::iter::once(medium.blob_key.clone()).chain(medium.thumbnail_key.clone())
}

impl ExaminedMedium {
    /// Takes the frame that the probe decoded.
    pub(crate) fn take_frame(&mut self) -> Option<ProbedFrame> {
        let report = self.probed.report.frame?;
        Some(ProbedFrame { report, pixels: self.probed.frame.take()? })
    }

    /// The file in the spool; `None` if it was uploaded to memory.
    pub(crate) fn spooled(&self) -> Option<&SpooledBlob> {
        self.identified.file.spooled()
    }

    pub(crate) fn thumbnail(&self) -> Option<&SpooledBlob> {
        self.thumbnail.as_ref()
    }

    /// The record of the medium with its blobs under these keys.
    pub(crate) fn stored(
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
            kind: self.identified.kind,
            tags: self.identified.tags.clone(),
            metadata: self.metadata.clone().into(),
            original_name: self.identified.file.file_name().map(str::to_owned),
            content_type: report.content_type.clone(),
            byte_size: self.identified.file.byte_size(),
            sha256: self.identified.file.sha256().to_owned(),
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
pub(crate) fn new_ids(count: usize) -> Vec<MediaId> {
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
            return Err(Error::invalid(
                argument(),
                "another medium of this request has the same key",
            ));
        }
    }
    Ok(())
}
