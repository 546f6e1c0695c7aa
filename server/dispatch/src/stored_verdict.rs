//! Converts a verdict to the form that the store keeps.

use futures::future::try_join_all;
use std::sync::Arc;
use uuid::Uuid;
use vultus_blobs::keys::FolderKey;
use vultus_blobs::{BlobError, BlobStore, StoredBlob};
use vultus_core::{Analysis, Artifact, ArtifactId, Provenance, Reason};
use vultus_plugin_api::outcome;
use vultus_pools::verdict::{ArtifactFile, Verdict};
use vultus_store::AnalysisResult;

/// Writes the artifacts of a verdict, encrypted for its folder.
pub(crate) async fn write_artifacts(
    verdict: &Verdict,
    analysis: &Analysis,
    folder: &Arc<FolderKey>,
    blobs: &BlobStore,
) -> Result<Vec<Artifact>, BlobError> {
    let spooled = try_join_all(
        verdict.artifacts.iter().map(|file| blobs.spool_ahead(folder, file.bytes.clone())),
    )
    .await?;
    let stored = blobs.commit_all(&spooled.iter().collect::<Vec<_>>(), folder).await?;
    let artifact = |(file, blob): (&ArtifactFile, StoredBlob)| Artifact {
        id: ArtifactId(Uuid::now_v7()),
        analysis_id: analysis.id,
        name: file.name.clone(),
        content_type: file.content_type.clone(),
        byte_size: file.bytes.len() as u64,
        sha256: blob.sha256().to_owned(),
        blob_key: blob.key().to_owned(),
    };
    Ok(verdict.artifacts.iter().zip(stored).map(artifact).collect())
}

/// The verdict in the form that the store keeps. Its reasons refer to media by id.
pub(crate) fn finished(
    verdict: &Verdict,
    analysis: &Analysis,
    artifacts: Vec<Artifact>,
) -> AnalysisResult {
    let reason = |reason: &outcome::Reason| Reason {
        code: reason.code.clone(),
        message: reason.message.clone(),
        media_id: reason
            .medium
            .and_then(|index| analysis.media.get(index as usize))
            .map(|taken| taken.media_id),
        frame: reason.frame,
    };
    AnalysisResult::Finished {
        resolution: verdict.resolution,
        reasons: verdict.reasons.iter().map(reason).collect(),
        result: verdict.result.clone(),
        provenance: Provenance {
            parameter_sources: analysis.provenance.parameter_sources.clone(),
            ..verdict.provenance.clone()
        },
        artifacts,
    }
}
