//! The GraphQL schema: one file per domain, and [`Api`], the only way to execute documents.
//!
//! These types are separate from the domain's and the store's: renaming a field of the API does not
//! change stored data.

pub mod account;
pub mod analysis;
pub mod analysis_objects;
pub mod answer;
pub mod api_key;
pub mod artifact;
pub mod audit;
pub mod case;
pub mod challenge;
pub mod check;
pub mod company;
pub mod company_policy;
pub mod context;
pub mod credential_mutations;
pub mod decision;
pub mod document;
pub mod error;
pub mod folder;
pub mod gestures;
pub mod group;
pub mod info;
mod input_shapes;
pub mod inputs;
pub mod json;
pub mod limits;
mod loader;
pub mod media;
pub mod mutation;
mod needs;
mod page;
pub mod password;
pub mod prepared;
pub mod quality;
pub mod query;
pub mod refused;
pub mod request_limits;
pub mod results;
pub mod scalars;
pub mod session;
pub mod subscription;
pub mod typed_analyses;
pub mod upload;
pub mod user;
mod variables;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response, Schema, SchemaBuilder};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use vultus_core::{Error, Result};

use context::RequestContext;
use error::{error_response, publish_response};
use input_shapes::InputShapes;
pub use limits::{CheckedDocument, Introspection};
use mutation::Mutation;
pub use prepared::{PreparedRequest, RawRequest};
use query::Query;
pub use refused::RefusedRequest;
use request_limits::{QueryLimits, RequestLimits};
use subscription::Subscription;

/// Mutations that take credentials. Each must be the only field of its request, so that a request
/// cannot try many credentials under aliases.
const CREDENTIAL_MUTATIONS: [&str; 4] = ["login", "refresh", "changePassword", "resetPassword"];

/// Executes documents. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    schema: Schema<Query, Mutation, Subscription>,
    introspection: Introspection,
    limits: Arc<RequestLimits>,
    shapes: Arc<InputShapes>,
}

impl Api {
    /// Creates the schema, with or without introspection and suggestions of names.
    pub fn new(introspection: Introspection, limits: RequestLimits) -> Self {
        let builder = builder(&limits.query);
        let builder = match introspection {
            Introspection::Allowed => builder,
            Introspection::Refused => builder.disable_introspection().disable_suggestions(),
        };
        let shapes = Arc::new(InputShapes::of(&sdl()));
        Self { schema: builder.finish(), introspection, limits: Arc::new(limits), shapes }
    }

    /// The limits of requests and answers.
    pub fn limits(&self) -> &RequestLimits {
        &self.limits
    }

    /// Checks a document against the limits, then converts the variables that it declares. This
    /// comes before any other processing of the request.
    pub fn prepare(&self, request: RawRequest) -> Result<PreparedRequest, RefusedRequest> {
        let limits = &self.limits.query;
        let name = request.operation_name.as_deref();
        let checked = self.check(&request.query, name)?;
        let (text, definitions) = (request.variables.as_deref(), checked.definitions(name));
        let variables = variables::declared(text, definitions, &self.shapes, limits)?;
        Ok(PreparedRequest::new(request, checked, variables, limits)?)
    }

    /// Parses a document and checks it against the limits.
    fn check(
        &self,
        query: &str,
        operation_name: Option<&str>,
    ) -> Result<CheckedDocument, RefusedRequest> {
        let limits = &self.limits.query;
        let checked = limits::check(query, operation_name, self.introspection, limits)?;
        let many = checked.root_fields.len() > 1;
        if many && CREDENTIAL_MUTATIONS.iter().any(|name| checked.asks_for(name)) {
            return Err(Error::invalid(
                "query",
                "login, refresh, changePassword and resetPassword must each be the only field of a \
                 request",
            )
            .into());
        }
        if many && checked.kind == OperationType::Subscription {
            let error = Error::invalid("query", "a subscription must have exactly one root field");
            return Err(error.into());
        }
        Ok(checked)
    }

    /// Executes a query or mutation. All errors in the answer are in their published form.
    pub async fn execute(&self, request: PreparedRequest, context: RequestContext) -> Response {
        let request_id = context.request_id().to_owned();
        let request = self.request(request, context);
        let mut response = match AssertUnwindSafe(self.schema.execute(request)).catch_unwind().await
        {
            Ok(response) => response,
            Err(_) => return error_response(&Error::broken("a resolver panicked"), &request_id),
        };
        publish_response(&mut response, &request_id, &self.limits);
        response
    }

    /// Executes any operation; queries and mutations give one answer.
    pub fn stream(
        &self,
        request: PreparedRequest,
        context: RequestContext,
    ) -> BoxStream<'static, Response> {
        let request_id = context.request_id().to_owned();
        let request = self.request(request, context);
        let limits = self.limits.clone();
        let answers = AssertUnwindSafe(self.schema.execute_stream(request)).catch_unwind();
        answers
            .map(move |answer| match answer {
                Ok(mut response) => {
                    publish_response(&mut response, &request_id, &limits);
                    response
                }
                Err(_) => error_response(&Error::broken("a subscription panicked"), &request_id),
            })
            .boxed()
    }

    /// The request of the library. It holds the syntax tree and not the text of the document.
    fn request(&self, prepared: PreparedRequest, context: RequestContext) -> Request {
        let PreparedRequest { checked, operation_name, variables, .. } = prepared;
        let mut request = Request::new("").variables(variables);
        request.operation_name = operation_name;
        request.set_parsed_query(checked.document);
        let context = context.with_document(checked.needs, &self.limits.answer);
        if let Ok(principal) = context.auth().principal() {
            let loaders = loader::loaders(
                context.services().clone(),
                principal,
                context.selection(),
                context.count().clone(),
            );
            request = request.data(loaders);
        }
        request.data(context)
    }
}

fn builder(limits: &QueryLimits) -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation::default(), Subscription)
        .data(limits.clone())
        .limit_complexity(limits.complexity)
        .override_output_type_description::<async_graphql::ID>("An id: opaque text.")
        .override_output_type_description::<audit::AuditConnection>("A page of the audit log.")
        .override_output_type_description::<case::CaseConnection>("A page of cases.")
        .override_output_type_description::<folder::FolderConnection>("A page of folders.")
        .override_output_type_description::<company::CompanyConnection>("A page of companies.")
        .override_output_type_description::<user::UserConnection>("A page of users.")
        .override_output_type_description::<media::MediaConnection>("A page of media.")
        .override_output_type_description::<typed_analyses::AnalysisConnection>(
            "A page of analyses.",
        )
        .override_output_type_description::<session::SessionConnection>("A page of sessions.")
        .override_output_type_description::<api_key::ApiKeyConnection>("A page of API keys.")
}

/// The schema in SDL, which is the published contract.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new().include_specified_by();
    let mut sdl =
        builder(&QueryLimits::default()).finish().sdl_with_options(options).trim_end().to_owned();
    sdl.push('\n');
    sdl
}

#[cfg(test)]
mod tests;
