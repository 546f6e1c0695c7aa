//! The host of a call: what a plugin can see and do during it. It sees its media, their frames and
//! the features that its manifest lists, and nothing else.
//!
//! The same type serves `analyze` and, nested in it, `provide`. A provider sees only the medium
//! that it is asked about, and nothing of the analysis, so that a feature does not depend on who
//! requests it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use vultus_plugin_api::features::CONTAINER;
use vultus_plugin_api::{Failure, LogLevel, PixelFormat, Status};
use vultus_plugin_host::{FeatureRequest, FrameView, JobHost, JobMedium, JobRequest};
use vultus_worker_protocol::{ArtifactReport, FromWorker};

use crate::failure::Stopped;
use crate::features::FeatureKey;
use crate::medium::{Decoded, Medium, TrackView};
use crate::meter::Work;
use crate::plugins::is_of_frames;
use crate::run::Run;

/// Minimum time between two progress messages.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);
/// Maximum length of a log line, in characters.
const LOG_CHARS: usize = 1_000;

/// The part of the run that is visible to a call.
#[derive(Debug)]
pub(crate) struct View {
    /// Indices of the media in the run, in the call's order.
    pub(crate) media: Vec<usize>,
    /// The frame, if the call is about a single frame.
    pub(crate) only_frame: Option<u32>,
    pub(crate) max_side: u32,
    pub(crate) format: PixelFormat,
    /// How it reads tracks; `None` if the manifest asks for none.
    pub(crate) track: Option<TrackView>,
    /// Features that the call may request.
    pub(crate) features: Vec<String>,
    /// Features among them that may lack a provider.
    pub(crate) optional: Vec<String>,
    /// Id of the plugin that is called.
    pub(crate) plugin: String,
}

/// The analysis that is being judged.
#[derive(Debug)]
pub(crate) struct Judging {
    pub(crate) analysis: String,
    pub(crate) deadline: Instant,
    pub(crate) artifacts: Vec<(ArtifactReport, Vec<u8>)>,
    progress_told: Option<Instant>,
}

impl Judging {
    pub(crate) fn new(analysis: &str, deadline: Instant) -> Self {
        Self { analysis: analysis.to_owned(), deadline, artifacts: Vec::new(), progress_told: None }
    }
}

/// The host of one call.
pub(crate) struct Host<'h, 'r> {
    pub(crate) run: &'h mut Run<'r>,
    pub(crate) judging: &'h mut Judging,
    pub(crate) view: View,
    /// Position in `view.media`, and index of the frame, that `next_frame` returns next.
    next: (usize, u32),
    /// Whether this is a call of `provide`.
    provides: bool,
}

impl<'h, 'r> Host<'h, 'r> {
    /// The host of a call of `analyze`.
    pub(crate) fn new(run: &'h mut Run<'r>, judging: &'h mut Judging, view: View) -> Self {
        Self { run, judging, view, next: (0, 0), provides: false }
    }

    /// Whether the call must stop.
    pub(crate) fn stopped(&self) -> Stopped {
        if self.run.cancel.covers(&self.judging.analysis) {
            Stopped::Cancelled
        } else if Instant::now() >= self.judging.deadline {
            Stopped::DeadlineExceeded
        } else {
            Stopped::No
        }
    }

    fn decoded(&mut self, place: usize) -> Result<&mut Decoded, Failure> {
        let index = self.view.media.get(place).copied();
        match index.and_then(|index| self.run.media.get_mut(index)) {
            Some(Medium::Decoded(decoded)) => Ok(decoded),
            Some(Medium::Refused(_) | Medium::Lost(_) | Medium::Unused) | None => {
                Err(Failure::invalid_input(format!("there is no medium {place} in this job")))
            }
        }
    }

    /// The medium alone, as a provider sees it.
    fn alone(&mut self, place: usize, track: Option<TrackView>) -> Result<JobMedium, Failure> {
        let index = self.view.media.get(place).copied().unwrap_or_default();
        let tags =
            self.run.request.media.get(index).map(|medium| medium.tags.clone()).unwrap_or_default();
        Ok(describe(self.decoded(place)?, track, 0, String::new(), tags, false))
    }

    fn compute(&mut self, key: &FeatureKey, place: usize) -> Result<Vec<u8>, Failure> {
        let name = &key.name;
        let provided = self.run.plugins.provided(name);
        let provided =
            provided.ok_or_else(|| Failure::unsupported(format!("no plugin provides {name}")))?;
        if is_of_frames(provided) != key.frame.is_some() {
            return Err(Failure::invalid_input(format!("{name} has another scope")));
        }
        let features = [provided.needs.as_slice(), &provided.optional_needs].concat();
        let provided_track = TrackView::of(provided.track.as_deref(), provided.track_rate);
        let (max_side, optional) = (provided.max_side, provided.optional_needs.clone());
        let job = JobRequest {
            analysis: String::new(),
            params: Value::Null,
            media: vec![self.alone(place, provided_track)?],
        };
        let request = FeatureRequest { feature: name.clone(), medium: 0, frame: key.frame };
        let mut provider = self.run.plugins.take_provider(name)?;
        let view = View {
            media: vec![key.medium],
            only_frame: key.frame,
            max_side,
            format: PixelFormat::Rgb8,
            track: provided_track,
            features,
            optional,
            plugin: provider.plugin().manifest().id.clone(),
        };
        let work = if name.starts_with("faces/") { Work::Detection } else { Work::Embedding };
        let before = self.run.meter.switch(work);
        let mut nested = Host {
            run: &mut *self.run,
            judging: &mut *self.judging,
            view,
            next: (0, 0),
            provides: true,
        };
        let result = provider.provide(&mut nested, &request, &job);
        self.run.meter.switch(before);
        self.run.plugins.give_back_provider(name, provider);
        result
    }
}

/// The description of a medium for a plugin that reads tracks as `track`.
pub(crate) fn describe(
    decoded: &Decoded,
    track: Option<TrackView>,
    index: u32,
    slot: String,
    tags: Vec<String>,
    named: bool,
) -> JobMedium {
    JobMedium {
        index,
        slot,
        kind: decoded.kind,
        tags,
        width: decoded.width,
        height: decoded.height,
        duration_us: decoded.duration_us,
        frame_count: decoded.frame_count(),
        track_count: track.map_or(0, |view| decoded.track_count(view)),
        named,
    }
}

impl JobHost for Host<'_, '_> {
    fn next_frame(&mut self) -> Result<Option<FrameView>, Failure> {
        while self.next.0 < self.view.media.len() {
            let (place, next) = self.next;
            let (max_side, format) = (self.view.max_side, self.view.format);
            let index = match self.view.only_frame {
                Some(only) if next == 0 => only,
                Some(_) => u32::MAX,
                None => next,
            };
            let before = self.run.meter.switch(Work::Decode);
            let found = self.decoded(place).map(|decoded| {
                let picture = decoded.picture(index, max_side, format);
                picture.map(|picture| (picture, decoded.width, decoded.height))
            });
            self.run.meter.switch(before);
            let Some((picture, source_width, source_height)) = found? else {
                self.next = (place + 1, 0);
                continue;
            };
            self.next = (place, next + 1);
            return Ok(Some(FrameView {
                medium: place as u32,
                index,
                format,
                width: picture.width,
                height: picture.height,
                stride: picture.stride,
                pixels: picture.pixels,
                pts_us: picture.pts_us,
                source_width,
                source_height,
            }));
        }
        Ok(None)
    }

    fn track_frame(&mut self, medium: u32, index: u32) -> Result<Option<FrameView>, Failure> {
        let Some(view) = self.view.track else { return Ok(None) };
        let before = self.run.meter.switch(Work::Decode);
        let found = self.decoded(medium as usize).map(|decoded| {
            let picture = decoded.track_picture(index, view);
            picture.map(|picture| (picture, decoded.width, decoded.height))
        });
        self.run.meter.switch(before);
        Ok(found?.map(|(picture, source_width, source_height)| FrameView {
            medium,
            index,
            format: view.format,
            width: picture.width,
            height: picture.height,
            stride: picture.stride,
            pixels: picture.pixels,
            pts_us: picture.pts_us,
            source_width,
            source_height,
        }))
    }

    fn rewind(&mut self) {
        self.next = (0, 0);
    }

    fn feature(
        &mut self,
        medium: u32,
        frame: Option<u32>,
        name: &str,
    ) -> Result<Arc<[u8]>, Failure> {
        if !self.view.features.iter().any(|listed| listed == name) {
            return Err(Failure::unsupported(format!(
                "{} does not list the feature {name}",
                self.view.plugin
            )));
        }
        if self.view.optional.iter().any(|optional| optional == name)
            && self.run.plugins.provided(name).is_none()
        {
            return Ok(Arc::from(&b"null"[..]));
        }
        let place = medium as usize;
        let Some(index) = self.view.media.get(place).copied() else {
            return Err(Failure::invalid_input(format!("there is no medium {medium} in this job")));
        };
        if name == CONTAINER {
            return match frame {
                None => Ok(Arc::clone(&self.decoded(place)?.container)),
                Some(_) => Err(Failure::invalid_input(format!("{name} is of a medium"))),
            };
        }
        let key = FeatureKey { medium: index, frame, name: name.to_owned() };
        if let Some(known) = self.run.memo.get(&key) {
            return Ok(known);
        }
        match self.stopped() {
            Stopped::No => {}
            Stopped::Cancelled => {
                return Err(Failure::cancelled(format!("before computing {name}")));
            }
            Stopped::DeadlineExceeded => {
                return Err(Failure::deadline_exceeded(format!("before computing {name}")));
            }
        }
        let value = self.compute(&key, place)?;
        Ok(self.run.memo.keep(key, value))
    }

    fn is_cancelled(&self) -> bool {
        self.stopped() != Stopped::No
    }

    fn deadline_us(&self) -> u64 {
        self.judging.deadline.saturating_duration_since(Instant::now()).as_micros() as u64
    }

    fn progress(&mut self, fraction: f32) {
        let now = Instant::now();
        let recently = self
            .judging
            .progress_told
            .is_some_and(|told| now.duration_since(told) < PROGRESS_PAUSE);
        if self.provides || recently {
            return;
        }
        self.judging.progress_told = Some(now);
        let (run, analysis) = (self.run.request.run.clone(), self.judging.analysis.clone());
        self.run.tell(&FromWorker::Progress { run, analysis, fraction });
    }

    fn log(&mut self, level: LogLevel, message: &str) {
        if self.run.log_lines_left == 0 {
            return;
        }
        self.run.log_lines_left -= 1;
        let text = message.chars().take(LOG_CHARS).collect();
        let level = match level {
            LogLevel::Error => 0,
            LogLevel::Warn => 1,
            LogLevel::Info => 2,
            LogLevel::Debug => 3,
        };
        self.run.tell(&FromWorker::Log { plugin: self.view.plugin.clone(), level, text });
    }

    fn artifact(&mut self, name: &str, mime: &str, bytes: &[u8]) -> Result<(), Failure> {
        if self.provides {
            return Err(Failure::new(Status::Unsupported, "a provider cannot create artifacts"));
        }
        let report = ArtifactReport {
            name: name.to_owned(),
            content_type: mime.to_owned(),
            byte_size: bytes.len() as u64,
        };
        self.judging.artifacts.push((report, bytes.to_vec()));
        Ok(())
    }
}
