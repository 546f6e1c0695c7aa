//! The request, as resolvers see it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_graphql::Context;
use parking_lot::Mutex;
use tokio::time::Instant;
use vultus_core::{Error, Principal, Result};

use super::needs::Needs;
use super::request_limits::AnswerLimits;
use crate::memory::Reserved;
use vultus_service::{
    Authenticated, ClientInfo, ClientKey, NextAnswer, Selection, Services, UploadedFile,
};

/// Maximum of `waitMs`, in milliseconds.
pub const MAX_WAIT_MS: i32 = 30_000;

/// Maximum number of objects in the lists of one answer. Complexity is checked before the lengths
/// of lists are known; this limit also covers nested lists.
const MAX_OBJECTS: usize = 50_000;

/// Counts the objects of one answer, and the bytes of JSON that it reads.
#[derive(Debug, Clone)]
pub(super) struct AnswerCount(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    objects: AtomicUsize,
    json: AtomicUsize,
    json_limit: usize,
    /// The memory of the request: what it keeps itself, and the JSON that was read.
    memory: Mutex<Option<Reserved>>,
    /// The part of it that the request keeps itself.
    kept: AtomicUsize,
}

impl AnswerCount {
    fn new(json_limit: usize) -> Self {
        let [objects, json, kept] = [0; 3].map(AtomicUsize::new);
        let memory = Mutex::default();
        Self(Arc::new(Counted { objects, json, json_limit, memory, kept }))
    }

    /// Number of bytes of JSON that the answer may still read.
    pub(super) fn json_left(&self) -> usize {
        self.0.json_limit.saturating_sub(self.0.json.load(Ordering::Relaxed))
    }

    /// Reserves memory for JSON that was read, until the answer is complete.
    pub(super) fn reserve(&self, bytes: usize) -> Result<()> {
        self.0.memory.lock().as_mut().map_or(Ok(()), |memory| memory.grow(bytes))
    }

    fn keep(&self, memory: Option<Reserved>) {
        let kept = memory.as_ref().map_or(0, Reserved::bytes);
        self.0.kept.store(kept, Ordering::Relaxed);
        *self.0.memory.lock() = memory;
    }

    /// Adds JSON that was read or is about to be parsed, or refuses the answer.
    pub(super) fn add_json(&self, bytes: usize) -> Result<()> {
        let before = self.0.json.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.0.json_limit {
            return Ok(());
        }
        Err(Error::LimitExceeded {
            argument: Some("query".to_owned()),
            message: format!(
                "the answer needs more than {} bytes of JSON (metadata, parameters, results): \
                 request shorter pages, or fewer of these fields",
                self.0.json_limit
            ),
            reason: Some("ANSWER_TOO_LARGE".to_owned()),
        })
    }

    /// Adds objects, or refuses the answer.
    pub(super) fn add(&self, objects: usize) -> Result<()> {
        let before = self.0.objects.fetch_add(objects, Ordering::Relaxed);
        if before.saturating_add(objects) <= MAX_OBJECTS {
            return Ok(());
        }
        Err(Error::LimitExceeded {
            argument: Some("query".to_owned()),
            message: format!(
                "the answer would have more than {MAX_OBJECTS} objects: request shorter pages, or \
                 fewer fields of their objects"
            ),
            reason: Some("ANSWER_TOO_LARGE".to_owned()),
        })
    }

    /// Resets the counts for the next answer of a subscription.
    pub(super) fn reset(&self) {
        self.0.objects.store(0, Ordering::Relaxed);
        self.0.json.store(0, Ordering::Relaxed);
        if let Some(memory) = self.0.memory.lock().as_mut() {
            memory.shrink_to(self.0.kept.load(Ordering::Relaxed));
        }
    }
}

/// Credentials of the request.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A verified token.
    Valid(Principal),
    /// A token that was refused, with the reason. Fields that need no token still work.
    Refused(TokenRefusal),
    /// No token.
    Absent,
}

impl Auth {
    /// The result of verifying a token. A refused one is no error of the request.
    pub(crate) fn of(verified: Result<Authenticated>) -> Result<Self> {
        match verified {
            Ok(authenticated) => Ok(Self::Valid(authenticated.principal)),
            Err(Error::Unauthenticated(message)) => Ok(Self::Refused(TokenRefusal::Own(message))),
            Err(Error::TokenRefused { reason, message }) => {
                Ok(Self::Refused(TokenRefusal::Foreign { reason, message }))
            }
            Err(other) => Err(other),
        }
    }

    /// The principal, or UNAUTHENTICATED.
    pub fn principal(&self) -> Result<Principal> {
        match self {
            Self::Valid(principal) => Ok(principal.clone()),
            Self::Refused(refusal) => Err(refusal.clone().into()),
            Self::Absent => {
                Err(Error::Unauthenticated("log in first, and send the access token".to_owned()))
            }
        }
    }
}

/// Why a token was refused.
#[derive(Debug, Clone)]
pub enum TokenRefusal {
    /// A token of this server, or an API key.
    Own(String),
    /// A token of an identity provider.
    Foreign {
        /// Stable code.
        reason: &'static str,
        /// Text for the client.
        message: &'static str,
    },
}

impl From<TokenRefusal> for Error {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::Own(message) => Self::Unauthenticated(message),
            TokenRefusal::Foreign { reason, message } => Self::TokenRefused { reason, message },
        }
    }
}

/// The client's `Idempotency-Key` with a fingerprint of the request.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// Value of the header.
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
    client: ClientInfo,
    began: Instant,
    idempotency: Option<Idempotency>,
    files: Mutex<Vec<Option<UploadedFile>>>,
    count: AnswerCount,
    selection: Selection,
    memory: Option<Reserved>,
    next_answer: NextAnswer,
}

impl RequestContext {
    /// A request without files.
    pub fn new(services: Services, auth: Auth, request_id: String, base_url: String) -> Self {
        let (idempotency, files) = (None, Mutex::default());
        let count = AnswerCount::new(AnswerLimits::default().json_bytes);
        Self {
            services,
            auth,
            request_id,
            base_url,
            client: ClientInfo::new(Ipv4Addr::UNSPECIFIED.into(), None),
            began: Instant::now(),
            idempotency,
            files,
            count,
            selection: Selection::CONTENTS,
            memory: None,
            next_answer: NextAnswer::default(),
        }
    }

    /// Sets where the request comes from.
    #[must_use]
    pub fn with_client(mut self, client: ClientInfo) -> Self {
        self.services = self.services.for_client(client.address);
        self.client = client;
        self
    }

    /// Sets what the document needs of folders, and the limits of the answer.
    #[must_use]
    pub(super) fn with_document(mut self, needs: Needs, limits: &AnswerLimits) -> Self {
        self.selection = Selection { json_bytes: limits.json_bytes, ..needs.selection() };
        self.count = AnswerCount::new(limits.json_bytes);
        self.count.keep(self.memory.take());
        self
    }

    /// Sets the memory that the request has reserved.
    #[must_use]
    pub(crate) fn with_memory(mut self, memory: Reserved) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Bounds the answers of subscriptions that are in memory.
    #[must_use]
    pub fn with_next_answer(mut self, next_answer: NextAnswer) -> Self {
        self.next_answer = next_answer;
        self
    }

    /// Sets the client's key for the objects that the request creates.
    #[must_use]
    pub fn with_idempotency(mut self, idempotency: Option<Idempotency>) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// Adds the files of the request.
    #[must_use]
    pub fn with_files(mut self, files: Vec<UploadedFile>) -> Self {
        self.files = Mutex::new(files.into_iter().map(Some).collect());
        self
    }

    /// The use cases.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The principal, or UNAUTHENTICATED.
    pub fn principal(&self) -> Result<Principal> {
        self.auth.principal()
    }

    /// Credentials of the request.
    pub(super) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Id of the request, for errors and the log.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Where the request comes from.
    pub(super) fn client(&self) -> &ClientInfo {
        &self.client
    }

    /// Prefix of absolute URLs.
    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The client's key, for the mutation `operation`.
    pub(super) fn client_key(&self, operation: &'static str) -> Option<ClientKey> {
        let Idempotency { key, fingerprint } = self.idempotency.clone()?;
        Some(ClientKey { key, operation, fingerprint })
    }

    /// End of a wait of `wait_ms`. It counts from the start of the request, so that several waits
    /// in one request share it.
    pub(super) fn wait_until(&self, wait_ms: i32) -> Instant {
        self.began
            + Duration::from_millis(
                u64::try_from(wait_ms.clamp(0, MAX_WAIT_MS)).unwrap_or_default(),
            )
    }

    /// The counters of the answer.
    pub(super) fn count(&self) -> &AnswerCount {
        &self.count
    }

    /// What the document needs of folders.
    pub(super) fn selection(&self) -> Selection {
        self.selection
    }

    /// The bound that a subscription shares with its connection.
    pub(super) fn next_answer(&self) -> NextAnswer {
        self.next_answer.clone()
    }

    /// Takes a file from the request: each can be used once.
    pub(super) fn take_file(&self, index: usize, argument: &str) -> Result<UploadedFile> {
        let mut files = self.files.lock();
        files.get_mut(index).and_then(Option::take).ok_or_else(|| Error::InvalidInput {
            argument: Some(argument.to_owned()),
            message:
                "no file came with the request for this place; send it as multipart/form-data, once"
                    .to_owned(),
            reason: Some("FILE_MISSING".to_owned()),
        })
    }
}

/// The request that a resolver answers.
pub(super) fn request<'c>(ctx: &Context<'c>) -> Result<&'c RequestContext> {
    ctx.data_opt::<RequestContext>()
        .ok_or_else(|| Error::broken("a request was executed without its context"))
}

/// The use cases and the principal, or UNAUTHENTICATED.
pub(super) fn caller<'c>(ctx: &Context<'c>) -> Result<(&'c Services, Principal)> {
    let request = request(ctx)?;
    Ok((request.services(), request.principal()?))
}

/// Adds a list to the answer's number of objects.
pub(super) fn counted<T>(ctx: &Context<'_>, list: Vec<T>) -> Result<Vec<T>> {
    request(ctx)?.count().add(list.len())?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_at_most_50_000_objects() {
        let count = AnswerCount::new(100);
        assert!(count.add(50_000).is_ok());
        assert!(matches!(count.add(1), Err(Error::LimitExceeded { .. })));
        count.reset();
        assert!(count.add(1).is_ok());
    }

    #[test]
    fn each_answer_reads_a_limited_amount_of_json() {
        let count = AnswerCount::new(100);
        assert!(count.add_json(60).is_ok());
        assert_eq!(count.json_left(), 40);
        assert!(matches!(count.add_json(41), Err(Error::LimitExceeded { .. })));
        count.reset();
        assert_eq!(count.json_left(), 100);
    }
}
