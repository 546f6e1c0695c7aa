//! Keys of service accounts, sessions, and tokens that reset passwords. The commands work on the
//! store, also while nodes serve from it: nodes notice a change within a second.

use super::operate::{block_on, load};
use super::outcome::{CommandError, Done};
use super::report;
use crate::app;
use crate::config::Config;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use time::{Duration, OffsetDateTime};
use vultus_core::clock::Clock;
use vultus_core::{ApiKeyId, KeyScope, Principal, SessionId};
use vultus_service::{ApiKey, CreatedApiKey, CredentialDirectory, NewApiKey, Session};

/// Entries of one page of a list.
const PAGE: u32 = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key of a service account; the secret is printed once
    Create(CreateKey),
    /// List the keys of a service account
    List {
        /// Login name of the account
        #[arg(long)]
        user: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create a key that replaces another one, with the same name and scopes
    Rotate {
        /// Id of the key
        id: ApiKeyId,
        /// Seconds for which the old key still works: at most 30 days
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        overlap: i64,
        #[command(flatten)]
        output: KeyOutput,
    },
    /// Revoke a key: within a second no node accepts it
    Revoke {
        /// Id of the key
        id: ApiKeyId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// Login name of the service account
    #[arg(long)]
    user: String,
    /// Name for people
    #[arg(long)]
    name: String,
    /// What the key may do of what the account may, such as folders:read; may be repeated. Absent:
    /// everything
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<KeyScope>,
    #[command(flatten)]
    output: KeyOutput,
}

#[derive(Debug, Args)]
pub(crate) struct KeyOutput {
    /// Days until the new key expires; absent: never
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=3650))]
    expires_in: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List the sessions of a user
    List {
        /// Login name
        #[arg(long)]
        user: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a session, or all sessions of a user
    Revoke {
        /// Id of the session
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        id: Option<SessionId>,
        /// Login name: revokes all sessions of the user
        #[arg(long)]
        user: Option<String>,
    },
}

/// Runs `work` with the credentials of the store.
fn with<T>(
    config: &Config,
    command: &str,
    work: impl AsyncFnOnce(&CredentialDirectory) -> vultus_core::Result<T>,
) -> Result<T, CommandError> {
    block_on(async {
        let done = app::in_credentials(config, work).await;
        done.map_err(|error| CommandError::because(command, &error))
    })
}

/// `vultus key …`.
pub(super) fn key(config: Option<&Path>, command: &KeyCommand) -> Done {
    let config = load(config)?;
    match command {
        KeyCommand::Create(create) => create_key(&config, create)?,
        KeyCommand::List { user, json } => list_keys(&config, user, *json)?,
        KeyCommand::Rotate { id, overlap, output } => {
            let (overlap, expires_at) = (Duration::seconds(*overlap), expiry(output));
            let made = with(&config, "key rotate", async |credentials| {
                credentials.rotate_api_key(&Principal::Local, *id, overlap, expires_at).await
            })?;
            print_secret(&made, output);
        }
        KeyCommand::Revoke { id } => {
            with(&config, "key revoke", async |credentials| {
                credentials.revoke_api_key(&Principal::Local, *id).await
            })?;
            report::line(format_args!("key {id} revoked"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn expiry(output: &KeyOutput) -> Option<OffsetDateTime> {
    output.expires_in.map(|days| Clock::system().now() + Duration::days(days))
}

fn create_key(config: &Config, create: &CreateKey) -> Result<(), CommandError> {
    let made = with(config, "key create", async |credentials| {
        let user = credentials.user_by_email(&create.user).await?;
        let new = NewApiKey {
            user_id: user.id,
            name: create.name.clone(),
            scopes: (!create.scopes.is_empty()).then(|| create.scopes.iter().copied().collect()),
            expires_at: expiry(&create.output),
        };
        credentials.create_api_key(&Principal::Local, new).await
    })?;
    print_secret(&made, &create.output);
    Ok(())
}

fn print_secret(made: &CreatedApiKey, output: &KeyOutput) {
    let secret = made.secret.expose_secret();
    if output.json {
        report::json(&json!({"key": key_json(&made.key), "secret": secret}));
    } else {
        report::line(format_args!("key {} created", made.key.id));
        report::line(format_args!("secret: {secret}  (shown this once)"));
    }
}

fn key_json(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id.to_string(),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "createdAt": report::time(key.created_at),
        "expiresAt": key.expires_at.map(report::time),
        "revokedAt": key.revoked_at.map(report::time),
        "lastUsedAt": key.last_used_at.map(report::time),
    })
}

fn list_keys(config: &Config, user: &str, as_json: bool) -> Result<(), CommandError> {
    let keys = with(config, "key list", async |credentials| {
        let user = credentials.user_by_email(user).await?.id;
        let mut keys: Vec<ApiKey> = Vec::new();
        loop {
            let after = keys.last().map(|key| key.id);
            let page = credentials.list_api_keys(&Principal::Local, user, after, PAGE).await?;
            keys.extend(page.0);
            if !page.1 {
                return Ok(keys);
            }
        }
    })?;
    if as_json {
        let listed: Vec<_> = keys.iter().map(key_json).collect();
        report::json(&json!({"keys": listed}));
        return Ok(());
    }
    let heading = ["id", "prefix", "name", "scopes", "expires", "revoked", "last used"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for key in keys {
        let time = |time: Option<OffsetDateTime>| time.map(report::time).unwrap_or_default();
        rows.push(vec![
            key.id.to_string(),
            key.prefix,
            key.name,
            key.scopes.map_or_else(|| "all".to_owned(), |scopes| scopes.join(" ")),
            time(key.expires_at),
            time(key.revoked_at),
            time(key.last_used_at),
        ]);
    }
    report::table(&rows);
    Ok(())
}

/// `vultus session …`.
pub(super) fn session(config: Option<&Path>, command: &SessionCommand) -> Done {
    let config = load(config)?;
    match command {
        SessionCommand::List { user, json } => list_sessions(&config, user, *json)?,
        SessionCommand::Revoke { id: Some(id), .. } => {
            with(&config, "session revoke", async |credentials| {
                credentials.revoke_session(&Principal::Local, *id).await
            })?;
            report::line(format_args!("session {id} revoked"));
        }
        SessionCommand::Revoke { user, .. } => {
            let revoked = with(&config, "session revoke", async |credentials| {
                let user = user.as_deref().unwrap_or_default();
                let user = credentials.user_by_email(user).await?.id;
                credentials.revoke_sessions(&Principal::Local, Some(user)).await
            })?;
            report::line(format_args!("{revoked} sessions revoked"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list_sessions(config: &Config, user: &str, as_json: bool) -> Result<(), CommandError> {
    let sessions = with(config, "session list", async |credentials| {
        let user = Some(credentials.user_by_email(user).await?.id);
        let mut sessions: Vec<Session> = Vec::new();
        loop {
            let after = sessions.last().map(|session| session.id);
            let page = credentials.list_sessions(&Principal::Local, user, after, PAGE).await?;
            sessions.extend(page.0);
            if !page.1 {
                return Ok(sessions);
            }
        }
    })?;
    if as_json {
        let mut listed = Vec::new();
        for session in sessions {
            listed.push(json!({
                "id": session.id.to_string(),
                "createdAt": report::time(session.created_at),
                "refreshedAt": session.refreshed_at.map(report::time),
                "expiresAt": report::time(session.expires_at),
                "network": session.network,
                "agent": session.agent,
            }));
        }
        report::json(&json!({"sessions": listed}));
        return Ok(());
    }
    let heading = ["id", "began", "refreshed", "expires", "network", "agent"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for session in sessions {
        rows.push(vec![
            session.id.to_string(),
            report::time(session.created_at),
            session.refreshed_at.map(report::time).unwrap_or_default(),
            report::time(session.expires_at),
            session.network.unwrap_or_default(),
            session.agent.unwrap_or_default(),
        ]);
    }
    report::table(&rows);
    Ok(())
}

/// `vultus user reset-password`.
pub(super) fn reset_password(config: &Config, email: &str) -> Done {
    let made = with(config, "user reset-password", async |credentials| {
        let user = credentials.user_by_email(email).await?;
        credentials.create_password_reset(&Principal::Local, user.id).await
    })?;
    report::line(format_args!("token: {}  (shown this once)", made.token.expose_secret()));
    report::line(format_args!("valid once, until {}", report::time(made.expires_at)));
    Ok(ExitCode::SUCCESS)
}
