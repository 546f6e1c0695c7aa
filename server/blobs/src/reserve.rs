//! A file that takes disk space away from everything else, so that deletions work on a full disk:
//! they need space in the database's log before they free any.
//!
//! The disk counts as low once less than a quarter of the reserve is free besides it. Then nothing
//! new is stored. A deletion gives the reserve up, and it is taken again once there is room.

use crate::error::{BlobError, Result};
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vultus_store::space::Space;

/// Name of the file in the data folder.
const FILE: &str = "reserve";
/// Interval of looking at the free space.
const INTERVAL: Duration = Duration::from_secs(1);

/// The reserve of a data folder.
#[derive(Debug)]
pub struct DiskReserve {
    folder: PathBuf,
    bytes: u64,
    /// Whether the file has its space.
    held: Mutex<bool>,
    low: AtomicBool,
}

impl DiskReserve {
    /// Takes the reserve in a folder. A full disk is no error: the node must start, so that
    /// something can be deleted. Without bytes there is no reserve, and the disk is never low.
    pub fn open(folder: &Path, bytes: u64) -> Result<Arc<Self>> {
        let reserve = Self {
            folder: folder.to_owned(),
            bytes,
            held: Mutex::new(false),
            low: AtomicBool::new(false),
        };
        if bytes == 0 {
            reserve.give_up().map_err(|error| BlobError::io("removing the reserve", error))?;
        } else {
            reserve.look();
        }
        Ok(Arc::new(reserve))
    }

    /// Looks at the free space regularly until `shutdown` completes.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut timer = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                _ = timer.tick() => {}
            }
            let reserve = Arc::clone(&self);
            // Asking a file system can block.
            if tokio::task::spawn_blocking(move || reserve.look()).await.is_err() {
                tracing::error!("looking at the free disk space panicked");
            }
        }
    }

    /// Takes the reserve if there is room for it, and decides whether the disk is low.
    fn look(&self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.held.lock();
        if !*held && self.free() >= self.bytes + 2 * self.margin() {
            match self.take() {
                Ok(()) => *held = true,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the disk space in reserve cannot be taken"
                ),
            }
        }
        let free = self.free();
        let low = !*held || free < self.margin();
        if self.low.swap(low, Ordering::Relaxed) == low {
            return;
        }
        if low {
            tracing::error!(free, "the disk is nearly full: nothing new is stored");
        } else {
            tracing::info!(free, "the disk has room again");
        }
    }

    fn margin(&self) -> u64 {
        self.bytes / 4
    }

    /// Free bytes besides the reserve. If the file system does not say, there is room.
    fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.folder);
        found.map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn take(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(false).mode(0o600).open(self.path())?;
        let taken =
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, self.bytes);
        if let Err(error) = taken {
            file.set_len(0)?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Truncates the file: removing it would free nothing while a backup reads it.
    fn give_up(&self) -> io::Result<()> {
        match File::options().write(true).open(self.path()) {
            Ok(file) => file.set_len(0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Space for DiskReserve {
    fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    fn make_room(&self) {
        if self.bytes > 0 && self.free() < self.margin() {
            self.give_up_reserve();
        }
    }

    fn give_up_reserve(&self) -> bool {
        let mut held = self.held.lock();
        if !*held {
            return false;
        }
        if let Err(error) = self.give_up() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the disk space in reserve cannot be given up"
            );
            return false;
        }
        *held = false;
        self.low.store(true, Ordering::Relaxed);
        tracing::error!("the disk is full: its reserve is given up for deletions");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 1 << 20;

    fn taken(folder: &Path) -> u64 {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(folder.join(FILE)).map_or(0, |file| file.blocks() * 512)
    }

    #[test]
    fn reserve_is_given_up_once_and_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = DiskReserve::open(folder.path(), BYTES).unwrap();
        assert!(taken(folder.path()) >= BYTES && !reserve.is_low());
        reserve.make_room();
        assert!(taken(folder.path()) >= BYTES, "the disk has room");
        assert!(reserve.give_up_reserve());
        assert!(taken(folder.path()) == 0 && reserve.is_low());
        assert!(!reserve.give_up_reserve());
        reserve.look();
        assert!(taken(folder.path()) >= BYTES && !reserve.is_low());
    }

    #[test]
    fn more_than_the_disk_has_is_low_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = DiskReserve::open(folder.path(), 1 << 60).unwrap();
        assert!(reserve.is_low());
        assert_eq!(taken(folder.path()), 0);
        let none = DiskReserve::open(folder.path(), 0).unwrap();
        assert!(!none.is_low() && !none.give_up_reserve());
    }
}
