//! The one authorization table. Every use case asks it; nothing else decides who may do what.

use serde::Serialize;
use vultus_core::{Error, Principal, Result, Role};
use vultus_store::Scope;

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Read folders, media, analyses and artifacts.
    ViewFolder,
    /// Make a folder.
    CreateFolder,
    /// Change a folder's metadata and external id.
    ChangeFolder,
    /// Erase a folder with all in it.
    DeleteFolder,
    /// Add media to a folder.
    AddMedia,
    /// Delete a medium.
    DeleteMedia,
    /// Ask for analyses.
    RequestAnalysis,
    /// Cancel an analysis.
    CancelAnalysis,
    /// Have media judged at once, with nothing stored.
    Check,
    /// Read users.
    ViewUser,
}

/// All actions, in the order of the table.
pub const ACTIONS: [Action; 10] = [
    Action::ViewFolder,
    Action::CreateFolder,
    Action::ChangeFolder,
    Action::DeleteFolder,
    Action::AddMedia,
    Action::DeleteMedia,
    Action::RequestAnalysis,
    Action::CancelAnalysis,
    Action::Check,
    Action::ViewUser,
];

/// Over which objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reach {
    /// One's own.
    Own,
    /// Those of one's company.
    Company,
    /// All.
    Everything,
}

/// Something that a role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// What.
    pub action: Action,
    /// Over which objects.
    pub reach: Reach,
}

/// The table: over which objects a role may do something; `None`: not at all.
pub fn reach(role: Role, action: Action) -> Option<Reach> {
    use Action::{
        AddMedia, CancelAnalysis, ChangeFolder, Check, CreateFolder, DeleteFolder, DeleteMedia,
        RequestAnalysis, ViewFolder, ViewUser,
    };
    use Reach::{Company, Everything, Own};
    match (role, action) {
        (Role::Admin, CreateFolder | Check) => Some(Own),
        (Role::Admin, _) => Some(Everything),

        (Role::Operator, ViewFolder | ChangeFolder | CancelAnalysis | ViewUser) => Some(Everything),
        (
            Role::Operator,
            CreateFolder | DeleteFolder | AddMedia | DeleteMedia | RequestAnalysis | Check,
        ) => None,

        (Role::Client, _) => Some(Own),

        (Role::ClientAdmin, CreateFolder | Check) => Some(Own),
        (Role::ClientAdmin, _) => Some(Company),

        (
            Role::ClientOperator,
            ViewFolder | ChangeFolder | RequestAnalysis | CancelAnalysis | ViewUser,
        ) => Some(Company),
        (Role::ClientOperator, Check) => Some(Own),
        (Role::ClientOperator, CreateFolder | DeleteFolder | AddMedia | DeleteMedia) => None,
    }
}

/// The objects over which the caller may do it, or FORBIDDEN.
pub fn authorize(caller: &Principal, action: Action) -> Result<Scope> {
    match reach(caller.role, action) {
        Some(Reach::Everything) => Ok(Scope::Everything),
        Some(Reach::Company) => Ok(Scope::Company(caller.company_id)),
        Some(Reach::Own) => Ok(Scope::Owner(caller.company_id, caller.user_id)),
        None => Err(Error::Forbidden("your role may not do this".to_owned())),
    }
}

/// Everything that a role may do.
pub fn permissions(role: Role) -> Vec<Permission> {
    ACTIONS
        .iter()
        .filter_map(|&action| reach(role, action).map(|reach| Permission { action, reach }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;
    use vultus_core::{CompanyId, UserId};

    fn principal(role: Role) -> Principal {
        Principal {
            user_id: UserId(Uuid::from_u128(1)),
            company_id: CompanyId(Uuid::from_u128(2)),
            role,
            session_id: None,
        }
    }

    #[test]
    fn only_admin_and_operator_reach_beyond_their_company() {
        for role in [Role::Client, Role::ClientAdmin, Role::ClientOperator] {
            for permission in permissions(role) {
                assert_ne!(permission.reach, Reach::Everything, "{role:?} {permission:?}");
                assert_ne!(
                    authorize(&principal(role), permission.action).unwrap(),
                    Scope::Everything
                );
            }
        }
        assert_eq!(
            authorize(&principal(Role::Operator), Action::ViewFolder).unwrap(),
            Scope::Everything
        );
    }

    #[test]
    fn a_client_reaches_only_what_is_its_own() {
        let client = principal(Role::Client);
        for action in ACTIONS {
            assert_eq!(
                authorize(&client, action).unwrap(),
                Scope::Owner(client.company_id, client.user_id)
            );
        }
    }

    #[test]
    fn who_looks_at_others_work_cannot_make_or_delete_it() {
        for role in [Role::Operator, Role::ClientOperator] {
            for action in
                [Action::CreateFolder, Action::DeleteFolder, Action::AddMedia, Action::DeleteMedia]
            {
                assert!(
                    matches!(authorize(&principal(role), action), Err(Error::Forbidden(_))),
                    "{role:?} {action:?}"
                );
            }
        }
    }
}
