//! Runs an analyzer in a unit test without a server: through the same table of C functions as a
//! worker does, with features computed once by the providers added to the bench, or given by the
//! test.
//!
//! Pictures are made by [`Picture::filled`] and [`Picture::from_fn`], or read from files: with the
//! feature `files`, which belongs under `[dev-dependencies]`, there are `Picture::open` and
//! `Picture::open_all`.
//!
//! ```
//! # use serde_json::json;
//! # use vultus_plugin_api::manifest::{AnalysisSpec, Manifest, Slot, SlotKind};
//! # use vultus_plugin_api::{Analyzer, Config, Failure, Job, Outcome, Resolution};
//! use vultus_plugin_api::testing::{Bench, Picture};
//!
//! # struct Faces;
//! # impl Analyzer for Faces {
//! #     fn manifest() -> Manifest {
//! #         let slots = vec![Slot { name: "pictures".into(), kinds: vec![SlotKind::Image], min: 1, max: 1, ..Slot::default() }];
//! #         let spec = AnalysisSpec { kind: "faces".into(), slots, features: vec!["faces/1".into()], ..AnalysisSpec::default() };
//! #         Manifest { id: "org.example.faces".into(), analyses: vec![spec], ..Manifest::default() }
//! #     }
//! #     fn new(_: &Config) -> Result<Self, Failure> {
//! #         Ok(Self)
//! #     }
//! #     fn analyze(&mut self, job: &Job<'_>) -> Result<Outcome, Failure> {
//! #         let frame = job.next_frame().ok_or_else(|| Failure::invalid_input("no frame"))?;
//! #         let faces: vultus_plugin_api::features::Faces = job.feature_json(&frame, "faces/1")?;
//! #         Ok(Outcome { resolution: Resolution::Success, reasons: vec![], result: json!({ "faces": faces.faces.len() }) })
//! #     }
//! # }
//! # fn main() -> Result<(), Failure> {
//! // `Faces` is an analyzer that counts the faces of `faces/1`, which the test gives.
//! let mut bench = Bench::new::<Faces>(&Config::default())?;
//! bench.medium(SlotKind::Image, &["photo_selfie"], vec![Picture::filled(640, 480, [90, 90, 90])]);
//! bench.given_feature(0, Some(0), "faces/1", &json!({ "faces": [] }));
//! assert_eq!(bench.run("faces", json!({}))?.outcome.result["faces"], 0);
//! # Ok(())
//! # }
//! ```
//!
//! Not here: checks of the outcome against the manifest's schemas; `vultus plugin check` makes
//! them.

#[cfg(feature = "files")]
mod files;
mod picture;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::calling::{Entry, FrameView, JobHost, JobRequest, RawInstance};
use crate::error::{Failure, Status};
use crate::frame::PixelFormat;
use crate::job::{FeatureRequest, JobMedium, LogLevel};
use crate::manifest::{Scope, SlotKind};
use crate::outcome::Outcome;
use crate::{Analyzer, Config, Manifest};

pub use picture::Picture;
use picture::{converted, scaled};

/// A file that the analyzer kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name.
    pub name: String,
    /// Its MIME type.
    pub mime: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What came out of a run.
#[derive(Debug, Clone)]
pub struct TestRun {
    /// The outcome.
    pub outcome: Outcome,
    /// What the analyzer kept, in order.
    pub artifacts: Vec<Artifact>,
    /// What it wrote to the log, in order.
    pub log: Vec<(LogLevel, String)>,
}

/// An analyzer with its providers and the media that it is run on.
pub struct Bench {
    config: Config,
    shelf: Shelf,
    cancelled: bool,
}

/// What all calls of a bench share.
struct Shelf {
    /// The analyzer, then the providers.
    parts: Vec<Part>,
    media: Vec<(JobMedium, Vec<Picture>)>,
    features: RefCell<HashMap<FeatureKey, Feature>>,
    /// Features that the test gives, which nobody computes.
    given: HashMap<FeatureKey, Feature>,
    /// Features being computed, to find circles.
    begun: RefCell<Vec<FeatureKey>>,
}

/// Medium, frame and name of a feature.
type FeatureKey = (u32, Option<u32>, String);
type Feature = Result<Arc<[u8]>, Failure>;

/// A plugin with its instances that are not inside a call.
struct Part {
    manifest: Manifest,
    entry: Entry,
    config: Config,
    free: RefCell<Vec<RawInstance>>,
}

impl Bench {
    /// A bench for the analyzer `A`, which may be a provider itself.
    ///
    /// # Errors
    /// What `A::new` says.
    pub fn new<A: Analyzer>(config: &Config) -> Result<Self, Failure> {
        let shelf = Shelf {
            parts: vec![Part::new::<A>(config)?],
            media: Vec::new(),
            features: RefCell::default(),
            given: HashMap::new(),
            begun: RefCell::default(),
        };
        Ok(Self { config: config.clone(), shelf, cancelled: false })
    }

    /// Adds a provider of features, with the same configuration.
    ///
    /// # Errors
    /// What `P::new` says.
    pub fn provider<P: Analyzer>(&mut self) -> Result<&mut Self, Failure> {
        let config = self.config.clone();
        self.provider_with::<P>(&config)
    }

    /// Adds a provider of features, with a configuration of its own.
    ///
    /// # Errors
    /// What `P::new` says.
    pub fn provider_with<P: Analyzer>(&mut self, config: &Config) -> Result<&mut Self, Failure> {
        let part = Part::new::<P>(config)?;
        self.shelf.parts.push(part);
        Ok(self)
    }

    /// Adds a medium that the request names; its slot is the first of the analysis run.
    ///
    /// # Panics
    /// Without pictures, or when one has not the pixels that its size needs.
    pub fn medium(&mut self, kind: SlotKind, tags: &[&str], pictures: Vec<Picture>) -> &mut Self {
        self.add_medium(kind, tags, pictures, true)
    }

    /// Adds a medium that the request does not name.
    ///
    /// # Panics
    /// As [`Bench::medium`].
    pub fn unnamed_medium(
        &mut self,
        kind: SlotKind,
        tags: &[&str],
        pictures: Vec<Picture>,
    ) -> &mut Self {
        self.add_medium(kind, tags, pictures, false)
    }

    /// Gives a feature of a frame (or of a medium, without `frame`) as a value instead of computing
    /// it by a provider: for features of the server's own, such as `faces/1`.
    pub fn given_feature(
        &mut self,
        medium: u32,
        frame: Option<u32>,
        name: &str,
        value: &Value,
    ) -> &mut Self {
        self.shelf.given.insert(
            (medium, frame, name.to_owned()),
            Ok(Arc::from(value.to_string().into_bytes())),
        );
        self
    }

    /// Takes all media and given features away, to run the same instances on others.
    pub fn clear_media(&mut self) -> &mut Self {
        self.shelf.media.clear();
        self.shelf.given.clear();
        self.shelf.features.borrow_mut().clear();
        self
    }

    /// Lets `is_cancelled` be true in the next runs.
    pub fn cancel(&mut self) -> &mut Self {
        self.cancelled = true;
        self
    }

    /// Runs an analysis on the media. Parameters are handed over as they are: without defaults.
    ///
    /// # Errors
    /// The analyzer's failure; `Unsupported` for a type that its manifest does not list.
    pub fn run(&self, analysis: &str, params: Value) -> Result<TestRun, Failure> {
        let part = &self.shelf.parts[0];
        let spec = part.manifest.analyses.iter().find(|spec| spec.kind == analysis);
        let spec = spec.ok_or_else(|| Failure::unsupported(format!("no analysis {analysis}")))?;
        let slot = spec.slots.first().map_or("", |slot| &slot.name);
        let format = spec.pixel_formats.first().and_then(|name| PixelFormat::from_name(name));
        let mut host = TestHost::new(&self.shelf, &spec.features);
        host.format = format.unwrap_or(PixelFormat::Rgb8);
        host.max_side = spec.max_side;
        host.frames = self.shelf.all_frames();
        host.cancelled = self.cancelled;
        let media = self.shelf.media.iter();
        let request = JobRequest {
            analysis: analysis.to_owned(),
            params,
            media: media.map(|(m, _)| JobMedium { slot: slot.to_owned(), ..m.clone() }).collect(),
        };
        let json = part.call(|instance| instance.analyze(&mut host, &request))?;
        let outcome = serde_json::from_slice(&json)
            .map_err(|error| Failure::internal(format!("reading the outcome: {error}")))?;
        Ok(TestRun { outcome, artifacts: host.artifacts, log: host.log })
    }

    /// A feature of the media, as any analyzer would get it.
    ///
    /// # Errors
    /// The provider's failure; `Unsupported` when neither analyzer nor providers compute it.
    pub fn feature(&self, medium: u32, frame: Option<u32>, name: &str) -> Result<Value, Failure> {
        let bytes = self.shelf.feature((medium, frame, name.to_owned()))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::internal(format!("reading the feature {name}: {error}")))
    }

    fn add_medium(
        &mut self,
        kind: SlotKind,
        tags: &[&str],
        pictures: Vec<Picture>,
        named: bool,
    ) -> &mut Self {
        let first = pictures.first().expect("a medium has at least one picture");
        for picture in &pictures {
            let needed = picture.width as usize * picture.height as usize * 3;
            assert_eq!(picture.rgb.len(), needed, "the picture's size needs other pixels");
        }
        let medium = JobMedium {
            index: self.shelf.media.len() as u32,
            slot: String::new(),
            kind,
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            width: first.width,
            height: first.height,
            duration_us: (kind == SlotKind::Video)
                .then(|| pictures.iter().map(|picture| picture.pts_us).max().unwrap_or(0)),
            frame_count: pictures.len() as u32,
            named,
        };
        self.shelf.media.push((medium, pictures));
        self.shelf.features.borrow_mut().clear();
        self
    }
}

impl Part {
    /// Reads the table as a worker would, and makes an instance.
    fn new<A: Analyzer>(config: &Config) -> Result<Self, Failure> {
        let table = crate::plugin::<A>();
        // SAFETY: the table is made by this library, whose code is never unloaded.
        let entry = unsafe { Entry::read(&table) }
            .map_err(|error| Failure::internal(format!("reading the plugin's table: {error}")))?;
        let manifest = serde_json::from_slice(&entry.manifest_json()?)
            .map_err(|error| Failure::internal(format!("reading the manifest: {error}")))?;
        let free = RefCell::new(vec![entry.create(config)?]);
        Ok(Self { manifest, entry, config: config.clone(), free })
    }

    /// Calls an instance that is not inside a call, made anew where all are.
    fn call<R>(
        &self,
        call: impl FnOnce(&mut RawInstance) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let free = self.free.borrow_mut().pop();
        let mut instance = match free {
            Some(instance) => instance,
            None => self.entry.create(&self.config)?,
        };
        let result = call(&mut instance);
        if !matches!(&result, Err(failure) if failure.status == Status::Panic) {
            self.free.borrow_mut().push(instance);
        }
        result
    }
}

impl Shelf {
    fn all_frames(&self) -> Vec<(u32, u32)> {
        let media = self.media.iter();
        media.flat_map(|(m, pictures)| (0..pictures.len() as u32).map(|i| (m.index, i))).collect()
    }

    /// A feature, computed once.
    fn feature(&self, key: FeatureKey) -> Feature {
        if let Some(given) = self.given.get(&key) {
            return given.clone();
        }
        if let Some(known) = self.features.borrow().get(&key) {
            return known.clone();
        }
        if self.begun.borrow().contains(&key) {
            return Err(Failure::internal(format!("{} needs itself in a circle", key.2)));
        }
        self.begun.borrow_mut().push(key.clone());
        let result = self.compute(&key);
        self.begun.borrow_mut().pop();
        self.features.borrow_mut().insert(key, result.clone());
        result
    }

    fn compute(&self, (medium, frame, name): &FeatureKey) -> Feature {
        let found = self.parts.iter().find_map(|part| {
            let provided = part.manifest.provides.iter().find(|it| it.feature == *name)?;
            Some((part, provided))
        });
        let (part, provided) =
            found.ok_or_else(|| Failure::unsupported(format!("nobody provides {name}")))?;
        let scope = if frame.is_some() { Scope::Frame } else { Scope::Medium };
        let wanted = |&(m, i): &(u32, u32)| m == *medium && frame.is_none_or(|frame| frame == i);
        let frames: Vec<_> = self.all_frames().into_iter().filter(wanted).collect();
        if scope != provided.scope || frames.is_empty() {
            return Err(Failure::invalid_input(format!(
                "{name} has no value for medium {medium}, frame {frame:?}"
            )));
        }
        let wanted = [provided.needs.as_slice(), &provided.optional_needs].concat();
        let mut host = TestHost::new(self, &wanted);
        host.optional = &provided.optional_needs;
        host.max_side = provided.max_side;
        host.frames = frames;
        let request = JobRequest {
            analysis: String::new(),
            params: Value::Null,
            media: self.media.iter().map(|(medium, _)| medium.clone()).collect(),
        };
        let asked = FeatureRequest { feature: name.clone(), medium: *medium, frame: *frame };
        part.call(|instance| instance.provide(&mut host, &asked, &request)).map(Arc::from)
    }
}

/// The host of one call.
struct TestHost<'s> {
    shelf: &'s Shelf,
    wanted: &'s [String],
    /// Those of them that need no provider.
    optional: &'s [String],
    format: PixelFormat,
    max_side: u32,
    frames: Vec<(u32, u32)>,
    position: usize,
    cancelled: bool,
    artifacts: Vec<Artifact>,
    log: Vec<(LogLevel, String)>,
}

impl<'s> TestHost<'s> {
    fn new(shelf: &'s Shelf, wanted: &'s [String]) -> Self {
        Self {
            shelf,
            wanted,
            optional: &[],
            format: PixelFormat::Rgb8,
            max_side: u32::MAX,
            frames: Vec::new(),
            position: 0,
            cancelled: false,
            artifacts: Vec::new(),
            log: Vec::new(),
        }
    }
}

impl JobHost for TestHost<'_> {
    fn next_frame(&mut self) -> Result<Option<FrameView>, Failure> {
        let Some(&(medium, index)) = self.frames.get(self.position) else {
            return Ok(None);
        };
        self.position += 1;
        let picture = &self.shelf.media[medium as usize].1[index as usize];
        let (width, height, rgb) = scaled(picture, self.max_side);
        Ok(Some(FrameView {
            medium,
            index,
            format: self.format,
            width,
            height,
            stride: width * self.format.bytes_per_pixel() as u32,
            pixels: Arc::new(converted(rgb, self.format)),
            pts_us: picture.pts_us,
            source_width: picture.width,
            source_height: picture.height,
        }))
    }

    fn rewind(&mut self) {
        self.position = 0;
    }

    fn feature(
        &mut self,
        medium: u32,
        frame: Option<u32>,
        name: &str,
    ) -> Result<Arc<[u8]>, Failure> {
        if !self.wanted.iter().any(|wanted| wanted == name) {
            return Err(Failure::unsupported(format!("the manifest does not ask for {name}")));
        }
        let is_provided = || {
            self.shelf
                .parts
                .iter()
                .flat_map(|part| &part.manifest.provides)
                .any(|it| it.feature == name)
        };
        if self.optional.iter().any(|optional| optional == name) && !is_provided() {
            return Ok(Arc::from(&b"null"[..]));
        }
        self.shelf.feature((medium, frame, name.to_owned()))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// One minute: unit tests have no deadline of their own.
    fn deadline_us(&self) -> u64 {
        60_000_000
    }

    fn progress(&mut self, _fraction: f32) {}

    fn log(&mut self, level: LogLevel, message: &str) {
        self.log.push((level, message.to_owned()));
    }

    fn artifact(&mut self, name: &str, mime: &str, bytes: &[u8]) -> Result<(), Failure> {
        let (name, mime) = (name.to_owned(), mime.to_owned());
        self.artifacts.push(Artifact { name, mime, bytes: bytes.to_vec() });
        Ok(())
    }
}
