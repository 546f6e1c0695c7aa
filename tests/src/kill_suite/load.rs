//! Clients that create, change and delete folders, and repeat each request until it is answered.

use super::{Stage, random};
use crate::client::{Client, Upload};
use crate::media::sample;
use crate::requests::{CREATE_FOLDER, DELETE_FOLDER, media_input, selfie_photo};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// One of this many folders is changed later; for another one, an extra folder is created and
/// deleted.
const EVERY: usize = 4;
/// Timeout of a request. A paused node does not answer.
const NO_ANSWER: Duration = Duration::from_secs(25);
/// Wait before a request is repeated at another node, unless the answer says how long to wait.
const BACK_OFF: Duration = Duration::from_millis(200);
/// Number of attempts after which the test fails.
const ATTEMPTS: usize = 200;

/// Prefix of the idempotency keys of deletions.
const DELETION: &str = "delete-";
const UPDATE: &str =
    "mutation($input: UpdateFolderInput!) { updateFolder(input: $input) { folder { id } } }";

/// Creates folders until the last fault is over and the planned number of runs is reached.
pub(super) async fn load(stage: Arc<Stage>) {
    while !stage.over.is_cancelled() || stage.made.load(Relaxed) < stage.plan.runs {
        // The watch adds the permit again when the database reports a final state.
        stage.open.acquire().await.expect("the semaphore is never closed").forget();
        let number = stage.made.fetch_add(1, Relaxed);
        let id = create(
            &stage,
            &format!("create-{number}"),
            json!([{"type": "faulty", "params": {"mode": "slow"}}]),
        )
        .await;
        stage.acknowledged.lock().insert(id.clone(), 0);
        match number % EVERY {
            1 => {
                let changed = json!({"input": {"folderId": id, "metadata": {"number": number}}});
                ask(&stage, &format!("change-{number}"), UPDATE, changed, &[]).await;
                stage.acknowledged.lock().insert(id, number);
            }
            2 => {
                let other = create(&stage, &format!("create-other-{number}"), json!([])).await;
                ask(
                    &stage,
                    &format!("{DELETION}{number}"),
                    DELETE_FOLDER,
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

/// Creates a folder with a photo and these analyses. Returns its id.
async fn create(stage: &Stage, key: &str, analyses: Value) -> String {
    let (variables, files) =
        media_input(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": analyses}));
    let created = ask(stage, key, CREATE_FOLDER, variables, &files).await;
    created["createFolder"]["folder"]["id"].as_str().expect("a folder has an id").to_owned()
}

/// Sends a request with an idempotency key to one node after the other until one acknowledges it.
async fn ask(stage: &Stage, key: &str, query: &str, variables: Value, files: &[Upload]) -> Value {
    let first = usize::from(random());
    for attempt in 0..ATTEMPTS {
        let url = {
            let urls = stage.urls.lock();
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
        // A killed node sends no answer or part of one.
        if let Ok(Ok(answer)) = tokio::time::timeout(NO_ANSWER, request).await {
            let Some(error) = answer["errors"].get(0) else { return answer["data"].clone() };
            // An earlier attempt deleted the folder, but its answer was lost.
            if key.starts_with(DELETION)
                && attempt > 0
                && error["extensions"]["code"] == "NOT_FOUND"
            {
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
        // The client's back-off; the node may be down.
        tokio::time::sleep(wait).await;
    }
    panic!("{key} was not acknowledged in {ATTEMPTS} attempts")
}
