//! Judges drawn documents of all issuing states and organizations of ICAO 9303: each consistent,
//! and with one altered field. Prints how many are judged rightly, and each that is not. An
//! argument names the codes to judge only these.

use std::process::ExitCode;

use image::RgbImage;
use serde_json::{Value, json};
use vultus_tests::measure::{Figure, exit_code, print_figures};
use vultus_tests::{
    Client, Item, Node, NodeOptions, item, jpeg, media_input, reason_codes, sample,
};

#[path = "../states/mod.rs"]
mod states;

use states::{Document, Row, rows};

/// Minimum share of consistent documents that are accepted with every field matching.
const ACCEPTED: f64 = 0.95;
const CHECK: &str = "mutation($input: CheckInput!) { check(input: $input) { analyses {
    resolution reasons { code } document { fields { name status visual mrz } mrz { lines } } } } }";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let figures = runtime.block_on(measure());
    exit_code(print_figures("Drawn documents of all issuing states", &figures))
}

async fn measure() -> Vec<Figure> {
    // All rows take longer than an access token lasts.
    let config = "[tokens]\naccess_seconds = 86400\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let portrait =
        image::load_from_memory(&sample("obama.jpg")).expect("the sample is a picture").to_rgb8();
    let all = rows();
    let wanted = std::env::args().skip(1).find(|text| text.len() >= 3 && !text.starts_with('-'));
    let is_wanted = |row: &&Row| wanted.as_ref().is_none_or(|list| list.contains(row.code));
    let (mut count, mut accepted, mut matching, mut found) = (0, 0, 0, 0);
    for row in all.iter().filter(is_wanted) {
        count += 1;
        let genuine = checked(&client, &row.document(), &portrait).await;
        let fields = genuine["document"]["fields"].as_array().cloned().unwrap_or_default();
        // The title names the issuing state; no field is labelled with it.
        let is_open =
            |field: &&Value| field["status"] == "ONLY_MRZ" && field["name"] != "ISSUING_STATE";
        let open: Vec<&Value> = fields.iter().filter(is_open).collect();
        if genuine["resolution"] == "SUCCESS" {
            accepted += 1;
            matching += i32::from(open.is_empty());
        }
        if genuine["resolution"] != "SUCCESS" || !open.is_empty() {
            let differing: Vec<&Value> =
                fields.iter().filter(|field| field["status"] == "MISMATCH").collect();
            println!(
                "{} {:?} consistent: {:?} {} {}",
                row.code,
                row.kind(),
                reason_codes(&genuine),
                json!(differing),
                json!(open.iter().map(|field| &field["name"]).collect::<Vec<_>>()),
            );
        }
        let forged = checked(&client, &row.forged(&all), &portrait).await;
        let before = reason_codes(&genuine);
        if reason_codes(&forged).iter().all(|reason| before.contains(reason)) {
            println!(
                "{} {:?}: {:?} was altered and not found",
                row.code,
                row.kind(),
                row.altered()
            );
        } else {
            found += 1;
        }
    }
    let share = f64::from(matching) / f64::from(count.max(1));
    vec![
        Figure::plain("consistent documents accepted", format!("{accepted} of {count}")),
        Figure::against(
            "of these with every field matching",
            format!("{matching} of {count}"),
            "≥ 95 %",
            share >= ACCEPTED,
        ),
        Figure::against(
            "altered documents with a finding",
            format!("{found} of {count}"),
            "all",
            found == count,
        ),
    ]
}

async fn checked(client: &Client, document: &Document, portrait: &RgbImage) -> Value {
    let tags = [["photo_id", "photo_id_front"], ["photo_id", "photo_id_back"]];
    let photos = document.photos(portrait);
    let named = photos.iter().zip(tags).zip(["front", "back"]);
    let media: Vec<Item> =
        named.map(|((photo, tags), name)| item(name, &tags, jpeg(photo))).collect();
    let (variables, files) = media_input(&media, json!({"analyses": [{"type": "document"}]}));
    client.upload_data(CHECK, variables, files).await["check"]["analyses"][0].clone()
}
