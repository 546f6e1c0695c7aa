//! Features of a run, computed once: by medium, frame and name. Only successes are kept, so that
//! the cancellation of one analysis cannot leave a failure behind for the next.

use std::collections::HashMap;
use std::sync::Arc;

/// Which feature of what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FeatureKey {
    /// Index of the medium in its run.
    pub(crate) medium: usize,
    /// None: the medium as a whole.
    pub(crate) frame: Option<u32>,
    pub(crate) name: String,
}

/// What was computed so far.
#[derive(Debug, Default)]
pub(crate) struct FeatureMemo {
    known: HashMap<FeatureKey, Arc<[u8]>>,
}

impl FeatureMemo {
    pub(crate) fn get(&self, key: &FeatureKey) -> Option<Arc<[u8]>> {
        self.known.get(key).cloned()
    }

    pub(crate) fn keep(&mut self, key: FeatureKey, value: Vec<u8>) -> Arc<[u8]> {
        let value: Arc<[u8]> = value.into();
        self.known.insert(key, Arc::clone(&value));
        value
    }
}
