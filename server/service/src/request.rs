//! Validates what clients send: tags, metadata, external ids, idempotency keys. Pure.

use crate::types::{ClientKey, UncheckedJson};
use vultus_core::folder::MAX_EXTERNAL_ID_BYTES;
use vultus_core::json::JsonExcess;
use vultus_core::{Error, JsonFault, JsonLimits, JsonText, Result, Tag, UserId};
use vultus_store::IdempotencyKey;

/// Maximum number of tags of one medium.
const MAX_TAGS: usize = 32;
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

/// A JSON object without NUL characters, such as metadata. Null is an empty object.
pub(crate) fn checked_object(
    json: Option<&UncheckedJson>,
    limits: &JsonLimits,
    argument: &str,
) -> Result<JsonText> {
    let Some(json) = json else { return Ok(JsonText::empty_object()) };
    let text = JsonText::parse(&json.0, limits).map_err(|fault| match fault {
        JsonFault::Excess(excess) => Error::LimitExceeded {
            argument: Some(argument.to_owned()),
            message: excess.to_string(),
            reason: Some(excess_reason(excess).to_owned()),
        },
        JsonFault::Malformed => Error::invalid(argument, fault.to_string()),
    })?;
    if text.has_nul() {
        return Err(Error::invalid(argument, "must not contain NUL characters"));
    }
    match text.as_str() {
        "null" => Ok(JsonText::empty_object()),
        _ if text.is_object() => Ok(text),
        _ => Err(Error::InvalidInput {
            argument: Some(argument.to_owned()),
            message: "must be an object".to_owned(),
            reason: Some("WRONG_TYPE".to_owned()),
        }),
    }
}

fn excess_reason(excess: JsonExcess) -> &'static str {
    match excess {
        JsonExcess::Bytes(_) => "TOO_MUCH_JSON",
        JsonExcess::Values(_) => "TOO_MANY_VALUES",
        JsonExcess::Depth(_) => "TOO_DEEP",
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
        const LIMITS: JsonLimits = JsonLimits { bytes: 100, values: 20, depth: 4 };
        let checked = |text: &str| {
            checked_object(Some(&UncheckedJson(text.into())), &LIMITS, "m")
                .map(|text| text.as_str().to_owned())
        };
        let reason = |text: &str| match checked(text) {
            Err(Error::LimitExceeded {
                argument: Some(argument), reason: Some(reason), ..
            }) => {
                assert_eq!(argument, "m");
                reason
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(checked("null").unwrap(), "{}");
        assert_eq!(checked_object(None, &LIMITS, "m").unwrap(), JsonText::empty_object());
        let operators = r#"{"$gt":"","a.b":1}"#;
        assert_eq!(checked(operators).unwrap(), operators, "operators in keys are plain data");
        for wrong in ["[1]", "5", r#"{"a":"b\u0000"}"#, "{", ""] {
            assert!(matches!(checked(wrong), Err(Error::InvalidInput { .. })), "{wrong}");
        }
        assert_eq!(reason(&format!(r#"{{"a":"{}"}}"#, "x".repeat(100))), "TOO_MUCH_JSON");
        assert_eq!(reason(&format!(r#"{{"a":[{}1]}}"#, "1,".repeat(20))), "TOO_MANY_VALUES");
        assert_eq!(reason(r#"{"a":[[[[]]]]}"#), "TOO_DEEP");
    }
}
