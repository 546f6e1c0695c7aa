//! Changes of passwords.

use async_graphql::{Context, ID, InputObject, Result, SimpleObject};
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use vultus_core::UserId;

use super::context::{caller, request};
use super::scalars::parse_id;

/// A change of your own password.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The present password.
    #[graphql(secret)]
    current_password: String,
    /// The new password: at least 12 characters that are hard to guess.
    #[graphql(secret)]
    new_password: String,
}

/// Answer to a change of a password.
#[derive(Debug, SimpleObject)]
pub struct ChangePasswordPayload {
    /// True: your other sessions have ended.
    changed: bool,
}

/// Whose password is to be reset.
#[derive(Debug, InputObject)]
pub struct CreatePasswordResetInput {
    /// The user.
    user_id: ID,
}

/// A token that resets a password.
#[derive(SimpleObject)]
pub struct CreatePasswordResetPayload {
    /// The token, which is shown this once: hand it to the user. It works once, and replaces an
    /// earlier one.
    token: String,
    /// When it expires.
    expires_at: OffsetDateTime,
}

/// A new password for the user of a token.
#[derive(InputObject)]
pub struct ResetPasswordInput {
    /// The token of an administrator.
    #[graphql(secret)]
    token: String,
    /// The new password: at least 12 characters that are hard to guess.
    #[graphql(secret)]
    new_password: String,
}

/// Answer to a reset of a password.
#[derive(Debug, SimpleObject)]
pub struct ResetPasswordPayload {
    /// True: all sessions of the user have ended; log in with the new password.
    reset: bool,
}

pub(super) async fn change(
    ctx: &Context<'_>,
    input: ChangePasswordInput,
) -> Result<ChangePasswordPayload> {
    let (services, principal) = caller(ctx)?;
    let client = request(ctx)?.client();
    let (current, new) = (input.current_password.into(), input.new_password.into());
    services.change_password(&principal, current, new, client).await?;
    Ok(ChangePasswordPayload { changed: true })
}

pub(super) async fn create_reset(
    ctx: &Context<'_>,
    input: CreatePasswordResetInput,
) -> Result<CreatePasswordResetPayload> {
    let (services, principal) = caller(ctx)?;
    let id: UserId = parse_id(&input.user_id, "user", "input.userId")?;
    let made = services.create_password_reset(&principal, id).await;
    let made = made.map_err(|error| error.at("input.userId"))?;
    let token = made.token.expose_secret().to_owned();
    Ok(CreatePasswordResetPayload { token, expires_at: made.expires_at })
}

pub(super) async fn reset(
    ctx: &Context<'_>,
    input: ResetPasswordInput,
) -> Result<ResetPasswordPayload> {
    let services = request(ctx)?.services();
    services.reset_password(&input.token, input.new_password.into()).await?;
    Ok(ResetPasswordPayload { reset: true })
}
