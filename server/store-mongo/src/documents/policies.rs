//! Policies of companies.

use super::super::values::{count, counted, id, nanoseconds, time, typed};
use mongodb::bson::Uuid;
use serde::{Deserialize, Serialize};
use vultus_core::CompanyPolicy;
use vultus_store::stored::{StoredRules, V1, Version};

/// A version of a company's policy. Company and version are unique together.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PolicyDocument {
    company_id: Uuid,
    version: i64,
    v: Version,
    changed_at: Option<i64>,
    changed_by: Option<Uuid>,
    rules: StoredRules,
}

impl From<&CompanyPolicy> for PolicyDocument {
    fn from(policy: &CompanyPolicy) -> Self {
        Self {
            company_id: id(policy.company_id),
            version: count(policy.version),
            v: V1,
            changed_at: policy.changed_at.map(nanoseconds),
            changed_by: policy.changed_by.map(id),
            rules: StoredRules::from(&policy.rules),
        }
    }
}

impl From<PolicyDocument> for CompanyPolicy {
    fn from(stored: PolicyDocument) -> Self {
        Self {
            company_id: typed(stored.company_id),
            version: counted(stored.version),
            changed_at: stored.changed_at.map(time),
            changed_by: stored.changed_by.map(typed),
            rules: stored.rules.into(),
        }
    }
}
