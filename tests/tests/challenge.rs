//! Challenges: drawn by the server, answered once, and required where the operator says so.

use serde_json::{Value, json};
use vultus_tests::{
    Client, Node, NodeOptions, analysis, item, reason_codes, sample, selfie_photo, still_clip,
};

const CREATE: &str = "mutation($input: CreateChallengeInput!) {
  createChallenge(input: $input) {
    challenge { text gestures expiresAt attempt attemptsLeft }
  }
}";

async fn challenge(client: &Client, input: Value) -> Value {
    client.data(CREATE, json!({"input": input})).await["createChallenge"]["challenge"].clone()
}

/// Analyses of a request that answers a challenge.
fn answering(text: &Value) -> Value {
    json!([{"type": "gestures", "params": {"challenge": text}}, {"type": "liveness"}])
}

fn reason(error: &Value) -> &str {
    error["reason"].as_str().unwrap_or_else(|| panic!("no reason in {error:#}"))
}

#[tokio::test]
async fn challenge_is_answered_once_and_only_by_its_company() {
    let node = Node::start().await;
    let client = node.client_as("owner@example.org", "client").await;
    let clip = [item("clip", &["video_selfie"], still_clip(node.scratch(), "obama2.jpg", 4.0))];
    let drawn = challenge(&client, json!({})).await;
    assert_eq!(drawn["gestures"].as_array().unwrap().len(), 2);
    let folder = client.judged(&clip, answering(&drawn["text"])).await;
    let gestures = analysis(&folder, "gestures");
    // A still makes no gesture: the server compares, whatever the client sends.
    assert_eq!(gestures["resolution"], "OPERATOR_REQUIRED", "{gestures:#}");
    assert_eq!(reason_codes(gestures), ["GESTURE_NOT_SEEN"], "{gestures:#}");
    let input = |text: &Value| json!({"analyses": answering(text)});
    let again = client.refused(&clip, input(&drawn["text"])).await;
    assert_eq!(reason(&again), "CHALLENGE_USED", "{again:#}");
    let forged = client.refused(&clip, input(&json!("a.b.c"))).await;
    assert_eq!(reason(&forged), "UNKNOWN_CHALLENGE", "{forged:#}");
    let other = node.client_of_company("Other", "other@example.org", "client").await;
    let foreign = challenge(&client, json!({"strict": true})).await;
    assert_eq!(foreign["gestures"].as_array().unwrap().len(), 3);
    let stolen = other.refused(&clip, input(&foreign["text"])).await;
    assert_eq!(reason(&stolen), "UNKNOWN_CHALLENGE", "{stolen:#}");
    let chosen = json!([{"type": "gestures", "params": {"challengeSequence": ["left"]}}]);
    let chosen = client.refused(&clip, json!({"analyses": chosen})).await;
    assert_eq!(reason(&chosen), "BAD_PARAMETER", "{chosen:#}");
}

#[tokio::test]
async fn person_has_three_attempts_and_a_replaced_draw_is_used_up() {
    let node = Node::start().await;
    let client = node.client().await;
    let first = challenge(&client, json!({"frameRate": 30.0})).await;
    assert_eq!((&first["attempt"], &first["attemptsLeft"]), (&json!(1), &json!(2)));
    let second = challenge(&client, json!({"previous": first["text"]})).await;
    let third = challenge(&client, json!({"previous": second["text"]})).await;
    assert_eq!((&third["attempt"], &third["attemptsLeft"]), (&json!(3), &json!(0)));
    let error = client.error(CREATE, json!({"input": {"previous": third["text"]}})).await;
    assert_eq!(reason(&error), "NO_ATTEMPTS_LEFT", "{error:#}");
    let clip = [item("clip", &["video_selfie"], still_clip(node.scratch(), "obama2.jpg", 4.0))];
    let replaced = client.refused(&clip, json!({"analyses": answering(&first["text"])})).await;
    assert_eq!(reason(&replaced), "CHALLENGE_USED", "{replaced:#}");
}

#[tokio::test]
async fn required_challenge_keeps_passive_liveness_from_success() {
    let config = "require_challenge = true\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let folder = client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["liveness"]).await;
    let passive = analysis(&folder, "liveness");
    assert_eq!(passive["resolution"], "OPERATOR_REQUIRED", "{passive:#}");
    assert_eq!(reason_codes(passive), ["CHALLENGE_REQUIRED"], "{passive:#}");
    let clip = [
        item("clip", &["video_selfie"], still_clip(node.scratch(), "obama2.jpg", 4.0)),
        selfie_photo(sample("obama2.jpg")),
    ];
    let drawn = challenge(&client, json!({})).await;
    let folder = client.judged(&clip, answering(&drawn["text"])).await;
    let challenged = analysis(&folder, "liveness");
    assert!(!reason_codes(challenged).contains(&"CHALLENGE_REQUIRED"), "{challenged:#}");
    assert_ne!(folder["resolution"], "SUCCESS", "the gestures were not made");
}
