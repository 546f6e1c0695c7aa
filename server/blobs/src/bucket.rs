//! Blobs as objects in a bucket of an S3-compatible storage. A `PUT` is atomic and durable.

use super::backend::{Backend, HEAD_BYTES, Listed, Source, Stored, StoredForm};
use crate::error::{BlobError, Result};
use crate::keys::checked;
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
    WriteMultipart,
};
use secrecy::{ExposeSecret, SecretString};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// Larger blobs are sent in parts of this size.
const PART_BYTES: u64 = 8 << 20;
/// Number of parts that are sent concurrently.
const PARTS: usize = 4;
/// Timeout for establishing a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Timeout of one request.
const REQUEST: Duration = Duration::from_secs(60);
/// Maximum number of retries of a failed request, and their maximum time.
const RETRIES: (usize, Duration) = (3, Duration::from_secs(20));

/// Address and credentials of a bucket.
#[derive(Debug, Clone)]
pub struct BucketOptions {
    /// Its name.
    pub bucket: String,
    /// Prefix of all keys; may be empty.
    pub prefix: String,
    /// URL of the storage; by default Amazon's for the region.
    pub endpoint: Option<String>,
    /// Region.
    pub region: String,
    /// Id and secret of the access key; by default those of the machine's role, from the metadata
    /// service.
    pub access_key: Option<(String, SecretString)>,
}

/// Objects below a prefix of a bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    name: String,
    prefix: Path,
}

impl Bucket {
    /// Opens the bucket without sending a request.
    pub(super) fn new(options: &BucketOptions) -> Result<Self> {
        // Another part of the process may have installed the same provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig {
            max_retries: RETRIES.0,
            retry_timeout: RETRIES.1,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_client_options(
                ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST),
            )
            .with_retry(retry);
        if let Some(endpoint) = &options.endpoint {
            builder =
                builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some((id, key)) = &options.access_key {
            builder = builder.with_access_key_id(id).with_secret_access_key(key.expose_secret());
        }
        let objects =
            builder.build().map_err(|error| BlobError::object("setting up the bucket", error))?;
        Ok(Self {
            objects: Arc::new(objects),
            name: options.bucket.clone(),
            prefix: Path::from(options.prefix.as_str()),
        })
    }

    fn place(&self, key: &str) -> Result<Path> {
        Ok(Path::from_iter(self.prefix.parts().chain(Path::from(checked(key)?).parts())))
    }

    async fn put_in_parts(&self, place: &Path, stored: &StoredForm) -> Result<()> {
        let upload = self
            .objects
            .put_multipart(place)
            .await
            .map_err(|error| failed("writing to the bucket", error))?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES as usize);
        let mut at = 0;
        while at < stored.len {
            let end = (at + PART_BYTES).min(stored.len);
            let written = async {
                writer
                    .wait_for_capacity(PARTS)
                    .await
                    .map_err(|error| failed("writing to the bucket", error))?;
                stored.read(at..end).await
            };
            match written.await {
                Ok(bytes) => writer.put(bytes),
                Err(error) => {
                    // If that fails, the storage removes the unfinished upload by its own rules.
                    let _ = writer.abort().await;
                    return Err(error);
                }
            }
            at = end;
        }
        writer.finish().await.map(drop).map_err(|error| failed("writing to the bucket", error))
    }
}

#[async_trait]
impl Backend for Bucket {
    async fn put(&self, key: &str, blob: &StoredForm) -> Result<()> {
        let place = self.place(key)?;
        if blob.len > PART_BYTES {
            return self.put_in_parts(&place, blob).await;
        }
        let bytes = blob.read(0..blob.len).await?;
        let put = self.objects.put(&place, PutPayload::from_bytes(bytes)).await;
        put.map(drop).map_err(|error| failed("writing to the bucket", error))
    }

    async fn open(&self, key: &str) -> Result<Stored> {
        let place = self.place(key)?;
        let options =
            GetOptions { range: Some(GetRange::Bounded(0..HEAD_BYTES)), ..GetOptions::default() };
        let found = self
            .objects
            .get_opts(&place, options)
            .await
            .map_err(|error| failed("opening a blob", error))?;
        let (stored_bytes, version) = (found.meta.size, found.meta.e_tag.clone());
        let head = found.bytes().await.map_err(|error| failed("opening a blob", error))?;
        Ok(Stored {
            stored_bytes,
            head,
            rest: Box::new(Object { objects: Arc::clone(&self.objects), place, version }),
        })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.objects.delete(&self.place(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("deleting a blob", error)),
        }
    }

    async fn identity(&self) -> Result<String> {
        // Without the endpoint, which may have several addresses.
        Ok(format!("s3://{}/{}", self.name, self.prefix))
    }

    fn list(&self) -> BoxStream<'_, Result<Listed>> {
        let listed = self.objects.list(Some(&self.prefix));
        Box::pin(listed.map_err(|error| failed("listing the bucket", error)).try_filter_map(
            |object| {
                let key = object
                    .location
                    .prefix_match(&self.prefix)
                    .map(|parts| Path::from_iter(parts).to_string());
                let written_at =
                    OffsetDateTime::from_unix_timestamp(object.last_modified.timestamp());
                let written_at =
                    written_at.map_err(|error| BlobError::internal("listing the bucket", error));
                let key = key.filter(|key| checked(key).is_ok());
                std::future::ready(
                    written_at.map(|written_at| key.map(|key| Listed { key, written_at })),
                )
            },
        ))
    }
}

/// One version of an object.
#[derive(Debug)]
struct Object {
    objects: Arc<dyn ObjectStore>,
    place: Path,
    version: Option<String>,
}

#[async_trait]
impl Source for Object {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let range = Some(GetRange::Bounded(range));
        let options = GetOptions { range, if_match: self.version.clone(), ..GetOptions::default() };
        let found = self
            .objects
            .get_opts(&self.place, options)
            .await
            .map_err(|error| failed("reading a blob", error))?;
        found.bytes().await.map_err(|error| failed("reading a blob", error))
    }
}

/// Faults of the storage are transient; faults of the request are not.
fn failed(context: &str, error: object_store::Error) -> BlobError {
    use object_store::Error::{Generic, JoinError, Precondition};
    match error {
        error @ (Generic { .. } | Precondition { .. } | JoinError { .. }) => {
            BlobError::Unavailable(format!("{context}: {error}"))
        }
        other => BlobError::object(context, other),
    }
}
