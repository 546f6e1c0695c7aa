//! Reading a file of the bucket.

use super::{Chunk, as_task, in_time, number};
use async_trait::async_trait;
use bytes::Bytes;
use mongodb::bson::doc;
use mongodb::bson::oid::ObjectId;
use mongodb::gridfs::FilesCollectionDocument;
use mongodb::{ClientSession, Collection};
use std::ops::Range;
use std::sync::Arc;
use vultus_blobs::backend::Source;
use vultus_blobs::{BlobError, Result};

/// One version of a blob.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) id: ObjectId,
    pub(super) chunk_bytes: u64,
    pub(super) files: Collection<FilesCollectionDocument>,
    pub(super) chunks: Collection<Chunk>,
    pub(super) session: tokio::sync::Mutex<ClientSession>,
}

/// An open file whose reads run as tasks.
#[derive(Debug)]
pub(super) struct FileSource(pub(super) Arc<OpenFile>);

#[async_trait]
impl Source for FileSource {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let file = Arc::clone(&self.0);
        as_task(async move { file.read_part(range).await }).await
    }
}

impl OpenFile {
    pub(super) async fn read_part(&self, range: Range<u64>) -> Result<Bytes> {
        let context = "reading a blob";
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let mut session = self.session.lock().await;
        let (first, end) = (range.start / self.chunk_bytes, range.end.div_ceil(self.chunk_bytes));
        let wanted =
            doc! { "files_id": self.id, "n": { "$gte": number(first), "$lt": number(end) } };
        let mut bytes = Vec::with_capacity(((end - first) * self.chunk_bytes) as usize);
        let read = async {
            let mut found = self
                .chunks
                .find(wanted)
                .sort(doc! { "files_id": 1, "n": 1 })
                .session(&mut *session)
                .await?;
            while let Some(chunk) = found.next(&mut session).await.transpose()? {
                // A missing chunk makes the result too short; a misplaced one does not decrypt.
                bytes.extend_from_slice(&chunk.data.bytes);
            }
            Ok(())
        };
        in_time(context, read).await?;
        let place = |at: u64| (at - first * self.chunk_bytes) as usize;
        if bytes.len() >= place(range.end) {
            return Ok(Bytes::from(bytes).slice(place(range.start)..place(range.end)));
        }
        let still =
            async { self.files.find_one(doc! { "_id": self.id }).session(&mut *session).await };
        match in_time(context, still).await? {
            Some(_) => Err(BlobError::Damaged("a part of it is missing")),
            None => Err(BlobError::NotFound),
        }
    }
}
