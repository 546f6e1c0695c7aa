//! Validates what clients send: tags, metadata, external ids, idempotency keys. Pure.

use crate::types::ClientKey;
use serde_json::{Map, Value};
use vultus_core::folder::MAX_EXTERNAL_ID_BYTES;
use vultus_core::{Error, Result, Tag, UserId};
use vultus_store::IdempotencyKey;

/// Maximum number of tags of one medium.
const MAX_TAGS: usize = 32;
/// Maximum nesting depth of metadata.
const MAX_METADATA_DEPTH: usize = 16;
/// Maximum length of an idempotency key, in bytes.
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// The tags of a medium, sorted, without duplicates.
pub(crate) fn checked_tags(tags: &[String], argument: &str) -> Result<Vec<Tag>> {
    if tags.len() > MAX_TAGS {
        return Err(Error::LimitExceeded {
            argument: Some(format!("{argument}.tags")),
            message: format!("a medium has at most {MAX_TAGS} tags"),
            reason: Some("TOO_MANY_TAGS".to_owned()),
        });
    }
    let mut parsed = Vec::with_capacity(tags.len());
    for (index, tag) in tags.iter().enumerate() {
        parsed.push(tag.parse::<Tag>().map_err(|error| Error::InvalidInput {
            argument: Some(format!("{argument}.tags[{index}]")),
            message: error.to_string(),
            reason: Some("UNKNOWN_TAG".to_owned()),
        })?);
    }
    parsed.sort();
    parsed.dedup();
    Ok(parsed)
}

/// Metadata: a JSON object without NUL characters. Null is an empty object.
pub(crate) fn checked_metadata(
    metadata: &Value,
    most_bytes: usize,
    argument: &str,
) -> Result<Value> {
    match metadata {
        Value::Null => return Ok(Value::Object(Map::new())),
        Value::Object(_) => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(Error::invalid(argument, "must be an object"));
        }
    }
    if metadata.to_string().len() > most_bytes {
        return Err(Error::LimitExceeded {
            argument: Some(argument.to_owned()),
            message: format!("must have at most {most_bytes} bytes of JSON"),
            reason: Some("TOO_MUCH_METADATA".to_owned()),
        });
    }
    if !is_plain(metadata, MAX_METADATA_DEPTH) {
        return Err(Error::invalid(
            argument,
            format!("must not contain NUL characters or nest deeper than {MAX_METADATA_DEPTH}"),
        ));
    }
    Ok(metadata.clone())
}

fn is_plain(value: &Value, depth: usize) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(items) => depth > 0 && items.iter().all(|item| is_plain(item, depth - 1)),
        Value::Object(object) => {
            depth > 0
                && object
                    .iter()
                    .all(|(name, value)| !name.contains('\0') && is_plain(value, depth - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Checks a client's external id of a folder.
pub(crate) fn checked_external_id(id: &str, argument: &str) -> Result<()> {
    if id.is_empty() || id.len() > MAX_EXTERNAL_ID_BYTES || id.chars().any(char::is_control) {
        return Err(Error::invalid(
            argument,
            format!("must have 1 to {MAX_EXTERNAL_ID_BYTES} bytes without control characters"),
        ));
    }
    Ok(())
}

/// The store's form of a client's idempotency key.
pub(crate) fn checked_key(
    key: Option<ClientKey>,
    user_id: UserId,
) -> Result<Option<IdempotencyKey>> {
    let Some(ClientKey { key, operation, fingerprint }) = key else { return Ok(None) };
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES || key.chars().any(char::is_control)
    {
        let message =
            format!("must have 1 to {MAX_IDEMPOTENCY_KEY_BYTES} bytes without control characters");
        return Err(Error::invalid("Idempotency-Key", message));
    }
    Ok(Some(IdempotencyKey { user_id, operation: operation.to_owned(), key, fingerprint }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_tag_is_rejected_with_its_path() {
        let tags = ["photo_selfie".to_owned(), "selfie".to_owned()];
        match checked_tags(&tags, "input.media[2]") {
            Err(Error::InvalidInput { argument, reason, .. }) => {
                assert_eq!(argument.as_deref(), Some("input.media[2].tags[1]"));
                assert_eq!(reason.as_deref(), Some("UNKNOWN_TAG"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn metadata_is_an_object_of_bounded_size_without_nul() {
        assert_eq!(checked_metadata(&Value::Null, 100, "m").unwrap(), json!({}));
        assert!(
            checked_metadata(&json!({"$gt": "", "a.b": 1}), 100, "m").is_ok(),
            "operators in keys are plain data"
        );
        assert!(checked_metadata(&json!([1]), 100, "m").is_err());
        assert!(checked_metadata(&json!({"a": "b\0"}), 100, "m").is_err());
        assert!(checked_metadata(&json!({"a": "x".repeat(100)}), 100, "m").is_err());
        let deep = (0..20).fold(json!(1), |inner, _| json!({ "a": inner }));
        assert!(checked_metadata(&deep, 1000, "m").is_err());
    }
}
