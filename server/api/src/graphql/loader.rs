//! Batching of reads: the objects of one answer are read together, so that a listing costs a fixed
//! number of round trips.
//!
//! Loading a folder loads those of its contents that the document needs. JSON of objects (metadata,
//! parameters, results) is loaded when it is selected, for the selected objects only. Nothing is
//! cached beyond a batch, so that an answer never shows the state before a mutation of the same
//! request.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use vultus_core::{
    Analysis, AnalysisId, CompanyId, Error, Folder, FolderId, JsonText, MediaId, Medium, Principal,
    Result, User, UserId,
};

use super::context::{AnswerCount, caller};
use super::json::Json;
use vultus_service::{Company, FolderContents, JsonSelection, Selection, Services};

/// Reads on behalf of one principal.
pub(super) struct Reader {
    services: Services,
    principal: Principal,
    selection: Selection,
    count: AnswerCount,
}

/// The loader of a request with a principal.
pub(super) type Loaders = DataLoader<Reader>;

/// The loaders of one request.
pub(super) fn loaders(
    services: Services,
    principal: Principal,
    selection: Selection,
    count: AnswerCount,
) -> Loaders {
    DataLoader::new(Reader { services, principal, selection, count }, tokio::spawn)
}

impl Loader<FolderId> for Reader {
    type Value = Arc<FolderContents>;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[FolderId]) -> Result<HashMap<FolderId, Self::Value>, Self::Error> {
        let found = self.services.folders_by_ids(&self.principal, ids, self.selection).await;
        let folders = found.map_err(Arc::new)?;
        Ok(folders.into_iter().map(|contents| (contents.folder.id, Arc::new(contents))).collect())
    }
}

impl Loader<UserId> for Reader {
    type Value = User;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, Self::Value>, Self::Error> {
        let users = self.services.users(&self.principal, ids).await.map_err(Arc::new)?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }
}

/// A viewer that may not see companies finds none.
impl Loader<CompanyId> for Reader {
    type Value = Company;
    type Error = Arc<Error>;

    async fn load(
        &self,
        ids: &[CompanyId],
    ) -> Result<HashMap<CompanyId, Self::Value>, Self::Error> {
        let companies = match self.services.companies(&self.principal, ids).await {
            Err(Error::Forbidden(_)) => Vec::new(),
            other => other.map_err(Arc::new)?,
        };
        Ok(companies.into_iter().map(|company| (company.id, company)).collect())
    }
}

/// JSON of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum JsonOf {
    Folder(FolderId),
    Medium(MediaId),
    Params(AnalysisId),
    Result(AnalysisId),
}

/// An absent key is JSON that the object does not have, or whose object is gone.
impl Loader<JsonOf> for Reader {
    type Value = JsonText;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[JsonOf]) -> Result<HashMap<JsonOf, JsonText>, Self::Error> {
        self.json(keys).await.map_err(Arc::new)
    }
}

impl Reader {
    async fn json(&self, keys: &[JsonOf]) -> Result<HashMap<JsonOf, JsonText>> {
        let (mut folders, mut media) = (Vec::new(), Vec::new());
        let (mut params, mut results) = (Vec::new(), Vec::new());
        for key in keys {
            match *key {
                JsonOf::Folder(id) => folders.push(id),
                JsonOf::Medium(id) => media.push(id),
                JsonOf::Params(id) => params.push(id),
                JsonOf::Result(id) => results.push(id),
            }
        }
        // Together they are one round trip.
        let read = futures::try_join!(
            self.folders_metadata(&folders),
            self.media_metadata(&media),
            self.analyses_json(&params, JsonSelection::PARAMS),
            self.analyses_json(&results, JsonSelection::RESULTS),
        )?;
        let (folders, media, params, results) = read;
        let mut found = HashMap::new();
        for folder in folders {
            self.keep(&mut found, JsonOf::Folder(folder.id), folder.metadata.into_option())?;
        }
        for medium in media {
            self.keep(&mut found, JsonOf::Medium(medium.id), medium.metadata.into_option())?;
        }
        for analysis in params {
            self.keep(&mut found, JsonOf::Params(analysis.id), analysis.params.into_option())?;
        }
        for analysis in results {
            let text = analysis.result.into_option().flatten();
            self.keep(&mut found, JsonOf::Result(analysis.id), text)?;
        }
        Ok(found)
    }

    async fn folders_metadata(&self, ids: &[FolderId]) -> Result<Vec<Folder>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.services.folders_metadata(&self.principal, ids, self.count.json_left()).await
    }

    async fn media_metadata(&self, ids: &[MediaId]) -> Result<Vec<Medium>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.services.media_metadata(&self.principal, ids, self.count.json_left()).await
    }

    async fn analyses_json(
        &self,
        ids: &[AnalysisId],
        json: JsonSelection,
    ) -> Result<Vec<Analysis>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.services.analyses_json(&self.principal, ids, json, self.count.json_left()).await
    }

    fn keep(
        &self,
        found: &mut HashMap<JsonOf, JsonText>,
        key: JsonOf,
        text: Option<JsonText>,
    ) -> Result<()> {
        let Some(text) = text else { return Ok(()) };
        self.count.add_json(text.as_str().len())?;
        self.count.reserve(text.as_str().len())?;
        found.insert(key, text);
        Ok(())
    }
}

fn loader<'c>(ctx: &Context<'c>) -> Result<&'c Loaders> {
    caller(ctx)?;
    ctx.data_opt::<Loaders>()
        .ok_or_else(|| Error::broken("a request with a principal was executed without its loaders"))
}

/// A copy of a batch's error: every caller that waits for the batch gets one.
fn of_batch(error: &Error) -> Error {
    match error {
        Error::Unauthenticated(message) => Error::Unauthenticated(message.clone()),
        Error::TokenRefused { reason, message } => Error::TokenRefused { reason, message },
        Error::Forbidden(message) => Error::Forbidden(message.clone()),
        Error::Unavailable { message, retry_after } => {
            Error::Unavailable { message: message.clone(), retry_after: *retry_after }
        }
        Error::LimitExceeded { argument, message, reason } => Error::LimitExceeded {
            argument: argument.clone(),
            message: message.clone(),
            reason: reason.clone(),
        },
        Error::NotFound { .. }
        | Error::InvalidInput { .. }
        | Error::Conflict { .. }
        | Error::Internal { .. } => Error::broken(format!("reading a batch: {error}")),
    }
}

/// A folder with its contents.
pub(super) async fn folder(ctx: &Context<'_>, id: FolderId) -> Result<Option<Arc<FolderContents>>> {
    loader(ctx)?.load_one(id).await.map_err(|error| of_batch(&error))
}

/// A user.
pub(super) async fn user(ctx: &Context<'_>, id: UserId) -> Result<Option<User>> {
    loader(ctx)?.load_one(id).await.map_err(|error| of_batch(&error))
}

/// A company.
pub(super) async fn company(ctx: &Context<'_>, id: CompanyId) -> Result<Option<Company>> {
    loader(ctx)?.load_one(id).await.map_err(|error| of_batch(&error))
}

async fn json(ctx: &Context<'_>, key: JsonOf) -> Result<Option<JsonText>> {
    loader(ctx)?.load_one(key).await.map_err(|error| of_batch(&error))
}

/// JSON that an object always has, unless the object is gone.
async fn present(ctx: &Context<'_>, key: JsonOf, what: &'static str) -> Result<Json> {
    let text = json(ctx, key).await?.ok_or(Error::NotFound { what, argument: None })?;
    Ok(Json::from(&text))
}

/// Metadata of a folder.
pub(super) async fn folder_metadata(ctx: &Context<'_>, id: FolderId) -> Result<Json> {
    present(ctx, JsonOf::Folder(id), "folder").await
}

/// Metadata of a medium.
pub(super) async fn media_metadata(ctx: &Context<'_>, id: MediaId) -> Result<Json> {
    present(ctx, JsonOf::Medium(id), "medium").await
}

/// Parameters of an analysis.
pub(super) async fn params(ctx: &Context<'_>, id: AnalysisId) -> Result<Json> {
    present(ctx, JsonOf::Params(id), "analysis").await
}

/// Result of an analysis, if it has one.
pub(super) async fn result(ctx: &Context<'_>, id: AnalysisId) -> Result<Option<JsonText>> {
    json(ctx, JsonOf::Result(id)).await
}
