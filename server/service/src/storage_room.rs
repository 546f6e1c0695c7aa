//! How much one company may store.

use crate::errors::stored;
use crate::types::NewMedium;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vultus_core::{CompanyId, Error, Result};
use vultus_store::Store;

/// How long a known sum is used. Meanwhile this node adds what it admits.
const VALID_FOR: Duration = Duration::from_secs(5);
/// How long a sum without room is used: after a deletion there is room soon, and a company that
/// asks often does not make the store count often.
const FULL_FOR: Duration = Duration::from_secs(1);
/// Number of known sums above which outdated ones are forgotten.
const KEPT: usize = 1024;

/// Refuses what exceeds the bytes that a company may store. Not exact: nodes that admit at the same
/// time may exceed it by what they admit within [`VALID_FOR`]. Cheap to clone.
#[derive(Clone)]
pub(crate) struct StorageRoom {
    store: Arc<dyn Store>,
    /// Maximum number of bytes of a company.
    most: Option<u64>,
    known: Arc<Mutex<HashMap<CompanyId, Known>>>,
}

#[derive(Clone, Copy)]
struct Known {
    at: Instant,
    bytes: u64,
}

impl StorageRoom {
    pub(crate) fn new(store: Arc<dyn Store>, most: Option<u64>) -> Self {
        Self { store, most, known: Arc::default() }
    }

    /// Whether companies have a limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.most.is_some()
    }

    /// Admits `more` bytes of a company; LIMIT_EXCEEDED if it has no room for them.
    pub(crate) async fn admit(&self, company: CompanyId, more: u64, argument: &str) -> Result<()> {
        let Some(most) = self.most.filter(|_| more > 0) else { return Ok(()) };
        if let Some(known) = self.add_to_known(company, more, most) {
            return known.map_err(|bytes| full(bytes, most, argument));
        }
        let bytes = stored(self.store.stored_bytes(company).await)?;
        let sum = bytes.saturating_add(more);
        let has_room = sum <= most;
        let mut known = self.known.lock();
        if known.len() > KEPT {
            known.retain(|_, known| known.at.elapsed() < VALID_FOR);
        }
        let counted = if has_room { sum } else { bytes };
        known.insert(company, Known { at: Instant::now(), bytes: counted });
        if has_room { Ok(()) } else { Err(full(bytes, most, argument)) }
    }

    /// Adds to the known sum. An error is the sum, without room for `more`. `None` if the store has
    /// to count.
    fn add_to_known(&self, company: CompanyId, more: u64, most: u64) -> Option<Result<(), u64>> {
        let mut known = self.known.lock();
        let known = known.get_mut(&company)?;
        let age = known.at.elapsed();
        let sum = known.bytes.saturating_add(more);
        if sum <= most && age < VALID_FOR {
            known.bytes = sum;
            return Some(Ok(()));
        }
        (sum > most && age < FULL_FOR).then_some(Err(known.bytes))
    }
}

fn full(bytes: u64, most: u64, argument: &str) -> Error {
    Error::LimitExceeded {
        argument: Some(argument.to_owned()),
        message: format!("the company stores {bytes} of at most {most} bytes"),
        reason: Some("COMPANY_FULL".to_owned()),
    }
}

/// Bytes of the files and of the metadata of new media.
pub(crate) fn bytes_of(media: &[NewMedium]) -> u64 {
    let each = |medium: &NewMedium| {
        let metadata = medium.metadata.as_ref().map_or(0, |metadata| metadata.0.len());
        medium.file.byte_size() + metadata as u64
    };
    media.iter().map(each).sum()
}
