//! The actions that the audit log knows: the only list of them.

use std::str::FromStr;

macro_rules! actions {
    ($($(#[$meta:meta])* $name:ident = $text:literal,)+) => {
        /// What was done. The names are stored, and never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AuditAction {
            $($(#[$meta])* $name,)+
        }

        impl AuditAction {
            /// All actions.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stored name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

actions! {
    /// A user logged in.
    LoggedIn = "LOGGED_IN",
    /// A login was refused. The user is unknown if no user has the name.
    LoginFailed = "LOGIN_FAILED",
    /// A refresh token was exchanged.
    SessionRefreshed = "SESSION_REFRESHED",
    /// A refresh token was used twice, which ended its session.
    RefreshTokenReused = "REFRESH_TOKEN_REUSED",
    /// A session was ended by its user.
    LoggedOut = "LOGGED_OUT",
    /// A session was revoked by its user or an administrator.
    SessionRevoked = "SESSION_REVOKED",
    /// The sessions of a user were revoked.
    SessionsRevoked = "SESSIONS_REVOKED",
    /// A user changed its password.
    PasswordChanged = "PASSWORD_CHANGED",
    /// A token that resets the password of a user was made.
    PasswordResetCreated = "PASSWORD_RESET_CREATED",
    /// A password was set with such a token.
    PasswordReset = "PASSWORD_RESET",
    /// A key of a service account was created.
    ApiKeyCreated = "API_KEY_CREATED",
    /// A key of a service account was created that replaces another one.
    ApiKeyRotated = "API_KEY_ROTATED",
    /// A key of a service account was revoked.
    ApiKeyRevoked = "API_KEY_REVOKED",
    /// The key that signs access tokens was replaced.
    SigningKeyRotated = "SIGNING_KEY_ROTATED",
    /// A folder was created, with its first media and analyses.
    FolderCreated = "FOLDER_CREATED",
    /// The metadata or the external id of a folder was changed.
    FolderChanged = "FOLDER_CHANGED",
    /// A folder was erased with its contents.
    FolderErased = "FOLDER_ERASED",
    /// Media were added to a folder.
    MediaAdded = "MEDIA_ADDED",
    /// A medium was deleted.
    MediumDeleted = "MEDIUM_DELETED",
    /// The file or the thumbnail of a medium was read.
    MediumRead = "MEDIUM_READ",
    /// A file that an analysis produced was read.
    ArtifactRead = "ARTIFACT_READ",
    /// What an analysis read from an identity document was read.
    DocumentRead = "DOCUMENT_READ",
    /// Analyses of a folder were requested.
    AnalysesRequested = "ANALYSES_REQUESTED",
    /// An analysis was cancelled.
    AnalysisCancelled = "ANALYSIS_CANCELLED",
    /// A person decided an analysis.
    AnalysisDecided = "ANALYSIS_DECIDED",
    /// A decision was taken back.
    DecisionUndone = "DECISION_UNDONE",
    /// A person claimed a case, or renewed the claim.
    CaseClaimed = "CASE_CLAIMED",
    /// The claim of a case was ended.
    CaseReleased = "CASE_RELEASED",
    /// A challenge was drawn.
    ChallengeCreated = "CHALLENGE_CREATED",
    /// Media were judged at once, without being stored.
    Checked = "CHECKED",
    /// A company was created.
    CompanyCreated = "COMPANY_CREATED",
    /// A company was renamed.
    CompanyRenamed = "COMPANY_RENAMED",
    /// A company was suspended.
    CompanySuspended = "COMPANY_SUSPENDED",
    /// A suspended company was resumed.
    CompanyResumed = "COMPANY_RESUMED",
    /// The erasure of a company was begun.
    CompanyErasureBegun = "COMPANY_ERASURE_BEGUN",
    /// A company was erased with all that belonged to it, its chain included. The entry holds the
    /// signed head that the chain had.
    CompanyErased = "COMPANY_ERASED",
    /// The policy of a company was changed.
    CompanyPolicyChanged = "COMPANY_POLICY_CHANGED",
    /// A user was created.
    UserCreated = "USER_CREATED",
    /// A user was renamed.
    UserRenamed = "USER_RENAMED",
    /// The role of a user was changed.
    UserRoleChanged = "USER_ROLE_CHANGED",
    /// The analyses that a user may start were changed.
    UserAnalysesChanged = "USER_ANALYSES_CHANGED",
    /// A user was disabled.
    UserDisabled = "USER_DISABLED",
    /// A disabled user was enabled.
    UserEnabled = "USER_ENABLED",
    /// The locks after failed logins of a user were removed.
    UserUnlocked = "USER_UNLOCKED",
    /// A user was deleted.
    UserDeleted = "USER_DELETED",
    /// The list of plugins that may be loaded was written.
    PluginsLocked = "PLUGINS_LOCKED",
    /// A model was installed from a file.
    ModelImported = "MODEL_IMPORTED",
    /// The keys of the companies were wrapped under another master key.
    MasterKeyChanged = "MASTER_KEY_CHANGED",
}

/// The text names no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no action has this name")]
pub struct UnknownAction;

impl FromStr for AuditAction {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|action| action.name() == text).ok_or(UnknownAction)
    }
}
