//! What the headers of a request say about its body.

use axum::http::{HeaderMap, header};

/// The type of a request's body.
pub(super) enum ContentType {
    Json,
    Multipart(String),
    Other,
}

impl ContentType {
    /// Does not accept text/plain and forms, which pages of other origins can send without a
    /// preflight request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(text) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
        else {
            return Self::Other;
        };
        let essence = text.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            return Self::Json;
        }
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            return Self::Other;
        }
        boundary(text).map_or(Self::Other, Self::Multipart)
    }
}

/// Whether the body is compressed.
pub(super) fn has_encoding(headers: &HeaderMap) -> bool {
    let is_plain = |text: &str| text.trim().eq_ignore_ascii_case("identity");
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    !encodings.all(|value| value.to_str().is_ok_and(is_plain))
}

/// The boundary of a multipart type, quoted or not. Clients send characters such as `/` without the
/// quotes that they need (RFC 2046, 5.1.1).
fn boundary(content_type: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value
                .split_once(';')
                .map_or((value.trim_end(), ""), |(value, after)| (value.trim_end(), after)),
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case("boundary") {
            let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            let fits = (1..=70).contains(&value.len()) && !value.ends_with(' ');
            return (plain && fits).then(|| value.to_owned());
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_read_quoted_and_unquoted() {
        for (given, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("multipart/form-data; boundary=a/b=c+d?e:f", Some("a/b=c+d?e:f")),
            ("multipart/form-data; charset=utf-8; Boundary=\"a b/c\"; x=y", Some("a b/c")),
            ("multipart/form-data;boundary=abc ; charset=utf-8", Some("abc")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"open", None),
        ] {
            assert_eq!(boundary(given).as_deref(), expected, "{given}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert_eq!(boundary(&long), None);
    }
}
