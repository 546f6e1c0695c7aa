//! The root of mutations: folders, media and analyses. Everything is checked before anything is
//! stored.

use std::sync::Arc;

use async_graphql::{
    Context, ID, InputObject, MaybeUndefined, MergedObject, Object, Result, SimpleObject,
};
use vultus_core::{AnalysisId, FolderId, MediaId};

use super::account::{self, LoginInput, LogoutPayload, RefreshInput, TokensPayload};
use super::case::CaseMutation;
use super::challenge::{self, CreateChallengeInput, CreateChallengePayload};
use super::check::{self, CheckInput, CheckPayload};
use super::company::CompanyMutation;
use super::company_policy::PolicyMutation;
use super::context::{caller, request};
use super::credential_mutations::CredentialMutation;
use super::decision::DecisionMutation;
use super::folder::Folder;
use super::group::{AnalysisGroup, group};
use super::inputs::{
    AnalysisRequestInput, MediaInput, analysis_requests, checked_wait, new_media, urgency,
};
use super::json::Json;
use super::media::{self, Media};
use super::scalars::{optional_company, parse_id};
use super::typed_analyses::{self, Analysis};
use super::user::UserMutation;
use vultus_service::{FolderChanged, FolderUpdate, NewFolder};

/// A new folder with its first media and analyses.
#[derive(Debug, InputObject)]
pub struct CreateFolderInput {
    /// The company that the folder belongs to; needed if you have none and several companies are
    /// active.
    company_id: Option<ID>,
    /// The client's key for the folder, unique within the company. A key in use is a CONFLICT with
    /// the other folder's `existingId`, if the caller can see that folder.
    external_id: Option<String>,
    /// The client's data: an object.
    metadata: Option<Json>,
    /// Its first media.
    #[graphql(default)]
    media: Vec<MediaInput>,
    /// Its first analyses.
    #[graphql(default)]
    analyses: Vec<AnalysisRequestInput>,
    /// Maximum time to wait for the analyses to become final, in milliseconds, at most 30 000.
    /// Analyses that are not final by then continue.
    wait_ms: Option<i32>,
}

/// Media to add to a folder.
#[derive(Debug, InputObject)]
pub struct AddMediaInput {
    /// The folder.
    folder_id: ID,
    /// The media.
    media: Vec<MediaInput>,
}

/// Analyses to run on a folder's media.
#[derive(Debug, InputObject)]
pub struct RequestAnalysesInput {
    /// The folder.
    folder_id: ID,
    /// The analyses.
    analyses: Vec<AnalysisRequestInput>,
    /// Maximum time to wait for them to become final, in milliseconds, at most 30 000. Analyses
    /// that are not final by then continue.
    wait_ms: Option<i32>,
}

/// An analysis to cancel.
#[derive(Debug, InputObject)]
pub struct CancelAnalysisInput {
    /// The analysis.
    analysis_id: ID,
}

/// A change of a folder's metadata or external id.
#[derive(Debug, InputObject)]
pub struct UpdateFolderInput {
    /// The folder.
    folder_id: ID,
    /// The client's data, which replaces the old data; omit it to keep the old data.
    metadata: Option<Json>,
    /// The client's key; null clears it, omit it to keep the old key.
    external_id: MaybeUndefined<String>,
}

/// A medium to delete.
#[derive(Debug, InputObject)]
pub struct DeleteMediaInput {
    /// The medium.
    media_id: ID,
}

/// A folder to erase.
#[derive(Debug, InputObject)]
pub struct DeleteFolderInput {
    /// The folder.
    folder_id: ID,
}

/// The created folder.
#[derive(SimpleObject)]
pub struct CreateFolderPayload {
    /// The folder in its current state.
    folder: Folder,
    /// The created media, in the order of the request.
    media: Vec<Media>,
    /// The group of the created analyses; null if there are none.
    group: Option<AnalysisGroup>,
    /// The created analyses, in the order of the request.
    analyses: Vec<Analysis>,
    /// Whether an earlier request with the same `Idempotency-Key` created it.
    replayed: bool,
}

/// The added media.
#[derive(SimpleObject)]
pub struct AddMediaPayload {
    /// The folder in its current state.
    folder: Folder,
    /// The created media, in the order of the request.
    media: Vec<Media>,
    /// Whether an earlier request with the same `Idempotency-Key` created them.
    replayed: bool,
}

/// The requested analyses.
#[derive(SimpleObject)]
pub struct RequestAnalysesPayload {
    /// The folder in its current state.
    folder: Folder,
    /// The group of the created analyses.
    group: Option<AnalysisGroup>,
    /// The created analyses, in the order of the request.
    analyses: Vec<Analysis>,
    /// Whether an earlier request with the same `Idempotency-Key` created them.
    replayed: bool,
}

/// The cancelled analysis, unless it was final already.
#[derive(SimpleObject)]
pub struct CancelAnalysisPayload {
    /// The analysis in its current state, which tells whether it was cancelled.
    analysis: Analysis,
}

/// The changed folder.
#[derive(SimpleObject)]
pub struct UpdateFolderPayload {
    /// The folder in its current state.
    folder: Folder,
}

/// The deleted medium.
#[derive(SimpleObject)]
pub struct DeleteMediaPayload {
    /// Id of the deleted medium.
    deleted_id: ID,
    /// The folder in its current state.
    folder: Folder,
}

/// The erased folder.
#[derive(SimpleObject)]
pub struct DeleteFolderPayload {
    /// Id of the erased folder.
    deleted_id: ID,
}

/// The created objects, as the answer shows them.
struct Made {
    folder: Folder,
    media: Vec<Media>,
    group: Option<AnalysisGroup>,
    analyses: Vec<Analysis>,
    replayed: bool,
}

/// Waits for the analyses if the client asks for it, and reads the created objects.
async fn made(ctx: &Context<'_>, changed: FolderChanged, wait_ms: Option<i32>) -> Result<Made> {
    let (services, principal) = caller(ctx)?;
    // What is left out here is not selected in the payload either.
    let selection = request(ctx)?.selection();
    let contents = match wait_ms {
        Some(ms) if !changed.analyses.is_empty() => {
            let until = request(ctx)?.wait_until(ms);
            services
                .wait_final(&principal, changed.folder_id, &changed.analyses, until, selection)
                .await?
        }
        _ => services.contents(&principal, changed.folder_id, selection).await?,
    };
    let contents = Arc::new(contents);
    let of_analysis =
        |id: &AnalysisId| typed_analyses::all(&contents, |analysis| analysis.id == *id);
    Ok(Made {
        media: changed.media.iter().filter_map(|&id| media::in_folder(&contents, id)).collect(),
        group: changed.group.map(|id| group(&contents, id)),
        analyses: changed.analyses.iter().flat_map(of_analysis).collect(),
        replayed: changed.replayed,
        folder: Folder(contents),
    })
}

/// Changes. With an `Idempotency-Key` header, those that create folders, media and analyses are
/// safe to repeat.
#[derive(Default, MergedObject)]
pub struct Mutation(
    FolderMutation,
    DecisionMutation,
    CaseMutation,
    PolicyMutation,
    CompanyMutation,
    UserMutation,
    CredentialMutation,
);

/// The mutations of folders and sessions.
#[derive(Default)]
pub struct FolderMutation;

/// Changes of folders and sessions.
#[Object]
impl FolderMutation {
    /// Starts a session. Must be the only field of its request.
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The credentials.")] input: LoginInput,
    ) -> Result<TokensPayload> {
        account::login(ctx, input).await
    }

    /// Exchanges a refresh token for new tokens; it works once. Must be the only field of its
    /// request.
    async fn refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: RefreshInput,
    ) -> Result<TokensPayload> {
        account::refresh(ctx, input).await
    }

    /// Ends the session: within 1 s its tokens are refused and its websockets are closed.
    async fn logout(&self, ctx: &Context<'_>) -> Result<LogoutPayload> {
        account::logout(ctx).await
    }

    /// Creates a folder with its first media and analyses: all or nothing.
    async fn create_folder(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The folder.")] input: CreateFolderInput,
    ) -> Result<CreateFolderPayload> {
        let (services, principal) = caller(ctx)?;
        let wait_ms = checked_wait(input.wait_ms)?;
        let new = NewFolder {
            company_id: optional_company(input.company_id.as_ref(), "input.companyId")?,
            external_id: input.external_id,
            metadata: input.metadata.map(Json::unchecked),
            analyses: analysis_requests(input.analyses)?,
            media: new_media(ctx, input.media)?,
            urgency: urgency(wait_ms),
        };
        let changed = services
            .create_folder(&principal, new, request(ctx)?.client_key("createFolder"))
            .await?;
        let Made { folder, media, group, analyses, replayed } = made(ctx, changed, wait_ms).await?;
        Ok(CreateFolderPayload { folder, media, group, analyses, replayed })
    }

    /// Adds media to a folder: all or none.
    async fn add_media(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The media.")] input: AddMediaInput,
    ) -> Result<AddMediaPayload> {
        let (services, principal) = caller(ctx)?;
        let id: FolderId = parse_id(&input.folder_id, "folder", "input.folderId")?;
        let media = new_media(ctx, input.media)?;
        let changed =
            services.add_media(&principal, id, media, request(ctx)?.client_key("addMedia")).await;
        let changed = changed.map_err(|error| error.at("input.folderId"))?;
        let Made { folder, media, replayed, .. } = made(ctx, changed, None).await?;
        Ok(AddMediaPayload { folder, media, replayed })
    }

    /// Draws gestures that a person has to make in a clip within 60 s. The analysis `gestures` of
    /// a request that repeats the challenge compares them; the challenge works once.
    async fn create_challenge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to draw.")] input: CreateChallengeInput,
    ) -> Result<CreateChallengePayload> {
        challenge::create(ctx, input).await
    }

    /// Requests analyses of a folder's media: all or none.
    async fn request_analyses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The analyses.")] input: RequestAnalysesInput,
    ) -> Result<RequestAnalysesPayload> {
        let (services, principal) = caller(ctx)?;
        let wait_ms = checked_wait(input.wait_ms)?;
        let id: FolderId = parse_id(&input.folder_id, "folder", "input.folderId")?;
        let requests = analysis_requests(input.analyses)?;
        let key = request(ctx)?.client_key("requestAnalyses");
        let changed =
            services.request_analyses(&principal, id, requests, urgency(wait_ms), key).await;
        let changed = changed.map_err(|error| error.at("input.folderId"))?;
        let Made { folder, group, analyses, replayed, .. } = made(ctx, changed, wait_ms).await?;
        Ok(RequestAnalysesPayload { folder, group, analyses, replayed })
    }

    /// Cancels an analysis. One that is final already does not change.
    async fn cancel_analysis(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The analysis.")] input: CancelAnalysisInput,
    ) -> Result<CancelAnalysisPayload> {
        let (services, principal) = caller(ctx)?;
        let id: AnalysisId = parse_id(&input.analysis_id, "analysis", "input.analysisId")?;
        let cancelled = services.cancel_analysis(&principal, id).await;
        let (analysis, artifacts) = cancelled.map_err(|error| error.at("input.analysisId"))?;
        Ok(CancelAnalysisPayload { analysis: typed_analyses::of(analysis, artifacts, None) })
    }

    /// Changes a folder's metadata or external id.
    async fn update_folder(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateFolderInput,
    ) -> Result<UpdateFolderPayload> {
        let (services, principal) = caller(ctx)?;
        let id: FolderId = parse_id(&input.folder_id, "folder", "input.folderId")?;
        let external_id = match input.external_id {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(value) => Some(Some(value)),
        };
        let update = FolderUpdate { metadata: input.metadata.map(Json::unchecked), external_id };
        let contents = services
            .update_folder(&principal, id, update, request(ctx)?.selection())
            .await
            .map_err(|error| error.at("input.folderId"))?;
        Ok(UpdateFolderPayload { folder: Folder(Arc::new(contents)) })
    }

    /// Deletes a medium. Analyses of it that are not final are cancelled, and what all its analyses
    /// say about it is erased: only their state and verdict stay.
    async fn delete_media(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The medium.")] input: DeleteMediaInput,
    ) -> Result<DeleteMediaPayload> {
        let (services, principal) = caller(ctx)?;
        let id: MediaId = parse_id(&input.media_id, "medium", "input.mediaId")?;
        let contents = services
            .delete_medium(&principal, id, request(ctx)?.selection())
            .await
            .map_err(|error| error.at("input.mediaId"))?;
        Ok(DeleteMediaPayload { deleted_id: id.into(), folder: Folder(Arc::new(contents)) })
    }

    /// Erases a folder with its contents. This cannot be undone.
    async fn delete_folder(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The folder.")] input: DeleteFolderInput,
    ) -> Result<DeleteFolderPayload> {
        let (services, principal) = caller(ctx)?;
        let id: FolderId = parse_id(&input.folder_id, "folder", "input.folderId")?;
        services.delete_folder(&principal, id).await.map_err(|error| error.at("input.folderId"))?;
        Ok(DeleteFolderPayload { deleted_id: id.into() })
    }

    /// Instant check: answers with verdicts and stores nothing. UNAVAILABLE if too many checks are
    /// running. With files, it must be the only field of its request.
    async fn check(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The media and analyses.")] input: CheckInput,
    ) -> Result<CheckPayload> {
        check::check(ctx, input).await
    }
}
