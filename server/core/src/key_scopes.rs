//! Scopes of API keys: what a key is limited to, within the rights of its account.

use std::fmt;
use std::str::FromStr;

macro_rules! key_scopes {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)+) => {
        /// A group of actions that a key permits.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum KeyScope {
            $($(#[$meta])* $name,)+
        }

        impl KeyScope {
            /// All scopes.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name of the scope, such as `folders:read`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

key_scopes! {
    /// Read folders, media, analyses and artifacts.
    FoldersRead = "folders:read";
    /// Create and change folders, and add media.
    FoldersWrite = "folders:write";
    /// Delete folders and media.
    FoldersDelete = "folders:delete";
    /// Start and cancel analyses, and run instant checks.
    AnalysesStart = "analyses:start";
    /// Read companies and their policies.
    CompaniesRead = "companies:read";
    /// Create, change, suspend and delete companies, and change their policies.
    CompaniesWrite = "companies:write";
    /// Read users.
    UsersRead = "users:read";
    /// Create, change, disable and delete users.
    UsersWrite = "users:write";
    /// Read which cases wait for a decision, and figures of decisions.
    DecisionsRead = "decisions:read";
    /// Decide cases, and undo own decisions.
    DecisionsWrite = "decisions:write";
    /// Undo decisions of others, and release cases that others have claimed.
    DecisionsManage = "decisions:manage";
    /// Read the audit log.
    AuditRead = "audit:read";
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No scope has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no scope has this name")]
pub struct UnknownScope;

impl FromStr for KeyScope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.iter().copied().find(|scope| scope.name() == text).ok_or(UnknownScope)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyScopes(u32);

impl KeyScopes {
    /// No scope.
    pub const NONE: Self = Self(0);
    /// All scopes, also those of later versions.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether the set has this scope.
    pub const fn contains(self, scope: KeyScope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// The scopes of the set.
    pub fn iter(self) -> impl Iterator<Item = KeyScope> {
        KeyScope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<KeyScope> for KeyScopes {
    fn from_iter<T: IntoIterator<Item = KeyScope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | bit(scope)))
    }
}

const fn bit(scope: KeyScope) -> u32 {
    1 << scope as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_by_their_names() {
        for &scope in KeyScope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert_eq!("folders:*".parse::<KeyScope>(), Err(UnknownScope));
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let set: KeyScopes = [KeyScope::FoldersRead, KeyScope::UsersWrite].into_iter().collect();
        assert!(set.contains(KeyScope::UsersWrite) && !set.contains(KeyScope::FoldersWrite));
        assert_eq!(set.iter().collect::<Vec<_>>(), [KeyScope::FoldersRead, KeyScope::UsersWrite]);
        assert!(KeyScope::ALL.iter().all(|scope| KeyScopes::ALL.contains(*scope)));
        assert_eq!(KeyScopes::NONE.iter().count(), 0);
    }
}
