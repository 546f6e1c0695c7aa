//! An identity document beside the main job: read, checked, and its portrait compared, in one request. And what is no document.

use std::path::Path;
use std::process::Command;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use serde_json::json;
use vultus_tests::{Node, analysis, bona_fide_clip, id_photo, item, reason_codes, sample, selfie_video};

#[path = "../../analyzers/document/test-support/specimen.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod specimen;

use specimen::{Specimen, photographed, table};

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(picture).unwrap();
    bytes
}

/// A passport with this sample portrait, small in the photo of a table.
fn passport(portrait: &str) -> RgbImage {
    let portrait = image::load_from_memory(&sample(portrait)).unwrap().to_rgb8();
    let page = Specimen::passport().draw(Some(&portrait));
    photographed(&page, 1920, 1080, [[420.0, 140.0], [1490.0, 160.0], [1510.0, 930.0], [400.0, 900.0]])
}

#[tokio::test]
async fn liveness_match_with_the_portrait_and_the_document_come_from_one_request() {
    let node = Node::start().await;
    let client = node.client().await;
    let media = [selfie_video(bona_fide_clip(node.scratch())), id_photo(jpeg(&passport("obama.jpg")))];
    let folder = client.folder_with(&media, &["liveness", "face_match", "document"]).await;
    let (face_match, document) = (analysis(&folder, "face_match"), analysis(&folder, "document"));
    assert_eq!(analysis(&folder, "liveness")["resolution"], "SUCCESS", "{folder:#}");
    assert_eq!(face_match["resolution"], "SUCCESS", "{face_match:#}");
    assert_eq!(document["resolution"], "SUCCESS", "{document:#}");
    let portrait = &document["artifacts"][0];
    assert_eq!((portrait["name"].as_str(), portrait["contentType"].as_str()), (Some("portrait"), Some("image/jpeg")));
    assert_eq!(folder["resolution"], "SUCCESS");
}

#[tokio::test]
async fn somebody_elses_portrait_is_declined_though_the_document_is_fine() {
    let node = Node::start().await;
    let client = node.client().await;
    let media = [selfie_video(bona_fide_clip(node.scratch())), id_photo(jpeg(&passport("biden.jpg")))];
    let folder = client.folder_with(&media, &["face_match", "document"]).await;
    assert_eq!(analysis(&folder, "document")["resolution"], "SUCCESS", "{folder:#}");
    assert_eq!(reason_codes(analysis(&folder, "face_match")), ["NOT_SAME_PERSON"]);
    assert_eq!(folder["resolution"], "DECLINED");
}

#[tokio::test]
async fn what_is_no_document_gets_reasons_and_what_cannot_be_read_a_refusal() {
    let node = Node::start().await;
    let client = node.client().await;
    let one_bit = one_bit_png(node.scratch(), &table(640, 480));
    for (name, bytes) in [("table", jpeg(&table(640, 480))), ("one bit", one_bit), ("cmyk", cmyk_jpeg())] {
        let folder = client.folder_with(&[id_photo(bytes)], &["document"]).await;
        let document = analysis(&folder, "document");
        assert_eq!(document["state"], "FINISHED", "{name}: {document:#}");
        assert_ne!(document["resolution"], "SUCCESS", "{name}");
        assert!(!reason_codes(document).is_empty(), "{name}");
    }
    let pdf = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n".to_vec();
    let input = json!({"analyses": [{"type": "document"}]});
    let refused = client.refused(&[id_photo(pdf)], input.clone()).await;
    assert_eq!(refused["extensions"]["code"], "INVALID_INPUT", "{refused}");
    let untagged = [item("front", &["photo_selfie"], jpeg(&table(64, 64)))];
    let refused = client.refused(&untagged, input).await;
    assert_eq!(refused["extensions"]["code"], "INVALID_INPUT", "{refused}");
}

/// The picture in black and white, one bit a pixel.
fn one_bit_png(folder: &Path, picture: &RgbImage) -> Vec<u8> {
    let (from, to) = (folder.join("table.jpg"), folder.join("one-bit.png"));
    std::fs::write(&from, jpeg(picture)).unwrap();
    let mut convert = Command::new("ffmpeg");
    convert.args(["-y", "-loglevel", "error", "-i"]).arg(&from).args(["-pix_fmt", "monob"]).arg(&to);
    assert!(convert.status().unwrap().success());
    std::fs::read(&to).unwrap()
}

/// A picture of 64 x 64 in four inks: the smallest that a JPEG decoder reads. No block has any detail.
fn cmyk_jpeg() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc0, 0, 20, 8, 0, 64, 0, 64, 4]);
    (1..=4).for_each(|ink| bytes.extend([ink, 0x11, 0]));
    for table in [0x00, 0x10] {
        // One code of one bit, which says "nothing more".
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
