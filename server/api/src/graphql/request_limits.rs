//! What a request may cost and how large its answer may get: the options of this layer and of the
//! transport above it. The defaults are those of the configuration; a test compares them.

/// Limits of requests and answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLimits {
    /// Largest JSON body, largest `operations` of a multipart body and largest message of a
    /// websocket, in bytes.
    pub body_bytes: usize,
    /// Most requests in one batch.
    pub batch: usize,
    /// Most JSON values in one body, nested ones included.
    pub json_values: usize,
    /// Limits of one document.
    pub query: QueryLimits,
    /// Limits of one answer.
    pub answer: AnswerLimits,
}

/// Limits of one document. What counts "at each use" counts as if all fragments were written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// Most tokens.
    pub tokens: usize,
    /// Longest name, in bytes: errors of the library repeat names.
    pub name_bytes: usize,
    /// Deepest nesting of brackets of any kind, which bounds the parser's recursion.
    pub nesting: usize,
    /// Most operations.
    pub operations: usize,
    /// Most fragments.
    pub fragments: usize,
    /// Most variable definitions of all operations together.
    pub variables: usize,
    /// Most directives in all of the document.
    pub directives: usize,
    /// Most directives at one place.
    pub directives_per_place: usize,
    /// Most literal values in all of the document, nested ones included.
    pub literals: usize,
    /// Most selections (fields, spreads, inline fragments), at each use.
    pub selections: usize,
    /// Most aliases, at each use.
    pub aliases: usize,
    /// Most fields at the root of an operation, at each use.
    pub root_fields: usize,
    /// Deepest nesting of fields.
    pub depth: usize,
    /// Deepest nesting inside `__schema` and `__type`: the usual query of tools needs 13.
    pub introspection_depth: usize,
    /// Most values that introspection may select, estimated from the lists it nests.
    pub introspection_values: usize,
    /// Highest sum of the weights of all fields.
    pub complexity: usize,
    /// Most comparisons that validation may make: of fields that may overlap, and of the uses of
    /// variables with the operations.
    pub validation_steps: usize,
    /// Most bytes of variables copied, at each use of a variable.
    pub variable_bytes: usize,
}

/// Limits of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Errors that are kept; one more says how many were left out.
    pub errors: usize,
    /// Largest answer, in bytes of JSON; of a batch: all its answers together.
    pub bytes: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            batch: 10,
            json_values: 100_000,
            query: QueryLimits::default(),
            answer: AnswerLimits::default(),
        }
    }
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            tokens: 15_000,
            name_bytes: 256,
            nesting: 50,
            operations: 10,
            fragments: 100,
            variables: 100,
            directives: 200,
            directives_per_place: 5,
            literals: 5_000,
            selections: 2_000,
            aliases: 30,
            root_fields: 20,
            depth: 12,
            introspection_depth: 20,
            introspection_values: 1_000_000,
            complexity: 1_000,
            validation_steps: 10_000,
            variable_bytes: 32 << 20,
        }
    }
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self { errors: 20, bytes: 8 << 20 }
    }
}
