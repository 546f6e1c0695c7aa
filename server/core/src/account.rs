//! Users, roles, and the principal of a request.

use crate::ids::{CompanyId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Role of a user. The server's `auth::policy` is the only table of what each role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Sees and changes all objects of all companies; cannot settle analyses.
    Admin,
    /// Sees all companies; settles analyses that are OPERATOR_REQUIRED.
    Operator,
    /// Sees and changes its own folders only.
    Client,
    /// Sees and changes everything in its own company.
    ClientAdmin,
    /// Settles analyses within its own company.
    ClientOperator,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// The user's company. The first administrator's company is created with that user.
    pub company_id: CompanyId,
    /// Login name, in lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Whether this is a machine account.
    pub is_service: bool,
    /// Time of creation.
    pub created_at: OffsetDateTime,
}

/// The authenticated sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user_id: UserId,
    /// The user's company.
    pub company_id: CompanyId,
    /// The user's role.
    pub role: Role,
    /// The login session; absent for commands on the node's own command line.
    pub session_id: Option<SessionId>,
}
