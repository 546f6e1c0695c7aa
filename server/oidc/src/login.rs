//! Logins of browsers: the authorization code flow with PKCE, state and nonce.
//!
//! A login in progress is one random secret in a cookie of the browser: state, nonce and PKCE
//! verifier are derived from it, so that no node keeps anything, and any node can complete it.

use crate::{Identity, Issuer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use oauth2::basic::{BasicErrorResponseType, BasicTokenType};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, ExtraTokenFields, HttpRequest, HttpResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    StandardErrorResponse, StandardRevocableToken, StandardTokenIntrospectionResponse,
    StandardTokenResponse, TokenUrl,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use time::OffsetDateTime;
use url::Url;
use vultus_core::{Error, Result};
use vultus_outgoing::{Outgoing, OutgoingError};

use crate::options::ClientOptions;
use crate::provider::Metadata;

/// Bytes of the secret of a login.
const SECRET_BYTES: usize = 32;

/// The secret of a login in progress.
#[derive(Clone)]
pub struct LoginSecret([u8; SECRET_BYTES]);

/// A login that has begun.
#[derive(Debug)]
pub struct BegunLogin {
    /// The page of the provider to which the browser goes.
    pub address: Url,
    /// What the browser keeps until it comes back.
    pub secret: LoginSecret,
}

impl LoginSecret {
    fn random() -> Self {
        Self(rand::random())
    }

    /// The secret in the text of a cookie.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The text for a cookie.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn mac(&self, purpose: &str, issuer: &str) -> Hmac<Sha256> {
        let keyed = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        keyed.chain_update(purpose).chain_update([0]).chain_update(issuer)
    }

    /// A value for one purpose with one issuer: 43 characters.
    fn derived(&self, purpose: &str, issuer: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, issuer).finalize().into_bytes())
    }

    fn is_state(&self, state: &str, issuer: &str) -> bool {
        let Ok(state) = URL_SAFE_NO_PAD.decode(state) else { return false };
        // Compares in constant time.
        self.mac("state", issuer).verify_slice(&state).is_ok()
    }
}

impl fmt::Debug for LoginSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginSecret(…)")
    }
}

/// The field of the token answer that OpenID Connect adds.
#[derive(Debug, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

type Answer = StandardTokenResponse<IdTokenField, BasicTokenType>;
type Refused = StandardErrorResponse<BasicErrorResponseType>;
type OAuthClient<AuthEndpoint, TokenEndpoint> = Client<
    Refused,
    Answer,
    StandardTokenIntrospectionResponse<EmptyExtraTokenFields, BasicTokenType>,
    StandardRevocableToken,
    Refused,
    AuthEndpoint,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    TokenEndpoint,
>;

/// Sends the requests of `oauth2`.
struct Sender(Arc<Outgoing>);

impl<'c> AsyncHttpClient<'c> for Sender {
    type Error = OutgoingError;
    type Future = BoxFuture<'c, Result<HttpResponse, OutgoingError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.0.send(request).boxed()
    }
}

impl Issuer {
    /// Begins a login; the provider sends the browser back to `redirect`.
    pub async fn begin_login(&self, redirect: &Url) -> Result<BegunLogin> {
        let client = self.client()?;
        let fetched = self.provider.fetched().await?;
        let secret = LoginSecret::random();
        let (issuer, oauth) = (&self.options().issuer, self.oauth(client, &fetched.metadata)?);
        let oauth = oauth.set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
        let verifier = PkceCodeVerifier::new(secret.derived("verifier", issuer));
        let state = secret.derived("state", issuer);
        let (address, _) = oauth
            .authorize_url(|| CsrfToken::new(state))
            .add_scopes(client.scopes.iter().cloned().map(Scope::new))
            .add_extra_param("nonce", secret.derived("nonce", issuer))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(BegunLogin { address, secret })
    }

    /// Completes a login: checks the state, exchanges the code and verifies the ID token.
    pub async fn complete_login(
        &self,
        secret: &LoginSecret,
        state: &str,
        code: String,
        redirect: &Url,
        now: OffsetDateTime,
    ) -> Result<Identity> {
        let client = self.client()?;
        let issuer = &self.options().issuer;
        if !secret.is_state(state, issuer) {
            return Err(other_login());
        }
        let fetched = self.provider.fetched().await?;
        let oauth = self.oauth(client, &fetched.metadata)?;
        let oauth = oauth.set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
        let sender = Sender(self.provider.outgoing().clone());
        let answer = oauth
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(secret.derived("verifier", issuer)))
            .request_async(&sender)
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(self.exchange_error(error)),
        };
        let token = answer.extra_fields().id_token.as_deref().ok_or_else(no_id_token)?;
        let claims = self.verify(token, &client.id, now).await?;
        let text = |name: &str| claims.get(name).and_then(serde_json::Value::as_str);
        if text("nonce") != Some(&secret.derived("nonce", issuer)) {
            return Err(other_login());
        }
        let audiences = claims.get("aud").and_then(serde_json::Value::as_array);
        let is_only_for_us = audiences.is_none_or(|audiences| audiences.len() <= 1);
        if text("azp").map_or(!is_only_for_us, |party| party != client.id) {
            return Err(vultus_auth::foreign_tokens::Refusal::Audience.into());
        }
        self.identity(&claims)
    }

    fn client(&self) -> Result<&ClientOptions> {
        let client = self.options().client.as_ref();
        client.ok_or_else(|| Error::broken("a login with a provider that has no client id"))
    }

    /// This server as a client of the provider.
    fn oauth(
        &self,
        client: &ClientOptions,
        metadata: &Metadata,
    ) -> Result<OAuthClient<oauth2::EndpointSet, oauth2::EndpointSet>> {
        let endpoints =
            metadata.authorization_endpoint.as_ref().zip(metadata.token_endpoint.as_ref());
        let (authorization, token) = endpoints.ok_or_else(|| self.provider.unavailable())?;
        let mut oauth = Client::new(ClientId::new(client.id.clone()));
        oauth = match &client.secret {
            Some(secret) => oauth
                .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
                .set_auth_type(AuthType::BasicAuth),
            None => oauth.set_auth_type(AuthType::RequestBody),
        };
        Ok(oauth
            .set_auth_uri(AuthUrl::from_url(authorization.clone()))
            .set_token_uri(TokenUrl::from_url(token.clone())))
    }

    /// Why the code was not exchanged. Only the error code of the provider is logged.
    fn exchange_error(&self, error: RequestTokenError<OutgoingError, Refused>) -> Error {
        let provider = &self.options().name;
        match error {
            RequestTokenError::ServerResponse(refused) => {
                let code = refused.error().to_string();
                tracing::warn!(provider, code, "an identity provider refused a login");
                Error::TokenRefused {
                    reason: "LOGIN_REFUSED",
                    message: "the identity provider refused the login; begin again",
                }
            }
            RequestTokenError::Request(error) => {
                tracing::warn!(
                    provider,
                    error = &error as &dyn std::error::Error,
                    "could not reach an identity provider"
                );
                self.provider.unavailable()
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                tracing::warn!(provider, "the token answer of an identity provider is malformed");
                self.provider.unavailable()
            }
        }
    }
}

fn other_login() -> Error {
    Error::TokenRefused {
        reason: "WRONG_STATE",
        message: "this answer belongs to another login; begin again",
    }
}

fn no_id_token() -> Error {
    Error::TokenRefused {
        reason: "NO_ID_TOKEN",
        message: "the identity provider sent no ID token; ask for the scope openid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_of_one_login_with_one_issuer() {
        let (one, other) = (LoginSecret::random(), LoginSecret::random());
        let state = one.derived("state", "i");
        assert!(one.is_state(&state, "i"));
        assert!(!one.is_state(&state, "j") && !other.is_state(&state, "i"));
        assert!(!one.is_state(&one.derived("nonce", "i"), "i") && !one.is_state("", "i"));
    }

    #[test]
    fn secret_survives_the_cookie_and_stays_out_of_logs() {
        let secret = LoginSecret::random();
        let text = secret.to_text();
        let back = LoginSecret::from_text(&text).unwrap();
        assert_eq!(back.derived("verifier", "i"), secret.derived("verifier", "i"));
        assert!(!format!("{secret:?}").contains(&text));
        assert!(LoginSecret::from_text("AAAA").is_none());
    }
}
