//! Who may use the cookie: pages of this server's own origin, with a header that other pages cannot
//! send, over TLS or on this machine.

use axum::http::{HeaderMap, Uri, header};
use url::Url;
use vultus_core::{Error, Result};

use crate::http::credentials::has_custom_header;

/// Where the page and the server are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A proxy before the server speaks TLS: `public_url` is https.
    Tls,
    /// Both are on this machine.
    Loopback,
}

/// Admits a request, or says why not.
pub(super) fn admit(headers: &HeaderMap, public_url: Option<&Url>) -> Result<Place> {
    let (place, own) = place(headers, public_url)?;
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    if origin.is_none_or(|origin| !origin.eq_ignore_ascii_case(&own)) {
        return Err(Error::Forbidden(
            "sessions with cookies are for pages of this server's own origin".to_owned(),
        ));
    }
    if !has_custom_header(headers) {
        return Err(Error::InvalidInput {
            argument: None,
            message: "send a header that foreign pages cannot send: `X-Requested-With: vultus`"
                .to_owned(),
            reason: Some("PREFLIGHT_HEADER_MISSING".to_owned()),
        });
    }
    Ok(place)
}

/// Where page and server are, and the origin of the server.
pub(super) fn place(headers: &HeaderMap, public_url: Option<&Url>) -> Result<(Place, String)> {
    match public_url.filter(|url| url.scheme() == "https") {
        Some(url) => Ok((Place::Tls, url.origin().ascii_serialization())),
        None => Ok((Place::Loopback, loopback_origin(headers)?)),
    }
}

/// The origin of a server that is reached by a name or address of this machine.
fn loopback_origin(headers: &HeaderMap) -> Result<String> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let uri: Option<Uri> = format!("http://{host}/").parse().ok();
    let is_loopback = uri.as_ref().and_then(Uri::host).is_some_and(|name| {
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let address = address.parse::<std::net::IpAddr>();
        name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
    });
    if is_loopback {
        return Ok(format!("http://{host}"));
    }
    Err(Error::InvalidInput {
        argument: None,
        message: "sessions with cookies need TLS: set public_url to the https address of the proxy"
            .to_owned(),
        reason: Some("TLS_REQUIRED".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-requested-with", HeaderValue::from_static("vultus"));
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_pages_of_the_own_origin_are_admitted() {
        let url = Url::parse("https://vultus.example/").unwrap();
        let with = |origin| headers(&[("host", "vultus.example"), ("origin", origin)]);
        let admitted = admit(&with("https://vultus.example"), Some(&url));
        assert_eq!(admitted.unwrap(), Place::Tls);
        for foreign in [
            "https://evil.example",
            "http://vultus.example",
            "https://vultus.example:8443",
            "https://console.vultus.example",
            "null",
        ] {
            let refused = admit(&with(foreign), Some(&url));
            assert!(matches!(refused, Err(Error::Forbidden(_))), "{foreign}");
        }
        let absent = headers(&[("host", "vultus.example")]);
        assert!(matches!(admit(&absent, Some(&url)), Err(Error::Forbidden(_))));
    }

    #[test]
    fn without_tls_only_this_machine_is_admitted() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
            let mut headers = headers(&[]);
            headers.insert("host", HeaderValue::from_str(host).unwrap());
            let origin = HeaderValue::from_str(&format!("http://{host}")).unwrap();
            headers.insert("origin", origin);
            assert_eq!(admit(&headers, None).unwrap(), Place::Loopback, "{host}");
        }
        for host in ["vultus.example", "localhost.evil.example", "10.0.0.1", ""] {
            let mut headers = headers(&[("origin", "http://vultus.example")]);
            headers.insert("host", HeaderValue::from_str(host).unwrap());
            let refused = admit(&headers, None);
            assert!(
                matches!(&refused, Err(Error::InvalidInput { reason: Some(code), .. })
                    if code == "TLS_REQUIRED"),
                "{host}"
            );
        }
    }

    #[test]
    fn header_that_needs_a_preflight_is_required() {
        let mut headers = headers(&[("host", "localhost"), ("origin", "http://localhost")]);
        assert!(admit(&headers, None).is_ok());
        headers.remove("x-requested-with");
        assert!(matches!(admit(&headers, None), Err(Error::InvalidInput { .. })));
    }
}
