//! Listens, and serves the API on the listener.

use super::ServeError;
use super::options::http_options;
use super::process::raise_descriptors;
use crate::config::Config;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vultus_api::http::ConnectionLimits;
use vultus_service::Services;

/// Descriptors that connections leave for workers, the store and files; at most half of all.
const RESERVED_DESCRIPTORS: u64 = 1024;

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    /// The whole API.
    Api,
    /// The health check only.
    Health,
}

pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// The limits of connections, within the descriptors that the node may open.
pub(super) fn connection_limits(config: &Config) -> Result<ConnectionLimits, ServeError> {
    let descriptors = raise_descriptors().map_err(ServeError::Descriptors)?;
    let connections = &config.limits.connections;
    let all = connections.all.min(for_connections(descriptors));
    if all < connections.all {
        tracing::warn!(
            descriptors,
            connections = all,
            "fewer connections than limits.connections.all: the system allows too few descriptors"
        );
    }
    Ok(ConnectionLimits {
        all,
        header_timeout: connections.header_seconds,
        idle_timeout: connections.idle_seconds,
        trusted_proxies: config.trusted_proxies.clone(),
    })
}

fn for_connections(descriptors: u64) -> usize {
    let reserved = RESERVED_DESCRIPTORS.min(descriptors / 2);
    usize::try_from(descriptors - reserved).unwrap_or(usize::MAX)
}

/// Serves until `stop` is cancelled.
pub(super) fn serve(
    listener: TcpListener,
    surface: Surface,
    services: Services,
    config: &Config,
    limits: ConnectionLimits,
    stop: CancellationToken,
) -> impl Future<Output = io::Result<()>> + Send + use<> {
    let options = http_options(config);
    let router = match surface {
        Surface::Health => vultus_api::http::health_router(services, options),
        Surface::Api => vultus_api::http::router(services, options),
    };
    vultus_api::http::serve(listener, router, limits, stop)
}

#[cfg(test)]
mod tests {
    use super::for_connections;

    #[test]
    fn descriptors_are_kept_for_workers_and_the_store() {
        assert_eq!(for_connections(1024), 512);
        assert_eq!(for_connections(4096), 3072);
        assert_eq!(for_connections(1_048_576), 1_047_552);
    }
}
