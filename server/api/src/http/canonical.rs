//! Variables as text that does not depend on the order of fields and on white space: equal requests
//! have equal fingerprints, however their clients write them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use async_graphql::{Value, Variables};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use vultus_core::{Error, Result};
use vultus_service::UploadedFile;

use crate::graphql::PreparedRequest;

/// The text of variables.
fn text(variables: &Variables) -> Result<String> {
    let mut text = String::new();
    let fields = variables.iter().map(|(name, value)| (name.as_str(), value));
    object(fields.collect(), &mut text, value)
        .map_err(|error| Error::internal("writing variables", error))?;
    Ok(text)
}

fn value(of: &Value, text: &mut String) -> serde_json::Result<()> {
    match of {
        Value::Null => text.push_str("null"),
        Value::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => text.push_str(&serde_json::to_string(string)?),
        Value::Enum(name) => text.push_str(&serde_json::to_string(name.as_str())?),
        Value::List(items) => list(items.iter(), text, value)?,
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.as_str(), field));
            object(fields.collect(), text, value)?;
        }
        Value::Binary(json) => raw(serde_json::from_slice(json)?, text)?,
    }
    Ok(())
}

/// JSON text. The recursion is bounded by the nesting of bodies, which is limited.
fn raw(json: &RawValue, text: &mut String) -> serde_json::Result<()> {
    match json.get().as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json.get())?;
            let fields = fields.iter().map(|(name, field)| (name.as_ref(), *field));
            object(fields.collect(), text, raw)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json.get())?;
            list(items.into_iter(), text, raw)
        }
        Some(b'"') => {
            let string: Cow<'_, str> = serde_json::from_str(json.get())?;
            text.push_str(&serde_json::to_string(&string)?);
            Ok(())
        }
        _ => {
            text.push_str(json.get());
            Ok(())
        }
    }
}

fn object<'v, V: ?Sized>(
    fields: BTreeMap<&str, &'v V>,
    text: &mut String,
    write: impl Fn(&'v V, &mut String) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    text.push('{');
    for (at, (name, field)) in fields.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(name)?);
        text.push(':');
        write(field, text)?;
    }
    text.push('}');
    Ok(())
}

fn list<'v, V: ?Sized + 'v>(
    items: impl Iterator<Item = &'v V>,
    text: &mut String,
    write: impl Fn(&'v V, &mut String) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    text.push('[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            text.push(',');
        }
        write(item, text)?;
    }
    text.push(']');
    Ok(())
}

/// Hash of the operation, the declared variables (with markers for files) and the files' hashes.
/// The raw body is not hashed, since its boundary and part names differ between attempts.
pub(super) fn fingerprint(request: &PreparedRequest, files: &[UploadedFile]) -> Result<String> {
    let variables = text(&request.variables)?;
    let name = request.operation_name.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    let texts = [request.query.as_str(), name, variables.as_str()];
    for part in texts.into_iter().chain(files.iter().map(|file| file.sha256())) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::Name;

    fn of(json: &'static str) -> String {
        let mut variables = Variables::default();
        variables.insert(Name::new("v"), Value::Binary(json.into()));
        text(&variables).unwrap()
    }

    #[test]
    fn order_of_fields_and_white_space_do_not_matter() {
        let expected = r#"{"v":{"a":[1.50,{"c":"é","d":null}],"b":12345678901234567890123}}"#;
        assert_eq!(of(r#"{"b":12345678901234567890123,"a":[1.50,{"d":null,"c":"é"}]}"#), expected);
        let spaced = r#"{ "a": [1.50, {"c": "\u00e9", "d": null}], "b": 12345678901234567890123 }"#;
        assert_eq!(of(spaced), expected);
        assert_ne!(of("[1,2]"), of("[2,1]"));
        assert_ne!(of("12345678901234567890123"), of("12345678901234567890124"));
    }
}
