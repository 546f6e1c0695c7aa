//! The policies of companies: read, and changed by new versions.

use crate::directory::{Directory, of_write};
use crate::errors::of_store;
use crate::services::Services;
use std::collections::BTreeMap;
use vultus_auth::policy::{self, Action};
use vultus_core::{CompanyId, CompanyPolicy, Error, FourEyes, PolicyRules, Principal, Result};
use vultus_store::audit::{AuditAction, Facts, NewEntry};
use vultus_store::names::Named;

const COMPANY: &str = "input.companyId";
const FOUR_EYES: &str = "input.fourEyes";
/// Maximum number of rules.
const MOST_RULES: usize = 64;
/// Maximum length of a type of analyses, in bytes.
const MAX_TYPE_BYTES: usize = 64;

/// Whether two people decide analyses of a type; absent: of all types without a rule.
pub type FourEyesRule = (Option<String>, FourEyes);

/// The next version of a company's policy.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// The company.
    pub company_id: CompanyId,
    /// The version that the caller saw; 0 without one.
    pub expected_version: i64,
    /// The rules of four eyes. Types without a rule need one person.
    pub four_eyes: Vec<FourEyesRule>,
}

impl Directory {
    /// A version of a company's policy; without a version the newest one. `None` if there is no
    /// such version, or the caller may not see the company.
    pub async fn policy(
        &self,
        caller: &Principal,
        company: CompanyId,
        version: Option<u64>,
    ) -> Result<Option<CompanyPolicy>> {
        let scope = policy::authorize_companies(caller, Action::ViewPolicy)?;
        match self.store.policy(scope, company, version).await.map_err(of_store) {
            Err(Error::NotFound { .. }) => Ok(None),
            other => other,
        }
    }

    /// Replaces a company's policy by a new version.
    pub async fn change_policy(&self, caller: &Principal, new: NewPolicy) -> Result<CompanyPolicy> {
        let scope = policy::authorize_companies(caller, Action::ChangePolicy)?;
        let before = u64::try_from(new.expected_version)
            .map_err(|_| Error::invalid("input.expectedVersion", "must be at least 0"))?;
        let changed = CompanyPolicy {
            company_id: new.company_id,
            version: before + 1,
            changed_at: Some(self.clock.now()),
            changed_by: caller.user_id(),
            rules: checked_rules(new.four_eyes)?,
        };
        let entry = NewEntry {
            before: Facts::new().number("version", before),
            after: facts(&changed),
            ..self.about_company(caller, AuditAction::CompanyPolicyChanged, new.company_id)
        };
        let done = self.audit.recording(entry).change_policy(scope, &changed).await;
        done.map_err(|error| of_write(error, COMPANY))?;
        Ok(changed)
    }
}

fn checked_rules(four_eyes: Vec<FourEyesRule>) -> Result<PolicyRules> {
    if four_eyes.len() > MOST_RULES {
        return Err(Error::invalid(FOUR_EYES, format!("must be at most {MOST_RULES} rules")));
    }
    let (mut of_types, mut otherwise) = (BTreeMap::new(), None);
    for (place, (kind, rule)) in four_eyes.into_iter().enumerate() {
        let argument = format!("{FOUR_EYES}[{place}].type");
        let is_repeated = match kind {
            None => otherwise.replace(rule).is_some(),
            Some(kind) if !is_type(&kind) => {
                return Err(Error::invalid(argument, "is not the name of a type of analyses"));
            }
            Some(kind) => of_types.insert(kind, rule).is_some(),
        };
        if is_repeated {
            return Err(Error::invalid(argument, "has two rules"));
        }
    }
    Ok(PolicyRules { four_eyes: of_types, four_eyes_otherwise: otherwise.unwrap_or_default() })
}

fn is_type(kind: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=MAX_TYPE_BYTES).contains(&kind.len()) && kind.bytes().all(is_part)
}

fn facts(policy: &CompanyPolicy) -> Facts {
    let rules = &policy.rules;
    let common = ("otherwise", rules.four_eyes_otherwise);
    let of_types = rules.four_eyes.iter().map(|(kind, rule)| (kind.as_str(), *rule));
    let four_eyes: Vec<String> =
        of_types.chain([common]).map(|(kind, rule)| format!("{kind}:{}", rule.name())).collect();
    Facts::new()
        .number("version", policy.version)
        .codes("fourEyes", four_eyes.iter().map(String::as_str))
}

/// Policies of companies.
impl Services {
    /// A version of a company's policy; without a version the newest one.
    pub async fn company_policy(
        &self,
        caller: &Principal,
        company: CompanyId,
        version: Option<u64>,
    ) -> Result<Option<CompanyPolicy>> {
        self.directory().policy(caller, company, version).await
    }

    /// Replaces a company's policy by a new version.
    pub async fn change_company_policy(
        &self,
        caller: &Principal,
        new: NewPolicy,
    ) -> Result<CompanyPolicy> {
        self.directory().change_policy(caller, new).await
    }
}
