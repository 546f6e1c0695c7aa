//! Rules of companies and users as administrators change them.

use super::fixtures::{World, at, key, new_id, user_of};
use crate::credentials::{ApiKey, Refresh, Rotation, Session};
use crate::records::*;
use crate::{Store, StoreError};
use std::slice;
use std::sync::Arc;
use time::Duration;
use vultus_core::{Folder, MayStart, Role, User, UserId};

fn session_of(user: &User) -> Session {
    Session {
        id: new_id(),
        user_id: user.id,
        created_at: at(0),
        refreshed_at: None,
        expires_at: at(500),
        revoked: false,
        network: None,
        agent: None,
    }
}

fn key_of(user: &User) -> ApiKey {
    ApiKey {
        id: new_id(),
        user_id: user.id,
        name: "key".to_owned(),
        prefix: "vlt_abcdefgh".to_owned(),
        scopes: None,
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

fn company(name: &str) -> Company {
    Company {
        id: new_id(),
        name: name.to_owned(),
        wrapped_key: b"key".to_vec(),
        created_at: at(0),
        suspended_at: None,
        deleting_at: None,
    }
}

async fn user(store: &Arc<dyn Store>, of: &Company, role: Role, name: &str) -> User {
    let company_id = role.is_of_company().then_some(of.id);
    let user = User { role, company_id, name: name.to_owned(), ..user_of(of) };
    store.create_user(&user, "$argon2id$hash").await.expect("creating a user works");
    user
}

/// Companies and users are listed in pages, within the scope, and found by parts of their names in
/// any case. Signs of patterns are plain text.
pub(crate) async fn companies_and_users_are_found_within_the_scope(store: Arc<dyn Store>) {
    let all = ["ÖSTERREICH 100%", "österreich_ag", "Other (1)"].map(company);
    for company in &all {
        store.create_company(company).await.expect("creating a company works");
    }
    let listed = async |scope, search, after, limit| {
        let found = store.list_companies(scope, search, after, limit).await;
        let (found, has_more) = found.expect("listing works");
        (found.into_iter().map(|company| company.name).collect::<Vec<_>>(), has_more)
    };
    let every = CompanyScope::Every;
    let names = |some: &[&Company]| some.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    let [first, second, third] = &all;
    assert_eq!(listed(every, None, None, 2).await, (names(&[first, second]), true));
    assert_eq!(listed(every, None, Some(second.id), 2).await, (names(&[third]), false));
    let austrian = names(&[first, second]);
    assert_eq!(listed(every, Some("Österreich"), None, 9).await, (austrian, false));
    assert_eq!(listed(every, Some("0%"), None, 9).await, (names(&[first]), false));
    assert_eq!(listed(every, Some("r ("), None, 9).await, (names(&[third]), false));
    assert_eq!(listed(every, Some(".*"), None, 9).await, (Vec::new(), false));
    let only = CompanyScope::Only(second.id);
    assert_eq!(listed(only, None, None, 9).await, (names(&[second]), false));
    let by_ids = store.companies_by_ids(only, &[first.id, second.id]).await;
    assert_eq!(by_ids.expect("reading works"), slice::from_ref(second));
    let renamed = store.rename_company(only, second.id, "New").await.expect("renaming works");
    assert_eq!(renamed, Company { name: "New".to_owned(), ..second.clone() });
    let foreign = store.rename_company(only, first.id, "New").await;
    assert!(matches!(foreign, Err(StoreError::NotFound("company"))), "{foreign:?}");
    assert_eq!(store.company(second.id).await.expect("reading works"), renamed);

    let (ann, bob) = (
        user(&store, first, Role::Client, "Änn").await,
        user(&store, second, Role::ClientAdmin, "Bob").await,
    );
    let listed = async |scope, filter: UserFilter| {
        store.list_users(scope, &filter, None, 9).await.expect("listing works").0
    };
    let with = |search: &str| UserFilter { search: Some(search.to_owned()), ..Default::default() };
    assert_eq!(listed(UserScope::Every, with("äNN")).await, slice::from_ref(&ann));
    assert_eq!(listed(UserScope::Every, with("@EXAMPLE")).await, [ann.clone(), bob.clone()]);
    let admins = UserFilter { role: Some(Role::ClientAdmin), ..Default::default() };
    assert_eq!(listed(UserScope::Every, admins).await, slice::from_ref(&bob));
    let of_first = UserFilter { company_id: Some(first.id), ..Default::default() };
    assert_eq!(listed(UserScope::Every, of_first.clone()).await, slice::from_ref(&ann));
    assert_eq!(listed(UserScope::OfCompany(second.id), of_first).await, []);
    assert_eq!(listed(UserScope::Only(ann.id), UserFilter::default()).await, [ann]);
    let next = store.list_users(UserScope::Every, &UserFilter::default(), Some(bob.id), 9).await;
    assert_eq!(next.expect("listing works"), (Vec::new(), false));
}

/// Users of a suspended company and disabled users have no sessions and keys that count, and rotate
/// no token; afterwards both work again.
pub(crate) async fn who_cannot_act_has_no_session(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (store, owner) = (&world.store, &world.owner);
    let session = session_of(owner);
    store.create_session(&session, "first").await.expect("creating a session works");
    let key = key_of(owner);
    store.create_api_key(&key, "secret").await.expect("creating a key works");
    let acts = async || {
        let found = store.sessions_with_users(&[session.id]).await.expect("reading works");
        let keys = store.api_keys_with_users(&[key.id]).await.expect("reading works");
        let secret = store.api_key_by_secret("secret").await.expect("reading works");
        assert_eq!((keys.is_empty(), secret.is_none()), (found.is_empty(), found.is_empty()));
        assert!(store.api_key(key.id).await.expect("reading works").is_some());
        assert_eq!(store.session(session.id).await.expect("reading works"), Some(session.clone()));
        !found.is_empty()
    };
    let is_unknown = async || {
        let refresh = Refresh {
            old: "first".to_owned(),
            new: "second".to_owned(),
            client: "client".to_owned(),
            now: at(1),
            expires_at: at(500),
            longest: Duration::days(1),
        };
        matches!(store.rotate_refresh(&refresh).await, Ok(Rotation::Unknown))
    };
    let suspend = async |since| {
        store.suspend_company(world.company.id, since).await.expect("suspending works")
    };
    let disable = async |since| {
        let change = UserChange::Disabled(since);
        let changed = store.change_user(UserScope::Every, owner.id, &change).await;
        changed.expect("disabling works")
    };
    assert!(acts().await);
    assert_eq!(store.only_active_company().await.expect("reading works"), Some(world.company.id));
    assert_eq!(suspend(Some(at(2))).await.suspended_at, Some(at(2)));
    assert_eq!(suspend(Some(at(3))).await.suspended_at, Some(at(2)), "it keeps its time");
    assert!(!acts().await && is_unknown().await);
    assert_eq!(store.only_active_company().await.expect("reading works"), None);
    assert_eq!(suspend(None).await, world.company);
    assert!(acts().await);
    assert_eq!(disable(Some(at(2))).await.disabled_at, Some(at(2)));
    assert_eq!(disable(Some(at(3))).await.disabled_at, Some(at(2)), "it keeps its time");
    assert!(!acts().await && is_unknown().await);
    assert_eq!(disable(None).await, *owner);
    assert!(acts().await && !is_unknown().await, "a refused rotation leaves the token as it is");
}

/// A change of a user is stored; one outside of the scope changes nothing.
pub(crate) async fn user_is_changed_within_the_scope(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (store, owner) = (&world.store, world.owner.clone());
    let changes = [
        (UserChange::Name("Neu".to_owned()), User { name: "Neu".to_owned(), ..owner.clone() }),
        (
            UserChange::MayStart(MayStart::Every),
            User { may_start: MayStart::Every, ..owner.clone() },
        ),
        (
            UserChange::Role(Role::ClientOperator, Some(world.company.id)),
            User { role: Role::ClientOperator, ..owner.clone() },
        ),
        (
            UserChange::Role(Role::Operator, None),
            User { role: Role::Operator, company_id: None, ..owner.clone() },
        ),
    ];
    let neighbour = world.neighbour().await;
    for (change, expected) in changes {
        let id = owner.id;
        let foreign = UserScope::OfCompany(neighbour.company.id);
        let refused = store.change_user(foreign, id, &change).await;
        assert!(matches!(refused, Err(StoreError::NotFound("user"))), "{refused:?}");
        let own = UserScope::OfCompany(world.company.id);
        let changed = store.change_user(own, id, &change).await.expect("changing works");
        assert_eq!(changed, expected);
        assert_eq!(store.users(&[id]).await.expect("reading works"), [changed]);
        for undo in [
            UserChange::Name(owner.name.clone()),
            UserChange::MayStart(owner.may_start.clone()),
            UserChange::Role(owner.role, owner.company_id),
        ] {
            store.change_user(UserScope::Every, id, &undo).await.expect("changing works");
        }
    }
    let missing = UserChange::Role(Role::Client, Some(new_id()));
    let refused = store.change_user(UserScope::Every, owner.id, &missing).await;
    assert!(matches!(refused, Err(StoreError::NotFound("company"))), "{refused:?}");
}

/// One administrator that can act is always left, also if two are removed at the same time.
pub(crate) async fn last_administrator_stays(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (store, company) = (&world.store, &world.company);
    let one = user(store, company, Role::Admin, "one").await;
    let other = user(store, company, Role::Admin, "other").await;
    assert_eq!(one.company_id, None);
    let demoted = UserChange::Role(Role::Client, Some(company.id));
    let demote = async |id: UserId| store.change_user(UserScope::Every, id, &demoted).await;
    let (a, b) = futures::join!(demote(one.id), demote(other.id));
    let refused = |done: &crate::Result<User>| matches!(done, Err(StoreError::LastAdministrator));
    assert!(refused(&a) != refused(&b), "{a:?} {b:?}");
    let left = if refused(&a) { one.id } else { other.id };
    let disabled = UserChange::Disabled(Some(at(1)));
    for done in [
        store.change_user(UserScope::Every, left, &disabled).await.map(drop),
        store.delete_user(UserScope::Every, left, at(1)).await,
    ] {
        assert!(matches!(done, Err(StoreError::LastAdministrator)), "{done:?}");
    }
    let same = UserChange::Role(Role::Admin, None);
    store.change_user(UserScope::Every, left, &same).await.expect("it stays administrator");
}

/// A deleted user has no session and no key, and its e-mail is free; its folders stay.
pub(crate) async fn deleted_user_leaves_its_folders(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (store, owner) = (&world.store, &world.owner);
    let (folder, _) = world.queued(0, &["a"]).await;
    let session = session_of(owner);
    store.create_session(&session, "first").await.expect("creating a session works");
    let key = key_of(owner);
    store.create_api_key(&key, "secret").await.expect("creating a key works");
    let neighbour = world.neighbour().await;
    let foreign = UserScope::OfCompany(neighbour.company.id);
    let refused = store.delete_user(foreign, owner.id, at(1)).await;
    assert!(matches!(refused, Err(StoreError::NotFound("user"))), "{refused:?}");
    let scope = UserScope::OfCompany(world.company.id);
    store.delete_user(scope, owner.id, at(1)).await.expect("deleting works");
    assert_eq!(store.users(&[owner.id]).await.expect("reading works"), []);
    assert_eq!(store.user_by_email(&owner.email).await.expect("reading works"), None);
    assert_eq!(store.session(session.id).await.expect("reading works"), None);
    assert_eq!(store.api_key_by_secret("secret").await.expect("reading works"), None);
    assert_eq!(store.api_key(key.id).await.expect("reading works"), None);
    let listed = store.list_users(scope, &UserFilter::default(), None, 9).await;
    assert_eq!(listed.expect("listing works"), (Vec::new(), false));
    assert_eq!(world.contents(folder.id).await.folder.owner_id, owner.id);
    let again = store.delete_user(scope, owner.id, at(1)).await;
    assert!(matches!(again, Err(StoreError::NotFound("user"))), "{again:?}");
    let next = User { email: owner.email.clone(), ..user_of(&world.company) };
    store.create_user(&next, "hash").await.expect("the e-mail is free");
    assert_eq!(store.count_users().await.expect("counting works"), 2);
}

/// A company is erased once it has no folders, with its users and all that is theirs; while it is
/// being erased no folder comes, and it is not resumed.
pub(crate) async fn company_is_erased_after_its_folders(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let (store, id) = (&world.store, world.company.id);
    let (folder, _) = world.queued(0, &["a"]).await;
    let (kept, _) = neighbour.queued(0, &["a"]).await;
    // A user of the company that owns a folder of another one.
    let elsewhere = Folder { owner_id: world.owner.id, ..neighbour.folder(0) };
    let request = (FolderAdditions::default(), key(&world, "k", "f"));
    let created = store.create_folder(&elsewhere, &request.0, Some(&request.1)).await;
    created.expect("creating a folder works");
    assert_eq!(store.erasures().await.expect("reading works"), []);
    store.begin_company_erasure(id, at(5)).await.expect("beginning works");
    let begun = store.company(id).await.expect("reading works");
    assert_eq!((begun.suspended_at, begun.deleting_at), (Some(at(5)), Some(at(5))));
    assert_eq!(store.erasures().await.expect("reading works"), [id]);
    let resumed = store.suspend_company(id, None).await;
    assert!(matches!(resumed, Err(StoreError::BeingErased)), "{resumed:?}");
    let late = store.create_folder(&world.folder(6), &FolderAdditions::default(), None).await;
    assert!(matches!(late, Err(StoreError::BeingErased)), "{late:?}");
    assert!(!store.erase_company(id, at(6)).await.expect("asking works"));
    assert_eq!(store.folders_of_company(id, 9).await.expect("reading works"), [folder.id]);
    store.erase_folder(Scope::Company(id), folder.id, at(6)).await.expect("erasing works");
    assert!(store.erase_company(id, at(7)).await.expect("erasing works"));
    assert!(store.erase_company(id, at(7)).await.expect("it may be repeated"));
    let gone = store.company(id).await;
    assert!(matches!(gone, Err(StoreError::NotFound("company"))), "{gone:?}");
    assert_eq!(
        store.companies().await.expect("reading works"),
        slice::from_ref(&neighbour.company)
    );
    assert_eq!(store.users(&[world.owner.id]).await.expect("reading works"), []);
    assert_eq!(store.user_by_email(&world.owner.email).await.expect("reading works"), None);
    assert_eq!(store.replay(&request.1).await.expect("reading works"), None);
    let late = store.create_folder(&world.folder(8), &FolderAdditions::default(), None).await;
    assert!(late.is_err(), "{late:?}");
    for folder in [kept.id, elsewhere.id] {
        assert_eq!(neighbour.contents(folder).await.folder.id, folder);
    }
    let missing = store.begin_company_erasure(new_id(), at(9)).await;
    assert!(matches!(missing, Err(StoreError::NotFound("company"))), "{missing:?}");
}
