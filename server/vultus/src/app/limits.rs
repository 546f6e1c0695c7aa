//! Maps the configured limits of requests and answers onto the options of the API.

use crate::config::LimitsConfig;
use vultus_api::graphql::request_limits::{AnswerLimits, QueryLimits, RequestLimits};

/// The options of the GraphQL layer and the transport.
pub(super) fn request_limits(config: &LimitsConfig) -> RequestLimits {
    let LimitsConfig { request, query, answer, .. } = config;
    RequestLimits {
        body_bytes: request.body_bytes,
        batch: request.batch,
        json_values: request.json_values,
        query: QueryLimits {
            tokens: query.tokens,
            name_bytes: query.name_bytes,
            nesting: query.nesting,
            operations: query.operations,
            fragments: query.fragments,
            variables: query.variables,
            directives: query.directives,
            directives_per_place: query.directives_per_place,
            literals: query.literals,
            selections: query.selections,
            aliases: query.aliases,
            root_fields: query.root_fields,
            depth: query.depth,
            introspection_depth: query.introspection_depth,
            introspection_values: query.introspection_values,
            complexity: query.complexity,
            validation_steps: query.validation_steps,
            variable_bytes: query.variable_bytes,
        },
        answer: AnswerLimits { errors: answer.errors, bytes: answer.bytes },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn defaults_of_the_api_equal_those_of_the_keys() {
        assert_eq!(request_limits(&Config::defaults().limits), RequestLimits::default());
    }
}
