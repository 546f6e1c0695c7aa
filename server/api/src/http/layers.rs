//! The layers around all routes: request ids, spans, one task for each request, and an answer
//! when a handler panics.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn, map_request};
use axum::response::Response;
use tokio_util::task::AbortOnDropHandle;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::catch_panic::CatchPanic;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use tracing::{Instrument, Span};
use vultus_core::Error;

use super::request_id::{HEADER, RequestId, drop_unplain};
use super::respond;

/// Puts the layers around `routes`.
pub(super) fn around(routes: Router) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(span_of)
        .on_request(())
        .on_response(log_answer)
        .on_body_chunk(())
        .on_eos(())
        .on_failure(());
    // The first one is the outermost.
    let layers = ServiceBuilder::new()
        .layer(map_request(drop_unplain))
        .layer(SetRequestIdLayer::new(HEADER, MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(HEADER))
        .layer(trace)
        .layer(from_fn(run_as_task));
    routes.layer(layers)
}

/// The span of a request. It names the route, not the path: paths hold signatures and ids.
fn span_of(request: &Request) -> Span {
    let id = RequestId::of(request);
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    tracing::info_span!("request", request_id = id.as_str(), method = %request.method(), route)
}

fn log_answer(response: &Response, latency: Duration, _: &Span) {
    let elapsed_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(status = response.status().as_u16(), elapsed_ms, "answered");
}

/// Runs the request as a task. A connection does not poll a request while the client does not read
/// the earlier answers; as a task, the request still releases its resources. The task is aborted
/// when the client disconnects.
async fn run_as_task(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let fault = |id: &RequestId| respond::refusal(&Error::broken("a handler panicked"), id);
    let id_of_panic = id.clone();
    // The panic's text is in the log already, by the panic hook; it may hold anything and is
    // dropped here.
    let guarded = CatchPanic::custom(next, move |_: Box<dyn Any + Send>| fault(&id_of_panic));
    let answering = tokio::spawn(guarded.oneshot(request).in_current_span());
    let mut response = match AbortOnDropHandle::new(answering).await {
        Ok(Ok(response)) => response.map(Body::new),
        Ok(Err(never)) => match never {},
        // The runtime shuts down.
        Err(_) => fault(&id),
    };
    respond::nosniff(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::routing::get;

    async fn panicking() -> StatusCode {
        panic!("hunter2")
    }

    async fn answer(path: &str) -> (Response, String) {
        let routes = Router::new()
            .route("/panics", get(panicking))
            .route("/works", get(|| async { StatusCode::NO_CONTENT }));
        let request =
            Request::builder().uri(path).header(HEADER, "r-1").body(Body::empty()).unwrap();
        let response = around(routes).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = axum::body::to_bytes(body, 10_000).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        (Response::from_parts(parts, Body::empty()), text)
    }

    #[tokio::test]
    async fn an_answer_carries_the_id_of_its_request() {
        let (response, _) = answer("/works").await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[HEADER], "r-1");
    }

    #[tokio::test]
    async fn a_panic_is_answered_without_its_text() {
        let (response, text) = answer("/panics").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[HEADER], "r-1");
        assert!(text.contains(r#""requestId":"r-1""#) && !text.contains("hunter2"), "{text}");
    }
}
