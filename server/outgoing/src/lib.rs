//! Requests of the node to other servers. Every HTTP request of our own code goes through
//! [`Outgoing`]: it has time-outs, reads bounded answers, follows no redirect and uses no proxy of
//! the environment. The drivers of the store and of buckets have connections and limits of their
//! own.

use http::{Request, Response};
use std::error::Error;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Maximum time to connect, the TLS handshake included.
const CONNECT: Duration = Duration::from_secs(3);
/// Maximum time from the beginning of a request to the end of its answer.
const TOTAL: Duration = Duration::from_secs(8);
/// Maximum number of requests in flight; further ones are refused.
const IN_FLIGHT: usize = 64;

/// Why a request has no answer. Texts hold neither headers nor bodies.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The client could not be set up.
    #[error("setting up the client for requests to other servers")]
    SetUp(#[source] reqwest::Error),
    /// Too many requests are in flight.
    #[error("too many requests to other servers are in flight")]
    Busy,
    /// The request could not be sent, or its answer did not come in time.
    #[error("sending a request to {host}")]
    Send {
        /// The other server.
        host: String,
        /// The cause, without the address, whose query may hold secrets.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The answer is too large.
    #[error("the answer of {host} has more than {limit} bytes")]
    TooLarge {
        /// The other server.
        host: String,
        /// The limit.
        limit: usize,
    },
}

/// Sends requests. Owned by the part that sends them: parts share no connections.
#[derive(Debug)]
pub struct Outgoing {
    client: reqwest::Client,
    in_flight: Semaphore,
    max_bytes: usize,
}

impl Outgoing {
    /// A sender that reads answers of at most `max_bytes`.
    #[expect(clippy::disallowed_methods, reason = "the one place that sends requests")]
    pub fn new(max_bytes: usize) -> Result<Self, OutgoingError> {
        // Another part of the process may have installed the same provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("vultus/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(OutgoingError::SetUp)?;
        Ok(Self { client, in_flight: Semaphore::new(IN_FLIGHT), max_bytes })
    }

    /// Sends a request and reads its answer, whatever its status.
    pub async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, OutgoingError> {
        let _permit = self.in_flight.try_acquire().map_err(|_| OutgoingError::Busy)?;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let failed = |error: reqwest::Error| OutgoingError::Send {
            host: host.clone(),
            cause: Box::new(error.without_url()),
        };
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut answer = self.client.execute(request).await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if body.len() + part.len() > self.max_bytes {
                return Err(OutgoingError::TooLarge { host, limit: self.max_bytes });
            }
            body.extend_from_slice(&part);
        }
        let mut response = Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::get;
    use tokio::net::TcpListener;

    /// A server with a small, a large and a moved page.
    async fn server() -> String {
        let routes = Router::new()
            .route("/small", get(|| async { "hello" }))
            .route("/large", get(|| async { "x".repeat(2_000) }))
            .route("/moved", get(|| async { Redirect::temporary("/small") }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}")
    }

    async fn get_page(path: &str) -> Result<Response<Vec<u8>>, OutgoingError> {
        let address = format!("{}{path}", server().await);
        let request = Request::get(address).body(Vec::new()).unwrap();
        Outgoing::new(1_000).unwrap().send(request).await
    }

    #[tokio::test]
    async fn answers_are_bounded_and_redirects_not_followed() {
        assert_eq!(get_page("/small").await.unwrap().body(), b"hello");
        let large = get_page("/large").await;
        assert!(matches!(large, Err(OutgoingError::TooLarge { limit: 1_000, .. })), "{large:?}");
        assert_eq!(get_page("/moved").await.unwrap().status(), 307);
    }

    #[tokio::test]
    async fn error_names_the_host_and_not_the_query() {
        let address = "http://127.0.0.1:1/token?code=secret";
        let request = Request::get(address).body(Vec::new()).unwrap();
        let error = Outgoing::new(10).unwrap().send(request).await.unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(shown.contains("127.0.0.1") && !shown.contains("secret"), "{shown}");
    }
}
