//! Companies' users, their roles, and the principal of a request.

use crate::ids::{ApiKeyId, CompanyId, SessionId, UserId};
use crate::key_scopes::KeyScopes;
use crate::may_start::MayStart;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Role of a user. The server's `auth::policy` is the only table of what each role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Administers all companies; takes no decisions on analyses. Has no company.
    Admin,
    /// Sees all companies and takes decisions on their analyses. Has no company.
    Operator,
    /// Works with its own folders.
    Client,
    /// A machine that works with all folders of its company.
    ClientService,
    /// Takes decisions on the analyses of its company.
    ClientOperator,
    /// Administers its company.
    ClientAdmin,
}

impl Role {
    /// All roles, in the order of the table of rights.
    pub const ALL: [Self; 6] = [
        Self::Admin,
        Self::Operator,
        Self::Client,
        Self::ClientService,
        Self::ClientOperator,
        Self::ClientAdmin,
    ];

    /// Whether users with this role belong to a company.
    pub fn is_of_company(self) -> bool {
        match self {
            Self::Admin | Self::Operator => false,
            Self::Client | Self::ClientService | Self::ClientOperator | Self::ClientAdmin => true,
        }
    }
}

/// A user: a person or a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// The user's company; `None` for roles without one.
    pub company_id: Option<CompanyId>,
    /// Login name, in lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Whether this is a machine account.
    pub is_service: bool,
    /// The analyses that the user may start, within what the role permits.
    pub may_start: MayStart,
    /// Time of creation.
    pub created_at: OffsetDateTime,
    /// Since when the user can do nothing.
    pub disabled_at: Option<OffsetDateTime>,
}

impl User {
    /// The company that the user belongs to; `None` for roles without one, whatever is stored.
    pub fn company_of_role(&self) -> Option<CompanyId> {
        self.company_id.filter(|_| self.role.is_of_company())
    }
}

/// The user on whose behalf a request is made, and what decides its rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user_id: UserId,
    /// The user's company; `None` for roles without one.
    pub company_id: Option<CompanyId>,
    /// The user's role.
    pub role: Role,
    /// The analyses that the user may start.
    pub may_start: MayStart,
}

impl From<&User> for Account {
    fn from(user: &User) -> Self {
        Self {
            user_id: user.id,
            company_id: user.company_of_role(),
            role: user.role,
            may_start: user.may_start.clone(),
        }
    }
}

/// The authenticated sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A user that has logged in.
    User {
        /// The user.
        account: Account,
        /// The login session.
        session_id: SessionId,
    },
    /// A machine with an API key.
    ServiceAccount {
        /// The user that the key belongs to.
        account: Account,
        /// The key.
        key_id: ApiKeyId,
        /// What the key is limited to, within the rights of the account.
        scopes: KeyScopes,
    },
    /// A user with an access token of an identity provider.
    External {
        /// The user.
        account: Account,
        /// When the token expires, in seconds since 1970.
        expires_at: i64,
    },
    /// The command line on the node's own machine: access to the data folder is the permission.
    Local,
}

impl Principal {
    /// The account; `None` for the command line.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::User { account, .. }
            | Self::ServiceAccount { account, .. }
            | Self::External { account, .. } => Some(account),
            Self::Local => None,
        }
    }

    /// The user; `None` for the command line.
    pub fn user_id(&self) -> Option<UserId> {
        self.account().map(|account| account.user_id)
    }

    /// The company; `None` for the command line and for roles without a company.
    pub fn company_id(&self) -> Option<CompanyId> {
        self.account().and_then(|account| account.company_id)
    }

    /// The login session; `None` for other credentials and for the command line.
    pub fn session_id(&self) -> Option<SessionId> {
        match self {
            Self::User { session_id, .. } => Some(*session_id),
            Self::ServiceAccount { .. } | Self::External { .. } | Self::Local => None,
        }
    }

    /// What the credentials are limited to, within the rights of the account.
    pub fn scopes(&self) -> KeyScopes {
        match self {
            Self::ServiceAccount { scopes, .. } => *scopes,
            Self::User { .. } | Self::External { .. } | Self::Local => KeyScopes::ALL,
        }
    }
}
