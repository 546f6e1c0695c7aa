//! Media: pictures, videos and shot sets.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, ID, Interface, Object, Result};
use time::OffsetDateTime;
use vultus_core::{Error, MediaId, Medium};
use vultus_plugin_api::manifest::SlotKind;

use super::context::{counted, request};
use super::folder::Folder;
use super::json::Json;
use super::loader;
use super::results::{self, Face};
use super::scalars::{Url, int};
use super::typed_analyses::{self, Analysis};
use vultus_service::{Download, FolderContents};

/// Maximum lifetime of a signed URL, in seconds.
const MAX_EXPIRES_IN: i32 = 3_600;

/// Kind of a medium, determined from its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vultus_core::MediaKind")]
pub enum MediaKind {
    /// One still picture.
    Image,
    /// A video.
    Video,
    /// An archive of still pictures in order.
    ShotSet,
}

impl From<SlotKind> for MediaKind {
    fn from(kind: SlotKind) -> Self {
        match kind {
            SlotKind::Image => Self::Image,
            SlotKind::Video => Self::Video,
            SlotKind::ShotSet => Self::ShotSet,
        }
    }
}

/// A page of media.
pub type MediaConnection = Connection<String, Media>;

/// A medium within its folder.
#[derive(Debug, Clone)]
pub struct InFolder {
    contents: Arc<FolderContents>,
    index: usize,
}

impl InFolder {
    fn medium(&self) -> &Medium {
        &self.contents.media.members()[self.index]
    }

    async fn url(&self, ctx: &Context<'_>, what: Download, expires_in: i32) -> Result<Url> {
        signed_url(ctx, &what, expires_in)
    }
}

/// The medium as its concrete type, if it is in the folder.
pub(super) fn in_folder(contents: &Arc<FolderContents>, id: MediaId) -> Option<Media> {
    let index = contents.media.members().iter().position(|medium| medium.id == id)?;
    Some(at(contents, index))
}

/// All media of a folder, oldest first.
pub(super) fn all(contents: &Arc<FolderContents>) -> Vec<Media> {
    (0..contents.media.members().len()).map(|index| at(contents, index)).collect()
}

fn at(contents: &Arc<FolderContents>, index: usize) -> Media {
    let inner = InFolder { contents: contents.clone(), index };
    match inner.medium().kind {
        vultus_core::MediaKind::Image => Media::Image(Image(inner)),
        vultus_core::MediaKind::Video => Media::Video(Video(inner)),
        vultus_core::MediaKind::ShotSet => Media::ShotSet(ShotSet(inner)),
    }
}

impl Media {
    /// The medium itself.
    pub(super) fn medium(&self) -> &Medium {
        match self {
            Self::Image(image) => image.0.medium(),
            Self::Video(video) => video.0.medium(),
            Self::ShotSet(set) => set.0.medium(),
        }
    }
}

/// A signed URL of the bytes, valid until it expires.
pub(super) fn signed_url(ctx: &Context<'_>, what: &Download, expires_in: i32) -> Result<Url> {
    let seconds =
        u64::try_from(expires_in).ok().filter(|_| (1..=MAX_EXPIRES_IN).contains(&expires_in));
    let seconds = seconds.ok_or_else(|| {
        Error::invalid("expiresIn", format!("must be 1 to {MAX_EXPIRES_IN} seconds"))
    })?;
    let request = request(ctx)?;
    let (services, principal) = (request.services(), request.principal()?);
    let path = services.signed_path(&principal, what, Duration::from_secs(seconds))?;
    Ok(Url(format!("{}{path}", request.base_url())))
}

macro_rules! media_object {
    ($(#[$doc:meta])* $name:ident { $($specific:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(InFolder);

        $(#[$doc])*
        #[Object]
        impl $name {
            /// Id.
            pub async fn id(&self) -> ID {
                self.0.medium().id.into()
            }

            /// Kind, determined from the content.
            pub async fn kind(&self) -> MediaKind {
                self.0.medium().kind.into()
            }

            /// Tags, sorted.
            pub async fn tags(&self) -> Vec<String> {
                self.0.medium().tags.iter().map(ToString::to_string).collect()
            }

            /// The client's data.
            pub async fn metadata(&self, ctx: &Context<'_>) -> Result<Json> {
                Ok(loader::media_metadata(ctx, self.0.medium().id).await?)
            }

            /// The client's file name, without folders; for display only.
            pub async fn original_name(&self) -> Option<String> {
                self.0.medium().original_name.clone()
            }

            /// MIME type, determined from the content.
            pub async fn content_type(&self) -> String {
                self.0.medium().content_type.clone()
            }

            /// Size of the file, in bytes.
            pub async fn byte_size(&self) -> i32 {
                int(self.0.medium().byte_size)
            }

            /// SHA-256 of the file, in hexadecimal.
            pub async fn sha256(&self) -> String {
                self.0.medium().sha256.clone()
            }

            /// Width of the upright picture, in pixels.
            pub async fn width(&self) -> i32 {
                int(self.0.medium().width)
            }

            /// Height of the upright picture, in pixels.
            pub async fn height(&self) -> i32 {
                int(self.0.medium().height)
            }

            /// Time of the upload.
            pub async fn created_at(&self) -> OffsetDateTime {
                self.0.medium().created_at
            }

            /// URL of the file. It needs no token and is valid until it expires.
            pub async fn url(
                &self,
                ctx: &Context<'_>,
                #[graphql(desc = "Lifetime of the URL in seconds: 1 to 3 600.", default = 300)]
                expires_in: i32,
            ) -> Result<Url> {
                self.0.url(ctx, Download::Medium(self.0.medium().id), expires_in).await
            }

            /// URL of a thumbnail in JPEG.
            pub async fn thumbnail_url(
                &self,
                ctx: &Context<'_>,
                #[graphql(desc = "Lifetime of the URL in seconds: 1 to 3 600.", default = 300)]
                expires_in: i32,
            ) -> Result<Option<Url>> {
                let medium = self.0.medium();
                if medium.thumbnail_key.is_none() {
                    return Ok(None);
                }
                self.0.url(ctx, Download::Thumbnail(medium.id), expires_in).await.map(Some)
            }

            /// The folder that contains it.
            pub async fn folder(&self) -> Folder {
                Folder(self.0.contents.clone())
            }

            /// The analyses that used it, oldest first.
            #[graphql(complexity = "1 + 4 * child_complexity")]
            pub async fn analyses(&self, ctx: &Context<'_>) -> Result<Vec<Analysis>> {
                let id = self.0.medium().id;
                let used_it = |analysis: &vultus_core::Analysis| {
                    analysis.media.iter().any(|used| used.media_id == id)
                };
                Ok(counted(ctx, typed_analyses::all(&self.0.contents, used_it))?)
            }

            /// The subject's face in each frame in which the newest finished analysis found it.
            pub async fn faces(&self, ctx: &Context<'_>) -> Result<Vec<Face>> {
                let faces = results::faces(ctx, &self.0.contents, self.0.medium().id).await?;
                Ok(counted(ctx, faces)?)
            }

            $($specific)*
        }
    };
}

media_object! {
    /// One still picture.
    Image {}
}

media_object! {
    /// A video.
    Video {
        /// Duration, in seconds.
        async fn duration(&self) -> Option<f64> {
            self.0.medium().duration_us.map(|us| us as f64 / 1e6)
        }

        /// Number of frames; null if unknown.
        async fn frame_count(&self) -> Option<i32> {
            self.0.medium().frame_count.map(int)
        }

        /// Mean frame rate, in frames per second.
        async fn frame_rate(&self) -> Option<f64> {
            self.0.medium().frame_rate
        }
    }
}

media_object! {
    /// An archive of still pictures in order.
    ShotSet {
        /// Number of pictures.
        async fn frame_count(&self) -> Option<i32> {
            self.0.medium().frame_count.map(int)
        }
    }
}

/// A picture, video or shot set that was uploaded for analysis.
#[expect(
    clippy::duplicated_attributes,
    reason = "fields of one type look like repetitions to the lint"
)]
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Id."),
    field(name = "kind", ty = "MediaKind", desc = "Kind, determined from the content."),
    field(name = "tags", ty = "Vec<String>", desc = "Tags, sorted."),
    field(name = "metadata", ty = "Json", desc = "The client's data."),
    field(
        name = "original_name",
        ty = "Option<String>",
        desc = "The client's file name, without folders; for display only."
    ),
    field(name = "content_type", ty = "String", desc = "MIME type, determined from the content."),
    field(name = "byte_size", ty = "i32", desc = "Size of the file, in bytes."),
    field(name = "sha256", ty = "String", desc = "SHA-256 of the file, in hexadecimal."),
    field(name = "width", ty = "i32", desc = "Width of the upright picture, in pixels."),
    field(name = "height", ty = "i32", desc = "Height of the upright picture, in pixels."),
    field(name = "created_at", ty = "OffsetDateTime", desc = "Time of the upload."),
    field(
        name = "url",
        ty = "Url",
        desc = "URL of the file. It needs no token and is valid until it expires.",
        arg(
            name = "expires_in",
            ty = "i32",
            default = 300,
            desc = "Lifetime of the URL in seconds: 1 to 3 600."
        )
    ),
    field(
        name = "thumbnail_url",
        ty = "Option<Url>",
        desc = "URL of a thumbnail in JPEG.",
        arg(
            name = "expires_in",
            ty = "i32",
            default = 300,
            desc = "Lifetime of the URL in seconds: 1 to 3 600."
        )
    ),
    field(name = "folder", ty = "Folder", desc = "The folder that contains it."),
    field(
        name = "analyses",
        ty = "Vec<Analysis>",
        desc = "The analyses that used it, oldest first."
    ),
    field(
        name = "faces",
        ty = "Vec<Face>",
        desc = "The subject's face in each frame in which the newest finished analysis found it."
    )
)]
pub enum Media {
    /// One still picture.
    Image(Image),
    /// A video.
    Video(Video),
    /// An archive of still pictures in order.
    ShotSet(ShotSet),
}
