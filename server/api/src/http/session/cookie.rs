//! The cookie with the refresh token.

use axum::http::{HeaderMap, header};
use cookie::time::{Duration, OffsetDateTime};
use cookie::{Cookie, SameSite};

use super::guard::Place;

/// Browsers accept a name with this prefix only from https, for exactly this host and all paths, so
/// that no other host can set it.
const SECURE_NAME: &str = "__Host-vultus_refresh";
const LOOPBACK_NAME: &str = "vultus_refresh";
/// The only path that reads it.
const REFRESH_PATH: &str = "/session/refresh";

fn name(place: Place) -> &'static str {
    match place {
        Place::Tls => SECURE_NAME,
        Place::Loopback => LOOPBACK_NAME,
    }
}

fn base(value: String, place: Place) -> Cookie<'static> {
    let (path, is_secure) = match place {
        Place::Tls => ("/", true),
        Place::Loopback => (REFRESH_PATH, false),
    };
    Cookie::build((name(place), value))
        .path(path)
        .secure(is_secure)
        .http_only(true)
        .same_site(SameSite::Strict)
        .build()
}

/// A cookie that holds a token until its expiry.
pub(super) fn holding(token: String, expires_at: OffsetDateTime, place: Place) -> String {
    let mut cookie = base(token, place);
    cookie.set_expires(expires_at);
    cookie.to_string()
}

/// A cookie that deletes the token.
pub(super) fn cleared(place: Place) -> String {
    let mut cookie = base(String::new(), place);
    cookie.set_max_age(Duration::ZERO);
    cookie.to_string()
}

/// The token in the cookie.
pub(super) fn read(headers: &HeaderMap, place: Place) -> Option<String> {
    value(headers, name(place))
}

/// The value of the cookie with this name.
pub(super) fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    for header in headers.get_all(header::COOKIE) {
        let Ok(text) = header.to_str() else { continue };
        for cookie in Cookie::split_parse(text).flatten() {
            if cookie.name() == name && !cookie.value().is_empty() {
                return Some(cookie.value().to_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn cookie_is_closed_to_scripts_and_other_sites() {
        let end = OffsetDateTime::UNIX_EPOCH;
        let secure = holding("vrt_x".to_owned(), end, Place::Tls);
        assert_eq!(
            secure,
            "__Host-vultus_refresh=vrt_x; HttpOnly; SameSite=Strict; Secure; Path=/; \
             Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
        let plain = cleared(Place::Loopback);
        assert_eq!(
            plain,
            "vultus_refresh=; HttpOnly; SameSite=Strict; Path=/session/refresh; Max-Age=0"
        );
    }

    #[test]
    fn only_the_name_of_the_place_is_read() {
        let mut headers = HeaderMap::new();
        let text = "a=b; vultus_refresh=plain; __Host-vultus_refresh=vrt_x";
        headers.insert(header::COOKIE, HeaderValue::from_static(text));
        assert_eq!(read(&headers, Place::Tls).as_deref(), Some("vrt_x"));
        assert_eq!(read(&headers, Place::Loopback).as_deref(), Some("plain"));
        assert_eq!(read(&HeaderMap::new(), Place::Tls), None);
    }
}
