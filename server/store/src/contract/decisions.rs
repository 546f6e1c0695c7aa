//! Rules of decisions.

use super::fixtures::{World, at, new_id};
use crate::{Scope, Selection, Store, StoreError};
use std::sync::Arc;
use time::Duration;
use vultus_core::{
    Analysis, Choice, Comment, Decision, DecisionRefusal, NewDecision, Resolution, UndoDecision,
    Undone, UserId,
};

/// A decision of a person on an analysis as it is, at `seconds`.
pub(super) fn decision(by: UserId, choice: Choice, of: &Analysis, seconds: i64) -> NewDecision {
    let decision = Decision {
        by,
        choice,
        reason_code: Some("FACE_COVERED".to_owned()),
        comment: Comment::new("a scarf, \u{e9}t\u{e9}".to_owned()),
        at: at(seconds),
        took_ms: None,
    };
    NewDecision { decision, expected_revision: of.revision }
}

pub(super) fn refusal<T: std::fmt::Debug>(result: crate::Result<T>) -> DecisionRefusal {
    match result {
        Err(StoreError::Decision(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A decision is read back beside the verdict of the machine, and raises the revisions of analysis
/// and folder once.
pub(crate) async fn decision_is_kept_beside_the_verdict(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    for (machine, choice, counts) in [
        (Resolution::OperatorRequired, Choice::Accept, Resolution::Success),
        (Resolution::Success, Choice::Decline, Resolution::Declined),
    ] {
        let (folder, before) = world.finished(0, machine).await;
        let revision = world.contents(folder.id).await.folder.revision;
        let new = decision(new_id(), choice, &before, 9);
        let decided = world.store.decide(world.scope(), before.id, &new).await;
        let decided = decided.expect("deciding works");
        let mut expected = before.clone();
        expected.decisions.taken = vec![new.decision.clone()];
        expected.revision += 1;
        assert_eq!(world.analysis(before.id).await, expected);
        assert_eq!((decided.verdict(), decided.resolution), (Some(counts), Some(machine)));
        let contents = world.contents(folder.id).await;
        assert_eq!((contents.folder.revision, contents.folder.updated_at), (revision + 1, at(9)));
        assert_eq!(contents.analyses.members(), [expected]);
    }
}

/// A decision that is refused, or that is outside the scope, changes nothing.
pub(crate) async fn refused_decision_changes_nothing(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let (folder, before) = world.finished(0, Resolution::OperatorRequired).await;
    let (_, waiting) = world.queued(3, &["liveness"]).await;
    let decide = async |scope: Scope, of: &Analysis, new: &NewDecision| {
        world.store.decide(scope, of.id, new).await
    };
    let running = world.analysis(waiting.group.analyses[0]).await;
    let new = decision(new_id(), Choice::Accept, &running, 9);
    let refused = refusal(decide(world.scope(), &running, &new).await);
    assert_eq!(refused, DecisionRefusal::NotFinished);
    let mut new = decision(new_id(), Choice::Accept, &before, 9);
    let foreign = decide(neighbour.scope(), &before, &new).await;
    assert!(matches!(foreign, Err(StoreError::NotFound("analysis"))), "{foreign:?}");
    let foreign = Scope::Owner(world.company.id, new_id());
    let foreign = decide(foreign, &before, &new).await;
    assert!(matches!(foreign, Err(StoreError::NotFound("analysis"))), "{foreign:?}");
    new.expected_revision -= 1;
    let stale = refusal(decide(world.scope(), &before, &new).await);
    assert_eq!(stale, DecisionRefusal::Changed { revision: before.revision });
    let contents = world.contents(folder.id).await;
    assert_eq!(contents.analyses.members(), [before]);
}

/// Of concurrent decisions on one analysis one is taken.
pub(crate) async fn concurrent_decisions_settle_once(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, before) = world.finished(0, Resolution::OperatorRequired).await;
    let deciding = (0..8).map(|_| {
        let (world, before) = (world.clone(), before.clone());
        tokio::spawn(async move {
            let new = decision(new_id(), Choice::Decline, &before, 9);
            world.store.decide(world.scope(), before.id, &new).await
        })
    });
    let mut taken = 0;
    for decided in deciding.collect::<Vec<_>>() {
        match decided.await.expect("none panics") {
            Ok(_) => taken += 1,
            refused => assert_eq!(refusal(refused), DecisionRefusal::Settled),
        }
    }
    assert_eq!((taken, world.analysis(before.id).await.decisions.taken.len()), (1, 1));
}

/// An undone decision leaves no trace but higher revisions.
pub(crate) async fn undone_decision_leaves_the_verdict_of_the_machine(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (_, before) = world.finished(0, Resolution::Declined).await;
    let person: UserId = new_id();
    let new = decision(person, Choice::Accept, &before, 9);
    let decided = world.store.decide(world.scope(), before.id, &new).await.expect("it works");
    let undo = |which| UndoDecision {
        which,
        expected_revision: decided.revision,
        now: at(20),
        within: Duration::seconds(60),
    };
    let other = undo(Undone::Of(new_id()));
    let refused = refusal(world.store.undo_decision(world.scope(), before.id, &other).await);
    assert_eq!(refused, DecisionRefusal::OfAnother);
    let own = undo(Undone::Of(person));
    world.store.undo_decision(world.scope(), before.id, &own).await.expect("undoing works");
    let expected = Analysis { revision: before.revision + 2, ..before };
    assert_eq!(world.analysis(expected.id).await, expected);
    let newest = undo(Undone::Newest);
    let refused = refusal(world.store.undo_decision(world.scope(), expected.id, &newest).await);
    assert_eq!(refused, DecisionRefusal::NotDecided);
}

/// Deleting a medium erases what people wrote about it; what they decided stays.
pub(crate) async fn deleting_a_medium_erases_comments(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let (folder, before) = world.finished(0, Resolution::OperatorRequired).await;
    let new = decision(new_id(), Choice::Accept, &before, 9);
    world.store.decide(world.scope(), before.id, &new).await.expect("deciding works");
    let media = world.store.folders(world.scope(), &[folder.id], Selection::MEDIA).await;
    let medium = media.expect("reading works")[0].media.members()[0].id;
    world.store.delete_medium(world.scope(), medium, at(10)).await.expect("deleting works");
    let after = world.analysis(before.id).await;
    let left = Decision { comment: None, ..new.decision };
    assert_eq!((after.decisions.taken, after.reasons), (vec![left], Vec::new()));
}
