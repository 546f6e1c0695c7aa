//! A sample of the documents that `make eval` draws for all issuing states: consistent ones are
//! accepted with all fields compared, altered ones are found.

use serde_json::{Value, json};
use vultus_tests::{Client, Item, Node, item, jpeg, media_input, reason_codes, sample};

#[path = "../states/mod.rs"]
mod states;

use states::{Document, rows};

const CHECK: &str = "mutation($input: CheckInput!) { check(input: $input) { resolution analyses {
    resolution reasons { code } document { fields { name status visual mrz } mrz { lines } } } } }";

fn media(document: &Document) -> Vec<Item> {
    let portrait = image::load_from_memory(&sample("obama.jpg")).unwrap().to_rgb8();
    let tags = [["photo_id", "photo_id_front"], ["photo_id", "photo_id_back"]];
    let photos = document.photos(&portrait);
    let named = photos.iter().zip(tags).zip(["front", "back"]);
    named.map(|((photo, tags), name)| item(name, &tags, jpeg(photo))).collect()
}

async fn checked(client: &Client, document: &Document) -> Value {
    let input = json!({"analyses": [{"type": "document"}]});
    let (variables, files) = media_input(&media(document), input);
    client.upload_data(CHECK, variables, files).await["check"]["analyses"][0].clone()
}

/// Rows of the sample: different languages, formats and altered fields.
const SAMPLE: [&str; 4] = ["POL", "TUR", "IRL", "TWN"];

#[tokio::test]
async fn drawn_documents_of_states_are_judged_rightly() {
    let node = Node::start().await;
    let client = node.client().await;
    let rows = rows();
    for row in rows.iter().filter(|row| SAMPLE.contains(&row.code)) {
        let document = row.document();
        let genuine = checked(&client, &document).await;
        assert_eq!(genuine["document"]["mrz"]["lines"], json!(document.zone), "{}", row.code);
        assert_eq!(genuine["resolution"], "SUCCESS", "{}: {genuine:#}", row.code);
        let forged = checked(&client, &row.forged(&rows)).await;
        let found = reason_codes(&forged).contains(&"FIELD_MISMATCH");
        assert!(found, "{} {:?}: {forged:#}", row.code, row.altered());
    }
}
