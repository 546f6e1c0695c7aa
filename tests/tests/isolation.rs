//! The node process decodes no media and loads no plugin, and its workers hold no secret.

use serde_json::json;
use std::collections::HashSet;
use vultus_tests::{
    Node, children_of, id_photo, mapped_files, sample, selfie_video, still_clip, wait_until,
};

/// Parts of the paths of files that only workers may map.
const WORKER_ONLY: [&str; 7] = [
    "libonnxruntime",
    "libvultus_",
    "libavcodec",
    "libavformat",
    "libswscale",
    "libheif",
    "/plugins/",
];

#[tokio::test]
async fn node_maps_no_decoder_no_runtime_and_no_plugin() {
    let node = Node::start().await;
    let client = node.client().await;
    let clip = still_clip(node.scratch(), "obama2.jpg", 3.0);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let media = [selfie_video(clip.clone()), id_photo(sample("obama.jpg"))];
        ids.push(
            client
                .create(&media, json!({"analyses": [{"type": "liveness"}, {"type": "face_match"}]}))
                .await["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let workers = node.workers();
    for part in WORKER_ONLY {
        let worker_has =
            workers.iter().any(|&pid| mapped_files(pid).iter().any(|file| file.contains(part)));
        // Otherwise its absence in the node would prove nothing.
        assert!(worker_has || part == "/plugins/", "no worker maps {part}");
    }
    for id in ids {
        wait_until(
            "the folder to be finished, while the node maps no library of workers",
            || async {
                for file in mapped_files(node.pid()) {
                    assert!(
                        !WORKER_ONLY.iter().any(|part| file.contains(part)),
                        "the node maps {file}"
                    );
                }
                (client.folder(&id).await["state"] == "FINISHED").then_some(())
            },
        )
        .await;
    }
}

#[tokio::test]
async fn workers_have_no_environment_and_only_needed_descriptors() {
    let node = Node::start().await;
    for (pid, line) in children_of(node.pid()) {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert!(
            environment.is_empty(),
            "{line} has an environment: {}",
            String::from_utf8_lossy(&environment)
        );
        let open: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .map(|target| target.display().to_string())
            .collect();
        let data = node.data().display().to_string();
        assert!(
            open.iter().all(|target| !target.starts_with(&data)),
            "{line} holds files of the data folder: {open:?}"
        );
        let sockets: HashSet<&String> =
            open.iter().filter(|target| target.starts_with("socket:")).collect();
        assert_eq!(sockets.len(), 1, "{line} holds its socket to the node and no other: {open:?}");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|limit| limit.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{line}: {core}");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(
            status.lines().any(|entry| entry == "NoNewPrivs:\t1"),
            "{line} may gain privileges"
        );
    }
}
