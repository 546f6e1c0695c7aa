//! The memory of requests in flight. Each request reserves what its body, its variables and its
//! answer take. Users, companies and clients without a token have limits below the total, so that
//! none of them takes all of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use vultus_core::{CompanyId, Error, Result, UserId};

/// Time after which a client should retry when no memory is left.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Memory that each request gets in any case, in bytes: enough to log in and for most queries.
/// Whoever uses up a limit with large requests, small ones of others under the same limit still
/// pass. Their number is bounded by that of the connections.
const SMALL_BYTES: usize = 64 << 10;

/// Limits of the memory of requests in flight, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// All requests.
    pub total: usize,
    /// The requests of one company.
    pub company: usize,
    /// The requests of one user.
    pub user: usize,
    /// All requests without a valid token together.
    pub strangers: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { total: 256 << 20, company: 128 << 20, user: 64 << 20, strangers: 32 << 20 }
    }
}

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A client without a valid token.
    Stranger,
    /// A user of a company.
    User(CompanyId, UserId),
}

/// The memory of all requests of the node. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RequestMemory(Arc<State>);

#[derive(Debug)]
struct State {
    limits: MemoryLimits,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    total: usize,
    strangers: usize,
    companies: HashMap<CompanyId, usize>,
    users: HashMap<UserId, usize>,
}

impl RequestMemory {
    pub(crate) fn new(limits: MemoryLimits) -> Self {
        Self(Arc::new(State { limits, used: Mutex::default() }))
    }

    /// An empty reservation, to be grown.
    pub(crate) fn reserve_none(&self, owner: Owner) -> Reserved {
        Reserved { memory: self.clone(), owner, bytes: 0 }
    }

    /// Reserves memory; UNAVAILABLE if the owner has none left.
    pub(crate) fn reserve(&self, owner: Owner, bytes: usize) -> Result<Reserved> {
        let mut reserved = self.reserve_none(owner);
        reserved.grow(bytes)?;
        Ok(reserved)
    }

    /// Counts memory that is in use already, such as that of an answer. It may exceed the limits;
    /// then new requests are refused until it is released.
    pub(crate) fn hold(&self, owner: Owner, bytes: usize) -> Reserved {
        self.0.used.lock().add(owner, bytes);
        Reserved { memory: self.clone(), owner, bytes }
    }
}

impl Used {
    fn fits(&self, owner: Owner, bytes: usize, limits: &MemoryLimits) -> bool {
        let within = |used: usize, limit: usize| used.saturating_add(bytes) <= limit;
        let of_owner = match owner {
            Owner::Stranger => within(self.strangers, limits.strangers),
            Owner::User(company, user) => {
                within(count(&self.companies, &company), limits.company)
                    && within(count(&self.users, &user), limits.user)
            }
        };
        of_owner && within(self.total, limits.total)
    }

    fn add(&mut self, owner: Owner, bytes: usize) {
        self.total += bytes;
        match owner {
            Owner::Stranger => self.strangers += bytes,
            Owner::User(company, user) => {
                *self.companies.entry(company).or_default() += bytes;
                *self.users.entry(user).or_default() += bytes;
            }
        }
    }

    fn release(&mut self, owner: Owner, bytes: usize) {
        self.total -= bytes;
        match owner {
            Owner::Stranger => self.strangers -= bytes,
            Owner::User(company, user) => {
                subtract(&mut self.companies, company, bytes);
                subtract(&mut self.users, user, bytes);
            }
        }
    }
}

fn count<K: Hash + Eq>(counts: &HashMap<K, usize>, key: &K) -> usize {
    counts.get(key).copied().unwrap_or_default()
}

/// An owner without memory has no entry.
fn subtract<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: K, bytes: usize) {
    if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(bytes);
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Reserved memory; dropping it releases it.
#[derive(Debug)]
pub(crate) struct Reserved {
    memory: RequestMemory,
    owner: Owner,
    bytes: usize,
}

impl Reserved {
    /// Reserves more; UNAVAILABLE if the owner has no memory left and the request is not small.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<()> {
        let State { limits, used } = &*self.memory.0;
        let mut used = used.lock();
        let is_small = self.bytes.saturating_add(bytes) <= SMALL_BYTES;
        if !is_small && !used.fits(self.owner, bytes, limits) {
            return Err(Error::Unavailable {
                message: "the memory for requests in flight is used up; try again".to_owned(),
                retry_after: RETRY_AFTER,
            });
        }
        used.add(self.owner, bytes);
        self.bytes += bytes;
        Ok(())
    }

    /// Keeps at most this much.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.memory.0.used.lock().release(self.owner, less);
        self.bytes -= less;
    }

    /// Memory reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn user(company: u128, user: u128) -> Owner {
        Owner::User(CompanyId(Uuid::from_u128(company)), UserId(Uuid::from_u128(user)))
    }

    const UNIT: usize = SMALL_BYTES;

    fn memory() -> RequestMemory {
        let limits = MemoryLimits {
            total: 10 * UNIT,
            company: 6 * UNIT,
            user: 4 * UNIT,
            strangers: 2 * UNIT,
        };
        RequestMemory::new(limits)
    }

    fn used(memory: &RequestMemory) -> (usize, usize, usize) {
        let used = memory.0.used.lock();
        (used.total, used.companies.len(), used.users.len())
    }

    #[test]
    fn users_companies_and_strangers_leave_memory_for_others() {
        let memory = memory();
        let one = memory.reserve(user(1, 1), 3 * UNIT).unwrap();
        assert!(memory.reserve(user(1, 1), UNIT + 1).is_err(), "the user's limit");
        let _two = memory.reserve(user(1, 2), 2 * UNIT).unwrap();
        assert!(memory.reserve(user(1, 2), UNIT + 1).is_err(), "the company's limit");
        let _stranger = memory.reserve(Owner::Stranger, 2 * UNIT).unwrap();
        let refused = memory.reserve(Owner::Stranger, UNIT + 1);
        assert!(matches!(refused, Err(Error::Unavailable { .. })));
        let _three = memory.reserve(user(2, 3), 2 * UNIT).unwrap();
        assert!(memory.reserve(user(2, 3), UNIT + 1).is_err(), "the total");
        drop(one);
        assert!(memory.reserve(user(2, 3), UNIT + 1).is_ok());
    }

    #[test]
    fn small_requests_always_get_their_memory() {
        let memory = memory();
        let _all = memory.reserve(Owner::Stranger, 2 * UNIT).unwrap();
        let mut small = memory.reserve(Owner::Stranger, UNIT).unwrap();
        assert!(small.grow(1).is_err());
    }

    #[test]
    fn released_memory_is_free_again() {
        let memory = memory();
        let mut reserved = memory.reserve(user(1, 1), 4 * UNIT).unwrap();
        reserved.shrink_to(UNIT);
        reserved.grow(3 * UNIT).unwrap();
        assert!(reserved.grow(1).is_err());
        assert_eq!(reserved.bytes(), 4 * UNIT);
        drop(reserved);
        assert_eq!(used(&memory), (0, 0, 0));
    }

    #[test]
    fn memory_in_use_is_counted_over_the_limit() {
        let memory = memory();
        let held = memory.hold(Owner::Stranger, 3 * UNIT);
        assert!(memory.reserve(Owner::Stranger, UNIT + 1).is_err());
        drop(held);
        assert!(memory.reserve(Owner::Stranger, 2 * UNIT).is_ok());
    }
}
