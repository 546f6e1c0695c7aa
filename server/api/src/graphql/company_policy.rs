//! Policies of companies.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use time::OffsetDateTime;
use vultus_core::CompanyId;

use super::context::caller;
use super::loader;
use super::scalars::{int, parse_id};
use super::user::User;
use vultus_service::NewPolicy;

/// Whether two people must agree on the decision of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::FourEyes")]
pub enum FourEyes {
    /// One person decides.
    Off,
    /// Two people must agree; neither sees the other's decision before both have decided.
    Blind,
    /// Two people must agree; the second sees the decision of the first.
    Seeing,
}

/// Whether two people decide analyses of a type.
#[derive(Debug, Clone, SimpleObject)]
pub struct FourEyesRule {
    /// The type of analyses; null: all types without another rule.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// The rule.
    mode: FourEyes,
}

/// A version of a company's policy.
pub struct CompanyPolicy(vultus_core::CompanyPolicy);

/// The rules that a company sets for itself. Each change makes a new version.
#[Object]
impl CompanyPolicy {
    /// Id of the company.
    async fn company_id(&self) -> ID {
        self.0.company_id.into()
    }

    /// The version, counted from 1; 0 if the company never set a policy.
    async fn version(&self) -> i32 {
        int(self.0.version)
    }

    /// When it was set; null for version 0.
    async fn changed_at(&self) -> Option<OffsetDateTime> {
        self.0.changed_at
    }

    /// Who set it; null for version 0 and for the command line, if the user was deleted, or you may
    /// not see it.
    async fn changed_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match self.0.changed_by {
            Some(by) => Ok(loader::user(ctx, by).await?.map(User)),
            None => Ok(None),
        }
    }

    /// Which analyses need the agreement of two people. If they do not agree, a third decides.
    async fn four_eyes(&self) -> Vec<FourEyesRule> {
        let rules = &self.0.rules;
        let of_types = rules.four_eyes.iter().map(|(kind, rule)| (Some(kind.clone()), *rule));
        let otherwise = (None, rules.four_eyes_otherwise);
        let rule =
            |(kind, rule): (_, vultus_core::FourEyes)| FourEyesRule { kind, mode: rule.into() };
        of_types.chain([otherwise]).map(rule).collect()
    }
}

/// A rule of a new policy.
#[derive(InputObject)]
pub struct FourEyesRuleInput {
    /// The type of analyses; omit it for all types without another rule.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// The rule.
    mode: FourEyes,
}

/// The next version of a company's policy.
#[derive(InputObject)]
pub struct ChangeCompanyPolicyInput {
    /// The company.
    company_id: ID,
    /// The version that you saw; 0 if there is none. If it has changed since, the answer is
    /// CONFLICT.
    expected_version: i32,
    /// Which analyses need the agreement of two people. Types without a rule need one person.
    four_eyes: Vec<FourEyesRuleInput>,
}

/// The new version of a policy.
#[derive(SimpleObject)]
pub struct CompanyPolicyPayload {
    /// The policy.
    policy: CompanyPolicy,
}

pub(super) async fn policy(
    ctx: &Context<'_>,
    company: &ID,
    version: Option<i32>,
) -> Result<Option<CompanyPolicy>> {
    let (services, principal) = caller(ctx)?;
    let (Ok(company), Ok(version)) =
        (company.parse::<CompanyId>(), version.map(u64::try_from).transpose())
    else {
        return Ok(None);
    };
    let found = services.company_policy(&principal, company, version).await?;
    Ok(found.map(CompanyPolicy))
}

/// The mutations of policies.
#[derive(Default)]
pub struct PolicyMutation;

/// Policies of companies.
#[Object]
impl PolicyMutation {
    /// Replaces the policy of a company by a new version. Cases that people have begun to decide
    /// keep the version under which they began.
    async fn change_company_policy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The policy.")] input: ChangeCompanyPolicyInput,
    ) -> Result<CompanyPolicyPayload> {
        let (services, principal) = caller(ctx)?;
        let rules = input.four_eyes.into_iter();
        let new = NewPolicy {
            company_id: parse_id(&input.company_id, "company", "input.companyId")?,
            expected_version: input.expected_version.into(),
            four_eyes: rules.map(|rule| (rule.kind, rule.mode.into())).collect(),
        };
        let policy = services.change_company_policy(&principal, new).await?;
        Ok(CompanyPolicyPayload { policy: CompanyPolicy(policy) })
    }
}
