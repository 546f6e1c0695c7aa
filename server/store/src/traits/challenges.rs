//! Challenges that were answered. A challenge is signed, so the store keeps only the ids of used
//! ones, until they have expired.

use super::Result;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::ChallengeId;

/// Challenges that were answered.
#[async_trait]
pub trait Challenges: Send + Sync + 'static {
    /// Marks a challenge as used. Returns false if it was used before: of concurrent calls one gets
    /// true. Ids that had expired at `now` may be forgotten.
    async fn use_challenge(
        &self,
        id: ChallengeId,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool>;
}
