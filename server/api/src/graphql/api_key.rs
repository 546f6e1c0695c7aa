//! Keys of service accounts.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use secrecy::ExposeSecret;
use time::{Duration, OffsetDateTime};
use vultus_core::{ApiKeyId, Error, KeyScope, KeyScopes, UserId};
use vultus_service::{CreatedApiKey, NewApiKey};

use super::context::caller;
use super::page;
use super::scalars::parse_id;

/// Overlap of a rotation if none is given, in seconds.
const OVERLAP_SECONDS: i32 = 86_400;

/// A page of API keys.
pub type ApiKeyConnection = Connection<String, ApiKey>;

/// A key with which a service account sends requests. Its secret is not stored.
pub struct ApiKey(vultus_service::ApiKey);

/// A key with which a service account sends requests. Its secret is not stored.
#[Object]
impl ApiKey {
    /// Id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Id of the service account.
    async fn user_id(&self) -> ID {
        self.0.user_id.into()
    }

    /// Name for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The beginning of the secret, by which people recognize it.
    async fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// What it may do of what the account may, such as `folders:read`; null: everything.
    async fn scopes(&self) -> Option<&[String]> {
        self.0.scopes.as_deref()
    }

    /// Time of creation.
    async fn created_at(&self) -> OffsetDateTime {
        self.0.created_at
    }

    /// When it expires; null: never.
    async fn expires_at(&self) -> Option<OffsetDateTime> {
        self.0.expires_at
    }

    /// When it was revoked.
    async fn revoked_at(&self) -> Option<OffsetDateTime> {
        self.0.revoked_at
    }

    /// When it was last used, to a minute.
    async fn last_used_at(&self) -> Option<OffsetDateTime> {
        self.0.last_used_at
    }
}

/// A new API key.
#[derive(Debug, InputObject)]
pub struct CreateApiKeyInput {
    /// The service account.
    user_id: ID,
    /// Name for people.
    name: String,
    /// What it may do of what the account may: `folders:read`, `folders:write`, `folders:delete`,
    /// `analyses:start`, `companies:read`, `companies:write`, `users:read`, `users:write`. Omit it
    /// for everything.
    scopes: Option<Vec<String>>,
    /// When it expires; omit it for never.
    expires_at: Option<OffsetDateTime>,
}

/// A replacement of an API key.
#[derive(Debug, InputObject)]
pub struct RotateApiKeyInput {
    /// The key to replace. The new key has its name and scopes.
    key_id: ID,
    /// For how long the old key still works, in seconds: at most 30 days. By default one day.
    overlap_seconds: Option<i32>,
    /// When the new key expires; omit it for never.
    expires_at: Option<OffsetDateTime>,
}

/// A key to revoke.
#[derive(Debug, InputObject)]
pub struct RevokeApiKeyInput {
    /// The key.
    key_id: ID,
}

/// A created key.
#[derive(SimpleObject)]
pub struct ApiKeySecretPayload {
    /// The key.
    key: ApiKey,
    /// The secret, which is shown this once: `Authorization: Bearer …`.
    secret: String,
}

/// A revoked key.
#[derive(SimpleObject)]
pub struct RevokeApiKeyPayload {
    /// The key.
    key: ApiKey,
}

impl From<CreatedApiKey> for ApiKeySecretPayload {
    fn from(made: CreatedApiKey) -> Self {
        Self { key: ApiKey(made.key), secret: made.secret.expose_secret().to_owned() }
    }
}

fn parse_scopes(names: Vec<String>) -> vultus_core::Result<KeyScopes> {
    let mut scopes = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let scope = name.parse::<KeyScope>().map_err(|_| {
            let all: Vec<&str> = KeyScope::ALL.iter().map(|scope| scope.name()).collect();
            let message = format!("must be one of {}", all.join(", "));
            Error::invalid(format!("input.scopes[{index}]"), message)
        })?;
        scopes.push(scope);
    }
    Ok(scopes.into_iter().collect())
}

pub(super) async fn list(
    ctx: &Context<'_>,
    user_id: ID,
    first: i32,
    after: Option<String>,
) -> Result<ApiKeyConnection> {
    let (services, principal) = caller(ctx)?;
    let limit = u32::try_from(page::parse_first(first)?).unwrap_or(u32::MAX);
    let user: UserId = parse_id(&user_id, "user", "userId")?;
    let has_previous = after.is_some();
    let after = after.map(|after| page::id_cursor::<ApiKeyId>(&after)).transpose()?;
    let listed = services.list_api_keys(&principal, user, after, limit).await;
    let (keys, has_more) = listed.map_err(|error| error.at("userId"))?;
    let mut connection = Connection::new(has_previous, has_more);
    for key in keys {
        connection.edges.push(Edge::new(key.id.to_string(), ApiKey(key)));
    }
    Ok(page::counted(ctx, connection)?)
}

pub(super) async fn create(
    ctx: &Context<'_>,
    input: CreateApiKeyInput,
) -> Result<ApiKeySecretPayload> {
    let (services, principal) = caller(ctx)?;
    let new = NewApiKey {
        user_id: parse_id(&input.user_id, "user", "input.userId")?,
        name: input.name,
        scopes: input.scopes.map(parse_scopes).transpose()?,
        expires_at: input.expires_at,
    };
    Ok(services.create_api_key(&principal, new).await?.into())
}

pub(super) async fn rotate(
    ctx: &Context<'_>,
    input: RotateApiKeyInput,
) -> Result<ApiKeySecretPayload> {
    let (services, principal) = caller(ctx)?;
    let id: ApiKeyId = parse_id(&input.key_id, "key", "input.keyId")?;
    let overlap = Duration::seconds(input.overlap_seconds.unwrap_or(OVERLAP_SECONDS).into());
    Ok(services.rotate_api_key(&principal, id, overlap, input.expires_at).await?.into())
}

pub(super) async fn revoke(
    ctx: &Context<'_>,
    input: RevokeApiKeyInput,
) -> Result<RevokeApiKeyPayload> {
    let (services, principal) = caller(ctx)?;
    let id: ApiKeyId = parse_id(&input.key_id, "key", "input.keyId")?;
    let revoked = services.revoke_api_key(&principal, id).await;
    Ok(RevokeApiKeyPayload { key: ApiKey(revoked.map_err(|error| error.at("input.keyId"))?) })
}
