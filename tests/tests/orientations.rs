//! A face is the same in all eight EXIF orientations: the same box and the same template, through
//! a running server.

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageEncoder, RgbImage};
use serde_json::{Value, json};
use vultus_tests::{Node, item, media_input, sample};

const CHECK: &str =
    "mutation($input: CheckInput!) { check(input: $input) { analyses { result } } }";

/// A JPEG that viewers show as `upright`, stored in another orientation.
fn stored(upright: &RgbImage, code: u8) -> Vec<u8> {
    let inverse = match code {
        6 => 8,
        8 => 6,
        other => other,
    };
    let mut picture = DynamicImage::from(upright.clone());
    picture.apply_orientation(Orientation::from_exif(inverse).expect("one of eight"));
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([code, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif).expect("a JPEG has EXIF");
    picture.write_with_encoder(encoder).expect("a JPEG can be written");
    bytes
}

/// Intersection over union of two boxes `[x, y, width, height]`.
fn overlap(a: &Value, b: &Value) -> f64 {
    let at = |rect: &Value, index: usize| rect[index].as_f64().expect("a box has four numbers");
    let along = |start: usize, size: usize| {
        let begin = at(a, start).max(at(b, start));
        let end = (at(a, start) + at(a, size)).min(at(b, start) + at(b, size));
        (end - begin).max(0.0)
    };
    let common = along(0, 2) * along(1, 3);
    common / (at(a, 2) * at(a, 3) + at(b, 2) * at(b, 3) - common)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_orientations_give_the_same_face() {
    let node = Node::start_with(vultus_tests::NodeOptions {
        config: "workers.count = 1\n".to_owned(),
        ..Default::default()
    })
    .await;
    let client = node.client().await;
    let whole = image::load_from_memory(&sample("obama2.jpg")).expect("a JPEG").into_rgb8();
    // Whole blocks of JPEG, so that a turned picture is compressed like an upright one.
    let (width, height) = (whole.width() & !15, whole.height() & !15);
    let upright = image::imageops::crop_imm(&whole, 0, 0, width, height).to_image();
    let keys: Vec<String> = (1..=8).map(|code| format!("o{code}")).collect();
    let media: Vec<_> = (1..=8)
        .zip(&keys)
        .map(|(code, key)| item(key, &["photo_selfie"], stored(&upright, code)))
        .collect();
    let (variables, files) = media_input(&media, json!({"analyses": [{"type": "face_match"}]}));
    let checked = client.upload_data(CHECK, variables, files).await;
    let result = &checked["check"]["analyses"][0]["result"];
    let pairs = result["pairs"].as_array().expect("the media are compared");
    assert_eq!(pairs.len(), 28);
    for pair in pairs {
        assert!(pair["cosine"].as_f64().is_some_and(|cosine| cosine >= 0.999), "{pair}");
    }
    let media = result["media"].as_array().expect("every medium is reported");
    for medium in media {
        let overlap = overlap(&media[0]["box"], &medium["box"]);
        assert!(overlap >= 0.99, "{overlap}: {medium}");
    }
}
