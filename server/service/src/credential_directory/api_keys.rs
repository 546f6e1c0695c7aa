//! Keys of service accounts.

use super::CredentialDirectory;
use crate::accounts::scopes_of;
use crate::errors::stored;
use crate::types::{CreatedApiKey, NewApiKey};
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use vultus_auth::policy::{self, Action};
use vultus_auth::refresh_tokens::stored_form;
use vultus_auth::secret_tokens;
use vultus_core::{ApiKeyId, Error, KeyScopes, Principal, Result, User, UserId};
use vultus_store::audit::{AuditAction, AuditObject, Facts};
use vultus_store::{ApiKey, StoreError};

/// Maximum number of valid keys of one account.
const MOST_KEYS: usize = 50;
/// Number of keys of an account that are read to count the valid ones.
const READ_KEYS: u32 = 1000;
/// Maximum length of the name of a key, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Maximum overlap of a rotation.
const LONGEST_OVERLAP: Duration = Duration::days(30);

impl CredentialDirectory {
    /// Creates a key of a service account within the caller's reach.
    pub async fn create_api_key(
        &self,
        caller: &Principal,
        new: NewApiKey,
    ) -> Result<CreatedApiKey> {
        let user = self.managed(caller, new.user_id).await.map_err(|e| e.at("input.userId"))?;
        if !user.is_service {
            return Err(Error::InvalidInput {
                argument: Some("input.userId".to_owned()),
                message: "is a person; keys are for service accounts".to_owned(),
                reason: Some("NOT_A_SERVICE_ACCOUNT".to_owned()),
            });
        }
        check_name(&new.name)?;
        let now = self.clock.now();
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid("input.expiresAt", "must be in the future"));
        }
        let scopes = granted(caller, new.scopes)?;
        let keys = stored(self.store.user_api_keys(user.id, None, READ_KEYS).await)?;
        if keys.iter().filter(|key| key.is_live(now)).count() >= MOST_KEYS {
            return Err(Error::LimitExceeded {
                argument: Some("input.userId".to_owned()),
                message: format!("an account has at most {MOST_KEYS} valid keys"),
                reason: Some("TOO_MANY_KEYS".to_owned()),
            });
        }
        let made = secret_tokens::new_api_key();
        let key = ApiKey {
            id: ApiKeyId(Uuid::now_v7()),
            user_id: user.id,
            name: new.name,
            prefix: made.prefix,
            scopes,
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        let sha256 = sha256_of(&made.secret);
        let (action, object) = (AuditAction::ApiKeyCreated, AuditObject::ApiKey(key.id));
        let recording = self.recording(caller, action, user.id, object, facts(&key));
        stored(recording.create_api_key(&key, &sha256).await)?;
        Ok(CreatedApiKey { key, secret: made.secret })
    }

    /// Creates a key that replaces another one, which works for `overlap` longer.
    pub async fn rotate_api_key(
        &self,
        caller: &Principal,
        id: ApiKeyId,
        overlap: Duration,
        expires_at: Option<OffsetDateTime>,
    ) -> Result<CreatedApiKey> {
        let (old, _) = self.managed_key(caller, id).await.map_err(|e| e.at("input.keyId"))?;
        let now = self.clock.now();
        if overlap.is_negative() || overlap > LONGEST_OVERLAP {
            let most = LONGEST_OVERLAP.whole_seconds();
            return Err(Error::invalid("input.overlapSeconds", format!("must be 0 to {most}")));
        }
        if expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid("input.expiresAt", "must be in the future"));
        }
        let ended = || Error::InvalidInput {
            argument: Some("input.keyId".to_owned()),
            message: "has ended; create a new key".to_owned(),
            reason: Some("KEY_ENDED".to_owned()),
        };
        if !old.is_live(now) {
            return Err(ended());
        }
        let scopes = old.scopes.as_ref().map(|_| scopes_of(&old));
        let scopes = granted(caller, scopes)?;
        let made = secret_tokens::new_api_key();
        let key = ApiKey {
            id: ApiKeyId(Uuid::now_v7()),
            prefix: made.prefix,
            scopes,
            created_at: now,
            expires_at,
            last_used_at: None,
            ..old
        };
        let sha256 = sha256_of(&made.secret);
        let (action, object) = (AuditAction::ApiKeyRotated, AuditObject::ApiKey(key.id));
        let after = facts(&key).id("replaces", id);
        let recording = self.recording(caller, action, key.user_id, object, after);
        match recording.rotate_api_key(id, now + overlap, &key, &sha256).await {
            Err(StoreError::NotFound(_)) => return Err(ended()),
            other => stored(other)?,
        }
        Ok(CreatedApiKey { key, secret: made.secret })
    }

    /// Revokes a key.
    pub async fn revoke_api_key(&self, caller: &Principal, id: ApiKeyId) -> Result<ApiKey> {
        let (key, user) = self.managed_key(caller, id).await?;
        let now = self.clock.now();
        let (action, object) = (AuditAction::ApiKeyRevoked, AuditObject::ApiKey(key.id));
        let recording = self.recording(caller, action, user.id, object, Facts::new());
        stored(recording.revoke_api_key(id, now).await)?;
        Ok(self.managed_key(caller, id).await?.0)
    }

    /// The keys of an account within the caller's reach, newest first, and whether there are more.
    pub async fn list_api_keys(
        &self,
        caller: &Principal,
        user: UserId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<(Vec<ApiKey>, bool)> {
        let user = self.managed(caller, user).await?;
        let limit_and_one = limit.saturating_add(1);
        let found = self.store.user_api_keys(user.id, after, limit_and_one).await;
        let mut found = stored(found)?;
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Ok((found, has_more))
    }

    /// A key of an account that the caller manages; NOT_FOUND for others.
    async fn managed_key(&self, caller: &Principal, id: ApiKeyId) -> Result<(ApiKey, User)> {
        let scope = policy::authorize_users(caller, Action::ManageUser)?;
        let found = stored(self.store.api_key(id).await)?;
        found
            .filter(|(_, user)| scope.contains(user))
            .ok_or(Error::NotFound { what: "key", argument: None })
    }
}

/// The scopes of a new key, as they are stored. A key cannot give another one more than it has.
fn granted(caller: &Principal, asked: Option<KeyScopes>) -> Result<Option<Vec<String>>> {
    let own = caller.scopes();
    let wanted = asked.unwrap_or(KeyScopes::ALL);
    if own != KeyScopes::ALL && (asked.is_none() || wanted.iter().any(|one| !own.contains(one))) {
        return Err(Error::Forbidden("an API key cannot give more than its scopes".to_owned()));
    }
    if asked.is_some() && wanted.iter().next().is_none() {
        return Err(Error::invalid("input.scopes", "must not be empty; omit it for all scopes"));
    }
    Ok(asked.map(|scopes| scopes.iter().map(|scope| scope.name().to_owned()).collect()))
}

/// What the audit log tells about a key: its account, scopes and end.
fn facts(key: &ApiKey) -> Facts {
    let facts = Facts::new().id("account", key.user_id);
    let facts = match &key.scopes {
        Some(scopes) => facts.codes("scopes", scopes.iter().map(String::as_str)),
        None => facts.code("scopes", "ALL"),
    };
    match key.expires_at {
        Some(end) => facts.time("expiresAt", end),
        None => facts,
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_plain = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if is_plain && name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    let message = format!("must be 1 to {MAX_NAME_BYTES} bytes without control characters");
    Err(Error::invalid("input.name", message))
}

fn sha256_of(secret: &SecretString) -> String {
    stored_form(secret.expose_secret())
}
