//! The obligations of host and plugin at the ABI, tested with a hand-written table of C functions
//! that count their calls.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use serde_json::{Value, json};
use vultus_plugin_api::calling::{Entry, FrameView, JobHost, JobRequest, RawInstance};
use vultus_plugin_api::manifest::SlotKind;
use vultus_plugin_api::{
    Analyzer, Config, Failure, Job, JobMedium, LogLevel, Manifest, Outcome, PixelFormat,
    Resolution, abi,
};

/// Numbers of calls to the functions of a test's table.
struct Counters {
    created: AtomicU32,
    destroyed: AtomicU32,
    released: AtomicU32,
}

impl Counters {
    const fn new() -> Self {
        Self {
            created: AtomicU32::new(0),
            destroyed: AtomicU32::new(0),
            released: AtomicU32::new(0),
        }
    }
}

/// A table whose functions count in `$counters` and whose `analyze` runs `$analyze`.
macro_rules! table {
    ($counters:ident, $create:expr, $analyze:expr) => {{
        unsafe extern "C" fn release(_: *mut abi::Buf) {
            $counters.released.fetch_add(1, SeqCst);
        }
        unsafe extern "C" fn manifest_json(_: *mut abi::Buf) -> u32 {
            abi::STATUS_OK
        }
        unsafe extern "C" fn create(
            _: abi::Bytes,
            instance: *mut *mut c_void,
            _: *mut abi::Buf,
        ) -> u32 {
            $counters.created.fetch_add(1, SeqCst);
            // SAFETY: the host passes a pointer that is valid for writing.
            unsafe { *instance = $create };
            abi::STATUS_OK
        }
        unsafe extern "C" fn destroy(_: *mut c_void) {
            $counters.destroyed.fetch_add(1, SeqCst);
        }
        unsafe extern "C" fn analyze(
            _: *mut c_void,
            job: *const abi::Job,
            out: *mut abi::Buf,
        ) -> u32 {
            let analyze: fn(*const abi::Job) -> (u32, *mut u8, u64) = $analyze;
            let (status, ptr, len) = analyze(job);
            // SAFETY: the host passes a pointer that is valid for writing.
            unsafe { *out = abi::Buf { ptr, len, cap: 0, release: Some(release) } };
            status
        }
        let table = abi::Plugin {
            manifest_json: Some(manifest_json),
            create: Some(create),
            destroy: Some(destroy),
            analyze: Some(analyze),
            provide: None,
            ..vultus_plugin_api::plugin::<Nothing>()
        };
        // SAFETY: a table of this program.
        unsafe { Entry::read(&table) }.expect("the header is our own")
    }};
}

/// Static text, as a plugin returns it.
fn constant(text: &'static str) -> (*mut u8, u64) {
    (text.as_ptr().cast_mut(), text.len() as u64)
}

const SOME: *mut c_void = std::ptr::dangling_mut::<u8>().cast();

/// An analyzer that returns what the host passed to it.
struct Nothing;

impl Analyzer for Nothing {
    fn manifest() -> Manifest {
        Manifest::default()
    }
    fn new(_: &Config) -> Result<Self, Failure> {
        Ok(Self)
    }
    fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
        for fraction in [0.5, 7.0, -1.0, f32::NAN, f32::INFINITY] {
            job.progress(fraction);
        }
        let mut frames = Vec::new();
        while let Some(frame) = job.next_frame() {
            frames.push(json!([
                frame.medium(),
                frame.index(),
                frame.width(),
                frame.row(0).map(<[u8]>::to_vec)
            ]));
        }
        let media: Vec<Value> =
            job.media().iter().map(|m| json!([m.index, m.slot, m.tags, m.frame_count])).collect();
        let extension = !job.extension("org.example.unknown/1").is_null();
        let track = job.track_frame(0, 0).is_some();
        let result =
            json!({ "media": media, "frames": frames, "extension": extension, "track": track });
        Ok(Outcome { resolution: Resolution::Success, reasons: vec![], result })
    }
}

/// A host with two media of two grey pixels.
#[derive(Default)]
struct Recorder {
    given: u32,
    progress: Vec<f32>,
    log: Vec<String>,
}

impl JobHost for Recorder {
    fn next_frame(&mut self) -> Result<Option<FrameView>, Failure> {
        let medium = self.given;
        self.given += 1;
        Ok((medium < 2).then(|| FrameView {
            medium,
            index: 0,
            format: PixelFormat::Gray8,
            width: 2,
            height: 1,
            stride: 2,
            pixels: Arc::new(vec![medium as u8, 9]),
            pts_us: 0,
            source_width: 2,
            source_height: 1,
        }))
    }
    fn rewind(&mut self) {
        self.given = 0;
    }
    fn feature(&mut self, _: u32, _: Option<u32>, name: &str) -> Result<Arc<[u8]>, Failure> {
        Err(Failure::unsupported(name))
    }
    fn is_cancelled(&self) -> bool {
        false
    }
    fn deadline_us(&self) -> u64 {
        1
    }
    fn progress(&mut self, fraction: f32) {
        self.progress.push(fraction);
    }
    fn log(&mut self, _: LogLevel, message: &str) {
        self.log.push(message.to_owned());
    }
    fn artifact(&mut self, _: &str, _: &str, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
}

fn request() -> JobRequest {
    let medium = |index: u32| JobMedium {
        track_count: 0,
        index,
        slot: format!("slot{index}"),
        kind: SlotKind::Image,
        tags: vec![format!("tag{index}")],
        width: 2,
        height: 1,
        duration_us: None,
        frame_count: 1,
        named: true,
    };
    JobRequest { analysis: "nothing".into(), params: json!({}), media: vec![medium(0), medium(1)] }
}

fn judge(instance: &mut RawInstance) -> Result<Vec<u8>, Failure> {
    instance.analyze(&mut Recorder::default(), &request())
}

#[test]
fn each_result_and_message_is_released_exactly_once() {
    static COUNTERS: Counters = Counters::new();
    let entry = table!(COUNTERS, SOME, |_| {
        let (ptr, len) = constant("{}");
        (0, ptr, len)
    });
    let mut instance = entry.create(&Config::default()).unwrap();
    assert_eq!(judge(&mut instance).unwrap(), b"{}");
    assert_eq!(COUNTERS.released.load(SeqCst), 1);
    static FAILING: Counters = Counters::new();
    let failing = table!(FAILING, SOME, |_| {
        let (ptr, len) = constant("the message");
        (5, ptr, len)
    });
    let mut instance = failing.create(&Config::default()).unwrap();
    assert_eq!(judge(&mut instance).unwrap_err(), Failure::internal("the message"));
    assert_eq!(FAILING.released.load(SeqCst), 1);
}

#[test]
fn each_created_instance_is_destroyed_exactly_once() {
    static COUNTERS: Counters = Counters::new();
    let entry = table!(COUNTERS, SOME, |_| (0, std::ptr::null_mut(), 0));
    assert_eq!(COUNTERS.destroyed.load(SeqCst), 0);
    let mut instance = entry.create(&Config::default()).unwrap();
    assert!(judge(&mut instance).unwrap().is_empty(), "null with length 0 is no bytes");
    assert_eq!((COUNTERS.created.load(SeqCst), COUNTERS.destroyed.load(SeqCst)), (1, 0));
    drop(instance);
    assert_eq!(COUNTERS.destroyed.load(SeqCst), 1);
}

#[test]
fn status_0_without_an_instance_is_a_failure() {
    static COUNTERS: Counters = Counters::new();
    let entry = table!(COUNTERS, std::ptr::null_mut(), |_| (0, std::ptr::null_mut(), 0));
    let failure = entry.create(&Config::default()).unwrap_err();
    assert_eq!(failure.message, "create returned status 0 without an instance");
    assert_eq!(COUNTERS.destroyed.load(SeqCst), 0);
}

#[test]
fn a_null_pointer_with_a_length_is_refused_and_released() {
    static COUNTERS: Counters = Counters::new();
    let entry = table!(COUNTERS, SOME, |_| (0, std::ptr::null_mut(), 7));
    assert!(judge(&mut entry.create(&Config::default()).unwrap()).is_err());
    assert_eq!(COUNTERS.released.load(SeqCst), 1);
}

#[test]
fn an_instance_moves_between_threads() {
    static COUNTERS: Counters = Counters::new();
    let entry = table!(COUNTERS, SOME, |_| {
        let (ptr, len) = constant("{}");
        (0, ptr, len)
    });
    let mut instance = entry.create(&Config::default()).unwrap();
    let elsewhere = std::thread::spawn(move || judge(&mut instance).map(|bytes| (bytes, instance)))
        .join()
        .unwrap();
    let (bytes, mut instance) = elsewhere.unwrap();
    assert_eq!(judge(&mut instance).unwrap(), bytes);
}

/// The result of the analyzer `Nothing`, with the host of its call.
fn of_analyzer(
    judge: impl FnOnce(&mut RawInstance, &mut Recorder) -> Result<Vec<u8>, Failure>,
) -> (Value, Recorder) {
    let table = vultus_plugin_api::plugin::<Nothing>();
    // SAFETY: a table of this program.
    let entry = unsafe { Entry::read(&table) }.expect("the header is our own");
    let (mut instance, mut host) =
        (entry.create(&Config::default()).expect("an instance"), Recorder::default());
    let json = judge(&mut instance, &mut host).expect("an outcome");
    let outcome: Outcome = serde_json::from_slice(&json).expect("its JSON");
    (outcome.result, host)
}

#[test]
fn progress_is_clamped_and_non_finite_values_are_ignored() {
    let (_, host) = of_analyzer(|instance, host| instance.analyze(host, &request()));
    assert_eq!(host.progress, [0.5, 1.0, 0.0]);
}

#[test]
fn an_unknown_extension_is_null() {
    let (result, _) = of_analyzer(|instance, host| instance.analyze(host, &request()));
    assert_eq!(result["extension"], false);
    assert!(vultus_plugin_api::plugin::<Nothing>().get_extension.is_none());
}

#[test]
fn a_host_of_a_later_minor_version_is_understood() {
    let (own, _) = of_analyzer(|instance, host| instance.analyze(host, &request()));
    let (newer, _) = of_analyzer(|instance, host| instance.analyze_as_newer_host(host, &request()));
    assert_eq!(own["media"], json!([[0, "slot0", ["tag0"], 1], [1, "slot1", ["tag1"], 1]]));
    assert_eq!(own["frames"], json!([[0, 0, 2, [0, 9]], [1, 0, 2, [1, 9]]]));
    assert_eq!(newer, own);
}

#[test]
fn a_host_without_tracks_is_understood() {
    static COUNTERS: Counters = Counters::new();
    let entry = table!(COUNTERS, SOME, |job| {
        let plugin = vultus_plugin_api::plugin::<Nothing>();
        let (mut instance, mut out) = (std::ptr::null_mut(), abi::Buf::EMPTY);
        let config = serde_json::to_vec(&Config::default()).expect("plain data");
        // SAFETY: the host's job is valid during the call, the copy is used only in it, and the
        // functions are those of this library.
        let status = unsafe {
            let mut job = std::ptr::read(job);
            job.track_frame = None;
            let create = plugin.create.expect("a function");
            create(abi::Bytes::of(&config), &mut instance, &mut out);
            plugin.analyze.expect("a function")(instance, &job, &mut out)
        };
        (status, out.ptr, out.len)
    });
    let mut host = Recorder::default();
    let json = entry.create(&Config::default()).unwrap().analyze(&mut host, &request()).unwrap();
    let outcome: Outcome = serde_json::from_slice(&json).expect("an outcome");
    assert_eq!(
        (&outcome.result["track"], outcome.result["frames"].as_array().map(Vec::len)),
        (&json!(false), Some(2))
    );
}

#[test]
fn reserved_fields_are_zero() {
    let table = vultus_plugin_api::plugin::<Nothing>();
    assert!(table.reserved.iter().all(Option::is_none));
    assert_eq!((table.header.flags, table.header.reserved0), (0, 0));
    static COUNTERS: Counters = Counters::new();
    let entry = table!(COUNTERS, SOME, |job| {
        // SAFETY: the host's job and its first medium and frame are valid during the call.
        let (job, medium, frame) = unsafe {
            let job = &*job;
            let frame = job.next_frame.expect("a callback")(job.ctx);
            (job, &*job.media, &*frame)
        };
        let zero = (job.reserved0, medium.track_count) == (0, 0)
            && job.reserved.iter().all(Option::is_none)
            && (frame.reserved0, frame.planes[0].reserved0) == (0, 0)
            && frame.planes[1..].iter().all(|plane| plane.data.is_null() && plane.len == 0);
        let (ptr, len) = constant(if zero { "0" } else { "1" });
        (0, ptr, len)
    });
    assert_eq!(judge(&mut entry.create(&Config::default()).unwrap()).unwrap(), b"0");
}

#[test]
fn text_needs_no_terminating_nul() {
    static COUNTERS: Counters = Counters::new();
    let entry = table!(COUNTERS, SOME, |job| {
        // SAFETY: the host's job is valid during the call; the view is only read.
        let shown = unsafe {
            let job = &*job;
            let message = abi::Bytes::of(&b"judged, and more"[..6]);
            job.log.expect("a callback")(job.ctx, 3, message);
            job.analysis.get(100) == Some(b"nothing".as_slice())
        };
        let (ptr, len) = constant(if shown { "1" } else { "0" });
        (0, ptr, len)
    });
    let mut host = Recorder::default();
    let judged = entry.create(&Config::default()).unwrap().analyze(&mut host, &request());
    assert_eq!(
        (judged.unwrap().as_slice(), host.log),
        (b"1".as_slice(), vec!["judged".to_owned()])
    );
}

/// Resolves to a single implementation only if `T` is not `Send`.
trait NotSend<Marker> {
    fn proven() {}
}
impl<T: ?Sized> NotSend<()> for T {}
struct Sendable;
impl<T: ?Sized + Send> NotSend<Sendable> for T {}

#[test]
fn a_job_and_its_callbacks_stay_on_their_thread() {
    // Does not compile once a `Job` can be sent to another thread.
    <Job<'static> as NotSend<_>>::proven();
}
