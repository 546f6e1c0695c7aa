//! A new master key: each company's key is wrapped anew. Folders' keys and blobs stay as they are,
//! and nodes go on meanwhile.

use super::Result;
use vultus_blobs::keys::MasterKey;
use vultus_store::Store;

/// Wraps all companies' keys, which `old` opens, under `new`. Killed half-way, it is run again:
/// what `new` opens already is left alone. Gives how many it wrapped.
pub async fn rekey(store: &dyn Store, old: &MasterKey, new: &MasterKey) -> Result<u64> {
    let mut wrapped = 0;
    for company in store.companies().await? {
        if new.open(company.id, &company.wrapped_key).is_ok() {
            continue;
        }
        let key = old.rewrap(new, company.id, &company.wrapped_key)?;
        if !store.replace_company_key(company.id, &company.wrapped_key, &key).await? {
            let text = "a company's key was changed by somebody else meanwhile: nothing is lost; run this again";
            return Err(super::MaintenanceError::Refused(text.to_owned()));
        }
        wrapped += 1;
    }
    Ok(wrapped)
}
