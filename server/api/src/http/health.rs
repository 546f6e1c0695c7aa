//! Liveness and readiness of the node.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json as value;

use super::node::Node;
use super::respond::json;

/// The process answers.
pub(super) async fn alive() -> Response {
    json(StatusCode::OK, value!({"status": "alive"}).to_string().into_bytes())
}

/// The store and the workers are available, and the node is not shutting down.
pub(super) async fn ready(State(node): State<Node>) -> Response {
    let readiness = node.services.ready().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = value!({"ready": readiness.ready, "missing": readiness.missing});
    json(status, body.to_string().into_bytes())
}
