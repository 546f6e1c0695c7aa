//! The audit log: who did what, when, from where, and on which object.
//!
//! Each company has one chain of entries, and the installation has one for what belongs to no
//! company. An entry is written in the transaction of the change that it describes, without a place
//! in its chain, so that concurrent writers of a company do not wait for each other. A background
//! task then gives waiting entries their places ([`crate::AuditLog::chain_waiting`]): each gets the
//! next number, and a hash over its contents and the hash before it.
//!
//! An entry holds ids, codes and settings: no e-mail, name, metadata or free text. The types in
//! [`Facts`] and [`NewEntry`] leave no place for them.

mod actions;
mod chain;
mod entry;
mod facts;
mod origin;
mod verify;

pub use actions::{AuditAction, UnknownAction};
pub use chain::{ChainCheck, ChainHead, Fault, HASH_BYTES, Hash, Links, START};
pub use entry::{
    Actor, AuditEntry, AuditFilter, AuditObject, Chain, ChainOf, NewEntry, Place, UnknownChain,
};
pub use facts::{FactId, Facts};
pub use origin::Origin;
pub use verify::{verify, verify_since};
