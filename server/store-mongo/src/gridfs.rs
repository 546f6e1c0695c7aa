//! Blobs as files of a GridFS bucket in the store's MongoDB database.
//!
//! A file is one version of a blob. Its chunks are written first, under a new id, and its document
//! with the blob's key last; the key is unique, so that one of several writers succeeds. A deletion
//! removes the chunks before the document: if it dies in between, the document stays and the
//! deletion is repeated. A writer that dies leaves chunks without a document, which no listing
//! shows; [`Backend::sweep_unfinished`] removes them.

mod open_file;

use crate::connect::connect;
use crate::fault::{into_store_error, is_duplicate};
use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{AsyncWriteExt, TryStreamExt};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Binary, Document, doc};
use mongodb::error::{Error, ErrorKind, GridFsErrorKind};
use mongodb::gridfs::{FilesCollectionDocument, GridFsBucket, GridFsUploadStream};
use mongodb::options::{GridFsBucketOptions, IndexOptions};
use mongodb::{Client, ClientSession, Collection, Database, IndexModel};
use open_file::{FileSource, OpenFile};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use vultus_blobs::backend::{Backend, HEAD_BYTES, Listed, Stored, StoredForm};
use vultus_blobs::{BlobError, BlobStore, Result, checked};
use vultus_core::clock::Clock;
use vultus_store::StoreError;

/// The bucket: its collections are `blobs.files` and `blobs.chunks`.
const BUCKET: &str = "blobs";
/// Size of a chunk, the usual one of GridFS.
const CHUNK_BYTES: u32 = 255 << 10;
/// Size of the pieces that are sent with one command: just under 4 MiB.
const PIECE_BYTES: u64 = 16 * CHUNK_BYTES as u64;
/// Timeout of one command.
const COMMAND: Duration = Duration::from_secs(30);
/// Maximum time of a write. After that the sweeper may have removed its chunks.
const MAX_WRITING: time::Duration = time::Duration::minutes(5);
/// Age at which chunks without a document are removed. It exceeds [`MAX_WRITING`], because clocks
/// differ.
const UNFINISHED: time::Duration = time::Duration::minutes(15);
/// Maximum number of attempts of a write that conflicts with others.
const ATTEMPTS: u32 = 4;
/// Number of chunks that are checked in one step.
const BATCH: i64 = 10_000;

/// A GridFS bucket. Its operations run as tasks: a caller that is not polled, such as the body of a
/// download whose client does not read, holds no connection.
#[derive(Debug, Clone)]
pub struct GridFs {
    client: Client,
    bucket: GridFsBucket,
    files: Collection<FilesCollectionDocument>,
    chunks: Collection<Chunk>,
    /// The chunks of all ids up to this one are checked.
    swept_to: Arc<Mutex<Option<ObjectId>>>,
}

/// A part of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Chunk {
    n: i64,
    data: Binary,
}

impl GridFs {
    /// Opens the bucket in the database that a URI names with separate connections, and builds and
    /// checks the indexes.
    pub async fn open(uri: &str) -> Result<Self> {
        let (client, database) = connect(uri).await.map_err(from_store)?;
        if let Err(error) = build_indexes(&database).await {
            client.shutdown().immediate(true).await;
            return Err(error);
        }
        // The write concern is that of the database.
        let options = GridFsBucketOptions::builder()
            .bucket_name(BUCKET.to_owned())
            .chunk_size_bytes(CHUNK_BYTES)
            .build();
        let bucket = database.gridfs_bucket(options);
        let (files, chunks) =
            (database.collection(&part("files")), database.collection(&part("chunks")));
        Ok(Self { client, bucket, files, chunks, swept_to: Arc::default() })
    }

    /// A session with causal consistency: later reads in it are at least as new as earlier ones,
    /// also after a change of the primary.
    async fn session(&self) -> Result<ClientSession> {
        in_time("beginning a session", async {
            self.client.start_session().causal_consistency(true).await
        })
        .await
    }

    /// The file with a key, and whether it is complete.
    async fn find(&self, key: &str, stored_bytes: u64) -> Result<Option<(ObjectId, bool)>> {
        let mut session = self.session().await?;
        let found =
            async { self.files.find_one(doc! { "filename": key }).session(&mut session).await };
        let Some(file) = in_time("looking for a blob", found).await? else { return Ok(None) };
        let id = id_of(&file)?;
        let chunks = self.chunks.count_documents(doc! { "files_id": id }).session(&mut session);
        let chunks = in_time("looking for a blob", async { chunks.await }).await?;
        let in_time = file.upload_date.timestamp_millis() - id.timestamp().timestamp_millis()
            <= millis(MAX_WRITING);
        let whole = file.length == stored_bytes
            && chunks == file.length.div_ceil(u64::from(file.chunk_size_bytes));
        Ok(Some((id, whole && in_time)))
    }

    /// Writes a file. Returns false if another writer was first.
    async fn write(&self, key: &str, blob: &StoredForm) -> Result<bool> {
        let id = ObjectId::new();
        // Dropping it unfinished deletes its chunks; if that fails, the sweeper does.
        let mut upload = in_time("writing a blob", async {
            self.bucket.open_upload_stream(key).id(id.into()).await
        })
        .await?;
        send(&mut upload, blob).await?;
        let closed = async {
            match upload.close().await.map_err(of_stream) {
                Err(error) if is_duplicate(&error) => Ok(false),
                other => other.map(|()| true),
            }
        };
        if !in_time("writing a blob", closed).await? {
            return Ok(false);
        }
        let took =
            Clock::system().now().unix_timestamp() * 1000 - id.timestamp().timestamp_millis();
        if took > millis(MAX_WRITING) {
            self.discard(id).await?;
            return Err(BlobError::Unavailable("writing a blob took too long".to_owned()));
        }
        Ok(true)
    }

    /// Deletes a file: its chunks before its document, so that an interrupted deletion can be
    /// repeated.
    async fn discard(&self, id: ObjectId) -> Result<()> {
        let context = "deleting a blob";
        in_time(context, async { self.chunks.delete_many(doc! { "files_id": id }).await }).await?;
        let deleted = async {
            match self.bucket.delete(id.into()).await {
                Err(error) if is_gone(&error) => Ok(()),
                other => other,
            }
        };
        in_time(context, deleted).await
    }

    /// Checks the next chunks after an id and before another, and deletes those without a document.
    /// Returns the last checked id; `None` if there were no more.
    async fn sweep_some(
        &self,
        after: Option<ObjectId>,
        before: ObjectId,
    ) -> Result<Option<ObjectId>> {
        let context = "searching unfinished blobs";
        let after = after.unwrap_or(ObjectId::from_bytes([0; 12]));
        let range = doc! { "files_id": { "$gt": after, "$lt": before } };
        let ids = async {
            let chunks = self.chunks.clone_with_type::<Document>();
            let found = chunks.find(range).sort(doc! { "files_id": 1, "n": 1 }).limit(BATCH);
            // The index contains the answer.
            let found = found.projection(doc! { "_id": 0, "files_id": 1 }).await?;
            found
                .try_filter_map(|chunk| {
                    std::future::ready(Ok(chunk.get_object_id("files_id").ok()))
                })
                .try_collect()
                .await
        };
        let mut ids: Vec<ObjectId> = in_time(context, ids).await?;
        ids.dedup();
        let Some(last) = ids.last().copied() else { return Ok(None) };
        let finished = async {
            let files = self.files.clone_with_type::<Document>();
            let found =
                files.find(doc! { "_id": { "$in": &ids } }).projection(doc! { "_id": 1 }).await?;
            found
                .try_filter_map(|file| std::future::ready(Ok(file.get_object_id("_id").ok())))
                .try_collect()
                .await
        };
        let finished: HashSet<ObjectId> = in_time(context, finished).await?;
        let mut unfinished = 0_u32;
        for id in ids.into_iter().filter(|id| !finished.contains(id)) {
            self.discard(id).await?;
            unfinished += 1;
        }
        if unfinished > 0 {
            tracing::info!(unfinished, "deleted the chunks of abandoned writes");
        }
        Ok(Some(last))
    }

    async fn put_whole(&self, key: &str, blob: &StoredForm) -> Result<()> {
        for _ in 0..ATTEMPTS {
            match self.find(key, blob.len).await? {
                Some((_, true)) => return Ok(()),
                // Its writer or its deletion died, or the answer to a command was lost.
                Some((id, false)) => self.discard(id).await?,
                None => {}
            }
            if self.write(key, blob).await? {
                return Ok(());
            }
        }
        Err(BlobError::Unavailable("other nodes are writing and deleting the same blob".to_owned()))
    }

    async fn open_file(&self, key: &str) -> Result<Stored> {
        let mut session = self.session().await?;
        let found =
            async { self.files.find_one(doc! { "filename": key }).session(&mut session).await };
        let file = in_time("opening a blob", found).await?.ok_or(BlobError::NotFound)?;
        let stored_bytes = file.length;
        let file = OpenFile {
            id: id_of(&file)?,
            chunk_bytes: u64::from(file.chunk_size_bytes).max(1),
            files: self.files.clone(),
            chunks: self.chunks.clone(),
            session: tokio::sync::Mutex::new(session),
        };
        let head = file.read_part(0..stored_bytes.min(HEAD_BYTES)).await?;
        Ok(Stored { stored_bytes, head, rest: Box::new(FileSource(Arc::new(file))) })
    }

    async fn delete_all(&self, key: &str) -> Result<()> {
        let found = async {
            self.files.find(doc! { "filename": key }).await?.try_collect::<Vec<_>>().await
        };
        for file in in_time("deleting a blob", found).await? {
            self.discard(id_of(&file)?).await?;
        }
        Ok(())
    }
}

/// Stores blobs in the database that a URI names, and spools uploads below `data`.
pub async fn gridfs_blobs(data: &Path, uri: &str) -> Result<Arc<BlobStore>> {
    BlobStore::over(data, Box::new(GridFs::open(uri).await?))
}

#[async_trait]
impl Backend for GridFs {
    async fn put(&self, key: &str, blob: &StoredForm) -> Result<()> {
        let (this, key, blob) = (self.clone(), checked(key)?.to_owned(), blob.clone());
        as_task(async move { this.put_whole(&key, &blob).await }).await
    }

    async fn open(&self, key: &str) -> Result<Stored> {
        let (this, key) = (self.clone(), checked(key)?.to_owned());
        as_task(async move { this.open_file(&key).await }).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let (this, key) = (self.clone(), checked(key)?.to_owned());
        as_task(async move { this.delete_all(&key).await }).await
    }

    async fn identity(&self) -> Result<String> {
        // The database is that of the store.
        Ok("gridfs".to_owned())
    }

    fn list(&self) -> BoxStream<'_, Result<Listed>> {
        let files = futures::stream::once(async { self.files.find(doc! {}).await }).try_flatten();
        let files = files.map_err(|error| failed("listing blobs", error));
        Box::pin(files.try_filter_map(|file| {
            let written_at =
                OffsetDateTime::from_unix_timestamp(file.upload_date.timestamp_millis() / 1000);
            let written_at =
                written_at.map_err(|error| BlobError::internal("listing blobs", error));
            let key = file.filename.filter(|key| checked(key).is_ok());
            std::future::ready(
                written_at.map(|written_at| key.map(|key| Listed { key, written_at })),
            )
        }))
    }

    async fn sweep_unfinished(&self, now: OffsetDateTime) -> Result<()> {
        let seconds = u32::try_from((now - UNFINISHED).unix_timestamp()).unwrap_or_default();
        let before = ObjectId::from_parts(seconds, [0; 5], [0; 3]);
        loop {
            let after = *self.swept_to.lock();
            match self.sweep_some(after, before).await? {
                Some(last) => *self.swept_to.lock() = Some(last),
                None => return Ok(()),
            }
        }
    }
}

/// Sends the chunks of a blob.
async fn send(upload: &mut GridFsUploadStream, blob: &StoredForm) -> Result<()> {
    let mut at = 0;
    while at < blob.len {
        let end = (at + PIECE_BYTES).min(blob.len);
        let piece = blob.read(at..end).await?;
        in_time("writing a blob", async { upload.write_all(&piece).await.map_err(of_stream) })
            .await?;
        at = end;
    }
    Ok(())
}

async fn build_indexes(database: &Database) -> Result<()> {
    let unique = |keys: Document| {
        IndexModel::builder()
            .keys(keys)
            .options(IndexOptions::builder().unique(true).build())
            .build()
    };
    for (name, index) in [
        ("files", unique(doc! { "filename": 1 })),
        ("chunks", unique(doc! { "files_id": 1, "n": 1 })),
    ] {
        let collection = database.collection::<Document>(&part(name));
        let context = format!("building the index of the collection `{}`", collection.name());
        in_time(&context, async { collection.create_index(index).await }).await?;
    }
    Ok(())
}

/// The name of a collection of the bucket.
fn part(name: &str) -> String {
    format!("{BUCKET}.{name}")
}

/// The id of a file that this program wrote.
fn id_of(file: &FilesCollectionDocument) -> Result<ObjectId> {
    file.id.as_object_id().ok_or(BlobError::Damaged("it was not written by this program"))
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn millis(duration: time::Duration) -> i64 {
    i64::try_from(duration.whole_milliseconds()).unwrap_or(i64::MAX)
}

fn is_gone(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::GridFs(GridFsErrorKind::FileNotFound { .. }))
}

/// The first error of a stream of the driver.
fn of_stream(error: io::Error) -> Error {
    let error = error.downcast::<Error>().unwrap_or_else(Error::from);
    match error.kind.as_ref() {
        ErrorKind::GridFs(GridFsErrorKind::AbortError { original_error, delete_error, .. }) => {
            original_error.clone().unwrap_or_else(|| delete_error.clone())
        }
        _ => error,
    }
}

fn failed(context: &str, error: Error) -> BlobError {
    from_store(into_store_error(context, error))
}

fn from_store(error: StoreError) -> BlobError {
    match error {
        StoreError::Unavailable(text) => BlobError::Unavailable(text),
        StoreError::Internal { context, source } => BlobError::Internal { context, source },
        other => BlobError::internal("using GridFS", other),
    }
}

/// Runs an operation as a task and waits for it.
pub(super) async fn as_task<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let task = tokio::spawn(work);
    task.await.map_err(|error| BlobError::internal("waiting for GridFS", error))?
}

async fn in_time<T>(
    context: &str,
    work: impl Future<Output = mongodb::error::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(COMMAND, work).await {
        Ok(done) => done.map_err(|error| failed(context, error)),
        Err(_) => Err(BlobError::Unavailable(format!("{context}: no answer in time"))),
    }
}
