//! Companies: created, listed, renamed, suspended.

use crate::directory::{DEFAULT_COMPANY, Directory, check_text, checked_search, of_write};
use crate::errors::{of_store, stored};
use uuid::Uuid;
use vultus_auth::policy::{self, Action};
use vultus_core::{CompanyId, Error, Principal, Result};
use vultus_store::audit::AuditAction;
use vultus_store::{Company, StoreError};

const COMPANY: &str = "input.companyId";

/// Whether the users of a company can act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompanyState {
    /// They can.
    Active,
    /// They can do nothing.
    Suspended,
}

impl Directory {
    /// Creates a company.
    pub async fn create_company(&self, caller: &Principal, name: &str) -> Result<Company> {
        policy::authorize_companies(caller, Action::CreateCompany)?;
        let company = self.new_company(CompanyId(Uuid::now_v7()), checked_name(name)?);
        let entry = self.about_company(caller, AuditAction::CompanyCreated, company.id);
        stored(self.audit.recording(entry).create_company(&company).await)?;
        Ok(company)
    }

    /// A page of the companies that the caller may see, and whether there are more.
    pub async fn list_companies(
        &self,
        caller: &Principal,
        search: Option<String>,
        after: Option<CompanyId>,
        limit: u32,
    ) -> Result<(Vec<Company>, bool)> {
        let scope = policy::authorize_companies(caller, Action::ViewCompany)?;
        let search = checked_search(search, "search")?;
        stored(self.store.list_companies(scope, search.as_deref(), after, limit).await)
    }

    /// Those of the companies that the caller may see.
    pub async fn companies(&self, caller: &Principal, ids: &[CompanyId]) -> Result<Vec<Company>> {
        let scope = policy::authorize_companies(caller, Action::ViewCompany)?;
        stored(self.store.companies_by_ids(scope, ids).await)
    }

    /// Changes the name of a company.
    pub async fn rename_company(
        &self,
        caller: &Principal,
        id: CompanyId,
        name: &str,
    ) -> Result<Company> {
        let scope = policy::authorize_companies(caller, Action::ChangeCompany)?;
        let name = checked_name(name)?;
        let entry = self.about_company(caller, AuditAction::CompanyRenamed, id);
        let renamed = self.audit.recording(entry).rename_company(scope, id, name).await;
        renamed.map_err(|error| of_write(error, COMPANY))
    }

    /// Suspends or resumes a company. Within a second its users can do nothing, or can act again.
    pub async fn set_company_state(
        &self,
        caller: &Principal,
        id: CompanyId,
        state: CompanyState,
    ) -> Result<Company> {
        policy::authorize_companies(caller, Action::SuspendCompany)?;
        let (since, action) = match state {
            CompanyState::Active => (None, AuditAction::CompanyResumed),
            CompanyState::Suspended => (Some(self.clock.now()), AuditAction::CompanySuspended),
        };
        let entry = self.about_company(caller, action, id);
        let changed = self.audit.recording(entry).suspend_company(id, since).await;
        changed.map_err(|error| of_write(error, COMPANY))
    }

    fn new_company(&self, id: CompanyId, name: &str) -> Company {
        Company {
            id,
            name: name.to_owned(),
            wrapped_key: self.keyring.make_company_key(id),
            created_at: self.clock.now(),
            suspended_at: None,
            deleting_at: None,
        }
    }

    /// The company of a new user, which must be active. The default company is created if it does
    /// not exist yet.
    pub(crate) async fn company_for_user(&self, id: CompanyId) -> Result<()> {
        let company = match self.store.company(id).await {
            Ok(company) => company,
            Err(StoreError::NotFound(_)) if id == DEFAULT_COMPANY => {
                return self.create_default_company().await;
            }
            Err(error) => return Err(of_write(error, COMPANY)),
        };
        match company.suspended_at {
            None => Ok(()),
            Some(_) => Err(crate::acting_company::suspended(COMPANY)),
        }
    }

    /// Creates the default company, unless it exists.
    pub(crate) async fn create_default_company(&self) -> Result<()> {
        let company = self.new_company(DEFAULT_COMPANY, "default");
        let by = Principal::Local;
        let entry = self.about_company(&by, AuditAction::CompanyCreated, company.id);
        match self.audit.recording(entry).create_company(&company).await {
            // Another node or the command line created it first.
            Ok(()) | Err(StoreError::Duplicate { .. }) => Ok(()),
            Err(error) => Err(of_store(error)),
        }
    }
}

fn checked_name(name: &str) -> Result<&str> {
    const NAME: &str = "input.name";
    let name = name.trim();
    check_text(name, NAME)?;
    if name.is_empty() {
        return Err(Error::invalid(NAME, "must not be empty"));
    }
    Ok(name)
}
