//! What resolvers know of the request that they answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_graphql::Context;
use tokio::time::Instant;
use vultus_core::{Error, Principal, Result};

use crate::service::{ClientKey, Services, UploadedFile};

/// Longest `waitMs`, in milliseconds.
pub const MAX_WAIT_MS: i32 = 30_000;

/// Who is asking.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A verified token.
    Valid(Principal),
    /// A token that was refused, with the reason: what needs none works all the same.
    Refused(String),
    /// No token.
    Absent,
}

impl Auth {
    /// The principal, or UNAUTHENTICATED.
    pub fn principal(&self) -> Result<Principal> {
        match self {
            Self::Valid(principal) => Ok(*principal),
            Self::Refused(reason) => Err(Error::Unauthenticated(reason.clone())),
            Self::Absent => Err(Error::Unauthenticated("log in first, and send the access token".to_owned())),
        }
    }
}

/// The client's `Idempotency-Key` with what the request is.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The header.
    pub key: String,
    /// SHA-256 over the query, the variables and the files' hashes.
    pub fingerprint: String,
}

/// One request.
pub struct RequestContext {
    services: Services,
    auth: Auth,
    request_id: String,
    base_url: String,
    began: Instant,
    idempotency: Option<Idempotency>,
    files: Mutex<Vec<Option<UploadedFile>>>,
}

impl RequestContext {
    /// A request without files.
    pub fn new(services: Services, auth: Auth, request_id: String, base_url: String) -> Self {
        let (idempotency, files) = (None, Mutex::default());
        Self { services, auth, request_id, base_url, began: Instant::now(), idempotency, files }
    }

    /// With the client's key for things that it makes.
    #[must_use]
    pub fn with_idempotency(mut self, idempotency: Option<Idempotency>) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// With the files that came with it.
    #[must_use]
    pub fn with_files(mut self, files: Vec<UploadedFile>) -> Self {
        self.files = Mutex::new(files.into_iter().map(Some).collect());
        self
    }

    /// The use cases.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Who is asking, or UNAUTHENTICATED.
    pub fn principal(&self) -> Result<Principal> {
        self.auth.principal()
    }

    /// Who is asking, if anybody.
    pub(super) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Id of the request, for errors and the log.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The beginning of absolute URLs.
    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The client's key, for the mutation `operation`.
    pub(super) fn client_key(&self, operation: &'static str) -> Option<ClientKey> {
        let Idempotency { key, fingerprint } = self.idempotency.clone()?;
        Some(ClientKey { key, operation, fingerprint })
    }

    /// When a wait of `wait_ms` ends. The budget counts from the beginning of the request, so that several waits in one request
    /// share it.
    pub(super) fn wait_until(&self, wait_ms: i32) -> Instant {
        self.began + Duration::from_millis(u64::try_from(wait_ms.clamp(0, MAX_WAIT_MS)).unwrap_or_default())
    }

    /// Takes a file out of the request: each can be used once.
    pub(super) fn take_file(&self, index: usize, argument: &str) -> Result<UploadedFile> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get_mut(index).and_then(Option::take).ok_or_else(|| Error::InvalidInput {
            argument: Some(argument.to_owned()),
            message: "no file came with the request for this place; send it as multipart/form-data, once".to_owned(),
            reason: Some("FILE_MISSING".to_owned()),
        })
    }
}

/// The request that a resolver answers.
pub(super) fn request<'c>(ctx: &Context<'c>) -> Result<&'c RequestContext> {
    ctx.data_opt::<RequestContext>().ok_or_else(|| Error::broken("a request was executed without its context"))
}

/// The use cases and who is asking, or UNAUTHENTICATED.
pub(super) fn caller<'c>(ctx: &Context<'c>) -> Result<(&'c Services, Principal)> {
    let request = request(ctx)?;
    Ok((request.services(), request.principal()?))
}
