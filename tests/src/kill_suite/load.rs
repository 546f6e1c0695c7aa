//! Clients that make, change and erase folders, and ask again until they are answered.

use super::{Stage, lock, random};
use crate::client::{Client, Upload};
use crate::media::sample;
use crate::requests::{media_input, selfie_photo};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// One of so many folders is changed after it was made; another one is made and erased at once.
const EVERY: usize = 4;
/// No request takes longer: a paused node does not answer at all.
const NO_ANSWER: Duration = Duration::from_secs(25);
/// Before the same is asked of another node, unless the answer says how long to wait.
const BACK_OFF: Duration = Duration::from_millis(200);
/// A request that failed so often is never answered.
const ATTEMPTS: usize = 200;

/// Keys of erasures begin so.
const ERASE: &str = "erase-";
const CREATE: &str =
    "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";
const UPDATE: &str =
    "mutation($input: UpdateFolderInput!) { updateFolder(input: $input) { folder { id } } }";
const DELETE: &str =
    "mutation($input: DeleteFolderInput!) { deleteFolder(input: $input) { deletedId } }";

/// Asks for runs until the last fault is over and there were enough of them.
pub(super) async fn load(stage: Arc<Stage>) {
    while !stage.over.is_cancelled() || stage.made.load(Relaxed) < stage.plan.runs {
        // Given back when the database reports a final state.
        stage.open.acquire().await.expect("it is never closed").forget();
        let number = stage.made.fetch_add(1, Relaxed);
        let id = make(
            &stage,
            &format!("make-{number}"),
            json!([{"type": "faulty", "params": {"mode": "slow"}}]),
        )
        .await;
        lock(&stage.acknowledged).insert(id.clone(), 0);
        match number % EVERY {
            1 => {
                let changed = json!({"input": {"folderId": id, "metadata": {"number": number}}});
                ask(&stage, &format!("change-{number}"), UPDATE, changed, &[]).await;
                lock(&stage.acknowledged).insert(id, number);
            }
            2 => {
                let other = make(&stage, &format!("make-other-{number}"), json!([])).await;
                ask(
                    &stage,
                    &format!("{ERASE}{number}"),
                    DELETE,
                    json!({"input": {"folderId": other}}),
                    &[],
                )
                .await;
                stage.erased.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }
}

/// A folder with a photo and these analyses.
async fn make(stage: &Stage, key: &str, analyses: Value) -> String {
    let (variables, files) =
        media_input(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": analyses}));
    let made = ask(stage, key, CREATE, variables, &files).await;
    made["createFolder"]["folder"]["id"].as_str().expect("a folder has an id").to_owned()
}

/// The same request under one idempotency key, to one node after the other, until one acknowledges
/// it.
async fn ask(stage: &Stage, key: &str, query: &str, variables: Value, files: &[Upload]) -> Value {
    let first = usize::from(random());
    for attempt in 0..ATTEMPTS {
        let url = {
            let urls = lock(&stage.urls);
            urls[(first + attempt) % urls.len()].clone()
        };
        let client = Client::new(&url).with_token(&stage.token).with_header("idempotency-key", key);
        let request = async {
            match files {
                [] => client.try_query(query, variables.clone()).await,
                files => client.try_upload(query, variables.clone(), files.to_vec()).await,
            }
        };
        let mut wait = BACK_OFF;
        // A node that was killed gives no answer, or half of one.
        if let Ok(Ok(answer)) = tokio::time::timeout(NO_ANSWER, request).await {
            let Some(error) = answer["errors"].get(0) else { return answer["data"].clone() };
            // What an earlier attempt erased, though nobody was told.
            if key.starts_with(ERASE) && attempt > 0 && error["extensions"]["code"] == "NOT_FOUND" {
                return Value::Null;
            }
            assert_eq!(
                error["extensions"]["code"], "UNAVAILABLE",
                "{key}, attempt {attempt}: {answer:#}"
            );
            wait = error["extensions"]["retryAfterMs"]
                .as_u64()
                .map_or(BACK_OFF, Duration::from_millis);
        }
        tokio::time::sleep(wait).await;
    }
    panic!("{key} is never acknowledged")
}
