//! Measures full checks per minute of one node on SQLite, and of two nodes on a MongoDB replica set
//! with one and with three members, all on this machine: the cost of the database. Each round
//! starts and stops one installation, so that only one runs at a time.

use serde_json::Value;
use std::process::ExitCode;
use std::time::Instant;
use vultus_tests::measure::{Figure, exit_code, print_figures, quantile};
use vultus_tests::{
    Client, Cluster, ClusterOptions, Node, NodeOptions, bona_fide_clip, id_photo, sample,
    selfie_video,
};

/// Rounds of each installation.
const ROUNDS: usize = 3;
/// Members of the replica sets.
const MEMBERS: [usize; 2] = [1, 3];
const CLIENTS: usize = 4;
const CHECKS_PER_CLIENT: usize = 6;
/// Minimum throughput, as a share of the single node's.
const BAR: f64 = 0.9;
const CONFIG: &str = "[log]\nlevel = \"warn\"\n";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let (mut alone, mut together) = (Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        alone.push(runtime.block_on(one_node()));
        for (members, together) in MEMBERS.into_iter().zip(&mut together) {
            together.push(runtime.block_on(two_nodes(members)));
        }
    }
    let alone = quantile(&mut alone, 0.5);
    let mut figures =
        vec![Figure::plain("one node, SQLite, two workers", format!("{alone:.1} checks/min"))];
    for (members, together) in MEMBERS.into_iter().zip(&mut together) {
        let together = quantile(together, 0.5);
        let ratio = together / alone;
        let name = format!("two nodes, MongoDB of {members}, one worker each");
        figures.push(Figure::against(
            &name,
            format!("{together:.1} checks/min, {ratio:.2}"),
            "≥ 0.90",
            ratio >= BAR,
        ));
    }
    exit_code(print_figures("Full checks, 4 clients, one node and two", &figures))
}

async fn one_node() -> f64 {
    let config = format!("{CONFIG}[workers]\ncount = 2\nprobe_count = 2\n");
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    checks_per_minute(&node, vec![client; CLIENTS]).await
}

async fn two_nodes(members: usize) -> f64 {
    let options = ClusterOptions {
        members,
        roles: vec!["all"; 2],
        config: CONFIG.to_owned(),
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(options).await;
    let clients = [cluster.client(0).await, cluster.client(1).await];
    checks_per_minute(&cluster.nodes[0], clients.into_iter().cycle().take(CLIENTS).collect()).await
}

/// Throughput of clients that wait for each verdict.
async fn checks_per_minute(node: &Node, clients: Vec<Client>) -> f64 {
    let clip = bona_fide_clip(node.scratch());
    let media = [selfie_video(clip), id_photo(sample("obama.jpg"))];
    // The first run of each worker is slower and not counted.
    let warm = clients.iter().map(|client| client.folder_with(&media, &["liveness", "face_match"]));
    futures::future::join_all(warm).await;
    let begun = Instant::now();
    let number = clients.len() * CHECKS_PER_CLIENT;
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let media = media.clone();
            tokio::spawn(async move {
                for _ in 0..CHECKS_PER_CLIENT {
                    let folder = client.folder_with(&media, &["liveness", "face_match"]).await;
                    assert_eq!(folder["resolution"], Value::from("SUCCESS"), "{folder:#}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a client does not panic");
    }
    number as f64 * 60.0 / begun.elapsed().as_secs_f64()
}
