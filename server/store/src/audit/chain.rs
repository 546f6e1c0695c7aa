//! The hashes of a chain: computed when entries get their places, and verified later.

use super::entry::{AuditEntry, Chain};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// Length of a hash.
pub const HASH_BYTES: usize = 32;
/// First bytes of what is hashed: names the purpose and the version of the form.
const PURPOSE: &[u8] = b"vultus audit entry 1";

/// The hash of an entry, and so of all entries before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

/// What stands before the first entry of a chain.
pub const START: Hash = Hash([0; HASH_BYTES]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; HASH_BYTES];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Hash {
    /// The hash of an entry with this number after the hash before it. Each text is preceded by a
    /// byte that tells whether it is there, and by its length in four bytes; numbers have eight
    /// bytes; all numbers are big-endian.
    pub fn of(entry: &AuditEntry, number: u64, before: Self) -> Self {
        let mut hasher = Sha256::new_with_prefix(PURPOSE);
        hasher.update(before.0);
        hasher.update(number.to_be_bytes());
        hasher.update(entry.id.0.as_bytes());
        hasher.update((entry.at.unix_timestamp_nanos() as i64).to_be_bytes());
        let chain = entry.chain.to_string();
        for text in [
            Some(chain.as_str()),
            Some(entry.actor.as_str()),
            entry.origin.as_deref(),
            Some(entry.action.as_str()),
            entry.object.as_deref(),
            entry.before.as_deref(),
            entry.after.as_deref(),
        ] {
            hasher.update([u8::from(text.is_some())]);
            if let Some(text) = text {
                hasher.update((text.len() as u32).to_be_bytes());
                hasher.update(text);
            }
        }
        Self(hasher.finalize().into())
    }
}

/// The newest entry of a chain: its number, and its hash, which covers the whole chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// The chain.
    pub chain: Chain,
    /// Number of the entry; the first one has 1.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

impl ChainHead {
    /// The head of a chain without entries.
    pub fn empty(chain: Chain) -> Self {
        Self { chain, number: 0, hash: START }
    }

    /// Gives an entry its place behind this head, and returns the new head.
    #[must_use]
    pub fn append(self, entry: &AuditEntry) -> Self {
        let number = self.number + 1;
        Self { number, hash: Hash::of(entry, number, self.hash), ..self }
    }
}

/// The heads of several chains while waiting entries get their places.
#[derive(Debug, Default)]
pub struct Links(HashMap<Chain, ChainHead>);

impl Links {
    /// Whether the head of a chain is known.
    pub fn knows(&self, chain: Chain) -> bool {
        self.0.contains_key(&chain)
    }

    /// Tells the stored head of a chain.
    pub fn learn(&mut self, head: ChainHead) {
        self.0.insert(head.chain, head);
    }

    /// The place of the next entry of its chain.
    pub fn append(&mut self, entry: &AuditEntry) -> ChainHead {
        let head = self.0.entry(entry.chain).or_insert_with(|| ChainHead::empty(entry.chain));
        *head = head.append(entry);
        *head
    }
}

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Entries are missing: deleted, or moved to another number.
    #[error("entry {expected} is missing: the next one is entry {found}")]
    Gap {
        /// The number that should follow.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// The contents of an entry do not have its hash.
    #[error("entry {number} was changed, replaced or moved")]
    Changed {
        /// Its number.
        number: u64,
    },
    /// The chain ends before the entry that the head names.
    #[error("the chain ends with entry {last}, and its head was entry {head}: entries are missing")]
    CutOff {
        /// Number of the last entry.
        last: u64,
        /// Number that the head names.
        head: u64,
    },
    /// The entry that the head names has another hash.
    #[error("entry {number} is not the one that the head names: the chain was rewritten")]
    Rewritten {
        /// Its number.
        number: u64,
    },
}

/// Verifies a chain, entry by entry from the first one on.
#[derive(Debug)]
pub struct ChainCheck {
    head: ChainHead,
    /// Heads that the chain had once, in ascending order of their numbers, still to be reached.
    expected: Vec<ChainHead>,
}

impl ChainCheck {
    /// A check of a chain that had these heads once.
    pub fn new(chain: Chain, expected: impl IntoIterator<Item = ChainHead>) -> Self {
        let mut expected: Vec<ChainHead> =
            expected.into_iter().filter(|head| head.chain == chain && head.number > 0).collect();
        expected.sort_by_key(|head| std::cmp::Reverse(head.number));
        Self { head: ChainHead::empty(chain), expected }
    }

    /// A check of what follows a head that was verified before.
    pub fn after(head: ChainHead) -> Self {
        Self { head, expected: Vec::new() }
    }

    /// The head so far.
    pub fn head(&self) -> ChainHead {
        self.head
    }

    /// Checks the next entry.
    pub fn accept(&mut self, entry: &AuditEntry) -> Result<(), Fault> {
        let (found, hash) = entry.place.unwrap_or((0, START));
        let next = self.head.append(entry);
        if found != next.number {
            return Err(Fault::Gap { expected: next.number, found });
        }
        if hash != next.hash {
            return Err(Fault::Changed { number: found });
        }
        while let Some(expected) = self.expected.pop_if(|head| head.number == next.number) {
            if expected.hash != next.hash {
                return Err(Fault::Rewritten { number: found });
            }
        }
        self.head = next;
        Ok(())
    }

    /// Ends the check and returns the head of the chain.
    pub fn finish(self) -> Result<ChainHead, Fault> {
        match self.expected.last() {
            Some(missing) => Err(Fault::CutOff { last: self.head.number, head: missing.number }),
            None => Ok(self.head),
        }
    }
}
