//! The methods of [`Services`], each delegated to its part.

use crate::accounts::LoginAnswer;
use crate::answers::NextAnswer;
use crate::challenges::{CreatedChallenge, NewChallenge};
use crate::downloads::DownloadLink;
use crate::services::Services;
use crate::types::{
    AnalysisRequest, AnalyzerInfo, Authenticated, CheckedAnalysis, ClientInfo, ClientKey, Download,
    FolderChanged, FolderUpdate, NewFolder, NewMedium, OpenDownload, Readiness, SandboxInfo,
    ServerInfo, Tokens, Urgency, ViewerInfo,
};
use crate::uploads::UploadSink;
use crate::websockets::OpenWebsocket;
use futures::Stream;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;
use vultus_auth::signing_keys::PublicJwk;
use vultus_core::{
    Analysis, AnalysisId, Artifact, CompanyId, Folder, FolderId, MediaId, Medium, Principal, Result,
};
use vultus_oidc::BegunLogin;
use vultus_pools::{LoadedPlugin, TotalCosts};
use vultus_store::{
    FolderContents, FolderCursor, FolderFilter, FolderOrder, JsonSelection, Selection,
};

/// Accounts.
impl Services {
    /// Issues tokens for a name and a password. A wrong name and a wrong password cannot be told
    /// apart, neither by the answer nor by its time.
    pub async fn login(
        &self,
        email: &str,
        password: SecretString,
        from: &ClientInfo,
    ) -> Result<Tokens> {
        self.0.accounts.login(email, password, from).await
    }

    /// Issues new tokens for a refresh token, which becomes invalid. For 30 s the same client gets
    /// the same new token again; any other second use revokes the session.
    pub async fn refresh(&self, refresh_token: &str, from: &ClientInfo) -> Result<Tokens> {
        self.0.accounts.refresh(refresh_token, from).await
    }

    /// Begins a login with an identity provider, which sends the browser back to `redirect`.
    pub async fn begin_external_login(&self, provider: &str, redirect: &Url) -> Result<BegunLogin> {
        self.0.accounts.begin_external_login(provider, redirect).await
    }

    /// Issues tokens for the answer of an identity provider.
    pub async fn complete_external_login(
        &self,
        provider: &str,
        answer: LoginAnswer,
        from: &ClientInfo,
    ) -> Result<Tokens> {
        self.0.accounts.complete_external_login(provider, answer, from).await
    }

    /// Ends the caller's session: its tokens become invalid at once.
    pub async fn logout(&self, caller: &Principal) -> Result<()> {
        self.0.accounts.logout(&self.by(caller)).await
    }

    /// The public keys of access tokens.
    pub fn public_keys(&self) -> Vec<PublicJwk> {
        self.0.accounts.public_keys()
    }

    /// Verifies an access token and its session.
    pub async fn authenticate(&self, access_token: &str) -> Result<Authenticated> {
        self.0.accounts.authenticate(access_token).await
    }

    /// Counts a websocket whose token has just been verified, and watches its session.
    pub fn open_websocket(&self, of: &Authenticated) -> Result<OpenWebsocket> {
        self.0.websockets.open(of)
    }

    /// The caller's user and permissions.
    pub async fn viewer(&self, caller: &Principal) -> Result<ViewerInfo> {
        self.0.accounts.viewer(caller).await
    }
}

/// Challenges.
impl Services {
    /// Draws gestures that a clip has to show within a minute.
    pub async fn create_challenge(
        &self,
        caller: &Principal,
        new: NewChallenge,
    ) -> Result<CreatedChallenge> {
        self.0.challenges.create(&self.by(caller), new).await
    }
}

/// Folders, media and analyses.
impl Services {
    /// Creates a folder with its first media and analyses, or nothing.
    pub async fn create_folder(
        &self,
        caller: &Principal,
        request: NewFolder,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        self.0.additions.create_folder(&self.by(caller), request, key).await
    }

    /// Adds media to a folder.
    pub async fn add_media(
        &self,
        caller: &Principal,
        folder: FolderId,
        media: Vec<NewMedium>,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        self.0.additions.add_media(&self.by(caller), folder, media, key).await
    }

    /// Requests analyses of a folder.
    pub async fn request_analyses(
        &self,
        caller: &Principal,
        folder: FolderId,
        requests: Vec<AnalysisRequest>,
        urgency: Urgency,
        key: Option<ClientKey>,
    ) -> Result<FolderChanged> {
        self.0.additions.request_analyses(&self.by(caller), folder, requests, urgency, key).await
    }

    /// Changes a folder's metadata and external id.
    pub async fn update_folder(
        &self,
        caller: &Principal,
        id: FolderId,
        update: FolderUpdate,
        selection: Selection,
    ) -> Result<FolderContents> {
        self.0.folders.update_folder(&self.by(caller), id, update, selection).await
    }

    /// Erases a folder and its contents. Completes although the client disconnects.
    pub async fn delete_folder(&self, caller: &Principal, id: FolderId) -> Result<()> {
        self.0.folders.delete_folder(&self.by(caller), id).await
    }

    /// A folder with its contents; NOT_FOUND if the caller may not see it.
    pub async fn contents(
        &self,
        caller: &Principal,
        id: FolderId,
        selection: Selection,
    ) -> Result<FolderContents> {
        self.0.folders.contents(caller, id, selection).await
    }

    /// A folder with its contents, if the caller may see it.
    pub async fn folder(
        &self,
        caller: &Principal,
        id: FolderId,
        selection: Selection,
    ) -> Result<Option<FolderContents>> {
        Ok(self.folders_by_ids(caller, &[id], selection).await?.pop())
    }

    /// Those of the folders that the caller may see, in the order of the ids.
    pub async fn folders_by_ids(
        &self,
        caller: &Principal,
        ids: &[FolderId],
        selection: Selection,
    ) -> Result<Vec<FolderContents>> {
        self.0.folders.folders_by_ids(caller, ids, selection).await
    }

    /// A folder of a company by its external id; of the caller's company if it is absent.
    pub async fn folder_by_external_id(
        &self,
        caller: &Principal,
        company: Option<CompanyId>,
        external_id: &str,
        selection: Selection,
    ) -> Result<Option<FolderContents>> {
        self.0.folders.folder_by_external_id(caller, company, external_id, selection).await
    }

    /// A page of folders, and whether there are more.
    pub async fn list_folders(
        &self,
        caller: &Principal,
        filter: &FolderFilter,
        order: FolderOrder,
        after: Option<FolderCursor>,
        limit: u32,
        selection: Selection,
    ) -> Result<(Vec<FolderContents>, bool)> {
        self.0.folders.list_folders(caller, filter, order, after, limit, selection).await
    }

    /// A medium, if the caller may see it.
    pub async fn medium(&self, caller: &Principal, id: MediaId) -> Result<Option<Medium>> {
        self.0.folders.medium(caller, id).await
    }

    /// Deletes a medium, cancels its unfinished analyses, and returns the folder as it is then.
    /// Completes although the client disconnects.
    pub async fn delete_medium(
        &self,
        caller: &Principal,
        id: MediaId,
        selection: Selection,
    ) -> Result<FolderContents> {
        self.0.folders.delete_medium(&self.by(caller), id, selection).await
    }

    /// An analysis with its artifacts, if the caller may see it.
    pub async fn analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
    ) -> Result<Option<(Analysis, Vec<Artifact>)>> {
        self.0.analyses.analysis(caller, id).await
    }

    /// Folders with their metadata alone; LIMIT_EXCEEDED if it is larger than `bytes`.
    pub async fn folders_metadata(
        &self,
        caller: &Principal,
        ids: &[FolderId],
        bytes: usize,
    ) -> Result<Vec<Folder>> {
        self.0.folders.folders_metadata(caller, ids, bytes).await
    }

    /// Media with their metadata; LIMIT_EXCEEDED if it is larger than `bytes`.
    pub async fn media_metadata(
        &self,
        caller: &Principal,
        ids: &[MediaId],
        bytes: usize,
    ) -> Result<Vec<Medium>> {
        self.0.folders.media_metadata(caller, ids, bytes).await
    }

    /// Analyses with the selected JSON; LIMIT_EXCEEDED if it is larger than `bytes`.
    pub async fn analyses_json(
        &self,
        caller: &Principal,
        ids: &[AnalysisId],
        json: JsonSelection,
        bytes: usize,
    ) -> Result<Vec<Analysis>> {
        self.0.analyses.analyses_json(&self.by(caller), ids, json, bytes).await
    }

    /// Cancels an analysis and returns it. One that is final already does not change.
    pub async fn cancel_analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
    ) -> Result<(Analysis, Vec<Artifact>)> {
        self.0.analyses.cancel_analysis(&self.by(caller), id).await
    }
}

/// Events.
impl Services {
    /// The folder as it is, then each newer state. If the folder is erased, the stream ends with
    /// NOT_FOUND; at a shutdown it ends without an error.
    pub fn watch_folder(
        &self,
        caller: &Principal,
        id: FolderId,
        selection: Selection,
        next_answer: NextAnswer,
    ) -> impl Stream<Item = Result<Arc<FolderContents>>> + Send + use<> {
        self.0.events.watch_folder(caller, id, selection, next_answer)
    }

    /// The analysis as it is, then each newer state up to the final one.
    pub fn watch_analysis(
        &self,
        caller: &Principal,
        id: AnalysisId,
        next_answer: NextAnswer,
    ) -> impl Stream<Item = Result<(Analysis, Vec<Artifact>)>> + Send + use<> {
        self.0.events.watch_analysis(caller, id, next_answer)
    }

    /// Waits until all analyses are final, the deadline passes or the node stops, and returns the
    /// folder as it is then.
    pub async fn wait_final(
        &self,
        caller: &Principal,
        folder: FolderId,
        analyses: &[AnalysisId],
        until: Instant,
        selection: Selection,
    ) -> Result<FolderContents> {
        self.0.events.wait_final(caller, folder, analyses, until, selection).await
    }
}

/// Instant checks and files.
impl Services {
    /// Judges media at once, for the company; UNAVAILABLE if too many checks run. Dropping the
    /// future stops the work.
    pub async fn check(
        &self,
        caller: &Principal,
        company: Option<CompanyId>,
        media: Vec<NewMedium>,
        requests: Vec<AnalysisRequest>,
    ) -> Result<Vec<CheckedAnalysis>> {
        self.0.checks.check(&self.by(caller), company, media, requests).await
    }

    /// Begins an upload to disk, for a folder.
    pub fn begin_upload(&self, caller: &Principal) -> Result<UploadSink> {
        self.0.uploads.begin_upload(caller)
    }

    /// Whether so many files arrive that clients have to send faster.
    pub fn uploads_are_scarce(&self) -> bool {
        self.0.uploads.are_scarce()
    }

    /// Begins an upload to memory, for an instant check.
    pub fn begin_instant_upload(&self, caller: &Principal) -> Result<UploadSink> {
        self.0.uploads.begin_instant_upload(caller)
    }

    /// Path and query of a link to a file. Anyone who has it gets the file with the present rights
    /// of the caller's session.
    pub fn signed_path(
        &self,
        caller: &Principal,
        what: &Download,
        valid_for: Duration,
    ) -> Result<String> {
        self.0.downloads.signed_path(caller, what, valid_for)
    }

    /// Opens the file that a link leads to.
    pub async fn open_download(&self, link: &DownloadLink) -> Result<OpenDownload> {
        self.0.downloads.open_download(&self.0.accounts, link, self.origin()).await
    }
}

/// The server.
impl Services {
    /// The loaded analyzers. Causes of faults and statistics are included only if the caller may
    /// see the folders of all companies.
    pub fn analyzers(&self, caller: &Principal) -> Vec<AnalyzerInfo> {
        self.0.info.analyzers(caller)
    }

    /// Version and limits of the server.
    pub fn server_info(&self) -> ServerInfo {
        self.0.info.server_info()
    }

    /// Costs of this node's runs since it started. They include all companies, so `None` unless
    /// the caller may see the folders of all companies.
    pub fn total_costs(&self, caller: &Principal) -> Option<TotalCosts> {
        self.0.info.total_costs(caller)
    }

    /// Gaps of the workers' sandbox on this machine. They help an attacker, so `None` unless the
    /// caller may see the folders of all companies.
    pub fn sandbox(&self, caller: &Principal) -> Option<SandboxInfo> {
        self.0.info.sandbox(caller)
    }

    /// Checks that the operator's policy is valid for plugins that may be loaded.
    pub fn accept_plugins(&self, plugins: &[LoadedPlugin]) -> Result<(), String> {
        self.0.info.accept_plugins(plugins)
    }

    /// The configured address that clients use.
    pub fn public_url(&self) -> Option<&Url> {
        self.0.info.public_url()
    }

    /// Whether the node can serve requests.
    pub async fn ready(&self) -> Readiness {
        self.0.info.ready().await
    }
}
