//! Rules of users, sessions and refresh tokens.

use super::fixtures::{World, at, new_id, user_of};
use crate::records::{Company, Rotation, Session};
use crate::{Store, StoreError};
use std::sync::Arc;
use time::Duration;
use vultus_core::User;
use vultus_core::logins::{LoginKeys, LoginOutcome};

/// Longest life of a session, where a test is not about it.
const LONGEST: Duration = Duration::days(1);

fn session(world: &World) -> Session {
    Session {
        id: new_id(),
        user_id: world.owner.id,
        created_at: at(0),
        expires_at: at(100),
        revoked: false,
    }
}

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

/// Sessions are read with their users, and unknown ones are left out.
pub(crate) async fn sessions_are_read_with_their_users(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (first, second) = (session(&world), session(&world));
    world.store.create_session(&first, "first").await.expect("creating a session works");
    world.store.create_session(&second, "second").await.expect("creating a session works");
    world.store.revoke_session(second.id).await.expect("revoking works");
    let ids = [second.id, new_id(), first.id];
    let mut found = world.store.sessions_with_users(&ids).await.expect("reading works");
    found.sort_by_key(|(session, _)| session.revoked);
    let second = Session { revoked: true, ..second };
    assert_eq!(found, [(first, world.owner.clone()), (second, world.owner)]);
}

/// A session is not extended beyond its longest life.
pub(crate) async fn session_has_an_absolute_end(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let made = session(&world);
    world.store.create_session(&made, "first").await.expect("creating a session works");
    let longest = Duration::seconds(150);
    let rotate = async |old: &str, new: &str, now, until| {
        let rotated = world.store.rotate_refresh(old, new, now, until, longest).await;
        rotated.expect("rotating works")
    };
    let ended = Session { expires_at: at(150), ..made };
    let rotated = rotate("first", "second", at(90), at(190)).await;
    assert_eq!(rotated, Rotation::Rotated(ended, world.owner.clone()));
    assert_eq!(world.store.session(made.id).await.expect("reading works"), Some(ended));
    assert_eq!(rotate("second", "third", at(150), at(250)).await, Rotation::Unknown);
}

/// A refresh token rotates once. Its reuse revokes the session with all its tokens.
pub(crate) async fn reused_refresh_token_revokes_its_session(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let made = session(&world);
    world.store.create_session(&made, "first").await.expect("creating a session works");
    let rotate = async |old: &str, new: &str| {
        let rotated = world.store.rotate_refresh(old, new, at(10), at(200), LONGEST).await;
        rotated.expect("rotating works")
    };
    let extended = Session { expires_at: at(200), ..made };
    assert_eq!(rotate("first", "second").await, Rotation::Rotated(extended, world.owner.clone()));
    assert_eq!(world.store.session(made.id).await.expect("reading works"), Some(extended));
    assert_eq!(rotate("first", "stolen").await, Rotation::Reused);
    assert!(
        world
            .store
            .session(made.id)
            .await
            .expect("reading works")
            .is_some_and(|session| session.revoked)
    );
    assert_eq!(rotate("second", "third").await, Rotation::Unknown, "the whole family is revoked");
}

/// Tokens of expired and revoked sessions, and unknown tokens, do not rotate.
pub(crate) async fn expired_or_revoked_session_rotates_no_token(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (expired, revoked) = (session(&world), session(&world));
    world.store.create_session(&expired, "expired").await.expect("creating a session works");
    world.store.create_session(&revoked, "revoked").await.expect("creating a session works");
    world.store.revoke_session(revoked.id).await.expect("revoking works");
    for (token, now) in [("expired", at(100)), ("revoked", at(1)), ("never seen", at(1))] {
        let rotation = world
            .store
            .rotate_refresh(token, "new", now, at(300), LONGEST)
            .await
            .expect("asking works");
        assert_eq!(rotation, Rotation::Unknown, "{token}");
    }
    let rotation = world
        .store
        .rotate_refresh("new", "newer", at(1), at(300), LONGEST)
        .await
        .expect("asking works");
    assert_eq!(rotation, Rotation::Unknown, "a rejected rotation stores no new token");
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
