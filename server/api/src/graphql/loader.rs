//! Batching of reads: the objects of one answer are read together, so that a listing costs a fixed
//! number of round trips.
//!
//! Loading a folder loads its media, analyses and artifacts. Nothing is cached beyond a batch, so
//! that an answer never shows the state before a mutation of the same request.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use vultus_core::{Error, FolderId, Principal, Result, User, UserId};

use super::context::caller;
use vultus_service::{FolderContents, Services};

/// Reads on behalf of one principal.
pub(super) struct Reader {
    services: Services,
    principal: Principal,
}

/// The loader of a request with a principal.
pub(super) type Loaders = DataLoader<Reader>;

/// The loaders of one request.
pub(super) fn loaders(services: Services, principal: Principal) -> Loaders {
    DataLoader::new(Reader { services, principal }, tokio::spawn)
}

impl Loader<FolderId> for Reader {
    type Value = Arc<FolderContents>;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[FolderId]) -> Result<HashMap<FolderId, Self::Value>, Self::Error> {
        let folders = self.services.folders_by_ids(&self.principal, ids).await.map_err(Arc::new)?;
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

fn loader<'c>(ctx: &Context<'c>) -> Result<&'c Loaders> {
    caller(ctx)?;
    ctx.data_opt::<Loaders>()
        .ok_or_else(|| Error::broken("a request with a principal was executed without its loaders"))
}

/// A copy of a batch's error: every caller that waits for the batch gets one.
fn of_batch(error: &Error) -> Error {
    match error {
        Error::Unauthenticated(message) => Error::Unauthenticated(message.clone()),
        Error::Forbidden(message) => Error::Forbidden(message.clone()),
        Error::Unavailable { message, retry_after } => {
            Error::Unavailable { message: message.clone(), retry_after: *retry_after }
        }
        Error::NotFound { .. }
        | Error::InvalidInput { .. }
        | Error::Conflict { .. }
        | Error::LimitExceeded { .. }
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
