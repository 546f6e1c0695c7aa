//! Identity providers (OpenID Connect): whose tokens are accepted, and with which people log in.
//!
//! ```text
//! options   what the configuration says about a provider
//! provider  its metadata and keys, fetched and kept
//! tokens    access tokens as bearer
//! login     the authorization code flow with PKCE
//! identity  what the claims of a token say about a user
//! ```
//!
//! This crate knows no store: the service finds or makes the user of an [`Identity`].

mod identity;
mod login;
mod options;
mod provider;
mod tokens;

pub use identity::{Identity, Standing};
pub use login::{BegunLogin, LoginSecret};
pub use options::{
    ClaimMap, ClientOptions, CompanyRule, CreatedUsers, IssuerOptions, RoleRule, UserRule,
};
pub use provider::is_protected;
pub use tokens::VerifiedBearer;
pub use vultus_outgoing::OutgoingError;

use provider::Provider;
use std::sync::Arc;
use vultus_core::{Error, Result};
use vultus_outgoing::Outgoing;

/// Maximum size of what a provider answers, in bytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The configured identity providers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Issuers(Arc<[Issuer]>);

/// A configured identity provider.
#[derive(Debug, Clone)]
pub struct Issuer {
    options: Arc<IssuerOptions>,
    provider: Provider,
}

impl Issuers {
    /// The providers with these options. Sends no request.
    pub fn new(options: Vec<IssuerOptions>) -> Result<Self, OutgoingError> {
        if options.is_empty() {
            return Ok(Self::default());
        }
        let outgoing = Arc::new(Outgoing::new(MAX_ANSWER_BYTES)?);
        let mut issuers = Vec::with_capacity(options.len());
        for options in options {
            let options = Arc::new(options);
            let provider = Provider::new(options.clone(), outgoing.clone());
            issuers.push(Issuer { options, provider });
        }
        Ok(Self(issuers.into()))
    }

    /// The issuer of a token, if it is a token of an identity provider: the tokens of this server
    /// name no issuer.
    pub fn of_token(&self, token: &str) -> Option<Result<&Issuer>> {
        let claimed = vultus_auth::foreign_tokens::claimed_issuer(token)?;
        let found = self.0.iter().find(|issuer| issuer.options.issuer == claimed);
        Some(found.ok_or_else(|| vultus_auth::foreign_tokens::Refusal::Issuer.into()))
    }

    /// The provider with this name, if people may log in with it.
    pub fn for_login(&self, name: &str) -> Result<&Issuer> {
        let has_name = |issuer: &&Issuer| issuer.options.name == name;
        let found = self.0.iter().find(has_name).filter(|issuer| issuer.options.client.is_some());
        found.ok_or(Error::NotFound { what: "identity provider", argument: None })
    }
}

impl Issuer {
    /// What the configuration says about it.
    pub fn options(&self) -> &IssuerOptions {
        &self.options
    }
}
