//! Rules of sessions, refresh tokens and passwords.

use super::fixtures::{World, at, new_id};
use crate::credentials::{PasswordReset, Refresh, Rotation, Session};
use crate::{Store, StoreError};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use vultus_core::UserId;

fn session(world: &World) -> Session {
    Session {
        id: new_id(),
        user_id: world.owner.id,
        created_at: at(0),
        refreshed_at: None,
        expires_at: at(100),
        revoked: false,
        network: Some("203.0.113.0/24".to_owned()),
        agent: Some("Firefox \0 {\"$gt\": 1}".to_owned()),
    }
}

/// A session whose first token is `token`.
async fn begun(world: &World, token: &str) -> Session {
    let made = session(world);
    world.store.create_session(&made, token).await.expect("creating a session works");
    made
}

fn refresh(old: &str, new: &str, now: OffsetDateTime) -> Refresh {
    Refresh {
        old: old.to_owned(),
        new: new.to_owned(),
        client: "client".to_owned(),
        now,
        expires_at: at(300),
        longest: Duration::days(1),
    }
}

async fn rotated(world: &World, refresh: &Refresh) -> Rotation {
    world.store.rotate_refresh(refresh).await.expect("rotating works")
}

async fn stored(world: &World, session: &Session) -> Session {
    let found = world.store.session(session.id).await.expect("reading works");
    found.expect("the session is there")
}

/// Sessions are read with their users, and unknown ones are left out.
pub(crate) async fn sessions_are_read_with_their_users(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (first, second) = (begun(&world, "first").await, begun(&world, "second").await);
    world.store.revoke_session(second.id).await.expect("revoking works");
    let ids = [second.id, new_id(), first.id];
    let mut found = world.store.sessions_with_users(&ids).await.expect("reading works");
    found.sort_by_key(|(session, _)| session.revoked);
    let second = Session { revoked: true, ..second };
    assert_eq!(found, [(first, world.owner.clone()), (second, world.owner)]);
}

/// Live sessions of a user are listed newest first, in pages.
pub(crate) async fn live_sessions_of_a_user_are_listed(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let mut made = Vec::new();
    for token in ["a", "b", "c", "d"] {
        made.push(begun(&world, token).await);
    }
    let other = World { ..world.neighbour().await };
    begun(&other, "other").await;
    world.store.revoke_session(made[1].id).await.expect("revoking works");
    let list = async |after, limit| {
        let listed = world.store.user_sessions(world.owner.id, at(1), after, limit).await;
        listed.expect("listing works")
    };
    let newest_first = [made[3].clone(), made[2].clone(), made[0].clone()];
    assert_eq!(list(None, 10).await, newest_first);
    assert_eq!(list(None, 2).await, newest_first[..2]);
    assert_eq!(list(Some(made[2].id), 10).await, newest_first[2..]);
    let later = world.store.user_sessions(world.owner.id, at(100), None, 10).await;
    assert_eq!(later.expect("listing works"), [], "expired sessions are not listed");
}

/// All live sessions of a user but one are revoked at once; those of others stay.
pub(crate) async fn sessions_of_a_user_are_revoked_together(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let other = world.neighbour().await;
    let (one, kept) = (begun(&world, "one").await, begun(&world, "kept").await);
    let foreign = begun(&other, "foreign").await;
    let user = world.owner.id;
    let revoked = world.store.revoke_sessions(user, Some(kept.id), at(1)).await;
    assert_eq!(revoked.expect("revoking works"), [one.id]);
    assert!(stored(&world, &one).await.revoked);
    assert!(!stored(&world, &kept).await.revoked && !stored(&world, &foreign).await.revoked);
    let revoked = world.store.revoke_sessions(user, None, at(100)).await;
    assert_eq!(revoked.expect("revoking works"), [], "an expired session had ended already");
    assert!(stored(&world, &kept).await.revoked);
}

/// A session is not extended beyond its longest life.
pub(crate) async fn session_has_an_absolute_end(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let made = begun(&world, "first").await;
    let short =
        |old, new, now| Refresh { longest: Duration::seconds(150), ..refresh(old, new, now) };
    let ended = Session { expires_at: at(150), refreshed_at: Some(at(90)), ..made.clone() };
    let first = rotated(&world, &short("first", "second", at(90))).await;
    assert_eq!(first, Rotation::Rotated(ended.clone(), world.owner.clone()));
    assert_eq!(stored(&world, &made).await, ended);
    assert_eq!(rotated(&world, &short("second", "third", at(150))).await, Rotation::Unknown);
}

/// A refresh token rotates once. A late reuse revokes the session with all its tokens.
pub(crate) async fn reused_refresh_token_revokes_its_session(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let made = begun(&world, "first").await;
    let first = rotated(&world, &refresh("first", "second", at(10))).await;
    assert!(matches!(first, Rotation::Rotated(..)));
    let late = rotated(&world, &refresh("first", "second", at(41))).await;
    let ended = stored(&world, &made).await;
    assert!(ended.revoked);
    assert_eq!(late, Rotation::Reused(ended));
    let family = rotated(&world, &refresh("second", "third", at(42))).await;
    assert_eq!(family, Rotation::Unknown, "the whole family is revoked");
}

/// The client that used a token may repeat the exchange for 30 seconds; another one may not.
pub(crate) async fn lost_answer_of_a_refresh_is_repeated(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    begun(&world, "first").await;
    let same = refresh("first", "second", at(10));
    let Rotation::Rotated(extended, user) = rotated(&world, &same).await else {
        panic!("the first use rotates")
    };
    let again = Refresh { now: at(40), expires_at: at(999), ..same.clone() };
    let repeated = rotated(&world, &again).await;
    assert_eq!(repeated, Rotation::Repeated(extended, user), "the session is not extended twice");
    let next = rotated(&world, &refresh("second", "third", at(41))).await;
    assert!(matches!(next, Rotation::Rotated(..)), "the successor works");
    let stranger = Refresh { client: "another".to_owned(), now: at(11), ..same };
    assert!(matches!(rotated(&world, &stranger).await, Rotation::Reused(_)));
}

/// Of concurrent exchanges of one token, one rotates and the others repeat it.
pub(crate) async fn concurrent_refreshes_get_one_successor(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    begun(&world, "first").await;
    let same = refresh("first", "second", at(10));
    let exchanges = (0..4).map(|_| rotated(&world, &same));
    let (mut first, mut again) = (0, 0);
    for rotation in futures::future::join_all(exchanges).await {
        match rotation {
            Rotation::Rotated(..) => first += 1,
            Rotation::Repeated(..) => again += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((first, again), (1, 3));
}

/// Tokens of expired and revoked sessions, and unknown tokens, do not rotate.
pub(crate) async fn expired_or_revoked_session_rotates_no_token(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    begun(&world, "expired").await;
    let revoked = begun(&world, "revoked").await;
    world.store.revoke_session(revoked.id).await.expect("revoking works");
    for (token, now) in [("expired", at(100)), ("revoked", at(1)), ("never seen", at(1))] {
        let rotation = rotated(&world, &refresh(token, "new", now)).await;
        assert_eq!(rotation, Rotation::Unknown, "{token}");
    }
    let rotation = rotated(&world, &refresh("new", "newer", at(1))).await;
    assert_eq!(rotation, Rotation::Unknown, "a rejected rotation stores no new token");
}

async fn password_of(world: &World) -> String {
    let found = world.store.user_by_email(&world.owner.email).await.expect("reading works");
    found.expect("the user is there").password_hash
}

/// A change of the password needs the hash that the caller read, and ends the other sessions and
/// the token that resets it.
pub(crate) async fn changed_password_ends_other_sessions(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (kept, ended) = (begun(&world, "kept").await, begun(&world, "ended").await);
    let user = world.owner.id;
    let reset = PasswordReset { user_id: user, sha256: "aa".to_owned(), expires_at: at(100) };
    world.store.create_password_reset(&reset).await.expect("storing works");
    let change = async |old: &str, new: &str| {
        let changed = world.store.change_password(user, old, new, Some(kept.id)).await;
        changed.expect("changing works")
    };
    let old = password_of(&world).await;
    assert!(!change("another", "new").await);
    assert!(!stored(&world, &ended).await.revoked);
    assert!(change(&old, "new").await);
    assert_eq!(password_of(&world).await, "new");
    assert!(stored(&world, &ended).await.revoked && !stored(&world, &kept).await.revoked);
    assert_eq!(world.store.password_reset("aa", at(1)).await.expect("reading works"), None);
}

/// A token that resets a password works once and before its expiry, and a new one replaces it.
pub(crate) async fn password_is_reset_once(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let session = begun(&world, "token").await;
    let user = world.owner.id;
    let make = async |sha256: &str, user_id: UserId| {
        let reset = PasswordReset { user_id, sha256: sha256.to_owned(), expires_at: at(100) };
        world.store.create_password_reset(&reset).await
    };
    let apply = async |sha256: &str, now| {
        world.store.use_password_reset(sha256, now, "new").await.expect("resetting works")
    };
    make("first", user).await.expect("storing works");
    make("second", user).await.expect("storing works");
    assert_eq!(apply("first", at(1)).await, None, "the second replaced it");
    assert_eq!(apply("second", at(100)).await, None, "it has expired");
    let found = world.store.password_reset("second", at(99)).await.expect("reading works");
    assert_eq!(found, Some(world.owner.clone()));
    assert_eq!(apply("second", at(99)).await, Some(user));
    assert_eq!(apply("second", at(99)).await, None, "it works once");
    assert_eq!(password_of(&world).await, "new");
    assert!(stored(&world, &session).await.revoked);
    let refused = make("third", new_id()).await;
    assert!(matches!(refused, Err(StoreError::NotFound("user"))), "{refused:?}");
}
