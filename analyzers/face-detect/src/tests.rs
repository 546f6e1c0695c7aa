//! The provider with real models and pictures, through the plugin interface.

use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, Picture};
use vultus_plugin_api::{Failure, Status};
use vultus_vision::Faces;

use crate::{FACES, FaceDetect};

#[path = "../../vision/test-support/media.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod media;

use media::{config, sample, still};

fn faces(bench: &mut Bench, tags: &[&str], picture: Picture) -> Faces {
    bench.clear_media().medium(SlotKind::Image, tags, vec![picture]);
    serde_json::from_value(bench.feature(0, Some(0), FACES).unwrap()).unwrap()
}

#[test]
fn coordinates_are_in_source_pixels_at_every_size() {
    let mut bench = Bench::new::<FaceDetect>(&config("{}")).unwrap();
    let small = sample("obama.jpg");
    let large = media::scaled(&small, 1440);
    let (a, b) = (faces(&mut bench, &[], still(&small)), faces(&mut bench, &[], still(&large)));
    let ([a], [b]) = (a.faces.as_slice(), b.faces.as_slice()) else { panic!("one face each") };
    let doubled = a.clone().scaled(2.0);
    assert!(doubled.rect.overlap(&b.rect) > 0.9, "{:?} {:?}", doubled.rect, b.rect);
    for (p, q) in doubled.landmarks.iter().zip(&b.landmarks) {
        assert!((p[0] - q[0]).hypot(p[1] - q[1]) < 0.03 * b.rect.width);
    }
    let [left_eye, right_eye, nose, left_mouth, _] = b.landmarks;
    assert!(left_eye[0] < right_eye[0] && left_eye[1] < nose[1] && nose[1] < left_mouth[1]);
}

#[test]
fn faces_are_listed_largest_first() {
    let mut bench = Bench::new::<FaceDetect>(&config("{}")).unwrap();
    let both = media::beside(&sample("obama3.jpg"), &sample("obama.jpg"));
    let found = faces(&mut bench, &[], still(&both)).faces;
    assert_eq!(found.len(), 2);
    assert!(found[0].rect.area() > found[1].rect.area());
    let wall = Picture::filled(300, 200, [80, 90, 100]);
    assert!(faces(&mut bench, &["photo_id"], wall).faces.is_empty());
}

#[test]
fn sideways_document_gives_the_face_in_picture_coordinates() {
    let mut bench = Bench::new::<FaceDetect>(&config("{}")).unwrap();
    let upright = sample("obama2.jpg");
    let expected = faces(&mut bench, &["photo_id"], still(&upright)).faces[0].clone();
    for (turned, eyes_first) in [(upright.rotate90(), false), (upright.rotate270(), true)] {
        let found = faces(&mut bench, &["photo_id"], still(&turned)).faces[0].clone();
        assert!((found.rect.width / expected.rect.height - 1.0).abs() < 0.1);
        assert_eq!(found.landmarks[0][0] < found.landmarks[3][0], eyes_first);
    }
}

#[test]
fn sideways_selfie_gives_upright_landmarks() {
    let mut bench = Bench::new::<FaceDetect>(&config("{}")).unwrap();
    for name in ["obama.jpg", "biden.jpg"] {
        let upright = sample(name);
        let turned =
            [upright.clone(), upright.rotate90(), upright.rotate180(), upright.rotate270()];
        for (turns, picture) in [0, 3, 2, 1].into_iter().zip(&turned) {
            let found = faces(&mut bench, &["photo_selfie"], still(picture)).faces[0].clone();
            assert_eq!(vultus_vision::turns_to_upright(&found.landmarks), turns, "{name}");
        }
    }
}

#[test]
fn unknown_setting_is_rejected() {
    let failure: Failure = Bench::new::<FaceDetect>(&config(r#"{"score":0.5}"#)).err().unwrap();
    assert_eq!(failure.status, Status::InvalidInput);
}

#[test]
fn no_face_of_lfw_is_missed() {
    let Some(folder) = media::shared("lfw_full_grey") else {
        return;
    };
    let mut bench = Bench::new::<FaceDetect>(&config("{}")).unwrap();
    let mut counted = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let picture = still(&image::open(&path).unwrap());
        assert!(!faces(&mut bench, &[], picture).faces.is_empty(), "{}", path.display());
        counted += 1;
    }
    assert_eq!(counted, 555);
}

/// The models run on an emulated processor of 2008: this program repeats a test there.
#[test]
fn works_without_avx2() {
    let this = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new("qemu-x86_64");
    command
        .args(["-cpu", "Nehalem"])
        .arg(this)
        .args(["--exact", "tests::coordinates_are_in_source_pixels_at_every_size"]);
    let output = command.output().expect("qemu-user, which `make setup` installs, starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}
