//! Signed, expiring links to files. Anyone who has a link may read the file with the rights of the
//! session or API key that it was made with, until the link expires or that one ends.

use crate::accounts::Accounts;
use crate::audit::{Audit, Caller, of_company};
use crate::errors::{of_blob, stored};
use crate::media_files::MediaFiles;
use crate::types::{Download, OpenDownload};
use futures::TryStreamExt;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use vultus_auth::policy::{self, Action};
use vultus_blobs::{BlobError, OpenBlob};
use vultus_core::clock::Clock;
use vultus_core::credentials::Credential;
use vultus_core::fair::{FairPermit, FairPermits, Share, Tenant};
use vultus_core::{
    Analysis, AnalysisId, Artifact, CompanyId, Error, FolderId, MediaId, Principal, Result,
};
use vultus_store::audit::{AuditAction, AuditObject, Facts, NewEntry, Origin};
use vultus_store::{Scope, Selection, Store};

/// Maximum lifetime of a link.
pub const MAX_LINK_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Time after which a client should retry when too many files are sent at once.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Types that are sent with their own content type, and the extension of the file name. All others
/// are sent as `application/octet-stream`.
const SAFE_TYPES: [(&str, &str); 12] = [
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/webp", "webp"),
    ("image/heic", "heic"),
    ("image/avif", "avif"),
    ("video/mp4", "mp4"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
    ("video/x-matroska", "mkv"),
    ("application/zip", "zip"),
    ("application/json", "json"),
    ("text/plain", "txt"),
];

/// The parts of a link to a file, as a client sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadLink {
    /// `medium`, `thumbnail` or `artifact`.
    pub kind: String,
    /// Which one.
    pub id: String,
    /// End of the link's life, in seconds of Unix time.
    pub expires: i64,
    /// The session or the API key that it was made with.
    pub by: String,
    /// The signature over the other parts.
    pub signature: String,
}

/// The part that signs links and opens the files that they lead to.
pub(crate) struct Downloads {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) audit: Audit,
    pub(crate) files: MediaFiles,
    pub(crate) link_key: SecretSlice<u8>,
    pub(crate) clock: Clock,
    /// Files that are sent at the same time. A link names no user, so companies share them.
    pub(crate) permits: FairPermits<Tenant>,
    /// Share of a company in the permits.
    pub(crate) share: Share,
}

/// The stored file that a link leads to.
struct LinkedFile {
    folder: FolderId,
    blob_key: String,
    content_type: String,
    stem: String,
    sha256: Option<String>,
    /// What the audit log tells about a read of it.
    action: AuditAction,
    object: AuditObject,
    facts: Facts,
}

impl Downloads {
    /// Path and query of a link.
    pub(crate) fn signed_path(
        &self,
        caller: &Principal,
        what: &Download,
        valid_for: Duration,
    ) -> Result<String> {
        let by = caller.credential();
        let by = by.ok_or_else(|| Error::broken("a link needs a credential"))?;
        let (kind, id) = match what {
            Download::Medium(id) => ("medium", id.to_string()),
            Download::Thumbnail(id) => ("thumbnail", id.to_string()),
            Download::Artifact(id, name) => ("artifact", format!("{id}:{name}")),
        };
        let expires = (self.clock.now() + valid_for.min(MAX_LINK_LIFETIME)).unix_timestamp();
        let mac = self.link_mac(kind, &id, expires, by);
        let signature = hex::encode(mac.finalize().into_bytes());
        Ok(format!("/media/{kind}/{id}?expires={expires}&by={by}&signature={signature}"))
    }

    pub(crate) async fn open_download(
        &self,
        accounts: &Accounts,
        link: &DownloadLink,
        origin: Option<Origin>,
    ) -> Result<OpenDownload> {
        let DownloadLink { kind, id, expires, by, signature } = link;
        let refused = || Error::Forbidden("the link is not valid or has expired".to_owned());
        let signature = hex::decode(signature).map_err(|_| refused())?;
        let by: Credential = by.parse().map_err(|_| refused())?;
        // Constant time: does not tell how many leading bytes are right.
        let mac = self.link_mac(kind, id, *expires, by);
        mac.verify_slice(&signature).map_err(|_| refused())?;
        if *expires <= self.clock.now().unix_timestamp() {
            return Err(refused());
        }
        let principal = match accounts.principal_of(by).await {
            Err(Error::Unauthenticated(_) | Error::TokenRefused { .. }) => return Err(refused()),
            other => other?,
        };
        let scope = policy::authorize(&principal, Action::ViewFolder)?;
        let found = self
            .find_download(scope, kind, id)
            .await?
            .ok_or(Error::NotFound { what: "medium", argument: None })?;
        let (company, blob, permit) = self.open_blob(&found).await?;
        let caller = Caller::new(&principal, origin);
        if caller.person().is_some() {
            let entry = NewEntry {
                object: Some(found.object),
                after: found.facts.clone(),
                ..self.audit.entry(&caller, found.action, of_company(company))
            };
            self.audit.record_once(vec![entry]).await?;
        }
        let safe = SAFE_TYPES.iter().find(|(safe, _)| *safe == found.content_type);
        let (content_type, extension) =
            safe.copied().unwrap_or(("application/octet-stream", "bin"));
        Ok(OpenDownload {
            byte_size: blob.byte_size(),
            bytes: Box::new(|range| {
                let pieces = blob.range(range).map_err(io::Error::other);
                // Held until the last byte is sent or the client is given up.
                Box::pin(pieces.inspect_ok(move |_| {
                    let _held = &permit;
                }))
            }),
            content_type: content_type.to_owned(),
            file_name: format!("{}.{extension}", found.stem),
            sha256: found.sha256,
        })
    }

    async fn open_blob(
        &self,
        found: &LinkedFile,
    ) -> Result<(CompanyId, OpenBlob, FairPermit<Tenant>)> {
        // Erased after the lookup.
        let gone = || Error::NotFound { what: "medium", argument: None };
        let folder = found.folder;
        let owner = stored(self.store.folder_key(folder).await)?.ok_or_else(gone)?;
        let permit = self.permit(owner.company_id)?;
        let key = self.files.folder_key(owner.company_id, folder, &owner.wrapped_key).await?;
        let blob = self.files.blobs.open(&found.blob_key, &key).await;
        let blob = blob.map_err(|error| match error {
            BlobError::NotFound => gone(),
            other => of_blob(other),
        })?;
        Ok((owner.company_id, blob, permit))
    }

    fn permit(&self, company: CompanyId) -> Result<FairPermit<Tenant>> {
        let permit = self.permits.try_acquire(&[(Tenant::Company(company), self.share)]);
        permit.map_err(|_| Error::Unavailable {
            message: "the server is sending too many files, or too many of your company; try again"
                .to_owned(),
            retry_after: RETRY_AFTER,
        })
    }

    async fn find_download(
        &self,
        scope: Scope,
        kind: &str,
        id: &str,
    ) -> Result<Option<LinkedFile>> {
        match kind {
            "medium" | "thumbnail" => {
                let Ok(id) = id.parse::<MediaId>() else { return Ok(None) };
                let selection = Selection::ENTITIES;
                let found = self.store.media(scope, &[id], selection).await;
                let medium = stored(found)?.pop();
                Ok(medium.and_then(|medium| match kind {
                    "medium" => Some(LinkedFile {
                        folder: medium.folder_id,
                        blob_key: medium.blob_key,
                        content_type: medium.content_type,
                        stem: id.to_string(),
                        sha256: Some(medium.sha256),
                        action: AuditAction::MediumRead,
                        object: AuditObject::Medium(id),
                        facts: Facts::new().code("part", "file"),
                    }),
                    _ => Some(LinkedFile {
                        folder: medium.folder_id,
                        blob_key: medium.thumbnail_key?,
                        content_type: "image/jpeg".to_owned(),
                        stem: format!("{id}-thumbnail"),
                        sha256: None,
                        action: AuditAction::MediumRead,
                        object: AuditObject::Medium(id),
                        facts: Facts::new().code("part", "thumbnail"),
                    }),
                }))
            }
            "artifact" => {
                let Some((id, name)) = id.split_once(':') else { return Ok(None) };
                let Ok(id) = id.parse::<AnalysisId>() else { return Ok(None) };
                let selection = Selection::ENTITIES;
                let found = self.store.analyses(scope, &[id], selection).await;
                let found = stored(found)?.pop();
                let named = |(analysis, artifacts): (Analysis, Vec<Artifact>)| {
                    let artifact = artifacts.into_iter().find(|artifact| artifact.name == name)?;
                    Some((analysis.folder_id, artifact))
                };
                Ok(found.and_then(named).map(|(folder, artifact)| LinkedFile {
                    folder,
                    blob_key: artifact.blob_key,
                    content_type: artifact.content_type,
                    stem: format!("{id}-{name}"),
                    sha256: Some(artifact.sha256),
                    action: AuditAction::ArtifactRead,
                    object: AuditObject::Analysis(id),
                    facts: Facts::new().code("artifact", name),
                }))
            }
            _ => Ok(None),
        }
    }

    fn link_mac(&self, kind: &str, id: &str, expires: i64, by: Credential) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.link_key.expose_secret())
            .expect("HMAC takes a key of any length");
        mac.update(format!("{kind}\n{id}\n{expires}\n{by}").as_bytes());
        mac
    }
}
