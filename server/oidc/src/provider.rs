//! Metadata and keys of a provider: fetched when they are first needed, and kept. What was fetched
//! stays in use while the provider does not answer.

use crate::options::IssuerOptions;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::{Host, Url};
use vultus_auth::foreign_tokens::{self, JwkSet};
use vultus_core::{Error, Result};
use vultus_outgoing::{Outgoing, OutgoingError};

/// Age from which the keys are fetched again, in the background: keys that the provider withdrew
/// are accepted for this long.
const FRESH: Duration = Duration::from_secs(300);
/// Pause after a fetch that failed, while there are no keys.
const RETRY: Duration = Duration::from_secs(2);
/// The same while there are keys.
const PATIENT_RETRY: Duration = Duration::from_secs(30);
/// Pause between two fetches because of keys that are unknown: anyone can send such tokens.
const BRAKE: Duration = Duration::from_secs(10);
/// Path of the metadata, below the issuer.
const METADATA: &str = "/.well-known/openid-configuration";

/// The parts of the metadata that are used.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) jwks_uri: Url,
    pub(crate) authorization_endpoint: Option<Url>,
    pub(crate) token_endpoint: Option<Url>,
}

/// What was fetched.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) metadata: Metadata,
    pub(crate) keys: JwkSet,
    at: Instant,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Send(#[from] OutgoingError),
    #[error("{0}")]
    Wrong(String),
}

/// A fetch that several requests wait for. The answer is in the state.
type Fetch = Shared<BoxFuture<'static, ()>>;

#[derive(Default)]
struct State {
    fetched: Option<Arc<Fetched>>,
    /// When a fetch last failed.
    failed: Option<Instant>,
    /// When a fetch was last begun because of an unknown key.
    looked: Option<Instant>,
    in_progress: Option<Fetch>,
}

/// A provider. Clones share what was fetched.
#[derive(Clone)]
pub(crate) struct Provider(Arc<Inner>);

struct Inner {
    options: Arc<IssuerOptions>,
    outgoing: Arc<Outgoing>,
    state: Mutex<State>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.0.options.name).finish()
    }
}

impl Provider {
    pub(crate) fn new(options: Arc<IssuerOptions>, outgoing: Arc<Outgoing>) -> Self {
        Self(Arc::new(Inner { options, outgoing, state: Mutex::default() }))
    }

    pub(crate) fn outgoing(&self) -> &Arc<Outgoing> {
        &self.0.outgoing
    }

    /// What was fetched, or UNAVAILABLE if nothing ever was.
    pub(crate) async fn fetched(&self) -> Result<Arc<Fetched>> {
        let (kept, failed) = {
            let state = self.0.state.lock();
            (state.fetched.clone(), state.failed)
        };
        let pause = if kept.is_some() { PATIENT_RETRY } else { RETRY };
        let may_try = failed.is_none_or(|at| at.elapsed() >= pause);
        match kept {
            Some(kept) => {
                if may_try && kept.at.elapsed() >= FRESH {
                    // In the background: the keys of before are good meanwhile.
                    drop(self.fetch());
                }
                Ok(kept)
            }
            None => {
                if may_try {
                    self.fetch().await;
                }
                let fetched = self.0.state.lock().fetched.clone();
                fetched.ok_or_else(|| self.unavailable())
            }
        }
    }

    /// The keys, fetched again if they lack this one and the brake allows it.
    pub(crate) async fn with_key(&self, kid: Option<&str>) -> Result<Arc<Fetched>> {
        let kept = self.fetched().await?;
        if foreign_tokens::has_key(&kept.keys, kid) {
            return Ok(kept);
        }
        let may_look = {
            let mut state = self.0.state.lock();
            let may_look = state.looked.is_none_or(|at| at.elapsed() >= BRAKE);
            if may_look {
                state.looked = Some(Instant::now());
            }
            // Also the fetch of another request may bring the key.
            may_look || state.in_progress.is_some()
        };
        if may_look {
            self.fetch().await;
        }
        self.fetched().await
    }

    pub(crate) fn unavailable(&self) -> Error {
        let name = &self.0.options.name;
        Error::Unavailable {
            message: format!("the identity provider {name} does not answer as it should"),
            retry_after: RETRY,
        }
    }

    /// Begins a fetch in a task, or joins the one in progress. The task ends by the time-outs of
    /// its requests, and its result is kept whether or not a request still waits for it.
    fn fetch(&self) -> Fetch {
        let mut state = self.0.state.lock();
        if let Some(fetch) = &state.in_progress {
            return fetch.clone();
        }
        let inner = self.0.clone();
        let task = tokio::spawn(async move {
            let result = inner.load().await;
            let mut state = inner.state.lock();
            state.in_progress = None;
            match result {
                Ok(fetched) => {
                    state.failed = None;
                    state.fetched = Some(Arc::new(fetched));
                }
                Err(error) => {
                    state.failed = Some(Instant::now());
                    tracing::warn!(
                        provider = inner.options.name,
                        error = &error as &dyn std::error::Error,
                        "could not fetch the keys of an identity provider"
                    );
                }
            }
        });
        let fetch = task.map(drop).boxed().shared();
        state.in_progress = Some(fetch.clone());
        fetch
    }
}

impl Inner {
    async fn load(&self) -> Result<Fetched, FetchError> {
        let issuer = &self.options.issuer;
        let address = format!("{}{METADATA}", issuer.trim_end_matches('/'));
        let metadata: Metadata = self.get(&address).await?;
        if metadata.issuer != *issuer {
            let text = "its metadata name another issuer than the configuration";
            return Err(FetchError::Wrong(text.to_owned()));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint];
        for endpoint in endpoints.into_iter().flatten().chain([&metadata.jwks_uri]) {
            if !is_protected(endpoint) {
                return Err(FetchError::Wrong("its metadata name a page without TLS".to_owned()));
            }
        }
        let keys = self.get(metadata.jwks_uri.as_str()).await?;
        Ok(Fetched { metadata, keys, at: Instant::now() })
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, FetchError> {
        let request = http::Request::get(address)
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|error| FetchError::Wrong(error.to_string()))?;
        let answer = self.outgoing.send(request).await?;
        if answer.status() != http::StatusCode::OK {
            return Err(FetchError::Wrong(format!("{address} answers {}", answer.status())));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| FetchError::Wrong(format!("{address} answers other JSON: {error}")))
    }
}

/// Whether a page is reached over TLS, or on this machine.
pub fn is_protected(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_without_tls_are_for_this_machine_only() {
        let protected = |url: &str| is_protected(&Url::parse(url).unwrap());
        for good in ["https://a.example", "http://localhost:1", "http://127.0.0.1", "http://[::1]"]
        {
            assert!(protected(good), "{good}");
        }
        for bad in ["http://a.example", "http://10.0.0.1", "file:///etc/passwd", "ftp://localhost"]
        {
            assert!(!protected(bad), "{bad}");
        }
    }
}
