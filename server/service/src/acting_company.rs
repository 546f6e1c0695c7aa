//! The company for which a caller works: the caller's, or the one that a caller without a company
//! names.

use crate::errors::{of_store, stored};
use vultus_core::{CompanyId, Error, Principal, Result};
use vultus_store::{Accounts, StoreError};

/// The company for which `caller` works. `wanted` is the company that the request names at
/// `argument`.
pub(crate) async fn acting_company(
    store: &(impl Accounts + ?Sized),
    caller: &Principal,
    wanted: Option<CompanyId>,
    argument: &str,
) -> Result<CompanyId> {
    match (caller.company_id(), wanted) {
        (Some(own), None) => Ok(own),
        (Some(own), Some(wanted)) if own == wanted => Ok(own),
        // Another company looks as if it did not exist.
        (Some(_), Some(_)) => Err(Error::not_found("company", argument)),
        (None, Some(wanted)) => named(store, wanted, argument).await,
        (None, None) => {
            let only = stored(store.only_active_company().await)?;
            only.ok_or_else(|| Error::InvalidInput {
                argument: Some(argument.to_owned()),
                message: "name the company: there is not exactly one active company".to_owned(),
                reason: Some("COMPANY_REQUIRED".to_owned()),
            })
        }
    }
}

/// A company that is not suspended.
async fn named(
    store: &(impl Accounts + ?Sized),
    id: CompanyId,
    argument: &str,
) -> Result<CompanyId> {
    let company = match store.company(id).await {
        Ok(company) => company,
        Err(StoreError::NotFound(_)) => return Err(Error::not_found("company", argument)),
        Err(error) => return Err(of_store(error)),
    };
    match company.suspended_at {
        None => Ok(id),
        Some(_) => Err(suspended(argument)),
    }
}

/// The error of a request for a suspended company.
pub(crate) fn suspended(argument: &str) -> Error {
    Error::InvalidInput {
        argument: Some(argument.to_owned()),
        message: "the company is suspended".to_owned(),
        reason: Some("COMPANY_SUSPENDED".to_owned()),
    }
}
