//! Access tokens (JWT, HS256: only this server reads them) and refresh tokens (random, known to the
//! store by their SHA-256).

use super::keys::Keys;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use vultus_core::{Error, Result, SessionId, UserId};

/// Longest access token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// The only header type (RFC 9068).
const TOKEN_TYPE: &str = "at+jwt";
/// The only audience.
const AUDIENCE: &str = "vultus";

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    sid: SessionId,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// A token that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whose.
    pub user_id: UserId,
    /// The login.
    pub session_id: SessionId,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// Makes and verifies access tokens.
pub struct AccessTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

impl AccessTokens {
    /// Tokens that live for `lifetime`.
    pub fn new(keys: &Keys, lifetime: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "sub"]);
        // Times are checked below against the server's own clock, to the second.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            encoding: EncodingKey::from_secret(keys.tokens.expose_secret()),
            decoding: DecodingKey::from_secret(keys.tokens.expose_secret()),
            validation,
            lifetime,
        }
    }

    /// A token for a login, and when it expires.
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

    /// What the token says, if it is ours and current.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<VerifiedToken> {
        let refused = || Error::Unauthenticated("the access token is not valid".to_owned());
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused());
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| refused())?;
        let header = &data.header;
        let names_a_key = header.jku.is_some()
            || header.jwk.is_some()
            || header.kid.is_some()
            || header.x5u.is_some()
            || header.x5c.is_some()
            || header.x5t.is_some()
            || header.x5t_s256.is_some();
        if header.typ.as_deref() != Some(TOKEN_TYPE) || header.crit.is_some() || names_a_key {
            return Err(refused());
        }
        let claims = data.claims;
        if claims.exp <= now.unix_timestamp() {
            return Err(Error::Unauthenticated("the access token has expired".to_owned()));
        }
        if claims.nbf > now.unix_timestamp() {
            return Err(refused());
        }
        let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp).map_err(|_| refused())?;
        Ok(VerifiedToken { user_id: claims.sub, session_id: claims.sid, expires_at })
    }
}

/// A new refresh token: 256 random bits.
pub fn new_refresh_token() -> String {
    format!("vrt_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// What the store knows a refresh token by.
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
        json!({"sub": Uuid::from_u128(1), "sid": Uuid::from_u128(2), "aud": "vultus", "iat": NOW, "nbf": NOW, "exp": NOW + 900})
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
    fn an_issued_token_is_valid_until_it_expires() {
        let (_, tokens) = fixture();
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let (token, expires_at) = tokens.issue(user, session, now()).unwrap();
        let verified = tokens.verify(&token, now() + Duration::seconds(899)).unwrap();
        assert_eq!(verified, VerifiedToken { user_id: user, session_id: session, expires_at });
        assert!(tokens.verify(&token, expires_at).is_err());
        assert!(
            tokens.verify(&token, now() - Duration::seconds(1)).is_err(),
            "not before it was issued"
        );
    }

    #[test]
    fn well_signed_tokens_with_a_wrong_header_or_claim_are_refused() {
        let (keys, tokens) = fixture();
        let good = json!({"alg": "HS256", "typ": "at+jwt"});
        assert!(
            tokens.verify(&forged(&keys, &good, &claims()), now()).is_ok(),
            "the forgery itself is sound"
        );
        let headers = [
            json!({"alg": "none", "typ": "at+jwt"}),
            json!({"alg": "HS512", "typ": "at+jwt"}),
            json!({"alg": "RS256", "typ": "at+jwt"}),
            json!({"alg": "HS256", "typ": "JWT"}),
            json!({"alg": "HS256"}),
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
    fn unsigned_foreign_and_huge_tokens_are_refused() {
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
    fn refresh_tokens_differ_and_only_their_hash_is_kept() {
        let (a, b) = (new_refresh_token(), new_refresh_token());
        assert_ne!(a, b);
        assert_eq!(refresh_sha256(&a).len(), 64);
        assert!(!refresh_sha256(&a).contains(&a));
    }
}
