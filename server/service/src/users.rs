//! Making companies and users: the first administrator, and what the command line adds. No caller
//! and no policy; only who may use the data folder gets here.

use super::errors::{of_store, stored};
use super::types::{AddedUser, NewUser};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use uuid::Uuid;
use vultus_auth::login_name::normal_email;
use vultus_auth::passwords::{self, Passwords};
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_core::{CompanyId, Error, Result, Role, User, UserId};
use vultus_store::{Company, Store, StoreError};

/// The company of a fresh installation. A fixed id, so that the command line finds it without
/// asking.
pub const DEFAULT_COMPANY: CompanyId =
    CompanyId(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
/// Longest name for people, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Makes companies and users in a store.
pub struct UserDirectory {
    store: Arc<dyn Store>,
    keyring: Keyring,
    passwords: Passwords,
    clock: Clock,
}

impl UserDirectory {
    /// Over a store.
    pub fn new(
        store: Arc<dyn Store>,
        keyring: Keyring,
        passwords: Passwords,
        clock: Clock,
    ) -> Self {
        Self { store, keyring, passwords, clock }
    }

    /// Makes a user.
    pub async fn add_user(&self, new: NewUser) -> Result<AddedUser> {
        let email = normal_email(&new.email)
            .ok_or_else(|| Error::invalid("email", "must be of the form name@host"))?;
        check_name(&new.name)?;
        let made = new.password.is_none().then(passwords::generate);
        let password = match (&made, new.password) {
            (Some(made), _) => made.clone(),
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
            Ok(()) => Ok(AddedUser { user, password: made }),
            Err(StoreError::Duplicate { existing, .. }) => Err(Error::Conflict {
                argument: Some("email".to_owned()),
                message: "this e-mail is taken".to_owned(),
                existing: Some(existing),
            }),
            Err(error) => Err(of_store(error)),
        }
    }

    /// Makes a company.
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
                    // Another node, or the command line, was faster.
                    Err(StoreError::Duplicate { .. }) => Ok(()),
                    other => stored(other),
                }
            }
            Err(StoreError::NotFound(_)) => {
                Err(Error::invalid("company", "there is no company with this id"))
            }
            other => stored(other.map(drop)),
        }
    }

    /// Makes the first administrator when there are no users; the password comes back once.
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
            // Another node, which started at the same time, was first.
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
