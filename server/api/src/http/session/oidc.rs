//! Logins with identity providers: two pages for browsers. The first sends the browser to the
//! provider, the second is where the provider sends it back to. It ends as a login with a password
//! does: with the cookie of a session, which `POST /session/refresh` exchanges.

use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use url::Url;
use vultus_core::{Error, Result};
use vultus_service::{ClientInfo, LoginAnswer, LoginSecret};

use super::guard::{self, Place};
use super::{cookie as session_cookie, set_cookie};
use crate::http::node::Node;
use crate::http::post::client_info;
use crate::http::request_id::RequestId;
use crate::http::respond;

/// Time for a person to log in at the provider.
const PATIENCE: Duration = Duration::minutes(10);
/// Longest path of a page to return to, in bytes.
const MAX_PATH_BYTES: usize = 512;

/// `GET /session/oidc/PROVIDER`: sends the browser to the provider.
pub(in crate::http) async fn begin(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    Path(provider): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    match send_to_provider(&node, &provider, &uri, &headers).await {
        Ok(response) => response,
        Err(error) => respond::refusal(&error, &request_id),
    }
}

async fn send_to_provider(
    node: &Node,
    provider: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response> {
    let return_to = parameter(uri, "returnTo").unwrap_or_else(|| "/".to_owned());
    if !is_own_path(&return_to) {
        return Err(Error::invalid("returnTo", "must be a path of this server, such as /console"));
    }
    let (place, redirect) = callback(node, provider, headers)?;
    let begun = node.services.begin_external_login(provider, &redirect).await?;
    let kept = format!("{}.{}", begun.secret.to_text(), URL_SAFE_NO_PAD.encode(return_to));
    let mut response = redirection(begun.address.as_str())?;
    set_cookie(&mut response, &login_cookie(kept, PATIENCE, place));
    Ok(response)
}

/// `GET /session/oidc/PROVIDER/callback`: the provider sent the browser back.
pub(in crate::http) async fn complete(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    Path(provider): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let from = client_info(node.client(parts.extensions.get(), &parts.headers), &parts.headers);
    let completed = take_answer(&node, &provider, &parts, &from).await;
    let mut response = match completed {
        Ok(response) => response,
        Err(error) => respond::refusal(&error, &request_id),
    };
    // A login is completed once, however it ends.
    if let Ok((place, _)) = guard::place(&parts.headers, node.services.public_url()) {
        add_cookie(&mut response, &login_cookie(String::new(), Duration::ZERO, place));
    }
    response
}

async fn take_answer(
    node: &Node,
    provider: &str,
    parts: &Parts,
    from: &ClientInfo,
) -> Result<Response> {
    let Parts { headers, uri, .. } = parts;
    let (place, redirect) = callback(node, provider, headers)?;
    let (secret, return_to) = kept(headers, place).ok_or(Error::TokenRefused {
        reason: "NO_LOGIN",
        message: "this browser has begun no login, or took too long; begin again",
    })?;
    let (Some(state), Some(code)) = (parameter(uri, "state"), parameter(uri, "code")) else {
        return Err(Error::TokenRefused {
            reason: "LOGIN_REFUSED",
            message: "the identity provider refused the login; begin again",
        });
    };
    let answer = LoginAnswer { secret, state, code, redirect };
    let tokens = node.services.complete_external_login(provider, answer, from).await?;
    let mut response = redirection(&return_to)?;
    let session = session_cookie::holding(tokens.refresh_token, tokens.refresh_expires_at, place);
    set_cookie(&mut response, &session);
    Ok(response)
}

/// The first parameter of the query with this name.
fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut parameters = url::form_urlencoded::parse(uri.query()?.as_bytes());
    parameters.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The address of the second page.
fn callback(node: &Node, provider: &str, headers: &HeaderMap) -> Result<(Place, Url)> {
    let public_url = node.services.public_url();
    let (place, origin) = guard::place(headers, public_url)?;
    let base = match (place, public_url) {
        (Place::Tls, Some(url)) => url.as_str().trim_end_matches('/').to_owned(),
        (Place::Tls, None) | (Place::Loopback, _) => origin,
    };
    let address = Url::parse(&format!("{base}/session/oidc/{provider}/callback"));
    let address = address.map_err(|error| Error::internal("making an address", error))?;
    Ok((place, address))
}

/// What the browser kept since the login began: its secret, and the page to return to.
fn kept(headers: &HeaderMap, place: Place) -> Option<(LoginSecret, String)> {
    let value = session_cookie::value(headers, login_name(place))?;
    let (secret, return_to) = value.split_once('.')?;
    let return_to = String::from_utf8(URL_SAFE_NO_PAD.decode(return_to).ok()?).ok()?;
    let secret = LoginSecret::from_text(secret)?;
    is_own_path(&return_to).then_some((secret, return_to))
}

fn login_name(place: Place) -> &'static str {
    match place {
        Place::Tls => "__Host-vultus_login",
        Place::Loopback => "vultus_login",
    }
}

/// The cookie of a login in progress. It is `Lax`, since the browser comes back from another site.
fn login_cookie(value: String, age: Duration, place: Place) -> String {
    let (path, is_secure) = match place {
        Place::Tls => ("/", true),
        Place::Loopback => ("/session/oidc", false),
    };
    let cookie = Cookie::build((login_name(place), value)).path(path).max_age(age);
    cookie.secure(is_secure).http_only(true).same_site(SameSite::Lax).build().to_string()
}

/// Whether this is a path of this server, and no address of another one.
fn is_own_path(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let leads_elsewhere = text.starts_with("//");
    text.starts_with('/')
        && !leads_elsewhere
        && text.len() <= MAX_PATH_BYTES
        && text.bytes().all(is_plain)
}

fn redirection(address: &str) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let address = HeaderValue::from_str(address)
        .map_err(|error| Error::internal("making a redirection", error))?;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, address);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The address of the second page holds a code.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_returned_to() {
        for good in ["/", "/console", "/console?tab=users#top"] {
            assert!(is_own_path(good), "{good}");
        }
        let long = format!("/{}", "x".repeat(MAX_PATH_BYTES));
        let others = ["", "console", "//evil.example", "/\\evil.example", "https://evil.example"];
        for bad in others.into_iter().chain(["/a b", "/a\r\nb", &long]) {
            assert!(!is_own_path(bad), "{bad}");
        }
    }

    #[test]
    fn cookie_of_a_login_is_closed_to_scripts() {
        let secure = login_cookie("s.p".to_owned(), PATIENCE, Place::Tls);
        let expected =
            "__Host-vultus_login=s.p; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600";
        assert_eq!(secure, expected);
        let plain = login_cookie(String::new(), Duration::ZERO, Place::Loopback);
        let expected = "vultus_login=; HttpOnly; SameSite=Lax; Path=/session/oidc; Max-Age=0";
        assert_eq!(plain, expected);
    }
}
