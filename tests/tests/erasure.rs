//! Deletion erases data from the database, its log, the blobs and the spool. No file ever holds an
//! unencrypted picture.

use futures::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vultus_tests::{
    CREATE_FOLDER, Client, Cluster, ClusterOptions, DATABASE, DELETE_FOLDER, Node, NodeOptions,
    REQUEST_ANALYSES, Upload, analysis, compiled_plugin, id_photo, item, jpeg, sample,
    selfie_photo, selfie_video, still_clip, wait_until,
};

#[path = "../../analyzers/document/test-support/specimen.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod specimen;

const CANARY: &str = "canary-7f1c9e-in-metadata";

/// A file below `folder` that contains `needle`.
fn file_with(folder: &Path, needle: &[u8]) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let found = if path.is_dir() {
            file_with(&path, needle)
        } else if path.ends_with("data/reserve") {
            // Zeros, and large.
            None
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle).then_some(path)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// A photo of a passport.
fn passport() -> Vec<u8> {
    let portrait = image::load_from_memory(&sample("obama.jpg")).unwrap().to_rgb8();
    let page = specimen::Specimen::passport().draw(Some(&portrait));
    let corners = [[420.0, 140.0], [1490.0, 160.0], [1510.0, 930.0], [400.0, 900.0]];
    jpeg(&specimen::photographed(&page, 1920, 1080, corners))
}

const DELETE_MEDIUM: &str =
    "mutation($input: DeleteMediaInput!) { deleteMedia(input: $input) { deletedId } }";

/// A folder with a passport whose file name and metadata contain the canary, and a photo; the
/// passport is read, and compared with the photo. Returns the folder once it is judged.
async fn folder_with_passport(client: &Client) -> Value {
    let media = json!([
        {"key": "id", "file": null, "tags": ["photo_id", "photo_id_front"],
            "metadata": {"note": CANARY}},
        {"key": "other", "file": null, "tags": ["photo_selfie"]},
    ]);
    let analyses = json!([{"type": "document"}, {"type": "face_match"}, {"type": "quality"}]);
    let input = json!({"media": media, "analyses": analyses, "waitMs": 30_000});
    let files = vec![
        Upload::medium(0, &format!("{CANARY}.jpg"), passport()),
        Upload::medium(1, "other", sample("obama2.jpg")),
    ];
    let created = client.upload_data(CREATE_FOLDER, json!({"input": input}), files).await;
    let id = created["createFolder"]["folder"]["id"].as_str().unwrap();
    client.final_folder(id).await
}

/// What of the passport can be in a store: what its zone says, in all its forms, the checksum of
/// the photo and of what was made of it, and what the client said about it.
fn traces(folder: &Value) -> Vec<String> {
    let document = analysis(folder, "document");
    let mut traces = vec![CANARY.to_owned()];
    for field in document["fields"].as_array().expect("the passport was read") {
        for form in ["value", "mrz", "visual"] {
            // Short values, such as a sex, occur by chance.
            traces.extend(field[form].as_str().filter(|text| text.len() > 5).map(str::to_owned));
        }
    }
    let lines = document["mrz"]["lines"].as_array().expect("its zone was read");
    traces.extend(lines.iter().map(|line| line.as_str().unwrap().to_owned()));
    traces.push(folder["media"]["nodes"][0]["sha256"].as_str().unwrap().to_owned());
    for kind in ["document", "face_match", "quality"] {
        let artifacts = analysis(folder, kind)["artifacts"].as_array().unwrap();
        let sums = artifacts.iter().map(|artifact| artifact["sha256"].as_str().unwrap().to_owned());
        traces.extend(sums);
    }
    traces
}

/// The analyses of the medium say how they ended, and nothing of what they saw.
async fn details_are_erased(client: &Client, judged: &Value) {
    let query = "query($id: ID!) { folder(id: $id) { stale analyses(first: 9) { nodes {
        type state resolution detailsErasedAt reasons { code } artifacts { name }
        provenance { analyzer } failure { message }
        ... on DocumentAnalysis { documentType result fields { value } mrz { lines } lines { text }
            portrait { artifact { name } } barcodes { text } }
        ... on FaceMatchAnalysis { similarity result pairs { similarity } }
    } } } }";
    let folder = client.data(query, json!({"id": judged["id"]})).await["folder"].clone();
    assert_eq!(folder["stale"], true);
    for kind in ["document", "face_match"] {
        let (before, after) = (analysis(judged, kind), analysis(&folder, kind));
        assert_eq!(
            (&after["state"], &after["resolution"]),
            (&before["state"], &before["resolution"]),
            "{kind}"
        );
        assert!(after["detailsErasedAt"].is_string(), "{after:#}");
        let erased = after.as_object().unwrap().iter().filter(|(name, _)| {
            !["type", "state", "resolution", "detailsErasedAt"].contains(&name.as_str())
        });
        for (name, value) in erased {
            let is_empty =
                value.is_null() || value == &json!([]) || value == &json!({"analyzer": null});
            assert!(is_empty, "{kind}: {name} is {value}");
        }
    }
    let kept = analysis(&folder, "quality");
    assert_eq!(kept["detailsErasedAt"], Value::Null, "it is about the other medium only");
    assert_eq!(
        kept["provenance"]["analyzer"],
        analysis(judged, "quality")["provenance"]["analyzer"]
    );
}

#[tokio::test]
async fn deleted_document_is_in_no_raw_file() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = folder_with_passport(&client).await;
    let traces = traces(&folder);
    for trace in &traces {
        assert!(file_with(&node.data(), trace.as_bytes()).is_some(), "{trace} is looked for");
    }
    let medium = &folder["media"]["nodes"][0]["id"];
    client.data(DELETE_MEDIUM, json!({"input": {"mediaId": medium}})).await;
    for trace in &traces {
        wait_until("the raw files to hold no trace", || async {
            file_with(&node.data(), trace.as_bytes()).is_none().then_some(())
        })
        .await;
    }
    details_are_erased(&client, &folder).await;
    assert!(!node.log().contains(CANARY), "logs hold no metadata");
}

#[tokio::test]
async fn comments_of_decisions_are_erased_with_the_medium() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["quality"]).await;
    let operator = node.client_as("operator@example.org", "operator").await;
    let id = &folder["analyses"]["nodes"][0]["id"];
    let query = "query($id: ID!) { analysis(id: $id) { revision } }";
    let read = operator.data(query, json!({"id": id})).await;
    let input = json!({"analysisId": id, "choice": "ACCEPT", "comment": CANARY,
        "expectedRevision": read["analysis"]["revision"]});
    let decide = "mutation($input: DecideAnalysisInput!) { decideAnalysis(input: $input) {
        analysis { decision { comment } } } }";
    operator.data(decide, json!({"input": input})).await;
    assert!(file_with(&node.data(), CANARY.as_bytes()).is_some(), "the comment is stored");
    let medium = &folder["media"]["nodes"][0]["id"];
    client.data(DELETE_MEDIUM, json!({"input": {"mediaId": medium}})).await;
    wait_until("the raw files to hold no comment", || async {
        file_with(&node.data(), CANARY.as_bytes()).is_none().then_some(())
    })
    .await;
    assert!(!node.log().contains(CANARY), "logs hold no comments");
}

/// All documents of the cluster's database as text.
async fn database_text(cluster: &Cluster) -> String {
    let database = cluster.set.client().await.database(DATABASE);
    let mut text = String::new();
    for name in database.list_collection_names().await.unwrap() {
        let found = database.collection::<Document>(&name).find(doc! {}).await.unwrap();
        let found: Vec<Document> = found.try_collect().await.unwrap();
        for document in found {
            text += &document.to_string();
        }
    }
    text
}

#[tokio::test]
async fn deleted_document_is_in_no_document_of_mongodb() {
    let options = ClusterOptions { members: 1, roles: vec!["all"], ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    let client = cluster.client(0).await;
    let folder = folder_with_passport(&client).await;
    let (traces, before) = (traces(&folder), database_text(&cluster).await);
    for trace in &traces {
        assert!(before.contains(trace.as_str()), "{trace} is looked for");
    }
    let medium = &folder["media"]["nodes"][0]["id"];
    client.data(DELETE_MEDIUM, json!({"input": {"mediaId": medium}})).await;
    let after = database_text(&cluster).await;
    for trace in &traces {
        assert!(!after.contains(trace.as_str()), "{trace} is left");
    }
    details_are_erased(&client, &folder).await;
    let id = folder["id"].as_str().unwrap();
    client.data(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
    // Ids are stored in binary.
    let id = mongodb::bson::Uuid::parse_str(id).unwrap();
    let id = Bson::from(id).to_string();
    assert!(!database_text(&cluster).await.contains(&id), "nothing names a deleted folder");
}

/// The tables of a node's database in which a text stands.
fn tables_with(node: &Node, text: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(node.data().join("vultus.db")).unwrap();
    let query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let mut tables = database.prepare(query).unwrap();
    let names = tables.query_map((), |row| row.get::<_, String>(0)).unwrap();
    let holds = |name: &String| {
        let mut rows = database.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query(()).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let bytes = |at| match row.get_ref(at).unwrap() {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_owned(),
                _ => Vec::new(),
            };
            let found = |bytes: Vec<u8>| bytes.windows(text.len()).any(|at| at == text.as_bytes());
            if (0..columns).any(|at| found(bytes(at))) {
                return true;
            }
        }
        false
    };
    names.map(Result::unwrap).filter(holds).collect()
}

#[tokio::test]
async fn folder_deleted_during_a_run_leaves_no_trace_on_disk() {
    let plugins = vec![compiled_plugin("faulty/faulty.c", "libfaulty.so")];
    let node = Node::start_with(NodeOptions { plugins, ..NodeOptions::default() }).await;
    let client = node.client().await.with_header("idempotency-key", CANARY);
    let photo = sample("obama.jpg");
    let media =
        [selfie_video(still_clip(node.scratch(), "obama2.jpg", 5.0)), id_photo(photo.clone())];
    let analyses = json!([{"type": "liveness"}, {"type": "face_match"}]);
    let input = json!({"metadata": {"note": CANARY}, "externalId": CANARY, "analyses": analyses});
    let folder = client.create(&media, input).await;
    // A piece of the picture's bytes, from the middle of its entropy-coded data.
    let pixels = &photo[photo.len() / 2..][..64];
    assert!(file_with(&node.data(), CANARY.as_bytes()).is_some(), "the search finds stored data");
    assert!(node.blobs().len() >= 4, "two media with their thumbnails");
    assert_eq!(file_with(&node.data(), pixels), None, "pictures are encrypted");
    let id = folder["id"].as_str().unwrap().to_owned();
    // The built-in ones may have ended before the deletion; this one is certainly running.
    let endless = json!([{"type": "faulty", "params": {"mode": "until_cancelled"}}]);
    client.data(REQUEST_ANALYSES, json!({"input": {"folderId": id, "analyses": endless}})).await;
    wait_until("an analysis to run", || async {
        let running = client.folder(&id).await["analyses"]["nodes"]
            .as_array()?
            .iter()
            .any(|analysis| analysis["state"] == "RUNNING");
        running.then_some(())
    })
    .await;
    let mut socket = client.socket().await;
    socket
        .subscribe("f", "subscription($id: ID!) { folder(id: $id) { state } }", json!({"id": id}))
        .await;
    assert_eq!(socket.next().await["type"], "next");
    client.data(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
    assert_eq!(client.folder(&id).await, Value::Null);
    wait_until("the raw files to hold no trace", || async {
        (file_with(&node.data(), CANARY.as_bytes()).is_none() && node.blobs().is_empty())
            .then_some(())
    })
    .await;
    // The fenced run writes nothing later: once the node has judged another folder, there is still
    // no trace.
    let photo = sample("biden.jpg");
    let pair = [id_photo(photo.clone()), item("again", &["photo_id", "photo_id_front"], photo)];
    let other = node.client().await.folder_with(&pair, &["face_match"]).await;
    assert_eq!(other["state"], "FINISHED");
    assert_eq!(file_with(&node.data(), CANARY.as_bytes()), None);
    assert_eq!(tables_with(&node, &id), ["audit_entries"], "only the audit log names the folder");
    assert!(!node.log().contains(CANARY), "logs hold no metadata");
    drop(socket);
}

#[tokio::test]
async fn deleted_medium_is_erased_and_its_copy_elsewhere_stays() {
    let node = Node::start().await;
    let client = node.client().await;
    let photo = sample("obama.jpg");
    let first = client.create(&[id_photo(photo.clone())], json!({})).await;
    let second = client.create(&[id_photo(photo.clone())], json!({})).await;
    assert_eq!(node.blobs().len(), 4, "each folder stores its photo and thumbnail");
    let delete = async |folder: &Value| {
        let id = &folder["media"]["nodes"][0]["id"];
        client.data(DELETE_MEDIUM, json!({"input": {"mediaId": id}})).await;
    };
    delete(&first).await;
    wait_until("the first folder's bytes to be gone", || async {
        (node.blobs().len() == 2).then_some(())
    })
    .await;
    let query = "query($id: ID!) { folder(id: $id) { media(first: 1) { nodes { url } } } }";
    let found = client.data(query, json!({"id": second["id"]})).await;
    let url = found["folder"]["media"]["nodes"][0]["url"].as_str().expect("a medium has a link");
    let bytes = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, photo, "the other folder's file is unchanged");
    delete(&second).await;
    wait_until("the bytes to be gone", || async { node.blobs().is_empty().then_some(()) }).await;
}

/// Creates a company with a user and a folder; all of them name the canary.
async fn company_with_passport(administrator: &Client) -> (Value, Value) {
    let company = create_company(administrator, CANARY).await;
    let user = "mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } } }";
    let email = format!("{CANARY}@example.org");
    let input = json!({"email": email, "name": CANARY, "role": "CLIENT", "companyId": company,
        "password": vultus_tests::PASSWORD});
    administrator.data(user, json!({"input": input})).await;
    let client = Client::new(administrator.url()).login(&email, vultus_tests::PASSWORD).await;
    (company, folder_with_passport(&client).await)
}

const DELETE_COMPANY: &str =
    "mutation($id: ID!) { deleteCompany(input: {companyId: $id}) { deletedId } }";

#[tokio::test]
async fn deleted_company_is_in_no_raw_file() {
    let mut node = Node::start().await;
    let administrator = node.client().await;
    let (company, folder) = company_with_passport(&administrator).await;
    let other = create_company(&administrator, "begun").await;
    administrator.data(CREATE_FOLDER, json!({"input": {"companyId": other}})).await;
    let traces = traces(&folder);
    for trace in &traces {
        assert!(file_with(&node.data(), trace.as_bytes()).is_some(), "{trace} is looked for");
    }
    administrator.data(DELETE_COMPANY, json!({"id": company})).await;
    for trace in &traces {
        wait_until("the raw files to hold no trace", || async {
            file_with(&node.data(), trace.as_bytes()).is_none().then_some(())
        })
        .await;
    }
    assert_eq!(node.blobs(), Vec::<PathBuf>::new());
    assert!(!node.log().contains(CANARY), "logs hold no names");
    // An erasure that a killed node began is completed after the next start.
    node.kill();
    let database = rusqlite::Connection::open(node.data().join("vultus.db")).unwrap();
    let begun = "UPDATE companies SET suspended_at = 1, deleting_at = 1 WHERE id = ?1";
    assert_eq!(database.execute(begun, [other.as_str().unwrap()]).unwrap(), 1);
    drop(database);
    node.launch().await;
    let administrator = node.client().await;
    wait_until("the erasure to be completed", || async {
        let answer = administrator.data("{ companies { nodes { id } } }", json!({})).await;
        (answer["companies"]["nodes"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
}

async fn create_company(administrator: &Client, name: &str) -> Value {
    let company = "mutation($name: String!) {
        createCompany(input: {name: $name}) { company { id } } }";
    let company = administrator.data(company, json!({"name": name})).await;
    company["createCompany"]["company"]["id"].clone()
}

#[tokio::test]
async fn deleted_company_is_in_no_document_of_mongodb() {
    let options = ClusterOptions { members: 1, roles: vec!["all"], ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    let administrator = cluster.client(0).await;
    let (company, folder) = company_with_passport(&administrator).await;
    administrator.data(DELETE_COMPANY, json!({"id": company})).await;
    let text = database_text(&cluster).await;
    for trace in traces(&folder) {
        assert!(!text.contains(&trace), "{trace} is left");
    }
}
