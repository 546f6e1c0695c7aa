//! The audit log: entries about use cases, and reading it.

use crate::errors::stored;
use crate::services::Services;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;
use vultus_auth::policy::{self, Action};
use vultus_core::clock::Clock;
use vultus_core::{AuditEntryId, CompanyId, Error, MediaId, Principal, Result, Role, UserId};
use vultus_store::audit::{Actor, AuditObject, ChainOf, Facts, NewEntry, Origin};
use vultus_store::{NewGroup, Scope, Store};

pub use vultus_store::audit::{AuditAction, AuditEntry, AuditFilter, Chain, Place};

/// Time within which repeated reads of one object by one user are one entry: a player reads a video
/// in many parts.
const REPEATED: Duration = Duration::from_secs(60);
/// Number of remembered reads from which those that are old enough are removed, or else all.
const MOST_REMEMBERED: usize = 50_000;

/// A caller, and from where the request came.
#[derive(Clone)]
pub(crate) struct Caller {
    principal: Principal,
    origin: Option<Origin>,
}

impl Caller {
    pub(crate) fn new(principal: &Principal, origin: Option<Origin>) -> Self {
        Self { principal: principal.clone(), origin }
    }

    /// The caller as the audit log names it.
    pub(crate) fn actor(&self) -> Actor {
        self.principal.user_id().map_or(Actor::CommandLine, Actor::User)
    }

    /// The user, if it is a person: reads by machines are their purpose, and are not recorded.
    pub(crate) fn person(&self) -> Option<UserId> {
        match &self.principal {
            Principal::User { account, .. } | Principal::External { account, .. }
                if account.role != Role::ClientService =>
            {
                Some(account.user_id)
            }
            Principal::User { .. }
            | Principal::ServiceAccount { .. }
            | Principal::External { .. }
            | Principal::Local => None,
        }
    }
}

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

/// Writes the audit log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit {
    store: Arc<dyn Store>,
    clock: Clock,
    recent: Arc<Mutex<HashMap<Repeatable, Instant>>>,
}

/// Entries that are equal in these and follow each other soon are one.
type Repeatable = (Actor, Option<Origin>, AuditAction, Option<AuditObject>, String);

impl Audit {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { store, clock, recent: Arc::default() }
    }

    /// An entry about what a caller does. The caller of this adds the object and the facts.
    pub(crate) fn entry(&self, by: &Caller, action: AuditAction, chain: ChainOf) -> NewEntry {
        self.entry_by(by.actor(), by.origin, action, chain)
    }

    /// An entry about what is done without a caller of a use case, such as a login.
    pub(crate) fn entry_by(
        &self,
        actor: Actor,
        origin: Option<Origin>,
        action: AuditAction,
        chain: ChainOf,
    ) -> NewEntry {
        NewEntry {
            id: AuditEntryId(Uuid::now_v7()),
            chain,
            at: self.clock.now(),
            actor,
            origin,
            action,
            object: None,
            before: Facts::new(),
            after: Facts::new(),
        }
    }

    /// The store for one change, which writes the entry in the same transaction.
    pub(crate) fn recording(&self, entry: NewEntry) -> Arc<dyn Store> {
        Arc::clone(&self.store).recording(entry)
    }

    /// A page of entries that the caller may see, newest first.
    pub(crate) async fn list(
        &self,
        caller: &Principal,
        filter: AuditFilter,
        before: Option<AuditEntryId>,
        limit: u32,
    ) -> Result<(Vec<AuditEntry>, bool)> {
        let filter = match policy::authorize(caller, Action::ViewAudit)? {
            Scope::Everything => filter,
            Scope::Company(own) | Scope::Owner(own, _) => {
                if filter.chain.is_some_and(|chain| chain != Chain::Company(own)) {
                    return Err(Error::not_found("company", "filter.companyId"));
                }
                AuditFilter { chain: Some(Chain::Company(own)), ..filter }
            }
        };
        stored(self.store.list_audit(&filter, before, limit).await)
    }

    /// Writes entries about what changes nothing in the store.
    pub(crate) async fn record(&self, entries: &[NewEntry]) -> Result<()> {
        stored(self.store.record(entries).await)
    }

    /// As [`Audit::record`]; leaves out what this node recorded a moment ago.
    pub(crate) async fn record_once(&self, mut entries: Vec<NewEntry>) -> Result<()> {
        let key = |entry: &NewEntry| {
            let facts = entry.after.clone().into_json();
            (entry.actor, entry.origin, entry.action, entry.object, facts)
        };
        {
            let recent = self.recent.lock();
            let is_new = |entry: &NewEntry| {
                recent.get(&key(entry)).is_none_or(|seen| seen.elapsed() >= REPEATED)
            };
            entries.retain(is_new);
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.record(&entries).await?;
        let mut recent = self.recent.lock();
        if recent.len() >= MOST_REMEMBERED {
            recent.retain(|_, seen| seen.elapsed() < REPEATED);
        }
        if recent.len() >= MOST_REMEMBERED {
            recent.clear();
        }
        let now = Instant::now();
        recent.extend(entries.iter().map(|entry| (key(entry), now)));
        Ok(())
    }
}

/// The facts of an entry about media and analyses that are added to a folder.
pub(crate) fn added(media: &[MediaId], group: Option<&NewGroup>) -> Facts {
    let mut facts = Facts::new();
    if !media.is_empty() {
        facts = facts.ids("media", media.iter().copied());
    }
    if let Some(new) = group {
        let analyses = || new.runs.iter().flat_map(|run| &run.analyses);
        facts = facts.ids("analyses", analyses().map(|analysis| analysis.id));
        facts = facts.codes("types", analyses().map(|analysis| analysis.kind.as_str()));
    }
    facts
}

/// The audit log.
impl Services {
    /// A page of entries that the caller may see, newest first, before the entry `before`; and
    /// whether there are more.
    pub async fn audit_log(
        &self,
        caller: &Principal,
        filter: AuditFilter,
        before: Option<AuditEntryId>,
        limit: u32,
    ) -> Result<(Vec<AuditEntry>, bool)> {
        self.0.audit.list(caller, filter, before, limit).await
    }
}

/// The chain of a company that the caller of this knows.
pub(crate) fn of_company(company: CompanyId) -> ChainOf {
    ChainOf::Known(Chain::Company(company))
}

/// The chain of a company, or of the installation.
pub(crate) fn of_optional_company(company: Option<CompanyId>) -> ChainOf {
    ChainOf::Known(Chain::of(company))
}
