//! The plugins, media and features of a bench, and the host of its calls.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::analyzer::Analyzer;
use crate::calling::{Entry, FrameView, JobHost, JobRequest, RawInstance};
use crate::config::Config;
use crate::error::{Failure, Status};
use crate::features::OF_HOST;
use crate::frame::PixelFormat;
use crate::job::{FeatureRequest, JobMedium, LogLevel};
use crate::manifest::{Manifest, Scope};

use super::picture::{Picture, converted, scaled};

/// A file that the analyzer stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Name.
    pub name: String,
    /// MIME type.
    pub mime: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// State that all calls of a bench share.
pub(super) struct Shelf {
    /// The analyzer, then the providers.
    pub(super) parts: Vec<Part>,
    pub(super) media: Vec<(JobMedium, Vec<Picture>)>,
    /// The tracks of media, scaled.
    pub(super) tracks: HashMap<u32, Vec<Picture>>,
    pub(super) features: RefCell<HashMap<FeatureKey, Feature>>,
    /// Features that the test gives; no provider computes them.
    pub(super) given: HashMap<FeatureKey, Feature>,
    /// Features that are being computed, to detect cycles.
    pub(super) begun: RefCell<Vec<FeatureKey>>,
}

/// Medium, frame and name of a feature.
pub(super) type FeatureKey = (u32, Option<u32>, String);
pub(super) type Feature = Result<Arc<[u8]>, Failure>;

/// A plugin with its instances that are not in a call.
pub(super) struct Part {
    pub(super) manifest: Manifest,
    entry: Entry,
    config: Config,
    free: RefCell<Vec<RawInstance>>,
}

impl Part {
    /// Reads the table as a worker would, and creates an instance.
    pub(super) fn new<A: Analyzer>(config: &Config) -> Result<Self, Failure> {
        let table = crate::plugin::<A>();
        // SAFETY: the table belongs to this library, whose code is never unloaded.
        let entry = unsafe { Entry::read(&table) }
            .map_err(|error| Failure::internal(format!("reading the plugin's table: {error}")))?;
        let manifest = serde_json::from_slice(&entry.manifest_json()?)
            .map_err(|error| Failure::internal(format!("reading the manifest: {error}")))?;
        let free = RefCell::new(vec![entry.create(config)?]);
        Ok(Self { manifest, entry, config: config.clone(), free })
    }

    /// Calls an instance that is not in a call; creates one if all are.
    pub(super) fn call<R>(
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
    pub(super) fn all_frames(&self) -> Vec<(u32, u32)> {
        let media = self.media.iter();
        media.flat_map(|(m, pictures)| (0..pictures.len() as u32).map(|i| (m.index, i))).collect()
    }

    /// A feature, computed once.
    pub(super) fn feature(&self, key: FeatureKey) -> Feature {
        if let Some(given) = self.given.get(&key) {
            return given.clone();
        }
        if OF_HOST.contains(&key.2.as_str()) {
            // Pictures in memory have no container.
            return Ok(Arc::from(&b"null"[..]));
        }
        if let Some(known) = self.features.borrow().get(&key) {
            return known.clone();
        }
        if self.begun.borrow().contains(&key) {
            return Err(Failure::internal(format!("{} depends on itself", key.2)));
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
            found.ok_or_else(|| Failure::unsupported(format!("no provider computes {name}")))?;
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
        host.track = provided.track.as_deref().and_then(PixelFormat::from_name);
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
pub(super) struct TestHost<'s> {
    shelf: &'s Shelf,
    wanted: &'s [String],
    /// Features among them that may lack a provider.
    optional: &'s [String],
    pub(super) format: PixelFormat,
    pub(super) max_side: u32,
    /// Format of the tracks; `None` if the manifest asks for none.
    pub(super) track: Option<PixelFormat>,
    pub(super) frames: Vec<(u32, u32)>,
    position: usize,
    pub(super) cancelled: bool,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) log: Vec<(LogLevel, String)>,
}

impl<'s> TestHost<'s> {
    pub(super) fn new(shelf: &'s Shelf, wanted: &'s [String]) -> Self {
        Self {
            shelf,
            wanted,
            optional: &[],
            format: PixelFormat::Rgb8,
            max_side: u32::MAX,
            track: None,
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

    fn track_frame(&mut self, medium: u32, index: u32) -> Result<Option<FrameView>, Failure> {
        let frames = self.shelf.tracks.get(&medium);
        let picture = frames.and_then(|frames| frames.get(index as usize));
        let (Some(format), Some(picture)) = (self.track, picture) else {
            return Ok(None);
        };
        let described = &self.shelf.media[medium as usize].0;
        Ok(Some(FrameView {
            medium,
            index,
            format,
            width: picture.width,
            height: picture.height,
            stride: picture.width * format.bytes_per_pixel() as u32,
            pixels: Arc::new(picture.pixels_as(format)),
            pts_us: picture.pts_us,
            source_width: described.width,
            source_height: described.height,
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
            return Err(Failure::unsupported(format!("the manifest does not list {name}")));
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

    /// One minute: unit tests have no deadline.
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
