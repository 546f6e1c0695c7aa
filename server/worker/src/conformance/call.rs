//! One call of the plugin: the job, its host, and what was observed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use vultus_plugin_api::features::OF_HOST;
use vultus_plugin_api::limits::MAX_TRACK_SIDE;
use vultus_plugin_api::manifest::{AnalysisSpec, Provided, Scope};
use vultus_plugin_api::{Config, Failure, LogLevel, PixelFormat};
use vultus_plugin_host::{
    FeatureRequest, FrameView, Instance, JobHost, JobMedium, JobRequest, Plugin,
};

use super::scene::Scene;

/// A plugin that provides features, with the instance that is called for them.
pub(super) struct Provider {
    pub(super) plugin: Plugin,
    pub(super) instance: Mutex<Instance>,
}

impl Provider {
    pub(super) fn new(plugin: Plugin, config: &Config) -> Result<Self, Failure> {
        let instance = Mutex::new(plugin.create(config)?);
        Ok(Self { plugin, instance })
    }

    fn provided(&self, feature: &str) -> Option<&Provided> {
        self.plugin.manifest().provides.iter().find(|provided| provided.feature == feature)
    }
}

type FeatureKey = (u32, Option<u32>, String);
type Features = HashMap<FeatureKey, Result<Arc<[u8]>, Failure>>;

/// A job that can be repeated: its frames are prepared once and its features computed once.
pub(super) struct Job<'p> {
    pub(super) request: JobRequest,
    scene: Scene,
    frames: Vec<FrameView>,
    listed: Vec<String>,
    track: Option<PixelFormat>,
    /// Bytes between the rows of tracks, as of the frames.
    padding: u32,
    timeout: Duration,
    providers: &'p [Provider],
    known: Mutex<Features>,
}

/// The memory layout of a job's frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) format: PixelFormat,
    pub(super) max_side: u32,
    /// Bytes between the end of one row and the start of the next.
    pub(super) padding: u32,
}

impl<'p> Job<'p> {
    pub(super) fn new(
        spec: &AnalysisSpec,
        params: Value,
        scene: Scene,
        layout: Layout,
        providers: &'p [Provider],
    ) -> Self {
        let frames = scene
            .pictures
            .iter()
            .zip(&scene.media)
            .flat_map(|(pictures, medium)| {
                pictures.iter().enumerate().map(move |(index, _)| {
                    view(pictures, medium, index as u32, medium.index, layout)
                })
            })
            .collect();
        let request =
            JobRequest { analysis: spec.kind.clone(), params, media: scene.media.clone() };
        let (listed, timeout) = (spec.features.clone(), Duration::from_millis(spec.timeout_ms));
        Self {
            request,
            scene,
            frames,
            listed,
            track: spec.track.as_deref().and_then(PixelFormat::from_name),
            padding: layout.padding,
            timeout,
            providers,
            known: Mutex::default(),
        }
    }

    /// A feature of one of the job's media, computed once.
    fn feature(&self, medium: u32, frame: Option<u32>, name: &str) -> Result<Arc<[u8]>, Failure> {
        if OF_HOST.contains(&name) {
            // Generated media have no container.
            return Ok(Arc::from(&b"null"[..]));
        }
        let key = (medium, frame, name.to_owned());
        if let Some(known) = self.known.lock().get(&key) {
            return known.clone();
        }
        let found =
            self.providers.iter().find_map(|provider| Some((provider, provider.provided(name)?)));
        let (provider, provided) =
            found.ok_or_else(|| Failure::unsupported(format!("no plugin provides {name}")))?;
        let result = self.provide(provider, provided, medium, frame).map(Arc::from);
        self.known.lock().insert(key, result.clone());
        result
    }

    /// Calls a provider to compute a feature. The provider sees only the one medium.
    pub(super) fn provide(
        &self,
        provider: &Provider,
        provided: &Provided,
        medium: u32,
        frame: Option<u32>,
    ) -> Result<Vec<u8>, Failure> {
        let place = medium as usize;
        let Some(described) = self.scene.media.get(place) else {
            return Err(Failure::invalid_input(format!("there is no medium {medium}")));
        };
        let pictures = &self.scene.pictures[place];
        let layout = Layout { format: PixelFormat::Rgb8, max_side: provided.max_side, padding: 0 };
        let wanted = match (provided.scope, frame) {
            (Scope::Frame, Some(frame)) if (frame as usize) < pictures.len() => frame..frame + 1,
            (Scope::Medium, None) => 0..pictures.len() as u32,
            _ => {
                return Err(Failure::invalid_input(format!(
                    "{} has no value for this",
                    provided.feature
                )));
            }
        };
        let frames = wanted.map(|index| view(pictures, described, index, 0, layout)).collect();
        let alone = JobMedium { index: 0, slot: String::new(), named: false, ..described.clone() };
        let job = JobRequest { analysis: String::new(), params: Value::Null, media: vec![alone] };
        let request = FeatureRequest { feature: provided.feature.clone(), medium: 0, frame };
        let Some(mut instance) = provider.instance.try_lock() else {
            return Err(Failure::internal(format!(
                "{} is needed while it is being computed",
                provided.feature
            )));
        };
        let mut host = Host::nested(self, frames, medium, provided);
        instance.provide(&mut host, &request, &job)
    }
}

fn view(
    pictures: &[vultus_plugin_api::testing::Picture],
    medium: &JobMedium,
    index: u32,
    as_medium: u32,
    layout: Layout,
) -> FrameView {
    let picture = &pictures[index as usize];
    let scaled = picture.scaled(layout.max_side);
    let row = scaled.width * layout.format.bytes_per_pixel() as u32;
    let mut pixels = scaled.pixels_as(layout.format);
    if layout.padding > 0 {
        // The padding differs from every picture, so that reading it changes the result.
        let mut padded =
            Vec::with_capacity(pixels.len() + (layout.padding * scaled.height) as usize);
        for line in pixels.chunks(row as usize) {
            padded.extend_from_slice(line);
            padded.extend(std::iter::repeat_n(0xEE, layout.padding as usize));
        }
        padded.truncate(padded.len().saturating_sub(layout.padding as usize));
        pixels = padded;
    }
    FrameView {
        medium: as_medium,
        index,
        format: layout.format,
        width: scaled.width,
        height: scaled.height,
        stride: row + layout.padding,
        pixels: Arc::new(pixels),
        pts_us: picture.pts_us,
        source_width: medium.width,
        source_height: medium.height,
    }
}

/// When the plugin is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    /// Not at all.
    Never,
    /// Before it was called.
    Before,
    /// When it requests the frame with this index, counted from 0.
    AtFrame(usize),
    /// This long after the call began.
    After(Duration),
}

/// The host of one call; records what the plugin does.
pub(super) struct Host<'j, 'p> {
    job: &'j Job<'p>,
    frames: Vec<FrameView>,
    listed: &'j [String],
    /// Format of the tracks that the call may read.
    track: Option<PixelFormat>,
    /// In a nested call: the index in the job of its only medium.
    medium: Option<u32>,
    next: usize,
    begun: Instant,
    cancel: Cancel,
    /// Time at which the plugin was cancelled.
    pub(super) cancelled_at: Option<Instant>,
    /// Features that the plugin requested although it does not list them.
    pub(super) unlisted: Vec<String>,
    /// Number of artifacts that the host accepted.
    pub(super) artifacts: usize,
    /// Why the other artifacts were rejected.
    pub(super) refused: Vec<String>,
}

impl<'j, 'p> Host<'j, 'p> {
    pub(super) fn new(job: &'j Job<'p>, cancel: Cancel) -> Self {
        let begun = Instant::now();
        let cancelled_at = (cancel == Cancel::Before).then_some(begun);
        Self {
            job,
            frames: job.frames.clone(),
            listed: &job.listed,
            track: job.track,
            medium: None,
            next: 0,
            begun,
            cancel,
            cancelled_at,
            unlisted: Vec::new(),
            artifacts: 0,
            refused: Vec::new(),
        }
    }

    fn nested(
        job: &'j Job<'p>,
        frames: Vec<FrameView>,
        medium: u32,
        provided: &'j Provided,
    ) -> Self {
        let track = provided.track.as_deref().and_then(PixelFormat::from_name);
        let listed = &provided.needs;
        Self { frames, listed, track, medium: Some(medium), ..Self::new(job, Cancel::Never) }
    }

    fn cancel_now(&mut self) {
        self.cancelled_at.get_or_insert_with(Instant::now);
    }

    /// Time at which the plugin was cancelled, whether or not it has checked.
    pub(super) fn told_to_stop_at(&self) -> Option<Instant> {
        let by_time = match self.cancel {
            Cancel::After(delay) => Some(self.begun + delay).filter(|at| *at <= Instant::now()),
            Cancel::Never | Cancel::Before | Cancel::AtFrame(_) => None,
        };
        self.cancelled_at.or(by_time)
    }
}

impl JobHost for Host<'_, '_> {
    fn next_frame(&mut self) -> Result<Option<FrameView>, Failure> {
        let frame = self.frames.get(self.next).cloned();
        if frame.is_some() {
            if self.cancel == Cancel::AtFrame(self.next) {
                self.cancel_now();
            }
            self.next += 1;
        }
        Ok(frame)
    }

    /// The track of a generated clip has the same pictures as the clip, scaled.
    fn track_frame(&mut self, medium: u32, index: u32) -> Result<Option<FrameView>, Failure> {
        let place = self.medium.unwrap_or(medium) as usize;
        let described = self.job.scene.media.get(place);
        let (Some(format), Some(described)) = (self.track, described) else { return Ok(None) };
        if index >= described.track_count || (self.medium.is_some() && medium != 0) {
            return Ok(None);
        }
        let layout = Layout { format, max_side: MAX_TRACK_SIDE, padding: self.job.padding };
        Ok(Some(view(&self.job.scene.pictures[place], described, index, medium, layout)))
    }

    fn rewind(&mut self) {
        self.next = 0;
    }

    fn feature(
        &mut self,
        medium: u32,
        frame: Option<u32>,
        name: &str,
    ) -> Result<Arc<[u8]>, Failure> {
        if !self.listed.iter().any(|listed| listed == name) {
            self.unlisted.push(name.to_owned());
            return Err(Failure::unsupported(format!(
                "the manifest does not list the feature {name}"
            )));
        }
        if self.told_to_stop_at().is_some() {
            return Err(Failure::cancelled(format!("before computing {name}")));
        }
        let medium = match self.medium {
            Some(only) if medium == 0 => only,
            Some(_) => {
                return Err(Failure::invalid_input(format!(
                    "there is no medium {medium} in this job"
                )));
            }
            None => medium,
        };
        self.job.feature(medium, frame, name)
    }

    fn is_cancelled(&self) -> bool {
        self.told_to_stop_at().is_some()
    }

    fn deadline_us(&self) -> u64 {
        self.job.timeout.saturating_sub(self.begun.elapsed()).as_micros() as u64
    }

    fn progress(&mut self, _: f32) {}

    fn log(&mut self, _: LogLevel, _: &str) {}

    fn artifact(&mut self, _: &str, _: &str, _: &[u8]) -> Result<(), Failure> {
        self.artifacts += 1;
        Ok(())
    }

    fn artifact_refused(&mut self, refusal: &Failure) {
        self.refused.push(refusal.message.clone());
    }
}
