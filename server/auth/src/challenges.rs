//! Challenges: a random sequence of gestures, drawn by the server and signed, so that nothing is
//! stored until it is answered (JWT with HS256, because only this server verifies them).
//!
//! A challenge is used once: its id is a nonce that the store keeps until it expires. A client
//! whose person failed asks for a new draw, at most [`MAX_ATTEMPTS`] times.

use super::jwt_crypto;
use super::keys::Keys;
use super::tokens::MAX_TOKEN_BYTES;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::seq::{IndexedRandom, SliceRandom};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vultus_core::{ChallengeId, CompanyId, Error, Result};

/// Time to answer a challenge.
pub const LIFETIME: Duration = Duration::seconds(60);
/// Maximum number of draws for one person at the camera.
pub const MAX_ATTEMPTS: u32 = 3;
/// Frames per second from which a blink is seen.
pub const RATE_OF_BLINKS: f64 = 24.0;

/// The only accepted header type and audience.
const TOKEN_TYPE: &str = "challenge+jwt";
const AUDIENCE: &str = "vultus-challenge";

/// Movements of the head, and of the face. The names are those of the analysis `gestures`.
const OF_HEAD: [&str; 4] = ["left", "right", "up", "down"];
const OF_FACE: [&str; 2] = ["smile", "blink"];

/// Whether blinks may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blinks {
    /// The clip will have enough frames.
    Visible,
    /// It may not.
    Hidden,
}

/// Length of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Two gestures.
    Usual,
    /// Three.
    Strict,
}

/// A challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The nonce.
    #[serde(rename = "jti")]
    pub id: ChallengeId,
    /// The company that may answer it.
    #[serde(rename = "sub")]
    pub company_id: CompanyId,
    /// The gestures in their order.
    pub gestures: Vec<String>,
    /// Number of the draw, from 1.
    pub attempt: u32,
    /// When it expires.
    #[serde(rename = "exp", with = "time::serde::timestamp")]
    pub expires_at: OffsetDateTime,
    aud: String,
}

impl Challenge {
    /// A new draw: at least one movement of the head and one of the face, none twice.
    pub fn draw(
        company_id: CompanyId,
        attempt: u32,
        strictness: Strictness,
        blinks: Blinks,
        now: OffsetDateTime,
    ) -> Self {
        let mut random = rand::rng();
        let of_face = match blinks {
            Blinks::Visible => &OF_FACE[..],
            Blinks::Hidden => &OF_FACE[..1],
        };
        let mut gestures: Vec<&str> = Vec::new();
        gestures.extend(OF_HEAD.choose(&mut random));
        gestures.extend(of_face.choose(&mut random));
        if strictness == Strictness::Strict {
            let rest: Vec<&str> = OF_HEAD
                .iter()
                .chain(of_face)
                .copied()
                .filter(|gesture| !gestures.contains(gesture))
                .collect();
            gestures.extend(rest.choose(&mut random));
        }
        gestures.shuffle(&mut random);
        Self {
            id: ChallengeId(Uuid::new_v4()),
            company_id,
            gestures: gestures.into_iter().map(str::to_owned).collect(),
            attempt,
            expires_at: now + LIFETIME,
            aud: AUDIENCE.to_owned(),
        }
    }
}

/// Signs and verifies challenges.
pub struct ChallengeTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl ChallengeTokens {
    /// Uses the root of keyed hashes, under a type and an audience of challenges.
    pub fn new(keys: &Keys) -> Self {
        jwt_crypto::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        // `verify` checks the time against the server's clock.
        validation.validate_exp = false;
        Self {
            encoding: EncodingKey::from_secret(keys.tokens.expose_secret()),
            decoding: DecodingKey::from_secret(keys.tokens.expose_secret()),
            validation,
        }
    }

    /// The challenge as text.
    pub fn sign(&self, challenge: &Challenge) -> Result<String> {
        let header = Header { typ: Some(TOKEN_TYPE.to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, challenge, &self.encoding)
            .map_err(|error| Error::internal("signing a challenge", error))
    }

    /// Reads a challenge of `company`. The error names `argument`.
    pub fn verify(
        &self,
        text: &str,
        company: CompanyId,
        now: OffsetDateTime,
        argument: &str,
    ) -> Result<Challenge> {
        let invalid = |message: &str, reason: &str| Error::InvalidInput {
            argument: Some(argument.to_owned()),
            message: message.to_owned(),
            reason: Some(reason.to_owned()),
        };
        let unknown = || invalid("is no challenge of this server", "UNKNOWN_CHALLENGE");
        if text.len() > MAX_TOKEN_BYTES {
            return Err(unknown());
        }
        let data = jsonwebtoken::decode::<Challenge>(text, &self.decoding, &self.validation)
            .map_err(|_| unknown())?;
        let is_ours = data.header.typ.as_deref() == Some(TOKEN_TYPE) && data.header.crit.is_none();
        if !is_ours || data.claims.company_id != company {
            return Err(unknown());
        }
        if data.claims.expires_at <= now {
            return Err(invalid(
                "the challenge has expired: ask for a new one",
                "CHALLENGE_EXPIRED",
            ));
        }
        Ok(data.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap()
    }

    fn company(number: u128) -> CompanyId {
        CompanyId(Uuid::from_u128(number))
    }

    #[test]
    fn draws_cover_all_sequences_and_repeat_nothing() {
        for (strictness, blinks, expected) in [
            (Strictness::Usual, Blinks::Visible, 16),
            (Strictness::Usual, Blinks::Hidden, 8),
            (Strictness::Strict, Blinks::Hidden, 36),
        ] {
            let mut drawn = BTreeSet::new();
            for _ in 0..2000 {
                let gestures = Challenge::draw(company(1), 1, strictness, blinks, now()).gestures;
                let different: BTreeSet<&String> = gestures.iter().collect();
                assert_eq!(different.len(), gestures.len(), "{gestures:?}");
                assert!(gestures.iter().any(|it| OF_HEAD.contains(&it.as_str())), "{gestures:?}");
                assert!(gestures.iter().any(|it| OF_FACE.contains(&it.as_str())), "{gestures:?}");
                drawn.insert(gestures);
            }
            assert_eq!(drawn.len(), expected, "{strictness:?} {blinks:?}");
        }
    }

    #[test]
    fn challenge_is_valid_for_its_company_until_it_expires() {
        let tokens = ChallengeTokens::new(&Keys::ephemeral());
        let drawn = Challenge::draw(company(1), 2, Strictness::Usual, Blinks::Hidden, now());
        let text = tokens.sign(&drawn).unwrap();
        let soon = now() + LIFETIME - Duration::seconds(1);
        assert_eq!(tokens.verify(&text, company(1), soon, "a").unwrap(), drawn);
        let reason = |result: Result<Challenge>| match result {
            Err(Error::InvalidInput { reason, .. }) => reason.unwrap(),
            other => panic!("{other:?}"),
        };
        let late = tokens.verify(&text, company(1), now() + LIFETIME, "a");
        assert_eq!(reason(late), "CHALLENGE_EXPIRED");
        let foreign = tokens.verify(&text, company(2), soon, "a");
        assert_eq!(reason(foreign), "UNKNOWN_CHALLENGE");
        let other = ChallengeTokens::new(&Keys::ephemeral());
        assert_eq!(reason(other.verify(&text, company(1), soon, "a")), "UNKNOWN_CHALLENGE");
        for wrong in ["", "a.b.c", &text[..text.len() - 2]] {
            assert_eq!(reason(tokens.verify(wrong, company(1), soon, "a")), "UNKNOWN_CHALLENGE");
        }
    }

    #[test]
    fn access_token_and_challenge_are_not_exchangeable() {
        let keys = Keys::ephemeral();
        let (access, challenges) = (
            super::super::tokens::AccessTokens::new(
                super::super::signing_keys::SigningKeys::ephemeral(&keys),
                Duration::minutes(15),
            ),
            ChallengeTokens::new(&keys),
        );
        let drawn = Challenge::draw(company(1), 1, Strictness::Usual, Blinks::Hidden, now());
        assert!(access.verify(&challenges.sign(&drawn).unwrap(), now()).is_err());
        let ids = [1, 2].map(Uuid::from_u128);
        let (token, _) = access
            .issue(vultus_core::UserId(ids[0]), vultus_core::SessionId(ids[1]), now())
            .unwrap();
        assert!(challenges.verify(&token, company(1), now(), "a").is_err());
    }
}
