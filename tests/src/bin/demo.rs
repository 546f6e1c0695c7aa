//! `make demo`: starts a server with a fresh data folder and checks real files through the public
//! API.
//!
//! There are two cases: a selfie video and photo are compared with another photo of the same
//! person, and with a photo of a different person. The exit code is 1 if a verdict is wrong.
//! `DEMO=once` stops the server afterwards. `DEMO=cluster` (`make cluster`) starts three database
//! servers with authentication and two nodes, and runs the cases on each node.

use serde_json::{Value, json};
use std::process::ExitCode;
use vultus_tests::{
    Client, Cluster, ClusterOptions, Node, NodeOptions, ReplicaSet, Upload, bona_fide_clip, sample,
};

const CREATE: &str = "mutation($input: CreateFolderInput!) {
  createFolder(input: $input) { folder { id } analyses { id type } }
}";

const WATCH: &str = "subscription($id: ID!) {
  folder(id: $id) {
    revision state resolution
    analyses(first: 10) { nodes { type state progress resolution } }
  }
}";

const READ: &str = "query($id: ID!) {
  folder(id: $id) {
    state resolution
    analyses(first: 10) { nodes {
      type resolution reasons { code message }
      ... on LivenessAnalysis { score }
      ... on FaceMatchAnalysis { similarity }
    } }
  }
}";

struct Case {
    title: &'static str,
    reference: &'static str,
    expected: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        title: "the same person in the selfie video, the selfie photo and the reference photo",
        reference: "obama.jpg",
        expected: "SUCCESS",
    },
    Case {
        title: "the reference photo shows a different person",
        reference: "biden.jpg",
        expected: "DECLINED",
    },
];

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::var("DEMO").is_ok_and(|value| value == "cluster") {
        return run_on_cluster().await;
    }
    let mut node = Node::start_with(NodeOptions {
        config: "[log]\nlevel = \"warn\"\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    say(&format!("Vultus runs at {} with a fresh data folder.", node.url));
    let client = node.client().await;
    let clip = bona_fide_clip(node.scratch());
    let mut right = true;
    for case in &CASES {
        right &= run(&client, case, &clip).await;
    }
    if !right {
        say("A verdict is wrong.");
        node.stop();
        return ExitCode::FAILURE;
    }
    say("\nNote: the clip is a portrait that a program moves like a living head, and passes:");
    say("pixels alone cannot tell an injected clip from a camera's. See the README.");
    if std::env::var("DEMO").is_ok_and(|value| value == "once") {
        node.stop();
        return ExitCode::SUCCESS;
    }
    let (email, password) = node.administrator();
    say(&format!("\nThe server keeps running. GraphiQL: {}/graphql", node.url));
    say("Log in there with this mutation, then put the token into the headers pane:");
    let input = format!("{{ email: \"{email}\", password: \"{password}\" }}");
    say(&format!("  mutation {{ login(input: {input}) {{ accessToken }} }}"));
    say("  {\"Authorization\": \"Bearer …\"}");
    say("Stop with Ctrl-C.");
    let ended = tokio::signal::ctrl_c().await;
    node.stop();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the cases on both nodes of a cluster.
async fn run_on_cluster() -> ExitCode {
    let set = ReplicaSet::start_with_login(3).await;
    say("A MongoDB replica set of three members runs on this machine, with authentication.");
    let options = ClusterOptions {
        roles: vec!["all", "all"],
        config: "[log]\nlevel = \"warn\"\n".to_owned(),
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start_on(set, options).await;
    let clip = bona_fide_clip(cluster.nodes[0].scratch());
    let mut right = true;
    for (number, node) in (0..).zip(&cluster.nodes) {
        say(&format!("\nNode {} at {}", number + 1, node.url));
        let client = cluster.client(number).await;
        for case in &CASES {
            right &= run(&client, case, &clip).await;
        }
    }
    if right {
        say("\nBoth nodes gave the right verdicts.");
        return ExitCode::SUCCESS;
    }
    say("\nA verdict is wrong.");
    ExitCode::FAILURE
}

/// Runs one case. Returns whether the verdict is right.
async fn run(client: &Client, case: &Case, clip: &[u8]) -> bool {
    say(&format!("\n== {}", case.title));
    let media = json!([
        {"key": "video", "file": null, "tags": ["video_selfie", "video_selfie_blank"]},
        {"key": "selfie", "file": null, "tags": ["photo_selfie"]},
        {"key": "reference", "file": null, "tags": ["photo_id", "photo_id_front"]},
    ]);
    let files = vec![
        Upload::medium(0, "selfie.mp4", clip.to_vec()),
        Upload::medium(1, "selfie.jpg", sample("obama2.jpg")),
        Upload::medium(2, "reference.jpg", sample(case.reference)),
    ];
    let analyses = json!([{"type": "liveness"}, {"type": "face_match"}]);
    let created = client
        .upload_data(CREATE, json!({"input": {"media": media, "analyses": analyses}}), files)
        .await;
    let id = created["createFolder"]["folder"]["id"].clone();
    say(&format!(
        "folder {} created, media uploaded, liveness and face match requested",
        id.as_str().unwrap_or_default()
    ));
    watch(client, &id).await;
    let folder = client.data(READ, json!({"id": id})).await["folder"].clone();
    for analysis in folder["analyses"]["nodes"].as_array().into_iter().flatten() {
        say(&describe(analysis));
    }
    say(&format!("verdict: {} (expected {})", text(&folder["resolution"]), case.expected));
    folder["resolution"] == case.expected
}

/// Prints live updates until the folder is final.
async fn watch(client: &Client, id: &Value) {
    let mut socket = client.socket().await;
    socket.subscribe("1", WATCH, json!({"id": id})).await;
    let mut last = String::new();
    loop {
        let message = socket.next().await;
        let folder = &message["payload"]["data"]["folder"];
        if message["type"] != "next" || folder.is_null() {
            say(&format!("the subscription ended: {message}"));
            return;
        }
        let states: Vec<String> = folder["analyses"]["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|a| {
                format!(
                    "{} {} {:.0} %",
                    text(&a["type"]),
                    text(&a["state"]),
                    a["progress"].as_f64().unwrap_or_default() * 100.0
                )
            })
            .collect();
        let line = format!("  live update: {} [{}]", text(&folder["state"]), states.join(", "));
        if line != last {
            say(&line);
            last = line;
        }
        if folder["state"] != "PROCESSING" {
            return;
        }
    }
}

fn describe(analysis: &Value) -> String {
    let score = analysis["score"].as_f64().map(|score| format!("attack score {score:.3}"));
    let score = score.or_else(|| {
        analysis["similarity"].as_f64().map(|similarity| format!("similarity {similarity:.3}"))
    });
    let reasons: Vec<&str> = analysis["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| r["message"].as_str())
        .collect();
    format!(
        "{}: {}, {}{}{}",
        text(&analysis["type"]),
        text(&analysis["resolution"]),
        score.unwrap_or_else(|| "no score".to_owned()),
        if reasons.is_empty() { "" } else { ": " },
        reasons.join("; ")
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn say(text: &str) {
    println!("{text}");
}
