//! Reads the file and the environment section by section: each key is taken out of both, checked
//! and described; what is left over at the end is unknown and refused.

use super::kinds::Kind;
use super::problem::Problem;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// A part of the configuration: a table of the file. `section!` writes the implementation.
pub(super) trait Section: Sized {
    /// Reads the table at `at` (`""`, or a path that ends with a dot), and the variables of its
    /// keys. After a problem the field holds its default, so that reading can continue.
    fn read(at: &str, table: Table, source: &mut Source) -> Self;
}

/// Name, default and meaning of a key, as the declaration gives them.
pub(super) struct Declared {
    pub(super) name: &'static str,
    /// The lines of the doc comment.
    pub(super) meaning: &'static [&'static str],
}

/// One entry of the example file.
#[derive(Debug)]
pub(super) enum Entry {
    /// The heading of a section, by its path.
    Heading(String),
    /// A key.
    Key(Key),
    /// Free text.
    Text(&'static str),
}

/// A key as the example file shows it.
#[derive(Debug)]
pub(super) struct Key {
    /// Name within its section.
    pub(super) name: &'static str,
    /// The variable that sets it.
    pub(super) variable: String,
    /// Absent: unset.
    pub(super) default: Option<Value>,
    /// Lines of the meaning, and the permitted values.
    pub(super) meaning: Vec<String>,
    /// No file may hold it.
    pub(super) is_secret: bool,
}

/// What the configuration is read from, and what was found on the way.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The variables that no key has taken yet.
    environment: BTreeMap<String, String>,
    /// The values that apply, by path; without secrets.
    pub(super) effective: BTreeMap<String, Value>,
    /// All keys, in the order of the example file.
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
}

/// The prefix of all variables.
const PREFIX: &str = "VULTUS_";

impl Source {
    /// Reads the whole configuration.
    pub(super) fn read<S: Section>(
        text: &str,
        environment: &BTreeMap<String, String>,
    ) -> (S, Self) {
        let mut source = Self { environment: environment.clone(), ..Self::default() };
        let table = text.parse::<Table>().unwrap_or_else(|error| {
            source.problem("file", error.to_string().trim_end());
            Table::new()
        });
        let read = S::read("", table, &mut source);
        for variable in std::mem::take(&mut source.environment).into_keys() {
            source.problem(variable, "unknown variable");
        }
        (read, source)
    }

    pub(super) fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), message: message.into() });
    }

    /// Reads a key that has a default.
    pub(super) fn required<K: Kind>(
        &mut self,
        at: &str,
        key: &Declared,
        table: &mut Table,
        kind: &K,
        default: Value,
    ) -> K::Value {
        self.describe(at, key, kind, Some(default.clone()));
        match self.take(at, key.name, table, kind) {
            Some(value) => value,
            None => {
                let value = kind.read(&default);
                self.effective.extend(kind.shown(default).map(|value| (path(at, key.name), value)));
                value.expect("the default of a key is valid: a test reads all of them")
            }
        }
    }

    /// Reads a key that may be unset.
    pub(super) fn optional<K: Kind>(
        &mut self,
        at: &str,
        key: &Declared,
        table: &mut Table,
        kind: &K,
    ) -> Option<K::Value> {
        self.describe(at, key, kind, None);
        if kind.empty_unsets() {
            table.retain(|name, value| name != key.name || value.as_str() != Some(""));
            let variable = variable(at, key.name);
            self.environment.retain(|name, text| *name != variable || !text.is_empty());
        }
        self.take(at, key.name, table, kind)
    }

    /// Reads a section of `table`.
    pub(super) fn section<S: Section>(&mut self, at: &str, name: &str, table: &mut Table) -> S {
        let inner = match table.remove(name) {
            None => Table::new(),
            Some(Value::Table(inner)) => inner,
            Some(_) => {
                self.problem(path(at, name), "must be a table");
                Table::new()
            }
        };
        S::read(&format!("{at}{name}."), inner, self)
    }

    /// Reports the keys of a section that were not taken.
    pub(super) fn refuse_rest(&mut self, at: &str, table: Table) {
        for (name, _) in table {
            self.problem(path(at, &name), "unknown key");
        }
    }

    /// Takes the variables that begin with `prefix` after `VULTUS_`, with the rest of their names.
    pub(super) fn take_variables(&mut self, prefix: &str) -> Vec<(String, String, String)> {
        let prefix = format!("{PREFIX}{prefix}");
        let taken = self.environment.extract_if(.., |name, _| name.starts_with(&prefix));
        taken.map(|(name, text)| (name[prefix.len()..].to_owned(), name, text)).collect()
    }

    /// The value of a key: the variable's, or else the file's. Both are checked.
    fn take<K: Kind>(
        &mut self,
        at: &str,
        name: &str,
        table: &mut Table,
        kind: &K,
    ) -> Option<K::Value> {
        let variable = kind.secret_variable().map_or_else(|| variable(at, name), str::to_owned);
        let mut found = None;
        if let Some(given) = table.remove(name) {
            found = match kind.secret_variable() {
                Some(_) => {
                    let message = format!("is a secret: set the variable {variable} instead");
                    self.problem(path(at, name), message);
                    None
                }
                None => self.check(at, name, &path(at, name), kind, given),
            };
        }
        if let Some(text) = self.environment.remove(&variable) {
            let given = kind.parse_variable(&text);
            found = self.check(at, name, &variable, kind, given).or(found);
        }
        found
    }

    fn check<K: Kind>(
        &mut self,
        at: &str,
        name: &str,
        place: &str,
        kind: &K,
        given: Value,
    ) -> Option<K::Value> {
        match kind.read(&given) {
            Ok(value) => {
                self.effective.extend(kind.shown(given).map(|value| (path(at, name), value)));
                Some(value)
            }
            Err(message) => {
                self.problem(place, message);
                None
            }
        }
    }

    fn describe<K: Kind>(&mut self, at: &str, key: &Declared, kind: &K, default: Option<Value>) {
        let mut meaning: Vec<String> =
            key.meaning.iter().map(|line| line.trim().to_owned()).collect();
        meaning.extend(kind.bounds());
        let secret = kind.secret_variable();
        self.entries.push(Entry::Key(Key {
            name: key.name,
            variable: secret.map_or_else(|| variable(at, key.name), str::to_owned),
            default,
            meaning,
            is_secret: secret.is_some(),
        }));
    }
}

fn path(at: &str, name: &str) -> String {
    format!("{at}{name}")
}

/// The variable of a key: `VULTUS_TOKENS_ACCESS_SECONDS`.
fn variable(at: &str, name: &str) -> String {
    format!("{PREFIX}{}", path(at, name).replace('.', "_").to_uppercase())
}

/// Declares a section: for each key the doc comment (its meaning, with the unit; the example file
/// shows it), the type of the field, the default (absent: unset, and the field an `Option`), and
/// the kind of its values. Sections within it follow under `sections`.
macro_rules! section {
    (
        $(#[$attribute:meta])*
        pub struct $section:ident {
            $($(#[doc = $meaning:literal])+ $key:ident: $type:ty $(= $default:expr)?, $kind:expr;)*
            $(sections {
                $($(#[doc = $about:literal])+ $inner:ident: $inner_type:ty,)+
            })?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone)]
        pub struct $section {
            $($(#[doc = $meaning])+ pub $key: $type,)*
            $($($(#[doc = $about])+ pub $inner: $inner_type,)+)?
        }

        impl $crate::config::source::Section for $section {
            fn read(
                at: &str,
                mut table: toml::Table,
                source: &mut $crate::config::source::Source,
            ) -> Self {
                use $crate::config::source::{Declared, Entry};
                if !at.is_empty() {
                    source.entries.push(Entry::Heading(at.trim_end_matches('.').to_owned()));
                }
                let read = Self {
                    $($key: {
                        let key = Declared {
                            name: stringify!($key),
                            meaning: &[$($meaning),+],
                        };
                        section!(@read source, at, key, table, $kind $(, $default)?)
                    },)*
                    $($($inner: source.section(at, stringify!($inner), &mut table),)+)?
                };
                source.refuse_rest(at, table);
                read
            }
        }
    };
    (@read $source:ident, $at:ident, $key:ident, $table:ident, $kind:expr) => {
        $source.optional($at, &$key, &mut $table, &$kind)
    };
    (@read $source:ident, $at:ident, $key:ident, $table:ident, $kind:expr, $default:expr) => {
        $source.required($at, &$key, &mut $table, &$kind, toml::Value::from($default))
    };
}
pub(super) use section;
