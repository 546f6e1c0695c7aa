//! Challenges that were answered.

use crate::SqliteStore;
use crate::rows::change;
use crate::values::nanoseconds;
use async_trait::async_trait;
use rusqlite::params;
use time::OffsetDateTime;
use vultus_core::ChallengeId;
use vultus_store::{Challenges, Result};

#[async_trait]
impl Challenges for SqliteStore {
    async fn use_challenge(
        &self,
        id: ChallengeId,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool> {
        self.write("marking a challenge as used", move |connection, _| {
            let forget = "DELETE FROM used_challenges WHERE expires_at < ?1";
            change(connection, forget, [nanoseconds(now)])?;
            let insert = "INSERT INTO used_challenges (id, expires_at) VALUES (?1, ?2)
                ON CONFLICT DO NOTHING";
            let changed =
                change(connection, insert, params![id.to_string(), nanoseconds(expires_at)])?;
            Ok(changed == 1)
        })
        .await
    }
}
