//! The HTTP edge: routes, request ids, and the transport of GraphQL over HTTP and websockets. It
//! contains no rules of the domain.
//!
//! The transport `async-graphql-axum` is deliberately not used: its extractors accept bodies of any
//! size regardless of axum's limit, run mutations over GET, text/plain and foreign-origin
//! multipart, have no limit of a batch and repeat the query in syntax errors, and its websocket has
//! no timeout for `connection_init` and closes with other codes than the protocol's. This is a thin
//! layer over `Schema::execute` and `execute_stream`.
#![expect(unexpected_cfgs, reason = "cargo-fuzz sets `fuzzing`, which cargo does not know")]

mod accept;
mod body;
mod canonical;
mod content_type;
mod credentials;
mod download;
mod events;
#[cfg(fuzzing)]
pub mod fuzzing;
mod graphiql;
mod health;
mod held_body;
mod layers;
mod listener;
mod multipart;
mod node;
mod parsing;
mod peer;
mod post;
mod query_string;
mod request;
mod request_id;
mod respond;
mod session;
mod websocket;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{Extension, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use vultus_core::Error;

use crate::graphql::{Api, Introspection};
pub use crate::memory::MemoryLimits;
use crate::memory::RequestMemory;
pub use listener::{ConnectionLimits, serve};
pub use node::{HttpOptions, Surroundings};
pub use peer::Network;

use node::Node;
use peer::Proxies;
use request_id::RequestId;
use vultus_service::Services;

/// All routes.
pub fn router(services: Services, options: HttpOptions) -> Router {
    let routes = Router::new()
        .route("/graphql", post(post::handle).get(get_graphql))
        .route("/media/{kind}/{id}", get(download::handle))
        .route("/session", post(session::login).delete(session::logout))
        .route("/session/refresh", post(session::refresh))
        .route("/session/oidc/{provider}", get(session::oidc::begin))
        .route("/session/oidc/{provider}/callback", get(session::oidc::complete))
        .route("/.well-known/jwks.json", get(session::public_keys));
    with_health(routes, services, options)
}

/// The routes of a node that only runs analyses.
pub fn health_router(services: Services, options: HttpOptions) -> Router {
    with_health(Router::new(), services, options)
}

fn with_health(routes: Router<Node>, services: Services, options: HttpOptions) -> Router {
    let introspection = match options.surroundings {
        Surroundings::Development => Introspection::Allowed,
        Surroundings::Production => Introspection::Refused,
    };
    let api = Api::new(introspection, options.limits.clone());
    let proxies = Arc::new(Proxies::new(options.trusted_proxies.clone()));
    let (memory, parsing) = (RequestMemory::new(options.memory), parsing::Parsing::new());
    let node = Node { services, api, options: Arc::new(options), proxies, memory, parsing };
    let routes = routes
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(node);
    layers::around(routes)
}

/// A websocket, the GraphiQL page, or a query in the query string.
async fn get_graphql(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    if let Ok(upgrade) = upgrade {
        let client = node.client(parts.extensions.get(), &parts.headers);
        return websocket::upgrade(node, request_id, client, &parts.headers, upgrade);
    }
    let accepts_html = parts
        .headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains("text/html"));
    match node.options.surroundings {
        Surroundings::Development if accepts_html && parts.uri.query().is_none() => {
            graphiql::page()
        }
        Surroundings::Development | Surroundings::Production => {
            query_string::handle(node, request_id, parts).await
        }
    }
}

async fn wrong_method(Extension(request_id): Extension<RequestId>) -> Response {
    let error = Error::InvalidInput {
        argument: None,
        message: "this path does not support this method; `Allow` lists those that it supports"
            .to_owned(),
        reason: Some("METHOD_NOT_ALLOWED".to_owned()),
    };
    respond::refusal_with(StatusCode::METHOD_NOT_ALLOWED, &error, &request_id)
}

async fn unknown_path(Extension(request_id): Extension<RequestId>) -> Response {
    respond::refusal(&Error::NotFound { what: "path", argument: None }, &request_id)
}
