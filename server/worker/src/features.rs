//! Features of a run, each computed once per medium and frame. Failures are not kept, so that the
//! cancellation of one analysis does not fail the next one.

use std::collections::HashMap;
use std::sync::Arc;

/// Identifies a feature of a medium or frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FeatureKey {
    /// Index of the medium in its run.
    pub(crate) medium: usize,
    /// Absent: a feature of the medium as a whole.
    pub(crate) frame: Option<u32>,
    pub(crate) name: String,
}

/// The features computed so far.
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
