//! Why a node does not start, or does not stop cleanly.

use super::data_folder::DataError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use vultus_auth::keys::KeyError;
use vultus_blobs::BlobError;
use vultus_blobs::keyring::KeyringError;
use vultus_oidc::OutgoingError;
use vultus_pools::deployment::DeploymentError;
use vultus_pools::worker_pools::StartError;
use vultus_store::StoreError;

/// Why a node did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The keys of companies cannot be opened.
    #[error("opening the keys in the store")]
    Keyring(#[from] KeyringError),
    /// The keys of this node differ from those of the other nodes.
    #[error(
        "the keys in {folder} differ from those of the other nodes: copy theirs, or set keys_dir \
         to a folder that all nodes share. (To change the keys of the whole cluster, stop all \
         nodes and delete the document `keys` of the collection `meta`.)"
    )]
    OtherKeys {
        /// Folder with the keys of this node.
        folder: PathBuf,
    },
    /// The store could not compare the keys.
    #[error("comparing the keys with those of the other nodes")]
    CompareKeys(#[source] StoreError),
    /// This node stores media elsewhere than the other nodes.
    #[error(
        "blobs.url names another place than on the other nodes, and all nodes need the same one: \
         \"gridfs\", a bucket, or \"file\" if all machines mount one folder as `blobs` in data_dir \
         (is it mounted?). (To move the files of the whole cluster: `vultus store backup`, and \
         `restore` into a new database; or stop all nodes, move the files by other means, and \
         delete the document `blobs` of the collection `meta`.)"
    )]
    OtherBlobs,
    /// The store could not compare where media are stored.
    #[error("comparing the storage of media with that of the other nodes")]
    CompareBlobs(#[source] StoreError),
    /// The files of media cannot be used.
    #[error("opening the files of media")]
    Blobs(#[from] BlobError),
    /// Requests to identity providers cannot be sent.
    #[error("setting up the identity providers")]
    Outgoing(#[from] OutgoingError),
    /// A file that belongs to the server is missing.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// A store cannot be copied into itself.
    #[error("both configurations name the same store")]
    SameStore,
    /// The workers do not start.
    #[error("starting the workers")]
    Workers(#[from] StartError),
    /// The use cases cannot start: for example, an analyzer refuses a policy.
    #[error("starting the services")]
    Services(#[from] vultus_core::Error),
    /// The audit log cannot be written.
    #[error("writing the audit log")]
    Audit(#[source] StoreError),
    /// A company or a user cannot be created or read.
    #[error("creating or reading the company or user")]
    Directory(#[source] vultus_core::Error),
    /// The address is in use, or not an address of this machine.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The limit of descriptors cannot be raised.
    #[error("raising the limit of open descriptors")]
    Descriptors(#[source] io::Error),
    /// Signals cannot be caught.
    #[error("waiting for signals")]
    Signals(#[source] io::Error),
    /// Serving ended with an error.
    #[error("serving HTTP")]
    Http(#[source] io::Error),
}
