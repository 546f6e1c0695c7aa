//! The keys of a provider that rotates them, that does not answer, or that is asked for keys which
//! it does not have.

use crate::{node_with, provider, refusal, unauthenticated};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use vultus_tests::{AUDIENCE, wait_until};

const ACCEPTED: [Value; 2] = [Value::Null, Value::Null];

#[tokio::test]
async fn known_keys_stay_in_use_while_the_provider_is_down() {
    let mut provider = provider();
    let mut node = node_with(&provider).await;
    let token = provider.machine_token(AUDIENCE).await;
    assert_eq!(refusal(&node, &token).await, ACCEPTED);
    provider.stop();
    assert_eq!(refusal(&node, &token).await, ACCEPTED, "the key is known");
    node.stop();
    node.launch().await;
    let unavailable = [json!("UNAVAILABLE"), Value::Null];
    assert_eq!(refusal(&node, &token).await, unavailable, "no key is known");
    let administrator = node.client().await;
    administrator.data("{ viewer { user { id } } }", json!({})).await;
    provider.restart(json!({}));
    let token = provider.machine_token(AUDIENCE).await;
    wait_until("the provider to be asked again", || async {
        (refusal(&node, &token).await == ACCEPTED).then_some(())
    })
    .await;
}

#[tokio::test]
async fn new_key_is_found_at_once_and_the_old_one_ends() {
    let mut provider = provider();
    let node = node_with(&provider).await;
    let old = provider.machine_token(AUDIENCE).await;
    assert_eq!(refusal(&node, &old).await, ACCEPTED);
    provider.restart(json!({}));
    let new = provider.machine_token(AUDIENCE).await;
    assert_eq!(refusal(&node, &new).await, ACCEPTED);
    assert_eq!(refusal(&node, &old).await, unauthenticated("UNKNOWN_KEY"));
}

#[tokio::test]
async fn flood_of_unknown_keys_reads_the_keys_once() {
    let provider = provider();
    let node = node_with(&provider).await;
    let good = provider.machine_token(AUDIENCE).await;
    assert_eq!(refusal(&node, &good).await, ACCEPTED);
    let before = provider.key_reads().await;
    let (_, rest) = good.split_once('.').unwrap();
    let flood = (0..32).map(|number| {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("k{number}")});
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let node = &node;
        async move { refusal(node, &token).await }
    });
    for refused in futures::future::join_all(flood).await {
        assert_eq!(refused, unauthenticated("UNKNOWN_KEY"));
    }
    let reads = provider.key_reads().await - before;
    // The brake lets another one through after ten seconds, on a machine that is so slow.
    assert!((1..=2).contains(&reads), "the keys were read {reads} times");
    assert_eq!(refusal(&node, &good).await, ACCEPTED);
}
