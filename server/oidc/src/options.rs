//! What the configuration says about an identity provider.

use secrecy::SecretString;
use std::time::Duration;
use vultus_core::{CompanyId, Role};

/// An identity provider.
#[derive(Debug, Clone)]
pub struct IssuerOptions {
    /// Name in addresses and in login names: lower-case letters, digits and `-`.
    pub name: String,
    /// The issuer, exactly as its tokens and its metadata name it.
    pub issuer: String,
    /// Audience of access tokens that are accepted as bearer; `None`: none are.
    pub audience: Option<String>,
    /// This server as a client of the provider; `None`: no logins.
    pub client: Option<ClientOptions>,
    /// Tolerated difference between the clocks.
    pub leeway: Duration,
    /// Which user an identity is.
    pub users: UserRule,
}

/// This server as a client of a provider.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The client id.
    pub id: String,
    /// The secret of a confidential client.
    pub secret: Option<SecretString>,
    /// Scopes to ask for, `openid` included.
    pub scopes: Vec<String>,
}

/// Which user an identity is.
#[derive(Debug, Clone)]
pub enum UserRule {
    /// The user with the verified e-mail, of this company if one is given.
    Existing(Option<CompanyId>),
    /// A user of its own, created when it comes first.
    Created(CreatedUsers),
}

/// What created users are.
#[derive(Debug, Clone)]
pub struct CreatedUsers {
    /// The role.
    pub role: RoleRule,
    /// The company, for roles of a company.
    pub company: Option<CompanyRule>,
}

/// The role of created users.
#[derive(Debug, Clone)]
pub enum RoleRule {
    /// This one; administrators may change it.
    Fixed(Role),
    /// The one of the first value that a claim has; the provider decides from then on.
    Claim(ClaimMap<Role>),
}

/// The company of created users.
#[derive(Debug, Clone)]
pub enum CompanyRule {
    /// This one.
    Fixed(CompanyId),
    /// The one of the first value that a claim has.
    Claim(ClaimMap<CompanyId>),
}

/// What the values of a claim stand for, in order: the first that a token has counts.
#[derive(Debug, Clone)]
pub struct ClaimMap<T> {
    /// Name of the claim, or a path with dots, such as `realm_access.roles`.
    pub claim: String,
    /// The values.
    pub values: Vec<(String, T)>,
}
