//! Document analysis: reads and checks an identity document and compares its portrait, and gives no
//! success for other pictures.

use std::path::Path;
use std::process::Command;

use image::RgbImage;
use serde_json::json;
use vultus_tests::capture::on_screen;
use vultus_tests::{
    Node, analysis, bona_fide_clip, id_photo, item, jpeg, media_input, reason_codes, sample,
    selfie_video, wait_until,
};

#[path = "../../analyzers/document/test-support/specimen.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod specimen;

use specimen::{Format, Specimen, photographed, table};

/// A passport with this sample portrait, on a table.
fn passport(portrait: &str) -> RgbImage {
    let portrait = image::load_from_memory(&sample(portrait)).unwrap().to_rgb8();
    let page = Specimen::passport().draw(Some(&portrait));
    photographed(
        &page,
        1920,
        1080,
        [[420.0, 140.0], [1490.0, 160.0], [1510.0, 930.0], [400.0, 900.0]],
    )
}

#[tokio::test]
async fn one_request_judges_liveness_match_and_document() {
    let node = Node::start().await;
    let client = node.client().await;
    let media =
        [selfie_video(bona_fide_clip(node.scratch())), id_photo(jpeg(&passport("obama.jpg")))];
    let folder = client.folder_with(&media, &["liveness", "face_match", "document"]).await;
    let (face_match, document) = (analysis(&folder, "face_match"), analysis(&folder, "document"));
    assert_eq!(analysis(&folder, "liveness")["resolution"], "SUCCESS", "{folder:#}");
    assert_eq!(face_match["resolution"], "SUCCESS", "{face_match:#}");
    assert_eq!(document["resolution"], "SUCCESS", "{document:#}");
    let portrait = &document["artifacts"][0];
    assert_eq!(
        (portrait["name"].as_str(), portrait["contentType"].as_str()),
        (Some("portrait"), Some("image/jpeg"))
    );
    assert_eq!(folder["resolution"], "SUCCESS");
    // One run judges all three. The probe has decoded the photo, and the run reuses that.
    let costs = wait_until("the run to be counted", async || {
        let info = client
            .data("{ serverInfo { runCosts { runs mediaDecoded mediaReused } } }", json!({}))
            .await;
        let costs = info["serverInfo"]["runCosts"].clone();
        (costs["runs"] != 0).then_some(costs)
    });
    assert_eq!(costs.await, json!({"runs": 1, "mediaDecoded": 1, "mediaReused": 1}));
}

#[tokio::test]
async fn document_result_is_typed_with_corners_in_the_picture() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client.folder_with(&[id_photo(jpeg(&passport("obama.jpg")))], &["document"]).await;
    let document = analysis(&folder, "document");
    let medium = &folder["media"]["nodes"][0]["id"];
    assert_eq!(document["documentType"], "PASSPORT", "{document:#}");
    let mrz = &document["mrz"];
    assert_eq!(mrz["lines"], json!(Specimen::passport().lines));
    assert_eq!(
        (&mrz["format"], &mrz["valid"], &mrz["checkDigits"]["composite"]),
        (&json!("TD3"), &json!(true), &json!(true))
    );
    assert_eq!(
        (&mrz["surname"], &mrz["dateOfBirth"], &mrz["media"]["id"]),
        (&json!("NORDMANN"), &json!("1989-03-12"), medium)
    );
    // The zone is in the lower part of the passport, which is in the middle of the photo.
    for corner in mrz["corners"].as_array().unwrap() {
        let (x, y) = (corner["x"].as_f64().unwrap(), corner["y"].as_f64().unwrap());
        assert!((380.0..1540.0).contains(&x) && (650.0..950.0).contains(&y), "{x} {y}");
    }
    let field = |name: &str| {
        document["fields"]
            .as_array()
            .unwrap()
            .iter()
            .find(|field| field["name"] == name)
            .cloned()
            .unwrap()
    };
    assert_eq!(
        (&field("SURNAME")["value"], &field("SURNAME")["status"]),
        (&json!("NORDMANN"), &json!("MATCH"))
    );
    assert_eq!(field("DATE_OF_BIRTH")["media"]["id"], *medium);
    assert_eq!(
        (&document["quality"][0]["side"], &document["quality"][0]["rotation"]),
        (&json!("FRONT"), &json!(0))
    );
    let portrait = client.get(document["portrait"]["artifact"]["url"].as_str().unwrap()).await;
    assert!(portrait.bytes().await.unwrap().starts_with(&[0xff, 0xd8]));
    let today = document["params"]["today"].as_str().unwrap();
    assert_eq!(today.len(), "2026-11-26".len(), "the node sets the date: {today}");
}

#[tokio::test]
async fn instant_check_returns_the_document() {
    let node = Node::start().await;
    let client = node.client().await;
    let query = "mutation($input: CheckInput!) { check(input: $input) { resolution analyses {
        document {
            type fields { name } mrz { lines medium media { id } }
            portrait { artifactName artifact { name } }
        }
        artifacts { name byteSize } } } }";
    let (variables, files) = media_input(
        &[id_photo(jpeg(&passport("obama.jpg")))],
        json!({"analyses": [{"type": "document"}]}),
    );
    let checked = client.upload_data(query, variables, files).await["check"].clone();
    assert_eq!(checked["resolution"], "SUCCESS", "{checked:#}");
    let document = &checked["analyses"][0]["document"];
    assert_eq!(
        (&document["type"], &document["mrz"]["lines"]),
        (&json!("PASSPORT"), &json!(Specimen::passport().lines))
    );
    assert_eq!((&document["mrz"]["medium"], &document["mrz"]["media"]), (&json!(0), &json!(null)));
    assert_eq!(
        document["portrait"]["artifactName"],
        checked["analyses"][0]["artifacts"][0]["name"]
    );
}

#[tokio::test]
async fn request_that_sets_today_is_rejected() {
    let node = Node::start().await;
    let client = node.client().await;
    let old = json!({"analyses": [{"type": "document", "params": {"today": "2001-01-01"}}]});
    let refused = client.refused(&[id_photo(jpeg(&table(64, 64)))], old).await;
    assert_eq!(refused["code"], "INVALID_INPUT", "{refused}");
}

#[tokio::test]
async fn foreign_portrait_is_declined() {
    let node = Node::start().await;
    let client = node.client().await;
    let media =
        [selfie_video(bona_fide_clip(node.scratch())), id_photo(jpeg(&passport("biden.jpg")))];
    let folder = client.folder_with(&media, &["face_match", "document"]).await;
    assert_eq!(analysis(&folder, "document")["resolution"], "SUCCESS", "{folder:#}");
    assert_eq!(reason_codes(analysis(&folder, "face_match")), ["NOT_SAME_PERSON"]);
    assert_eq!(folder["resolution"], "DECLINED");
}

#[tokio::test]
async fn picture_without_document_gets_reasons() {
    let node = Node::start().await;
    let client = node.client().await;
    let one_bit = one_bit_png(node.scratch(), &table(640, 480));
    let white = jpeg(&RgbImage::from_pixel(900, 700, image::Rgb([255; 3])));
    let pictures = [
        ("table", jpeg(&table(640, 480))),
        ("white", white),
        ("face", sample("obama.jpg")),
        ("one bit", one_bit),
        ("cmyk", cmyk_jpeg()),
    ];
    for (name, bytes) in pictures {
        let folder = client.folder_with(&[id_photo(bytes)], &["document"]).await;
        let document = analysis(&folder, "document");
        assert_eq!(document["state"], "FINISHED", "{name}: {document:#}");
        assert_ne!(document["resolution"], "SUCCESS", "{name}");
        assert!(!reason_codes(document).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn pdf_and_untagged_media_are_rejected() {
    let node = Node::start().await;
    let client = node.client().await;
    let pdf = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n".to_vec();
    let input = json!({"analyses": [{"type": "document"}]});
    let refused = client.refused(&[id_photo(pdf)], input.clone()).await;
    assert_eq!(refused["code"], "INVALID_INPUT", "{refused}");
    let untagged = [item("front", &["photo_selfie"], jpeg(&table(64, 64)))];
    let refused = client.refused(&untagged, input).await;
    assert_eq!(refused["code"], "INVALID_INPUT", "{refused}");
}

#[tokio::test]
async fn photo_of_a_screen_is_suspected() {
    let node = Node::start().await;
    let client = node.client().await;
    let portrait = image::load_from_memory(&sample("obama.jpg")).unwrap().to_rgb8();
    let shown = on_screen(&Specimen::passport().draw(Some(&portrait)), 2.3, 4.0);
    let folder = client.folder_with(&[id_photo(jpeg(&shown))], &["document"]).await;
    let document = analysis(&folder, "document");
    assert_eq!(document["resolution"], "OPERATOR_REQUIRED", "{document:#}");
    assert!(reason_codes(document).contains(&"SCREEN_SUSPECTED"), "{document:#}");
}

#[tokio::test]
async fn huge_picture_is_read_at_full_size() {
    let node = Node::start().await;
    let client = node.client().await;
    let huge =
        converted(node.scratch(), &passport("obama.jpg"), "huge.jpg", &["-vf", "scale=8000:4500"]);
    let folder = client.folder_with(&[id_photo(huge)], &["document"]).await;
    let document = analysis(&folder, "document");
    assert_eq!(document["mrz"]["lines"], json!(Specimen::passport().lines), "{document:#}");
    assert!(
        document["quality"][0]["widthPx"].as_u64().unwrap() > 4000,
        "the width is that of the uploaded picture: {document:#}"
    );
}

#[tokio::test]
async fn forty_pages_of_text_are_no_document() {
    let node = Node::start().await;
    let client = node.client().await;
    let (label, text) =
        ("It was the best of times, it was the worst of times", "it was the age of wisdom");
    let fields = (0..9).map(|_| (label, text.into())).collect();
    let page = Specimen { format: Format::Td3, lines: Vec::new(), fields };
    let forty = ["-filter_complex", "loop=39:1,scale=400:-1,tile=8x5", "-frames:v", "1"];
    let pages = converted(node.scratch(), &page.draw(None), "pages.jpg", &forty);
    let folder = client.folder_with(&[id_photo(pages)], &["document"]).await;
    let document = analysis(&folder, "document");
    assert_eq!(document["state"], "FINISHED", "{document:#}");
    assert_ne!(document["resolution"], "SUCCESS");
    assert!(document["mrz"].is_null() && document["documentType"] == "UNKNOWN", "{document:#}");
    assert!(document["lines"].as_array().unwrap().len() <= 80, "the number of lines is limited");
}

/// The picture as a PNG in black and white, one bit per pixel.
fn one_bit_png(folder: &Path, picture: &RgbImage) -> Vec<u8> {
    converted(folder, picture, "one-bit.png", &["-pix_fmt", "monob"])
}

/// The picture converted by ffmpeg with these arguments. The extension of `name` sets the format.
fn converted(folder: &Path, picture: &RgbImage, name: &str, arguments: &[&str]) -> Vec<u8> {
    let (from, to) = (folder.join("from.jpg"), folder.join(name));
    std::fs::write(&from, jpeg(picture)).unwrap();
    let mut convert = Command::new("ffmpeg");
    convert.args(["-y", "-loglevel", "error", "-i"]).arg(&from).args(arguments).arg(&to);
    assert!(convert.status().unwrap().success());
    std::fs::read(&to).unwrap()
}

/// The smallest CMYK picture that a JPEG decoder reads: 64 x 64, without detail in any block.
fn cmyk_jpeg() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc0, 0, 20, 8, 0, 64, 0, 64, 4]);
    (1..=4).for_each(|ink| bytes.extend([ink, 0x11, 0]));
    for table in [0x00, 0x10] {
        // A single code of one bit: end of block.
        bytes.extend([0xff, 0xc4, 0, 20, table, 1]);
        bytes.extend([0; 16]);
    }
    bytes.extend([0xff, 0xda, 0, 14, 4]);
    (1..=4).for_each(|ink| bytes.extend([ink, 0]));
    bytes.extend([0, 63, 0]);
    bytes.extend([0; 64]);
    bytes.extend([0xff, 0xd9]);
    bytes
}
