//! Websockets at `GET /graphql`: the check of the origin, and the upgrade.

mod operation;
mod operations;
mod outgoing;
mod protocol;
mod rights;
mod socket;

pub(super) use operation::Operation;
pub(super) use rights::Rights;

use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use vultus_core::Error;

use super::node::Node;
use super::peer::ClientAddress;
use super::post::client_info;
use super::request_id::RequestId;
use super::{credentials, respond};

/// Read and write buffers of an idle socket, in bytes each; the default of 128 KiB would make 10
/// 000 sockets cost gigabytes.
const BUFFER_BYTES: usize = 4 << 10;
/// Maximum number of bytes that wait for a client before it is disconnected; at least one answer.
const MAX_WRITE_BUFFER_BYTES: usize = 16 << 20;
/// Allowance for frame headers and protocol messages beside an answer, in bytes.
const FRAME_BYTES: usize = 64 << 10;

/// Upgrades the connection, unless it comes from a page of a foreign origin.
pub(super) fn upgrade(
    node: Node,
    request_id: RequestId,
    client: ClientAddress,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !origin_allowed(headers, &node.options.allowed_origins) {
        let error = Error::Forbidden("pages of this origin may not connect".to_owned());
        return respond::refusal_with(StatusCode::FORBIDDEN, &error, &request_id);
    }
    let token = credentials::token(headers);
    let (base_url, from) = (node.base_url(headers), client_info(client, headers));
    let limits = node.api.limits();
    let message_bytes = limits.body_bytes;
    let write_buffer = MAX_WRITE_BUFFER_BYTES.max(limits.answer.bytes.saturating_add(FRAME_BYTES));
    upgrade
        .protocols([protocol::SUBPROTOCOL])
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(write_buffer)
        .max_message_size(message_bytes)
        .max_frame_size(message_bytes)
        .on_upgrade(move |websocket| {
            let origin = socket::Origin { request_id, base_url, client: from, token };
            socket::Socket::new(node, origin, websocket).run()
        })
        .into_response()
}

/// A browser sends the origin of the page: it must be this server's origin or a configured one.
/// Other clients send no origin.
fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|other| other.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host_of_origin = origin.split_once("://").map(|(_, host)| host);
    own.is_some() && own == host_of_origin
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("vultus.example:8000"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn only_same_and_configured_origins_may_connect() {
        let allowed = ["https://console.example".to_owned()];
        assert!(origin_allowed(&with(None), &allowed));
        assert!(origin_allowed(&with(Some("http://vultus.example:8000")), &allowed));
        assert!(origin_allowed(&with(Some("https://console.example")), &allowed));
        for foreign in [
            "https://evil.example",
            "null",
            "http://vultus.example:8001",
            "https://console.example.evil",
        ] {
            assert!(!origin_allowed(&with(Some(foreign)), &allowed), "{foreign}");
        }
    }
}
