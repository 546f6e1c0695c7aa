//! Companies and users: the parts that their use cases share. The command line and the first start
//! use it without a node.

use crate::audit::{Audit, Caller, of_company};
use crate::errors::of_store;
use std::sync::Arc;
use uuid::Uuid;
use vultus_auth::brakes::LoginKeyring;
use vultus_auth::passwords::Passwords;
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_core::text::is_plain;
use vultus_core::{CompanyId, Error, Principal, Result, UserId};
use vultus_store::audit::{AuditAction, AuditObject, ChainOf, NewEntry, Origin};
use vultus_store::{Store, StoreError};

/// The company of a new installation. The id is fixed so that the command line needs no lookup.
pub const DEFAULT_COMPANY: CompanyId =
    CompanyId(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
/// Maximum length of a display name and of a search, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Creates, lists, changes and deletes companies and users. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keyring: Keyring,
    pub(crate) passwords: Passwords,
    pub(crate) login_keys: Arc<LoginKeyring>,
    pub(crate) audit: Audit,
    pub(crate) clock: Clock,
    pub(crate) origin: Option<Origin>,
}

impl Directory {
    /// A directory over this store.
    pub fn new(
        store: Arc<dyn Store>,
        keyring: Keyring,
        passwords: Passwords,
        login_keys: LoginKeyring,
        clock: Clock,
    ) -> Self {
        let audit = Audit::new(store.clone(), clock.clone());
        let login_keys = Arc::new(login_keys);
        Self { store, keyring, passwords, login_keys, audit, clock, origin: None }
    }

    /// The directory for requests from this network.
    pub(crate) fn for_origin(&self, origin: Option<Origin>) -> Self {
        Self { origin, ..self.clone() }
    }

    /// An entry of the audit log about a company.
    pub(crate) fn about_company(
        &self,
        caller: &Principal,
        action: AuditAction,
        id: CompanyId,
    ) -> NewEntry {
        let caller = Caller::new(caller, self.origin);
        NewEntry {
            object: Some(AuditObject::Company(id)),
            ..self.audit.entry(&caller, action, of_company(id))
        }
    }

    /// An entry of the audit log about a user.
    pub(crate) fn about_user(
        &self,
        caller: &Principal,
        action: AuditAction,
        id: UserId,
    ) -> NewEntry {
        let caller = Caller::new(caller, self.origin);
        NewEntry {
            object: Some(AuditObject::User(id)),
            ..self.audit.entry(&caller, action, ChainOf::User(id))
        }
    }
}

/// Checks a display name, which may be empty.
pub(crate) fn check_text(text: &str, argument: &str) -> Result<()> {
    if text.len() > MAX_NAME_BYTES || !is_plain(text) {
        return Err(Error::invalid(
            argument,
            format!(
                "must be at most {MAX_NAME_BYTES} bytes, without control or invisible characters"
            ),
        ));
    }
    Ok(())
}

/// Checks the text of a search. An empty one finds everything.
pub(crate) fn checked_search(text: Option<String>, argument: &str) -> Result<Option<String>> {
    let text = text.filter(|text| !text.is_empty());
    if let Some(text) = &text {
        check_text(text, argument)?;
    }
    Ok(text)
}

/// The error of a write. What is outside of the caller's reach is not found at `argument`.
pub(crate) fn of_write(error: StoreError, argument: &str) -> Error {
    of_store(error).at(argument)
}
