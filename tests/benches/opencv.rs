//! Measures detection, alignment and embedding of a photo against OpenCV's FaceDetectorYN and
//! FaceRecognizerSF: same weights, longest side 320, one thread, at least 300 photos, each measured
//! by both sides in turn. Decoding is not counted.
//!
//! OpenCV runs SFace in two forms: the installed file, and the file before the PRelu rewrite, which
//! is made for ONNX Runtime. The faster one counts. OpenCV cannot run the packaged file, whose
//! weights are packed.

mod models;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Instant;
use vultus_models::RewriteStep;
use vultus_models::rewrite::rewrite;
use vultus_tests::measure::{Figure, exit_code, median, print_figures};
use vultus_tests::{sample_path, workspace_root};
use vultus_vision::{AlignedFace, Channels, EmbeddingModel, FaceDetector, FaceEmbedder, PixelView};

const PHOTOS: usize = 300;
/// Maximum ratio of the median times.
const BAR: f64 = 1.05;
const INPUT_SIDE: u32 = 320;
/// Rounds that are not counted, while buffers and caches fill.
const WARM_UP: usize = 10;

fn main() -> ExitCode {
    let photos = photos();
    let mut ours = Ours::open();
    let mut theirs = Theirs::start();
    let mut our_times = Vec::new();
    let mut their_times: [Vec<f64>; 2] = Default::default();
    for (round, path) in photos.iter().cycle().take(WARM_UP + PHOTOS.max(photos.len())).enumerate()
    {
        let (our_time, both_times) = (ours.measure(path), theirs.measure(path));
        if let (Some(our_time), Some(both_times), true) = (our_time, both_times, round >= WARM_UP) {
            our_times.push(our_time);
            their_times.iter_mut().zip(both_times).for_each(|(times, time)| times.push(time));
        }
    }
    assert!(
        our_times.len() >= PHOTOS,
        "faces were found in only {} photos by both",
        our_times.len()
    );
    let version = theirs.version.clone();
    let a = median(&mut our_times);
    let [same, before] = their_times.each_mut().map(|times| median(times));
    let b = same.min(before);
    let figures = [
        Figure::plain("photos measured by both", our_times.len().to_string()),
        Figure::plain("ours, median", format!("{a:.1} ms")),
        Figure::plain(&format!("OpenCV {version}, our file, median"), format!("{same:.1} ms")),
        Figure::plain(
            &format!("OpenCV {version}, before the PRelu rewrite, median"),
            format!("{before:.1} ms"),
        ),
        Figure::against(
            "ratio of medians, to the better of the two",
            format!("{:.3}", a / b),
            "≤ 1.05",
            a / b <= BAR,
        ),
    ];
    exit_code(print_figures("Detect + align + embed, one thread", &figures))
}

/// The LFW pictures if they are present, else the sample portraits.
fn photos() -> Vec<PathBuf> {
    let lfw = workspace_root().join("../shared/testdata/lfw_full_grey");
    if let Ok(folder) = std::fs::read_dir(&lfw) {
        let mut files: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
        files.sort();
        // A tenth more than needed, as in some pictures one side finds no face.
        files.truncate(PHOTOS + PHOTOS / 10);
        return files;
    }
    ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample_path).to_vec()
}

fn weights(name: &str) -> PathBuf {
    workspace_root().join("models/weights").join(name)
}

struct Ours {
    detector: FaceDetector,
    embedder: FaceEmbedder,
    aligned: AlignedFace,
}

impl Ours {
    fn open() -> Self {
        let options = models::options();
        Self {
            detector: FaceDetector::open(&options).expect("the detector can be opened"),
            embedder: FaceEmbedder::open(&options, EmbeddingModel::Sface)
                .expect("the embedder can be opened"),
            aligned: AlignedFace::default(),
        }
    }

    fn measure(&mut self, path: &Path) -> Option<f64> {
        let file = std::fs::File::open(path).expect("a photo can be opened");
        let size = file.metadata().expect("a photo has a size").len();
        let limits = vultus_media::Limits::default();
        let frames =
            vultus_media::decode(file, size, &limits, vultus_media::DecodeOptions::default())
                .expect("a photo can be decoded");
        let frame = &frames.frames[0];
        let begun = Instant::now();
        let view = PixelView::new(
            &frame.rgb,
            frame.width,
            frame.height,
            frame.width as usize * 3,
            Channels::Rgb,
        )
        .expect("a frame is whole");
        let faces = self.detector.find_at(&view, INPUT_SIDE).expect("the detector runs");
        let face = faces.first()?;
        self.aligned.cut(&view, &face.landmarks).expect("a face can be aligned");
        self.embedder.embed(&self.aligned).expect("the embedder runs");
        Some(begun.elapsed().as_secs_f64() * 1000.0)
    }
}

/// Writes SFace with unpacked weights and no other change. Returns its path.
fn unpacked_sface() -> PathBuf {
    let packaged = std::fs::read(weights("packaged/face_recognition_sface.onnx"))
        .expect("the packaged model is installed");
    let unpacked =
        rewrite(&packaged, &[RewriteStep::UnpackWeights]).expect("its weights can be unpacked");
    let path = workspace_root().join("target/opencv/face_recognition_sface_unpacked.onnx");
    std::fs::write(&path, unpacked).expect("the unpacked model can be written");
    path
}

struct Theirs {
    child: Child,
    answers: BufReader<ChildStdout>,
    version: String,
}

impl Theirs {
    fn start() -> Self {
        let mut child = Command::new("python3")
            .env("PYTHONPATH", workspace_root().join("target/opencv"))
            .arg(workspace_root().join("scripts/bench_opencv.py"))
            .arg(weights("face_detection_yunet.onnx"))
            .arg(weights("face_recognition_sface.onnx"))
            .arg(unpacked_sface())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 can be started");
        let mut answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut version = String::new();
        answers.read_line(&mut version).expect("OpenCV answers");
        assert!(!version.is_empty(), "OpenCV did not start; `make bench` installs it");
        Self { child, answers, version: version.trim().to_owned() }
    }

    /// The times with the installed file, and with the file before the rewrite.
    fn measure(&mut self, path: &Path) -> Option<[f64; 2]> {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{}", path.display()).expect("OpenCV takes a photo");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("OpenCV answers");
        let mut times = line.split_whitespace().map(|time| time.parse().ok());
        Some([times.next()??, times.next()??])
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
