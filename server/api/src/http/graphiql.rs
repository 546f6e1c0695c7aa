//! The page of GraphiQL, in development only.
//!
//! The library's page loads GraphiQL and React from `unpkg.com`, so that it needs the internet.
//! That is acceptable for developers; production does not serve it, since no page of a production
//! server refers to another host.

use async_graphql::http::GraphiQLSource;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

/// The page. It sends the headers of its header editor, such as the access token, in
/// `connection_init` too.
pub(super) fn page() -> Response {
    let page = GraphiQLSource::build()
        .title("Vultus")
        .endpoint("/graphql")
        .subscription_endpoint("/graphql")
        .finish();
    let mut response = Html(page).into_response();
    response.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
