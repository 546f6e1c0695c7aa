//! Single media.

use super::Services;
use super::errors::stored;
use super::types::FolderContents;
use vultus_auth::policy::{self, Action};
use vultus_core::{MediaId, Medium, Principal, Result};

impl Services {
    /// A medium.
    pub async fn medium(&self, caller: &Principal, id: MediaId) -> Result<Option<Medium>> {
        let scope = policy::authorize(caller, Action::ViewFolder)?;
        stored(self.inner.store.medium(scope, id).await)
    }

    /// Deletes a medium. Analyses that take it and are not final are cancelled. Gives the folder as
    /// it is then.
    pub async fn delete_medium(&self, caller: &Principal, id: MediaId) -> Result<FolderContents> {
        let scope = policy::authorize(caller, Action::DeleteMedia)?;
        let services = self.clone();
        let folder = self
            .to_the_end(async move {
                let (folder, orphans) = stored(
                    services.inner.store.delete_medium(scope, id, services.inner.clock.now()).await,
                )?;
                services.inner.running.look_again(folder.id);
                services.delete_tombstoned(&orphans.keys).await;
                Ok(folder.id)
            })
            .await?;
        self.contents_of(scope, folder).await
    }
}
