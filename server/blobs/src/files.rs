//! Work with files: on blocking threads, in pieces, in folders for the owner only.

use crate::error::{BlobError, Result};
use bytes::Bytes;
use futures::stream::BoxStream;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Size of the pieces in which sealed blobs are copied.
pub(crate) const SEALED_PIECE: u64 = 4 << 20;

/// The bytes of a file in pieces.
pub fn pieces_of(file: File) -> BoxStream<'static, Result<Bytes>> {
    let file = Arc::new(file);
    Box::pin(futures::stream::try_unfold(0, move |at| {
        let file = Arc::clone(&file);
        async move {
            let read = move || {
                let mut bytes = vec![0; SEALED_PIECE as usize];
                let count = file.read_at(&mut bytes, at)?;
                bytes.truncate(count);
                Ok(bytes)
            };
            let bytes = blocking("reading a file", read).await?;
            let end = at + bytes.len() as u64;
            Ok((end > at).then(|| (Bytes::from(bytes), end)))
        }
    }))
}

/// The folder of a file.
pub(crate) fn parent(path: &Path) -> PathBuf {
    path.parent().expect("a blob lies in a folder").to_owned()
}

/// Creates `folder` and the folders between it and `root`, for the owner only, and syncs each
/// parent.
pub(crate) fn make_private_dirs(root: &Path, folder: &Path) -> io::Result<()> {
    if folder == root || folder.is_dir() {
        return Ok(());
    }
    let above = parent(folder);
    make_private_dirs(root, &above)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(above)?.sync_all(),
    }
}

/// Runs work with files on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    context: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| BlobError::io(context, error)),
        Err(error) => Err(BlobError::internal(context, error)),
    }
}
