//! Users: created, listed, changed, deleted.

use crate::acting_company::acting_company;
use crate::audit::of_optional_company;
use crate::directory::{DEFAULT_COMPANY, Directory, check_text, checked_search, of_write};
use crate::errors::{of_store, stored};
use crate::types::{AddedUser, NewRole, NewUser};
use uuid::Uuid;
use vultus_auth::login_name::{PROVIDER_SUFFIX, normal_email};
use vultus_auth::passwords::{self, ChosenPassword};
use vultus_auth::policy::{self, Action};
use vultus_core::{CompanyId, Error, MayStart, Principal, Result, Role, User, UserId};
use vultus_store::audit::{AuditAction, Facts, NewEntry};
use vultus_store::names::Named;
use vultus_store::{StoreError, UserChange, UserFilter, UserScope};

const USER: &str = "input.userId";
const COMPANY: &str = "input.companyId";
const MAY_START: &str = "input.mayStart";
/// Maximum number of types of analyses in a user's list.
const MAX_TYPES: usize = 64;
/// Maximum length of a type of analyses, in bytes.
const MAX_TYPE_BYTES: usize = 64;

/// Whether a user can act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    /// It can.
    Enabled,
    /// It can do nothing.
    Disabled,
}

impl Directory {
    /// Creates a user; generates a password if none is given.
    pub async fn create_user(&self, caller: &Principal, new: NewUser) -> Result<AddedUser> {
        policy::authorize_unlimited(caller)?;
        policy::authorize_users(caller, Action::CreateUser)?;
        policy::authorize_role(caller, new.role)?;
        policy::authorize_rights(caller, None, &new.may_start)?;
        check_types(&new.may_start)?;
        let email = normal_email(&new.email)
            .ok_or_else(|| Error::invalid("input.email", "must be of the form name@host"))?;
        if email.ends_with(PROVIDER_SUFFIX) {
            let message = "names that end with .oidc belong to users of identity providers";
            return Err(Error::invalid("input.email", message));
        }
        check_text(&new.name, "input.name")?;
        let company_id = self.company_of_new(caller, new.role, new.company_id).await?;
        let user = User {
            id: UserId(Uuid::now_v7()),
            company_id,
            email,
            name: new.name,
            role: new.role,
            is_service: new.is_service || new.role == Role::ClientService,
            may_start: new.may_start,
            created_at: self.clock.now(),
            disabled_at: None,
        };
        // Before the hash: refusals must be cheap.
        if let Some(found) = stored(self.store.user_by_email(&user.email).await)? {
            return Err(self.taken_email(caller, &found.user.id.to_string()).await);
        }
        let owner = caller.company_id().into();
        let (hash, generated) = match new.password {
            Some(password) => {
                let known = vec![user.email.clone(), user.name.clone()];
                let chosen = ChosenPassword { password, known, argument: "input.password" };
                (self.passwords.hash_chosen(chosen, owner).await?, None)
            }
            None => {
                let password = passwords::generate();
                (self.passwords.hash(password.clone(), owner).await?, Some(password))
            }
        };
        let after = Facts::new().code("role", user.role.name()).flag("service", user.is_service);
        let entry = NewEntry {
            chain: of_optional_company(user.company_id),
            after: with_types(after, &user.may_start),
            ..self.about_user(caller, AuditAction::UserCreated, user.id)
        };
        match self.audit.recording(entry).create_user(&user, &hash).await {
            Ok(()) => Ok(AddedUser { user, password: generated }),
            Err(StoreError::Duplicate { existing, .. }) => {
                Err(self.taken_email(caller, &existing).await)
            }
            Err(error) => Err(of_store(error)),
        }
    }

    /// The error for a taken e-mail. It names the user only to a caller that may see it.
    async fn taken_email(&self, caller: &Principal, existing: &str) -> Error {
        let visible = match (existing.parse(), policy::authorize_users(caller, Action::ViewUser)) {
            (Ok(id), Ok(scope)) => {
                let found = self.store.users(&[id]).await.unwrap_or_default();
                found.iter().any(|user| scope.contains(user))
            }
            _ => false,
        };
        Error::Conflict {
            argument: Some("input.email".to_owned()),
            message: "this e-mail is already used".to_owned(),
            existing: visible.then(|| existing.to_owned()),
            reason: None,
        }
    }

    /// A page of the users that the caller may see, and whether there are more.
    pub async fn list_users(
        &self,
        caller: &Principal,
        filter: UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<(Vec<User>, bool)> {
        let scope = policy::authorize_users(caller, Action::ViewUser)?;
        let search = checked_search(filter.search, "filter.search")?;
        let filter = UserFilter { search, ..filter };
        stored(self.store.list_users(scope, &filter, after, limit).await)
    }

    /// Those of the users that the caller may see.
    pub async fn users(&self, caller: &Principal, ids: &[UserId]) -> Result<Vec<User>> {
        let scope = policy::authorize_users(caller, Action::ViewUser)?;
        let mut users = stored(self.store.users(ids).await)?;
        users.retain(|user| scope.contains(user));
        Ok(users)
    }

    /// The user with an e-mail, if the caller may see it.
    pub async fn user_by_email(&self, caller: &Principal, email: &str) -> Result<User> {
        let scope = policy::authorize_users(caller, Action::ViewUser)?;
        let email = normal_email(email)
            .ok_or_else(|| Error::invalid("email", "must be of the form name@host"))?;
        let found = stored(self.store.user_by_email(&email).await)?.map(|found| found.user);
        found.filter(|user| scope.contains(user)).ok_or_else(|| Error::not_found("user", "email"))
    }

    /// Changes the display name of a user.
    pub async fn rename_user(&self, caller: &Principal, id: UserId, name: &str) -> Result<User> {
        let scope = policy::authorize_users(caller, Action::ChangeUser)?;
        check_text(name, "input.name")?;
        let entry = self.about_user(caller, AuditAction::UserRenamed, id);
        self.change(scope, id, UserChange::Name(name.to_owned()), entry).await
    }

    /// Changes the role of a user. Users of a company stay in it; one that had no company gets one.
    pub async fn change_role(&self, caller: &Principal, id: UserId, new: NewRole) -> Result<User> {
        let scope = policy::authorize_users(caller, Action::ManageUser)?;
        let user = self.managed(scope, id).await?;
        policy::authorize_unlimited(caller)?;
        policy::authorize_role(caller, new.role)?;
        policy::authorize_rights(caller, Some(id), &user.may_start)?;
        let company = company_of_changed(&user, new)?;
        if let Some(company) = company.filter(|_| company != user.company_id) {
            self.company_for_user(company).await?;
        }
        let entry = NewEntry {
            before: Facts::new().code("role", user.role.name()),
            after: Facts::new().code("role", new.role.name()),
            ..self.about_user(caller, AuditAction::UserRoleChanged, id)
        };
        self.change(scope, id, UserChange::Role(new.role, company), entry).await
    }

    /// Changes which analyses a user may start.
    pub async fn change_may_start(
        &self,
        caller: &Principal,
        id: UserId,
        may_start: MayStart,
    ) -> Result<User> {
        let scope = policy::authorize_users(caller, Action::ManageUser)?;
        let user = self.managed(scope, id).await?;
        policy::authorize_rights(caller, Some(id), &may_start)?;
        check_types(&may_start)?;
        let entry = NewEntry {
            before: with_types(Facts::new(), &user.may_start),
            after: with_types(Facts::new(), &may_start),
            ..self.about_user(caller, AuditAction::UserAnalysesChanged, id)
        };
        self.change(scope, id, UserChange::MayStart(may_start), entry).await
    }

    /// Disables or enables a user. Within a second it can do nothing, or can act again.
    pub async fn set_user_state(
        &self,
        caller: &Principal,
        id: UserId,
        state: UserState,
    ) -> Result<User> {
        let scope = policy::authorize_users(caller, Action::ManageUser)?;
        let (since, action) = match state {
            UserState::Enabled => (None, AuditAction::UserEnabled),
            UserState::Disabled => (Some(self.clock.now()), AuditAction::UserDisabled),
        };
        let entry = self.about_user(caller, action, id);
        self.change(scope, id, UserChange::Disabled(since), entry).await
    }

    /// Removes the locks after failed logins of a user. Returns whether there were any.
    pub async fn unlock_user(&self, caller: &Principal, id: UserId) -> Result<(User, bool)> {
        let scope = policy::authorize_users(caller, Action::ManageUser)?;
        let user = self.managed(scope, id).await?;
        let key = self.login_keys.name(&user.email);
        let entry = self.about_user(caller, AuditAction::UserUnlocked, id);
        let was_locked = stored(self.audit.recording(entry).unlock_logins(&key).await)?;
        Ok((user, was_locked))
    }

    /// Deletes a user. Its sessions end; its folders stay.
    pub async fn delete_user(&self, caller: &Principal, id: UserId) -> Result<()> {
        let scope = policy::authorize_users(caller, Action::DeleteUser)?;
        let entry = self.about_user(caller, AuditAction::UserDeleted, id);
        let now = self.clock.now();
        let deleted = self.audit.recording(entry).delete_user(scope, id, now).await;
        deleted.map_err(|error| of_write(error, USER))
    }

    /// Creates the default company and the first administrator if there are no users, with a
    /// generated password.
    pub async fn ensure_administrator(&self, email: &str) -> Result<Option<AddedUser>> {
        if stored(self.store.count_users().await)? > 0 {
            return Ok(None);
        }
        self.create_default_company().await?;
        let administrator = NewUser {
            email: email.to_owned(),
            name: "Administrator".to_owned(),
            role: Role::Admin,
            is_service: false,
            may_start: MayStart::Every,
            company_id: None,
            password: None,
        };
        match self.create_user(&Principal::Local, administrator).await {
            // Another node that started at the same time created it first.
            Err(Error::Conflict { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The company of a new user.
    async fn company_of_new(
        &self,
        caller: &Principal,
        role: Role,
        wanted: Option<CompanyId>,
    ) -> Result<Option<CompanyId>> {
        if !role.is_of_company() {
            return refuse_company(wanted);
        }
        if matches!(caller, Principal::Local) {
            let id = wanted.unwrap_or(DEFAULT_COMPANY);
            self.company_for_user(id).await?;
            return Ok(Some(id));
        }
        acting_company(self.store.as_ref(), caller, wanted, COMPANY).await.map(Some)
    }

    async fn change(
        &self,
        scope: UserScope,
        id: UserId,
        change: UserChange,
        entry: NewEntry,
    ) -> Result<User> {
        let changed = self.audit.recording(entry).change_user(scope, id, &change).await;
        changed.map_err(|error| of_write(error, USER))
    }

    /// A user within the scope.
    async fn managed(&self, scope: UserScope, id: UserId) -> Result<User> {
        let found = stored(self.store.users(&[id]).await)?.pop();
        found.filter(|user| scope.contains(user)).ok_or_else(|| Error::not_found("user", USER))
    }
}

/// The company of a user whose role changes.
fn company_of_changed(user: &User, new: NewRole) -> Result<Option<CompanyId>> {
    if !new.role.is_of_company() {
        return refuse_company(new.company_id);
    }
    match (user.company_id, new.company_id) {
        (Some(own), None) => Ok(Some(own)),
        (Some(own), Some(wanted)) if own == wanted => Ok(Some(own)),
        (Some(_), Some(_)) => {
            Err(Error::invalid(COMPANY, "users are not moved from one company to another"))
        }
        (None, Some(wanted)) => Ok(Some(wanted)),
        (None, None) => Err(Error::InvalidInput {
            argument: Some(COMPANY.to_owned()),
            message: "this role needs a company".to_owned(),
            reason: Some("COMPANY_REQUIRED".to_owned()),
        }),
    }
}

/// The facts with the types of analyses that a user may start.
fn with_types(facts: Facts, may_start: &MayStart) -> Facts {
    match may_start.types() {
        Some(types) => facts.codes("mayStart", types.iter().map(String::as_str)),
        None => facts.code("mayStart", "EVERY"),
    }
}

fn refuse_company(wanted: Option<CompanyId>) -> Result<Option<CompanyId>> {
    match wanted {
        None => Ok(None),
        Some(_) => Err(Error::invalid(COMPANY, "users with this role have no company")),
    }
}

fn check_types(may_start: &MayStart) -> Result<()> {
    let Some(types) = may_start.types() else { return Ok(()) };
    if types.len() > MAX_TYPES {
        return Err(Error::LimitExceeded {
            argument: Some(MAY_START.to_owned()),
            message: format!("a list has at most {MAX_TYPES} types"),
            reason: Some("TOO_MANY_TYPES".to_owned()),
        });
    }
    let is_type = |kind: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        (1..=MAX_TYPE_BYTES).contains(&kind.len()) && kind.chars().all(plain)
    };
    if !types.iter().all(is_type) {
        return Err(Error::invalid(MAY_START, "must be types of analyses, such as `liveness`"));
    }
    Ok(())
}
