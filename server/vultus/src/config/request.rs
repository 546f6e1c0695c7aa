//! Limits on requests, documents and answers, as the keys of `limits.request`, `limits.query` and
//! `limits.answer` set them.

use super::values::Values;

/// Requests as a whole.
#[derive(Debug, Clone)]
pub struct RequestConfig {
    /// Largest JSON body, `operations` of a multipart body and message of a websocket, in bytes.
    pub body_bytes: usize,
    /// Most requests in one batch.
    pub batch: usize,
    /// Most JSON values in one body, nested ones included; names of fields count, too.
    pub json_values: usize,
}

impl RequestConfig {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            body_bytes: values.count("limits.request.body_bytes"),
            batch: values.count("limits.request.batch"),
            json_values: values.count("limits.request.json_values"),
        }
    }
}

/// Documents.
#[derive(Debug, Clone)]
pub struct QueryConfig {
    /// Most tokens of a document.
    pub tokens: usize,
    /// Longest name in a document, in bytes.
    pub name_bytes: usize,
    /// Deepest nesting of brackets of any kind.
    pub nesting: usize,
    /// Most operations in one document.
    pub operations: usize,
    /// Most fragments in one document.
    pub fragments: usize,
    /// Most variable definitions in one document.
    pub variables: usize,
    /// Most directives in one document.
    pub directives: usize,
    /// Most directives at one place of a document.
    pub directives_per_place: usize,
    /// Most literal values in one document, nested ones included.
    pub literals: usize,
    /// Most selections (fields, fragments) of a document, counted at each use of a fragment.
    pub selections: usize,
    /// Most aliases of a document, counted at each use of a fragment.
    pub aliases: usize,
    /// Most fields at the root of an operation.
    pub root_fields: usize,
    /// Deepest nesting of fields.
    pub depth: usize,
    /// Deepest nesting inside of introspection, where it is on.
    pub introspection_depth: usize,
    /// Most values that introspection may select, estimated from the lists it nests.
    pub introspection_values: usize,
    /// Highest complexity: a field counts 1, the fields of a page once for each 25 objects begun.
    pub complexity: usize,
    /// Most comparisons of fields and variables that validation may make.
    pub validation_steps: usize,
    /// Most memory for the copies of variables, one for each use of the largest one, in bytes.
    pub variable_bytes: usize,
}

impl QueryConfig {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            tokens: values.count("limits.query.tokens"),
            name_bytes: values.count("limits.query.name_bytes"),
            nesting: values.count("limits.query.nesting"),
            operations: values.count("limits.query.operations"),
            fragments: values.count("limits.query.fragments"),
            variables: values.count("limits.query.variables"),
            directives: values.count("limits.query.directives"),
            directives_per_place: values.count("limits.query.directives_per_place"),
            literals: values.count("limits.query.literals"),
            selections: values.count("limits.query.selections"),
            aliases: values.count("limits.query.aliases"),
            root_fields: values.count("limits.query.root_fields"),
            depth: values.count("limits.query.depth"),
            introspection_depth: values.count("limits.query.introspection_depth"),
            introspection_values: values.count("limits.query.introspection_values"),
            complexity: values.count("limits.query.complexity"),
            validation_steps: values.count("limits.query.validation_steps"),
            variable_bytes: values.count("limits.query.variable_bytes"),
        }
    }
}

/// Answers.
#[derive(Debug, Clone)]
pub struct AnswerConfig {
    /// Errors that an answer keeps; one more says how many are left out.
    pub errors: usize,
    /// Largest answer, in bytes of JSON: of a request, a whole batch or a websocket's message.
    pub bytes: usize,
}

impl AnswerConfig {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            errors: values.count("limits.answer.errors"),
            bytes: values.count("limits.answer.bytes"),
        }
    }
}
