//! Files that analyses produced.

use async_graphql::{Context, ID, Object, Result};

use super::media::signed_url;
use super::scalars::{Url, int};
use vultus_service::Download;

/// A file that an analysis produced.
#[derive(Debug, Clone)]
pub struct Artifact(pub(super) vultus_core::Artifact);

/// A file that an analysis produced, such as the best shot.
#[Object]
impl Artifact {
    /// Id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The analyzer's name for it, such as `best_shot`.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// MIME type.
    async fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// Size of the file, in bytes.
    async fn byte_size(&self) -> i32 {
        int(self.0.byte_size)
    }

    /// SHA-256 of the file, in hexadecimal.
    async fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// URL of the file. It needs no token and is valid until it expires.
    async fn url(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Lifetime of the URL in seconds: 1 to 3 600.", default = 300)]
        expires_in: i32,
    ) -> Result<Url> {
        signed_url(ctx, &Download::Artifact(self.0.analysis_id, self.0.name.clone()), expires_in)
    }
}
