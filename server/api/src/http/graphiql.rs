//! The page of GraphiQL, in development only.
//!
//! The page that the library brings loads GraphiQL and React from `unpkg.com`, so that it names an
//! outside host and needs the internet. That is acceptable for a developer's own browser, and one
//! reason why production does not serve it: no page of a production server refers to another host.

use async_graphql::http::GraphiQLSource;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

/// The page; the access token goes into its editor of headers, which it also sends in
/// `connection_init`.
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
