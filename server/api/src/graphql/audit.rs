//! The audit log.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use serde::de::IgnoredAny;
use time::OffsetDateTime;
use vultus_core::{AuditEntryId, Error, JsonText};

use super::context::caller;
use super::json::Json;
use super::page;
use super::scalars::optional_company;
use vultus_service::audit;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "audit::AuditAction")]
pub enum AuditAction {
    /// A user logged in.
    LoggedIn,
    /// A login was refused. The user is unknown if no user has the name.
    LoginFailed,
    /// A refresh token was exchanged.
    SessionRefreshed,
    /// A refresh token was used twice, which ended its session.
    RefreshTokenReused,
    /// A session was ended by its user.
    LoggedOut,
    /// A session was revoked by its user or an administrator.
    SessionRevoked,
    /// The sessions of a user were revoked.
    SessionsRevoked,
    /// A user changed its password.
    PasswordChanged,
    /// A token that resets the password of a user was made.
    PasswordResetCreated,
    /// A password was set with such a token.
    PasswordReset,
    /// A key of a service account was created.
    ApiKeyCreated,
    /// A key of a service account was created that replaces another one.
    ApiKeyRotated,
    /// A key of a service account was revoked.
    ApiKeyRevoked,
    /// The key that signs access tokens was replaced.
    SigningKeyRotated,
    /// A folder was created, with its first media and analyses.
    FolderCreated,
    /// The metadata or the external id of a folder was changed.
    FolderChanged,
    /// A folder was erased with its contents.
    FolderErased,
    /// Media were added to a folder.
    MediaAdded,
    /// A medium was deleted.
    MediumDeleted,
    /// The file or the thumbnail of a medium was read.
    MediumRead,
    /// A file that an analysis produced was read.
    ArtifactRead,
    /// What an analysis read from an identity document was read.
    DocumentRead,
    /// Analyses of a folder were requested.
    AnalysesRequested,
    /// An analysis was cancelled.
    AnalysisCancelled,
    /// A person decided an analysis.
    AnalysisDecided,
    /// A decision was taken back.
    DecisionUndone,
    /// A person claimed a case, or renewed the claim.
    CaseClaimed,
    /// The claim of a case was ended.
    CaseReleased,
    /// A challenge was drawn.
    ChallengeCreated,
    /// Media were judged at once, without being stored.
    Checked,
    /// A company was created.
    CompanyCreated,
    /// A company was renamed.
    CompanyRenamed,
    /// A company was suspended.
    CompanySuspended,
    /// A suspended company was resumed.
    CompanyResumed,
    /// The erasure of a company was begun.
    CompanyErasureBegun,
    /// A company was erased with all that belonged to it, its chain included. The entry holds the
    /// signed head that the chain had.
    CompanyErased,
    /// The policy of a company was changed.
    CompanyPolicyChanged,
    /// A user was created.
    UserCreated,
    /// A user was renamed.
    UserRenamed,
    /// The role of a user was changed.
    UserRoleChanged,
    /// The analyses that a user may start were changed.
    UserAnalysesChanged,
    /// A user was disabled.
    UserDisabled,
    /// A disabled user was enabled.
    UserEnabled,
    /// The locks after failed logins of a user were removed.
    UserUnlocked,
    /// A user was deleted.
    UserDeleted,
    /// The list of plugins that may be loaded was written.
    PluginsLocked,
    /// A model was installed from a file.
    ModelImported,
    /// The keys of the companies were wrapped under another master key.
    MasterKeyChanged,
}

/// An entry of the audit log.
#[derive(Debug, Clone)]
pub struct AuditEntry(audit::AuditEntry);

/// An entry of the audit log: who did what, when, from where, and on which object.
#[Object]
impl AuditEntry {
    /// Id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Number in the chain of its company, from 1; without gaps.
    async fn number(&self) -> String {
        self.0.place.map(|(number, _)| number.to_string()).unwrap_or_default()
    }

    /// Time of the action.
    async fn at(&self) -> OffsetDateTime {
        self.0.at
    }

    /// The company; null if the entry belongs to the installation.
    async fn company(&self) -> Option<ID> {
        self.0.chain.company().map(ID::from)
    }

    /// Who did it: `user:` and an id, `command-line`, `node`, or `unknown`.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// From where: the network of the client's address, 24 bits of IPv4 or 48 of IPv6.
    async fn origin(&self) -> Option<&str> {
        self.0.origin.as_deref()
    }

    /// What was done; null if a newer version of the server wrote an action that this one does not
    /// know.
    async fn action(&self) -> Option<AuditAction> {
        self.0.action.parse::<audit::AuditAction>().ok().map(Into::into)
    }

    /// On which object: its kind, a colon and its id.
    async fn object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// Settings before the change.
    async fn before(&self) -> Option<Json> {
        facts(self.0.before.as_deref())
    }

    /// Settings after the change, or further facts about the action.
    async fn after(&self) -> Option<Json> {
        facts(self.0.after.as_deref())
    }

    /// SHA-256 over the entry and the hash before it, in hexadecimal.
    async fn hash(&self) -> Option<String> {
        self.0.place.map(|(_, hash)| hash.to_string())
    }
}

/// JSON of an entry. Stored text that is none was tampered with, and is left out.
fn facts(text: Option<&str>) -> Option<Json> {
    let text = text.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())?;
    Some(Json::from(&JsonText::stored(text.to_owned())))
}

/// Which entries to list. All conditions must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct AuditFilter {
    /// Of this company; absent: of all that you may see.
    company_id: Option<ID>,
    /// By this actor, such as `user:` and an id.
    actor: Option<String>,
    /// With one of these actions; empty: with any.
    #[graphql(default)]
    actions: Vec<AuditAction>,
    /// On this object, such as `folder:` and an id.
    object: Option<String>,
    /// At or after this time.
    from: Option<OffsetDateTime>,
    /// Before this time.
    before: Option<OffsetDateTime>,
}

/// A page of the audit log.
pub type AuditConnection = Connection<String, AuditEntry>;

pub(super) async fn list(
    ctx: &Context<'_>,
    first: i32,
    after: Option<String>,
    filter: AuditFilter,
) -> Result<AuditConnection> {
    let (services, principal) = caller(ctx)?;
    let first = page::parse_first(first)?;
    let after = after.map(|text| text.parse::<AuditEntryId>()).transpose();
    let after = after.map_err(|_| Error::invalid("after", "not a valid cursor of this list"))?;
    let company = optional_company(filter.company_id.as_ref(), "filter.companyId")?;
    let filter = audit::AuditFilter {
        chain: company.map(audit::Chain::Company),
        actor: filter.actor,
        actions: filter.actions.into_iter().map(Into::into).collect(),
        object: filter.object,
        from: filter.from,
        before: filter.before,
    };
    let limit = u32::try_from(first).unwrap_or(u32::MAX);
    let (entries, has_more) = services.audit_log(&principal, filter, after, limit).await?;
    let mut connection = Connection::new(after.is_some(), has_more);
    connection
        .edges
        .extend(entries.into_iter().map(|it| Edge::new(it.id.to_string(), AuditEntry(it))));
    Ok(page::counted(ctx, connection)?)
}
