//! Limits of requests and answers: the options of this layer and of the transport. The defaults are
//! those of the configuration; a test compares them.

/// Limits of requests and answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLimits {
    /// Maximum size of a JSON body, of `operations` in a multipart body and of a websocket message,
    /// in bytes.
    pub body_bytes: usize,
    /// Maximum number of requests in a batch.
    pub batch: usize,
    /// Maximum number of JSON values in a body, including nested ones.
    pub json_values: usize,
    /// Maximum nesting of JSON in a body.
    pub json_depth: usize,
    /// Limits of one document.
    pub query: QueryLimits,
    /// Limits of one answer.
    pub answer: AnswerLimits,
}

/// Limits of one document. "At each use" means: counted as if all fragments were expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// Maximum number of tokens.
    pub tokens: usize,
    /// Maximum length of a name, in bytes: errors of the library repeat names.
    pub name_bytes: usize,
    /// Maximum nesting of brackets of any kind, which bounds the parser's recursion.
    pub nesting: usize,
    /// Maximum number of operations.
    pub operations: usize,
    /// Maximum number of fragments.
    pub fragments: usize,
    /// Maximum number of variable definitions of all operations together.
    pub variables: usize,
    /// Maximum number of directives in the document.
    pub directives: usize,
    /// Maximum number of directives at one place.
    pub directives_per_place: usize,
    /// Maximum number of literal values in the document, including nested ones.
    pub literals: usize,
    /// Maximum number of selections (fields, spreads, inline fragments), at each use.
    pub selections: usize,
    /// Maximum number of aliases, at each use.
    pub aliases: usize,
    /// Maximum number of root fields of an operation, at each use.
    pub root_fields: usize,
    /// Maximum nesting of fields.
    pub depth: usize,
    /// Maximum nesting inside `__schema` and `__type`: the usual query of tools needs 13.
    pub introspection_depth: usize,
    /// Maximum number of values that introspection may select, estimated from its nested lists.
    pub introspection_values: usize,
    /// Maximum sum of the weights of all fields.
    pub complexity: usize,
    /// Maximum number of comparisons in validation: of fields that may overlap, and of variable
    /// uses with operations.
    pub validation_steps: usize,
    /// Maximum number of values in the variables, without those inside JSON.
    pub variable_values: usize,
    /// Maximum number of bytes that copies of variables may take: each use of a variable is a copy.
    pub variable_bytes: usize,
}

/// Limits of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Maximum number of errors; one more error reports how many were left out.
    pub errors: usize,
    /// Maximum size of an answer in bytes of JSON; for a batch, of all its answers together.
    pub bytes: usize,
    /// Maximum size of the metadata, parameters and results that one answer reads and parses, in
    /// bytes.
    pub json_bytes: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            batch: 10,
            json_values: 100_000,
            json_depth: 64,
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
            variable_values: 10_000,
            variable_bytes: 32 << 20,
        }
    }
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self { errors: 20, bytes: 8 << 20, json_bytes: 32 << 20 }
    }
}
