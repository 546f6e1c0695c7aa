//! The authorization table: the only place that decides what a caller may do.
//!
//! A role permits an action on some objects; an API key and the list of analyses that a user may
//! start narrow it further.

use serde::Serialize;
use vultus_core::{
    Account, CompanyId, Error, KeyScope, KeyScopes, Principal, Result, Role, UserId,
};
use vultus_store::{CompanyScope, Scope, UserScope};

/// An action that needs a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Read companies.
    ViewCompany,
    /// Create a company.
    CreateCompany,
    /// Rename a company.
    ChangeCompany,
    /// Suspend and resume a company.
    SuspendCompany,
    /// Erase a company with everything that belongs to it.
    DeleteCompany,
    /// Read the policies of companies.
    ViewPolicy,
    /// Change the policy of a company.
    ChangePolicy,
    /// Read folders, media, analyses and artifacts.
    ViewFolder,
    /// Create a folder.
    CreateFolder,
    /// Change a folder's metadata and external id.
    ChangeFolder,
    /// Erase a folder with its contents.
    DeleteFolder,
    /// Add media to a folder.
    AddMedia,
    /// Delete a medium.
    DeleteMedia,
    /// Request analyses, of the types that the user may start.
    RequestAnalysis,
    /// Cancel an analysis.
    CancelAnalysis,
    /// Judge media at once, without storing them.
    Check,
    /// Read which cases wait for a decision, and figures of decisions.
    ViewCase,
    /// Claim and decide cases, release own claims and undo own decisions.
    Decide,
    /// Undo decisions of others, and release cases that others have claimed.
    ManageDecisions,
    /// Read users.
    ViewUser,
    /// Create a user.
    CreateUser,
    /// Change a user's name.
    ChangeUser,
    /// Change a user's role and analyses, disable, enable and unlock a user.
    ManageUser,
    /// Delete a user.
    DeleteUser,
    /// Read the audit log.
    ViewAudit,
}

/// All actions, in the order of the table.
pub const ACTIONS: [Action; 25] = [
    Action::ViewCompany,
    Action::CreateCompany,
    Action::ChangeCompany,
    Action::SuspendCompany,
    Action::DeleteCompany,
    Action::ViewPolicy,
    Action::ChangePolicy,
    Action::ViewFolder,
    Action::CreateFolder,
    Action::ChangeFolder,
    Action::DeleteFolder,
    Action::AddMedia,
    Action::DeleteMedia,
    Action::RequestAnalysis,
    Action::CancelAnalysis,
    Action::Check,
    Action::ViewCase,
    Action::Decide,
    Action::ManageDecisions,
    Action::ViewUser,
    Action::CreateUser,
    Action::ChangeUser,
    Action::ManageUser,
    Action::DeleteUser,
    Action::ViewAudit,
];

/// The objects that a permission covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reach {
    /// The user's own objects; of users the user itself.
    Own,
    /// The objects of the user's company.
    Company,
    /// All objects.
    Everything,
}

/// A permission of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// The action.
    pub action: Action,
    /// The objects that it covers.
    pub reach: Reach,
}

/// The table: the objects on which each role may perform an action, in the order of [`Role::ALL`].
/// To cancel an analysis needs the same right as to request it.
#[rustfmt::skip]
const fn row(action: Action) -> [Option<Reach>; 6] {
    use Action::*;
    const NO: Option<Reach> = None;
    const OWN: Option<Reach> = Some(Reach::Own);
    const CO: Option<Reach> = Some(Reach::Company);
    const ALL: Option<Reach> = Some(Reach::Everything);
    match action {
        // Admin, Operator, Client, ClientService, ClientOperator, ClientAdmin
        ViewCompany =>     [ALL, ALL, CO,  CO,  CO,  CO],
        CreateCompany =>   [ALL, NO,  NO,  NO,  NO,  NO],
        ChangeCompany =>   [ALL, NO,  NO,  NO,  NO,  CO],
        SuspendCompany =>  [ALL, NO,  NO,  NO,  NO,  NO],
        DeleteCompany =>   [ALL, NO,  NO,  NO,  NO,  NO],
        ViewPolicy =>      [ALL, ALL, NO,  NO,  CO,  CO],
        ChangePolicy =>    [ALL, NO,  NO,  NO,  NO,  CO],
        ViewFolder =>      [ALL, ALL, OWN, CO,  CO,  CO],
        CreateFolder =>    [ALL, NO,  OWN, CO,  NO,  CO],
        ChangeFolder =>    [ALL, ALL, OWN, CO,  CO,  CO],
        DeleteFolder =>    [ALL, NO,  NO,  NO,  NO,  CO],
        AddMedia =>        [ALL, NO,  OWN, CO,  NO,  CO],
        DeleteMedia =>     [ALL, NO,  NO,  NO,  NO,  CO],
        RequestAnalysis => [ALL, NO,  OWN, CO,  CO,  CO],
        CancelAnalysis =>  [ALL, NO,  OWN, CO,  CO,  CO],
        Check =>           [ALL, NO,  OWN, CO,  CO,  CO],
        ViewCase =>        [ALL, ALL, NO,  NO,  CO,  CO],
        Decide =>          [NO,  ALL, NO,  NO,  CO,  NO],
        ManageDecisions => [ALL, NO,  NO,  NO,  NO,  CO],
        ViewUser =>        [ALL, ALL, OWN, CO,  CO,  CO],
        CreateUser =>      [ALL, NO,  NO,  NO,  NO,  CO],
        ChangeUser =>      [ALL, OWN, OWN, OWN, OWN, CO],
        ManageUser =>      [ALL, NO,  NO,  NO,  NO,  CO],
        DeleteUser =>      [ALL, NO,  NO,  NO,  NO,  CO],
        ViewAudit =>       [ALL, NO,  NO,  NO,  NO,  CO],
    }
}

/// The scope that an API key needs for an action.
pub const fn key_scope(action: Action) -> KeyScope {
    match action {
        Action::ViewCompany | Action::ViewPolicy => KeyScope::CompaniesRead,
        Action::ChangePolicy
        | Action::CreateCompany
        | Action::ChangeCompany
        | Action::SuspendCompany
        | Action::DeleteCompany => KeyScope::CompaniesWrite,
        Action::ViewFolder => KeyScope::FoldersRead,
        Action::CreateFolder | Action::ChangeFolder | Action::AddMedia => KeyScope::FoldersWrite,
        Action::DeleteFolder | Action::DeleteMedia => KeyScope::FoldersDelete,
        Action::RequestAnalysis | Action::CancelAnalysis | Action::Check => KeyScope::AnalysesStart,
        Action::ViewCase => KeyScope::DecisionsRead,
        Action::Decide => KeyScope::DecisionsWrite,
        Action::ManageDecisions => KeyScope::DecisionsManage,
        Action::ViewUser => KeyScope::UsersRead,
        Action::ViewAudit => KeyScope::AuditRead,
        Action::CreateUser | Action::ChangeUser | Action::ManageUser | Action::DeleteUser => {
            KeyScope::UsersWrite
        }
    }
}

/// The objects on which a role may perform an action; `None` if it may not.
pub const fn reach(role: Role, action: Action) -> Option<Reach> {
    let [admin, operator, client, service, client_operator, client_admin] = row(action);
    match role {
        Role::Admin => admin,
        Role::Operator => operator,
        Role::Client => client,
        Role::ClientService => service,
        Role::ClientOperator => client_operator,
        Role::ClientAdmin => client_admin,
    }
}

/// What a caller reaches, with the ids that bound it.
enum Reached {
    Everything,
    Company(CompanyId),
    Own(Account),
}

/// What the caller reaches with the action, or FORBIDDEN.
fn reached(caller: &Principal, action: Action) -> Result<Reached> {
    let refused = |text: &str| Err(Error::Forbidden(text.to_owned()));
    let Some(account) = caller.account() else { return local(action) };
    let Some(reach) = reach(account.role, action) else {
        return refused("your role does not permit this");
    };
    let scope = key_scope(action);
    if !scopes_allow(caller.scopes(), action) {
        return refused(&format!("the API key lacks the scope {scope}"));
    }
    match (reach, account.company_id) {
        (Reach::Everything, _) => Ok(Reached::Everything),
        (Reach::Company, Some(company)) => Ok(Reached::Company(company)),
        (Reach::Own, _) => Ok(Reached::Own(account.clone())),
        (Reach::Company, None) => Err(Error::broken("a user of a company has no company")),
    }
}

/// Whether the scopes of a key allow an action. A key with scopes creates no users: a user that
/// logs in has all rights of its role.
fn scopes_allow(scopes: KeyScopes, action: Action) -> bool {
    scopes.contains(key_scope(action)) && (action != Action::CreateUser || scopes == KeyScopes::ALL)
}

/// The command line administers companies, users and decisions. It has no folders, and takes no
/// decisions, because it is no person.
fn local(action: Action) -> Result<Reached> {
    match key_scope(action) {
        KeyScope::AuditRead
        | KeyScope::CompaniesRead
        | KeyScope::CompaniesWrite
        | KeyScope::DecisionsRead
        | KeyScope::DecisionsManage
        | KeyScope::UsersRead
        | KeyScope::UsersWrite => Ok(Reached::Everything),
        KeyScope::DecisionsWrite => {
            Err(Error::Forbidden("the command line takes no decisions".to_owned()))
        }
        KeyScope::FoldersRead
        | KeyScope::FoldersWrite
        | KeyScope::FoldersDelete
        | KeyScope::AnalysesStart => {
            Err(Error::Forbidden("the command line has no folders".to_owned()))
        }
    }
}

/// The folders on which the caller may perform the action, or FORBIDDEN.
pub fn authorize(caller: &Principal, action: Action) -> Result<Scope> {
    match reached(caller, action)? {
        Reached::Everything => Ok(Scope::Everything),
        Reached::Company(company) => Ok(Scope::Company(company)),
        Reached::Own(Account { company_id: Some(company), user_id, .. }) => {
            Ok(Scope::Owner(company, user_id))
        }
        Reached::Own(Account { company_id: None, .. }) => {
            Err(Error::broken("the owner of folders has no company"))
        }
    }
}

/// The companies on which the caller may perform the action, or FORBIDDEN.
pub fn authorize_companies(caller: &Principal, action: Action) -> Result<CompanyScope> {
    match reached(caller, action)? {
        Reached::Everything => Ok(CompanyScope::Every),
        Reached::Company(company) => Ok(CompanyScope::Only(company)),
        Reached::Own(_) => Err(Error::broken("a company has no owner")),
    }
}

/// The users on which the caller may perform the action, or FORBIDDEN.
pub fn authorize_users(caller: &Principal, action: Action) -> Result<UserScope> {
    match reached(caller, action)? {
        Reached::Everything => Ok(UserScope::Every),
        Reached::Company(company) => Ok(UserScope::OfCompany(company)),
        Reached::Own(Account { user_id, .. }) => Ok(UserScope::Only(user_id)),
    }
}

/// Refuses a type of analyses that the caller may not start.
pub fn authorize_type(caller: &Principal, kind: &str, argument: &str) -> Result<()> {
    match caller.account() {
        Some(account) if !account.may_start.allows(kind) => Err(Error::Forbidden(format!(
            "{argument}: your account may not start analyses of this type"
        ))),
        _ => Ok(()),
    }
}

/// Refuses to give a user a role. Only administrators without a company give roles without one, so
/// that no user of a company gets beyond it.
pub fn authorize_role(caller: &Principal, role: Role) -> Result<()> {
    let within_company = caller.company_id().is_some();
    if within_company && !role.is_of_company() {
        return Err(Error::Forbidden(
            "only administrators of the installation give this role".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses what would give an API key with scopes the rights of a user that logs in: to create
/// users, to reset passwords, to give roles.
pub fn authorize_unlimited(caller: &Principal) -> Result<()> {
    if caller.scopes() == KeyScopes::ALL {
        return Ok(());
    }
    Err(Error::Forbidden("an API key with scopes does not permit this".to_owned()))
}

/// Refuses to change the rights of the user that calls, and to grant analyses that the caller may
/// not start, so that no user raises itself.
pub fn authorize_rights(
    caller: &Principal,
    user: Option<UserId>,
    granted: &vultus_core::MayStart,
) -> Result<()> {
    let Some(account) = caller.account().filter(|account| account.role.is_of_company()) else {
        return Ok(());
    };
    if user == Some(account.user_id) {
        return Err(Error::Forbidden("your own rights are changed by others only".to_owned()));
    }
    if !account.may_start.covers(granted) {
        return Err(Error::Forbidden(
            "your account may not start all of these analyses".to_owned(),
        ));
    }
    Ok(())
}

/// All permissions of a caller.
pub fn permissions(caller: &Principal) -> Vec<Permission> {
    let Some(account) = caller.account() else { return Vec::new() };
    let mut permissions = Vec::new();
    for action in ACTIONS {
        if let Some(reach) = reach(account.role, action)
            && scopes_allow(caller.scopes(), action)
        {
            permissions.push(Permission { action, reach });
        }
    }
    permissions
}

#[cfg(test)]
mod tests;
