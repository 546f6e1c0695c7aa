//! The analyzer with real models, through the plugin interface, on specimens drawn by the tests.

use image::{DynamicImage, RgbImage, imageops};
use serde_json::{Value, json};
use vultus_face_detect::FaceDetect;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, Picture, TestRun};
use vultus_plugin_api::{Resolution, Status};
use vultus_vision::{DocumentPortrait, UprightDocument};

use crate::{BACK, Document, FRONT, PORTRAIT, UPRIGHT};

#[path = "../../vision/test-support/media.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod media;
#[path = "../test-support/specimen.rs"]
mod specimen;

use media::{config, sample, still};
use specimen::{Specimen, photographed, table};

/// Corners of the page in the photos of these tests: in perspective and slightly rotated.
const LYING: [[f32; 2]; 4] = [[210.0, 170.0], [1370.0, 110.0], [1440.0, 950.0], [170.0, 1010.0]];

fn bench() -> Bench {
    let mut bench = Bench::new::<Document>(&config("{}")).unwrap();
    bench.provider::<FaceDetect>().unwrap();
    bench
}

fn portrait() -> RgbImage {
    sample("obama2.jpg").to_rgb8()
}

fn passport_photo() -> RgbImage {
    photographed(&Specimen::passport().draw(Some(&portrait())), 1600, 1100, LYING)
}

fn judged(bench: &mut Bench, picture: &RgbImage) -> TestRun {
    bench.clear_media().medium(SlotKind::Image, &[FRONT], vec![picture_of(picture)]);
    bench.run("document", json!({"today": "2026-11-26"})).unwrap()
}

fn pages_of_text() -> Specimen {
    let line = (
        "It was the best of times, it was the worst of times",
        "it was the age of wisdom".to_owned(),
    );
    Specimen { format: specimen::Format::Td3, lines: Vec::new(), fields: vec![line; 9] }
}

fn picture_of(picture: &RgbImage) -> Picture {
    still(&DynamicImage::from(picture.clone()))
}

fn codes(run: &TestRun) -> Vec<&str> {
    run.outcome.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn lines(run: &TestRun) -> Vec<String> {
    let lines = run.outcome.result["mrz"]["lines"].as_array().cloned().unwrap_or_default();
    lines.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn corners(value: &Value) -> Vec<[f64; 2]> {
    let point = |p: &Value| [p[0].as_f64().unwrap(), p[1].as_f64().unwrap()];
    value.as_array().unwrap().iter().map(point).collect()
}

#[test]
fn passport_in_perspective_is_read_and_accepted() {
    let run = judged(&mut bench(), &passport_photo());
    let result = &run.outcome.result;
    assert_eq!(lines(&run), Specimen::passport().lines, "{result:#}");
    assert_eq!(run.outcome.resolution, Resolution::Success, "{:?}", run.outcome.reasons);
    for (found, drawn) in corners(&result["media"][0]["document"]).iter().zip(LYING) {
        let off = (found[0] - f64::from(drawn[0])).hypot(found[1] - f64::from(drawn[1]));
        assert!(off < 25.0, "{found:?} {drawn:?}");
    }
    assert_eq!(result["media"][0]["rotation"], 0);
    assert_eq!(result["portrait"]["artifact"], "portrait");
    // The portrait is on the left, the ghost image on the right.
    assert!(
        corners(&result["portrait"]["quad"]).iter().all(|p| p[0] < 700.0),
        "{}",
        result["portrait"]
    );
    let [kept] = run.artifacts.as_slice() else { panic!("{} artifacts", run.artifacts.len()) };
    assert!(kept.name == "portrait" && kept.bytes.starts_with(&[0xff, 0xd8]));
    let value = |name: &str| {
        let fields = result["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).cloned().unwrap_or_default()
    };
    assert!(value("SURNAME").to_string().contains("NORDMANN"), "{}", result["fields"]);
}

#[test]
fn card_is_read_in_every_rotation() {
    let card = Specimen::card();
    let upright = photographed(
        &card.draw(None),
        1300,
        1000,
        [[180.0, 160.0], [1120.0, 190.0], [1100.0, 800.0], [200.0, 770.0]],
    );
    let mut bench = bench();
    for (rotation, picture) in [
        (90, imageops::rotate90(&upright)),
        (180, imageops::rotate180(&upright)),
        (270, imageops::rotate270(&upright)),
    ] {
        let run = judged(&mut bench, &picture);
        assert_eq!(lines(&run), card.lines, "{rotation}");
        assert_eq!(run.outcome.result["media"][0]["rotation"], rotation);
    }
}

#[test]
fn zone_of_one_line_is_read() {
    let line = "D1FRA13AA000026361231NORDMANN3";
    let licence = Specimen {
        format: specimen::Format::Td1,
        lines: vec![line.to_owned()],
        fields: vec![("9", "B 02.05.2009".to_owned()), ("12", "70.01".to_owned())],
    };
    let placed = [[180.0, 160.0], [1120.0, 190.0], [1100.0, 800.0], [200.0, 770.0]];
    let run = judged(&mut bench(), &photographed(&licence.draw(None), 1300, 1000, placed));
    let mrz = &run.outcome.result["mrz"];
    assert_eq!((&mrz["format"], &mrz["lines"]), (&json!("FRENCH_LICENCE"), &json!([line])));
    assert_eq!((&mrz["valid"], &mrz["dateOfExpiry"]), (&json!(true), &json!("2036-12-31")));
}

#[test]
fn sideways_passport_is_read_beside_level_text() {
    let passport = Specimen::passport();
    let page = imageops::rotate90(&passport.draw(Some(&portrait())));
    let page = imageops::resize(
        &page,
        page.width() * 3 / 4,
        page.height() * 3 / 4,
        imageops::FilterType::Triangle,
    );
    let text = pages_of_text().draw(None);
    let mut spread = RgbImage::from_pixel(
        page.width() + text.width(),
        page.height().max(text.height()),
        image::Rgb([235; 3]),
    );
    imageops::replace(&mut spread, &page, 0, 0);
    imageops::replace(&mut spread, &text, i64::from(page.width()), 0);
    let run = judged(&mut bench(), &spread);
    assert_eq!(lines(&run), passport.lines);
    assert_eq!(run.outcome.result["media"][0]["rotation"], 90);
}

#[test]
fn small_noisy_picture_is_read() {
    let card = Specimen::card();
    let page = card.draw(None);
    let mut small = imageops::resize(
        &page,
        330,
        330 * page.height() / page.width(),
        imageops::FilterType::Triangle,
    );
    let mut state = 1u32;
    for level in small.pixels_mut().flat_map(|pixel| &mut pixel.0) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f32::from((state >> 16) as u8) / 255.0 - 0.5;
        *level = (f32::from(*level) + 40.0 * noise).clamp(0.0, 255.0) as u8;
    }
    assert_eq!(lines(&judged(&mut bench(), &small)), card.lines);
}

#[test]
fn picture_without_document_is_never_success() {
    let mut bench = bench();
    let white = RgbImage::from_pixel(900, 700, image::Rgb([255; 3]));
    let text = pages_of_text();
    for (name, picture) in [
        ("white", white),
        ("table", table(900, 700)),
        ("face", portrait()),
        ("text", text.draw(None)),
    ] {
        let run = judged(&mut bench, &picture);
        assert!(run.outcome.result["mrz"].is_null(), "{name}: {}", run.outcome.result["mrz"]);
        assert_ne!(run.outcome.resolution, Resolution::Success, "{name}");
        assert!(!run.outcome.reasons.is_empty(), "{name}");
    }
}

#[test]
fn grey_blurred_and_overexposed_pictures_are_findings() {
    let mut bench = bench();
    let photo = passport_photo();
    let grey = DynamicImage::from(DynamicImage::from(photo.clone()).to_luma8()).to_rgb8();
    assert!(codes(&judged(&mut bench, &grey)).contains(&"COPY_SUSPECTED"));
    assert!(codes(&judged(&mut bench, &imageops::blur(&photo, 5.0))).contains(&"BLURRED"));
    let mut burnt = photo;
    for (x, y, pixel) in burnt.enumerate_pixels_mut() {
        if (x as f32 - 900.0).hypot(y as f32 - 450.0) < 260.0 {
            *pixel = image::Rgb([255; 3]);
        }
    }
    assert!(codes(&judged(&mut bench, &burnt)).contains(&"GLARE"));
}

#[test]
fn barcode_on_the_back_is_decoded() {
    use rxing::{BarcodeFormat, Writer, pdf417::PDF417Writer};
    const CONTENT: &str =
        "@\n\u{1e}\rANSI 636000080002DL00410278ZV03190008DLDAQT64235789\nDCSSAMPLE\n";
    let code = PDF417Writer.encode(CONTENT, &BarcodeFormat::PDF_417, 900, 300).unwrap();
    let back = RgbImage::from_fn(1100, 700, |x, y| {
        let inside =
            (100..100 + code.width()).contains(&x) && (200..200 + code.height()).contains(&y);
        let dark = inside && code.get(x - 100, y - 200);
        image::Rgb(if dark { [20; 3] } else { [235, 236, 228] })
    });
    let mut bench = bench();
    bench.medium(SlotKind::Image, &[FRONT], vec![picture_of(&passport_photo())]);
    bench.medium(SlotKind::Image, &[BACK], vec![picture_of(&back)]);
    let run = bench.run("document", json!({"today": "2026-11-26", "visualZone": false})).unwrap();
    let codes = run.outcome.result["barcodes"].as_array().unwrap();
    assert_eq!(codes.len(), 1, "{codes:?}");
    assert_eq!(codes[0]["format"], "PDF417");
    assert_eq!(codes[0]["medium"], 1);
}

#[test]
fn portrait_and_edges_of_a_small_document_are_found() {
    let page = Specimen::passport().draw(Some(&portrait()));
    let small = [[900.0, 500.0], [1500.0, 520.0], [1480.0, 930.0], [890.0, 915.0]];
    let scene = photographed(&page, 2200, 1500, small);
    let turned = imageops::rotate90(&scene);
    let mut bench = bench();
    for (picture, rotation) in [(&scene, 0), (&turned, 90)] {
        bench.clear_media().medium(SlotKind::Image, &[FRONT], vec![picture_of(picture)]);
        let upright: UprightDocument =
            serde_json::from_value(bench.feature(0, Some(0), UPRIGHT).unwrap()).unwrap();
        assert_eq!(upright.rotation, rotation);
        assert!(upright.corners.is_some());
        let portrait: DocumentPortrait =
            serde_json::from_value(bench.feature(0, Some(0), PORTRAIT).unwrap()).unwrap();
        let face = portrait.face.expect("the portrait is there");
        assert!(face.rect.width > 40.0 && face.rect.width < 140.0, "{face:?}");
    }
}

#[test]
fn analysis_without_today_is_rejected() {
    let mut bench = bench();
    bench.medium(SlotKind::Image, &[FRONT], vec![picture_of(&table(320, 240))]);
    assert_eq!(bench.run("document", json!({})).unwrap_err().status, Status::InvalidInput);
}
