//! Arguments and results of the use cases of credentials.

use secrecy::SecretString;
use time::OffsetDateTime;
use vultus_core::{KeyScopes, UserId};
use vultus_store::ApiKey;

/// A token that resets a password, shown once.
#[derive(Debug)]
pub struct PasswordResetToken {
    /// The token.
    pub token: SecretString,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// A key of a service account to be created.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// The service account.
    pub user_id: UserId,
    /// Name for people.
    pub name: String,
    /// What it may do of what the account may; absent: everything.
    pub scopes: Option<KeyScopes>,
    /// When it expires; absent: never.
    pub expires_at: Option<OffsetDateTime>,
}

/// A key that was created, with its secret, which is shown once.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// The secret.
    pub secret: SecretString,
}
