//! Whose turn it is: start-time fair queueing of the companies that share a pool of workers.
//!
//! Each company has a virtual time, which grows by the time that its runs hold a worker, divided by
//! its weight. The company with the smallest virtual time goes first. A company that asks after a
//! pause begins at the time of the pool, so that it cannot save up turns. Each node keeps turns of
//! its own: if every node is fair to the companies, all nodes together are.

use crate::ids::CompanyId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The time that a run is expected to hold a worker, in seconds. [`Turns::ended`] corrects it.
const EXPECTED: f64 = 0.1;
/// Number of companies of a pool above which those that wait for nothing are forgotten.
const KEPT: usize = 1024;

/// The turns of the companies in the pools of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    weights: Arc<HashMap<CompanyId, u32>>,
    pools: Arc<Mutex<HashMap<String, PoolTurns>>>,
}

#[derive(Debug, Default)]
struct PoolTurns {
    /// Virtual time of the pool: that of the company whose run was claimed last.
    now: f64,
    /// Virtual time of each company after its claimed runs.
    companies: HashMap<CompanyId, f64>,
}

impl PoolTurns {
    /// Virtual time at which the next run of a company begins.
    fn start(&self, company: CompanyId) -> f64 {
        self.companies.get(&company).map_or(self.now, |own| own.max(self.now))
    }

    fn add(&mut self, company: CompanyId, seconds: f64) {
        let end = self.start(company) + seconds;
        self.companies.insert(company, end);
    }
}

impl Turns {
    /// Turns with these weights. A company without a weight has weight 1; one with weight 2 gets
    /// twice as much time of the workers as one with weight 1.
    pub fn new(weights: HashMap<CompanyId, u32>) -> Self {
        Self { weights: Arc::new(weights), pools: Arc::default() }
    }

    /// Sorts companies that wait for a worker of a pool: the first one's turn is next.
    pub fn sort(&self, pool: &str, companies: &mut [CompanyId]) {
        let pools = self.pools.lock();
        let Some(turns) = pools.get(pool) else { return companies.sort_unstable() };
        companies.sort_unstable_by(|a, b| {
            let before = |company| turns.companies.get(company).copied().unwrap_or(f64::MIN);
            turns
                .start(*a)
                .total_cmp(&turns.start(*b))
                .then_with(|| before(a).total_cmp(&before(b)))
                .then_with(|| a.cmp(b))
        });
    }

    /// Counts a claimed run of a company.
    pub fn claimed(&self, pool: &str, company: CompanyId) {
        let mut pools = self.pools.lock();
        let turns = pools.entry(pool.to_owned()).or_default();
        turns.now = turns.start(company);
        turns.add(company, EXPECTED / self.weight(company));
        if turns.companies.len() > KEPT {
            let now = turns.now;
            turns.companies.retain(|_, own| *own > now);
        }
    }

    /// Counts how long a claimed run held its worker.
    pub fn ended(&self, pool: &str, company: CompanyId, took: Duration) {
        let correction = (took.as_secs_f64() - EXPECTED) / self.weight(company);
        let mut pools = self.pools.lock();
        let turns = pools.entry(pool.to_owned()).or_default();
        if let Some(own) = turns.companies.get_mut(&company) {
            *own += correction;
        } else if correction > 0.0 {
            turns.add(company, correction);
        }
    }

    fn weight(&self, company: CompanyId) -> f64 {
        f64::from(self.weights.get(&company).copied().unwrap_or(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn company(number: u128) -> CompanyId {
        CompanyId(Uuid::from_u128(number))
    }

    /// How often each company is served in `turns` turns, if all always wait.
    fn served(turns: &Turns, companies: &[CompanyId], count: usize, took: &[u64]) -> Vec<usize> {
        let mut served = vec![0; companies.len()];
        for _ in 0..count {
            let mut waiting = companies.to_vec();
            turns.sort("p", &mut waiting);
            let next = companies.iter().position(|one| *one == waiting[0]).expect("it waits");
            turns.claimed("p", waiting[0]);
            turns.ended("p", waiting[0], Duration::from_millis(took[next]));
            served[next] += 1;
        }
        served
    }

    #[test]
    fn companies_get_time_by_weight() {
        let all = [company(1), company(2), company(3)];
        let turns = Turns::new(HashMap::from([(company(3), 2)]));
        assert_eq!(served(&turns, &all, 40, &[100, 100, 100]), [10, 10, 20]);
    }

    #[test]
    fn long_runs_cost_more_turns() {
        let turns = Turns::default();
        assert_eq!(served(&turns, &[company(1), company(2)], 22, &[1000, 100]), [2, 20]);
    }

    #[test]
    fn idle_company_saves_up_no_turns() {
        let turns = Turns::default();
        served(&turns, &[company(1)], 100, &[100]);
        let both = served(&turns, &[company(1), company(2)], 10, &[100, 100]);
        assert_eq!(both, [5, 5]);
    }

    #[test]
    fn companies_without_work_are_forgotten() {
        let turns = Turns::default();
        for number in 0..5000 {
            let mut waiting = [company(number)];
            turns.sort("p", &mut waiting);
            turns.claimed("p", waiting[0]);
            served(&turns, &[company(9999)], 1, &[100]);
        }
        assert!(turns.pools.lock()["p"].companies.len() <= KEPT + 1);
    }
}
