//! Fair permits: a scarce resource that several owners share, of whom none can use all of it.
//!
//! An owner may hold permits as long as it holds less than a fixed multiple of the free ones. One
//! owner alone thus gets its share, several owners get equal parts, and some permits always stay
//! free for the next owner: however many others hold for how long, a newcomer is served. There is
//! no queue, so that nothing waits for an owner that does not end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

use crate::account::Principal;
use crate::ids::{CompanyId, UserId};

/// The user whose request uses a resource, with the company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The company.
    pub company: CompanyId,
    /// The user.
    pub user: UserId,
}

/// Stands for the company of users that have none: they share resources like those of one company.
const NO_COMPANY: CompanyId = CompanyId(Uuid::nil());

impl Owner {
    /// The command line of the node, which shares with no one.
    pub const COMMAND_LINE: Self = Self { company: NO_COMPANY, user: UserId(Uuid::nil()) };

    /// The same user, at work for a company.
    #[must_use]
    pub fn working_for(self, company: CompanyId) -> Self {
        Self { company, ..self }
    }
}

impl From<&Principal> for Owner {
    fn from(principal: &Principal) -> Self {
        principal.account().map_or(Self::COMMAND_LINE, |account| Self {
            company: account.company_id.unwrap_or(NO_COMPANY),
            user: account.user_id,
        })
    }
}

/// Part of a resource that one owner may hold while no other owner holds any, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u8);

impl Share {
    /// Share of one address of clients, in what strangers can use.
    pub const ADDRESS: Self = Self(60);

    /// A share of 1 to 100 percent; others are clamped.
    pub fn percent(percent: u8) -> Self {
        Self(percent.clamp(1, 100))
    }

    /// Whether an owner that holds `held` permits may take one of the `free` ones.
    fn allows(self, held: usize, free: usize) -> bool {
        let percent = usize::from(self.0);
        free > 0 && held.saturating_mul(100 - percent) < free.saturating_mul(percent)
    }
}

/// The shares of a company and of each of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Share of a company.
    pub company: Share,
    /// Share of a user.
    pub user: Share,
}

/// How long permits count as scarce after one was refused.
const SCARCE: Duration = Duration::from_secs(10);

/// A number of permits. Clones share it.
#[derive(Debug)]
pub struct FairPermits<K: Eq + Hash>(Arc<State<K>>);

impl<K: Eq + Hash> Clone for FairPermits<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[derive(Debug)]
struct State<K: Eq + Hash> {
    all: usize,
    held: Mutex<Held<K>>,
}

#[derive(Debug)]
struct Held<K: Eq + Hash> {
    all: usize,
    refused_at: Option<Instant>,
    by_owner: HashMap<K, usize>,
}

/// A permit of [`FairPermits`], released on drop.
#[derive(Debug)]
pub struct FairPermit<K: Eq + Hash> {
    permits: FairPermits<K>,
    owners: Vec<K>,
}

/// All permits that the owner may hold at present are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPermit;

impl<K: Eq + Hash + Clone> FairPermits<K> {
    /// A number of permits.
    pub fn new(all: usize) -> Self {
        let held = Held { all: 0, refused_at: None, by_owner: HashMap::new() };
        Self(Arc::new(State { all, held: Mutex::new(held) }))
    }

    /// Takes a permit that counts for each of the owners, which may be parts of one another.
    pub fn try_acquire(&self, owners: &[(K, Share)]) -> Result<FairPermit<K>, NoPermit> {
        let mut held = self.0.held();
        let free = self.0.all.saturating_sub(held.all);
        let is_allowed = |(owner, share): &(K, Share)| {
            share.allows(held.by_owner.get(owner).copied().unwrap_or_default(), free)
        };
        if free == 0 || !owners.iter().all(is_allowed) {
            held.refused_at = Some(Instant::now());
            return Err(NoPermit);
        }
        held.all += 1;
        for (owner, _) in owners {
            *held.by_owner.entry(owner.clone()).or_default() += 1;
        }
        let owners = owners.iter().map(|(owner, _)| owner.clone()).collect();
        Ok(FairPermit { permits: self.clone(), owners })
    }
}

impl<K: Eq + Hash> FairPermits<K> {
    /// Whether a permit was refused lately, or at most a quarter is free, so that owners should
    /// hurry.
    pub fn are_scarce(&self) -> bool {
        let held = self.0.held();
        let free = self.0.all.saturating_sub(held.all);
        held.refused_at.is_some_and(|at| at.elapsed() < SCARCE)
            || free.saturating_mul(4) <= self.0.all
    }
}

impl<K: Eq + Hash> State<K> {
    fn held(&self) -> MutexGuard<'_, Held<K>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for FairPermit<K> {
    fn drop(&mut self) {
        let mut held = self.permits.0.held();
        held.all = held.all.saturating_sub(1);
        for owner in self.owners.drain(..) {
            if let Entry::Occupied(mut entry) = held.by_owner.entry(owner) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }
}

/// A company, or a user of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tenant {
    /// A company.
    Company(CompanyId),
    /// A user.
    User(UserId),
}

impl FairPermits<Tenant> {
    /// Takes a permit for a user of a company.
    pub fn try_acquire_for(
        &self,
        owner: Owner,
        shares: Shares,
    ) -> Result<FairPermit<Tenant>, NoPermit> {
        let company = (Tenant::Company(owner.company), shares.company);
        self.try_acquire(&[company, (Tenant::User(owner.user), shares.user)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Share = Share(75);

    fn take_all(permits: &FairPermits<u8>, owner: u8) -> Vec<FairPermit<u8>> {
        std::iter::from_fn(|| permits.try_acquire(&[(owner, SHARE)]).ok()).collect()
    }

    #[test]
    fn one_owner_gets_its_share_and_the_next_is_served() {
        let permits = FairPermits::new(64);
        let first = take_all(&permits, 1);
        assert_eq!(first.len(), 48);
        assert!(permits.are_scarce());
        for owner in 2..=6 {
            assert!(permits.try_acquire(&[(owner, SHARE)]).is_ok());
        }
        let second = take_all(&permits, 2);
        assert_eq!(second.len(), 12);
        drop(first);
        assert_eq!(take_all(&permits, 1).len(), 39);
    }

    #[test]
    fn permits_are_scarce_while_few_are_free_or_some_are_refused() {
        let permits = FairPermits::new(64);
        let some: Vec<_> = (0..40).map(|_| permits.try_acquire(&[(1, SHARE)]).unwrap()).collect();
        assert!(!permits.are_scarce());
        assert!(permits.try_acquire(&[(1, Share(50))]).is_err());
        assert!(permits.are_scarce());
        drop(some);
        let more: Vec<_> =
            (0..48).map(|_| FairPermits::try_acquire(&permits, &[(1, SHARE)])).collect();
        assert!(permits.are_scarce() && more.iter().all(Result::is_ok));
    }

    #[test]
    fn owners_that_all_take_get_equal_parts() {
        let permits = FairPermits::new(70);
        let mut held: HashMap<u8, Vec<FairPermit<u8>>> = HashMap::new();
        loop {
            let mut took = 0;
            for owner in 0..2 {
                if let Ok(permit) = permits.try_acquire(&[(owner, SHARE)]) {
                    held.entry(owner).or_default().push(permit);
                    took += 1;
                }
            }
            if took == 0 {
                break;
            }
        }
        assert_eq!((held[&0].len(), held[&1].len()), (30, 30));
        assert!(permits.try_acquire(&[(2, SHARE)]).is_ok());
    }

    #[test]
    fn small_numbers_can_be_used_and_end() {
        for all in 1..=3 {
            assert_eq!(take_all(&FairPermits::new(all), 1).len(), all);
        }
        for all in 4..=8 {
            assert!(take_all(&FairPermits::new(all), 1).len() < all, "one of {all} stays free");
        }
        let permits = FairPermits::new(2);
        let whole = [(1, Share(100))];
        let _both = [permits.try_acquire(&whole).unwrap(), permits.try_acquire(&whole).unwrap()];
        assert_eq!(permits.try_acquire(&whole).unwrap_err(), NoPermit);
    }

    #[test]
    fn a_user_leaves_permits_to_the_other_users_of_the_company() {
        let permits = FairPermits::new(64);
        let shares = Shares { company: Share(75), user: Share(50) };
        let company = CompanyId(Uuid::from_u128(1));
        let user = |n| Owner { company, user: UserId(Uuid::from_u128(n)) };
        let take = |n| {
            let one = || permits.try_acquire_for(user(n), shares).ok();
            std::iter::from_fn(one).collect::<Vec<_>>()
        };
        let first = take(1);
        assert_eq!(first.len(), 32);
        assert!(!take(2).is_empty());
        drop(first);
        assert_eq!(take(2).len(), 32, "all permits are back");
    }
}
