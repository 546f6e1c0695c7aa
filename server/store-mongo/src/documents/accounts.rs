//! Companies, users and counts of logins.

use super::super::values::{binary, few, id, nanoseconds, time, typed};
use mongodb::bson::{Binary, DateTime, Uuid};
use serde::{Deserialize, Serialize};
use vultus_core::logins::Attempts;
use vultus_core::{Role, User};
use vultus_store::stored::{Name, V1, Version};
use vultus_store::{Company, UserWithPassword};

/// A company.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CompanyDocument {
    #[serde(rename = "_id")]
    id: Uuid,
    v: Version,
    name: String,
    wrapped_key: Binary,
    created_at: i64,
    #[serde(default)]
    suspended_at: Option<i64>,
    #[serde(default)]
    deleting_at: Option<i64>,
}

impl From<&Company> for CompanyDocument {
    fn from(company: &Company) -> Self {
        Self {
            id: id(company.id),
            v: V1,
            name: company.name.clone(),
            wrapped_key: binary(&company.wrapped_key),
            created_at: nanoseconds(company.created_at),
            suspended_at: company.suspended_at.map(nanoseconds),
            deleting_at: company.deleting_at.map(nanoseconds),
        }
    }
}

impl From<CompanyDocument> for Company {
    fn from(stored: CompanyDocument) -> Self {
        Self {
            id: typed(stored.id),
            name: stored.name,
            wrapped_key: stored.wrapped_key.bytes,
            created_at: time(stored.created_at),
            suspended_at: stored.suspended_at.map(time),
            deleting_at: stored.deleting_at.map(time),
        }
    }
}

/// A user with the password hash.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserDocument {
    #[serde(rename = "_id")]
    pub(crate) id: Uuid,
    v: Version,
    company_id: Option<Uuid>,
    email: String,
    name: String,
    role: Name<Role>,
    is_service: bool,
    password_hash: String,
    created_at: i64,
    /// Types of analyses; absent or null: every type.
    #[serde(default)]
    may_start: Option<Vec<String>>,
    #[serde(default)]
    disabled_at: Option<i64>,
    /// When it was deleted. Its folders refer to what is left.
    #[serde(default)]
    deleted_at: Option<i64>,
}

impl UserDocument {
    /// A new user.
    pub(crate) fn new(user: &User, password_hash: &str) -> Self {
        Self {
            id: id(user.id),
            v: V1,
            company_id: user.company_of_role().map(id),
            email: user.email.clone(),
            name: user.name.clone(),
            role: Name(user.role),
            is_service: user.is_service,
            password_hash: password_hash.to_owned(),
            created_at: nanoseconds(user.created_at),
            may_start: user.may_start.clone().into(),
            disabled_at: user.disabled_at.map(nanoseconds),
            deleted_at: None,
        }
    }
}

impl From<&UserWithPassword> for UserDocument {
    fn from(user: &UserWithPassword) -> Self {
        let deleted_at = user.deleted_at.map(nanoseconds);
        Self { deleted_at, ..Self::new(&user.user, &user.password_hash) }
    }
}

impl From<UserDocument> for User {
    fn from(stored: UserDocument) -> Self {
        Self {
            id: typed(stored.id),
            company_id: stored.company_id.map(typed),
            email: stored.email,
            name: stored.name,
            role: stored.role.0,
            is_service: stored.is_service,
            may_start: stored.may_start.into(),
            created_at: time(stored.created_at),
            disabled_at: stored.disabled_at.map(time),
        }
    }
}

impl From<UserDocument> for UserWithPassword {
    fn from(mut stored: UserDocument) -> Self {
        Self {
            password_hash: std::mem::take(&mut stored.password_hash),
            deleted_at: stored.deleted_at.map(time),
            user: stored.into(),
        }
    }
}

/// A count of logins.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AttemptsDocument {
    /// Key of the name and, unless it is of the name as a whole, of the origin.
    #[serde(rename = "_id")]
    key: String,
    v: Version,
    name: String,
    failures: i64,
    failed_at: Option<i64>,
    locked_until: Option<i64>,
    succeeded_at: Option<i64>,
    forget_at: DateTime,
}

impl AttemptsDocument {
    pub(crate) fn new(key: String, name: &str, of: &Attempts, forget_at: DateTime) -> Self {
        Self {
            key,
            v: V1,
            name: name.to_owned(),
            failures: of.failures.into(),
            failed_at: of.failed_at.map(nanoseconds),
            locked_until: of.locked_until.map(nanoseconds),
            succeeded_at: of.succeeded_at.map(nanoseconds),
            forget_at,
        }
    }
}

impl From<AttemptsDocument> for Attempts {
    fn from(stored: AttemptsDocument) -> Self {
        Self {
            failures: few(stored.failures),
            failed_at: stored.failed_at.map(time),
            locked_until: stored.locked_until.map(time),
            succeeded_at: stored.succeeded_at.map(time),
        }
    }
}
