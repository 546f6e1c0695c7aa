//! `GET /graphql?query=…`: one query, whose parameters are those of a JSON body (GraphQL over
//! HTTP,
//! 5.1). Mutations are refused, so that no link or image can start one; pages of other origins can
//! send no token with such a request.

use async_graphql::parser::types::OperationType;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use vultus_core::{Error, Result};

use super::accept::AnswerType;
use super::node::Node;
use super::post::{BODY_COST, Exchange, owner};
use super::request;
use super::request_id::RequestId;
use super::respond::{self, Token};
use crate::graphql::context::Auth;

/// Answers a GET request.
pub(super) async fn handle(node: Node, request_id: RequestId, parts: Parts) -> Response {
    let parameters = parts.uri.query().unwrap_or_default().to_owned();
    let exchange = match Exchange::new(node, request_id, parts) {
        Ok(exchange) => exchange,
        Err(refusal) => return *refusal,
    };
    exchange
        .query(&parameters)
        .await
        .unwrap_or_else(|error| respond::refusal_as(exchange.form, &error, &exchange.request_id))
}

/// The parameters, as the JSON body that means the same.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Box<RawValue>>,
}

/// The JSON body that means the same as a query string. Unknown parameters are ignored, as unknown
/// members of a body are.
fn as_body(query_string: &str) -> Result<Vec<u8>> {
    let mut parameters = Parameters::default();
    for (name, value) in url::form_urlencoded::parse(query_string.as_bytes()) {
        match name.as_ref() {
            "query" => parameters.query = Some(value.into_owned()),
            "operationName" if !value.is_empty() => {
                parameters.operation_name = Some(value.into_owned());
            }
            "variables" if !value.is_empty() => {
                // The parser's text may repeat the client's values.
                let json = serde_json::from_str(&value).map_err(|_| Error::InvalidInput {
                    argument: Some("variables".to_owned()),
                    message: "must be a JSON object".to_owned(),
                    reason: Some("BAD_REQUEST_BODY".to_owned()),
                })?;
                parameters.variables = Some(json);
            }
            _ => {}
        }
    }
    serde_json::to_vec(&parameters).map_err(|error| Error::internal("writing parameters", error))
}

impl Exchange {
    async fn query(&self, parameters: &str) -> Result<Response> {
        let body = as_body(parameters)?;
        if self.form == AnswerType::Events {
            return self.events_of_text(&body).await;
        }
        let auth = self.authenticate().await?;
        let token = if matches!(auth, Auth::Refused(_)) { Token::Refused } else { Token::Other };
        let mut reserved = self.node.memory.reserve(owner(&auth), body.len() * BODY_COST)?;
        let api = self.node.api.clone();
        let size = body.len();
        let prepare = move || Ok(api.prepare(request::parse_single(&body, api.limits())?));
        let request = match self.node.parsing.run(owner(&auth), size, prepare).await? {
            Ok(request) => request,
            Err(refused) => {
                let response = refused.response(self.request_id.as_str());
                return Ok(self.single(&response, token, &auth));
            }
        };
        if request.checked.kind != OperationType::Query {
            return Ok(self.only_by_post());
        }
        reserved.shrink_to(request.bytes);
        let response = self.execute(request, auth.clone(), Vec::new(), reserved).await?;
        Ok(self.single(&response, token, &auth))
    }

    fn only_by_post(&self) -> Response {
        let error = Error::InvalidInput {
            argument: Some("query".to_owned()),
            message: "only queries run over GET; send mutations by POST, and subscriptions by \
                      websocket or as text/event-stream"
                .to_owned(),
            reason: Some("METHOD_NOT_ALLOWED".to_owned()),
        };
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut response = respond::refusal_with(status, &error, &self.request_id);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(query_string: &str) -> String {
        String::from_utf8(as_body(query_string).unwrap()).unwrap()
    }

    #[test]
    fn parameters_become_the_members_of_a_body() {
        let given = "query=query+Q(%24a%3AInt)%7Ba%7D&operationName=Q&variables=%7B%22a%22%3A1%7D";
        assert_eq!(
            text(given),
            r#"{"query":"query Q($a:Int){a}","operationName":"Q","variables":{"a":1}}"#
        );
        assert_eq!(text("query=%7Ba%7D&variables=&operationName=&x=1"), r#"{"query":"{a}"}"#);
        assert_eq!(text(""), "{}");
    }

    #[test]
    fn variables_cannot_become_other_members() {
        assert!(as_body("query=%7Ba%7D&variables=%7B%7D%2C%22query%22%3A%22%7Bb%7D%22").is_err());
        assert!(as_body("variables=hunter2").is_err());
    }
}
