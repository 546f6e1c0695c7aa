//! What a caller reaches, and which users it lists and how it changes them. Only the server's
//! `auth::policy` creates scopes.

use time::OffsetDateTime;
use vultus_core::{CompanyId, MayStart, Role, User, UserId};

/// What a caller may see; queries filter by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All companies.
    Everything,
    /// One company.
    Company(CompanyId),
    /// The folders that one user of one company owns.
    Owner(CompanyId, UserId),
}

/// Which companies a caller reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompanyScope {
    /// All companies.
    Every,
    /// One company.
    Only(CompanyId),
}

/// Which users a caller reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserScope {
    /// All users.
    Every,
    /// The users of one company.
    OfCompany(CompanyId),
    /// One user.
    Only(UserId),
}

impl UserScope {
    /// Whether it contains a user.
    pub fn contains(self, user: &User) -> bool {
        match self {
            Self::Every => true,
            Self::OfCompany(company) => user.company_id == Some(company),
            Self::Only(id) => user.id == id,
        }
    }
}

/// Which users to list; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Of this company.
    pub company_id: Option<CompanyId>,
    /// With this role.
    pub role: Option<Role>,
    /// With this text in the name or the e-mail, in any case.
    pub search: Option<String>,
}

/// A change of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// Another display name.
    Name(String),
    /// Another role, with the company that it needs.
    Role(Role, Option<CompanyId>),
    /// Other analyses that the user may start.
    MayStart(MayStart),
    /// Disabled since this time, or enabled. A user that is disabled already keeps the time.
    Disabled(Option<OffsetDateTime>),
}
