//! Compiles plugins in C, and is their host.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::{Config, Failure, LogLevel, Outcome, PixelFormat};
use vultus_plugin_host::{FrameView, JobHost, JobMedium, JobRequest, Plugin};

/// A compiled plugin in a temporary folder.
pub(crate) struct Library {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl Library {
    /// Compiles `analyzers/<source>`.
    pub(crate) fn compile(source: &'static str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let library = Self { folder: tempfile::tempdir().expect("a folder"), name: "plugin.so" };
        let status = Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"])
            .arg("-fvisibility=hidden")
            .arg("-I")
            .arg(root.join("plugin-api/include"))
            .arg("-o")
            .arg(library.path())
            .arg(root.join("analyzers").join(source))
            .status()
            .expect("cc runs");
        assert!(status.success(), "cc refuses {source}");
        library
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    pub(crate) fn open(&self) -> Plugin {
        Plugin::open(&self.path()).expect("the plugin opens")
    }
}

/// A host with frames in memory.
#[derive(Default)]
pub(crate) struct TestHost {
    pub(crate) frames: Vec<FrameView>,
    pub(crate) position: usize,
    pub(crate) cancelled: bool,
    pub(crate) artifacts: Vec<(String, String, Vec<u8>)>,
    pub(crate) log: Vec<String>,
    /// Whether log lines are written to standard output at once.
    pub(crate) echo: bool,
}

impl JobHost for TestHost {
    fn next_frame(&mut self) -> Result<Option<FrameView>, Failure> {
        let frame = self.frames.get(self.position).cloned();
        self.position += usize::from(frame.is_some());
        Ok(frame)
    }

    fn rewind(&mut self) {
        self.position = 0;
    }

    fn feature(&mut self, _: u32, _: Option<u32>, name: &str) -> Result<Arc<[u8]>, Failure> {
        Err(Failure::unsupported(format!("no plugin provides {name}")))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    fn deadline_us(&self) -> u64 {
        10_000_000
    }

    fn progress(&mut self, _: f32) {}

    fn log(&mut self, _: LogLevel, message: &str) {
        if self.echo {
            use std::io::Write as _;
            let mut out = std::io::stdout().lock();
            writeln!(out, "\n{message}").and_then(|()| out.flush()).expect("standard output");
        }
        self.log.push(message.to_owned());
    }

    fn artifact(&mut self, name: &str, mime: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.artifacts.push((name.to_owned(), mime.to_owned(), bytes.to_vec()));
        Ok(())
    }
}

/// A picture in luma as frame `index` of `medium`.
pub(crate) fn gray(medium: u32, index: u32, side: u32, luma: impl Fn(u32, u32) -> u8) -> FrameView {
    let pixels: Vec<u8> = (0..side * side).map(|at| luma(at % side, at / side)).collect();
    FrameView {
        medium,
        index,
        format: PixelFormat::Gray8,
        width: side,
        height: side,
        stride: side,
        pixels: Arc::new(pixels),
        pts_us: i64::from(index) * 40_000,
        source_width: side,
        source_height: side,
    }
}

/// One image of one frame.
pub(crate) fn image(index: u32) -> JobMedium {
    JobMedium {
        index,
        slot: "pictures".into(),
        kind: SlotKind::Image,
        tags: vec!["photo_selfie".into()],
        width: 64,
        height: 64,
        duration_us: None,
        frame_count: 1,
        track_count: 0,
        named: true,
    }
}

/// Runs an analysis with a new instance.
pub(crate) fn analyze(
    plugin: &Plugin,
    analysis: &str,
    params: Value,
    media: Vec<JobMedium>,
    host: &mut TestHost,
) -> Result<Outcome, Failure> {
    let request = JobRequest { analysis: analysis.into(), params, media };
    plugin.create(&Config::default())?.analyze(host, &request)
}
