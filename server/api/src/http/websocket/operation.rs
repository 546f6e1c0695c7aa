//! One operation of a socket, from its message to the stream of its results.

use async_graphql::Response;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};

use crate::graphql::context::{Auth, RequestContext};
use crate::graphql::{RawRequest, RefusedRequest};
use crate::http::node::Node;
use crate::http::post::{BODY_COST, owner};
use crate::http::request_id::RequestId;
use vultus_core::Principal;
use vultus_service::{ClientInfo, NextAnswer};

/// What an operation needs of its connection.
pub(in crate::http) struct Operation {
    pub(in crate::http) node: Node,
    pub(in crate::http) request_id: RequestId,
    pub(in crate::http) base_url: String,
    pub(in crate::http) client: ClientInfo,
    pub(in crate::http) principal: Principal,
    pub(in crate::http) next: NextAnswer,
}

impl Operation {
    /// The results: of a refused operation, the refusal.
    pub(in crate::http) fn results(self, request: RawRequest) -> BoxStream<'static, Response> {
        let request_id = self.request_id.clone();
        let begun = async move {
            match self.begin(request).await {
                Ok(results) => results,
                Err(refused) => {
                    let response = refused.response(request_id.as_str());
                    stream::once(async move { response }).boxed()
                }
            }
        };
        begun.flatten_stream().boxed()
    }

    async fn begin(
        self,
        request: RawRequest,
    ) -> Result<BoxStream<'static, Response>, RefusedRequest> {
        let variables = request.variables.as_ref().map_or(0, |variables| variables.get().len());
        let size = request.query.len() + variables;
        let auth = Auth::Valid(self.principal);
        let owner = owner(&auth);
        let mut reserved = self.node.memory.reserve(owner, size * BODY_COST)?;
        let api = self.node.api.clone();
        let prepare = move || Ok(api.prepare(request));
        let prepared = self.node.parsing.run(owner, size, prepare).await??;
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
