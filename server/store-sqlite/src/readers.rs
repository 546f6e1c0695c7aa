//! A few read-only connections, used on blocking threads.

use super::fault::Answer;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};
use vultus_store::StoreError;

/// The connections for reading.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
    count: u32,
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Readers {
    /// Over open connections.
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let count = u32::try_from(connections.len()).expect("there are a few connections");
        let free = Arc::new(Semaphore::new(connections.len()));
        Self { idle: Arc::new(Mutex::new(connections)), free, count }
    }

    /// Reads in one snapshot.
    pub(super) async fn read<T, F>(&self, context: &'static str, work: F) -> vultus_store::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Answer<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| closed())?;
        let idle = Arc::clone(&self.idle);
        let reading = tokio::task::spawn_blocking(move || {
            let connection = lock(&idle).pop().ok_or_else(closed)?;
            let answer = in_snapshot(&connection, work);
            lock(&idle).push(connection);
            drop(permit);
            answer.map_err(|fault| fault.into_store(context))
        });
        reading.await.map_err(|error| StoreError::Internal {
            context: context.to_owned(),
            source: Box::new(error),
        })?
    }

    /// Waits until nobody reads, and lets nobody begin while the guard lives.
    pub(super) async fn pause(&self) -> vultus_store::Result<SemaphorePermit<'_>> {
        self.free.acquire_many(self.count).await.map_err(|_| closed())
    }

    /// Lets nobody begin any more, waits for those who read, and closes the files.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.free.acquire_many(self.count).await {
            self.free.close();
            drop(all);
        }
        lock(&self.idle).clear();
    }
}

pub(super) fn in_snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Answer<T>,
) -> Answer<T> {
    let snapshot = connection.unchecked_transaction()?;
    let answer = work(&snapshot);
    snapshot.finish()?;
    answer
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
