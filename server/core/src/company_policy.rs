//! The rules that a company sets for itself. Each change makes a new version; old ones are kept, so
//! that what was done under them can be explained.

use crate::decision::{DecisionRule, FourEyes};
use crate::ids::{CompanyId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The rules of a company.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRules {
    /// Whether two people decide, for types of analyses with a rule of their own.
    pub four_eyes: BTreeMap<String, FourEyes>,
    /// The same for all other types.
    pub four_eyes_otherwise: FourEyes,
}

/// A version of a company's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyPolicy {
    /// The company.
    pub company_id: CompanyId,
    /// Counts from 1; 0 is the policy of a company that never set one.
    pub version: u64,
    /// When it was set; absent for version 0.
    pub changed_at: Option<OffsetDateTime>,
    /// Who set it; absent for version 0 and for the command line.
    pub changed_by: Option<UserId>,
    /// The rules.
    pub rules: PolicyRules,
}

impl CompanyPolicy {
    /// The policy of a company that never set one.
    pub fn unset(company_id: CompanyId) -> Self {
        let rules = PolicyRules::default();
        Self { company_id, version: 0, changed_at: None, changed_by: None, rules }
    }

    /// The rule under which analyses of a type are decided.
    pub fn decision_rule(&self, kind: &str) -> DecisionRule {
        let of_type = self.rules.four_eyes.get(kind);
        let four_eyes = of_type.copied().unwrap_or(self.rules.four_eyes_otherwise);
        DecisionRule { four_eyes, policy_version: self.version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn rule_of_a_type_wins_over_the_common_one() {
        let mut policy = CompanyPolicy::unset(CompanyId(Uuid::nil()));
        let rule = |policy: &CompanyPolicy, kind| policy.decision_rule(kind);
        assert_eq!(rule(&policy, "liveness"), DecisionRule::default());
        policy.version = 4;
        policy.rules.four_eyes_otherwise = FourEyes::Seeing;
        policy.rules.four_eyes.insert("liveness".to_owned(), FourEyes::Off);
        let of = |four_eyes| DecisionRule { four_eyes, policy_version: 4 };
        assert_eq!(rule(&policy, "liveness"), of(FourEyes::Off));
        assert_eq!(rule(&policy, "face_match"), of(FourEyes::Seeing));
    }
}
