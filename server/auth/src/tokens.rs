//! Access tokens: JWT with EdDSA, whose public keys anyone may read (`/.well-known/jwks.json`).

use super::jwt_crypto;
use super::signing_keys::{PublicJwk, SigningKeys};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use vultus_core::{Error, Result, SessionId, UserId};

/// Maximum length of an access token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// The only accepted header type (RFC 9068).
const TOKEN_TYPE: &str = "at+jwt";
/// The only accepted audience.
const AUDIENCE: &str = "vultus";
/// Tolerated difference between the clocks of two nodes: a token that another node has just issued
/// is valid. The expiry has no tolerance.
const CLOCK_SKEW: Duration = Duration::seconds(30);

/// Claims of an access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    sid: SessionId,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// A verified access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The user.
    pub user_id: UserId,
    /// The session of the login.
    pub session_id: SessionId,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// Issues and verifies access tokens.
pub struct AccessTokens {
    keys: SigningKeys,
    validation: Validation,
    lifetime: Duration,
}

impl AccessTokens {
    /// Issues tokens that are valid for `lifetime`.
    pub fn new(keys: SigningKeys, lifetime: Duration) -> Self {
        jwt_crypto::install();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "sub"]);
        // `verify` checks the times against the server's clock, to the second.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { keys, validation, lifetime }
    }

    /// Issues a token for a session; returns it with its expiry.
    pub fn issue(
        &self,
        user_id: UserId,
        session_id: SessionId,
        now: OffsetDateTime,
    ) -> Result<(String, OffsetDateTime)> {
        let expires_at = now + self.lifetime;
        let claims = Claims {
            sub: user_id,
            sid: session_id,
            aud: AUDIENCE.to_owned(),
            iat: now.unix_timestamp(),
            nbf: now.unix_timestamp(),
            exp: expires_at.unix_timestamp(),
        };
        let key = self.keys.signer(now);
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(key.id().to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(key.seed()))
            .map_err(|e| Error::internal("signing an access token", e))?;
        Ok((token, expires_at))
    }

    /// Verifies signature, header and times of a token.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<VerifiedToken> {
        let invalid = || Error::Unauthenticated("the access token is not valid".to_owned());
        let claims = self.signed_claims(token, now).ok_or_else(invalid)?;
        if claims.exp <= now.unix_timestamp() {
            return Err(Error::Unauthenticated("the access token has expired".to_owned()));
        }
        // A key that was replaced is kept for one lifetime: no token of it may outlast that.
        if claims.exp > (now + self.lifetime + CLOCK_SKEW).unix_timestamp() {
            return Err(invalid());
        }
        if claims.nbf > (now + CLOCK_SKEW).unix_timestamp() {
            return Err(invalid());
        }
        let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp).map_err(|_| invalid())?;
        Ok(VerifiedToken { user_id: claims.sub, session_id: claims.sid, expires_at })
    }

    /// The id of the key that a token names.
    pub fn key_id(token: &str) -> Option<String> {
        jsonwebtoken::decode_header(token).ok()?.kid
    }

    /// The public keys of the tokens that are valid at `now` or later.
    pub fn public_keys(&self, now: OffsetDateTime) -> Vec<PublicJwk> {
        self.keys.public_keys(self.lifetime, now)
    }

    /// The claims of a token whose signature, header and audience are those of this server.
    fn signed_claims(&self, token: &str, now: OffsetDateTime) -> Option<Claims> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let brings_a_key = header.jku.is_some()
            || header.jwk.is_some()
            || header.x5u.is_some()
            || header.x5c.is_some()
            || header.x5t.is_some()
            || header.x5t_s256.is_some();
        if header.typ.as_deref() != Some(TOKEN_TYPE) || header.crit.is_some() || brings_a_key {
            return None;
        }
        let key = self.keys.verifier(header.kid.as_deref()?, self.lifetime, now)?;
        let key = DecodingKey::from_ed_der(key.public());
        jsonwebtoken::decode::<Claims>(token, &key, &self.validation).ok().map(|data| data.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use uuid::Uuid;

    const NOW: i64 = 1_900_000_000;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW).unwrap()
    }

    fn claims() -> Value {
        json!({
            "sub": Uuid::from_u128(1),
            "sid": Uuid::from_u128(2),
            "aud": "vultus",
            "iat": NOW,
            "nbf": NOW,
            "exp": NOW + 900
        })
    }

    fn message(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(header), part(claims))
    }

    fn forged(keys: &SigningKeys, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let key = EncodingKey::from_ed_der(keys.signer(now()).seed());
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn fixture() -> (SigningKeys, AccessTokens) {
        let keys = SigningKeys::ephemeral(&Keys::ephemeral());
        let tokens = AccessTokens::new(keys.clone(), Duration::minutes(15));
        (keys, tokens)
    }

    fn good_header(keys: &SigningKeys) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": keys.signer(now()).id()})
    }

    #[test]
    fn issued_token_is_valid_until_it_expires() {
        let (_, tokens) = fixture();
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let (token, expires_at) = tokens.issue(user, session, now()).unwrap();
        let verified = tokens.verify(&token, now() + Duration::seconds(899)).unwrap();
        assert_eq!(verified, VerifiedToken { user_id: user, session_id: session, expires_at });
        assert!(tokens.verify(&token, expires_at).is_err());
    }

    #[test]
    fn token_of_a_clock_ahead_is_valid_within_the_skew() {
        let (_, tokens) = fixture();
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let (token, _) = tokens.issue(user, session, now() + CLOCK_SKEW).unwrap();
        assert!(tokens.verify(&token, now()).is_ok());
        assert!(tokens.verify(&token, now() - Duration::seconds(1)).is_err());
    }

    #[test]
    fn signed_token_with_wrong_header_or_claim_is_rejected() {
        let (keys, tokens) = fixture();
        let good = good_header(&keys);
        assert!(
            tokens.verify(&forged(&keys, &good, &claims()), now()).is_ok(),
            "a token with correct header and claims is valid"
        );
        for (name, value) in [
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("alg", json!("RS256")),
            ("alg", json!("ES256")),
            ("typ", json!("JWT")),
            ("typ", Value::Null),
            ("crit", json!(["exp"])),
            ("jku", json!("https://example.org/keys")),
            ("x5u", json!("https://example.org/keys")),
            ("kid", json!("../../dev/null")),
            ("kid", Value::Null),
            ("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})),
        ] {
            let mut header = good.clone();
            header[name] = value;
            assert!(tokens.verify(&forged(&keys, &header, &claims()), now()).is_err(), "{header}");
        }
        for (name, value) in [
            ("aud", json!("other")),
            ("exp", json!(NOW)),
            ("exp", json!(1e300)),
            ("exp", json!(NOW + 900 + 31)),
            ("aud", json!(["vultus"])),
            ("nbf", json!(NOW + 60)),
            ("sub", json!("x")),
        ] {
            let mut claims = claims();
            claims[name] = value;
            assert!(tokens.verify(&forged(&keys, &good, &claims), now()).is_err(), "{name}");
        }
        for name in ["aud", "exp", "nbf", "sub", "sid"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            assert!(
                tokens.verify(&forged(&keys, &good, &claims), now()).is_err(),
                "without {name}"
            );
        }
    }

    #[test]
    fn public_key_as_an_hmac_secret_is_rejected() {
        let (keys, tokens) = fixture();
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": keys.signer(now()).id()});
        let message = message(&header, &claims());
        let secret = EncodingKey::from_secret(keys.signer(now()).public());
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
        assert!(tokens.verify(&format!("{message}.{signature}"), now()).is_err());
    }

    #[test]
    fn unsigned_foreign_and_huge_tokens_are_rejected() {
        let (keys, tokens) = fixture();
        let good = forged(&keys, &good_header(&keys), &claims());
        let unsigned = good.rsplit_once('.').unwrap().0.to_owned() + ".";
        let foreign = SigningKeys::ephemeral(&Keys::ephemeral());
        let of_other = forged(&foreign, &good_header(&foreign), &claims());
        let pretending = forged(&foreign, &good_header(&keys), &claims());
        let others = ["a.b.c".to_owned(), String::new(), "x".repeat(64 * 1024)];
        for token in [unsigned, of_other, pretending].into_iter().chain(others) {
            assert!(matches!(tokens.verify(&token, now()), Err(Error::Unauthenticated(_))));
        }
    }
}
