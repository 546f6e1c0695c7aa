//! Listens, and serves the API on the listener.

use super::ServeError;
use super::options::http_options;
use crate::config::Config;
use axum::serve::ListenerExt;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vultus_service::Services;

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

/// Serves until `stop` is cancelled.
pub(super) fn serve(
    listener: TcpListener,
    surface: Surface,
    services: Services,
    config: &Config,
    stop: CancellationToken,
) -> impl Future<Output = io::Result<()>> + Send + use<> {
    let options = http_options(config);
    let router = match surface {
        Surface::Health => vultus_api::http::health_router(services, options),
        Surface::Api => vultus_api::http::router(services, options),
    };
    // Small frames of a websocket must not wait for one another. A connection that refuses the
    // option works without it.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let stopped = stop.cancelled_owned();
    async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await }
}
