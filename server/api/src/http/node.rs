//! The state that all handlers share.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use vultus_service::Services;

use super::parsing::Parsing;
use super::peer::{ClientAddress, Network, Peer, Proxies};
use crate::graphql::Api;
use crate::graphql::request_limits::RequestLimits;
use crate::memory::{MemoryLimits, RequestMemory};

/// Options of the edge.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Whether GraphiQL, introspection and suggestions of names are on.
    pub surroundings: Surroundings,
    /// Origins of pages that may open websockets, besides the server's own:
    /// `https://console.example`.
    pub allowed_origins: Vec<String>,
    /// Limits of requests and answers.
    pub limits: RequestLimits,
    /// Proxies whose word about the address of a client counts.
    pub trusted_proxies: Vec<Network>,
    /// Limits of the memory of requests in flight.
    pub memory: MemoryLimits,
}

/// The environment that the server runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surroundings {
    /// GraphiQL, introspection and suggestions are on.
    Development,
    /// GraphiQL, introspection and suggestions are off.
    Production,
}

/// State of all handlers.
#[derive(Clone)]
pub(crate) struct Node {
    pub(super) services: Services,
    pub(super) api: Api,
    pub(super) options: Arc<HttpOptions>,
    pub(super) proxies: Arc<Proxies>,
    pub(super) memory: RequestMemory,
    pub(super) parsing: Parsing,
}

impl Node {
    /// The address of a request's client.
    pub(super) fn client(&self, peer: Option<&Peer>, headers: &HeaderMap) -> ClientAddress {
        match peer {
            Some(peer) => self.proxies.client(peer.0, headers),
            // Not from a connection.
            None => IpAddr::from(Ipv4Addr::UNSPECIFIED).into(),
        }
    }

    /// Prefix of absolute URLs in answers to this request: the configured address, else the
    /// request's `Host` over http.
    pub(super) fn base_url(&self, headers: &HeaderMap) -> String {
        if let Some(url) = self.services.public_url() {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let plain =
            |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]_".contains(&b));
        format!("http://{}", host.filter(plain).unwrap_or("localhost"))
    }
}
