//! Raw values: the file and the environment merged over the defaults, checked key by key against
//! the table.

use super::keys::{KEYS, Key, Kind};
use secrecy::SecretString;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key or the variable.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Checked values by path, and what is said about analyzers.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// By dotted path.
    pub(super) scalars: BTreeMap<&'static str, Value>,
    /// `analyzers.NAME.params|settings`, by name and field.
    pub(super) analyzers: BTreeMap<String, BTreeMap<String, Table>>,
    /// The master key, from the environment alone: what is in no file and is never printed.
    pub(super) master_key: Option<SecretString>,
    /// The secret key of the bucket; the same goes for it.
    pub(super) s3_secret_key: Option<SecretString>,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
}

/// The variable with the master key.
const MASTER_KEY: &str = "VULTUS_MASTER_KEY";
/// The variable with the secret key of the bucket.
const S3_SECRET_KEY: &str = "VULTUS_S3_SECRET_KEY";

impl Values {
    /// Merges and checks. The result has a value for each key with a default, even where problems
    /// were found.
    pub(super) fn read(text: &str, environment: &BTreeMap<String, String>) -> Self {
        let mut values = Self::default();
        for key in KEYS {
            if let Some(value) = key.default.and_then(parse_inline) {
                values.scalars.insert(key.path, value);
            }
        }
        match text.parse::<Table>() {
            Ok(table) => values.read_table("", &table),
            Err(error) => values.problem("file", error.to_string().trim_end()),
        }
        for (variable, text) in environment {
            values.read_variable(variable, text);
        }
        values
    }

    pub(super) fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { place: place.into(), message: message.into() });
    }

    fn read_table(&mut self, prefix: &str, table: &Table) {
        for (name, value) in table {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            if let Some(key) = KEYS.iter().find(|key| key.path == path) {
                self.set(key, &path, value.clone());
            } else if path == "analyzers" {
                self.read_analyzers(value);
            } else if let (Value::Table(inner), true) = (value, is_section(&path)) {
                self.read_table(&path, inner);
            } else {
                self.problem(path, "unknown key");
            }
        }
    }

    fn read_analyzers(&mut self, value: &Value) {
        let Value::Table(analyzers) = value else {
            return self.problem("analyzers", "must be a table");
        };
        for (name, fields) in analyzers {
            let Value::Table(fields) = fields else {
                self.problem(format!("analyzers.{name}"), "must be a table");
                continue;
            };
            for (field, value) in fields {
                self.set_analyzer(name, field, &format!("analyzers.{name}.{field}"), value);
            }
        }
    }

    fn set_analyzer(&mut self, name: &str, field: &str, place: &str, value: &Value) {
        match (field, value) {
            ("params" | "settings", Value::Table(table)) => {
                self.analyzers
                    .entry(name.to_owned())
                    .or_default()
                    .insert(field.to_owned(), table.clone());
            }
            ("params" | "settings", _) => self.problem(place, "must be a table"),
            _ => self.problem(place, "unknown key"),
        }
    }

    fn read_variable(&mut self, variable: &str, text: &str) {
        if let Some(key) = KEYS.iter().find(|key| key.variable() == variable) {
            let value = match key.kind {
                Kind::Text | Kind::Choice(_) => Some(Value::String(text.to_owned())),
                Kind::Integer(..) => text.trim().parse().ok().map(Value::Integer),
                Kind::Number(..) => text.trim().parse().ok().map(Value::Float),
            };
            match value {
                Some(value) => self.set(key, variable, value),
                None => self.problem(variable, "must be a number"),
            }
        } else if variable == MASTER_KEY {
            self.master_key = Some(SecretString::from(text.trim()));
        } else if variable == S3_SECRET_KEY {
            self.s3_secret_key = Some(SecretString::from(text.trim()));
        } else if let Some((name, field)) =
            variable.strip_prefix("VULTUS_ANALYZERS_").and_then(|rest| rest.rsplit_once('_'))
        {
            match parse_inline(text) {
                Some(value) => {
                    self.set_analyzer(&name.to_lowercase(), &field.to_lowercase(), variable, &value)
                }
                None => {
                    self.problem(variable, "must be an inline table, such as { acceptBelow = 0.4 }")
                }
            }
        } else {
            self.problem(variable, "unknown variable");
        }
    }

    fn set(&mut self, key: &Key, place: &str, value: Value) {
        let value = match (key.kind, value) {
            // A whole number is a number, too.
            (Kind::Number(..), Value::Integer(whole)) => Value::Float(whole as f64),
            (_, value) => value,
        };
        match complaint(key.kind, &value) {
            None => {
                self.scalars.insert(key.path, value);
            }
            Some(message) => self.problem(place, message),
        }
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.scalars.get(path).and_then(Value::as_str)
    }

    pub(super) fn integer(&self, path: &str) -> u64 {
        self.scalars
            .get(path)
            .and_then(Value::as_integer)
            .and_then(|value| u64::try_from(value).ok())
            .unwrap_or_default()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        usize::try_from(self.integer(path)).unwrap_or(usize::MAX)
    }
}

fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn complaint(kind: Kind, value: &Value) -> Option<String> {
    match (kind, value) {
        (Kind::Text, Value::String(_)) => None,
        (Kind::Choice(words), Value::String(word)) if words.contains(&word.as_str()) => None,
        (Kind::Integer(least, most), Value::Integer(number)) if (least..=most).contains(number) => {
            None
        }
        (Kind::Number(least, most), Value::Float(number)) if (least..=most).contains(number) => {
            None
        }
        (Kind::Text, _) => Some("must be text".to_owned()),
        (Kind::Choice(words), _) => Some(format!("must be one of {}", words.join(", "))),
        (Kind::Integer(least, most), _) => {
            Some(format!("must be a whole number from {least} to {most}"))
        }
        (Kind::Number(least, most), _) => Some(format!("must be a number from {least} to {most}")),
    }
}

fn parse_inline(text: &str) -> Option<Value> {
    format!("value = {text}").parse::<Table>().ok()?.remove("value")
}
