//! Blobs as files in the data folder, with modes 0700 for folders and 0600 for files. A blob is a
//! hard link to the spooled file, so that a video is written once.

use super::backend::{Backend, HEAD_BYTES, Listed, Source, Stored, StoredForm};
use crate::error::{BlobError, Result};
use crate::files::{blocking, make_private_dirs, parent};
use crate::keys::checked;
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tempfile::NamedTempFile;
use time::OffsetDateTime;
use uuid::Uuid;

/// Folder of the blobs in the data folder.
const BLOBS: &str = "blobs";
/// File in it that contains the name of the storage.
const NAME: &str = "name";
/// Prefix of files in it that are being written.
const UNFINISHED: &str = ".unfinished-";
/// A file that was not written to for this long has no writer any more.
const ABANDONED: time::Duration = time::Duration::hours(1);

/// Files below one folder.
#[derive(Debug)]
pub(super) struct LocalFiles {
    root: PathBuf,
    objects: LocalFileSystem,
}

impl LocalFiles {
    /// Opens the storage in the data folder, which must exist.
    pub(super) fn open(data: &Path) -> Result<Self> {
        let root = data.join(BLOBS);
        make_private_dirs(data, &root)
            .map_err(|error| BlobError::io("creating the folder of the blobs", error))?;
        let objects = LocalFileSystem::new_with_prefix(&root);
        Ok(Self {
            objects: objects
                .map_err(|error| BlobError::object("opening the folder of the blobs", error))?,
            root,
        })
    }
}

#[async_trait]
impl Backend for LocalFiles {
    async fn put(&self, key: &str, blob: &StoredForm) -> Result<()> {
        self.put_all(&[(key.to_owned(), blob.clone())]).await
    }

    async fn put_all(&self, blobs: &[(String, StoredForm)]) -> Result<()> {
        let root = self.root.clone();
        let place =
            |(key, blob): &(String, StoredForm)| Ok((self.root.join(checked(key)?), blob.clone()));
        let placed: Vec<(PathBuf, StoredForm)> = blobs.iter().map(place).collect::<Result<_>>()?;
        blocking("linking blobs", move || link_and_sync(&root, &placed)).await
    }

    async fn open(&self, key: &str) -> Result<Stored> {
        let path = self.root.join(checked(key)?);
        let open = move || {
            let file = File::open(path)?;
            let stored_bytes = file.metadata()?.len();
            let head = read(&file, 0..stored_bytes.min(HEAD_BYTES))?;
            Ok(Stored { stored_bytes, head, rest: Box::new(OpenFile(Arc::new(file))) })
        };
        blocking("opening a blob", open).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let path = self.root.join(checked(key)?);
        let delete = move || match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        blocking("deleting a blob", delete).await
    }

    async fn identity(&self) -> Result<String> {
        let root = self.root.clone();
        let name = blocking("naming the folder of the blobs", move || name_of(&root)).await?;
        Ok(format!("file {name}"))
    }

    fn list(&self) -> BoxStream<'_, Result<Listed>> {
        let listed =
            self.objects.list(None).map_err(|error| BlobError::object("listing blobs", error));
        Box::pin(listed.try_filter_map(|object| async move {
            let key = object.location.as_ref().to_owned();
            let written_at = OffsetDateTime::from_unix_timestamp(object.last_modified.timestamp());
            let written_at =
                written_at.map_err(|error| BlobError::internal("listing blobs", error))?;
            Ok(checked(&key).is_ok().then_some(Listed { key, written_at }))
        }))
    }

    async fn sweep_unfinished(&self, now: OffsetDateTime) -> Result<()> {
        let (root, before) = (self.root.clone(), SystemTime::from(now - ABANDONED));
        blocking("looking for unfinished blobs", move || sweep_abandoned(&root, before)).await
    }
}

fn unfinished(root: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(root)
}

fn sweep_abandoned(root: &Path, before: SystemTime) -> io::Result<()> {
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            continue;
        }
        let swept = entry.metadata().and_then(|found| match found.modified()? < before {
            true => std::fs::remove_file(entry.path()),
            false => Ok(()),
        });
        // It was completed meanwhile, or removed by another node.
        match swept {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The name of a folder, independent of the path to it. The first call gives it one.
fn name_of(root: &Path) -> io::Result<String> {
    let path = root.join(NAME);
    if !path.try_exists()? {
        let mut file = unfinished(root)?;
        file.write_all(Uuid::new_v4().to_string().as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(&path) {
            Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(refused.error);
            }
            _ => {}
        }
    }
    // The caller registers the name, so it must survive a power failure.
    File::open(root)?.sync_all()?;
    std::fs::read_to_string(&path)
}

/// Links all files before it syncs them: a file system with a journal writes everything with the
/// first sync.
fn link_and_sync(root: &Path, blobs: &[(PathBuf, StoredForm)]) -> io::Result<()> {
    let mut folders = BTreeSet::new();
    for (to, blob) in blobs {
        let folder = parent(to);
        if !folder.is_dir() {
            make_folders(root, &parent(&folder))?;
        }
        link_over(root, &blob.path, to)?;
        folders.insert(folder);
    }
    blobs
        .iter()
        .filter(|(_, blob)| !blob.is_safe)
        .try_for_each(|(_, blob)| blob.file.sync_all())?;
    folders.into_iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// Links a spooled file to its final name, or copies it to another file system. An existing file is
/// replaced, because it may be torn if the power failed while it was written.
fn link_over(root: &Path, from: &Path, to: &Path) -> io::Result<()> {
    let linked = match std::fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => replace(from, to),
        linked => linked,
    };
    match linked {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_over(root, from, to),
        linked => linked,
    }
}

fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let beside = from.with_extension("link");
    std::fs::hard_link(from, &beside)?;
    let renamed = std::fs::rename(&beside, to);
    // It still exists if both names were the same file, or if renaming failed.
    match std::fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => renamed,
    }
}

fn copy_over(root: &Path, from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = unfinished(root)?;
    io::copy(&mut File::open(from)?, copy.as_file_mut())?;
    copy.as_file().sync_all()?;
    copy.persist(to)?;
    Ok(())
}

/// Creates all folders of a company's blobs at once, so that their parent is synced once.
fn make_folders(root: &Path, company: &Path) -> io::Result<()> {
    make_private_dirs(root, company)?;
    for first_byte in 0..=u8::MAX {
        match DirBuilder::new().mode(0o700).create(company.join(hex::encode([first_byte]))) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    File::open(company)?.sync_all()
}

#[derive(Debug)]
struct OpenFile(Arc<File>);

#[async_trait]
impl Source for OpenFile {
    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let file = Arc::clone(&self.0);
        blocking("reading a blob", move || read(&file, range)).await
    }
}

fn read(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}
