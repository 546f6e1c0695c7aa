//! The guarantees for an analyzer in Rust, tested through the same table of C functions that a
//! worker calls.

mod subject;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use vultus_plugin_api::calling::{Entry, FrameView, JobHost, JobRequest};
use vultus_plugin_api::limits::MAX_ARTIFACTS;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::testing::{Bench, Picture};
use vultus_plugin_api::{Config, Failure, JobMedium, LogLevel, PixelFormat, Status};

use subject::{COMPUTED_AT_WIDTH, Subject};

fn bench_with_pictures(width: u32) -> Bench {
    let mut bench = Bench::new::<Subject>(&Config::default()).expect("new does nothing");
    let picture = |red: u8| Picture::filled(width, 10, [red, 20, 30]);
    bench.medium(SlotKind::Image, &["photo_selfie"], vec![picture(1)]);
    let clip = vec![picture(2).at(0), picture(3).at(40_000), picture(4).at(80_000)];
    bench.unnamed_medium(SlotKind::Video, &["video_selfie", "x_own"], clip);
    bench
}

#[test]
fn panic_becomes_status_6_and_the_next_call_works() {
    let bench = bench_with_pictures(20);
    let failure = bench.run("subject", json!({"do": "panic"})).unwrap_err();
    assert_eq!(failure, Failure::new(Status::Panic, "the plugin panicked: at pixel 7"));
    assert!(bench.run("subject", json!({})).is_ok());
}

#[test]
fn panic_or_failure_of_new_is_returned_with_its_message() {
    let with = |what: &str| {
        let settings = [("new".to_owned(), json!(what))].into_iter().collect();
        Bench::new::<Subject>(&Config { settings, ..Config::default() }).map(drop).unwrap_err()
    };
    assert_eq!(with("panic").status, Status::Panic);
    assert_eq!(with("fail"), Failure::unavailable("the model file is not there"));
}

#[test]
fn every_failure_keeps_its_status_and_message() {
    let bench = bench_with_pictures(20);
    for code in 1..=7 {
        let failure = bench.run("subject", json!({"do": "fail", "status": code})).unwrap_err();
        assert_eq!((failure.status.code(), failure.message.as_str()), (code, "as asked"));
    }
}

#[test]
fn frames_come_medium_by_medium_with_time_and_size() {
    let run = bench_with_pictures(20).run("subject", json!({})).unwrap();
    let expected: Value = [(0, 0, 0, 1), (1, 0, 0, 2), (1, 1, 40_000, 3), (1, 2, 80_000, 4)]
        .into_iter()
        .map(|(medium, index, pts, red)| {
            json!({
                "medium": medium, "index": index, "pts": pts, "size": [20, 10], "source": [20, 10],
                "first": [red, 20, 30],
            })
        })
        .collect();
    assert_eq!(run.outcome.result, expected);
    assert_eq!(run.log, [(LogLevel::Info, "judged".to_owned())]);
}

#[test]
fn frames_are_scaled_and_converted_to_the_first_format() {
    let bench = bench_with_pictures(20);
    let first = |analysis| bench.run(analysis, json!({})).unwrap().outcome.result[0].clone();
    let gray = first("gray");
    assert_eq!((&gray["size"], &gray["source"]), (&json!([8, 4]), &json!([20, 10])));
    // 0.299 * 1 + 0.587 * 20 + 0.114 * 30 = 15.46
    assert_eq!(gray["first"], json!([15]));
    assert_eq!(first("bgr")["first"], json!([30, 20, 1]));
}

#[test]
fn media_cross_the_abi_unchanged() {
    let run = bench_with_pictures(20).run("subject", json!({"do": "media"})).unwrap();
    let expected = json!([
        [0, "pictures", "IMAGE", ["photo_selfie"], 20, 10, null, 1, true],
        [1, "pictures", "VIDEO", ["video_selfie", "x_own"], 20, 10, 80_000, 3, false],
    ]);
    assert_eq!(run.outcome.result, expected);
}

#[test]
fn feature_is_computed_once_even_for_another_feature() {
    let bench = bench_with_pictures(33);
    for _ in 0..2 {
        assert_eq!(bench.feature(1, None, "sum/1").unwrap(), json!(1 + 2));
    }
    assert_eq!(bench.feature(1, Some(2), "slow/1").unwrap(), json!(2));
    let run = bench.run("subject", json!({"do": "feature", "name": "slow/1"})).unwrap();
    assert_eq!(run.outcome.result, json!(0));
    assert_eq!(COMPUTED_AT_WIDTH[33].load(Ordering::SeqCst), 4, "one per frame");
}

#[test]
fn unlisted_feature_is_refused() {
    let bench = bench_with_pictures(20);
    let ask = |name: &str| bench.run("subject", json!({"do": "feature", "name": name}));
    let failure = ask("unlisted/1").unwrap_err();
    assert_eq!(failure.status, Status::Unsupported, "{failure}");
    let wrong_scope = ask("sum/1").unwrap_err();
    assert_eq!(wrong_scope.status, Status::InvalidInput, "{wrong_scope}");
}

#[test]
fn a_feature_that_needs_itself_is_a_failure_not_a_hang() {
    let bench = bench_with_pictures(20);
    let run = bench.run("subject", json!({"do": "medium_feature", "name": "circle/1"}));
    let failure = run.unwrap_err();
    assert!(failure.message.contains("circle/1 depends on itself"), "{failure}");
}

fn bench_with_track() -> Bench {
    let mut bench = Bench::new::<Subject>(&Config::default()).expect("new does nothing");
    bench.medium(SlotKind::Video, &[], vec![Picture::filled(960, 100, [1, 2, 3])]);
    let frame = |level: u8| Picture::filled(960, 100, [level; 3]).at(i64::from(level) * 1000);
    bench.track(0, &[frame(10), frame(20), frame(30)]);
    bench
}

#[test]
fn track_comes_in_the_format_that_the_manifest_names() {
    let run = bench_with_track().run("tracked", json!({"do": "track"})).unwrap();
    let expected = json!([
        [2, 30_000, 480, 960, [30]],
        [1, 20_000, 480, 960, [20]],
        [0, 10_000, 480, 960, [10]],
    ]);
    assert_eq!(run.outcome.result, expected);
}

#[test]
fn track_is_null_for_a_manifest_that_asks_for_none() {
    let run = bench_with_track().run("subject", json!({"do": "track"})).unwrap();
    assert_eq!(run.outcome.result, json!([]));
}

#[test]
fn binary_feature_arrives_as_a_table() {
    let run = bench_with_track().run("tracked", json!({"do": "levels"})).unwrap();
    let row = |level: f32| json!([level / 1000.0, level, level, level]);
    assert_eq!(run.outcome.result, json!([row(10.0), row(20.0), row(30.0)]));
}

#[test]
fn artifacts_over_the_limits_are_refused() {
    let run = bench_with_pictures(20).run("subject", json!({"do": "artifacts"})).unwrap();
    assert_eq!(run.outcome.result, json!({ "refused": 3, "kept": MAX_ARTIFACTS }));
    assert_eq!(run.artifacts.len(), MAX_ARTIFACTS);
    assert_eq!(run.artifacts[0].bytes, b"jpeg");
}

#[test]
fn a_result_over_4_mib_is_refused() {
    let failure = bench_with_pictures(20).run("subject", json!({"do": "huge"})).unwrap_err();
    assert_eq!(failure.status, Status::Internal);
    assert!(failure.message.contains("at most 4194304 are accepted"), "{failure}");
}

#[test]
fn an_analyzer_sees_that_it_is_cancelled() {
    let mut bench = bench_with_pictures(20);
    let failure = bench.cancel().run("subject", json!({})).unwrap_err();
    assert_eq!(failure.status, Status::Cancelled);
}

/// A host that is broken in the way that the field says.
struct BrokenHost(Broken);

#[derive(Clone, Copy)]
enum Broken {
    Fails,
    Panics,
    TooFewPixels,
}

impl JobHost for BrokenHost {
    fn next_frame(&mut self) -> Result<Option<FrameView>, Failure> {
        match self.0 {
            Broken::Fails => Err(Failure::unavailable("the decoder is gone")),
            Broken::Panics => panic!("in the host"),
            Broken::TooFewPixels => Ok(Some(FrameView {
                medium: 0,
                index: 0,
                format: PixelFormat::Rgb8,
                width: 4,
                height: 4,
                stride: 12,
                pixels: Arc::new(vec![0; 47]),
                pts_us: 0,
                source_width: 4,
                source_height: 4,
            })),
        }
    }
    fn rewind(&mut self) {}
    fn feature(&mut self, _: u32, _: Option<u32>, _: &str) -> Result<Arc<[u8]>, Failure> {
        Err(Failure::unsupported("none"))
    }
    fn is_cancelled(&self) -> bool {
        false
    }
    fn deadline_us(&self) -> u64 {
        1_000_000
    }
    fn progress(&mut self, _: f32) {}
    fn log(&mut self, _: LogLevel, _: &str) {}
    fn artifact(&mut self, _: &str, _: &str, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

fn analyze_with(broken: Broken) -> Result<Vec<u8>, Failure> {
    let table = vultus_plugin_api::plugin::<Subject>();
    // SAFETY: a table of this program.
    let entry = unsafe { Entry::read(&table) }.expect("our own table");
    let medium = JobMedium {
        index: 0,
        slot: "pictures".into(),
        kind: SlotKind::Image,
        tags: vec![],
        width: 4,
        height: 4,
        duration_us: None,
        frame_count: 1,
        track_count: 0,
        named: true,
    };
    let request = JobRequest { analysis: "subject".into(), params: json!({}), media: vec![medium] };
    entry.create(&Config::default())?.analyze(&mut BrokenHost(broken), &request)
}

#[test]
fn host_failure_overrides_plugin_success() {
    let failure = analyze_with(Broken::Fails).unwrap_err();
    assert_eq!(failure, Failure::unavailable("the decoder is gone"));
}

#[test]
fn a_frame_with_too_few_pixels_never_reaches_the_plugin() {
    let failure = analyze_with(Broken::TooFewPixels).unwrap_err();
    assert_eq!(failure.message, "frame 0 of medium 0 has too few pixels for its size");
}

#[test]
fn host_panic_propagates_past_the_plugin() {
    let caught = std::panic::catch_unwind(|| analyze_with(Broken::Panics)).unwrap_err();
    assert_eq!(caught.downcast_ref::<&str>(), Some(&"in the host"));
}
