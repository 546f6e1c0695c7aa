//! Invalid input: each error has a code and an argument, nothing is stored, and node and workers
//! keep running.

use serde_json::{Value, json};
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vultus_tests::{
    CREATE_FOLDER, Client, DELETE_FOLDER, Item, Node, NodeOptions, id_photo, item, media_input,
    sample, selfie_photo, still_clip, wait_until,
};

/// Sends one medium in a new folder, which must be rejected. Returns the error.
async fn refused(client: &Client, medium: Item) -> Value {
    client.refused(&[medium], json!({"analyses": [{"type": "liveness"}]})).await
}

/// Sends one medium to an instant check, which must be rejected. Returns the error.
async fn check_refused(client: &Client, medium: Item) -> Value {
    let (variables, files) = media_input(&[medium], json!({"analyses": [{"type": "liveness"}]}));
    let check = "mutation($input: CheckInput!) { check(input: $input) { resolution } }";
    client.upload_error(check, variables, files).await
}

/// Checks that nothing is stored or spooled, and that the next valid request succeeds.
async fn nothing_is_left(node: &Node, client: &Client) {
    let listed = client.data("{ folders(first: 10) { nodes { id } } }", json!({})).await;
    assert_eq!(listed["folders"]["nodes"], json!([]), "a rejected request stored a folder");
    wait_until("the spool to be empty", || async { node.spooled_files().is_empty().then_some(()) })
        .await;
    let folder = client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["liveness"]).await;
    assert_eq!(folder["resolution"], "SUCCESS");
}

fn expect(error: &Value, code: &str, reason: &str, argument: &str) {
    assert_eq!(
        (error["code"].as_str(), error["reason"].as_str()),
        (Some(code), Some(reason)),
        "{error:#}"
    );
    assert_eq!(error["argument"], argument, "{error:#}");
}

#[tokio::test]
async fn unreadable_media_are_rejected_by_the_probe() {
    let node = Node::start().await;
    let client = node.client().await;
    let workers = node.workers();
    let jpeg = sample("obama2.jpg");
    let clip = still_clip(node.scratch(), "obama2.jpg", 2.0);
    let file = "input.media[0].file";
    for (bytes, code, reason) in [
        (b"this is not a picture".to_vec(), "INVALID_INPUT", "UNSUPPORTED_FORMAT"),
        (Vec::new(), "INVALID_INPUT", "EMPTY_MEDIUM"),
        (jpeg[..jpeg.len() / 2].to_vec(), "INVALID_INPUT", "TRUNCATED"),
        (clip[..clip.len() / 2].to_vec(), "INVALID_INPUT", "TRUNCATED"),
        (huge_png_header(), "LIMIT_EXCEEDED", "TOO_MANY_PIXELS"),
        (zip_of(&[("../up.jpg", &jpeg)]), "INVALID_INPUT", "ZIP_TRAVERSAL"),
        (zip_of(&[("inner.zip", &zip_of(&[("a.jpg", &jpeg)]))]), "INVALID_INPUT", "ZIP_NESTED"),
        (b"%PDF-1.7\n%".to_vec(), "INVALID_INPUT", "UNSUPPORTED_FORMAT"),
    ] {
        let medium = item("m", &["photo_selfie"], bytes);
        expect(&check_refused(&client, medium.clone()).await, code, reason, file);
        expect(&refused(&client, medium).await, code, reason, file);
    }
    // A node is ready with its first worker, so more workers may have started since.
    let now = node.workers();
    assert!(workers.iter().all(|pid| now.contains(pid)), "no worker died: {workers:?}, {now:?}");
    nothing_is_left(&node, &client).await;
}

#[tokio::test]
async fn content_decides_the_type_whatever_the_client_declares() {
    let node = Node::start().await;
    let client = node.client().await;
    let (variables, mut files) = media_input(&[selfie_photo(sample("obama2.jpg"))], json!({}));
    files[0].content_type = "video/mp4".to_owned();
    files[0].name = "../../etc/selfie.mp4".to_owned();
    let query = "mutation($input: CreateFolderInput!) {
      createFolder(input: $input) { media { kind contentType originalName } }
    }";
    let media =
        client.upload_data(query, variables, files).await["createFolder"]["media"][0].clone();
    assert_eq!((&media["kind"], &media["contentType"]), (&json!("IMAGE"), &json!("image/jpeg")));
    assert!(!media["originalName"].as_str().unwrap_or_default().contains('/'));
}

#[tokio::test]
async fn valid_multipart_of_other_clients_is_read_and_encodings_are_named() {
    let node = Node::start().await;
    let client = node.client().await;
    let http = reqwest::Client::new();
    let post = |content_type: &str| {
        let request = http.post(format!("{}/graphql", client.url())).bearer_auth(client.token());
        request.header("content-type", content_type)
    };
    // One file for two media, a boundary that should be quoted, and a name that misleads.
    let operations = json!({
        "query": "mutation($i: CreateFolderInput!) { createFolder(input: $i) { media {
            originalName byteSize } } }",
        "variables": {"i": {"media": [
            {"file": null, "tags": ["photo_selfie"]},
            {"file": null, "tags": ["photo_id", "photo_id_front"]},
        ]}},
    });
    let map = json!({"x": ["variables.i.media.0.file", "variables.i.media.1.file"]});
    let photo = sample("obama2.jpg");
    let head = |name: &str| format!("--a/b\r\nContent-Disposition: form-data; name=\"{name}\"");
    let mut body = format!("{}\r\n\r\n{operations}\r\n", head("operations")).into_bytes();
    body.extend(format!("{}\r\n\r\n{map}\r\n", head("map")).into_bytes());
    body.extend(format!("{}; filename=\"me\u{202e}gpj.exe\"\r\n\r\n", head("x")).into_bytes());
    body.extend(&photo);
    body.extend(b"\r\n--a/b--\r\n");
    let answer = post("multipart/form-data; boundary=a/b").body(body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let medium = json!({"originalName": "megpj.exe", "byteSize": photo.len()});
    assert_eq!(answer["data"]["createFolder"]["media"], json!([medium, medium]), "{answer:#}");
    let packed = post("application/json").header("content-encoding", "gzip").body("\u{1f}");
    let answer = packed.send().await.unwrap();
    assert_eq!(answer.status(), 415);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["reason"], "UNSUPPORTED_CONTENT_ENCODING");
}

#[tokio::test]
async fn error_names_the_wrong_argument() {
    let node = Node::start().await;
    let client = node.client().await;
    let photo = || selfie_photo(sample("obama2.jpg"));
    let error =
        refused(&client, item("m", &["photo_selfie", "holiday"], sample("obama2.jpg"))).await;
    expect(&error, "INVALID_INPUT", "UNKNOWN_TAG", "input.media[0].tags[1]");
    let error = client
        .refused(&[photo()], json!({"analyses": [{"type": "liveness"}, {"type": "telepathy"}]}))
        .await;
    assert_eq!(
        (&error["code"], &error["argument"]),
        (&json!("INVALID_INPUT"), &json!("input.analyses[1].type")),
        "{error:#}"
    );
    let error = client.refused(&[photo()], json!({"analyses": [{"type": "face_match"}]})).await;
    assert_eq!(error["code"], "INVALID_INPUT");
    assert!(error["argument"].as_str().unwrap().starts_with("input.analyses[0]"), "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("at least 2"), "{error:#}");
    let error = client
        .refused(
            &[photo()],
            json!({"analyses": [{"type": "liveness", "mediaKeys": ["no_such_key"]}]}),
        )
        .await;
    assert_eq!(error["argument"], "input.analyses[0].mediaKeys[0]", "{error:#}");
    let error = client
        .refused(
            &[photo()],
            json!({"analyses": [{"type": "liveness", "params": {"acceptBelow": 7}}]}),
        )
        .await;
    assert!(
        error["argument"].as_str().unwrap().starts_with("input.analyses[0].params"),
        "{error:#}"
    );
    let missing = "0192d0c4-0000-7000-8000-000000000000";
    let error = client.error(DELETE_FOLDER, json!({"input": {"folderId": missing}})).await;
    assert_eq!(
        (&error["code"], &error["argument"]),
        (&json!("NOT_FOUND"), &json!("input.folderId"))
    );
    let error = client.error(DELETE_FOLDER, json!({"input": {"folderId": {"$gt": ""}}})).await;
    assert_eq!(error["code"], "INVALID_INPUT");
    nothing_is_left(&node, &client).await;
}

#[tokio::test]
async fn upload_one_byte_over_the_limit_is_rejected() {
    let limit = 200_000;
    let node = Node::start_with(NodeOptions {
        config: format!("[limits.media]\nmax_bytes = {limit}\n"),
        ..NodeOptions::default()
    })
    .await;
    let client = node.client().await;
    let error = refused(&client, item("m", &["photo_selfie"], vec![0xff; limit + 1])).await;
    assert_eq!(
        (&error["code"], &error["argument"]),
        (&json!("LIMIT_EXCEEDED"), &json!("input.media[0].file")),
        "{error:#}"
    );
    assert!(
        error["message"].as_str().unwrap().contains("200000")
            || error["message"].as_str().unwrap().contains("200 000"),
        "{error:#}"
    );
    // A file of exactly the limit arrives whole, and is rejected because it is no picture.
    let error = refused(&client, item("m", &["photo_selfie"], vec![0xff; limit])).await;
    assert_eq!(error["code"], "INVALID_INPUT", "{error:#}");
    wait_until("the spool to be empty", || async { node.spooled_files().is_empty().then_some(()) })
        .await;
}

#[tokio::test]
async fn aborted_upload_leaves_nothing() {
    let node = Node::start().await;
    let client = node.client().await;
    let boundary = "vultusboundary";
    let input = json!({"media": [{"file": null, "tags": ["photo_selfie"]}]});
    let operations = json!({"query": CREATE_FOLDER, "variables": {"input": input}});
    let map = json!({"0": ["variables.input.media.0.file"]});
    let part = |name: &str| format!("--{boundary}\r\nContent-Disposition: form-data; name={name}");
    let head = format!(
        "{}\r\n\r\n{operations}\r\n{}\r\n\r\n{map}\r\n{}\r\nContent-Type: image/jpeg\r\n\r\n",
        part("\"operations\""),
        part("\"map\""),
        part("\"0\"; filename=\"a.jpg\""),
    );
    let address = node.url.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary={boundary}\r\n\
         Content-Length: 1000000\r\n\r\n{head}",
        client.token()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(&sample("obama2.jpg")[..50_000]).await.unwrap();
    stream.flush().await.unwrap();
    drop(stream);
    nothing_is_left(&node, &client).await;
}

#[tokio::test]
async fn rejected_upload_keeps_the_connection_usable() {
    let node = Node::start().await;
    let address = node.url.trim_start_matches("http://").to_owned();
    let file = vec![b'x'; 1 << 20];
    let refused = [
        ("multipart/form-data; boundary=B\r\nX-Requested-With: tests", "UNAUTHENTICATED"),
        ("multipart/form-data; boundary=B", "PREFLIGHT_HEADER_MISSING"),
        ("text/plain", "UNSUPPORTED_MEDIA_TYPE"),
    ];
    for (kind, code) in refused {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            file.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&file).await.unwrap();
        let health =
            format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(health.as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert!(answers.contains(code), "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1, "{answers}");
    }
}

#[tokio::test]
async fn missing_forged_and_expired_tokens_are_unauthenticated() {
    let node = Node::start_with(NodeOptions {
        config: "[tokens]\naccess_seconds = 5\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let viewer = "{ viewer { user { id } } }";
    assert_eq!(node.anonymous().error(viewer, json!({})).await["code"], "UNAUTHENTICATED");
    assert_eq!(
        node.anonymous().with_token("a.b.c").error(viewer, json!({})).await["code"],
        "UNAUTHENTICATED"
    );
    let client = node.client().await;
    wait_until("the token to expire", || async {
        let answer = client.query(viewer, json!({})).await;
        (answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED").then_some(())
    })
    .await;
}

#[tokio::test]
async fn foreign_folder_looks_like_a_missing_one() {
    let node = Node::start().await;
    let owner = node.client_as("owner@example.org", "client").await;
    let stranger = node.client_as("stranger@example.org", "client").await;
    let folder = owner
        .folder_with(
            &[selfie_photo(sample("obama2.jpg")), id_photo(sample("obama.jpg"))],
            &["face_match"],
        )
        .await;
    let id = &folder["id"];
    let seen = stranger.data("query($id: ID!) { folder(id: $id) { id } }", json!({"id": id})).await;
    assert_eq!(seen["folder"], Value::Null);
    let delete = async |id: Value| {
        let error = stranger.error(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
        (error["code"].clone(), error["message"].clone())
    };
    let missing = json!("0192d0c4-0000-7000-8000-000000000000");
    assert_eq!(delete(id.clone()).await, delete(missing).await);
    let analysis = &folder["analyses"]["nodes"][0]["id"];
    let seen =
        stranger.data("query($id: ID!) { node(id: $id) { id } }", json!({"id": analysis})).await;
    assert_eq!(seen["node"], Value::Null);
    let listed = stranger.data("{ folders(first: 5) { nodes { id } } }", json!({})).await;
    assert_eq!(listed["folders"]["nodes"], json!([]));
}

#[tokio::test]
async fn rejected_commit_leaves_no_files() {
    let node = Node::start().await;
    let client = node.client().await;
    client.create(&[selfie_photo(sample("obama2.jpg"))], json!({"externalId": "taken"})).await;
    let before = node.blobs();
    assert_eq!(before.len(), 2, "a photo and its thumbnail");
    let error =
        client.refused(&[id_photo(sample("obama.jpg"))], json!({"externalId": "taken"})).await;
    assert_eq!(
        (&error["code"], &error["argument"]),
        (&json!("CONFLICT"), &json!("input.externalId")),
        "{error:#}"
    );
    assert_eq!(node.blobs(), before);
    // A file that another medium references stays, although the rejected commit wrote it too.
    client.refused(&[selfie_photo(sample("obama2.jpg"))], json!({"externalId": "taken"})).await;
    assert_eq!(node.blobs(), before);
}

/// A PNG whose header declares 65 535 x 65 535 pixels.
fn huge_png_header() -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(65_535u32.to_be_bytes());
    header.extend(65_535u32.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(13u32.to_be_bytes());
    png.extend(&header);
    png.extend(crc32(&header).to_be_bytes());
    png.extend([0; 64]);
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    };
    !bytes.iter().fold(!0, step)
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
