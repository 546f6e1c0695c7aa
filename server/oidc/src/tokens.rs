//! Access tokens of a provider, as bearer.

use crate::{Identity, Issuer};
use time::OffsetDateTime;
use vultus_auth::foreign_tokens::{self, Claims, Expected, Refusal};
use vultus_core::{Error, Result};

/// A verified access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBearer {
    /// Whose it is.
    pub identity: Identity,
    /// When it expires, in seconds since 1970.
    pub expires_at: i64,
}

impl Issuer {
    /// Verifies an access token of this issuer.
    pub async fn verify_bearer(&self, token: &str, now: OffsetDateTime) -> Result<VerifiedBearer> {
        let audience = self.options().audience.as_deref();
        let audience = audience.ok_or(Error::from(Refusal::Audience))?;
        let claims = self.verify(token, audience, now).await?;
        // A token that is bound to a key of its client is no bearer token.
        if claims.contains_key("cnf") {
            return Err(Error::TokenRefused {
                reason: "TOKEN_IS_BOUND",
                message: "the token is bound to a key of its client; a bearer token is needed",
            });
        }
        let expires_at = claims.get("exp").and_then(serde_json::Value::as_f64).unwrap_or_default();
        Ok(VerifiedBearer { identity: self.identity(&claims)?, expires_at: expires_at as i64 })
    }

    /// Verifies a token of this issuer with the keys that it publishes.
    pub(crate) async fn verify(
        &self,
        token: &str,
        audience: &str,
        now: OffsetDateTime,
    ) -> Result<Claims> {
        let kid = foreign_tokens::key_id(token)?;
        let fetched = self.provider.with_key(kid.as_deref()).await?;
        let options = self.options();
        let expected = Expected {
            issuer: &options.issuer,
            audience,
            leeway: time::Duration::try_from(options.leeway).unwrap_or_default(),
        };
        Ok(foreign_tokens::verify(token, &fetched.keys, &expected, now)?)
    }
}
