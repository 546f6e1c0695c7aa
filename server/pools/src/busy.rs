//! Which companies have runs in progress in a pool.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use vultus_core::CompanyId;

/// The companies with runs in progress. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusyCompanies(Arc<State>);

#[derive(Debug, Default)]
struct State {
    runs: Mutex<HashMap<CompanyId, usize>>,
    less: Notify,
}

/// Drop guard: counts a run of a company as long as it exists.
#[derive(Debug)]
pub(crate) struct BusyGuard {
    busy: BusyCompanies,
    company: CompanyId,
}

impl BusyCompanies {
    pub(crate) fn begin(&self, company: CompanyId) -> BusyGuard {
        *self.0.runs.lock().entry(company).or_default() += 1;
        BusyGuard { busy: self.clone(), company }
    }

    pub(crate) fn contains(&self, company: CompanyId) -> bool {
        self.0.runs.lock().contains_key(&company)
    }

    pub(crate) fn list(&self) -> Vec<CompanyId> {
        self.0.runs.lock().keys().copied().collect()
    }

    /// Waits until a company has no more runs in progress.
    pub(crate) async fn became_less(&self) {
        self.0.less.notified().await;
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        let mut runs = self.busy.0.runs.lock();
        if let Some(count) = runs.get_mut(&self.company) {
            *count -= 1;
            if *count == 0 {
                runs.remove(&self.company);
                self.busy.0.less.notify_one();
            }
        }
    }
}
