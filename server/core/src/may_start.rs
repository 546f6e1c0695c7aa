//! Which analyses a user may start.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The types of analyses that a user may start, within what the role permits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Option<Vec<String>>", into = "Option<Vec<String>>")]
pub enum MayStart {
    /// Every type, also of plugins that are added later.
    #[default]
    Every,
    /// These types, in ascending order.
    Only(Arc<[String]>),
}

impl MayStart {
    /// Exactly these types.
    pub fn only(mut types: Vec<String>) -> Self {
        types.sort();
        types.dedup();
        Self::Only(types.into())
    }

    /// Whether analyses of this type may be started.
    pub fn allows(&self, kind: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(types) => types.iter().any(|allowed| allowed == kind),
        }
    }

    /// Whether this permits all that the other permits.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every, _) => true,
            (Self::Only(_), Self::Every) => false,
            (Self::Only(_), Self::Only(types)) => types.iter().all(|kind| self.allows(kind)),
        }
    }

    /// The types; `None` if every type may be started.
    pub fn types(&self) -> Option<&[String]> {
        match self {
            Self::Every => None,
            Self::Only(types) => Some(types),
        }
    }
}

impl From<Option<Vec<String>>> for MayStart {
    fn from(types: Option<Vec<String>>) -> Self {
        types.map_or(Self::Every, Self::only)
    }
}

impl From<MayStart> for Option<Vec<String>> {
    fn from(may_start: MayStart) -> Self {
        may_start.types().map(<[String]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::MayStart;

    #[test]
    fn listed_types_may_be_started_and_granted() {
        let only = |types: &[&str]| MayStart::only(types.iter().map(ToString::to_string).collect());
        let some = only(&["quality", "liveness", "quality"]);
        assert_eq!(some.types().unwrap(), ["liveness", "quality"]);
        assert!(some.allows("liveness") && !some.allows("document"));
        assert!(MayStart::Every.allows("document") && MayStart::Every.covers(&some));
        assert!(some.covers(&some) && some.covers(&only(&[])) && some.covers(&only(&["quality"])));
        assert!(!some.covers(&MayStart::Every) && !some.covers(&only(&["document"])));
    }
}
