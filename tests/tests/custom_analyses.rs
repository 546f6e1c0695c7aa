//! Analyses of third-party plugins: builds a new project, checks it, requests analyses, and reads
//! the results and the description of the analyzer.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vultus_tests::{
    Client, Node, NodeOptions, Socket, analysis, compiled, executable, item, reason_codes, sample,
    sample_path, selfie_photo, workspace_root,
};

fn vultus(arguments: &[&str]) -> Output {
    let models = workspace_root().join("models");
    Command::new(executable("vultus"))
        .args(arguments)
        .env_clear()
        .env("VULTUS_MODELS_DIR", models)
        .output()
        .unwrap()
}

/// Creates a new C project and builds it with its Makefile. Returns the library.
fn project_in_c(folder: &Path) -> PathBuf {
    let path = folder.to_str().unwrap();
    let new = vultus(&["plugin", "new", "bright-enough", "--lang", "c", "--path", path]);
    assert!(new.status.success(), "{}", String::from_utf8_lossy(&new.stderr));
    let project = folder.join("bright-enough");
    for target in ["libbright_enough.so", "test"] {
        let output = Command::new("make").arg(target).current_dir(&project).output().unwrap();
        assert!(
            output.status.success(),
            "make {target}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    project.join("libbright_enough.so")
}

/// Builds the C example plugin. Returns the library.
fn example_c(folder: &Path) -> PathBuf {
    let library = folder.join("libexample_c.so");
    let status = Command::new("make")
        .arg(format!("-C{}", workspace_root().join("analyzers/example-c").display()))
        .arg(format!("TARGET={}", library.display()))
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "example-c does not build");
    library
}

#[tokio::test]
async fn new_c_project_passes_conformance_and_judges() {
    let folder = tempfile::tempdir().unwrap();
    let library = project_in_c(folder.path());
    let media = format!("{}:photo_selfie", sample_path("obama2.jpg").display());
    let checked =
        vultus(&["plugin", "check", library.to_str().unwrap(), "--media", &media, "--json"]);
    let report: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert_eq!((checked.status.code(), &report["holds"]), (Some(0), &json!(true)), "{report:#}");
    assert_eq!(report["plugin"]["id"], "org.example.bright-enough");
    assert!(
        report["rules"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["rule"] == "memory" && r["verdict"] == "HOLDS"),
        "{report:#}"
    );

    let node =
        Node::start_with(NodeOptions { plugins: vec![library], ..NodeOptions::default() }).await;
    let client = node.client().await;
    let folder =
        client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["bright_enough"]).await;
    let judged = analysis(&folder, "bright_enough");
    assert_eq!(
        (&judged["state"], &judged["resolution"]),
        (&json!("FINISHED"), &json!("SUCCESS")),
        "{judged:#}"
    );
    assert!(judged["result"]["brightness"][0].as_f64().unwrap() > 50.0, "{judged:#}");
    assert_eq!(judged["provenance"]["analyzer"], "org.example.bright-enough");
}

#[tokio::test]
async fn plugin_check_reports_each_broken_rule() {
    let folder = tempfile::tempdir().unwrap();
    let build = |define: &str| {
        let library = folder.path().join(format!("{define}.so"));
        let status = Command::new("cc")
            .args(["-std=c11", "-O1", "-shared", "-fPIC", "-pthread", &format!("-D{define}"), "-I"])
            .arg(workspace_root().join("plugin-api/include"))
            .arg("-o")
            .args([&library, &workspace_root().join("server/worker/tests/wrong.c")])
            .status()
            .unwrap();
        assert!(status.success());
        library
    };
    let check = |library: PathBuf| {
        let output = vultus(&["plugin", "check", library.to_str().unwrap(), "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), report)
    };
    let verdict = |report: &Value, rule: &str| {
        let found = report["rules"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["rule"] == rule)
            .expect("the report lists every rule")
            .clone();
        (
            found["verdict"].as_str().unwrap().to_owned(),
            found["details"][0].as_str().unwrap_or_default().to_owned(),
        )
    };
    let (code, report) = check(build("WRONG_TINY"));
    assert_eq!(code, Some(2), "{report:#}");
    assert_eq!(
        verdict(&report, "tiny_input"),
        ("BROKEN".to_owned(), "the plugin ended the process: signal 6".to_owned())
    );
    assert_eq!(verdict(&report, "memory").0, "HOLDS", "the later rules are still checked");

    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    let (code, report) = check(text);
    assert_eq!((code, verdict(&report, "file").0.as_str()), (Some(2), "BROKEN"));
    assert_eq!(verdict(&report, "memory").0, "NOT_REACHED");
    assert_eq!(vultus(&["plugin", "check", "/no/such/file.so"]).status.code(), Some(1));
}

#[tokio::test]
async fn invalid_custom_analysis_request_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start_with(NodeOptions {
        plugins: vec![example_c(folder.path())],
        ..NodeOptions::default()
    })
    .await;
    let client = node.client().await;
    let photo = || [selfie_photo(sample("obama2.jpg"))];
    let refused = async |params: Value| {
        client
            .refused(&photo(), json!({"analyses": [{"type": "sharpness", "params": params}]}))
            .await
    };
    let error = refused(json!({"minMean": -1})).await;
    assert_eq!(
        (&error["code"], &error["argument"]),
        (&json!("INVALID_INPUT"), &json!("input.analyses[0].params.minMean")),
        "{error}"
    );
    assert_eq!(refused(json!({"unknown": 1})).await["argument"], "input.analyses[0].params");
    assert_eq!(refused(json!({"minSharpness": "much"})).await["code"], "INVALID_INPUT");
    let unknown = client.refused(&photo(), json!({"analyses": [{"type": "no_such_thing"}]})).await;
    assert_eq!(unknown["code"], "INVALID_INPUT", "{unknown}");
    // The slot requires a medium.
    let nothing = client.refused(&[], json!({"analyses": [{"type": "sharpness"}]})).await;
    assert_eq!(nothing["code"], "INVALID_INPUT", "{nothing}");
    let many: Vec<_> = (0..17)
        .map(|at| item(&format!("m{at}"), &["photo_selfie"], sample("obama2.jpg")))
        .collect();
    assert!(
        client.refused(&many, json!({"analyses": [{"type": "sharpness"}]})).await["code"]
            .is_string()
    );
}

#[tokio::test]
async fn custom_analysis_can_be_watched_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let library = example_c(folder.path());
    let node =
        Node::start_with(NodeOptions { plugins: vec![library], ..NodeOptions::default() }).await;
    let client = node.client().await;
    let params = json!({"minMean": 250, "maxMean": 255});
    let analyses = json!([{"type": "sharpness", "params": params}, {"type": "liveness"}]);
    let folder =
        client.create(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": analyses})).await;
    let id = analysis(&folder, "sharpness")["id"].clone();
    let mut socket = client.socket().await;
    let watch = "subscription($id: ID!) { analysis(id: $id) { __typename type state resolution
        reasons { code media { tags } }
        ... on CustomAnalysis { result params artifacts { name } media { tags } } } }";
    socket.subscribe("1", watch, json!({"id": id})).await;
    let last = loop {
        let event = socket_next(&mut socket).await;
        assert_ne!(event["state"], "FAILED", "{event:#}");
        if event["state"] == "FINISHED" {
            break event;
        }
    };
    assert_eq!(
        (&last["__typename"], &last["type"]),
        (&json!("CustomAnalysis"), &json!("sharpness")),
        "{last:#}"
    );
    assert_eq!(last["resolution"], "DECLINED");
    assert_eq!(reason_codes(&last), ["TOO_DARK"]);
    assert_eq!(
        (&last["reasons"][0]["media"]["tags"], &last["media"][0]["tags"]),
        (&json!(["photo_selfie"]), &json!(["photo_selfie"]))
    );
    assert_eq!(
        (&last["params"]["minMean"], &last["params"]["minSharpness"]),
        (&json!(250), &json!(60))
    );
    assert!(last["result"]["media"][0]["mean"].as_f64().unwrap() < 250.0, "{last:#}");
}

/// Reads the description of an analyzer.
async fn analyzer(client: &Client, id: &str) -> Value {
    let query = "{ analyzers {
        id version vendor license sha256 provides weights { file sha256 } health healthReason
        types { type title paramsSchema resultSchema effectiveParams timeoutMs deterministic
            figures { runs failures p50Ms p95Ms } slots { name kinds min max anyTags } }
    } }";
    let analyzers = client.data(query, json!({})).await["analyzers"].clone();
    let mut listed = analyzers.as_array().unwrap().iter();
    listed.find(|analyzer| analyzer["id"] == id).expect("the analyzer is listed").clone()
}

#[tokio::test]
async fn analyzers_are_described_with_types_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let library = example_c(folder.path());
    let node =
        Node::start_with(NodeOptions { plugins: vec![library], ..NodeOptions::default() }).await;
    let client = node.client().await;
    client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["sharpness"]).await;
    let analyzer = analyzer(&client, "org.vultus.example-c").await;
    assert_eq!(analyzer["sha256"].as_str().unwrap().len(), 64);
    let kind = &analyzer["types"][0];
    assert_eq!(
        (&kind["type"], &kind["slots"][0]["max"], &kind["deterministic"]),
        (&json!("sharpness"), &json!(16), &json!(true))
    );
    assert_eq!((&analyzer["health"], &analyzer["healthReason"]), (&json!("READY"), &Value::Null));
    assert_eq!(
        (&kind["figures"]["runs"], &kind["figures"]["failures"]),
        (&json!(1), &json!(0)),
        "{kind:#}"
    );
    assert!(
        kind["figures"]["p50Ms"].as_f64().unwrap() > 0.0
            && kind["figures"]["p95Ms"] == kind["figures"]["p50Ms"],
        "{kind:#}"
    );
    assert_eq!(kind["paramsSchema"]["properties"]["minMean"]["default"], 40);
    assert_eq!(kind["resultSchema"]["required"], json!(["sharpness", "media"]));
    assert_eq!(kind["effectiveParams"]["minMean"], 40);
}

#[tokio::test]
async fn built_in_analyzer_lists_its_weights() {
    let node = Node::start().await;
    let quality = analyzer(&node.client().await, "org.vultus.quality").await;
    let weights = quality["weights"].as_array().unwrap();
    let files: Vec<&str> = weights.iter().map(|weight| weight["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["fr_landmark.onnx", "fr_eye.onnx", "fr_pose.onnx"]);
}

#[tokio::test]
async fn degraded_analyzer_shows_its_reason_only_to_staff() {
    let folder = tempfile::tempdir().unwrap();
    let library = compiled(folder.path(), "faulty/faulty.c", "libfaulty.so", &[]);
    let node =
        Node::start_with(NodeOptions { plugins: vec![library], ..NodeOptions::default() }).await;
    let client = node.client().await;
    for _ in 0..5 {
        let analyses = json!([{"type": "faulty", "params": {"mode": "bad_schema"}}]);
        let folder = client.judged(&[selfie_photo(sample("obama2.jpg"))], analyses).await;
        let failed = analysis(&folder, "faulty");
        assert_eq!(failed["failure"]["code"], "BAD_RESULT", "{failed:#}");
        assert_eq!(failed["result"], Value::Null, "a result that breaks its schema is not stored");
    }
    let seen = analyzer(&client, "org.vultus.faulty").await;
    assert_eq!(seen["health"], "DEGRADED", "{seen:#}");
    assert_eq!(seen["healthReason"], "of the newest 5 analyses of the type faulty, 5 failed");
    let figures = &seen["types"][0]["figures"];
    assert_eq!((&figures["runs"], &figures["failures"]), (&json!(5), &json!(5)));
    let client = node.client_as("client@example.org", "client").await;
    let other = analyzer(&client, "org.vultus.faulty").await;
    assert_eq!(
        (&other["health"], &other["healthReason"], &other["types"][0]["figures"]),
        (&json!("DEGRADED"), &Value::Null, &Value::Null)
    );
}

/// The analysis in the next event of the subscription.
async fn socket_next(socket: &mut Socket) -> Value {
    let message = socket.next().await;
    assert_eq!(message["type"], "next", "{message:#}");
    message["payload"]["data"]["analysis"].clone()
}

#[tokio::test]
async fn quality_analyzer_rejects_a_cut_off_face() {
    let node = Node::start().await;
    let client = node.client().await;
    let good = client.folder_with(&[selfie_photo(sample("obama.jpg"))], &["quality"]).await;
    let good = analysis(&good, "quality");
    assert_eq!(good["resolution"], "SUCCESS", "{good:#}");
    let (typed, raw) = (&good["qualityPerMedia"][0], &good["result"]["media"][0]);
    assert!(typed["measures"]["sharpness"].as_f64().unwrap() > 50.0, "{good:#}");
    assert_eq!(typed["measures"]["sharpness"], raw["measures"]["sharpness"]);
    assert_eq!((&typed["frame"], &typed["faceCount"]), (&json!(0), &json!(1)));
    assert_eq!(
        (&typed["overall"], &typed["media"]["id"]),
        (&good["overall"], &good["media"][0]["id"])
    );
    let cut =
        client.folder_with(&[selfie_photo(sample("obama_partial_face2.jpg"))], &["quality"]).await;
    let cut = analysis(&cut, "quality");
    assert_ne!(cut["resolution"], "SUCCESS", "{cut:#}");
    assert!(reason_codes(cut).contains(&"OFF_CENTRE"), "{cut:#}");
}
