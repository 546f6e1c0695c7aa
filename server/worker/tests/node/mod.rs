//! The node's end of the socket, for tests: starts the real worker, compiles plugins in C, waits
//! with deadlines.
#![expect(clippy::unwrap_used, reason = "a failed setup must fail the test")]
#![expect(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::disallowed_methods, reason = "tests start compilers and workers")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::{Value, json};
use vultus_worker_protocol::channel::{Channel, ChannelError};
use vultus_worker_protocol::{
    AnalysisFailure, FromWorker, Judgement, PROTOCOL_VERSION, PluginFile, PluginOrigin,
    RunAnalysis, RunMedium, RunRequest, SandboxLevel, SlottedMedium, ToWorker, WorkerReady,
    WorkerSetup,
};

pub(crate) type Judged = Result<Box<Judgement>, AnalysisFailure>;

/// A worker with the socket to it.
pub(crate) struct Node {
    child: Child,
    channel: Option<Channel>,
}

impl Node {
    /// Starts the real executable and sends its setup.
    pub(crate) fn start(plugins: Vec<PluginFile>) -> Self {
        Self::start_with(plugins, |_| {})
    }

    /// Starts it with a changed setup.
    pub(crate) fn start_with(
        plugins: Vec<PluginFile>,
        change: impl FnOnce(&mut WorkerSetup),
    ) -> Self {
        Self::spawn(&mut Command::new(env!("CARGO_BIN_EXE_vultus-worker")), plugins, change)
    }

    /// Starts it as on a kernel that lacks a system call.
    pub(crate) fn start_without(
        call: libc::c_long,
        plugins: Vec<PluginFile>,
        change: impl FnOnce(&mut WorkerSetup),
    ) -> Self {
        let rules = [(call, Vec::new())].into_iter().collect();
        let machine = std::env::consts::ARCH.try_into().unwrap();
        let (others, this) = (SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32));
        let filter: BpfProgram =
            SeccompFilter::new(rules, others, this, machine).unwrap().try_into().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vultus-worker"));
        // SAFETY: only system calls are made between fork and exec; the filter was built before.
        unsafe {
            command.pre_exec(move || {
                seccompiler::apply_filter(&filter).map_err(|_| std::io::ErrorKind::Other.into())
            })
        };
        Self::spawn(&mut command, plugins, change)
    }

    fn spawn(
        command: &mut Command,
        plugins: Vec<PluginFile>,
        change: impl FnOnce(&mut WorkerSetup),
    ) -> Self {
        let (near, far) = Channel::pair().unwrap();
        let child = command
            .args(["0", &std::process::id().to_string()])
            .env_clear()
            .stdin(Stdio::from(far.into_descriptor()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut node = Self { child, channel: Some(near) };
        let mut setup = WorkerSetup {
            protocol: PROTOCOL_VERSION,
            plugins,
            onnxruntime: Some(path("models/runtime/libonnxruntime.so").display().to_string()),
            weights_dir: Some(path("models/weights").display().to_string()),
            threads: 1,
            limits: json!({}),
            decode: Value::Null,
            memory_bytes: Some(2 << 30),
            cpu_seconds: 60,
            sandbox: SandboxLevel::Required,
            only_describe: false,
        };
        change(&mut setup);
        node.send(&ToWorker::Hello(Box::new(setup)), &[]);
        node
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Closes the socket.
    pub(crate) fn hang_up(&mut self) -> &mut Child {
        self.channel = None;
        &mut self.child
    }

    pub(crate) fn send(&mut self, message: &ToWorker, descriptors: &[OwnedFd]) {
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        self.channel.as_mut().unwrap().send(message, &borrowed).unwrap();
    }

    pub(crate) fn receive(&mut self) -> (FromWorker, Vec<OwnedFd>) {
        self.try_receive().unwrap()
    }

    pub(crate) fn try_receive(&mut self) -> Result<(FromWorker, Vec<OwnedFd>), ChannelError> {
        self.channel.as_mut().unwrap().receive()
    }

    pub(crate) fn ready(&mut self) -> WorkerReady {
        match self.receive().0 {
            FromWorker::Ready(ready) => *ready,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn until(&mut self, found: impl Fn(&FromWorker) -> bool) {
        while !found(&self.receive().0) {}
    }

    /// Sends a run. `media` are names of samples; any other text is sent as the medium's content.
    pub(crate) fn run(&mut self, run: &str, media: &[&str], analyses: &[RunAnalysis]) {
        let opened: Vec<(OwnedFd, u64)> = media
            .iter()
            .map(|name| {
                if name.ends_with(".jpg") {
                    sample(name)
                } else {
                    (bytes(name.as_bytes()), name.len() as u64)
                }
            })
            .collect();
        let described = media.iter().zip(&opened);
        let media = described
            .map(|(name, (_, size))| RunMedium {
                id: (*name).to_owned(),
                byte_size: *size,
                tags: Vec::new(),
                frame: None,
            })
            .collect();
        let request = RunRequest { run: run.to_owned(), media, analyses: analyses.to_vec() };
        let descriptors: Vec<OwnedFd> = opened.into_iter().map(|(file, _)| file).collect();
        self.send(&ToWorker::Run(Box::new(request)), &descriptors);
    }

    /// Runs analyses and returns their results in the order of arrival.
    pub(crate) fn judge(&mut self, media: &[&str], analyses: &[RunAnalysis]) -> Vec<Judged> {
        self.run("r", media, analyses);
        self.judged_until_done()
    }

    pub(crate) fn judged_until_done(&mut self) -> Vec<Judged> {
        let mut all = Vec::new();
        loop {
            match self.receive().0 {
                FromWorker::Judged { result, .. } => all.push(result),
                FromWorker::RunDone { .. } => return all,
                FromWorker::Decoding { .. }
                | FromWorker::Entered { .. }
                | FromWorker::Progress { .. }
                | FromWorker::Log { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An analysis of media of the run, by index.
pub(crate) fn analysis(id: &str, kind: &str, params: Value, media: &[usize]) -> RunAnalysis {
    let slotted = |index: &usize| SlottedMedium {
        index: *index as u32,
        slot: "pictures".to_owned(),
        named: false,
    };
    RunAnalysis {
        id: id.to_owned(),
        kind: kind.to_owned(),
        params,
        media: media.iter().map(slotted).collect(),
        timeout_ms: 20_000,
    }
}

pub(crate) fn sharpness_of(judged: &Judged) -> Value {
    outcome_of(judged.as_ref().unwrap())["result"]["sharpness"].clone()
}

/// The outcome of a judgement.
pub(crate) fn outcome_of(judgement: &Judgement) -> Value {
    serde_json::from_str(&judgement.outcome).unwrap()
}

/// A plugin in C, compiled once for all tests of this process: a worker may open only the file that
/// its setup names, so no other file may replace it.
pub(crate) fn plugin(source: &str) -> PluginFile {
    static COMPILED: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let library = COMPILED
        .lock()
        .unwrap()
        .entry(source.to_owned())
        .or_insert_with(|| compiled(source))
        .clone();
    PluginFile {
        path: library.display().to_string(),
        settings: json!({}),
        origin: PluginOrigin::ThirdParty,
        grants: Vec::new(),
        only_for_features: false,
    }
}

fn compiled(source: &str) -> PathBuf {
    let source = path("analyzers").join(source);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    std::fs::create_dir_all(&folder).unwrap();
    let library = folder.join(format!("lib{}.so", source.file_stem().unwrap().to_str().unwrap()));
    let compiled = Command::new("cc")
        .args(["-std=c11", "-O1", "-shared", "-fPIC", "-I"])
        .arg(path("plugin-api/include"))
        .arg("-o")
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(compiled.success(), "compiling {}", source.display());
    library
}

/// The built-in plugins, which Cargo built for this test.
pub(crate) fn built_in_plugins() -> Vec<PluginFile> {
    let test = std::env::current_exe().unwrap();
    let libraries = ["face_detect", "document", "face_template", "face_match", "liveness"]
        .map(|name| test.with_file_name(format!("libvultus_{name}.so")));
    let file = |library: PathBuf| PluginFile {
        path: library.display().to_string(),
        settings: json!({}),
        origin: PluginOrigin::BuiltIn,
        grants: Vec::new(),
        only_for_features: false,
    };
    libraries.into_iter().map(file).collect()
}

/// The default parameters of an analysis, as the node merges them.
pub(crate) fn default_params(ready: &WorkerReady, kind: &str) -> Value {
    let analyses =
        ready.plugins.iter().flat_map(|plugin| plugin.manifest["analyses"].as_array().unwrap());
    let spec = analyses.into_iter().find(|spec| spec["type"] == kind).unwrap();
    let properties = spec["params_schema"]["properties"].as_object().unwrap();
    let given = properties.iter().filter_map(|(name, schema)| {
        schema.get("default").map(|value| (name.clone(), value.clone()))
    });
    Value::Object(given.collect())
}

/// A path relative to the root of the workspace.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(relative)
        .canonicalize()
        .unwrap_or_else(|error| {
            panic!("{relative} is missing ({error}); `make setup` fetches samples and models")
        })
}

/// A sample picture, with its size in bytes.
pub(crate) fn sample(name: &str) -> (OwnedFd, u64) {
    let file = File::open(path("samples/files").join(name)).unwrap();
    let size = file.metadata().unwrap().len();
    (file.into(), size)
}

/// A file with these bytes.
pub(crate) fn bytes(content: &[u8]) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file.into()
}

/// Opens a descriptor that every child of this process inherits.
pub(crate) fn leak_descriptor_to_children() -> OwnedFd {
    let file = tempfile::tempfile().unwrap();
    // Far above the descriptors that the worker opens itself.
    let leaked = rustix::io::fcntl_dupfd_cloexec(&file, 50).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    leaked
}

/// Whether the child ends within the time limit.
pub(crate) fn ended_within(child: &mut Child, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}
