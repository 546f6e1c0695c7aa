//! Keys of the queue of analyses.

use super::kinds::{text, whole};
use super::source::section;
use std::collections::HashMap;
use vultus_core::CompanyId;

section! {
    /// The queue of analyses.
    pub struct QueueConfig {
        /// Companies take turns. One with weight 2 gets twice as much time of the workers as one
        /// with weight 1, the default. Ids of companies with their weights, separated by commas.
        /// Example: `"0192f0c1-7d2e-7c3b-8a4f-5e6d7c8b9a01=2"`
        weights: HashMap<CompanyId, u32> = "", text(weights);
        /// Maximum number of unfinished runs of one company per pool of workers; further requests
        /// are told to try again. A run is what one request asks of the analyzers of a pool.
        company_runs: u64 = 10_000, whole(1..=10_000_000);
    }
}

/// Ids of companies with their weights.
fn weights(text: &str) -> Result<HashMap<CompanyId, u32>, String> {
    const FORM: &str = "must be ids of companies with weights from 1 to 1000, such as \
                        0192f0c1-7d2e-7c3b-8a4f-5e6d7c8b9a01=2";
    let mut weights = HashMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (id, weight) = pair.split_once('=').ok_or(FORM)?;
        let id: CompanyId = id.trim().parse().map_err(|_| FORM)?;
        let weight = weight.trim().parse().ok().filter(|weight| (1..=1000).contains(weight));
        weights.insert(id, weight.ok_or(FORM)?);
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_name_companies() {
        let id = "0192f0c1-7d2e-7c3b-8a4f-5e6d7c8b9a01";
        let read = weights(&format!(" {id} = 3 ,")).unwrap();
        assert_eq!(read, HashMap::from([(id.parse().unwrap(), 3)]));
        assert_eq!(weights(""), Ok(HashMap::new()));
        for wrong in [id.to_owned(), format!("{id}=0"), format!("{id}=1001"), "acme=2".to_owned()] {
            assert!(weights(&wrong).is_err(), "{wrong}");
        }
    }
}
