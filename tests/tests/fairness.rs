//! Companies share the workers: one that queues much delays another's requests by little, and a
//! company cannot queue without end.

use serde_json::{Value, json};
use vultus_tests::{
    CREATE_FOLDER, Client, DELETE_FOLDER, Node, NodeOptions, REQUEST_ANALYSES, Upload, analysis,
    compiled, sample, selfie_photo, wait_until,
};

const UNFINISHED: &str = "query($id: ID!) { folder(id: $id) { analyses(first: 100) { nodes {
  state
} } } }";
const CHECK: &str = "mutation($input: CheckInput!) { check(input: $input) { resolution } }";

/// A folder of a company with this many runs in the queue, each of one analysis.
struct Flood<'c> {
    client: &'c Client,
    folder: String,
    runs: usize,
}

impl<'c> Flood<'c> {
    async fn queue(client: &'c Client, runs: usize, kind: &str, mode: Option<&str>) -> Self {
        let folder = client.create(&[selfie_photo(sample("obama2.jpg"))], json!({})).await;
        let folder = folder["id"].as_str().expect("a folder has an id").to_owned();
        let mut analyses = json!([{"type": kind}]);
        if let Some(mode) = mode {
            analyses[0]["params"] = json!({"mode": mode});
        }
        let input = json!({"input": {"folderId": folder, "analyses": analyses}});
        for _ in 0..runs {
            client.data(REQUEST_ANALYSES, input.clone()).await;
        }
        Self { client, folder, runs }
    }

    async fn unfinished(&self) -> usize {
        let data = self.client.data(UNFINISHED, json!({"id": self.folder})).await;
        let nodes = data["folder"]["analyses"]["nodes"].as_array().expect("a list").clone();
        assert_eq!(nodes.len(), self.runs);
        nodes.iter().filter(|one| ["QUEUED", "RUNNING"].iter().any(|s| one["state"] == *s)).count()
    }

    async fn end(self) {
        self.client.data(DELETE_FOLDER, json!({"input": {"folderId": self.folder}})).await;
    }
}

async fn node(config: &str) -> Node {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let plugins = vec![compiled(folder.path(), "faulty/faulty.c", "libfaulty.so", &[])];
    let config = format!("shutdown.drain_seconds = 1\n{config}");
    Node::start_with(NodeOptions { config, plugins, ..NodeOptions::default() }).await
}

/// The plugin's pool has one worker, and each run takes 0.3 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_one_company_delays_another_by_a_turn() {
    let node = node("workers.count = 1\n").await;
    let many = node.client_of_company("Many", "many@example.org", "client-admin").await;
    let few = node.client_of_company("Few", "few@example.org", "client").await;
    let flood = Flood::queue(&many, 80, "faulty", Some("slow")).await;
    let slow = json!([{"type": "faulty", "params": {"mode": "slow"}}]);
    // Also without a waiting client, whose runs would have a later turn than all of the flood.
    for input in [json!({"analyses": slow}), json!({"analyses": slow, "waitMs": 30_000})] {
        let folder = few.create(&[selfie_photo(sample("obama2.jpg"))], input).await;
        let folder = few.final_folder(folder["id"].as_str().expect("an id")).await;
        assert_eq!(analysis(&folder, "faulty")["resolution"], "SUCCESS");
    }
    assert!(flood.unfinished().await > 10, "most of the flood still waits");
    // A run with a waiting client goes before the others of its own company.
    let input = json!({"analyses": slow, "waitMs": 30_000});
    let own = many.create(&[selfie_photo(sample("obama2.jpg"))], input).await;
    assert_eq!(own["resolution"], "SUCCESS");
    assert!(flood.unfinished().await > 0, "it went before the flood of its own company");
    flood.end().await;
}

/// The built-in pool has a spare worker: an instant check of another company begins while the
/// ordinary worker is occupied, however long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_one_company_does_not_delay_anothers_check() {
    let node = node("workers.count = 1\nworkers.spare = 1\n").await;
    let many = node.client_of_company("Many", "many@example.org", "client-admin").await;
    let few = node.client_of_company("Few", "few@example.org", "client").await;
    let flood = Flood::queue(&many, 95, "liveness", None).await;
    for _ in 0..3 {
        let media = json!([{"key": "s", "file": null, "tags": ["photo_selfie"]}]);
        let input = json!({"input": {"media": media, "analyses": [{"type": "liveness"}]}});
        let file = Upload::medium(0, "s.jpg", sample("obama2.jpg"));
        let checked = few.upload_data(CHECK, input, vec![file]).await;
        assert_eq!(checked["check"]["resolution"], "SUCCESS");
    }
    assert!(flood.unfinished().await > 0, "the flood still waits");
    flood.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn company_with_too_many_runs_is_told_to_try_again() {
    let node = node("workers.count = 1\nqueue.company_runs = 3\n").await;
    let many = node.client_of_company("Many", "many@example.org", "client-admin").await;
    let few = node.client_of_company("Few", "few@example.org", "client").await;
    let flood = Flood::queue(&many, 3, "faulty", Some("until_cancelled")).await;
    let analyses = json!([{"type": "faulty", "params": {"mode": "ok"}}]);
    let input = json!({"input": {"analyses": analyses}});
    let refused = wait_until("the limit to be noticed", || async {
        let answer = many.query(CREATE_FOLDER, input.clone()).await;
        answer.get("errors").map(|errors| errors[0]["extensions"].clone())
    })
    .await;
    assert_eq!((&refused["code"], &refused["retryable"]), (&json!("UNAVAILABLE"), &json!(true)));
    assert!(refused["retryAfterMs"].as_u64() >= Some(1000), "{refused}");
    few.data(CREATE_FOLDER, input.clone()).await;
    flood.end().await;
    let accepted = wait_until("the company to have room again", || async {
        let answer = many.query(CREATE_FOLDER, input.clone()).await;
        answer.get("errors").is_none().then_some(answer)
    })
    .await;
    assert_ne!(accepted["data"]["createFolder"]["folder"]["id"], Value::Null);
}
