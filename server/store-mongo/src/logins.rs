//! Counts of logins.

use super::accounts::forget_after;
use super::collections::Collections;
use super::documents::AttemptsDocument;
use super::fault::Answer;
use super::transaction::Transaction;
use mongodb::bson::doc;
use time::OffsetDateTime;
use vultus_core::logins::{Attempts, Counted, LoginAttempts, LoginKeys, LoginOutcome};

/// The ids of the documents of a name as a whole, and of the name with the origin.
fn documents(keys: &LoginKeys) -> [(String, Counted); 2] {
    let of_origin = format!("{}:{}", keys.name, keys.origin);
    [(keys.name.clone(), Counted::Name), (of_origin, Counted::Origin)]
}

pub(super) async fn login_attempts(
    collections: &Collections,
    keys: &LoginKeys,
) -> Answer<LoginAttempts> {
    let mut found = LoginAttempts::default();
    for (key, counted) in documents(keys) {
        let stored = collections.login_attempts.find_one(doc! { "_id": key }).await?;
        let attempts = stored.map(Attempts::from).unwrap_or_default();
        match counted {
            Counted::Name => found.name = attempts,
            Counted::Origin => found.origin = attempts,
        }
    }
    Ok(found)
}

pub(super) async fn record_login(
    transaction: &mut Transaction<'_>,
    keys: &LoginKeys,
    outcome: LoginOutcome,
    now: OffsetDateTime,
) -> Answer<()> {
    let Transaction { session, collections, .. } = transaction;
    for (key, counted) in documents(keys) {
        let this = doc! { "_id": &key };
        let stored = collections.login_attempts.find_one(this.clone()).session(&mut *session);
        let before = stored.await?.map(Attempts::from).unwrap_or_default();
        let after = before.after(outcome, counted, now);
        let forget_at = forget_after(after.forget_at() - now);
        let document = AttemptsDocument::new(key, &keys.name, &after, forget_at);
        collections
            .login_attempts
            .replace_one(this, document)
            .upsert(true)
            .session(&mut *session)
            .await?;
    }
    Ok(())
}

pub(super) async fn unlock_logins(transaction: &mut Transaction<'_>, name: &str) -> Answer<bool> {
    let Transaction { session, collections, .. } = transaction;
    let locked = doc! { "name": name, "failures": { "$gt": 0 } };
    let unlocked = doc! { "$set": { "failures": 0_i64, "locked_until": null } };
    let unlocked = collections.login_attempts.update_many(locked, unlocked).session(session);
    Ok(unlocked.await?.matched_count > 0)
}
