//! Starts a cluster: a MongoDB replica set and nodes of the real server that share it.

use crate::client::Client;
use crate::node::{Node, NodeOptions};
use crate::replica_set::ReplicaSet;
use std::path::PathBuf;
use tempfile::TempDir;

/// Options of a cluster.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// Number of members of the replica set that [`Cluster::start`] starts.
    pub members: usize,
    /// The role of each node.
    pub roles: Vec<&'static str>,
    /// Third-party plugin files for every node.
    pub plugins: Vec<PathBuf>,
    /// TOML appended to the configuration of every node.
    pub config: String,
}

/// A running cluster. Dropping it stops the nodes, then the replica set.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes, in the order of their roles.
    pub nodes: Vec<Node>,
    /// The replica set.
    pub set: ReplicaSet,
    email: String,
    password: String,
    shared: TempDir,
}

/// Name of the cluster's database.
pub const DATABASE: &str = "vultus";

impl Cluster {
    /// Starts the replica set and the nodes, and waits until all are ready. The first node must
    /// have a role that takes requests.
    pub async fn start(options: ClusterOptions) -> Self {
        Self::start_on(ReplicaSet::start(options.members).await, options).await
    }

    /// Starts the nodes on a running replica set.
    pub async fn start_on(set: ReplicaSet, options: ClusterOptions) -> Self {
        let shared = tempfile::tempdir().expect("a temporary folder can be made");
        let mut nodes = Vec::new();
        for role in options.roles {
            let config = format!(
                "keys_dir = {:?}\nstore.url = {:?}\nworkers.count = 1\nworkers.probe_count = 1\n{}",
                shared.path().join("keys"),
                set.uri(DATABASE),
                options.config
            );
            let node = NodeOptions {
                config,
                plugins: options.plugins.clone(),
                arguments: vec!["--role".to_owned(), role.to_owned()],
                blobs: Some(shared.path().join("blobs")),
                ..NodeOptions::default()
            };
            nodes.push(Node::start_with(node).await);
        }
        let (email, password) = nodes[0].administrator();
        let (email, password) = (email.to_owned(), password.to_owned());
        Self { nodes, set, email, password, shared }
    }

    /// Folder of the secret keys that the nodes share.
    pub fn keys_dir(&self) -> PathBuf {
        self.shared.path().join("keys")
    }

    /// Logs in at a node as the first administrator.
    pub async fn client(&self, node: usize) -> Client {
        self.nodes[node].anonymous().login(&self.email, &self.password).await
    }
}
