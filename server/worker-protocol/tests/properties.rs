//! The channel under arbitrary input: an error or a message, never a panic; and messages that are
//! sent arrive unchanged. The seed is fixed, so that a failure is reproducible.
#![expect(clippy::unwrap_used, reason = "a failed setup must fail the test")]

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use vultus_worker_protocol::channel::{Channel, ChannelError};
use vultus_worker_protocol::{FromWorker, ToWorker};

fn runner() -> TestRunner {
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// All messages that a channel reads from raw bytes, up to the first error.
fn receive_all(bytes: &[u8]) -> Vec<Result<FromWorker, ChannelError>> {
    let (mut far, near) = UnixStream::pair().unwrap();
    let mut channel = Channel::from_descriptor(near.into());
    far.write_all(bytes).unwrap();
    drop(far);
    let mut all = Vec::new();
    loop {
        let received = channel.receive::<FromWorker>().map(|(message, _)| message);
        let is_last = received.is_err();
        all.push(received);
        if is_last {
            return all;
        }
    }
}

#[test]
fn any_bytes_are_an_error_or_a_message() {
    let frame = (any::<u32>(), 0..200u32, 0..80u32, vec(any::<u8>(), 0..200)).prop_map(
        |(wild, length, descriptors, content)| {
            let length = if wild % 4 == 0 { wild } else { length };
            [&length.to_le_bytes()[..], &descriptors.to_le_bytes(), &content].concat()
        },
    );
    runner()
        .run(&frame, |bytes| {
            let last = receive_all(&bytes).pop().unwrap();
            prop_assert!(last.is_err(), "a stream ends with an error; its end is one");
            Ok(())
        })
        .unwrap();
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,8}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

fn replace(value: &mut Value, at: usize, with: Value) {
    let places = match value {
        Value::Object(fields) => fields.values_mut().collect::<Vec<_>>(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    let count = places.len();
    match places.into_iter().nth(at % count.max(1)) {
        Some(place) if at >= count => replace(place, at / count, with),
        Some(place) => *place = with,
        None => *value = with,
    }
}

#[test]
fn mutated_messages_are_an_error_or_a_message() {
    let messages = [
        json!({"message": "probed", "probe": "p", "result": {"Ok": {
            "kind": "IMAGE", "content_type": "image/png", "width": 1, "height": 1,
            "orientation_applied": 1, "duration_us": null, "frame_count": null,
            "frame_rate": null, "thumbnail_bytes": 0, "frame": null}}}),
        json!({"message": "judged", "run": "r", "analysis": "a",
            "artifacts": [{"name": "n", "content_type": "image/png", "byte_size": 1}],
            "result": {"Err": {"code": "C", "message": "m", "detail": "d", "retryable": true}},
            "outcome_bytes": 0}),
        json!({"message": "progress", "run": "r", "analysis": "a", "fraction": 0.5}),
    ];
    for message in &messages {
        assert!(serde_json::from_value::<FromWorker>(message.clone()).is_ok(), "{message}");
    }
    let changed = (proptest::sample::select(messages.to_vec()), any::<u16>(), any_json());
    runner()
        .run(&changed, |(mut message, at, with)| {
            replace(&mut message, usize::from(at), with);
            let text = message.to_string();
            let frame =
                [&(text.len() as u32).to_le_bytes()[..], &0u32.to_le_bytes(), text.as_bytes()]
                    .concat();
            prop_assert!(receive_all(&frame).len() <= 2);
            Ok(())
        })
        .unwrap();
}

#[test]
fn messages_and_descriptors_round_trip() {
    let sent = (".{0,40}", proptest::option::of(".{0,40}"), 0..8usize);
    runner()
        .run(&sent, |(run, analysis, count)| {
            let (mut near, mut far) = Channel::pair().unwrap();
            let files: Vec<_> = (0..count).map(|_| tempfile::tempfile().unwrap()).collect();
            let descriptors: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            near.send(
                &ToWorker::Cancel { run: run.clone(), analysis: analysis.clone() },
                &descriptors,
            )
            .unwrap();
            let (message, beside) = far.receive::<ToWorker>().unwrap();
            let ToWorker::Cancel { run: got_run, analysis: got_analysis } = message else {
                panic!("another message")
            };
            prop_assert_eq!((got_run, got_analysis, beside.len()), (run, analysis, count));
            Ok(())
        })
        .unwrap();
}
