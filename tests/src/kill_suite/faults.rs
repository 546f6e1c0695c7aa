//! Inflicts faults on the cluster.

use super::{Pause, Stage, nanoseconds, random};
use crate::cluster::{Cluster, DATABASE};
use crate::node::Node;
use crate::process::{children_of, wait_until};
use mongodb::bson::{Document, doc};
use std::collections::HashMap;
use std::time::Duration;

/// Duration of a lease, in nanoseconds.
const LEASE_NS: i64 = 10_000_000_000;
/// Kinds of faults. Each is inflicted once, then random ones.
const FAULTS: [&str; 6] =
    ["kill node", "kill workers", "kill primary", "pause node", "step down", "kill secondary"];

/// Inflicts the faults of the plan at random moments. Returns the number of each kind.
pub(super) async fn inflict(cluster: &mut Cluster, stage: &Stage) -> HashMap<&'static str, usize> {
    let mut done = HashMap::new();
    for point in 0..stage.plan.points {
        // The random moment of the fault; it waits for no condition.
        tokio::time::sleep(Duration::from_millis(200 + u64::from(random()) * 4)).await;
        let fault =
            FAULTS[if point < FAULTS.len() { point } else { usize::from(random()) % FAULTS.len() }];
        inflict_one(cluster, stage, fault).await;
        *done.entry(fault).or_default() += 1;
    }
    done
}

async fn inflict_one(cluster: &mut Cluster, stage: &Stage, fault: &str) {
    let at = usize::from(random()) % cluster.nodes.len();
    match fault {
        "kill node" => {
            cluster.nodes[at].kill();
            cluster.nodes[at].launch().await;
            stage.urls.lock()[at] = cluster.nodes[at].url.clone();
        }
        "kill workers" => {
            for (pid, _) in children_of(cluster.nodes[at].pid()) {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a process id"))
                    .expect("not 0");
                // The process may have ended already.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        "pause node" => pause(cluster, at, stage.plan.pause).await,
        "step down" => cluster.set.step_down().await,
        _ => {
            let primary = cluster.set.settled().await;
            let victim = if fault == "kill primary" {
                primary
            } else {
                (primary + 1) % cluster.set.members()
            };
            cluster.set.kill(victim);
            // Restarts the member at once, or after the others have elected a primary without it.
            if random().is_multiple_of(2) {
                cluster.set.settled().await;
            }
            cluster.set.restart(victim);
            cluster.set.settled().await;
        }
    }
}

async fn pause(cluster: &Cluster, at: usize, pause: Pause) {
    let node = &cluster.nodes[at];
    match pause {
        Pause::For(time) => {
            node.pause();
            // The length of the fault; it waits for no condition.
            tokio::time::sleep(time).await;
        }
        Pause::UntilTakenOver => pause_until_taken_over(cluster, node).await,
    }
    node.resume();
}

/// Pauses a node while it has a run, until another node has taken the run over.
async fn pause_until_taken_over(cluster: &Cluster, node: &Node) {
    let client = cluster.set.client().await;
    let runs = client.database(DATABASE).collection::<Document>("runs");
    let name = name_of(node);
    // An older lease may belong to a run that the node gave up when the database was unreachable.
    cluster.set.settled().await;
    let from_now = nanoseconds() + LEASE_NS;
    let held = wait_until("the node to have a run", || async {
        let held = doc! { "state": "LEASED", "node": &name, "ready_at": { "$gt": from_now } };
        runs.find_one(held.clone()).await.ok()??;
        node.pause();
        // The run may have ended just before the pause.
        let found = runs.find_one(held).await.ok().flatten();
        if found.is_none() {
            node.resume();
        }
        found
    })
    .await;
    wait_until("the run of the paused node to be taken over", || async {
        let (id, fence) = (held.get("_id")?.clone(), held.get_i64("fence").ok()?);
        let taken = doc! { "_id": id, "fence": { "$gt": fence } };
        runs.find_one(taken).await.ok()?
    })
    .await;
}

/// The name under which a node has claimed runs since its last start.
fn name_of(node: &Node) -> String {
    let log = node.log();
    let line = log.lines().rev().find(|line| line.contains("runs are claimed under this name"));
    line.and_then(|line| line.split('"').nth(1)).expect("a node logs its name").to_owned()
}
