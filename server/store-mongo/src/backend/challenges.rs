//! Challenges that were answered.

use crate::Cases;
use crate::accounts::forget_after;
use crate::fault::is_duplicate;
use crate::transaction::{durable, without_transaction};
use async_trait::async_trait;
use mongodb::bson::doc;
use time::{Duration, OffsetDateTime};
use vultus_core::ChallengeId;
use vultus_store::stored::V1;
use vultus_store::{Challenges, Result};

/// Time by which the clocks of nodes and database may differ.
const MARGIN: Duration = Duration::hours(1);

#[async_trait]
impl Challenges for Cases {
    async fn use_challenge(
        &self,
        id: ChallengeId,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool> {
        let forget_at = forget_after(expires_at - now + MARGIN);
        let document = doc! { "_id": id.to_string(), "v": i32::from(V1), "forget_at": forget_at };
        let insert = async {
            let inserting = self.collections.used_challenges.insert_one(document);
            match inserting.write_concern(durable()).await {
                Ok(_) => Ok(true),
                Err(error) if is_duplicate(&error) => Ok(false),
                Err(error) => Err(error.into()),
            }
        };
        without_transaction("marking a challenge as used", insert).await
    }
}
