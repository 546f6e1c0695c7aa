//! Measures `check` of one identity document at 1080p on one core, with and without the visual
//! zone, and the peak memory of the worker. Times are also given as multiples of one call of the
//! text detector, which alternates with the checks. The pictures are a passport drawn here and, if
//! they are present, the labelled pictures beside the project.

#[path = "../../analyzers/document/test-support/specimen.rs"]
#[expect(dead_code, reason = "shared by the tests of several crates, each of which uses a part")]
mod specimen;

mod models;

use image::imageops::{self, FilterType};
use image::{RgbImage, load_from_memory};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use specimen::{Specimen, photographed};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use vultus_tests::measure::{Figure, exit_code, median, peak_memory, print_figures, quantile};
use vultus_tests::{Client, Node, NodeOptions, id_photo, jpeg, large_suites, media_input, sample};
use vultus_vision::Model;

const ROUNDS: usize = 9;
/// Size of the pictures, in pixels.
const SIZE: [u32; 2] = [1920, 1080];
/// Size at which the analyzer detects text in such a picture: rows and columns.
const DETECTION: [usize; 2] = [544, 960];
const DETECTOR: &str = "ppocr_v4_det.onnx";
/// Maximum seconds for zone, portrait and checks, and for these with the visual zone.
const BARS: [f64; 2] = [1.2, 3.5];
/// Maximum memory of the worker, in megabytes.
const MEMORY_BAR: f64 = 600.0;
const CHECK: &str = "mutation($input: CheckInput!) { check(input: $input) {
  analyses { state document { mrz { valid } portrait { confidence } } }
} }";

fn main() -> ExitCode {
    // Child processes inherit the affinity: client, node and worker share one core.
    let mut core = CpuSet::new();
    core.set(0);
    sched_setaffinity(None, &core).expect("the affinity can be set");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be started");
    let figures = runtime.block_on(measure());
    exit_code(print_figures("One document at 1080p, on one core", &figures))
}

async fn measure() -> Vec<Figure> {
    let config = "[log]\nlevel = \"warn\"\n[workers]\ncount = 1\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let mut detector = Detector::open();
    let passport = jpeg(&passport());
    let mut drawn = Times::default();
    // The first round opens models and fills caches; its times are dropped.
    drawn.round(&client, &mut detector, &passport).await;
    drawn = Times::default();
    for _ in 0..ROUNDS {
        let checked = drawn.round(&client, &mut detector, &passport).await;
        assert_eq!(checked["mrz"]["valid"], true, "the passport is read: {checked}");
        assert!(!checked["portrait"].is_null(), "the portrait is found: {checked}");
    }
    let mut labelled = Times::default();
    if let Some(folder) = large_suites() {
        for picture in pictures(&folder.join("documents")) {
            labelled.round(&client, &mut detector, &picture).await;
        }
    }
    let mut figures = drawn.figures("drawn passport");
    if labelled.detection.is_empty() {
        figures.push(Figure::plain("labelled pictures", "none here"));
    } else {
        figures
            .extend(labelled.figures(&format!("{} labelled pictures", labelled.detection.len())));
    }
    let peak = node.workers().into_iter().map(peak_memory).max().unwrap_or_default() as f64 / 1e6;
    figures.push(Figure::against(
        "peak memory of the worker",
        format!("{peak:.0} MB"),
        "≤ 600 MB",
        peak <= MEMORY_BAR,
    ));
    figures
}

/// Times of all rounds, in seconds.
#[derive(Default)]
struct Times {
    detection: Vec<f64>,
    /// Checks without and with the visual zone.
    check: [Vec<f64>; 2],
}

impl Times {
    /// Measures one call of each kind. Returns the document of the last check.
    async fn round(&mut self, client: &Client, detector: &mut Detector, picture: &[u8]) -> Value {
        self.detection.push(detector.seconds());
        let mut document = Value::Null;
        for (times, visual_zone) in self.check.iter_mut().zip([false, true]) {
            let analyses = json!([{"type": "document", "params": {"visualZone": visual_zone}}]);
            let (variables, files) =
                media_input(&[id_photo(picture.to_vec())], json!({"analyses": analyses}));
            let begun = Instant::now();
            let checked = client.upload_data(CHECK, variables, files).await;
            times.push(begun.elapsed().as_secs_f64());
            document = checked["check"]["analyses"][0]["document"].clone();
        }
        document
    }

    fn figures(&self, of: &str) -> Vec<Figure> {
        let detection = median(&mut self.detection.clone());
        let mut figures = vec![Figure::plain(
            &format!("{of}: one text detection, p50"),
            format!("{:.0} ms", detection * 1e3),
        )];
        let names = ["zone, portrait and checks", "with the visual zone"];
        for ((times, name), bar) in self.check.iter().zip(names).zip(BARS) {
            for (share, called) in [(0.5, "p50"), (1.0, "slowest")] {
                let taken = quantile(&mut times.clone(), share);
                let measured = format!("{taken:.2} s ({:.1} ×)", taken / detection);
                figures.push(Figure::against(
                    &format!("{of}: {name}, {called}"),
                    measured,
                    &format!("≤ {bar} s"),
                    taken <= bar,
                ));
            }
        }
        figures
    }
}

/// The text detector, called as the analyzer calls it.
struct Detector {
    model: Model,
    tensor: Vec<f32>,
}

impl Detector {
    fn open() -> Self {
        let model =
            Model::open(&models::options(), DETECTOR).expect("the text detector can be opened");
        let small = imageops::resize(
            &passport(),
            DETECTION[1] as u32,
            DETECTION[0] as u32,
            FilterType::Triangle,
        );
        let planes = [2, 1, 0].map(|channel| {
            small.pixels().map(move |pixel| f32::from(pixel.0[channel]) / 127.5 - 1.0)
        });
        Self { model, tensor: planes.into_iter().flatten().collect() }
    }

    fn seconds(&mut self) -> f64 {
        let [rows, columns] = DETECTION;
        let begun = Instant::now();
        self.model
            .run([1, 3, rows, columns], &self.tensor, |_| Ok(()))
            .expect("the text detector runs");
        begun.elapsed().as_secs_f64()
    }
}

/// A passport on a table that fills most of the picture.
fn passport() -> RgbImage {
    let portrait =
        load_from_memory(&sample("obama.jpg")).expect("the sample is a picture").to_rgb8();
    let page = Specimen::passport().draw(Some(&portrait));
    photographed(
        &page,
        SIZE[0],
        SIZE[1],
        [[340.0, 60.0], [1570.0, 80.0], [1590.0, 1010.0], [320.0, 980.0]],
    )
}

/// All pictures of a folder, scaled to fit `SIZE`.
fn pictures(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("the labelled pictures can be listed");
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("the labelled pictures can be listed").path()).collect();
    files.sort();
    let fitted = |file: &std::path::PathBuf| {
        let picture = image::open(file).expect("a labelled picture can be read").to_rgb8();
        let factor =
            (SIZE[0] as f32 / picture.width() as f32).min(SIZE[1] as f32 / picture.height() as f32);
        let side = |length: u32| ((length as f32 * factor) as u32).max(1);
        jpeg(&imageops::resize(
            &picture,
            side(picture.width()),
            side(picture.height()),
            FilterType::CatmullRom,
        ))
    };
    files.iter().map(fitted).collect()
}
