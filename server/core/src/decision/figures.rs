//! Figures of operators: how many cases each decided, how long that took, and how often the machine
//! had decided the same.

use super::{Choice, Decisions};
use crate::analysis::Resolution;
use crate::ids::UserId;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// An analysis with decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The machine's verdict.
    pub system_resolution: Option<Resolution>,
    /// The decisions of people.
    pub decisions: Decisions,
}

/// Figures of one operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorFigures {
    /// The operator.
    pub user_id: UserId,
    /// Number of accepted cases.
    pub accepted: u64,
    /// Number of declined cases.
    pub declined: u64,
    /// Median time from claim to decision, in milliseconds, over the cases that were claimed.
    pub median_ms: Option<u64>,
    /// Number of cases in which the machine had decided the same.
    pub agreed: u64,
    /// Number of cases in which the machine had decided otherwise.
    pub disagreed: u64,
}

#[derive(Default)]
struct Sums {
    accepted: u64,
    declined: u64,
    agreed: u64,
    disagreed: u64,
    took_ms: Vec<u64>,
}

/// The figures of each operator, by id, from decisions in a period. Analyses that are not settled
/// are left out, so that figures tell nothing about decisions that others must not see yet.
pub fn figures(
    decided: &[Decided],
    from: OffsetDateTime,
    before: OffsetDateTime,
) -> Vec<OperatorFigures> {
    let mut of_operators: BTreeMap<UserId, Sums> = BTreeMap::new();
    for one in decided.iter().filter(|one| one.decisions.settling().is_some()) {
        let taken = one.decisions.taken.iter();
        for decision in taken.filter(|decision| decision.at >= from && decision.at < before) {
            let sums = of_operators.entry(decision.by).or_default();
            match decision.choice {
                Choice::Accept => sums.accepted += 1,
                Choice::Decline => sums.declined += 1,
            }
            match one.system_resolution {
                Some(Resolution::OperatorRequired) | None => {}
                Some(machine) if machine == decision.choice.resolution() => sums.agreed += 1,
                Some(Resolution::Success | Resolution::Declined) => sums.disagreed += 1,
            }
            sums.took_ms.extend(decision.took_ms);
        }
    }
    let figures = |(user_id, mut sums): (UserId, Sums)| OperatorFigures {
        user_id,
        accepted: sums.accepted,
        declined: sums.declined,
        median_ms: median(&mut sums.took_ms),
        agreed: sums.agreed,
        disagreed: sums.disagreed,
    };
    of_operators.into_iter().map(figures).collect()
}

/// The upper median.
fn median(values: &mut [u64]) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Decision, DecisionRule, FourEyes};
    use time::Duration;
    use uuid::Uuid;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn taken(by: u128, choice: Choice, seconds: i64, took_ms: Option<u64>) -> Decision {
        let by = UserId(Uuid::from_u128(by));
        Decision { by, choice, reason_code: None, comment: None, at: at(seconds), took_ms }
    }

    fn decided(machine: Resolution, four_eyes: FourEyes, taken: Vec<Decision>) -> Decided {
        let rule = DecisionRule { four_eyes, policy_version: 0 };
        Decided { system_resolution: Some(machine), decisions: Decisions { rule, taken } }
    }

    #[test]
    fn settled_decisions_of_the_period_count() {
        use Choice::{Accept, Decline};
        use Resolution::{Declined, OperatorRequired, Success};
        let all = [
            decided(OperatorRequired, FourEyes::Off, vec![taken(1, Accept, 10, Some(5))]),
            decided(Success, FourEyes::Off, vec![taken(1, Decline, 11, Some(7))]),
            decided(Declined, FourEyes::Off, vec![taken(1, Decline, 12, Some(90))]),
            decided(Declined, FourEyes::Off, vec![taken(1, Decline, 20, Some(1))]),
            decided(Success, FourEyes::Blind, vec![taken(2, Accept, 12, None)]),
            decided(
                Success,
                FourEyes::Blind,
                vec![taken(2, Accept, 9, None), taken(3, Accept, 12, None)],
            ),
        ];
        let found = figures(&all, at(10), at(20));
        let one = OperatorFigures {
            user_id: UserId(Uuid::from_u128(1)),
            accepted: 1,
            declined: 2,
            median_ms: Some(7),
            agreed: 1,
            disagreed: 1,
        };
        let third = OperatorFigures {
            user_id: UserId(Uuid::from_u128(3)),
            accepted: 1,
            declined: 0,
            median_ms: None,
            agreed: 1,
            disagreed: 0,
        };
        assert_eq!(found, [one, third]);
    }
}
