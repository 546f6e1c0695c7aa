//! `POST /graphql`: a request or a batch as JSON, or one request with files as multipart.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use sha2::{Digest, Sha256};
use vultus_core::{Error, Principal, Result};

use super::body::BodySource;
use super::multipart::{MultipartLimits, Spool, Upload};
use super::node::Node;
use super::peer::ClientAddress;
use super::request::{GraphQlRequest, Requests};
use super::request_id::RequestId;
use super::respond::{self, Token};
use super::{body, credentials, multipart, request};
use crate::graphql::CheckedDocument;
use crate::graphql::context::{Auth, Idempotency, RequestContext};
use crate::graphql::error::error_response;
use vultus_service::{UploadSink, UploadedFile};

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
    let exchange = Exchange {
        base_url: node.base_url(&parts.headers),
        client: node.client(parts.extensions.get(), &parts.headers),
        node,
        request_id,
        headers: parts.headers,
    };
    let body = BodySource::new(body);
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
            respond::refusal(&error, &exchange.request_id)
        }
    }
}

enum ContentType {
    Json,
    Multipart(String),
    Other,
}

impl ContentType {
    /// Does not accept text/plain and forms, which pages of other origins can send without a
    /// preflight request.
    fn of(headers: &HeaderMap) -> Self {
        let Some(text) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
        else {
            return Self::Other;
        };
        let essence = text.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            return Self::Json;
        }
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            return Self::Other;
        }
        boundary(text).map_or(Self::Other, Self::Multipart)
    }
}

/// Whether the body is compressed.
fn has_encoding(headers: &HeaderMap) -> bool {
    let is_plain = |text: &str| text.trim().eq_ignore_ascii_case("identity");
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    !encodings.all(|value| value.to_str().is_ok_and(is_plain))
}

/// The boundary of a multipart type, quoted or not. Clients send characters such as `/` without the
/// quotes that they need (RFC 2046, 5.1.1).
fn boundary(content_type: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value
                .split_once(';')
                .map_or((value.trim_end(), ""), |(value, after)| (value.trim_end(), after)),
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case("boundary") {
            let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            let fits = (1..=70).contains(&value.len()) && !value.ends_with(' ');
            return (plain && fits).then(|| value.to_owned());
        }
        rest = after;
    }
}

/// One HTTP request with its context.
struct Exchange {
    node: Node,
    request_id: RequestId,
    headers: HeaderMap,
    base_url: String,
    client: ClientAddress,
}

impl Exchange {
    async fn json(&self, body: BodySource) -> Result<Response> {
        let limits = self.node.api.limits();
        let body = body::read_all(body, limits.body_bytes).await?;
        let requests = request::parse(&body, limits)?;
        drop(body);
        let auth = self.authenticate().await?;
        let token = if matches!(auth, Auth::Refused(_)) { Token::Refused } else { Token::Other };
        match requests {
            Requests::Single(request) => {
                let checked = self.check(&request)?;
                let response = self.execute(request, checked, auth, Vec::new()).await?;
                Ok(self.single(&response, token))
            }
            Requests::Batch(requests) => self.batch(requests, &auth).await,
        }
    }

    fn single(&self, response: &async_graphql::Response, token: Token) -> Response {
        let limit = self.node.api.limits().answer.bytes;
        respond::single(response, token, respond::text(response, limit, &self.request_id))
    }

    async fn batch(&self, requests: Vec<GraphQlRequest>, auth: &Auth) -> Result<Response> {
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
            let answered = match self.check(&request) {
                // A batch could try many passwords with one request.
                Ok(checked) if many && checked.asks_for("login") => {
                    Err(Error::invalid("query", "login cannot be part of a batch"))
                }
                Ok(checked) => self.execute(request, checked, auth.clone(), Vec::new()).await,
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
        Ok(respond::batch(&answers))
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
        let (mut checked, hurried) = (None, source.clone());
        let admit = |request: &GraphQlRequest| {
            let document = self.check(request)?;
            let spool =
                if document.root_fields == [CHECK] { SpoolKind::Memory } else { SpoolKind::Disk };
            if spool == SpoolKind::Disk && document.asks_for(CHECK) {
                return Err(Error::invalid(
                    "query",
                    "`check` with files must be the only field of its request",
                ));
            }
            checked = Some(document);
            let services = self.node.services.clone();
            hurried.hurry_while(move || services.uploads_are_scarce());
            Ok(move || self.begin(principal, spool))
        };
        let Upload { request, files } = multipart::read(source, boundary, limits, admit).await?;
        let checked = checked
            .ok_or_else(|| Error::broken("a multipart request was read without being checked"))?;
        let response = self.execute(request, checked, auth, files).await?;
        Ok(self.single(&response, Token::Other))
    }

    fn begin(&self, principal: Principal, spool: SpoolKind) -> Result<UploadSink> {
        match spool {
            SpoolKind::Disk => self.node.services.begin_upload(&principal),
            SpoolKind::Memory => self.node.services.begin_instant_upload(&principal),
        }
    }

    /// A refused token is not an error yet: fields that need no token, such as `refresh`, still
    /// work.
    async fn authenticate(&self) -> Result<Auth> {
        let Some(token) = credentials::token(&self.headers) else { return Ok(Auth::Absent) };
        match self.node.services.authenticate(&token).await {
            Ok(authenticated) => Ok(Auth::Valid(authenticated.principal)),
            Err(Error::Unauthenticated(message)) => Ok(Auth::Refused(message)),
            Err(other) => Err(other),
        }
    }

    fn check(&self, request: &GraphQlRequest) -> Result<CheckedDocument> {
        let variables = request.variables.as_ref();
        self.node.api.check(&request.query, request.operation_name.as_deref(), variables)
    }

    async fn execute(
        &self,
        request: GraphQlRequest,
        checked: CheckedDocument,
        auth: Auth,
        files: Vec<UploadedFile>,
    ) -> Result<async_graphql::Response> {
        let idempotency = match self.idempotency_key()? {
            Some(key) => {
                if checked.root_fields.len() != 1 {
                    return Err(Error::invalid(
                        "query",
                        "a request with an Idempotency-Key must have exactly one root field",
                    ));
                }
                Some(Idempotency { key, fingerprint: fingerprint(&request, &files) })
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
        .with_client(self.client.0)
        .with_idempotency(idempotency)
        .with_files(files);
        let variables = request.library_variables();
        Ok(self
            .node
            .api
            .execute(checked, request.query, request.operation_name, variables, context)
            .await)
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

/// Hash of the operation, the variables (with markers for files) and the files' hashes. The raw
/// body is not hashed, since its boundary and part names differ between attempts.
fn fingerprint(request: &GraphQlRequest, files: &[UploadedFile]) -> String {
    let variables =
        serde_json::Value::Object(request.variables.clone().unwrap_or_default()).to_string();
    let name = request.operation_name.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    let texts = [request.query.as_str(), name, variables.as_str()];
    for text in texts.into_iter().chain(files.iter().map(|file| file.sha256())) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hex::encode(hash.finalize())
}

impl Spool for UploadSink {
    type File = UploadedFile;

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        UploadSink::write(self, &bytes).await
    }

    async fn finish(self, name: Option<String>) -> Result<UploadedFile> {
        UploadSink::finish(self, name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_read_quoted_and_unquoted() {
        for (given, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("multipart/form-data; boundary=a/b=c+d?e:f", Some("a/b=c+d?e:f")),
            ("multipart/form-data; charset=utf-8; Boundary=\"a b/c\"; x=y", Some("a b/c")),
            ("multipart/form-data;boundary=abc ; charset=utf-8", Some("abc")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"open", None),
        ] {
            assert_eq!(boundary(given).as_deref(), expected, "{given}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert_eq!(boundary(&long), None);
    }
}
