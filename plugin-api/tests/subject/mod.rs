//! The analyzer that the contract tests call.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use vultus_plugin_api::limits::{MAX_ARTIFACT_BYTES, MAX_RESULT_BYTES};
use vultus_plugin_api::manifest::{
    AnalysisSpec, Encoding, Instances, Manifest, Provided, Scope, Slot, SlotKind,
};
use vultus_plugin_api::{
    Analyzer, Config, Failure, FeatureRequest, Job, LogLevel, Outcome, Resolution, Status, Table,
};

/// An analyzer that does what its parameter `do` says.
pub(crate) struct Subject;

/// Number of computations of `slow/1` by picture width. Each test uses its own width.
pub(crate) static COMPUTED_AT_WIDTH: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

fn spec(kind: &str, pixel_format: &str, max_side: u32, features: &[&str]) -> AnalysisSpec {
    AnalysisSpec {
        kind: kind.into(),
        title: "Test".into(),
        slots: vec![Slot {
            name: "pictures".into(),
            kinds: vec![SlotKind::Image, SlotKind::Video],
            any_tags: vec![],
            all_tags: vec![],
            unless_named_tags: vec![],
            min: 1,
            max: 8,
        }],
        params_schema: json!({"type": "object"}),
        result_schema: json!({}),
        features: features.iter().map(|&name| name.into()).collect(),
        pixel_formats: vec![pixel_format.into()],
        max_side,
        timeout_ms: 1_000,
        deterministic: true,
        ..AnalysisSpec::default()
    }
}

fn provided(feature: &str, scope: Scope, needs: &[&str]) -> Provided {
    Provided {
        feature: feature.into(),
        scope,
        needs: needs.iter().map(|&name| name.into()).collect(),
        optional_needs: Vec::new(),
        restricted: false,
        max_side: 1920,
        ..Provided::default()
    }
}

impl Analyzer for Subject {
    fn manifest() -> Manifest {
        Manifest {
            id: "org.example.subject".into(),
            name: "Subject".into(),
            version: "1.0.0".into(),
            vendor: "Example".into(),
            license: "Apache-2.0".into(),
            analyses: vec![
                spec("subject", "rgb8", 1920, &["slow/1", "sum/1", "circle/1"]),
                spec("gray", "gray8", 8, &[]),
                spec("bgr", "bgr8", 8, &[]),
                AnalysisSpec {
                    track: Some("gray8".into()),
                    ..spec("tracked", "rgb8", 1920, &["levels/1"])
                },
            ],
            provides: vec![
                provided("slow/1", Scope::Frame, &[]),
                provided("sum/1", Scope::Medium, &["slow/1"]),
                provided("circle/1", Scope::Medium, &["circle/1"]),
                provided("unlisted/1", Scope::Frame, &[]),
                Provided {
                    track: Some("rgb8".into()),
                    encoding: Encoding::Table,
                    ..provided("levels/1", Scope::Medium, &[])
                },
            ],
            weights: vec![],
            instances: Instances::default(),
        }
    }

    fn new(config: &Config) -> Result<Self, Failure> {
        match config.settings.get("new").and_then(Value::as_str) {
            Some("panic") => panic!("while opening the model"),
            Some("fail") => Err(Failure::unavailable("the model file is not there")),
            _ => Ok(Self),
        }
    }

    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        let result = match job.params()["do"].as_str() {
            Some("panic") => panic!("at pixel {}", 7),
            Some("fail") => {
                let code = job.params()["status"].as_u64().unwrap_or_default() as u32;
                return Err(Failure::new(Status::from_code(code), "as asked"));
            }
            Some("huge") => json!("x".repeat(MAX_RESULT_BYTES as usize)),
            Some("media") => media_json(job),
            Some("track") => track_json(job),
            Some("levels") => {
                let table = job.medium_feature_table(0, "levels/1")?.expect("we provide it");
                json!(table.rows().collect::<Vec<_>>())
            }
            Some("artifacts") => artifacts_json(job),
            Some("feature") => {
                let name = job.params()["name"].as_str().unwrap_or_default();
                let frame = job.next_frame().expect("the test has a picture");
                job.feature_json(&frame, name)?
            }
            Some("medium_feature") => {
                let name = job.params()["name"].as_str().unwrap_or_default();
                job.medium_feature_json(0, name)?
            }
            _ => frames_json(job),
        };
        if job.is_cancelled() {
            return Err(Failure::cancelled("as the host asked"));
        }
        job.log(LogLevel::Info, "judged");
        job.progress(1.0);
        Ok(Outcome { resolution: Resolution::Success, reasons: vec![], result })
    }

    fn provide(&mut self, job: &Job<'_>, request: &FeatureRequest) -> Result<Vec<u8>, Failure> {
        match request.feature.as_str() {
            "levels/1" => Ok(levels(job, request.medium).to_bytes()),
            "slow/1" => {
                let frame = job.next_frame().expect("the one frame");
                assert!(job.next_frame().is_none(), "no other frame inside provide");
                assert_eq!(Some(frame.index()), request.frame);
                let counter = &COMPUTED_AT_WIDTH[frame.width() as usize];
                counter.fetch_add(1, Ordering::SeqCst);
                Ok(frame.index().to_string().into_bytes())
            }
            "sum/1" => {
                let mut sum = 0;
                while let Some(frame) = job.next_frame() {
                    sum += job.feature_json::<u32>(&frame, "slow/1")?;
                }
                Ok(sum.to_string().into_bytes())
            }
            name => job.medium_feature(request.medium, name),
        }
    }
}

/// Every frame. Reads them twice, with `rewind`, and compares.
fn frames_json(job: &Job<'_>) -> Value {
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let mut frames = Vec::new();
        while let Some(frame) = job.next_frame() {
            frames.push(json!({
                "medium": frame.medium(), "index": frame.index(), "pts": frame.pts_us(),
                "size": [frame.width(), frame.height()],
                "source": [frame.source_width(), frame.source_height()],
                "first": frame.row(0).expect("a row")[..frame.format().bytes_per_pixel()],
            }));
        }
        rounds.push(frames);
        job.rewind();
    }
    assert_eq!(rounds[0], rounds[1], "a rewound iteration is the same");
    json!(rounds[0])
}

fn media_json(job: &Job<'_>) -> Value {
    let media = job.media().iter();
    media
        .map(|m| {
            json!([
                m.index,
                m.slot,
                m.kind,
                m.tags,
                m.width,
                m.height,
                m.duration_us,
                m.frame_count,
                m.named
            ])
        })
        .collect()
}

fn artifacts_json(job: &Job<'_>) -> Value {
    let too_big = vec![0; MAX_ARTIFACT_BYTES as usize + 1];
    let refused = [
        job.artifact("big", "image/jpeg", &too_big),
        job.artifact("../escape", "image/jpeg", b"x"),
        job.artifact("shot.jpg", "no type", b"x"),
    ];
    let mut kept = 0;
    while job.artifact(&format!("shot-{kept}.jpg"), "image/jpeg", b"jpeg").is_ok() {
        kept += 1;
    }
    json!({ "refused": refused.iter().filter(|r| r.is_err()).count(), "kept": kept })
}

/// The track of medium 0, backwards: index, time, size and first pixel of each frame.
fn track_json(job: &Job<'_>) -> Value {
    let count = job.media()[0].track_count;
    assert!(job.track_frame(0, count).is_none() && job.track_frame(9, 0).is_none());
    let frames = (0..count).rev().filter_map(|index| job.track_frame(0, index));
    frames
        .map(|frame| {
            let first = &frame.pixels()[..frame.format().bytes_per_pixel()];
            json!([frame.index(), frame.pts_us(), frame.width(), frame.source_width(), first])
        })
        .collect()
}

/// For each frame of the track: time in seconds, red, green and blue of the first pixel.
fn levels(job: &Job<'_>, medium: u32) -> Table {
    let frames = (0..).map_while(|index| job.track_frame(medium, index));
    let row = |frame: vultus_plugin_api::Frame<'_>| {
        let colours = [0, 1, 2].map(|channel| f32::from(frame.pixels()[channel]));
        [frame.pts_us() as f32 / 1e6, colours[0], colours[1], colours[2]]
    };
    Table::new(4, frames.flat_map(row).collect()).expect("whole rows of finite values")
}
