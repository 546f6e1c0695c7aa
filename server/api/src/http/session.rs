//! Sessions of browsers: the refresh token is in a cookie that no script reads, and the access
//! token in the memory of the page. [`refresh`] alone reads the cookie; GraphQL, websockets and
//! media never do. A login with an identity provider ends with the same cookie.

mod cookie;
mod guard;
pub(super) mod oidc;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use vultus_core::{Error, Result};
use vultus_service::{ClientInfo, Tokens};

use super::body::{self, BodySource};
use super::content_type::ContentType;
use super::credentials;
use super::node::Node;
use super::post::client_info;
use super::request_id::RequestId;
use super::respond;
use crate::graphql::context::Auth;
use guard::Place;

/// Maximum length of the body of a login, in bytes.
const MAX_LOGIN_BYTES: usize = 8 << 10;

/// The credentials of a login.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    email: String,
    password: String,
}

/// What a page learns of its session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionAnswer {
    access_token: String,
    #[serde(with = "time::serde::rfc3339")]
    access_expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    session_expires_at: OffsetDateTime,
}

/// `POST /session`: logs in.
pub(super) async fn login(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let from = client_info(node.client(parts.extensions.get(), &parts.headers), &parts.headers);
    let source = BodySource::new(body);
    match log_in(&node, &parts.headers, source.clone(), &from).await {
        Ok(response) => response,
        Err(error) => {
            source.drain().await;
            respond::refusal(&error, &request_id)
        }
    }
}

async fn log_in(
    node: &Node,
    headers: &HeaderMap,
    body: BodySource,
    from: &ClientInfo,
) -> Result<Response> {
    let place = guard::admit(headers, node.services.public_url())?;
    if !matches!(ContentType::of(headers), ContentType::Json) {
        return Err(malformed());
    }
    let mut reserved = node.memory.reserve_none(crate::memory::Owner::Stranger);
    let body = body::read_all(body, MAX_LOGIN_BYTES, |bytes| reserved.grow(bytes)).await?;
    // The parser's text may repeat the password.
    let Login { email, password } = serde_json::from_slice(&body).map_err(|_| malformed())?;
    let tokens = node.services.login(&email, password.into(), from).await?;
    Ok(answer(tokens, place))
}

fn malformed() -> Error {
    Error::InvalidInput {
        argument: None,
        message: "the body must be application/json: an object with `email` and `password`"
            .to_owned(),
        reason: Some("BAD_REQUEST_BODY".to_owned()),
    }
}

/// `POST /session/refresh`: exchanges the cookie.
pub(super) async fn refresh(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let from = client_info(node.client(parts.extensions.get(), &parts.headers), &parts.headers);
    let place = match guard::admit(&parts.headers, node.services.public_url()) {
        Ok(place) => place,
        Err(error) => return respond::refusal(&error, &request_id),
    };
    let Some(token) = cookie::read(&parts.headers, place) else {
        let error = Error::Unauthenticated("there is no session; log in first".to_owned());
        return respond::refusal(&error, &request_id);
    };
    match node.services.refresh(&token, &from).await {
        Ok(tokens) => answer(tokens, place),
        Err(error) => {
            let mut response = respond::refusal(&error, &request_id);
            if matches!(error, Error::Unauthenticated(_)) {
                set_cookie(&mut response, &cookie::cleared(place));
            }
            response
        }
    }
}

/// `DELETE /session`: ends the session of the access token in the header, and clears the cookie.
pub(super) async fn logout(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
) -> Response {
    match log_out(&node, &headers).await {
        Ok(place) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            set_cookie(&mut response, &cookie::cleared(place));
            response
        }
        Err(error) => respond::refusal(&error, &request_id),
    }
}

async fn log_out(node: &Node, headers: &HeaderMap) -> Result<Place> {
    let place = guard::admit(headers, node.services.public_url())?;
    let auth = match credentials::token(headers) {
        Some(token) => Auth::Valid(node.services.authenticate(&token).await?.principal),
        None => Auth::Absent,
    };
    node.services.logout(&auth.principal()?).await?;
    Ok(place)
}

/// `GET /.well-known/jwks.json`: the public keys of access tokens.
pub(super) async fn public_keys(State(node): State<Node>) -> Response {
    let keys = serde_json::json!({"keys": node.services.public_keys()});
    let mut response = respond::json(StatusCode::OK, keys.to_string().into_bytes());
    // Shorter than the time between the making of a key and its first use.
    let short = HeaderValue::from_static("public, max-age=30");
    response.headers_mut().insert(header::CACHE_CONTROL, short);
    response
}

fn answer(tokens: Tokens, place: Place) -> Response {
    let cookie = cookie::holding(tokens.refresh_token, tokens.refresh_expires_at, place);
    let answer = SessionAnswer {
        access_token: tokens.access_token,
        access_expires_at: tokens.access_expires_at,
        session_expires_at: tokens.refresh_expires_at,
    };
    let text = serde_json::to_vec(&answer).unwrap_or_default();
    let mut response = respond::json(StatusCode::OK, text);
    set_cookie(&mut response, &cookie);
    response
}

fn set_cookie(response: &mut Response<Body>, cookie: &str) {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}
