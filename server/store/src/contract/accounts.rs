//! Rules of companies, users and counts of logins.

use super::fixtures::{World, at, new_id, user_of};
use crate::records::Company;
use crate::{Store, StoreError};
use std::sync::Arc;
use vultus_core::User;
use vultus_core::logins::{LoginKeys, LoginOutcome};

/// A taken e-mail is a duplicate, and the error names its user.
pub(crate) async fn taken_email_is_a_duplicate_that_names_its_user(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let second = User { email: world.owner.email.clone(), ..user_of(&world.company) };
    let refused = world.store.create_user(&second, "hash").await;
    let Err(StoreError::Duplicate { what: "email", existing }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(existing, world.owner.id.to_string());
    assert_eq!(world.store.count_users().await.expect("counting works"), 1);
    let found = world
        .store
        .user_by_email(&world.owner.email)
        .await
        .expect("reading works")
        .expect("the user is there");
    assert_eq!((found.user, found.password_hash.as_str()), (world.owner.clone(), "$argon2id$hash"));
    assert_eq!(
        world.store.users(&[new_id(), world.owner.id]).await.expect("reading works"),
        vec![world.owner]
    );
}

/// Logins are counted for each name with each origin and for each name, whether it has a user or
/// not; a success ends both counts, and an unlock those of the name alone.
pub(crate) async fn logins_are_counted_by_name_and_origin(store: Arc<dyn Store>) {
    let keys = |name: &str, origin: &str| LoginKeys { name: name.into(), origin: origin.into() };
    let record = async |keys: &LoginKeys, outcome, now| {
        store.record_login(keys, outcome, now).await.expect("recording works");
    };
    let (here, there, other) = (keys("n", "here"), keys("n", "there"), keys("o", "here"));
    for second in 0..10 {
        record(&here, LoginOutcome::Failed, at(second)).await;
    }
    record(&there, LoginOutcome::Failed, at(10)).await;
    let counts = async |keys: &LoginKeys| {
        let attempts = store.login_attempts(keys).await.expect("reading works");
        (attempts.name.failures, attempts.origin.failures, attempts.locked_for(at(10)).is_some())
    };
    assert_eq!(counts(&here).await, (11, 10, true));
    assert_eq!(counts(&there).await, (11, 1, false));
    assert_eq!(counts(&other).await, (0, 0, false));
    record(&other, LoginOutcome::Failed, at(10)).await;
    assert!(store.unlock_logins("n").await.expect("unlocking works"));
    assert!(!store.unlock_logins("unknown").await.expect("unlocking works"));
    assert_eq!(counts(&here).await, (0, 0, false));
    assert_eq!(counts(&other).await, (1, 1, false));
    record(&other, LoginOutcome::Succeeded, at(11)).await;
    assert_eq!(counts(&other).await, (0, 0, false));
    let attempts = store.login_attempts(&other).await.expect("reading works");
    assert_eq!(attempts.origin.succeeded_at, Some(at(11)));
    assert!(attempts.is_familiar(at(12)));
}

/// Concurrent failures are all counted.
pub(crate) async fn no_concurrent_failure_is_lost(store: Arc<dyn Store>) {
    let keys = LoginKeys { name: "n".into(), origin: "o".into() };
    let failures = (0..8).map(|_| store.record_login(&keys, LoginOutcome::Failed, at(1)));
    for recorded in futures::future::join_all(failures).await {
        recorded.expect("recording works");
    }
    let attempts = store.login_attempts(&keys).await.expect("reading works");
    assert_eq!((attempts.name.failures, attempts.origin.failures), (8, 8));
}

/// A company id can be used once. The key of a company is replaced only if the stored key is the
/// one that the caller read.
pub(crate) async fn company_key_is_replaced_only_if_the_old_one_matches(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (neighbour, company) = (world.neighbour().await, world.company.clone());
    let other = Company { wrapped_key: b"another".to_vec(), ..company.clone() };
    let refused = world.store.create_company(&other).await;
    let Err(StoreError::Duplicate { what: "company", existing }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(existing, company.id.to_string());
    let mut both = vec![company.clone(), neighbour.company];
    both.sort_by_key(|company| company.id.to_string());
    assert_eq!(world.store.companies().await.expect("reading works"), both);
    let replace = async |old: &[u8], new: &[u8]| {
        world.store.replace_company_key(company.id, old, new).await.expect("replacing works")
    };
    assert!(!replace(b"unseen", b"new").await);
    assert_eq!(world.store.company(company.id).await.expect("reading works"), company);
    assert!(replace(&company.wrapped_key, b"new").await);
    assert_eq!(world.store.company(company.id).await.expect("reading works").wrapped_key, b"new");
}
