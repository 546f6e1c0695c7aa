//! The kinds of values that keys take: how a value is read, checked, and described in the example
//! file.

use secrecy::SecretString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;

/// How the values of a key are read.
pub(super) trait Kind {
    /// The type of the field in the code.
    type Value;

    /// Reads a value of the file; the error says what it must be.
    fn read(&self, given: &Value) -> Result<Self::Value, String>;

    /// The TOML value that the text of an environment variable stands for.
    fn parse_variable(&self, text: &str) -> Value {
        Value::String(text.to_owned())
    }

    /// The value as `vultus config print` shows it; `None`: not at all.
    fn shown(&self, given: Value) -> Option<Value> {
        Some(given)
    }

    /// Whether an empty text unsets a key that has no default.
    fn empty_unsets(&self) -> bool {
        true
    }

    /// The permitted values in one line of the example file.
    fn bounds(&self) -> Option<String> {
        None
    }

    /// The environment variable of a key that no file may hold.
    fn secret_variable(&self) -> Option<&'static str> {
        None
    }
}

/// A whole number within bounds, as `T`.
pub(super) struct Whole<T> {
    bounds: RangeInclusive<i64>,
    make: fn(u64) -> Option<T>,
}

/// A whole number.
pub(super) fn whole<T: TryFrom<u64>>(bounds: RangeInclusive<i64>) -> Whole<T> {
    Whole { bounds, make: |number| T::try_from(number).ok() }
}

/// A duration in whole seconds.
pub(super) fn seconds(bounds: RangeInclusive<i64>) -> Whole<Duration> {
    Whole { bounds, make: |number| Some(Duration::from_secs(number)) }
}

/// A duration in whole milliseconds.
pub(super) fn milliseconds(bounds: RangeInclusive<i64>) -> Whole<Duration> {
    Whole { bounds, make: |number| Some(Duration::from_millis(number)) }
}

impl<T> Kind for Whole<T> {
    type Value = T;

    fn read(&self, given: &Value) -> Result<T, String> {
        let number = given.as_integer().filter(|number| self.bounds.contains(number));
        let number = number.and_then(|number| (self.make)(u64::try_from(number).ok()?));
        number.ok_or_else(|| {
            format!("must be a whole number from {} to {}", self.bounds.start(), self.bounds.end())
        })
    }

    fn parse_variable(&self, text: &str) -> Value {
        text.trim().parse().map_or_else(|_| Value::from(text), Value::Integer)
    }

    fn bounds(&self) -> Option<String> {
        Some(format!("From {} to {}.", self.bounds.start(), self.bounds.end()))
    }
}

/// A number within bounds.
pub(super) struct Number {
    bounds: RangeInclusive<f64>,
}

/// A number, whole or not.
pub(super) fn number(bounds: RangeInclusive<f64>) -> Number {
    Number { bounds }
}

impl Kind for Number {
    type Value = f64;

    fn read(&self, given: &Value) -> Result<f64, String> {
        let number = given.as_float().or_else(|| given.as_integer().map(|whole| whole as f64));
        number.filter(|number| self.bounds.contains(number)).ok_or_else(|| {
            format!("must be a number from {} to {}", self.bounds.start(), self.bounds.end())
        })
    }

    fn parse_variable(&self, text: &str) -> Value {
        text.trim().parse().map_or_else(|_| Value::from(text), Value::Float)
    }

    fn shown(&self, given: Value) -> Option<Value> {
        Some(given.as_integer().map_or(given, |whole| Value::Float(whole as f64)))
    }

    fn bounds(&self) -> Option<String> {
        Some(format!("From {} to {}.", self.bounds.start(), self.bounds.end()))
    }
}

/// True or false.
pub(super) struct Flag;

/// True or false.
pub(super) fn flag() -> Flag {
    Flag
}

impl Kind for Flag {
    type Value = bool;

    fn read(&self, given: &Value) -> Result<bool, String> {
        given.as_bool().ok_or_else(|| "must be true or false".to_owned())
    }

    fn parse_variable(&self, text: &str) -> Value {
        text.trim().parse().map_or_else(|_| Value::from(text), Value::Boolean)
    }

    fn bounds(&self) -> Option<String> {
        Some("True or false.".to_owned())
    }
}

/// One of several words.
pub(super) struct Choice<T: 'static> {
    words: &'static [(&'static str, T)],
}

/// One of these words, each with the value that it stands for.
pub(super) fn choice<T>(words: &'static [(&'static str, T)]) -> Choice<T> {
    Choice { words }
}

impl<T> Choice<T> {
    fn list(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|(word, _)| *word).collect();
        words.join(", ")
    }
}

impl<T: Copy> Kind for Choice<T> {
    type Value = T;

    fn read(&self, given: &Value) -> Result<T, String> {
        let chosen = self.words.iter().find(|(word, _)| given.as_str() == Some(word));
        chosen.map(|(_, value)| *value).ok_or_else(|| format!("must be one of {}", self.list()))
    }

    fn bounds(&self) -> Option<String> {
        Some(format!("One of: {}", self.list()))
    }
}

/// A text that is parsed to `T`.
pub(super) struct Parsed<T> {
    parse: fn(&str) -> Result<T, String>,
    shown: fn(&str) -> String,
}

/// A text; the error of `parse` says what it must be.
pub(super) fn text<T>(parse: fn(&str) -> Result<T, String>) -> Parsed<T> {
    Parsed { parse, shown: str::to_owned }
}

/// The path of a file or a folder.
pub(super) fn path() -> Parsed<PathBuf> {
    text(|path| match path {
        "" => Err("must be a path".to_owned()),
        path => Ok(path.into()),
    })
}

impl<T> Parsed<T> {
    /// What of it may be shown.
    pub(super) fn shown_by(self, shown: fn(&str) -> String) -> Self {
        Self { shown, ..self }
    }
}

impl<T> Kind for Parsed<T> {
    type Value = T;

    fn read(&self, given: &Value) -> Result<T, String> {
        (self.parse)(given.as_str().ok_or("must be text")?)
    }

    fn shown(&self, given: Value) -> Option<Value> {
        given.as_str().map(|text| Value::String((self.shown)(text)))
    }
}

/// A secret: read from one environment variable, refused in a file, and never shown.
pub(super) struct Secret {
    variable: &'static str,
}

/// The secret in this variable.
pub(super) fn secret(variable: &'static str) -> Secret {
    Secret { variable }
}

impl Kind for Secret {
    type Value = SecretString;

    fn read(&self, given: &Value) -> Result<SecretString, String> {
        Ok(SecretString::from(given.as_str().ok_or("must be text")?.trim()))
    }

    fn shown(&self, _given: Value) -> Option<Value> {
        None
    }

    fn empty_unsets(&self) -> bool {
        false
    }

    fn secret_variable(&self) -> Option<&'static str> {
        Some(self.variable)
    }
}
