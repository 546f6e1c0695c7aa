//! One operation of a socket, from its message to the stream of its results.

use async_graphql::Response;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};

use crate::graphql::RawRequest;
use crate::graphql::context::{Auth, RequestContext};
use crate::graphql::error::error_response;
use crate::http::node::Node;
use crate::http::post::{BODY_COST, owner};
use crate::http::request_id::RequestId;
use vultus_core::Principal;
use vultus_service::{ClientInfo, NextAnswer};

/// What an operation needs of its socket.
pub(super) struct Operation {
    pub(super) node: Node,
    pub(super) request_id: RequestId,
    pub(super) base_url: String,
    pub(super) client: ClientInfo,
    pub(super) principal: Principal,
    pub(super) next: NextAnswer,
}

impl Operation {
    /// The results: of a refused operation, the refusal.
    pub(super) fn results(self, request: RawRequest) -> BoxStream<'static, Response> {
        let request_id = self.request_id.clone();
        let begun = async move {
            match self.begin(request).await {
                Ok(results) => results,
                Err(error) => {
                    let response = error_response(&error, request_id.as_str());
                    stream::once(async move { response }).boxed()
                }
            }
        };
        begun.flatten_stream().boxed()
    }

    async fn begin(self, request: RawRequest) -> vultus_core::Result<BoxStream<'static, Response>> {
        let variables = request.variables.as_ref().map_or(0, |variables| variables.get().len());
        let size = request.query.len() + variables;
        let auth = Auth::Valid(self.principal);
        let mut reserved = self.node.memory.reserve(owner(&auth), size * BODY_COST)?;
        let api = self.node.api.clone();
        let prepared = self.node.parsing.run(size, move || api.prepare(request)).await?;
        reserved.shrink_to(prepared.bytes);
        let request_id = self.request_id.as_str().to_owned();
        let context =
            RequestContext::new(self.node.services.clone(), auth, request_id, self.base_url)
                .with_client(self.client)
                .with_next_answer(self.next)
                .with_memory(reserved);
        Ok(self.node.api.stream(prepared, context))
    }
}
