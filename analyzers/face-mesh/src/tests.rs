//! The provider with real models and pictures, through the plugin interface.

use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, Picture};
use vultus_vision::{MeshFrame, mesh_frames};

use crate::{FaceMeshProvider, MESH};

#[path = "../../vision/test-support/media.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod media;

use media::{config, handheld, sample, still};

/// The mean of both corners of the mouth.
fn smile(frame: &MeshFrame) -> f32 {
    let shapes = &frame.mesh.as_ref().expect("a face").blendshapes;
    (shapes[44] + shapes[45]) / 2.0
}

fn meshes(bench: &mut Bench) -> Vec<MeshFrame> {
    mesh_frames(&bench.feature_table(0, None, MESH).unwrap()).unwrap()
}

/// The reference values are those of MediaPipe's own models on the same picture.
#[test]
fn portrait_has_the_reference_expression_and_pose() {
    let mut bench = Bench::new::<FaceMeshProvider>(&config("{}")).unwrap();
    bench.medium(SlotKind::Image, &[], vec![still(&sample("obama.jpg"))]);
    let frames = meshes(&mut bench);
    let [frame] = frames.as_slice() else { panic!("one frame") };
    let mesh = frame.mesh.as_ref().unwrap();
    assert!((mesh.blendshapes[44] - 0.95).abs() < 0.03, "{:?}", mesh.blendshapes);
    assert!((mesh.blendshapes[45] - 0.93).abs() < 0.03, "{:?}", mesh.blendshapes);
    assert!((mesh.rotation.yaw + 1.0).abs() < 1.5, "{:?}", mesh.rotation);
    assert!((mesh.rotation.pitch - 0.6).abs() < 1.5, "{:?}", mesh.rotation);
}

#[test]
fn face_is_followed_through_a_track_and_found_again() {
    let mut bench = Bench::new::<FaceMeshProvider>(&config("{}")).unwrap();
    let mut frames: Vec<Picture> = handheld(&sample("obama.jpg"), 12).iter().map(still).collect();
    let wall = Picture::filled(frames[0].width, frames[0].height, [90; 3]);
    frames[4..7].fill(wall);
    let timed: Vec<Picture> =
        frames.into_iter().enumerate().map(|(i, frame)| frame.at(i as i64 * 66_667)).collect();
    bench.medium(SlotKind::Video, &[], vec![timed[0].clone()]);
    bench.track(0, &timed);
    let meshes = meshes(&mut bench);
    assert_eq!(meshes.len(), 12);
    let lost: Vec<usize> = (0..12).filter(|i| meshes[*i].mesh.is_none()).collect();
    assert!(lost.starts_with(&[4, 5, 6]) && lost.len() <= 8, "{lost:?}");
    assert!(meshes[11].mesh.is_some());
    let rect = meshes[1].mesh.as_ref().unwrap().rect();
    let (width, height) = (timed[0].width as f32, timed[0].height as f32);
    let [x, y] = rect.centre();
    assert!((0.4..0.7).contains(&(x / width)) && (0.1..0.4).contains(&(y / height)), "{rect:?}");
}

#[test]
fn smile_tells_happy_from_neutral_faces() {
    let Some(folder) = media::shared("expressions.csv") else { return };
    let list = std::fs::read_to_string(&folder).unwrap();
    let mut bench = Bench::new::<FaceMeshProvider>(&config("{}")).unwrap();
    let (mut happy, mut other) = (Vec::new(), Vec::new());
    for line in list.lines().skip(1) {
        let (image, label) = line.rsplit_once(',').unwrap();
        let path = folder.with_file_name("expressions").join(image);
        bench.clear_media();
        bench.medium(SlotKind::Image, &[], vec![still(&image::open(path).unwrap())]);
        let score = smile(&meshes(&mut bench)[0]);
        match label {
            "happiness" => happy.push(score),
            "neutral" => other.push(score),
            _ => {}
        }
    }
    let pairs = happy.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let wins: f32 = pairs
        .map(|(a, b)| {
            if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    let area = wins / (happy.len() * other.len()) as f32;
    assert!(area >= 0.95, "{area} of {} and {}", happy.len(), other.len());
}
