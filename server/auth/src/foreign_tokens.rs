//! Tokens of identity providers: header, signature, and the claims that bind a token to this
//! server. Keys are given; this file sends no requests.

use super::jwt_crypto;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};
use vultus_core::Error;

pub use jsonwebtoken::jwk::JwkSet;

/// Maximum length of a token, in bytes: some providers list many groups.
pub const MAX_FOREIGN_TOKEN_BYTES: usize = 16 << 10;
/// The accepted algorithms: all have a private key that only the provider holds.
const ALGORITHMS: [(&str, Algorithm); 7] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];
/// Header types of access tokens and of ID tokens, in lower case. Tokens for other purposes, such
/// as `logout+jwt`, are refused.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// Claims of a verified token.
pub type Claims = Map<String, Value>;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is too long, has the wrong form, or lacks a claim.
    Malformed,
    /// Its algorithm is `none`, HMAC or unknown.
    Algorithm,
    /// It is of an issuer that is not configured.
    Issuer,
    /// The issuer publishes no key with its `kid`.
    UnknownKey,
    /// The signature is wrong.
    Signature,
    /// It is for another server.
    Audience,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (reason, message) = match refusal {
            Refusal::Malformed => ("MALFORMED_TOKEN", "the token is malformed"),
            Refusal::Algorithm => {
                ("WRONG_ALGORITHM", "tokens of identity providers need a public-key signature")
            }
            Refusal::Issuer => ("UNKNOWN_ISSUER", "the issuer of the token is not accepted here"),
            Refusal::UnknownKey => ("UNKNOWN_KEY", "the issuer has no key with the token's `kid`"),
            Refusal::Signature => ("WRONG_SIGNATURE", "the signature of the token is wrong"),
            Refusal::Audience => ("WRONG_AUDIENCE", "the token is for another server"),
            Refusal::Expired => ("TOKEN_EXPIRED", "the token has expired"),
            Refusal::NotYetValid => ("TOKEN_NOT_YET_VALID", "the token is not valid yet"),
        };
        Self::TokenRefused { reason, message }
    }
}

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'e> {
    /// Its `iss`.
    pub issuer: &'e str,
    /// One of its `aud`.
    pub audience: &'e str,
    /// Tolerated difference between the clocks.
    pub leeway: Duration,
}

/// The parts of a header that are read.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct OfIssuer {
    iss: Option<String>,
}

/// The issuer that a token names, before it is verified; tokens of this server name none.
pub fn claimed_issuer(token: &str) -> Option<String> {
    part::<OfIssuer>(token, 1)?.iss
}

/// The header's `kid`. Refuses a token that no key could make valid.
pub fn key_id(token: &str) -> Result<Option<String>, Refusal> {
    checked_header(token).map(|(_, kid)| kid)
}

/// Verifies a token with the keys of its issuer.
pub fn verify(
    token: &str,
    keys: &JwkSet,
    expected: &Expected<'_>,
    now: OffsetDateTime,
) -> Result<Claims, Refusal> {
    jwt_crypto::install();
    let (algorithm, kid) = checked_header(token)?;
    let key = signing_key(keys, kid.as_deref()).ok_or(Refusal::UnknownKey)?;
    let is_other = |named| Algorithm::try_from(named).ok() != Some(algorithm);
    if key.common.key_algorithm.is_some_and(is_other) {
        return Err(Refusal::Algorithm);
    }
    let key = DecodingKey::from_jwk(key).map_err(|_| Refusal::Signature)?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.audience]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    // Checked below, against the server's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|error| refusal(error.kind()))?
        .claims;
    let seconds = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Refusal::Malformed),
    };
    let at = |time: OffsetDateTime| time.unix_timestamp() as f64;
    if seconds("exp")?.ok_or(Refusal::Malformed)? <= at(now - expected.leeway) {
        return Err(Refusal::Expired);
    }
    if seconds("nbf")?.is_some_and(|begins| begins > at(now + expected.leeway)) {
        return Err(Refusal::NotYetValid);
    }
    Ok(claims)
}

/// Whether the issuer has a key for this `kid`.
pub fn has_key(keys: &JwkSet, kid: Option<&str>) -> bool {
    signing_key(keys, kid).is_some()
}

/// The key with this `kid`; a token without one is of the only key.
fn signing_key<'k>(keys: &'k JwkSet, kid: Option<&str>) -> Option<&'k Jwk> {
    let mut signing =
        keys.keys.iter().filter(|key| key.common.public_key_use != Some(PublicKeyUse::Encryption));
    match kid {
        Some(kid) => signing.find(|key| key.common.key_id.as_deref() == Some(kid)),
        None => signing.next().filter(|_| signing.next().is_none()),
    }
}

fn checked_header(token: &str) -> Result<(Algorithm, Option<String>), Refusal> {
    let header: Header = part(token, 0).ok_or(Refusal::Malformed)?;
    let is_known = |typ: &str| TYPES.contains(&typ.to_ascii_lowercase().as_str());
    if header.crit.is_some() || header.typ.as_deref().is_some_and(|typ| !is_known(typ)) {
        return Err(Refusal::Malformed);
    }
    let known = ALGORITHMS.iter().find(|(name, _)| *name == header.alg);
    let (_, algorithm) = known.ok_or(Refusal::Algorithm)?;
    Ok((*algorithm, header.kid))
}

/// A part of the token as JSON, not verified.
fn part<T: DeserializeOwned>(token: &str, index: usize) -> Option<T> {
    if token.len() > MAX_FOREIGN_TOKEN_BYTES {
        return None;
    }
    let parts: Vec<&str> = token.splitn(4, '.').collect();
    let [_, _, _] = parts[..] else { return None };
    let json = URL_SAFE_NO_PAD.decode(parts[index]).ok()?;
    serde_json::from_slice(&json).ok()
}

fn refusal(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::InvalidSignature | ErrorKind::InvalidKeyFormat => Refusal::Signature,
        ErrorKind::InvalidIssuer => Refusal::Issuer,
        ErrorKind::InvalidAudience => Refusal::Audience,
        ErrorKind::InvalidAlgorithm => Refusal::Algorithm,
        _ => Refusal::Malformed,
    }
}

#[cfg(test)]
mod tests;
