//! Harness of the end-to-end tests. It starts the real server on port 0, with real plugins in real
//! worker processes and real media, and drives it through the public API only. A missing component
//! fails the test; a skipped suite is printed.

pub mod capture;
mod client;
mod cluster;
mod disguise;
mod disk;
pub mod hostile;
pub mod kill_suite;
mod living;
pub mod measure;
mod media;
mod node;
mod place;
mod plugins;
mod process;
mod provider;
mod replica_set;
mod requests;
mod socket;

pub use client::{Client, Upload};
pub use cluster::{Cluster, ClusterOptions, DATABASE};
pub use disguise::Disguise;
pub use living::bona_fide_clip;
pub use media::{
    Clip, clip_of, jpeg, large_suites, padded_jpeg, sample, sample_path, shot_set, still_clip,
};
pub use node::{Node, NodeOptions, PASSWORD};
pub use place::{compiled_plugin, executable, workspace_root};
pub use plugins::compiled;
pub use process::{DEADLINE, children_of, mapped_files, wait_until};
pub use provider::{AUDIENCE, IdentityProvider, LOGIN_CLIENT};
pub use replica_set::{ReplicaSet, Standalone};
pub use requests::{
    CREATE_FOLDER, DELETE_FOLDER, Item, REQUEST_ANALYSES, analysis, id_photo, item, media_input,
    reason_codes, selfie_photo, selfie_video,
};
pub use socket::Socket;
