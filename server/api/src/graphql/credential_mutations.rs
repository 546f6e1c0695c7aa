//! The mutations of passwords, sessions and API keys.

use async_graphql::{Context, Object, Result};

use super::api_key::{
    self, ApiKeySecretPayload, CreateApiKeyInput, RevokeApiKeyInput, RevokeApiKeyPayload,
    RotateApiKeyInput,
};
use super::password::{
    self, ChangePasswordInput, ChangePasswordPayload, CreatePasswordResetInput,
    CreatePasswordResetPayload, ResetPasswordInput, ResetPasswordPayload,
};
use super::session::{
    self, RevokeSessionInput, RevokeSessionPayload, RevokeSessionsInput, RevokeSessionsPayload,
};

/// The mutations of passwords, sessions and API keys.
#[derive(Default)]
pub struct CredentialMutation;

/// Changes of passwords, sessions and API keys.
#[Object]
impl CredentialMutation {
    /// Changes your password, and ends your other sessions. Must be the only field of its request.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The passwords.")] input: ChangePasswordInput,
    ) -> Result<ChangePasswordPayload> {
        password::change(ctx, input).await
    }

    /// Makes a token with which a user sets a new password within 15 minutes.
    async fn create_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user.")] input: CreatePasswordResetInput,
    ) -> Result<CreatePasswordResetPayload> {
        password::create_reset(ctx, input).await
    }

    /// Sets a new password with a token, and ends all sessions of the user. Must be the only field
    /// of its request.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token and the password.")] input: ResetPasswordInput,
    ) -> Result<ResetPasswordPayload> {
        password::reset(ctx, input).await
    }

    /// Revokes a session: within 1 s its tokens are refused and its websockets are closed.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session.")] input: RevokeSessionInput,
    ) -> Result<RevokeSessionPayload> {
        session::revoke(ctx, input).await
    }

    /// Revokes your other sessions, or all sessions of a user that you manage.
    async fn revoke_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose sessions.")] input: RevokeSessionsInput,
    ) -> Result<RevokeSessionsPayload> {
        session::revoke_all(ctx, input).await
    }

    /// Creates a key of a service account.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key.")] input: CreateApiKeyInput,
    ) -> Result<ApiKeySecretPayload> {
        api_key::create(ctx, input).await
    }

    /// Creates a key that replaces another one, which still works for a while.
    async fn rotate_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key to replace.")] input: RotateApiKeyInput,
    ) -> Result<ApiKeySecretPayload> {
        api_key::rotate(ctx, input).await
    }

    /// Revokes a key: within 1 s it is refused and its websockets are closed.
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key.")] input: RevokeApiKeyInput,
    ) -> Result<RevokeApiKeyPayload> {
        api_key::revoke(ctx, input).await
    }
}
