//! Keys with limits on requests, documents and answers.

use super::kinds::whole;
use super::source::section;

const MEBI: i64 = 1 << 20;
const TEBI: i64 = 1 << 40;

section! {
    /// Limits on requests as a whole.
    pub struct RequestConfig {
        /// Maximum size of a JSON body, of `operations` of a multipart body, and of a message of a
        /// websocket, in bytes.
        body_bytes: usize = MEBI, whole(1024..=256 * MEBI);
        /// Maximum number of requests in one batch.
        batch: usize = 10, whole(1..=1000);
        /// Maximum number of JSON values in one body, including nested ones and names of fields.
        json_values: usize = 100_000, whole(100..=100_000_000);
        /// Maximum nesting of JSON in one body.
        json_depth: usize = 64, whole(16..=100);
    }
}

section! {
    /// Limits on the memory of requests in flight: bodies, variables, JSON that is read, and
    /// answers until they are sent. Requests beyond a limit are told to try again.
    pub struct MemoryConfig {
        /// Memory of all requests, in bytes.
        total_bytes: usize = 256 * MEBI, whole(MEBI..=TEBI);
        /// Memory of the requests of one company, in bytes.
        company_bytes: usize = 128 * MEBI, whole(MEBI..=TEBI);
        /// Memory of the requests of one user, in bytes.
        user_bytes: usize = 64 * MEBI, whole(MEBI..=TEBI);
        /// Memory of all requests without a valid token together, in bytes.
        stranger_bytes: usize = 32 * MEBI, whole(MEBI..=TEBI);
    }
}

section! {
    /// Limits on documents.
    pub struct QueryConfig {
        /// Maximum number of tokens of a document.
        tokens: usize = 15_000, whole(10..=1_000_000);
        /// Maximum length of a name in a document, in bytes.
        name_bytes: usize = 256, whole(16..=65_536);
        /// Maximum nesting of brackets of any kind.
        nesting: usize = 50, whole(5..=200);
        /// Maximum number of operations in one document.
        operations: usize = 10, whole(1..=1000);
        /// Maximum number of fragments in one document.
        fragments: usize = 100, whole(0..=10_000);
        /// Maximum number of variable definitions in one document.
        variables: usize = 100, whole(0..=10_000);
        /// Maximum number of directives in one document.
        directives: usize = 200, whole(0..=100_000);
        /// Maximum number of directives at one place of a document.
        directives_per_place: usize = 5, whole(0..=1000);
        /// Maximum number of literal values in one document, including nested ones.
        literals: usize = 5000, whole(0..=1_000_000);
        /// Maximum number of selections (fields, fragments) of a document, counted at each use of
        /// a fragment.
        selections: usize = 2000, whole(1..=100_000);
        /// Maximum number of aliases of a document, counted at each use of a fragment.
        aliases: usize = 30, whole(0..=10_000);
        /// Maximum number of fields at the root of an operation.
        root_fields: usize = 20, whole(1..=10_000);
        /// Maximum nesting of fields.
        depth: usize = 12, whole(1..=100);
        /// Maximum nesting within introspection, where it is on.
        introspection_depth: usize = 20, whole(1..=100);
        /// Maximum number of values that introspection may select, estimated from the lists that
        /// it nests.
        introspection_values: usize = 1_000_000, whole(100..=1_000_000_000);
        /// Maximum complexity. A field counts 1; the fields of a page count once for each 25
        /// objects begun.
        complexity: usize = 1000, whole(1..=1_000_000);
        /// Maximum number of comparisons of fields and variables in validation.
        validation_steps: usize = 10_000, whole(100..=100_000_000);
        /// Maximum number of values in the variables of one document, without those inside JSON.
        variable_values: usize = 10_000, whole(100..=10_000_000);
        /// Maximum memory for the copies of variables, one for each use of the largest one, in
        /// bytes.
        variable_bytes: usize = 32 * MEBI, whole(1024..=TEBI);
    }
}

section! {
    /// Limits on answers.
    pub struct AnswerConfig {
        /// Number of errors that an answer keeps; one more error says how many are left out.
        errors: usize = 20, whole(1..=10_000);
        /// Maximum size of an answer in bytes of JSON: of a request, of a whole batch, or of a
        /// message of a websocket.
        bytes: usize = 8 * MEBI, whole(1024..=1024 * MEBI);
        /// Maximum size of the metadata, parameters and results that one answer reads and parses,
        /// in bytes. Each medium and each analysis that is read counts as 512 bytes more.
        json_bytes: usize = 32 * MEBI, whole(1024..=TEBI);
    }
}
