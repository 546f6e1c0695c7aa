//! Kills and pauses parts of a cluster at random while it works, and counts by itself what came of it: the short form is a test, the long
//! one `make soak`.

use crate::client::Client;
use crate::cluster::{Cluster, ClusterOptions, DATABASE};
use crate::media::sample;
use crate::place::compiled_plugin;
use crate::process::{children_of, wait_until};
use crate::requests::{media_input, selfie_photo};
use futures::StreamExt;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How much is done to the cluster.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Runs asked for, at least: as long as points are left, more are.
    pub runs: usize,
    /// Random moments at which something is killed or paused.
    pub points: usize,
    /// How long a paused node stays so.
    pub pause: Duration,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Folders whose making was acknowledged.
    pub acknowledged: usize,
    /// Their analyses that have a verdict.
    pub finished: usize,
    /// Those that failed because their workers were killed twice.
    pub blamed: usize,
    /// Writes under a stale token that were refused.
    pub stale_writes: usize,
    /// From the last kill until nothing was left to do.
    pub drained_after: Duration,
    /// How often each thing was done.
    pub done: HashMap<&'static str, usize>,
}

/// Requests that are on their way or not final, at most: enough that every worker has work.
const OPEN: usize = 24;
/// Things that are done to a cluster.
const ACTIONS: [&str; 6] = ["kill node", "kill workers", "kill primary", "pause node", "step down", "kill secondary"];
const CREATE: &str = "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";

/// What the load and the killing share.
struct Stage {
    /// Addresses of the nodes; a restarted one has another.
    urls: Mutex<Vec<String>>,
    token: String,
    made: AtomicUsize,
    over: tokio_util::sync::CancellationToken,
    acknowledged: Mutex<Vec<String>>,
    /// Final states that the database reported, by analysis.
    finals: Mutex<HashMap<[u8; 16], usize>>,
    open: Semaphore,
}

/// Runs the suite; panics where a promise is broken.
pub async fn run(plan: Plan) -> Outcome {
    let mut cluster = Cluster::start(ClusterOptions {
        members: 3,
        roles: vec!["all"; 3],
        plugins: vec![compiled_plugin("faulty/faulty.c", "libfaulty.so")],
        config: "tokens.access_seconds = 86400\n".to_owned(),
    })
    .await;
    let stage = Arc::new(Stage {
        urls: Mutex::new(cluster.nodes.iter().map(|node| node.url.clone()).collect()),
        token: cluster.client(0).await.token().to_owned(),
        made: AtomicUsize::new(0),
        over: tokio_util::sync::CancellationToken::new(),
        acknowledged: Mutex::default(),
        finals: Mutex::default(),
        open: Semaphore::new(OPEN),
    });
    let counter = tokio::spawn(count_finals(cluster.set.client().await, stage.clone()));
    let load: Vec<_> = (0..6).map(|_| tokio::spawn(load(stage.clone(), plan))).collect();
    let mut outcome = Outcome::default();
    for point in 0..plan.points {
        tokio::time::sleep(Duration::from_millis(200 + u64::from(random()) * 4)).await;
        let action = ACTIONS[if point < ACTIONS.len() { point } else { usize::from(random()) % ACTIONS.len() }];
        act(&mut cluster, &stage, action, plan.pause).await;
        *outcome.done.entry(action).or_default() += 1;
    }
    let killed_last = Instant::now();
    stage.over.cancel();
    for task in load {
        task.await.expect("the load goes on");
    }
    check(&cluster, &stage, &mut outcome).await;
    outcome.drained_after = killed_last.elapsed();
    counter.abort();
    outcome
}

fn random() -> u8 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u8
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for runs, one after the other, each until it is acknowledged by some node.
async fn load(stage: Arc<Stage>, plan: Plan) {
    while !stage.over.is_cancelled() || stage.made.load(Relaxed) < plan.runs {
        let permit = stage.open.acquire().await.expect("it is never closed");
        let number = stage.made.fetch_add(1, Relaxed);
        let asked = json!({"analyses": [{"type": "faulty", "params": {"mode": "slow"}}]});
        let (variables, files) = media_input(&[selfie_photo(sample("obama2.jpg"))], asked);
        for attempt in 0.. {
            assert!(attempt < 200, "run {number} is never acknowledged");
            let url = lock(&stage.urls)[(number + attempt) % 3].clone();
            let client = Client::new(&url).with_token(&stage.token).with_header("idempotency-key", &format!("run-{number}"));
            let request = client.try_upload(CREATE, variables.clone(), files.clone());
            let answer = tokio::time::timeout(Duration::from_secs(25), request).await;
            if let Ok(Ok(answer)) = answer {
                if let Some(id) = answer["data"]["createFolder"]["folder"]["id"].as_str() {
                    lock(&stage.acknowledged).push(id.to_owned());
                    break;
                }
                let code = answer["errors"][0]["extensions"]["code"].clone();
                assert_eq!(code, "UNAVAILABLE", "run {number}: {answer:#}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // Given back when the database reports a final state.
        permit.forget();
    }
}

/// Counts final states as the database itself reports them, however often the stream breaks off.
async fn count_finals(client: mongodb::Client, stage: Arc<Stage>) {
    let analyses = client.database(DATABASE).collection::<Document>("analyses");
    let finals = doc! { "$match": { "updateDescription.updatedFields.state": { "$in": ["FINISHED", "FAILED", "CANCELLED"] } } };
    let mut token = None;
    loop {
        let Ok(mut stream) = analyses.watch().pipeline([finals.clone()]).resume_after(token.clone()).await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        token = stream.resume_token();
        while let Some(Ok(event)) = stream.next().await {
            token = stream.resume_token();
            let key = event.document_key.expect("an update names its document");
            let id = key.get("_id").and_then(|id| match id {
                mongodb::bson::Bson::Binary(id) => <[u8; 16]>::try_from(id.bytes.as_slice()).ok(),
                _ => None,
            });
            *lock(&stage.finals).entry(id.expect("an analysis has a UUID")).or_default() += 1;
            stage.open.add_permits(1);
        }
    }
}

async fn act(cluster: &mut Cluster, stage: &Stage, action: &str, pause: Duration) {
    let at = usize::from(random()) % cluster.nodes.len();
    match action {
        "kill node" => {
            cluster.nodes[at].kill();
            cluster.nodes[at].launch().await;
            lock(&stage.urls)[at] = cluster.nodes[at].url.clone();
        }
        "kill workers" => {
            for (pid, _) in children_of(cluster.nodes[at].pid()) {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("not 0");
                // It may have ended by itself.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        "pause node" => {
            cluster.nodes[at].pause();
            tokio::time::sleep(pause).await;
            cluster.nodes[at].go_on();
        }
        "step down" => cluster.set.step_down().await,
        _ => {
            let primary = cluster.set.settled().await;
            let victim = if action == "kill primary" { primary } else { (primary + 1) % cluster.set.members() };
            cluster.set.kill(victim);
            tokio::time::sleep(Duration::from_millis(u64::from(random()) * 4)).await;
            cluster.set.restart(victim);
            cluster.set.settled().await;
        }
    }
}

/// Every acknowledged folder is there, once, with its medium, and its analysis is final; each became final exactly once.
async fn check(cluster: &Cluster, stage: &Stage, outcome: &mut Outcome) {
    let acknowledged = lock(&stage.acknowledged).clone();
    outcome.acknowledged = acknowledged.len();
    let database = cluster.set.client().await.database(DATABASE);
    let open = doc! { "state": { "$in": ["QUEUED", "RUNNING"] } };
    wait_until("every analysis to be final", || async {
        let left = database.collection::<Document>("analyses").count_documents(open.clone()).await.ok()?;
        (left == 0).then_some(())
    })
    .await;
    let count = async |name: &str| {
        let counted = database.collection::<Document>(name).count_documents(doc! {}).await.expect("counting works");
        usize::try_from(counted).expect("few")
    };
    for name in ["folders", "media", "analyses", "runs"] {
        assert_eq!(count(name).await, acknowledged.len(), "{name}: one for each acknowledged request");
    }
    let client = cluster.nodes[0].anonymous().with_token(&stage.token);
    for id in &acknowledged {
        let folder = client.folder(id).await;
        let analysis = &folder["analyses"]["nodes"][0];
        assert_eq!(folder["media"]["nodes"].as_array().map(Vec::len), Some(1), "{folder:#}");
        match analysis["state"].as_str() {
            Some("FINISHED") => outcome.finished += 1,
            Some("FAILED") if is_blamed(analysis) => outcome.blamed += 1,
            _ => panic!("an analysis that is neither judged nor failed by two deaths: {folder:#}"),
        }
    }
    wait_until("the database to report every final state", || async {
        (lock(&stage.finals).len() == acknowledged.len()).then_some(())
    })
    .await;
    let twice = lock(&stage.finals).values().filter(|times| **times != 1).count();
    assert_eq!(twice, 0, "analyses that became final more than once");
    let refused = |node: &crate::node::Node| node.log().matches("under a stale token was refused").count();
    outcome.stale_writes = cluster.nodes.iter().map(refused).sum();
}

/// Killed twice while it was active, or without an answer in time on a machine that is too busy.
fn is_blamed(analysis: &Value) -> bool {
    matches!(analysis["failure"]["code"].as_str(), Some("ANALYZER_CRASHED" | "MEDIA_UNREADABLE" | "DEADLINE_EXCEEDED"))
}
