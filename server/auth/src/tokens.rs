//! Access tokens (JWT with HS256, because only this server verifies them) and refresh tokens
//! (random; the store keeps their SHA-256).

use super::jwt_crypto;
use super::keys::Keys;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
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
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

impl AccessTokens {
    /// Issues tokens that are valid for `lifetime`.
    pub fn new(keys: &Keys, lifetime: Duration) -> Self {
        jwt_crypto::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "sub"]);
        // `verify` checks the times against the server's clock, to the second.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            encoding: EncodingKey::from_secret(keys.tokens.expose_secret()),
            decoding: DecodingKey::from_secret(keys.tokens.expose_secret()),
            validation,
            lifetime,
        }
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
        let header = Header { typ: Some(TOKEN_TYPE.to_owned()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.encoding)
            .map_err(|e| Error::internal("signing an access token", e))?;
        Ok((token, expires_at))
    }

    /// Verifies signature, header and times of a token.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<VerifiedToken> {
        let invalid = || Error::Unauthenticated("the access token is not valid".to_owned());
        let claims = self.signed_claims(token).ok_or_else(invalid)?;
        if claims.exp <= now.unix_timestamp() {
            return Err(Error::Unauthenticated("the access token has expired".to_owned()));
        }
        if claims.nbf > (now + CLOCK_SKEW).unix_timestamp() {
            return Err(invalid());
        }
        let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp).map_err(|_| invalid())?;
        Ok(VerifiedToken { user_id: claims.sub, session_id: claims.sid, expires_at })
    }

    /// The claims of a token whose signature, header and audience are those of this server.
    fn signed_claims(&self, token: &str) -> Option<Claims> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?;
        let header = &data.header;
        let names_a_key = header.jku.is_some()
            || header.jwk.is_some()
            || header.kid.is_some()
            || header.x5u.is_some()
            || header.x5c.is_some()
            || header.x5t.is_some()
            || header.x5t_s256.is_some();
        let is_ours =
            header.typ.as_deref() == Some(TOKEN_TYPE) && header.crit.is_none() && !names_a_key;
        is_ours.then_some(data.claims)
    }
}

/// A new refresh token: 256 random bits.
pub fn new_refresh_token() -> String {
    format!("vrt_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// The form of a refresh token that the store keeps.
pub fn refresh_sha256(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn forged(keys: &Keys, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(
            message.as_bytes(),
            &EncodingKey::from_secret(keys.tokens.expose_secret()),
            Algorithm::HS256,
        )
        .unwrap();
        format!("{message}.{signature}")
    }

    fn fixture() -> (Keys, AccessTokens) {
        let keys = Keys::ephemeral();
        let tokens = AccessTokens::new(&keys, Duration::minutes(15));
        (keys, tokens)
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
        let good = json!({"alg": "HS256", "typ": "at+jwt"});
        assert!(
            tokens.verify(&forged(&keys, &good, &claims()), now()).is_ok(),
            "a token with correct header and claims is valid"
        );
        let headers = [
            json!({"alg": "none", "typ": "at+jwt"}),
            json!({"alg": "HS512", "typ": "at+jwt"}),
            json!({"alg": "RS256", "typ": "at+jwt"}),
            json!({"alg": "HS256", "typ": "JWT"}),
            json!({"alg": "HS256"}),
            json!({"alg": "HS256", "typ": "at+jwt", "crit": ["exp"]}),
            json!({"alg": "HS256", "typ": "at+jwt", "jku": "https://example.org/keys"}),
            json!({"alg": "HS256", "typ": "at+jwt", "x5u": "https://example.org/keys"}),
            json!({"alg": "HS256", "typ": "at+jwt", "kid": "../../dev/null"}),
            json!({"alg": "HS256", "typ": "at+jwt", "jwk": {"kty": "oct", "k": "AAAA"}}),
        ];
        for header in headers {
            assert!(tokens.verify(&forged(&keys, &header, &claims()), now()).is_err(), "{header}");
        }
        for (name, value) in [
            ("aud", json!("other")),
            ("exp", json!(NOW)),
            ("exp", json!(1e300)),
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
    fn unsigned_foreign_and_huge_tokens_are_rejected() {
        let (keys, tokens) = fixture();
        let good = forged(&keys, &json!({"alg": "HS256", "typ": "at+jwt"}), &claims());
        let unsigned = good.rsplit_once('.').unwrap().0.to_owned() + ".";
        let foreign =
            forged(&Keys::ephemeral(), &json!({"alg": "HS256", "typ": "at+jwt"}), &claims());
        for token in [unsigned, foreign, String::new(), "a.b.c".to_owned(), "x".repeat(64 * 1024)] {
            assert!(matches!(tokens.verify(&token, now()), Err(Error::Unauthenticated(_))));
        }
    }

    #[test]
    fn refresh_tokens_differ_and_hash_hides_the_token() {
        let (a, b) = (new_refresh_token(), new_refresh_token());
        assert_ne!(a, b);
        assert_eq!(refresh_sha256(&a).len(), 64);
        assert!(!refresh_sha256(&a).contains(&a));
    }
}
