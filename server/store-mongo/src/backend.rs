//! [`Store`] over the replica set: each use case is one command, or the attempts at one
//! transaction.

use super::documents::RunDocument;
use super::transaction::alone;
use super::writes::Happening;
use super::{
    MongoStore, accounts, additions, exporting, folders, listing, queue, schema, sweeping,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use mongodb::bson::doc;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use vultus_core::{
    Analysis, AnalysisFailure, AnalysisGroup, AnalysisId, Artifact, CompanyId, Folder, FolderId,
    MediaId, Medium, SessionId, User, UserId,
};
use vultus_store::events::ChangeStream;
use vultus_store::export::Record;
use vultus_store::*;
use vultus_store::{Result, Store};

/// A waiter for runs looks again after this time at the latest: leases and waiting times run out
/// without any write, and the stream that wakes may be lost.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

impl MongoStore {
    async fn requeue(&self, run: &RunDocument, now: OffsetDateTime) -> Result<bool> {
        let mut attempts = self.attempts("requeueing a run");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = queue::requeue_claimed(&mut transaction, run, now).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn create_company(&self, company: &Company) -> Result<()> {
        alone("making a company", accounts::create_company(&self.collections, company)).await
    }

    async fn company(&self, id: CompanyId) -> Result<Company> {
        alone("reading a company", accounts::company(&self.collections, id)).await
    }

    async fn companies(&self) -> Result<Vec<Company>> {
        alone("reading companies", accounts::companies(&self.collections)).await
    }

    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool> {
        alone(
            "changing a company's key",
            accounts::replace_company_key(&self.collections, id, old, new),
        )
        .await
    }

    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()> {
        alone("making a user", accounts::create_user(&self.collections, user, password_hash)).await
    }

    async fn count_users(&self) -> Result<u64> {
        alone("counting users", accounts::count_users(&self.collections)).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>> {
        alone("reading a user", accounts::user_by_email(&self.collections, email)).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        alone("reading users", accounts::users(&self.collections, ids)).await
    }

    async fn record_failed_login(
        &self,
        id: UserId,
        locked_until: Option<OffsetDateTime>,
    ) -> Result<()> {
        alone(
            "recording a failed login",
            accounts::record_failed_login(&self.collections, id, locked_until),
        )
        .await
    }

    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()> {
        let mut attempts = self.attempts("making a session");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = accounts::create_session(&mut transaction, session, refresh_sha256).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }

    async fn rotate_refresh(
        &self,
        old: &str,
        new: &str,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Rotation> {
        let mut attempts = self.attempts("rotating a refresh token");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = accounts::rotate_refresh(&mut transaction, old, new, now, expires_at).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        alone("reading a session", accounts::session(&self.collections, id)).await
    }

    async fn revoke_session(&self, id: SessionId) -> Result<()> {
        alone("revoking a session", accounts::revoke_session(&self.collections, id)).await
    }

    async fn create_folder(
        &self,
        folder: &Folder,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let mut attempts = self.attempts("making a folder");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = additions::create_folder(&mut transaction, folder, additions, key).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                self.beginning.heed(additions.group.as_ref());
                return Ok(answer);
            }
        }
    }

    async fn add_to_folder(
        &self,
        scope: Scope,
        id: FolderId,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let mut attempts = self.attempts("adding to a folder");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = additions::add_to_folder(&mut transaction, scope, id, additions, key).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                self.beginning.heed(additions.group.as_ref());
                return Ok(answer);
            }
        }
    }

    async fn replay(&self, key: &IdempotencyKey) -> Result<Option<Replay>> {
        alone("reading an idempotency key", additions::replay(&self.collections, key)).await
    }

    async fn update_folder(
        &self,
        scope: Scope,
        id: FolderId,
        metadata: Option<&Value>,
        external_id: Option<Option<&str>>,
        now: OffsetDateTime,
    ) -> Result<Folder> {
        alone(
            "changing a folder",
            folders::update_folder(&self.collections, scope, id, metadata, external_id, now),
        )
        .await
    }

    async fn delete_medium(
        &self,
        scope: Scope,
        id: MediaId,
        now: OffsetDateTime,
    ) -> Result<(Folder, Orphans)> {
        let mut attempts = self.attempts("deleting a medium");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = folders::delete_medium(&mut transaction, scope, id, now).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }

    async fn erase_folder(
        &self,
        scope: Scope,
        id: FolderId,
        now: OffsetDateTime,
    ) -> Result<Orphans> {
        let mut attempts = self.attempts("erasing a folder");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = folders::erase_folder(&mut transaction, scope, id, now).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }

    async fn folders(&self, scope: Scope, ids: &[FolderId]) -> Result<Vec<FolderContents>> {
        alone("reading folders", folders::folders(&self.collections, scope, ids)).await
    }

    async fn folder_by_external_id(
        &self,
        scope: Scope,
        company: CompanyId,
        external_id: &str,
    ) -> Result<Option<FolderId>> {
        alone(
            "looking for an external id",
            folders::folder_by_external_id(&self.collections, scope, company, external_id),
        )
        .await
    }

    async fn list_folders(
        &self,
        scope: Scope,
        filter: &FolderFilter,
        order: FolderOrder,
        after: Option<FolderCursor>,
        limit: u32,
    ) -> Result<(Vec<Folder>, bool)> {
        alone(
            "listing folders",
            listing::list_folders(&self.collections, scope, filter, order, after, limit),
        )
        .await
    }

    async fn contents(&self, folders: Vec<Folder>) -> Result<Vec<FolderContents>> {
        alone("reading the contents of folders", folders::contents(&self.collections, folders))
            .await
    }

    async fn folder_ids(&self, after: Option<FolderId>, limit: u32) -> Result<Vec<FolderId>> {
        alone("reading ids of folders", folders::folder_ids(&self.collections, after, limit)).await
    }

    async fn folder_key(&self, id: FolderId) -> Result<Option<WrappedFolderKey>> {
        alone("reading a folder's key", folders::folder_key(&self.collections, id)).await
    }

    async fn medium(&self, scope: Scope, id: MediaId) -> Result<Option<Medium>> {
        alone("reading a medium", folders::medium(&self.collections, scope, id)).await
    }

    async fn groups(&self, scope: Scope, id: FolderId) -> Result<Vec<AnalysisGroup>> {
        alone("reading groups of analyses", folders::groups(&self.collections, scope, id)).await
    }

    async fn analyses(
        &self,
        scope: Scope,
        ids: &[AnalysisId],
    ) -> Result<Vec<(Analysis, Vec<Artifact>)>> {
        alone("reading analyses", folders::analyses(&self.collections, scope, ids)).await
    }

    async fn cancel_analysis(
        &self,
        scope: Scope,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Cancelled> {
        let mut attempts = self.attempts("cancelling an analysis");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = folders::cancel_analysis(&mut transaction, scope, id, now).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }

    async fn claim_run(
        &self,
        pools: &[String],
        node: &str,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Option<ClaimedRun>> {
        loop {
            let taken = async {
                let _turn = self.claiming.acquire().await;
                queue::take(&self.collections, &self.beginning, pools, node, now, lease).await
            };
            let taken = alone("claiming a run", taken).await?;
            let Some(run) = taken else { return Ok(None) };
            // Claimed before: what was being judged then is judged again.
            if run.fence > 1 && !self.requeue(&run, now).await? {
                continue;
            }
            let token = queue::token(&run);
            let claimed =
                alone("reading a claimed run", queue::unfinished(&self.collections, run)).await?;
            if claimed.is_some() {
                return Ok(claimed);
            }
            alone("ending a run", queue::end(&self.collections, token)).await?;
        }
    }

    async fn heartbeat(
        &self,
        token: LeaseToken,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<bool> {
        alone("extending a lease", queue::heartbeat(&self.collections, token, now, lease)).await
    }

    async fn enter_analysis(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.writes.write(token, id, Happening::Entered(now)).await
    }

    async fn record_progress(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        fraction: f32,
    ) -> Result<Applied> {
        self.writes.write(token, id, Happening::Progress(fraction)).await
    }

    async fn apply_result(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        result: &AnalysisResult,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.writes.write(token, id, Happening::Result(Box::new(result.clone()), now)).await
    }

    async fn record_death(
        &self,
        token: LeaseToken,
        death: WorkerDeath,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<DeathVerdict> {
        self.writes.take_ended(token);
        let mut attempts = self.attempts("recording a worker's death");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = queue::record_death(&mut transaction, token, death, failure, now).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                self.beginning.forget();
                return Ok(answer);
            }
        }
    }

    fn hurry(&self, token: LeaseToken) {
        self.writes.hurry(token);
    }

    async fn release_run(
        &self,
        token: LeaseToken,
        retry_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        // Mostly its last result has ended it.
        if self.writes.take_ended(token)
            || alone("looking at a run", queue::ended_under(&self.collections, token)).await?
        {
            return Ok(Applied::Yes);
        }
        let mut attempts = self.attempts("releasing a run");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = queue::release_run(&mut transaction, token, retry_at, now).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                self.beginning.forget();
                return Ok(answer);
            }
        }
    }

    async fn fail_unserved(
        &self,
        pools: &[String],
        asked_before: OffsetDateTime,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<u64> {
        let context = "failing what nobody judges";
        let mut failed = 0;
        for run in
            alone(context, queue::unserved(&self.collections, pools, asked_before, now)).await?
        {
            let mut attempts = self.attempts(context);
            failed += loop {
                let mut transaction = attempts.begin().await?;
                let done = queue::fail_run(&mut transaction, &run, failure, now).await;
                if let Some(answer) = attempts.end(transaction, done).await? {
                    break answer;
                }
            };
        }
        Ok(failed)
    }

    async fn queue_depth(&self) -> Result<QueueDepth> {
        alone("counting runs", queue::queue_depth(&self.collections)).await
    }

    async fn tombstone_unreferenced(
        &self,
        keys: &[String],
        now: OffsetDateTime,
        abandoned: Duration,
    ) -> Result<Vec<String>> {
        let mut attempts = self.attempts("marking blobs for deletion");
        loop {
            let mut transaction = attempts.begin().await?;
            let done =
                sweeping::tombstone_unreferenced(&mut transaction, keys, now, abandoned).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }

    async fn mark_swept(&self, keys: &[String]) -> Result<()> {
        alone("marking blobs as deleted", sweeping::mark_swept(&self.collections, keys)).await
    }

    async fn tombstones(&self, keys: &[String]) -> Result<Vec<Tombstone>> {
        alone("reading tombstones of blobs", sweeping::tombstones(&self.collections, keys)).await
    }

    async fn revive(&self, tombstones: &[Tombstone]) -> Result<()> {
        alone("marking blobs as written again", sweeping::revive(&self.collections, tombstones))
            .await
    }

    async fn tombstones_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Tombstone>> {
        alone(
            "reading old tombstones of blobs",
            sweeping::tombstones_before(&self.collections, before, limit),
        )
        .await
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        let mut attempts = self.attempts("importing the data");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = exporting::import(&mut transaction, &records).await;
            if let Some(answer) = attempts.end(transaction, done).await? {
                return Ok(answer);
            }
        }
    }

    async fn export(&self) -> Result<BoxStream<'static, Result<Record>>> {
        self.export_records().await
    }

    async fn has_keys(&self, fingerprint: &str) -> Result<bool> {
        alone("comparing keys", schema::has(&self.collections.database, "keys", fingerprint)).await
    }

    async fn some_blobs(&self, limit: u32) -> Result<Vec<String>> {
        alone("looking for media", sweeping::newest_blobs(&self.collections, limit)).await
    }

    async fn has_blobs(&self, identity: &str) -> Result<bool> {
        alone(
            "comparing where blobs lie",
            schema::has(&self.collections.database, "blobs", identity),
        )
        .await
    }

    fn changes(&self) -> ChangeStream {
        ChangeStream::new(self.signals.subscribe())
    }

    async fn run_waiting(&self) {
        // Time-out and wake-up mean the same to the caller: look again.
        let _ = tokio::time::timeout(LOOK_AGAIN, self.signals.run_waiting()).await;
    }

    async fn ping(&self) -> Result<()> {
        let ping = async { Ok(self.collections.database.run_command(doc! { "ping": 1 }).await?) };
        alone("asking the database", ping).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.shut().await;
        Ok(())
    }
}
