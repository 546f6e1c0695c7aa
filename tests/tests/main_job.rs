//! The main job: puts media into a folder, requests analyses, and reads verdicts and live updates.

use serde_json::{Value, json};
use vultus_tests::{
    Node, REQUEST_ANALYSES, analysis, bona_fide_clip, id_photo, item, media_input, reason_codes,
    sample, selfie_photo, selfie_video, shot_set,
};

#[tokio::test]
async fn same_person_is_accepted_with_evidence() {
    let node = Node::start().await;
    let client = node.client().await;
    let media = [
        selfie_video(bona_fide_clip(node.scratch())),
        selfie_photo(sample("obama2.jpg")),
        id_photo(sample("obama.jpg")),
    ];
    let folder = client.folder_with(&media, &["liveness", "face_match"]).await;
    assert_eq!(folder["resolution"], "SUCCESS", "{folder:#}");
    let (liveness, face_match) = (analysis(&folder, "liveness"), analysis(&folder, "face_match"));
    assert!(liveness["score"].as_f64().unwrap() < 0.5);
    assert!(face_match["similarity"].as_f64().unwrap() >= 0.5);
    assert_eq!(
        liveness["media"].as_array().unwrap().len(),
        2,
        "the identity photo is not judged for liveness"
    );
    assert_eq!(face_match["pairs"].as_array().unwrap().len(), 3);
    assert!(liveness["perMedia"][0]["framesJudged"].as_u64().unwrap() >= 8);
    assert!(face_match["perMedia"][0]["framesUsed"].as_array().unwrap().len() >= 3);
    assert_eq!(liveness["provenance"]["analyzer"], "org.vultus.liveness");
    let weights = liveness["provenance"]["weights"].as_array().unwrap();
    assert!(
        weights.iter().all(|weight| weight["sha256"].as_str().unwrap().len() == 64)
            && !weights.is_empty()
    );
    let shot = client.get(liveness["bestShot"]["url"].as_str().unwrap()).await;
    assert_eq!(shot.headers()["content-type"], "image/jpeg");
    assert_eq!(shot.headers()["x-content-type-options"], "nosniff");
    assert!(shot.bytes().await.unwrap().starts_with(&[0xff, 0xd8]));
}

#[tokio::test]
async fn different_person_is_declined_with_a_reason() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client
        .folder_with(
            &[selfie_photo(sample("obama2.jpg")), id_photo(sample("biden.jpg"))],
            &["liveness", "face_match"],
        )
        .await;
    assert_eq!(folder["resolution"], "DECLINED");
    assert_eq!(analysis(&folder, "liveness")["resolution"], "SUCCESS");
    let face_match = analysis(&folder, "face_match");
    assert!(!reason_codes(face_match).is_empty());
    assert!(face_match["pairs"][0]["cosine"].as_f64().unwrap() < 0.3);
}

#[tokio::test]
async fn scores_are_bit_equal_alone_and_in_every_combination() {
    let node = Node::start().await;
    let client = node.client().await;
    let media = [
        selfie_video(bona_fide_clip(node.scratch())),
        selfie_photo(sample("obama2.jpg")),
        id_photo(sample("obama3.jpg")),
    ];
    let result = |folder: &Value, kind: &str| analysis(folder, kind)["result"].to_string();
    let together = client.folder_with(&media, &["liveness", "face_match"]).await;
    let reversed = client.folder_with(&media, &["face_match", "liveness"]).await;
    let liveness_alone = client.folder_with(&media, &["liveness"]).await;
    let face_match_alone = client.folder_with(&media, &["face_match"]).await;
    assert_eq!(result(&together, "liveness"), result(&liveness_alone, "liveness"));
    assert_eq!(result(&together, "face_match"), result(&face_match_alone, "face_match"));
    assert_eq!(result(&together, "liveness"), result(&reversed, "liveness"));
    assert_eq!(result(&together, "face_match"), result(&reversed, "face_match"));
    assert!(result(&together, "liveness").len() > 200, "the results are complete");
}

#[tokio::test]
async fn subscription_sends_state_and_each_later_revision() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client
        .create(
            &[selfie_video(bona_fide_clip(node.scratch()))],
            json!({"analyses": [{"type": "liveness"}]}),
        )
        .await;
    let mut socket = client.socket().await;
    let id = folder["analyses"]["nodes"][0]["id"].clone();
    socket
        .subscribe(
            "a",
            "subscription($id: ID!) { analysis(id: $id) { state revision resolution progress } }",
            json!({"id": id}),
        )
        .await;
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let message = socket.next().await;
        if message["type"] == "complete" {
            break;
        }
        assert_eq!(message["type"], "next", "{message}");
        seen.push(message["payload"]["data"]["analysis"].clone());
    }
    let revisions: Vec<i64> =
        seen.iter().map(|state| state["revision"].as_i64().unwrap()).collect();
    assert!(
        revisions.windows(2).all(|pair| pair[0] < pair[1]),
        "revisions only grow: {revisions:?}"
    );
    let last = seen.last().unwrap();
    assert_eq!(last["state"], "FINISHED");
    assert_eq!(last["resolution"], "SUCCESS");
    // A subscription to a final analysis sends its state and completes.
    socket
        .subscribe("b", "subscription($id: ID!) { analysis(id: $id) { state } }", json!({"id": id}))
        .await;
    assert_eq!(socket.next().await["payload"]["data"]["analysis"]["state"], "FINISHED");
    assert_eq!(socket.next().await["type"], "complete");
}

#[tokio::test]
async fn added_media_make_the_verdict_stale_until_judged() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["liveness"]).await;
    assert_eq!((&folder["resolution"], &folder["stale"]), (&json!("SUCCESS"), &json!(false)));
    let id = folder["id"].as_str().unwrap();
    let (variables, files) = media_input(&[id_photo(sample("obama.jpg"))], json!({"folderId": id}));
    client
        .upload_data(
            "mutation($input: AddMediaInput!) { addMedia(input: $input) { media { id } } }",
            variables,
            files,
        )
        .await;
    let stale = client.folder(id).await;
    assert_eq!((&stale["resolution"], &stale["stale"]), (&Value::Null, &json!(true)));
    let analyses = json!([{"type": "liveness"}, {"type": "face_match"}]);
    let input = json!({"folderId": id, "analyses": analyses, "waitMs": 30_000});
    client.data(REQUEST_ANALYSES, json!({"input": input})).await;
    let judged = client.final_folder(id).await;
    assert_eq!(
        (&judged["resolution"], &judged["stale"]),
        (&json!("SUCCESS"), &json!(false)),
        "{judged:#}"
    );
}

#[tokio::test]
async fn shot_set_is_judged_like_a_clip() {
    let node = Node::start().await;
    let client = node.client().await;
    let shots = shot_set(&[sample("obama2.jpg"), sample("obama2.jpg"), sample("obama2.jpg")]);
    let media = [item("shots", &["video_selfie"], shots), id_photo(sample("obama.jpg"))];
    let folder = client.folder_with(&media, &["liveness", "face_match"]).await;
    assert_eq!(folder["media"]["nodes"][0]["kind"], "SHOT_SET");
    assert_eq!(folder["resolution"], "SUCCESS", "{folder:#}");
}

#[tokio::test]
async fn instant_check_equals_the_stored_path_and_stores_nothing() {
    let node = Node::start().await;
    let client = node.client().await;
    let media = [selfie_photo(sample("obama2.jpg")), id_photo(sample("obama.jpg"))];
    let stored = client.folder_with(&media, &["liveness", "face_match"]).await;
    let blobs = node.blobs();
    let (variables, files) =
        media_input(&media, json!({"analyses": [{"type": "liveness"}, {"type": "face_match"}]}));
    let query = "mutation($input: CheckInput!) {
      check(input: $input) { resolution analyses { type resolution result } }
    }";
    let checked = client.upload_data(query, variables, files).await["check"].clone();
    assert_eq!(checked["resolution"], "SUCCESS");
    assert_eq!(checked["analyses"][0]["result"]["score"], analysis(&stored, "liveness")["score"]);
    assert_eq!(
        checked["analyses"][1]["result"]["similarity"],
        analysis(&stored, "face_match")["similarity"]
    );
    assert_eq!(node.blobs(), blobs);
    let folders = client.data("{ folders(first: 10) { nodes { id } } }", json!({})).await;
    assert_eq!(folders["folders"]["nodes"].as_array().unwrap().len(), 1);
}

/// Creates a folder, and reads its id and whether an earlier answer was repeated.
const CREATE_ONCE: &str = "mutation($input: CreateFolderInput!) {
  createFolder(input: $input) { folder { id } replayed }
}";

#[tokio::test]
async fn external_id_is_unique() {
    let node = Node::start().await;
    let client = node.client().await;
    let first = client.data(CREATE_ONCE, json!({"input": {"externalId": "case-1"}})).await;
    let error = client.error(CREATE_ONCE, json!({"input": {"externalId": "case-1"}})).await;
    assert_eq!(error["code"], "CONFLICT");
    assert_eq!(error["existingId"], first["createFolder"]["folder"]["id"]);
}

#[tokio::test]
async fn idempotency_key_creates_one_folder() {
    let node = Node::start().await;
    let client = node.client().await;
    let keyed = client.with_header("idempotency-key", "k-1");
    let (a, b) = tokio::join!(
        keyed.data(CREATE_ONCE, json!({"input": {"externalId": "case-2"}})),
        keyed.data(CREATE_ONCE, json!({"input": {"externalId": "case-2"}}))
    );
    assert_eq!(a["createFolder"]["folder"]["id"], b["createFolder"]["folder"]["id"]);
    assert_ne!(a["createFolder"]["replayed"], b["createFolder"]["replayed"]);
    let other = keyed.error(CREATE_ONCE, json!({"input": {"externalId": "case-3"}})).await;
    assert_eq!(other["code"], "CONFLICT");
}

#[tokio::test]
async fn node_query_resolves_fragments_on_every_type() {
    let node = Node::start().await;
    let client = node.client().await;
    let media = [
        selfie_video(bona_fide_clip(node.scratch())),
        id_photo(sample("obama.jpg")),
        item("shots", &["video_selfie"], shot_set(&[sample("obama2.jpg")])),
    ];
    let folder = client.folder_with(&media, &["liveness", "face_match", "document"]).await;
    let viewer =
        client.data("{ viewer { user { id } } }", json!({})).await["viewer"]["user"]["id"].clone();
    let query = "query($id: ID!) { node(id: $id) {
      __typename id
      ... on Folder { state } ... on User { role } ... on Media { kind } ... on Analysis { state }
      ... on Image { width } ... on Video { duration } ... on ShotSet { frameCount }
      ... on LivenessAnalysis { score } ... on FaceMatchAnalysis { similarity }
      ... on DocumentAnalysis { documentType } ... on CustomAnalysis { result }
    } }";
    let ids = |list: &str| {
        folder[list]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["id"].clone())
            .collect::<Vec<_>>()
    };
    let mut seen = Vec::new();
    for id in [vec![folder["id"].clone(), viewer], ids("media"), ids("analyses")].concat() {
        let found = client.data(query, json!({"id": id})).await["node"].clone();
        assert_eq!(found["id"], id);
        seen.push(found["__typename"].as_str().unwrap().to_owned());
    }
    let things = ["Folder", "User", "Video", "Image", "ShotSet"];
    let analyses = ["LivenessAnalysis", "FaceMatchAnalysis", "DocumentAnalysis"];
    assert_eq!(seen, [&things[..], &analyses].concat());
}

#[tokio::test]
async fn cancelled_analysis_stays_cancelled() {
    let node = Node::start().await;
    let client = node.client().await;
    let clip = bona_fide_clip(node.scratch());
    let mut last = Value::Null;
    // Enough work that the last analysis is still queued.
    for _ in 0..6 {
        last = client
            .create(&[selfie_video(clip.clone())], json!({"analyses": [{"type": "liveness"}]}))
            .await;
    }
    let id = last["analyses"]["nodes"][0]["id"].clone();
    let cancel = "mutation($input: CancelAnalysisInput!) {
      cancelAnalysis(input: $input) { analysis { state } }
    }";
    let cancelled = client.data(cancel, json!({"input": {"analysisId": id}})).await;
    assert_eq!(cancelled["cancelAnalysis"]["analysis"]["state"], "CANCELLED");
    let again = client.data(cancel, json!({"input": {"analysisId": id}})).await;
    assert_eq!(again["cancelAnalysis"]["analysis"]["state"], "CANCELLED");
    let folder = client.final_folder(last["id"].as_str().unwrap()).await;
    assert_eq!((&folder["state"], &folder["resolution"]), (&json!("FAILED"), &Value::Null));
    let later = client.folder_with(&[selfie_video(clip)], &["liveness"]).await;
    assert_eq!(later["resolution"], "SUCCESS", "the queue keeps working");
    assert_eq!(
        analysis(&client.folder(last["id"].as_str().unwrap()).await, "liveness")["state"],
        "CANCELLED"
    );
}
