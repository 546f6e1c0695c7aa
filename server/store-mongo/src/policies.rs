//! Policies of companies.

use super::documents::PolicyDocument;
use super::fault::Answer;
use super::transaction::Transaction;
use super::values::{count, id};
use mongodb::bson::doc;
use vultus_core::{CompanyId, CompanyPolicy};
use vultus_store::{CompanyScope, StoreError};

pub(super) async fn policy(
    transaction: &mut Transaction<'_>,
    scope: CompanyScope,
    company: CompanyId,
    version: Option<u64>,
) -> Answer<Option<CompanyPolicy>> {
    within(transaction, scope, company).await?;
    match version {
        None => newest(transaction, company).await.map(Some),
        Some(0) => Ok(Some(CompanyPolicy::unset(company))),
        Some(version) => {
            let Transaction { session, collections, .. } = transaction;
            let this = doc! { "company_id": id(company), "version": count(version) };
            let found = collections.policies.find_one(this).session(session).await?;
            Ok(found.map(CompanyPolicy::from))
        }
    }
}

/// The newest version of a company's policy.
pub(super) async fn newest(
    transaction: &mut Transaction<'_>,
    company: CompanyId,
) -> Answer<CompanyPolicy> {
    let Transaction { session, collections, .. } = transaction;
    let found = collections.policies.find_one(doc! { "company_id": id(company) });
    let found = found.sort(doc! { "version": -1 }).session(session).await?;
    Ok(found.map_or_else(|| CompanyPolicy::unset(company), CompanyPolicy::from))
}

/// Concurrent changes insert the same version, so that all but one of them begin again.
pub(super) async fn change_policy(
    transaction: &mut Transaction<'_>,
    scope: CompanyScope,
    new: &CompanyPolicy,
) -> Answer<()> {
    within(transaction, scope, new.company_id).await?;
    let CompanyPolicy { version, .. } = newest(transaction, new.company_id).await?;
    if new.version != version + 1 {
        return Err(StoreError::PolicyChanged { version }.into());
    }
    let Transaction { session, collections, .. } = transaction;
    collections.policies.insert_one(PolicyDocument::from(new)).session(session).await?;
    Ok(())
}

/// Fails unless the company exists within the scope.
async fn within(
    transaction: &mut Transaction<'_>,
    scope: CompanyScope,
    company: CompanyId,
) -> Answer<()> {
    let reached = match scope {
        CompanyScope::Every => true,
        CompanyScope::Only(only) => only == company,
    };
    let Transaction { session, collections, .. } = transaction;
    let found = collections.companies.find_one(doc! { "_id": id(company) });
    match found.session(session).await? {
        Some(_) if reached => Ok(()),
        _ => Err(StoreError::NotFound("company").into()),
    }
}
