//! `POST /graphql`: a request or a batch as JSON, or one request with files as multipart.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::HttpBody;
use axum::extract::{Extension, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use parking_lot::Mutex;
use vultus_core::{Error, Principal, Result, fair};

use super::accept::AnswerType;
use super::body::BodySource;
use super::content_type::{ContentType, has_encoding};
use super::held_body::HeldBody;
use super::multipart::{MultipartLimits, Upload};
use super::node::Node;
use super::peer::ClientAddress;
use super::request::Requests;
use super::request_id::RequestId;
use super::respond::{self, Token};
use super::{body, canonical, credentials, multipart, request};
use crate::graphql::context::{Auth, Idempotency, RequestContext};
use crate::graphql::error::error_response;
use crate::graphql::{PreparedRequest, RefusedRequest};
use crate::memory::{Owner, Reserved};
use vultus_service::{ClientInfo, UploadSink, UploadedFile};

/// Maximum length of an `Idempotency-Key`, in bytes.
const MAX_KEY_BYTES: usize = 255;
/// The mutation that stores nothing: its files are spooled to memory.
const CHECK: &str = "check";

/// Answers a POST request.
pub(super) async fn handle(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = BodySource::new(body);
    let exchange = match Exchange::new(node, request_id, parts) {
        Ok(exchange) => exchange,
        Err(refusal) => {
            body.drain().await;
            return *refusal;
        }
    };
    if has_encoding(&exchange.headers) {
        body.drain().await;
        let error = Error::InvalidInput {
            argument: None,
            message: "the body must be sent without a Content-Encoding, not compressed".to_owned(),
            reason: Some("UNSUPPORTED_CONTENT_ENCODING".to_owned()),
        };
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return respond::refusal_with(status, &error, &exchange.request_id);
    }
    let answered = match ContentType::of(&exchange.headers) {
        ContentType::Json if exchange.form == AnswerType::Events => {
            exchange.events_of_body(body.clone()).await
        }
        ContentType::Json => exchange.json(body.clone()).await,
        ContentType::Multipart(boundary) => exchange.multipart(body.clone(), boundary).await,
        ContentType::Other => {
            body.drain().await;
            let error = Error::InvalidInput {
                argument: None,
                message: "the body must be application/json, or multipart/form-data for files"
                    .to_owned(),
                reason: Some("UNSUPPORTED_MEDIA_TYPE".to_owned()),
            };
            return respond::refusal_with(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                &error,
                &exchange.request_id,
            );
        }
    };
    match answered {
        Ok(response) => response,
        Err(error) => {
            body.drain().await;
            respond::refusal_as(exchange.form, &error, &exchange.request_id)
        }
    }
}

/// One HTTP request with its context.
pub(super) struct Exchange {
    pub(super) node: Node,
    pub(super) request_id: RequestId,
    pub(super) headers: HeaderMap,
    pub(super) base_url: String,
    pub(super) client: ClientAddress,
    pub(super) form: AnswerType,
}

impl Exchange {
    /// Refuses a request whose client accepts no form of answer that is offered.
    pub(super) fn new(
        node: Node,
        request_id: RequestId,
        parts: Parts,
    ) -> std::result::Result<Self, Box<Response>> {
        let Some(form) = AnswerType::of(&parts.headers) else {
            let error = Error::InvalidInput {
                argument: None,
                message: "the answer is application/json, application/graphql-response+json or \
                          text/event-stream; accept one of them"
                    .to_owned(),
                reason: Some("NOT_ACCEPTABLE".to_owned()),
            };
            let status = StatusCode::NOT_ACCEPTABLE;
            return Err(Box::new(respond::refusal_with(status, &error, &request_id)));
        };
        Ok(Self {
            base_url: node.base_url(&parts.headers),
            client: node.client(parts.extensions.get(), &parts.headers),
            node,
            request_id,
            headers: parts.headers,
            form,
        })
    }

    async fn json(&self, body: BodySource) -> Result<Response> {
        // First of all, so that the memory of the body has an owner.
        let auth = self.authenticate().await?;
        let token = if matches!(auth, Auth::Refused(_)) { Token::Refused } else { Token::Other };
        let mut reserved = self.node.memory.reserve_none(owner(&auth));
        let limit = self.node.api.limits().body_bytes;
        let grow = |bytes: usize| reserved.grow(bytes * BODY_COST);
        let body = body::read_all(body, limit, grow).await?;
        let api = self.node.api.clone();
        let prepare = move || match request::parse(&body, api.limits())? {
            Requests::Single(request) => Ok(match api.prepare(request) {
                Ok(request) => Prepared::Single(Box::new(request)),
                Err(refused) => Prepared::Refused(refused),
            }),
            Requests::Batch(requests) => {
                let requests = requests
                    .into_iter()
                    .map(|request| api.prepare(request).map_err(|refused| refused.error));
                Ok(Prepared::Batch(requests.collect()))
            }
        };
        let size = reserved.bytes() / BODY_COST;
        match self.node.parsing.run(owner(&auth), size, prepare).await? {
            Prepared::Single(request) => {
                reserved.shrink_to(request.bytes);
                let response = self.execute(*request, auth.clone(), Vec::new(), reserved).await?;
                Ok(self.single(&response, token, &auth))
            }
            Prepared::Refused(refused) => {
                drop(reserved);
                Ok(self.single(&refused.response(self.request_id.as_str()), token, &auth))
            }
            Prepared::Batch(requests) => {
                let kept = requests.iter().flatten().map(|request| request.bytes).sum();
                reserved.shrink_to(kept);
                let response = self.batch(requests, &auth).await;
                drop(reserved);
                response
            }
        }
    }

    pub(super) fn single(
        &self,
        response: &async_graphql::Response,
        token: Token,
        auth: &Auth,
    ) -> Response {
        let limit = self.node.api.limits().answer.bytes;
        let answer = respond::text(response, limit, &self.request_id);
        self.held(respond::single(response, token, answer, self.form), auth)
    }

    /// Counts the memory of an answer until it is sent.
    fn held(&self, response: Response, auth: &Auth) -> Response {
        let bytes = response.body().size_hint().lower();
        let held = self.node.memory.hold(owner(auth), usize::try_from(bytes).unwrap_or(usize::MAX));
        response.map(|body| HeldBody::new(body, held).into_body())
    }

    async fn batch(&self, requests: Vec<Result<PreparedRequest>>, auth: &Auth) -> Result<Response> {
        if self.headers.contains_key(IDEMPOTENCY_KEY) {
            return Err(Error::invalid(
                "",
                "an Idempotency-Key is valid for one request, not for a batch",
            ));
        }
        let many = requests.len() > 1;
        // Each answer is written as soon as it is complete, within the bytes that the others leave.
        let left = &AtomicUsize::new(self.node.api.limits().answer.bytes);
        let answers = requests.into_iter().map(|request| async move {
            let answered = match request {
                // A batch could try many passwords with one request.
                Ok(request) if many && tries_a_password(&request) => {
                    Err(Error::invalid("query", "login cannot be part of a batch"))
                }
                Ok(request) => {
                    let reserved = self.node.memory.reserve_none(owner(auth));
                    self.execute(request, auth.clone(), Vec::new(), reserved).await
                }
                Err(error) => Err(error),
            };
            let response =
                answered.unwrap_or_else(|error| error_response(&error, self.request_id.as_str()));
            let text = respond::text(&response, left.load(Ordering::Relaxed), &self.request_id);
            // One task polls all of them, so that load and store cannot interleave.
            left.store(left.load(Ordering::Relaxed).saturating_sub(text.len()), Ordering::Relaxed);
            text
        });
        let answers: Vec<_> = answers.collect::<FuturesOrdered<_>>().collect().await;
        Ok(self.held(respond::batch(&answers), auth))
    }

    async fn multipart(&self, source: BodySource, boundary: String) -> Result<Response> {
        if !credentials::is_preflighted(&self.headers) {
            return Err(Error::InvalidInput {
                argument: None,
                message: "multipart needs a header that foreign pages cannot send: an access \
                          token, or `GraphQL-Preflight: 1`"
                    .to_owned(),
                reason: Some("PREFLIGHT_HEADER_MISSING".to_owned()),
            });
        }
        let auth = self.authenticate().await?;
        // Files of unauthenticated clients are not read.
        let principal = auth.principal()?;
        let limits = self.node.services.server_info().limits;
        let limits = MultipartLimits {
            file_bytes: limits.upload_bytes,
            files: limits.media_per_request,
            request: self.node.api.limits(),
        };
        let reserved = Mutex::new(self.node.memory.reserve_none(owner(&auth)));
        let hurried = source.clone();
        let (exchange, memory, hurried, auth) = (self, &reserved, &hurried, &auth);
        let reserve = |bytes: usize| memory.lock().grow(bytes * BODY_COST);
        let refused = &Mutex::new(None);
        let admit = |operations: Vec<u8>| async move {
            let request =
                exchange.prepare_single(owner(auth), operations).await?.map_err(|refusal| {
                    *refused.lock() = Some(refusal);
                    Error::invalid("query", "the document is refused")
                })?;
            memory.lock().shrink_to(request.bytes);
            let document = &request.checked;
            let spool =
                if document.root_fields == [CHECK] { SpoolKind::Memory } else { SpoolKind::Disk };
            if spool == SpoolKind::Disk && document.asks_for(CHECK) {
                return Err(Error::invalid(
                    "query",
                    "`check` with files must be the only field of its request",
                ));
            }
            let services = exchange.node.services.clone();
            hurried.hurry_while(move || services.uploads_are_scarce());
            Ok((request, move || exchange.begin(&principal, spool)))
        };
        let read = multipart::read(source, boundary, limits, reserve, admit).await;
        let refusal = refused.lock().take();
        if let Some(refusal) = refusal {
            hurried.clone().drain().await;
            let response = refusal.response(self.request_id.as_str());
            return Ok(self.single(&response, Token::Other, auth));
        }
        let Upload { request, files } = read?;
        let response = self.execute(request, auth.clone(), files, reserved.into_inner()).await?;
        Ok(self.single(&response, Token::Other, auth))
    }

    async fn prepare_single(
        &self,
        owner: Owner,
        operations: Vec<u8>,
    ) -> Result<std::result::Result<PreparedRequest, RefusedRequest>> {
        let (api, size) = (self.node.api.clone(), operations.len());
        let prepare = move || {
            let request = request::parse_single(&operations, api.limits())?;
            Ok(api.prepare(request))
        };
        self.node.parsing.run(owner, size, prepare).await
    }

    fn begin(&self, principal: &Principal, spool: SpoolKind) -> Result<UploadSink> {
        match spool {
            SpoolKind::Disk => self.node.services.begin_upload(principal),
            SpoolKind::Memory => self.node.services.begin_instant_upload(principal),
        }
    }

    /// A refused token is not an error yet: fields that need no token, such as `refresh`, still
    /// work.
    pub(super) async fn authenticate(&self) -> Result<Auth> {
        let Some(token) = credentials::token(&self.headers) else { return Ok(Auth::Absent) };
        Auth::of(self.node.services.authenticate(&token).await)
    }

    pub(super) async fn execute(
        &self,
        request: PreparedRequest,
        auth: Auth,
        files: Vec<UploadedFile>,
        reserved: Reserved,
    ) -> Result<async_graphql::Response> {
        let idempotency = match self.idempotency_key()? {
            Some(key) => {
                if request.checked.root_fields.len() != 1 {
                    return Err(Error::invalid(
                        "query",
                        "a request with an Idempotency-Key must have exactly one root field",
                    ));
                }
                Some(Idempotency { key, fingerprint: canonical::fingerprint(&request, &files)? })
            }
            None => None,
        };
        let services = self.node.services.clone();
        let context = RequestContext::new(
            services,
            auth,
            self.request_id.as_str().to_owned(),
            self.base_url.clone(),
        )
        .with_client(client_info(self.client, &self.headers))
        .with_idempotency(idempotency)
        .with_files(files)
        .with_memory(reserved);
        Ok(self.node.api.execute(request, context).await)
    }

    fn idempotency_key(&self) -> Result<Option<String>> {
        let Some(value) = self.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let plain = |text: &&str| {
            !text.is_empty()
                && text.len() <= MAX_KEY_BYTES
                && text.bytes().all(|b| b.is_ascii_graphic())
        };
        match value.to_str().ok().filter(plain) {
            Some(key) => Ok(Some(key.to_owned())),
            None => Err(Error::invalid(
                "Idempotency-Key",
                "the Idempotency-Key must be 1 to 255 visible ASCII characters",
            )),
        }
    }
}

const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpoolKind {
    Disk,
    Memory,
}

/// The requests of one body. One that is refused in a batch does not refuse the others.
enum Prepared {
    Single(Box<PreparedRequest>),
    Refused(RefusedRequest),
    Batch(Vec<Result<PreparedRequest>>),
}

/// Memory per byte of a body while it is parsed: the body, the texts in it, and the syntax tree.
pub(super) const BODY_COST: usize = 4;

/// Whether a request contains a password.
fn tries_a_password(request: &PreparedRequest) -> bool {
    ["login", "changePassword"].iter().any(|name| request.checked.asks_for(name))
}

/// Where a request comes from.
pub(super) fn client_info(client: ClientAddress, headers: &HeaderMap) -> ClientInfo {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    ClientInfo::new(client.0, agent)
}

/// Who the memory of a request belongs to.
pub(super) fn owner(auth: &Auth) -> Owner {
    match auth {
        Auth::Valid(principal) => {
            let owner = fair::Owner::from(principal);
            Owner::User(owner.company, owner.user)
        }
        Auth::Refused(_) | Auth::Absent => Owner::Stranger,
    }
}
