//! Why a use case of the store failed.

/// Error of a use case.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not exist within the scope.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A unique value is taken: an e-mail, a folder's external id, or a company's id.
    #[error("{what} is taken")]
    Duplicate {
        /// `externalId`, `email` or `company`.
        what: &'static str,
        /// Id of the thing that has it.
        existing: String,
    },
    /// The folder would hold more media than the request allows.
    #[error("the folder holds at most {most} media")]
    TooManyMedia {
        /// The limit.
        most: usize,
        /// Number of media in the folder without the new ones.
        present: usize,
    },
    /// The folder would hold more analyses than the request allows.
    #[error("the folder holds at most {most} analyses")]
    TooManyAnalyses {
        /// The limit.
        most: usize,
        /// Number of analyses in the folder without the new ones.
        present: usize,
    },
    /// No administrator that can act would be left.
    #[error("the last administrator that can act")]
    LastAdministrator,
    /// The policy of the company has another version than the change expects.
    #[error("the policy has version {version}")]
    PolicyChanged {
        /// The present version.
        version: u64,
    },
    /// A decision or a claim is refused.
    #[error(transparent)]
    Decision(#[from] vultus_core::DecisionRefusal),
    /// The company is being erased.
    #[error("the company is being erased")]
    BeingErased,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for a different request")]
    IdempotencyMismatch,
    /// The blob was deleted before this commit referenced it: write it again.
    #[error("the blob was deleted before it was referenced")]
    BlobSwept {
        /// The key.
        key: String,
    },
    /// The selected JSON exceeds [`crate::Selection::json_bytes`].
    #[error(transparent)]
    TooLarge(#[from] crate::selection::TooMuchJson),
    /// The store cannot be reached, or is full; a later attempt may succeed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A fault.
    #[error("store: {context}")]
    Internal {
        /// What was being done.
        context: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Result of a use case.
pub type Result<T> = std::result::Result<T, StoreError>;
