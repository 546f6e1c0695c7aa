//! The bench of a unit test: an analyzer with its providers and media.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::analyzer::Analyzer;
use crate::calling::JobRequest;
use crate::config::Config;
use crate::error::Failure;
use crate::frame::PixelFormat;
use crate::job::{JobMedium, LogLevel};
use crate::limits::{MAX_TRACK_FRAMES, MAX_TRACK_SIDE};
use crate::manifest::SlotKind;
use crate::outcome::Outcome;
use crate::table::Table;

use super::picture::Picture;
use super::shelf::{Artifact, Part, Shelf, TestHost};

/// Result of a run on a bench.
#[derive(Debug, Clone)]
pub struct TestRun {
    /// The outcome.
    pub outcome: Outcome,
    /// The artifacts, in the order of creation.
    pub artifacts: Vec<Artifact>,
    /// The log lines, in order.
    pub log: Vec<(LogLevel, String)>,
}

/// An analyzer with its providers and media.
pub struct Bench {
    config: Config,
    shelf: Shelf,
    cancelled: bool,
}

impl Bench {
    /// A bench for the analyzer `A`, which may also be a provider.
    ///
    /// # Errors
    /// The failure of `A::new`.
    pub fn new<A: Analyzer>(config: &Config) -> Result<Self, Failure> {
        let shelf = Shelf {
            parts: vec![Part::new::<A>(config)?],
            media: Vec::new(),
            tracks: HashMap::new(),
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

    /// Adds a provider of features, with this configuration.
    ///
    /// # Errors
    /// What `P::new` says.
    pub fn provider_with<P: Analyzer>(&mut self, config: &Config) -> Result<&mut Self, Failure> {
        let part = Part::new::<P>(config)?;
        self.shelf.parts.push(part);
        Ok(self)
    }

    /// Adds a medium that the request names. It goes to the first slot of the analysis.
    ///
    /// # Panics
    /// If there is no picture, or if one has too few or too many pixels for its size.
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

    /// Sets the value of a feature of a frame (or of a medium, without `frame`), so that no
    /// provider computes it. For features of the server, such as `faces/1`.
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

    /// Sets the track of a medium, scaled to at most [`MAX_TRACK_SIDE`]. It reaches analyzers and
    /// providers whose manifest asks for it.
    ///
    /// # Panics
    /// If there is no such medium, or if there are more than [`MAX_TRACK_FRAMES`] pictures.
    pub fn track(&mut self, medium: u32, pictures: &[Picture]) -> &mut Self {
        assert!(pictures.len() <= MAX_TRACK_FRAMES as usize, "a track has at most that many");
        let described = self.shelf.media.get_mut(medium as usize).expect("the medium was added");
        described.0.track_count = pictures.len() as u32;
        let scaled = pictures.iter().map(|picture| picture.scaled(MAX_TRACK_SIDE)).collect();
        self.shelf.tracks.insert(medium, scaled);
        self.shelf.features.borrow_mut().clear();
        self
    }

    /// Removes all media and given features, to run the same instances on others.
    pub fn clear_media(&mut self) -> &mut Self {
        self.shelf.media.clear();
        self.shelf.tracks.clear();
        self.shelf.given.clear();
        self.shelf.features.borrow_mut().clear();
        self
    }

    /// Makes `is_cancelled` return true in the next runs.
    pub fn cancel(&mut self) -> &mut Self {
        self.cancelled = true;
        self
    }

    /// Runs an analysis on the media. Parameters are passed unchanged, without defaults.
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
        host.track = spec.track.as_deref().and_then(PixelFormat::from_name);
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

    /// A feature of the media, as an analyzer would receive it.
    ///
    /// # Errors
    /// The provider's failure; `Unsupported` if neither the analyzer nor a provider computes it.
    pub fn feature(&self, medium: u32, frame: Option<u32>, name: &str) -> Result<Value, Failure> {
        let bytes = self.shelf.feature((medium, frame, name.to_owned()))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::internal(format!("reading the feature {name}: {error}")))
    }

    /// As [`Bench::feature`], of a feature in binary form.
    ///
    /// # Errors
    /// As there.
    pub fn feature_table(
        &self,
        medium: u32,
        frame: Option<u32>,
        name: &str,
    ) -> Result<Table, Failure> {
        let bytes = self.shelf.feature((medium, frame, name.to_owned()))?;
        Table::from_bytes(&bytes)
            .map_err(|problem| Failure::internal(format!("reading the feature {name}: {problem}")))
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
            assert_eq!(
                picture.rgb.len(),
                needed,
                "the number of pixels must fit the picture's size"
            );
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
            track_count: 0,
            named,
        };
        self.shelf.media.push((medium, pictures));
        self.shelf.features.borrow_mut().clear();
        self
    }
}
