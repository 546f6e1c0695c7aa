//! The provider with real models and pictures, through the plugin interface.

use vultus_face_detect::FaceDetect;
use vultus_plugin_api::Status;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, Picture};
use vultus_vision::{FaceTemplates, FaceTrack, cosine};

use crate::{ALIGNED_TEMPLATE, FaceTemplateProvider, TEMPLATE, TRACK};

#[path = "../../vision/test-support/media.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod media;

use media::{clip, config, handheld, sample, still};

fn bench(settings: &str) -> Bench {
    let mut bench = Bench::new::<FaceTemplateProvider>(&config(settings)).unwrap();
    bench.provider_with::<FaceDetect>(&config("{}")).unwrap();
    bench
}

fn track(bench: &mut Bench, pictures: Vec<Picture>) -> FaceTrack {
    bench.clear_media().medium(SlotKind::Video, &["video_selfie"], pictures);
    serde_json::from_value(bench.feature(0, None, TRACK).unwrap()).unwrap()
}

fn template(bench: &mut Bench, name: &str) -> Vec<f32> {
    bench.clear_media().medium(SlotKind::Image, &[], vec![still(&sample(name))]);
    let templates = bench.feature(0, Some(0), TEMPLATE).unwrap();
    let mut templates: FaceTemplates = serde_json::from_value(templates).unwrap();
    templates.templates.remove(0).vector
}

#[test]
fn templates_separate_people() {
    for (settings, length) in [("{}", 128), (r#"{"model":"fr_feature"}"#, 512)] {
        let mut bench = bench(settings);
        let [a, b, c] = ["obama.jpg", "obama3.jpg", "biden.jpg"].map(|n| template(&mut bench, n));
        assert_eq!(a.len(), length);
        assert!((cosine(&a, &a) - 1.0).abs() < 1e-4);
        assert!(cosine(&a, &b) > 0.5, "{settings} {}", cosine(&a, &b));
        assert!(cosine(&a, &c) < 0.3, "{settings} {}", cosine(&a, &c));
    }
}

#[test]
fn track_of_one_person_has_no_change() {
    let mut bench = bench("{}");
    let track = track(&mut bench, clip(&handheld(&sample("obama.jpg"), 12)));
    assert_eq!(track.frames.len(), 12);
    assert_eq!(track.face_counts, [1; 12]);
    assert!(track.frames.iter().all(|f| f.template.is_some()));
    assert!(track.missing.is_empty() && track.changes.is_empty() && !track.broken);
    let lowest = track.frames.iter().filter_map(|f| f.similarity_to_previous).fold(1.0, f32::min);
    assert!(lowest > 0.8, "{lowest}");
}

#[test]
fn frame_with_a_jump_is_embedded_beyond_the_budget() {
    let mut bench = bench(r#"{"max_embedded":8}"#);
    let mut frames = handheld(&sample("obama.jpg"), 24);
    frames[4] = sample("biden.jpg");
    let track = track(&mut bench, clip(&frames));
    let embedded = track.frames.iter().filter(|f| f.template.is_some()).count();
    assert!((8..=12).contains(&embedded), "{embedded}");
    assert!(track.changes.contains(&4), "{:?}", track.changes);
}

#[test]
fn turning_head_is_one_person_in_real_video() {
    let Some(folder) = media::shared("videos") else {
        return;
    };
    let frames = media::video_frames(&folder.join("head_turn_woman.mp4"), 480, 270);
    assert!(frames.len() > 20);
    for model in ["sface", "fr_feature"] {
        let mut bench = bench(&format!(r#"{{"model":"{model}"}}"#));
        for step in [1, 2, 3] {
            let chosen: Vec<_> = frames.iter().step_by(step).cloned().collect();
            let track = track(&mut bench, clip(&chosen));
            let similarities: Vec<_> = track
                .frames
                .iter()
                .map(|f| (f.similarity_to_previous, f.similarity_to_subject))
                .collect();
            assert!(track.changes.is_empty(), "{model} {step} {similarities:?}");
            let lowest =
                similarities.iter().filter_map(|(previous, _)| *previous).fold(1.0, f32::min);
            assert!(lowest > 0.5, "{model} {step} {lowest}");
        }
    }
}

#[test]
fn picture_of_another_size_is_not_an_aligned_face() {
    let mut bench = bench("{}");
    bench.medium(SlotKind::Image, &[], vec![Picture::filled(112, 113, [1, 2, 3])]);
    let failure = bench.feature(0, Some(0), ALIGNED_TEMPLATE).unwrap_err();
    assert_eq!(failure.status, Status::InvalidInput);
}
