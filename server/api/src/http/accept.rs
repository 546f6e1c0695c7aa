//! The media type of an answer, as the `Accept` header asks for it.

use std::str::FromStr;

use axum::http::{HeaderMap, header};
use headers_accept::Accept;
use mediatype::MediaType;

/// The form of an answer to a GraphQL request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerType {
    /// `application/json`: the status tells only of the transport (GraphQL over HTTP, 6.4.1).
    Json,
    /// `application/graphql-response+json`: the status tells of the request, too (6.4.2).
    GraphQlResponse,
    /// `text/event-stream`: each result as an event.
    Events,
}

/// What is offered, in the order of preference where a client has none. A parameter must be in the
/// offer to match one of the header.
const OFFERED: [(&str, AnswerType); 6] = [
    ("application/json", AnswerType::Json),
    ("application/json; charset=utf-8", AnswerType::Json),
    ("application/graphql-response+json", AnswerType::GraphQlResponse),
    ("application/graphql-response+json; charset=utf-8", AnswerType::GraphQlResponse),
    ("text/event-stream", AnswerType::Events),
    ("text/event-stream; charset=utf-8", AnswerType::Events),
];

impl AnswerType {
    /// The form that the client accepts; `None` if it accepts no form that is offered. Without the
    /// header, or with one that is malformed, JSON.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let given: Vec<_> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        if given.is_empty() {
            return Some(Self::Json);
        }
        let Ok(accept) = Accept::from_str(&given.join(",")) else { return Some(Self::Json) };
        let offered: Vec<MediaType<'_>> =
            OFFERED.iter().filter_map(|(name, _)| MediaType::parse(name).ok()).collect();
        let best = accept.negotiate(&offered)?;
        let position = offered.iter().position(|offer| offer == best)?;
        Some(OFFERED[position].1)
    }

    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphQlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Events => "text/event-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(accept: &'static str) -> Option<AnswerType> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        AnswerType::of(&headers)
    }

    #[test]
    fn the_form_is_what_the_client_prefers() {
        use AnswerType::{Events, GraphQlResponse, Json};
        for (accept, expected) in [
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("application/json; charset=utf-8", Some(Json)),
            ("application/graphql-response+json", Some(GraphQlResponse)),
            ("application/graphql-response+json, application/json", Some(GraphQlResponse)),
            ("application/json, application/graphql-response+json", Some(Json)),
            ("application/json;q=0.9, application/graphql-response+json", Some(GraphQlResponse)),
            ("text/event-stream, application/json;q=0.5", Some(Events)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("not a type at all,,,", Some(Json)),
        ] {
            assert_eq!(of(accept), expected, "{accept}");
        }
        assert_eq!(AnswerType::of(&HeaderMap::new()), Some(Json));
    }
}
