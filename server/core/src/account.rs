//! Companies, users, roles, and who is asking.

use crate::ids::{CompanyId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What a user may do; the one table over it is the server's `auth::policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// All objects of all companies; cannot decide.
    Admin,
    /// Sees all; decides where a person must.
    Operator,
    /// Own folders.
    Client,
    /// All of the own company.
    ClientAdmin,
    /// Decides within the own company.
    ClientOperator,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// The company; every user has one, the first administrator's is made with it.
    pub company_id: CompanyId,
    /// Login name, lower case.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// Role.
    pub role: Role,
    /// A machine account.
    pub is_service: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user_id: UserId,
    /// The user's company.
    pub company_id: CompanyId,
    /// The user's role.
    pub role: Role,
    /// The login; absent for the command line on the node itself.
    pub session_id: Option<SessionId>,
}
