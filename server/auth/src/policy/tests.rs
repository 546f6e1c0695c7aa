use super::*;
use uuid::Uuid;
use vultus_core::{ApiKeyId, KeyScopes, MayStart, SessionId};

const COMPANY: CompanyId = CompanyId(Uuid::from_u128(2));
const USER: UserId = UserId(Uuid::from_u128(1));

fn account(role: Role) -> Account {
    let company_id = role.is_of_company().then_some(COMPANY);
    Account { user_id: USER, company_id, role, may_start: MayStart::Every }
}

fn principal(role: Role) -> Principal {
    Principal::User { account: account(role), session_id: SessionId(Uuid::from_u128(3)) }
}

fn machine(role: Role, scopes: &[KeyScope]) -> Principal {
    Principal::ServiceAccount {
        account: account(role),
        key_id: ApiKeyId(Uuid::from_u128(4)),
        scopes: scopes.iter().copied().collect::<KeyScopes>(),
    }
}

fn is_forbidden<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Forbidden(_)))
}

/// Actions on folders, on companies, and on users.
fn is_of_folders(action: Action) -> bool {
    !is_of_companies(action) && !is_of_users(action)
}

fn is_of_companies(action: Action) -> bool {
    matches!(key_scope(action), KeyScope::CompaniesRead | KeyScope::CompaniesWrite)
}

fn is_of_users(action: Action) -> bool {
    matches!(key_scope(action), KeyScope::UsersRead | KeyScope::UsersWrite)
}

#[test]
fn every_cell_of_the_table_can_be_authorized() {
    for role in Role::ALL {
        for action in ACTIONS {
            let caller = principal(role);
            let (allowed, refused) = if is_of_folders(action) {
                let scope = authorize(&caller, action);
                (scope.is_ok(), is_forbidden(&scope))
            } else if is_of_companies(action) {
                let scope = authorize_companies(&caller, action);
                (scope.is_ok(), is_forbidden(&scope))
            } else {
                let scope = authorize_users(&caller, action);
                (scope.is_ok(), is_forbidden(&scope))
            };
            let expected = reach(role, action).is_some();
            assert_eq!((allowed, refused), (expected, !expected), "{role:?} {action:?}");
        }
    }
}

#[test]
fn only_roles_without_a_company_reach_beyond_one() {
    for role in Role::ALL.into_iter().filter(|role| role.is_of_company()) {
        for Permission { action, reach } in permissions(&principal(role)) {
            assert_ne!(reach, Reach::Everything, "{role:?} {action:?}");
        }
    }
    let operator = principal(Role::Operator);
    assert_eq!(authorize(&operator, Action::ViewFolder).unwrap(), Scope::Everything);
    assert_eq!(authorize_users(&operator, Action::ChangeUser).unwrap(), UserScope::Only(USER));
}

#[test]
fn client_deletes_nothing_and_works_on_own_folders() {
    let client = principal(Role::Client);
    for action in [Action::DeleteFolder, Action::DeleteMedia] {
        assert!(is_forbidden(&authorize(&client, action)), "{action:?}");
    }
    assert!(is_forbidden(&authorize_users(&client, Action::DeleteUser)));
    assert!(is_forbidden(&authorize_companies(&client, Action::DeleteCompany)));
    for action in [Action::ViewFolder, Action::AddMedia, Action::RequestAnalysis] {
        assert_eq!(authorize(&client, action).unwrap(), Scope::Owner(COMPANY, USER));
    }
}

#[test]
fn operators_cannot_create_or_delete_folders() {
    for role in [Role::Operator, Role::ClientOperator] {
        for action in
            [Action::CreateFolder, Action::DeleteFolder, Action::AddMedia, Action::DeleteMedia]
        {
            assert!(is_forbidden(&authorize(&principal(role), action)), "{role:?} {action:?}");
        }
    }
}

#[test]
fn scopes_narrow_a_key_and_never_widen_its_role() {
    let reader = machine(Role::ClientAdmin, &[KeyScope::FoldersRead]);
    assert_eq!(authorize(&reader, Action::ViewFolder).unwrap(), Scope::Company(COMPANY));
    assert!(is_forbidden(&authorize(&reader, Action::DeleteFolder)));
    let shown: Vec<_> = permissions(&reader).iter().map(|p| p.action).collect();
    assert_eq!(shown, [Action::ViewFolder]);
    let all = machine(Role::ClientService, KeyScope::ALL);
    assert_eq!(permissions(&all), permissions(&principal(Role::ClientService)));
    assert!(is_forbidden(&authorize(&all, Action::DeleteFolder)));
}

#[test]
fn key_with_scopes_makes_no_user_that_has_more() {
    let scopes = [KeyScope::UsersRead, KeyScope::UsersWrite];
    for limited in [machine(Role::Admin, &scopes), machine(Role::ClientAdmin, &scopes)] {
        assert!(is_forbidden(&authorize_unlimited(&limited)));
        assert!(is_forbidden(&authorize_users(&limited, Action::CreateUser)));
        assert!(permissions(&limited).iter().all(|p| p.action != Action::CreateUser));
        assert!(authorize_users(&limited, Action::ManageUser).is_ok());
    }
    let Principal::ServiceAccount { account, key_id, .. } = machine(Role::Admin, &[]) else {
        panic!("a machine has a key")
    };
    let unlimited = Principal::ServiceAccount { account, key_id, scopes: KeyScopes::ALL };
    for whole in [unlimited, principal(Role::ClientAdmin)] {
        assert!(authorize_unlimited(&whole).is_ok());
        assert!(authorize_users(&whole, Action::CreateUser).is_ok());
    }
}

#[test]
fn company_administrators_raise_no_user_and_not_themselves() {
    let administrator = principal(Role::ClientAdmin);
    for role in Role::ALL {
        let refused = is_forbidden(&authorize_role(&administrator, role));
        assert_eq!(refused, !role.is_of_company(), "{role:?}");
        assert!(authorize_role(&principal(Role::Admin), role).is_ok());
    }
    let rights = |caller: &Principal, user, granted: &MayStart| {
        !is_forbidden(&authorize_rights(caller, user, granted))
    };
    let other = Some(UserId(Uuid::from_u128(9)));
    assert!(rights(&administrator, other, &MayStart::Every));
    assert!(!rights(&administrator, Some(USER), &MayStart::Every));
    assert!(rights(&principal(Role::Admin), Some(USER), &MayStart::Every));
    let quality = MayStart::only(vec!["quality".to_owned()]);
    let limited = Principal::User {
        account: Account { may_start: quality.clone(), ..account(Role::ClientAdmin) },
        session_id: SessionId(Uuid::from_u128(3)),
    };
    assert!(rights(&limited, other, &quality) && !rights(&limited, other, &MayStart::Every));
    assert!(authorize_type(&limited, "quality", "a").is_ok());
    assert!(is_forbidden(&authorize_type(&limited, "liveness", "a")));
}

#[test]
fn command_line_administers_and_neither_has_folders_nor_decides() {
    use KeyScope::{AnalysesStart, DecisionsWrite, FoldersDelete, FoldersRead, FoldersWrite};
    for action in ACTIONS {
        let refused = matches!(
            key_scope(action),
            AnalysesStart | DecisionsWrite | FoldersDelete | FoldersRead | FoldersWrite
        );
        let reached = authorize(&Principal::Local, action);
        assert_eq!(is_forbidden(&reached), refused, "{action:?}");
    }
}

#[test]
fn operators_decide_and_administrators_undo() {
    for role in Role::ALL {
        let caller = principal(role);
        let is_operator = matches!(role, Role::Operator | Role::ClientOperator);
        let is_administrator = matches!(role, Role::Admin | Role::ClientAdmin);
        assert_eq!(authorize(&caller, Action::Decide).is_ok(), is_operator, "{role:?}");
        let manages = authorize(&caller, Action::ManageDecisions).is_ok();
        assert_eq!(manages, is_administrator, "{role:?}");
        let sees = authorize(&caller, Action::ViewCase).is_ok();
        assert_eq!(sees, is_operator || is_administrator, "{role:?}");
    }
}
