//! Challenges: gestures that the server draws.

use async_graphql::{Context, ID, InputObject, Result, SimpleObject};
use time::OffsetDateTime;
use vultus_core::Error;
use vultus_service::NewChallenge;

use super::context::caller;
use super::gestures::Gesture;
use super::scalars::{int, optional_company};

/// A challenge to draw.
#[derive(Debug, InputObject)]
pub struct CreateChallengeInput {
    /// The company that the challenge is for; needed if you have none and several companies are
    /// active.
    company_id: Option<ID>,
    /// Three gestures instead of two.
    #[graphql(default)]
    strict: bool,
    /// Frames per second that the client will record. A blink is drawn only from 24, because fewer
    /// frames do not show it.
    frame_rate: Option<f64>,
    /// The challenge that this one replaces, because the person failed. A person has 3 attempts.
    previous: Option<String>,
}

/// The challenge that was drawn.
#[derive(SimpleObject)]
pub struct CreateChallengePayload {
    /// The challenge.
    challenge: Challenge,
}

/// Gestures that a person has to make in one clip, in this order and without others in between.
#[derive(SimpleObject)]
pub struct Challenge {
    /// Its text: the parameter `challenge` of the analysis `gestures`.
    text: String,
    /// The gestures.
    gestures: Vec<Gesture>,
    /// When it expires.
    expires_at: OffsetDateTime,
    /// Number of the draw for this person, from 1.
    attempt: i32,
    /// Further draws for this person.
    attempts_left: i32,
}

/// Draws a challenge.
pub(super) async fn create(
    ctx: &Context<'_>,
    input: CreateChallengeInput,
) -> Result<CreateChallengePayload> {
    let (services, principal) = caller(ctx)?;
    let CreateChallengeInput { company_id, strict, frame_rate, previous } = input;
    let company_id = optional_company(company_id.as_ref(), "input.companyId")?;
    let new = NewChallenge { company_id, strict, frame_rate, previous };
    let created = services.create_challenge(&principal, new).await?;
    let gestures: Option<Vec<Gesture>> =
        created.gestures.iter().map(|name| Gesture::of(name)).collect();
    let gestures =
        gestures.ok_or_else(|| Error::broken("a challenge has a gesture unknown to the schema"))?;
    Ok(CreateChallengePayload {
        challenge: Challenge {
            text: created.text,
            gestures,
            expires_at: created.expires_at,
            attempt: int(created.attempt),
            attempts_left: int(created.attempts_left),
        },
    })
}
