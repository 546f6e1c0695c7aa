//! Measures what metadata costs a query that does not select it: folders with 200 media and 12 MB
//! of metadata each, against the same folders without metadata.

use rusqlite::Connection;
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;
use vultus_tests::measure::{Figure, bench, median};
use vultus_tests::{Client, Node, NodeOptions, sample, selfie_photo};

/// Folders of each kind: a page.
const FOLDERS: usize = 100;
const MEDIA: usize = 200;
/// Metadata of a medium, in bytes.
const METADATA: usize = 60_000;
const REPETITIONS: usize = 50;
/// Maximum time of one folder and of a page, in milliseconds.
const BARS: [f64; 2] = [3.0, 30.0];
/// Maximum of the time relative to folders without metadata.
const RATIO_BAR: f64 = 1.5;

const FOLDER: &str = "query($id: ID!) { folder(id: $id) { id } }";
const PAGE: &str = "query($first: Int!, $type: String!) {
    folders(first: $first, filter: {metadataEquals: [{key: \"type\", value: $type}]}) {
      nodes { id } } }";

fn main() -> ExitCode {
    bench("Folders with 12 MB of metadata", measure())
}

async fn measure() -> Vec<Figure> {
    let mut node = Node::start_with(NodeOptions::default()).await;
    let client = node.client().await;
    let photo = selfie_photo(sample("obama2.jpg"));
    let mut first = Vec::new();
    for kind in ["bare", "full"] {
        let input = json!({"metadata": {"type": kind}});
        let folder = client.create(std::slice::from_ref(&photo), input).await;
        first.push(folder["id"].as_str().expect("a folder has an id").to_owned());
    }
    node.stop();
    fill(&node, &first);
    node.launch().await;
    let client = node.client().await;
    let mut times = Vec::new();
    for id in &first {
        times.push(milliseconds(&client, FOLDER, json!({"id": id})).await);
    }
    for kind in ["bare", "full"] {
        let variables = json!({"first": FOLDERS, "type": kind});
        times.push(milliseconds(&client, PAGE, variables).await);
    }
    let mut figures = Vec::new();
    for (at, what) in ["{ folder { id } }", "a page of 100"].into_iter().enumerate() {
        let (bare, full) = (times[2 * at], times[2 * at + 1]);
        let (bar, name) = (BARS[at], format!("{what} with metadata"));
        let time = format!("{full:.2} ms");
        figures.push(Figure::against(&name, time, &format!("≤ {bar} ms"), full <= bar));
        let ratio = full / bare;
        let name = format!("{what}: relative to no metadata");
        let measured = format!("{ratio:.2}");
        figures.push(Figure::against(&name, measured, "≤ 1.5", ratio <= RATIO_BAR));
    }
    figures
}

/// Copies the first folder of each kind and its medium within the database of a stopped node.
fn fill(node: &Node, first: &[String]) {
    let mut connection = Connection::open(node.data().join("vultus.db")).expect("the database");
    let transaction = connection.transaction().expect("a transaction");
    let copy_folder = "INSERT INTO folders (id, company_id, owner_id, metadata, created_at,
            updated_at, media_changed_at, revision, wrapped_key)
        SELECT ?2, company_id, owner_id, metadata, created_at, updated_at, media_changed_at,
            revision, wrapped_key FROM folders WHERE id = ?1";
    let copy_medium = "INSERT INTO media (id, folder_id, metadata, properties_doc, sha256,
            blob_key, thumbnail_key, created_at)
        SELECT ?2, ?3, ?4, properties_doc, sha256, blob_key, thumbnail_key, created_at
        FROM media WHERE folder_id = ?1 LIMIT 1";
    let texts = ["{}".to_owned(), json!({"t": "x".repeat(METADATA)}).to_string()];
    for (id, metadata) in first.iter().zip(texts) {
        for number in 0..FOLDERS {
            let folder = if number == 0 { id.clone() } else { new_id() };
            if number > 0 {
                transaction.execute(copy_folder, (id, &folder)).expect("a folder");
            }
            for _ in 1..MEDIA {
                let arguments = (id, new_id(), &folder, &metadata);
                transaction.execute(copy_medium, arguments).expect("a medium");
            }
        }
    }
    transaction.commit().expect("a commit");
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Median time of a query.
async fn milliseconds(client: &Client, query: &str, variables: serde_json::Value) -> f64 {
    let mut times = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let begun = Instant::now();
        client.data(query, variables.clone()).await;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    median(&mut times)
}
