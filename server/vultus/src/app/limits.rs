//! Maps the configured limits of requests and answers onto the options of the API.

use crate::config::LimitsConfig;
use vultus_api::graphql::request_limits::{AnswerLimits, QueryLimits, RequestLimits};
use vultus_api::http::MemoryLimits;

/// The options of the GraphQL layer and the transport.
pub(super) fn request_limits(config: &LimitsConfig) -> RequestLimits {
    let LimitsConfig { request, query, answer, .. } = config;
    RequestLimits {
        body_bytes: request.body_bytes,
        batch: request.batch,
        json_values: request.json_values,
        json_depth: request.json_depth,
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
            variable_values: query.variable_values,
            variable_bytes: query.variable_bytes,
        },
        answer: AnswerLimits {
            errors: answer.errors,
            bytes: answer.bytes,
            json_bytes: answer.json_bytes,
        },
    }
}

/// The limits of the memory of requests.
pub(super) fn memory_limits(config: &LimitsConfig) -> MemoryLimits {
    let memory = &config.memory;
    MemoryLimits {
        total: memory.total_bytes,
        company: memory.company_bytes,
        user: memory.user_bytes,
        strangers: memory.stranger_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn defaults_of_the_api_equal_those_of_the_keys() {
        assert_eq!(request_limits(&Config::defaults().limits), RequestLimits::default());
        assert_eq!(memory_limits(&Config::defaults().limits), MemoryLimits::default());
    }
}
