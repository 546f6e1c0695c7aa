//! The authorization table: the only place that decides what a role may do.

use serde::Serialize;
use vultus_core::{Error, Principal, Result, Role};
use vultus_store::Scope;

/// An action that needs a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
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
    /// Request analyses.
    RequestAnalysis,
    /// Cancel an analysis.
    CancelAnalysis,
    /// Judge media at once, without storing them.
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

/// The objects that a permission covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reach {
    /// The user's own objects.
    Own,
    /// The objects of the user's company.
    Company,
    /// All objects.
    Everything,
}

/// A permission of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// The action.
    pub action: Action,
    /// The objects that it covers.
    pub reach: Reach,
}

/// The table: the objects on which a role may perform an action; `None` if it may not.
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

/// The objects on which the caller may perform the action, or FORBIDDEN.
pub fn authorize(caller: &Principal, action: Action) -> Result<Scope> {
    match reach(caller.role, action) {
        Some(Reach::Everything) => Ok(Scope::Everything),
        Some(Reach::Company) => Ok(Scope::Company(caller.company_id)),
        Some(Reach::Own) => Ok(Scope::Owner(caller.company_id, caller.user_id)),
        None => Err(Error::Forbidden("your role does not permit this".to_owned())),
    }
}

/// All permissions of a role.
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
    fn client_reaches_own_objects_only() {
        let client = principal(Role::Client);
        for action in ACTIONS {
            assert_eq!(
                authorize(&client, action).unwrap(),
                Scope::Owner(client.company_id, client.user_id)
            );
        }
    }

    #[test]
    fn operators_cannot_create_or_delete() {
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
