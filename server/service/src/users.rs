//! Creating companies and users, for the first start and the command line. There is no caller and
//! no policy check: access to the data folder is the permission.

use crate::errors::{of_store, stored};
use crate::types::{AddedUser, NewUser};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use uuid::Uuid;
use vultus_auth::brakes::LoginKeyring;
use vultus_auth::login_name::normal_email;
use vultus_auth::passwords::{self, Passwords};
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, Error, Result, Role, User, UserId};
use vultus_store::{Company, Store, StoreError};

/// The company of a new installation. The id is fixed so that the command line needs no lookup.
pub const DEFAULT_COMPANY: CompanyId =
    CompanyId(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
/// Maximum length of a display name, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Creates companies and users in a store.
pub struct UserDirectory {
    store: Arc<dyn Store>,
    keyring: Keyring,
    passwords: Passwords,
    clock: Clock,
}

impl UserDirectory {
    /// A directory over this store.
    pub fn new(
        store: Arc<dyn Store>,
        keyring: Keyring,
        passwords: Passwords,
        clock: Clock,
    ) -> Self {
        Self { store, keyring, passwords, clock }
    }

    /// Creates a user; generates a password if none is given.
    pub async fn add_user(&self, new: NewUser) -> Result<AddedUser> {
        let email = normal_email(&new.email)
            .ok_or_else(|| Error::invalid("email", "must be of the form name@host"))?;
        check_name(&new.name)?;
        let generated = new.password.is_none().then(passwords::generate);
        let password = match (&generated, new.password) {
            (Some(generated), _) => generated.clone(),
            (None, given) => checked_password(given)?,
        };
        let company_id = new.company_id.unwrap_or(DEFAULT_COMPANY);
        self.ensure_company(company_id).await?;
        let user = User {
            id: UserId(Uuid::now_v7()),
            company_id,
            email,
            name: new.name,
            role: new.role,
            is_service: new.is_service,
            created_at: self.clock.now(),
        };
        let hash = self.passwords.hash(password).await?;
        match self.store.create_user(&user, &hash).await {
            Ok(()) => Ok(AddedUser { user, password: generated }),
            Err(StoreError::Duplicate { existing, .. }) => Err(Error::Conflict {
                argument: Some("email".to_owned()),
                message: "this e-mail is already used".to_owned(),
                existing: Some(existing),
            }),
            Err(error) => Err(of_store(error)),
        }
    }

    /// Removes the locks after failed logins of a name. Returns whether there were any.
    pub async fn unlock(&self, email: &str, keys: &LoginKeyring) -> Result<bool> {
        let email = normal_email(email)
            .ok_or_else(|| Error::invalid("email", "must be of the form name@host"))?;
        if stored(self.store.user_by_email(&email).await)?.is_none() {
            return Err(Error::not_found("user", "email"));
        }
        stored(self.store.unlock_logins(&keys.name(&email)).await)
    }

    /// Creates a company.
    pub async fn add_company(&self, name: &str) -> Result<Company> {
        check_name(name)?;
        if name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        let company = self.new_company(CompanyId(Uuid::now_v7()), name);
        stored(self.store.create_company(&company).await)?;
        Ok(company)
    }

    /// All companies, in the order of their ids.
    pub async fn companies(&self) -> Result<Vec<Company>> {
        stored(self.store.companies().await)
    }

    fn new_company(&self, id: CompanyId, name: &str) -> Company {
        let wrapped_key = self.keyring.make_company_key(id);
        Company { id, name: name.to_owned(), wrapped_key, created_at: self.clock.now() }
    }

    async fn ensure_company(&self, id: CompanyId) -> Result<()> {
        match self.store.company(id).await {
            Err(StoreError::NotFound(_)) if id == DEFAULT_COMPANY => {
                match self.store.create_company(&self.new_company(id, "default")).await {
                    // Another node or the command line created it first.
                    Err(StoreError::Duplicate { .. }) => Ok(()),
                    other => stored(other),
                }
            }
            Err(StoreError::NotFound(_)) => {
                Err(Error::invalid("company", "no company has this id"))
            }
            other => stored(other.map(drop)),
        }
    }

    /// Creates the first administrator if there are no users, with a generated password.
    pub async fn ensure_administrator(&self, email: &str) -> Result<Option<AddedUser>> {
        if stored(self.store.count_users().await)? > 0 {
            return Ok(None);
        }
        let administrator = NewUser {
            email: email.to_owned(),
            name: "Administrator".to_owned(),
            role: Role::Admin,
            is_service: false,
            company_id: None,
            password: None,
        };
        match self.add_user(administrator).await {
            // Another node that started at the same time created it first.
            Err(Error::Conflict { .. }) => Ok(None),
            other => other.map(Some),
        }
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "name",
            format!("must be at most {MAX_NAME_BYTES} bytes without control characters"),
        ));
    }
    Ok(())
}

fn checked_password(given: Option<SecretString>) -> Result<SecretString> {
    let long_enough = |password: &SecretString| {
        let text = password.expose_secret();
        text.chars().count() >= passwords::MIN_PASSWORD_CHARS
            && text.len() <= passwords::MAX_PASSWORD_BYTES
    };
    given.filter(long_enough).ok_or_else(|| {
        Error::invalid(
            "password",
            format!("must have at least {} characters", passwords::MIN_PASSWORD_CHARS),
        )
    })
}
