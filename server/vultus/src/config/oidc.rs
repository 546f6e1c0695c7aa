//! The tables `[[oidc.issuers]]`: identity providers whose users are accepted.

use super::source::{Entry, Section, Source};
use secrecy::SecretString;
use serde::Deserialize;
use std::time::Duration;
use toml::{Table, Value};
use url::Url;
use vultus_core::{CompanyId, Role};
use vultus_oidc::{
    ClaimMap, ClientOptions, CompanyRule, CreatedUsers, IssuerOptions, RoleRule, UserRule,
    is_protected,
};
use vultus_store::names;

/// Longest name of a provider, in bytes.
const MAX_NAME_BYTES: usize = 32;

/// Identity providers.
#[derive(Debug, Clone, Default)]
pub struct OidcConfig {
    /// The providers.
    pub issuers: Vec<IssuerOptions>,
    /// The tables as they were read; they hold no secrets.
    tables: Vec<Value>,
}

const EXPLANATION: &str = "
# -- identity providers (OpenID Connect) ----------------------------------------------------------
# One table [[oidc.issuers]] per provider.
#   name            in addresses: lower-case letters, digits and -. People log in at
#                   /session/oidc/NAME; the provider sends them back to
#                   /session/oidc/NAME/callback, which must be registered there.
#   issuer          the provider, exactly as its tokens name it; https, or http on this machine
#   audience        accepts access tokens (JWT) for this audience as bearer. Unset: none.
#   client_id       lets people log in with this client id. Unset: they cannot. The secret of a
#                   confidential client is in the variable VULTUS_OIDC_NAME_CLIENT_SECRET.
#   scopes          what a login asks for, default [\"openid\", \"profile\", \"email\"]
#   leeway_seconds  tolerated difference between the clocks, 0 to 300, default 30
#   users           \"created\" (default): each account gets a user when it comes first.
#                   \"existing\": the user with the e-mail that the provider has verified; trust it
#                   with all of them, or name a company.
#   role            the role of created users, such as \"client\"; administrators may change it
#   role_claim      or: the claim that gives the role, such as \"groups\" or \"realm_access.roles\";
#                   the provider decides from then on. The first of `roles` that a token has counts.
#   company         the company of the users, by its id; for roles of a company
#   company_claim   or: the claim that gives the company, by the list `companies`
#
# [[oidc.issuers]]
# name = \"acme\"
# issuer = \"https://login.acme.example\"
# audience = \"https://vultus.acme.example\"
# client_id = \"vultus\"
# role_claim = \"groups\"
# roles = [
#     { value = \"vultus-leads\", role = \"client-admin\" },
#     { value = \"vultus-users\", role = \"client\" },
# ]
# company = \"00000000-0000-7000-8000-000000000001\"
";

/// A table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    issuer: String,
    audience: Option<String>,
    client_id: Option<String>,
    scopes: Option<Vec<String>>,
    leeway_seconds: Option<u64>,
    #[serde(default)]
    users: WrittenUsers,
    role: Option<String>,
    role_claim: Option<String>,
    #[serde(default)]
    roles: Vec<RoleValue>,
    company: Option<CompanyId>,
    company_claim: Option<String>,
    #[serde(default)]
    companies: Vec<CompanyValue>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum WrittenUsers {
    #[default]
    Created,
    Existing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleValue {
    value: String,
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompanyValue {
    value: String,
    company: CompanyId,
}

impl Section for OidcConfig {
    fn read(at: &str, mut table: Table, source: &mut Source) -> Self {
        source.entries.push(Entry::Text(EXPLANATION));
        let mut config = Self::default();
        let tables = match table.remove("issuers") {
            None => Vec::new(),
            Some(Value::Array(tables)) => tables,
            Some(_) => {
                source.problem(format!("{at}issuers"), "must be tables [[oidc.issuers]]");
                Vec::new()
            }
        };
        source.refuse_rest(at, table);
        for (index, table) in tables.into_iter().enumerate() {
            let place = format!("{at}issuers[{index}]");
            match config.issuer(table.clone(), source) {
                Ok(issuer) => {
                    config.issuers.push(issuer);
                    config.tables.push(table);
                }
                Err(message) => source.problem(place, message),
            }
        }
        config
    }
}

impl OidcConfig {
    fn issuer(&self, table: Value, source: &mut Source) -> Result<IssuerOptions, String> {
        if table.get("client_secret").is_some() {
            return Err("client_secret is a secret: set VULTUS_OIDC_NAME_CLIENT_SECRET".to_owned());
        }
        let written: Written =
            table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let Written { name, issuer, audience, client_id, .. } = &written;
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err("name must have 1 to 32 lower-case letters, digits and -".to_owned());
        }
        let is_taken = |other: &IssuerOptions| other.name == *name || other.issuer == *issuer;
        if self.issuers.iter().any(is_taken) {
            return Err("name and issuer must differ from those of other providers".to_owned());
        }
        let url = Url::parse(issuer).ok().filter(is_protected);
        if url.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
            return Err("issuer must be an https address without query".to_owned());
        }
        if audience.is_none() && client_id.is_none() {
            return Err("needs an audience, a client_id, or both".to_owned());
        }
        if audience.is_some() && audience == client_id {
            let text = "audience and client_id must differ: ID tokens are no access tokens";
            return Err(text.to_owned());
        }
        let variable = name.replace('-', "_").to_uppercase();
        let secret = source.take_variables(&format!("OIDC_{variable}_CLIENT_SECRET")).pop();
        let client = client_id.clone().map(|id| ClientOptions {
            id,
            secret: secret.map(|(_, _, text)| SecretString::from(text.trim())),
            scopes: scopes(written.scopes.clone()),
        });
        let leeway = written.leeway_seconds.unwrap_or(30);
        if leeway > 300 {
            return Err("leeway_seconds must be a whole number from 0 to 300".to_owned());
        }
        Ok(IssuerOptions {
            name: name.clone(),
            issuer: issuer.clone(),
            audience: audience.clone(),
            client,
            leeway: Duration::from_secs(leeway),
            users: users(written)?,
        })
    }

    /// The lines that `vultus config print` shows.
    pub(super) fn lines(&self) -> String {
        match &self.tables[..] {
            [] => String::new(),
            tables => format!("oidc.issuers = {}\n", Value::Array(tables.to_vec())),
        }
    }
}

fn scopes(given: Option<Vec<String>>) -> Vec<String> {
    let usual = || ["openid", "profile", "email"].map(str::to_owned).to_vec();
    let mut scopes = given.unwrap_or_else(usual);
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    scopes
}

fn users(written: Written) -> Result<UserRule, String> {
    let Written { role, role_claim, roles, company, company_claim, companies, .. } = written;
    if written.users == WrittenUsers::Existing {
        if role.is_some() || role_claim.is_some() || company_claim.is_some() {
            return Err("existing users have their own role and company".to_owned());
        }
        return Ok(UserRule::Existing(company));
    }
    let role = match (role, role_claim) {
        (Some(name), None) if roles.is_empty() => RoleRule::Fixed(role_named(&name)?),
        (None, Some(claim)) if !roles.is_empty() => {
            let mut values = Vec::with_capacity(roles.len());
            for RoleValue { value, role } in roles {
                values.push((value, role_named(&role)?));
            }
            RoleRule::Claim(ClaimMap { claim, values })
        }
        _ => return Err("needs either role, or role_claim and roles".to_owned()),
    };
    let company = match (company, company_claim) {
        (None, None) if companies.is_empty() => None,
        (Some(company), None) if companies.is_empty() => Some(CompanyRule::Fixed(company)),
        (None, Some(claim)) if !companies.is_empty() => {
            let values = companies.into_iter().map(|given| (given.value, given.company)).collect();
            Some(CompanyRule::Claim(ClaimMap { claim, values }))
        }
        _ => return Err("needs at most company, or company_claim and companies".to_owned()),
    };
    let mut given = match &role {
        RoleRule::Fixed(role) => vec![*role],
        RoleRule::Claim(map) => map.values.iter().map(|(_, role)| *role).collect(),
    }
    .into_iter();
    if company.is_none() && given.any(Role::is_of_company) {
        return Err("roles of a company need company, or company_claim and companies".to_owned());
    }
    Ok(UserRule::Created(CreatedUsers { role, company }))
}

/// A role as the command line names it.
fn role_named(name: &str) -> Result<Role, String> {
    let stored = name.replace('-', "_").to_uppercase();
    let role = names::named(&stored).ok().filter(|_| !name.contains('_'));
    role.ok_or_else(|| format!("{name} is not a role; one is client-admin"))
}
