//! Passes over JSON text that build no values.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::JsonFault;

/// A limit that a JSON text exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonExcess {
    /// Its length in bytes.
    #[error("must have at most {0} bytes of JSON")]
    Bytes(usize),
    /// Its number of values.
    #[error("must have at most {0} JSON values")]
    Values(usize),
    /// Its nesting.
    #[error("must not nest deeper than {0} levels of JSON")]
    Depth(usize),
}

/// Refuses a text with more than `values` values or a nesting deeper than `depth`. The text need
/// not be valid: call this before anything that allocates or recurses. Names of fields count as
/// values.
pub fn check_size(text: &[u8], values: usize, depth: usize) -> Result<(), JsonExcess> {
    let (mut found, mut level, mut in_string, mut is_escaped) = (1usize, 0usize, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b',' | b':' => found += 1,
            b'[' | b'{' => {
                found += 1;
                level += 1;
            }
            b']' | b'}' => level = level.saturating_sub(1),
            _ => {}
        }
        if found > values {
            return Err(JsonExcess::Values(values));
        }
        if level > depth {
            return Err(JsonExcess::Depth(depth));
        }
    }
    Ok(())
}

/// Checks the syntax, and the escapes of all strings.
pub(super) fn check_syntax(text: &str) -> Result<(), JsonFault> {
    serde_json::from_str::<Passed>(text).map(drop).map_err(|_| JsonFault::Malformed)
}

/// Whether a string of a valid text contains NUL.
pub(super) fn has_nul(text: &str) -> bool {
    serde_json::from_str::<Passed>(text).is_ok_and(|passed| passed.has_nul)
}

/// Removes the white space between the tokens of a valid text.
pub(super) fn without_white_space(text: &str) -> String {
    let (mut in_string, mut is_escaped) = (false, false);
    let is_kept = |c: &char| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' => in_string = !in_string,
            ' ' | '\t' | '\n' | '\r' if !in_string => return false,
            _ => {}
        }
        true
    };
    let mut compact = String::with_capacity(text.len());
    compact.extend(text.chars().filter(is_kept));
    compact
}

/// JSON that was read and not kept.
#[derive(Default)]
struct Passed {
    has_nul: bool,
}

impl Passed {
    fn and(self, other: &Self) -> Self {
        Self { has_nul: self.has_nul || other.has_nul }
    }
}

impl<'de> Deserialize<'de> for Passed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PassedVisitor)
    }
}

struct PassedVisitor;

impl<'de> Visitor<'de> for PassedVisitor {
    type Value = Passed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Passed, E> {
        Ok(Passed::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Passed, E> {
        Ok(Passed::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Passed, E> {
        Ok(Passed::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Passed, E> {
        Ok(Passed::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Passed, E> {
        Ok(Passed::default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Passed, E> {
        Ok(Passed { has_nul: text.contains('\0') })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Passed, A::Error> {
        let mut all = Passed::default();
        while let Some(item) = items.next_element::<Passed>()? {
            all = all.and(&item);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Passed, A::Error> {
        let mut all = Passed::default();
        while let Some((name, field)) = fields.next_entry::<Passed, Passed>()? {
            all = all.and(&name).and(&field);
        }
        Ok(all)
    }
}

/// The raw text of a field at the top of an object; the last one, if it is repeated.
pub(super) fn field<'t>(text: &'t str, name: &str) -> Option<&'t RawValue> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    FieldOf(name).deserialize(&mut deserializer).ok().flatten()
}

struct FieldOf<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for FieldOf<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldOf<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            if name == self.0 {
                found = Some(fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The fields at the top of an object whose values are strings.
pub(super) fn top_strings(text: &str) -> Vec<(String, String)> {
    struct Strings;

    impl<'de> Visitor<'de> for Strings {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            let mut strings = Vec::new();
            while let Some((name, value)) = fields.next_entry::<String, &RawValue>()? {
                if let Ok(value) = serde_json::from_str::<String>(value.get()) {
                    strings.push((name, value));
                }
            }
            Ok(strings)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Strings).unwrap_or_default()
}
