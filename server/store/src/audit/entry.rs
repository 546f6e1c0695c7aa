//! Entries: as they are written, as they are stored, and which ones to list.

use super::actions::AuditAction;
use super::chain::Hash;
use super::facts::Facts;
use super::origin::Origin;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;
use vultus_core::{
    AnalysisId, ApiKeyId, AuditEntryId, ChallengeId, CompanyId, FolderId, MediaId, SessionId,
    UserId,
};

/// Text of the installation's chain.
const INSTALLATION: &str = "installation";

/// A chain of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Chain {
    /// What belongs to no company.
    Installation,
    /// What belongs to a company.
    Company(CompanyId),
}

impl Chain {
    /// The chain of a company, or else of the installation.
    pub fn of(company: Option<CompanyId>) -> Self {
        company.map_or(Self::Installation, Self::Company)
    }

    /// The company, if it is the chain of one.
    pub fn company(self) -> Option<CompanyId> {
        match self {
            Self::Installation => None,
            Self::Company(company) => Some(company),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installation => f.write_str(INSTALLATION),
            Self::Company(company) => company.fmt(f),
        }
    }
}

/// The text names no chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a company, or `installation`")]
pub struct UnknownChain;

impl FromStr for Chain {
    type Err = UnknownChain;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            INSTALLATION => Ok(Self::Installation),
            other => other.parse().map(Self::Company).map_err(|_| UnknownChain),
        }
    }
}

impl TryFrom<String> for Chain {
    type Error = UnknownChain;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Chain> for String {
    fn from(chain: Chain) -> Self {
        chain.to_string()
    }
}

/// The chain of a new entry. The store finds the company of an object that the caller did not read;
/// it does so before the change, which may delete the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainOf {
    /// This chain.
    Known(Chain),
    /// The chain of the folder's company.
    Folder(FolderId),
    /// The chain of the medium's company.
    Medium(MediaId),
    /// The chain of the analysis's company.
    Analysis(AnalysisId),
    /// The chain of the user's company, or of the installation.
    User(UserId),
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A user.
    User(UserId),
    /// A command on a node's own command line.
    CommandLine,
    /// A node by itself.
    Node,
    /// A client that did not prove who it is.
    Unknown,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::CommandLine => f.write_str("command-line"),
            Self::Node => f.write_str("node"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// On what something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditObject {
    /// A folder.
    Folder(FolderId),
    /// A medium.
    Medium(MediaId),
    /// An analysis.
    Analysis(AnalysisId),
    /// A challenge.
    Challenge(ChallengeId),
    /// A company.
    Company(CompanyId),
    /// A user.
    User(UserId),
    /// A session.
    Session(SessionId),
    /// A key of a service account.
    ApiKey(ApiKeyId),
}

impl fmt::Display for AuditObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(id) => write!(f, "folder:{id}"),
            Self::Medium(id) => write!(f, "medium:{id}"),
            Self::Analysis(id) => write!(f, "analysis:{id}"),
            Self::Challenge(id) => write!(f, "challenge:{id}"),
            Self::Company(id) => write!(f, "company:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::ApiKey(id) => write!(f, "key:{id}"),
        }
    }
}

/// An entry to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Id: a UUIDv7, by which entries of all chains are ordered.
    pub id: AuditEntryId,
    /// Its chain.
    pub chain: ChainOf,
    /// Time of the action.
    pub at: OffsetDateTime,
    /// Who did it.
    pub actor: Actor,
    /// From where; absent without a network.
    pub origin: Option<Origin>,
    /// What was done.
    pub action: AuditAction,
    /// On which object.
    pub object: Option<AuditObject>,
    /// Settings before the change.
    pub before: Facts,
    /// Settings after the change, or what else is to be known about the action.
    pub after: Facts,
}

impl NewEntry {
    /// The entry as it is stored in a chain, still without a place there.
    pub fn waiting(&self, chain: Chain) -> AuditEntry {
        let json = |facts: &Facts| (!facts.is_empty()).then(|| facts.clone().into_json());
        AuditEntry {
            id: self.id,
            chain,
            at: self.at,
            actor: self.actor.to_string(),
            origin: self.origin.map(|origin| origin.to_string()),
            action: self.action.name().to_owned(),
            object: self.object.map(|object| object.to_string()),
            before: json(&self.before),
            after: json(&self.after),
            place: None,
        }
    }
}

/// A stored entry. Its values are text as they are hashed, so that an entry that was tampered with
/// can still be read and reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Id.
    pub id: AuditEntryId,
    /// Its chain.
    pub chain: Chain,
    /// Time of the action.
    pub at: OffsetDateTime,
    /// Who did it, such as `user:0190…`.
    pub actor: String,
    /// From where.
    pub origin: Option<String>,
    /// What was done.
    pub action: String,
    /// On which object, such as `folder:0190…`.
    pub object: Option<String>,
    /// Settings before the change: a JSON object.
    pub before: Option<String>,
    /// Settings after the change, or further facts: a JSON object.
    pub after: Option<String>,
    /// Its place in the chain; absent for at most a second after the change.
    pub place: Option<Place>,
}

/// The place of an entry in its chain.
pub type Place = (u64, Hash);

/// Which entries to list; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this chain; absent: of all chains.
    pub chain: Option<Chain>,
    /// By this actor, such as `user:0190…`.
    pub actor: Option<String>,
    /// Of one of these actions; empty: of all.
    pub actions: Vec<AuditAction>,
    /// On this object, such as `folder:0190…`.
    pub object: Option<String>,
    /// At or after this time.
    pub from: Option<OffsetDateTime>,
    /// Before this time.
    pub before: Option<OffsetDateTime>,
}
