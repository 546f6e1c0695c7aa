//! Rules of companies' policies.

use super::decisions::decision;
use super::fixtures::{World, at, new_id};
use crate::{CompanyScope, Store, StoreError};
use std::sync::Arc;
use vultus_core::{Choice, CompanyPolicy, DecisionRule, FourEyes, Resolution};

impl World {
    /// A version of the company's policy with this rule for all types but `quality`.
    pub(super) fn policy(&self, version: u64, four_eyes: FourEyes) -> CompanyPolicy {
        let mut policy = CompanyPolicy::unset(self.company.id);
        policy.version = version;
        policy.changed_at = Some(at(3));
        policy.changed_by = Some(self.owner.id);
        policy.rules.four_eyes_otherwise = four_eyes;
        policy.rules.four_eyes.insert("quality".to_owned(), FourEyes::Off);
        policy
    }
}

/// Each change adds a version; old ones stay. Other companies are not found.
pub(crate) async fn policy_keeps_all_its_versions(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let neighbour = world.neighbour().await;
    let own = CompanyScope::Only(world.company.id);
    let read = async |scope, version| world.store.policy(scope, world.company.id, version).await;
    let unset = CompanyPolicy::unset(world.company.id);
    assert_eq!(read(own, None).await.expect("reading works"), Some(unset.clone()));
    let (first, second) = (world.policy(1, FourEyes::Blind), world.policy(2, FourEyes::Seeing));
    for policy in [&first, &second] {
        world.store.change_policy(own, policy).await.expect("changing works");
    }
    for (version, expected) in [
        (None, Some(&second)),
        (Some(2), Some(&second)),
        (Some(1), Some(&first)),
        (Some(0), Some(&unset)),
        (Some(3), None),
    ] {
        let found = read(CompanyScope::Every, version).await.expect("reading works");
        assert_eq!(found.as_ref(), expected, "{version:?}");
    }
    for version in [0, 1, 2, 4] {
        let refused = world.store.change_policy(own, &world.policy(version, FourEyes::Off)).await;
        assert!(matches!(refused, Err(StoreError::PolicyChanged { version: 2 })), "{refused:?}");
    }
    let foreign = CompanyScope::Only(neighbour.company.id);
    let refused = read(foreign, None).await;
    assert!(matches!(refused, Err(StoreError::NotFound("company"))), "{refused:?}");
    let refused = world.store.change_policy(foreign, &world.policy(3, FourEyes::Off)).await;
    assert!(matches!(refused, Err(StoreError::NotFound("company"))), "{refused:?}");
    let missing = world.store.policy(CompanyScope::Every, new_id(), None).await;
    assert!(matches!(missing, Err(StoreError::NotFound("company"))), "{missing:?}");
    let of_neighbour = world.store.policy(foreign, neighbour.company.id, None).await;
    assert_eq!(of_neighbour.expect("reading works").map(|policy| policy.version), Some(0));
}

/// Of concurrent changes one makes the next version.
pub(crate) async fn concurrent_changes_of_a_policy_make_one_version(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let changes = (0..8).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            let new = world.policy(1, FourEyes::Blind);
            world.store.change_policy(CompanyScope::Every, &new).await
        })
    });
    let mut made = 0;
    for change in changes.collect::<Vec<_>>() {
        match change.await.expect("none panics") {
            Ok(()) => made += 1,
            Err(StoreError::PolicyChanged { version: 1 }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(made, 1);
}

/// The first decision fixes the rule: two people must agree although the policy changes meanwhile.
/// What was decided before the policy stays decided.
pub(crate) async fn decisions_follow_the_policy_of_their_beginning(store: Arc<dyn Store>) {
    let world = World::new(store).await;
    let decide = async |of| {
        let before = world.analysis(of).await;
        let new = decision(new_id(), Choice::Accept, &before, 9);
        world.store.decide(world.scope(), of, &new).await.expect("deciding works")
    };
    let scope = CompanyScope::Every;
    let before = world.finished(0, Resolution::OperatorRequired).await.1.id;
    assert_eq!(decide(before).await.verdict(), Some(Resolution::Success));
    let change = world.store.change_policy(scope, &world.policy(1, FourEyes::Blind)).await;
    change.expect("changing works");
    let during = world.finished(0, Resolution::OperatorRequired).await.1.id;
    assert_eq!(decide(during).await.verdict(), Some(Resolution::OperatorRequired));
    let change = world.store.change_policy(scope, &world.policy(2, FourEyes::Off)).await;
    change.expect("changing works");
    let decided = decide(during).await;
    let rule = DecisionRule { four_eyes: FourEyes::Blind, policy_version: 1 };
    assert_eq!((decided.verdict(), decided.decisions.rule), (Some(Resolution::Success), rule));
    assert_eq!(world.analysis(before).await.decisions.rule, DecisionRule::default());
    let neighbour = world.neighbour().await;
    let other = neighbour.finished(0, Resolution::OperatorRequired).await.1;
    let new = decision(new_id(), Choice::Accept, &other, 9);
    let other = world.store.decide(neighbour.scope(), other.id, &new).await;
    assert!(other.expect("deciding works").decisions.settling().is_some());
}
