//! Challenges that were answered.

use crate::MongoStore;
use async_trait::async_trait;
use time::OffsetDateTime;
use vultus_core::ChallengeId;
use vultus_store::{Challenges, Result};

#[async_trait]
impl Challenges for MongoStore {
    async fn use_challenge(
        &self,
        id: ChallengeId,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool> {
        self.run(move |cases| async move { cases.use_challenge(id, expires_at, now).await }).await
    }
}
