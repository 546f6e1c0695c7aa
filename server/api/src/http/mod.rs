//! The HTTP edge: routes, request ids, and the transport of GraphQL over HTTP and websockets. It
//! only translates.
//!
//! The ready-made transport `async-graphql-axum` is deliberately not used: its extractors take
//! bodies of any size past axum's own limit, run mutations over GET, text/plain and foreign-origin
//! multipart, know no limit of a batch, echo the query in syntax errors, and its websocket has no
//! time-out for `connection_init` and closes with other codes than the protocol's. This layer is a
//! thin one over `Schema::execute` and `execute_stream`.

mod body;
mod credentials;
mod download;
mod graphiql;
mod health;
mod multipart;
mod post;
mod request;
mod request_id;
mod respond;
mod websocket;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use vultus_core::Error;

use crate::graphql::request_limits::RequestLimits;
use crate::graphql::{Api, Introspection};
use request_id::RequestId;
use vultus_service::Services;

/// How the edge behaves.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Whether GraphiQL, introspection and suggestions of names are on.
    pub surroundings: Surroundings,
    /// Origins of pages that may open websockets, besides the server's own:
    /// `https://console.example`.
    pub allowed_origins: Vec<String>,
    /// What requests may cost and how large answers may get.
    pub limits: RequestLimits,
}

/// Who is expected to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surroundings {
    /// Developers: GraphiQL, introspection and suggestions are on.
    Development,
    /// Clients: they are off.
    Production,
}

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Node {
    services: Services,
    api: Api,
    options: Arc<HttpOptions>,
}

impl Node {
    /// The beginning of absolute URLs in answers to this request: the configured address, else the
    /// request's `Host` over http.
    fn base_url(&self, headers: &HeaderMap) -> String {
        if let Some(url) = self.services.public_url() {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let plain =
            |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]_".contains(&b));
        format!("http://{}", host.filter(plain).unwrap_or("localhost"))
    }
}

/// All routes.
pub fn router(services: Services, options: HttpOptions) -> Router {
    let routes = Router::new()
        .route("/graphql", post(post::handle).get(get_graphql))
        .route("/media/{kind}/{id}", get(download::handle));
    with_health(routes, services, options)
}

/// The routes of a node that only judges.
pub fn health_router(services: Services, options: HttpOptions) -> Router {
    with_health(Router::new(), services, options)
}

fn with_health(routes: Router<Node>, services: Services, options: HttpOptions) -> Router {
    let introspection = match options.surroundings {
        Surroundings::Development => Introspection::Allowed,
        Surroundings::Production => Introspection::Refused,
    };
    let api = Api::new(introspection, options.limits.clone());
    let node = Node { services, api, options: Arc::new(options) };
    routes
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(node)
        .layer(from_fn(request_id::layer))
}

/// A websocket, or the page of GraphiQL; queries never run over GET, so that no link or image can
/// start one.
async fn get_graphql(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if let Ok(upgrade) = upgrade {
        return websocket::upgrade(node, request_id, &headers, upgrade);
    }
    let accepts_html = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains("text/html"));
    match node.options.surroundings {
        Surroundings::Development if accepts_html => graphiql::page(),
        Surroundings::Development | Surroundings::Production => {
            wrong_method(Extension(request_id)).await
        }
    }
}

async fn wrong_method(Extension(request_id): Extension<RequestId>) -> Response {
    let error = Error::InvalidInput {
        argument: None,
        message: "this method is not for this path; GraphQL goes by POST or websocket".to_owned(),
        reason: Some("METHOD_NOT_ALLOWED".to_owned()),
    };
    respond::refusal_with(StatusCode::METHOD_NOT_ALLOWED, &error, &request_id)
}

async fn unknown_path(Extension(request_id): Extension<RequestId>) -> Response {
    respond::refusal(&Error::NotFound { what: "path", argument: None }, &request_id)
}

/// Adds the header that keeps browsers from guessing types.
fn nosniff(response: &mut Response) {
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// A JSON body with a status.
fn json(status: StatusCode, text: Vec<u8>) -> Response {
    let mut response = (status, text).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
