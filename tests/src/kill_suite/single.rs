//! The suite for one node on SQLite: kills the node at random moments under load.

use super::check::{check_folder, verified_files};
use super::{CLIENTS, OPEN, Outcome, Plan, Stage, load, random};
use crate::client::Client;
use crate::node::{Node, NodeOptions};
use crate::place::compiled_plugin;
use crate::process::wait_until;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Interval of asking the node which analyses are final.
const LOOK: Duration = Duration::from_millis(200);

/// Times at which analyses became final, by their ids, as the node first told them.
type Finals = Arc<Mutex<HashMap<String, Value>>>;

/// Kills a node with SIGKILL at each point of the plan, and starts it again. Panics if a guarantee
/// is broken. The plan's pause is not used.
pub async fn run_on_sqlite(plan: Plan) -> Outcome {
    let mut node = Node::start_with(NodeOptions {
        plugins: vec![compiled_plugin("faulty/faulty.c", "libfaulty.so")],
        config: "tokens.access_seconds = 86400\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let stage = Arc::new(Stage {
        urls: Mutex::new(vec![node.url.clone()]),
        token: node.client().await.token().to_owned(),
        plan,
        made: AtomicUsize::new(0),
        erased: AtomicUsize::new(0),
        over: CancellationToken::new(),
        acknowledged: Mutex::default(),
        finals: Mutex::default(),
        open: Semaphore::new(OPEN),
    });
    let (finals, drained) = (Finals::default(), CancellationToken::new());
    let watching = tokio::spawn(watch(stage.clone(), finals.clone(), drained.clone()));
    let load: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(load::load(stage.clone()))).collect();
    for _ in 0..plan.points {
        // The random moment of the fault; it waits for no condition.
        tokio::time::sleep(Duration::from_millis(100 + u64::from(random()) * 4)).await;
        node.kill();
        node.launch().await;
        *stage.urls.lock() = vec![node.url.clone()];
    }
    let last_fault = Instant::now();
    stage.over.cancel();
    for task in load {
        task.await.expect("a load task does not panic");
    }
    let client = node.anonymous().with_token(&stage.token);
    wait_until("every analysis to be final", || async {
        processing(&client).await?.is_empty().then_some(())
    })
    .await;
    let drained_after = last_fault.elapsed();
    drained.cancel();
    watching.await.expect("the watch task does not panic");
    let faults = HashMap::from([("kill node", plan.points)]);
    let mut outcome = Outcome { faults, drained_after, ..Outcome::default() };
    check(&node, &client, &stage, &finals, &mut outcome).await;
    outcome
}

/// Ids of the folders with open analyses, of the first hundred; `None` if the node is down.
async fn processing(client: &Client) -> Option<Vec<String>> {
    let query = "{ folders(first: 100, filter: {processing: true}) { nodes { id } } }";
    let answer = client.try_query(query, json!({})).await.ok()?;
    let nodes = answer["data"]["folders"]["nodes"].as_array()?.iter();
    Some(nodes.filter_map(|node| node["id"].as_str().map(str::to_owned)).collect())
}

/// Lets the clients go on while few analyses are open, and notes when analyses became final.
async fn watch(stage: Arc<Stage>, finals: Finals, drained: CancellationToken) {
    let mut timer = tokio::time::interval(LOOK);
    while !drained.is_cancelled() {
        timer.tick().await;
        let url = stage.urls.lock()[0].clone();
        let client = Client::new(&url).with_token(&stage.token);
        let Some(open) = processing(&client).await else { continue };
        let free = OPEN.saturating_sub(open.len() + stage.open.available_permits());
        stage.open.add_permits(free);
        let query = "{ folders(first: 20, orderBy: UPDATED_DESCENDING) { nodes {
            analyses(first: 1) { nodes { id finishedAt } } } } }";
        let Ok(answer) = client.try_query(query, json!({})).await else { continue };
        let nodes = answer["data"]["folders"]["nodes"].as_array().cloned().unwrap_or_default();
        for node in nodes {
            let analysis = &node["analyses"]["nodes"][0];
            if let (Some(id), true) = (analysis["id"].as_str(), analysis["finishedAt"].is_string())
            {
                let finished_at = analysis["finishedAt"].clone();
                finals.lock().entry(id.to_owned()).or_insert(finished_at);
            }
        }
    }
}

/// Checks that each acknowledged folder exists once with its last acknowledged change, that its
/// analysis became final once, that deleted folders are gone, and that every file is intact.
async fn check(
    node: &Node,
    client: &Client,
    stage: &Stage,
    finals: &Finals,
    outcome: &mut Outcome,
) {
    let acknowledged = stage.acknowledged.lock().clone();
    outcome.acknowledged = acknowledged.len();
    outcome.erased = stage.erased.load(Relaxed);
    for (id, number) in &acknowledged {
        check_folder(client, id, *number, outcome).await;
    }
    let finals = finals.lock().clone();
    assert!(!finals.is_empty(), "final analyses were seen while the node was killed");
    for (id, finished_at) in finals {
        let query = "query($id: ID!) { analysis(id: $id) { finishedAt } }";
        let now = client.data(query, json!({"id": id})).await["analysis"]["finishedAt"].clone();
        outcome.twice += usize::from(now != finished_at);
    }
    assert_eq!(outcome.twice, 0, "analyses that became final more than once");
    assert_eq!(count_folders(client).await, acknowledged.len(), "one folder for each request");
    outcome.files = verified_files(&node.config_file());
    assert_eq!(node.spooled_files(), Vec::<std::path::PathBuf>::new());
}

async fn count_folders(client: &Client) -> usize {
    let query = "query($after: String) { folders(first: 100, after: $after) {
        nodes { id } pageInfo { hasNextPage endCursor } } }";
    let (mut count, mut after) = (0, Value::Null);
    loop {
        let page = client.data(query, json!({"after": after})).await["folders"].clone();
        count += page["nodes"].as_array().map_or(0, Vec::len);
        if page["pageInfo"]["hasNextPage"] != true {
            return count;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}
