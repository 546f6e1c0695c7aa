//! [`Store`] over the file: each use case is one piece of work for the writer or for a reader.

use super::{
    SqliteStore, accounts, additions, exporting, folders, listing, queue, results, sweeping,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
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
/// without any write.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

#[async_trait]
impl Store for SqliteStore {
    async fn create_company(&self, company: &Company) -> Result<()> {
        let company = company.clone();
        self.write("making a company", move |c, _| accounts::create_company(c, &company)).await
    }

    async fn company(&self, id: CompanyId) -> Result<Company> {
        self.read("reading a company", move |c| accounts::company(c, id)).await
    }

    async fn companies(&self) -> Result<Vec<Company>> {
        self.read("reading companies", accounts::companies).await
    }

    async fn replace_company_key(&self, id: CompanyId, old: &[u8], new: &[u8]) -> Result<bool> {
        let (old, new) = (old.to_vec(), new.to_vec());
        self.write("changing a company's key", move |c, _| {
            accounts::replace_company_key(c, id, &old, &new)
        })
        .await
    }

    async fn create_user(&self, user: &User, password_hash: &str) -> Result<()> {
        let (user, password_hash) = (user.clone(), password_hash.to_owned());
        self.write("making a user", move |c, _| accounts::create_user(c, &user, &password_hash))
            .await
    }

    async fn count_users(&self) -> Result<u64> {
        self.read("counting users", accounts::count_users).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>> {
        let email = email.to_owned();
        self.read("reading a user", move |c| accounts::user_by_email(c, &email)).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let ids = ids.to_vec();
        self.read("reading users", move |c| accounts::users(c, &ids)).await
    }

    async fn record_failed_login(
        &self,
        id: UserId,
        locked_until: Option<OffsetDateTime>,
    ) -> Result<()> {
        self.write("recording a failed login", move |c, _| {
            accounts::record_failed_login(c, id, locked_until)
        })
        .await
    }

    async fn create_session(&self, session: &Session, refresh_sha256: &str) -> Result<()> {
        let (session, refresh_sha256) = (*session, refresh_sha256.to_owned());
        self.write("making a session", move |c, _| {
            accounts::create_session(c, &session, &refresh_sha256)
        })
        .await
    }

    async fn rotate_refresh(
        &self,
        old: &str,
        new: &str,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Rotation> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.write("rotating a refresh token", move |c, _| {
            accounts::rotate_refresh(c, &old, &new, now, expires_at)
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        self.read("reading a session", move |c| accounts::session(c, id)).await
    }

    async fn revoke_session(&self, id: SessionId) -> Result<()> {
        self.write("revoking a session", move |c, _| accounts::revoke_session(c, id)).await
    }

    async fn create_folder(
        &self,
        folder: &Folder,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let (folder, additions, key) = (folder.clone(), additions.clone(), key.cloned());
        self.write("making a folder", move |c, e| {
            additions::create_folder(c, e, &folder, &additions, key.as_ref())
        })
        .await
    }

    async fn add_to_folder(
        &self,
        scope: Scope,
        id: FolderId,
        additions: &FolderAdditions,
        key: Option<&IdempotencyKey>,
    ) -> Result<Created> {
        let (additions, key) = (additions.clone(), key.cloned());
        self.write("adding to a folder", move |c, e| {
            additions::add_to_folder(c, e, scope, id, &additions, key.as_ref())
        })
        .await
    }

    async fn replay(&self, key: &IdempotencyKey) -> Result<Option<Replay>> {
        let key = key.clone();
        self.read("reading an idempotency key", move |c| additions::replay(c, &key)).await
    }

    async fn update_folder(
        &self,
        scope: Scope,
        id: FolderId,
        metadata: Option<&Value>,
        external_id: Option<Option<&str>>,
        now: OffsetDateTime,
    ) -> Result<Folder> {
        let metadata = metadata.cloned();
        let external_id = external_id.map(|external_id| external_id.map(str::to_owned));
        self.write("changing a folder", move |c, e| {
            let external_id = external_id.as_ref().map(Option::as_deref);
            folders::update_folder(c, e, scope, id, metadata.as_ref(), external_id, now)
        })
        .await
    }

    async fn delete_medium(
        &self,
        scope: Scope,
        id: MediaId,
        now: OffsetDateTime,
    ) -> Result<(Folder, Orphans)> {
        let deleted = self
            .write("deleting a medium", move |c, e| folders::delete_medium(c, e, scope, id, now))
            .await?;
        self.forget_deleted("forgetting a deleted medium").await?;
        Ok(deleted)
    }

    async fn erase_folder(
        &self,
        scope: Scope,
        id: FolderId,
        now: OffsetDateTime,
    ) -> Result<Orphans> {
        self.erase(scope, id, now).await
    }

    async fn folders(&self, scope: Scope, ids: &[FolderId]) -> Result<Vec<FolderContents>> {
        let ids = ids.to_vec();
        self.read("reading folders", move |c| folders::folders(c, scope, &ids)).await
    }

    async fn folder_by_external_id(
        &self,
        scope: Scope,
        company: CompanyId,
        external_id: &str,
    ) -> Result<Option<FolderId>> {
        let external_id = external_id.to_owned();
        let work = move |c: &_| folders::folder_by_external_id(c, scope, company, &external_id);
        self.read("looking for an external id", work).await
    }

    async fn list_folders(
        &self,
        scope: Scope,
        filter: &FolderFilter,
        order: FolderOrder,
        after: Option<FolderCursor>,
        limit: u32,
    ) -> Result<(Vec<Folder>, bool)> {
        let filter = filter.clone();
        self.read("listing folders", move |c| {
            listing::list_folders(c, scope, &filter, order, after, limit)
        })
        .await
    }

    async fn contents(&self, folders: Vec<Folder>) -> Result<Vec<FolderContents>> {
        self.read("reading the contents of folders", move |c| folders::contents(c, folders)).await
    }

    async fn folder_ids(&self, after: Option<FolderId>, limit: u32) -> Result<Vec<FolderId>> {
        self.read("reading ids of folders", move |c| folders::folder_ids(c, after, limit)).await
    }

    async fn folder_key(&self, id: FolderId) -> Result<Option<WrappedFolderKey>> {
        self.read("reading a folder's key", move |c| folders::folder_key(c, id)).await
    }

    async fn medium(&self, scope: Scope, id: MediaId) -> Result<Option<Medium>> {
        self.read("reading a medium", move |c| folders::medium(c, scope, id)).await
    }

    async fn groups(&self, scope: Scope, id: FolderId) -> Result<Vec<AnalysisGroup>> {
        self.read("reading groups of analyses", move |c| folders::groups(c, scope, id)).await
    }

    async fn analyses(
        &self,
        scope: Scope,
        ids: &[AnalysisId],
    ) -> Result<Vec<(Analysis, Vec<Artifact>)>> {
        let ids = ids.to_vec();
        self.read("reading analyses", move |c| folders::analyses(c, scope, &ids)).await
    }

    async fn cancel_analysis(
        &self,
        scope: Scope,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Cancelled> {
        self.write("cancelling an analysis", move |c, e| {
            folders::cancel_analysis(c, e, scope, id, now)
        })
        .await
    }

    async fn claim_run(
        &self,
        pools: &[String],
        node: &str,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Option<ClaimedRun>> {
        let (pools, node) = (pools.to_vec(), node.to_owned());
        self.write_lazily("claiming a run", move |c, e| {
            queue::claim_run(c, e, &pools, &node, now, lease)
        })
        .await
    }

    async fn heartbeat(
        &self,
        token: LeaseToken,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<bool> {
        self.write_lazily("extending a lease", move |c, _| queue::heartbeat(c, token, now, lease))
            .await
    }

    async fn enter_analysis(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.write_lazily("entering an analysis", move |c, e| {
            results::enter_analysis(c, e, token, id, now)
        })
        .await
    }

    async fn record_progress(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        fraction: f32,
    ) -> Result<Applied> {
        self.write_lazily("recording progress", move |c, e| {
            results::record_progress(c, e, token, id, fraction)
        })
        .await
    }

    async fn apply_result(
        &self,
        token: LeaseToken,
        id: AnalysisId,
        result: &AnalysisResult,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        let result = result.clone();
        self.write("writing a result", move |c, e| {
            results::apply_result(c, e, token, id, &result, now)
        })
        .await
    }

    async fn record_death(
        &self,
        token: LeaseToken,
        death: WorkerDeath,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<DeathVerdict> {
        let failure = failure.clone();
        self.write("recording a worker's death", move |c, e| {
            queue::record_death(c, e, token, death, &failure, now)
        })
        .await
    }

    async fn release_run(
        &self,
        token: LeaseToken,
        retry_at: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Result<Applied> {
        self.write_lazily("releasing a run", move |c, e| {
            queue::release_run(c, e, token, retry_at, now)
        })
        .await
    }

    async fn fail_unserved(
        &self,
        pools: &[String],
        asked_before: OffsetDateTime,
        failure: &AnalysisFailure,
        now: OffsetDateTime,
    ) -> Result<u64> {
        let (pools, failure) = (pools.to_vec(), failure.clone());
        self.write("failing what nobody judges", move |c, e| {
            queue::fail_unserved(c, e, &pools, asked_before, &failure, now)
        })
        .await
    }

    async fn queue_depth(&self) -> Result<QueueDepth> {
        self.read("counting runs", queue::queue_depth).await
    }

    async fn tombstone_unreferenced(
        &self,
        keys: &[String],
        now: OffsetDateTime,
        abandoned: Duration,
    ) -> Result<Vec<String>> {
        let keys = keys.to_vec();
        let work =
            move |c: &_, _: &mut _| sweeping::tombstone_unreferenced(c, &keys, now, abandoned);
        self.write("marking blobs for deletion", work).await
    }

    async fn mark_swept(&self, keys: &[String]) -> Result<()> {
        let keys = keys.to_vec();
        self.write("marking blobs as deleted", move |c, _| sweeping::mark_swept(c, &keys)).await
    }

    async fn tombstones(&self, keys: &[String]) -> Result<Vec<Tombstone>> {
        let keys = keys.to_vec();
        self.read("reading tombstones of blobs", move |c| sweeping::tombstones(c, &keys)).await
    }

    async fn revive(&self, tombstones: &[Tombstone]) -> Result<()> {
        let tombstones = tombstones.to_vec();
        self.write("marking blobs as written again", move |c, _| sweeping::revive(c, &tombstones))
            .await
    }

    async fn tombstones_before(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<Tombstone>> {
        self.read("reading old tombstones of blobs", move |c| {
            sweeping::tombstones_before(c, before, limit)
        })
        .await
    }

    async fn export(&self) -> Result<BoxStream<'static, Result<Record>>> {
        self.export_records()
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        self.write("writing records", move |c, _| exporting::import(c, &records)).await
    }

    fn changes(&self) -> ChangeStream {
        ChangeStream::new(self.signals.subscribe())
    }

    async fn run_waiting(&self) {
        // Time-out and wake-up mean the same to the caller: look again.
        let _ = tokio::time::timeout(LOOK_AGAIN, self.signals.run_waiting()).await;
    }

    async fn ping(&self) -> Result<()> {
        self.read("asking the store", |c| {
            Ok(c.query_row("SELECT 1 FROM companies LIMIT 1", (), |_| Ok(())).or_else(none)?)
        })
        .await?;
        self.write("asking the store's writer", |_, _| Ok(())).await
    }

    async fn close(&self) -> Result<()> {
        self.shut().await
    }
}

/// No row is an answer too.
fn none(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    }
}
