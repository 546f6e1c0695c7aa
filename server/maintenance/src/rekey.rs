//! Changing the master key: the key of each company is wrapped again. The keys of folders and the
//! blobs do not change, and nodes may run at the same time.

use crate::error::{MaintenanceError, Result};
use vultus_blobs::keys::MasterKey;
use vultus_store::Store;

/// Wraps the keys of all companies, which `old` opens, under `new`. An interrupted run can be
/// repeated: keys that `new` opens are skipped. Returns the number of wrapped keys.
pub async fn rekey(store: &dyn Store, old: &MasterKey, new: &MasterKey) -> Result<u64> {
    let mut wrapped = 0;
    for company in store.companies().await? {
        if new.open(company.id, &company.wrapped_key).is_ok() {
            continue;
        }
        let key = old.rewrap(new, company.id, &company.wrapped_key)?;
        if !store.replace_company_key(company.id, &company.wrapped_key, &key).await? {
            let text = "another process changed the key of a company at the same time: nothing is \
                        lost, run this again";
            return Err(MaintenanceError::Refused(text.to_owned()));
        }
        wrapped += 1;
    }
    Ok(wrapped)
}
