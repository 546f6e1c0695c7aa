//! Typed identifiers. All but one are UUIDv7. The caller supplies the value, because creating a
//! UUIDv7 needs a clock.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! typed_id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    )+};
}

typed_id! {
    /// A tenant.
    CompanyId,
    /// A person or a machine that logs in.
    UserId,
    /// A login: all refresh tokens that descend from it.
    SessionId,
    /// An API key of a service account.
    ApiKeyId,
    /// A folder.
    FolderId,
    /// A medium.
    MediaId,
    /// An analysis.
    AnalysisId,
    /// The analyses requested together.
    GroupId,
    /// The analyses of one group for one worker pool: the unit of work.
    RunId,
    /// A picture or file that an analysis produced.
    ArtifactId,
    /// An entry of the audit log.
    AuditEntryId,
    /// Gestures that were drawn; random, because it must not be guessed.
    ChallengeId,
}
