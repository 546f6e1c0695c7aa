//! How much one company may have in the queue.

use crate::errors::stored;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vultus_core::{CompanyId, Error, Result};
use vultus_store::Store;

/// How long a counted number is used. Meanwhile the runs that this node adds are counted here.
const VALID_FOR: Duration = Duration::from_secs(1);
/// Number of counted queues above which outdated numbers are forgotten.
const KEPT: usize = 1024;
/// Time after which a client should retry when its company has too many runs.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Refuses requests of a company that has too many unfinished runs. Not exact: several nodes, and
/// requests at the same time, may each add a run beyond the limit. Cheap to clone.
#[derive(Clone)]
pub(crate) struct QueueRoom {
    store: Arc<dyn Store>,
    most: u64,
    counted: Arc<Mutex<HashMap<(CompanyId, String), Counted>>>,
}

struct Counted {
    at: Instant,
    runs: u64,
}

impl QueueRoom {
    pub(crate) fn new(store: Arc<dyn Store>, most: u64) -> Self {
        Self { store, most, counted: Arc::default() }
    }

    /// Whether a company may add a run for each of these pools.
    pub(crate) async fn admit(&self, company: CompanyId, pools: Vec<String>) -> Result<()> {
        for pool in pools {
            let key = (company, pool);
            if self.has_known_room(&key) {
                continue;
            }
            let runs = stored(self.store.unfinished_runs(company, &key.1, self.most).await)?;
            if runs >= self.most {
                let most = self.most;
                return Err(Error::Unavailable {
                    message: format!(
                        "the company has {most} unfinished runs, and may have no more"
                    ),
                    retry_after: RETRY_AFTER,
                });
            }
            let mut counted = self.counted.lock();
            if counted.len() > KEPT {
                counted.retain(|_, counted| counted.at.elapsed() < VALID_FOR);
            }
            counted.insert(key, Counted { at: Instant::now(), runs: runs + 1 });
        }
        Ok(())
    }

    fn has_known_room(&self, key: &(CompanyId, String)) -> bool {
        let mut counted = self.counted.lock();
        let Some(known) = counted.get_mut(key) else { return false };
        let has_room = known.at.elapsed() < VALID_FOR && known.runs < self.most;
        known.runs += u64::from(has_room);
        has_room
    }
}
