//! The media on which a plugin is examined: generated pictures of all kinds, and the author's
//! files.

use vultus_media::{DecodeOptions, Frames, Limits, MediaKind};
use vultus_plugin_api::JobMedium;
use vultus_plugin_api::manifest::{AnalysisSpec, Slot, SlotKind};
use vultus_plugin_api::testing::Picture;

use crate::source::MediumSource;

/// Time between two frames of a generated clip, in microseconds.
const STEP_US: i64 = 40_000;
/// Number of frames of a long medium: as many as a run keeps.
pub(super) const MOST_FRAMES: u32 = 24;
/// Size of ordinary generated pictures, in pixels.
pub(super) const ORDINARY: (u32, u32) = (320, 240);
/// Size of small generated pictures, in pixels.
pub(super) const SMALL: (u32, u32) = (64, 48);

/// Content of generated pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// One level of grey.
    Flat(u8),
    /// A different colour for each pixel, the same in every examination.
    Noise,
    /// From dark on the left to bright on the right.
    Gradient,
}

impl Content {
    pub(super) fn picture(self, (width, height): (u32, u32), salt: u32) -> Picture {
        match self {
            Self::Flat(level) => Picture::filled(width, height, [level; 3]),
            Self::Gradient => {
                Picture::from_fn(width, height, |x, _| [(x * 255 / width.max(1)) as u8; 3])
            }
            Self::Noise => Picture::from_fn(width, height, |x, y| {
                let mixed = (x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ salt)
                    .wrapping_mul(0xC2B2_AE3D);
                let [a, b, c, _] = (mixed ^ (mixed >> 15)).to_le_bytes();
                [a, b, c]
            }),
        }
    }
}

/// How many media and frames a scene has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    /// As few media as the slots take, but at least one, with one frame each.
    Fewest,
    /// As `Fewest`, without frames.
    NoFrame,
    /// As `Fewest`, with as many frames as a run keeps.
    Long,
    /// As many media as the slots take, with one frame each.
    MostMedia,
}

/// Media with their pictures.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    pub(super) media: Vec<JobMedium>,
    pub(super) pictures: Vec<Vec<Picture>>,
}

/// A decoded file of the author.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    kind: SlotKind,
    tags: Vec<String>,
    duration_us: Option<i64>,
    size: (u32, u32),
    pictures: Vec<Picture>,
}

impl Scene {
    /// Generated media for an analysis. `None` if its slots take no medium with that many frames.
    pub(super) fn made(
        spec: &AnalysisSpec,
        content: Content,
        size: (u32, u32),
        amount: Amount,
    ) -> Option<Self> {
        let mut scene = Self::default();
        let none_needed = spec.slots.iter().all(|slot| slot.min == 0);
        for (place, slot) in spec.slots.iter().enumerate() {
            let count = match amount {
                Amount::MostMedia => slot.max,
                Amount::Fewest | Amount::NoFrame | Amount::Long => {
                    slot.min.max(u32::from(none_needed && place == 0))
                }
            };
            let kind = match amount {
                Amount::Long => slot.kinds.iter().copied().find(|kind| *kind != SlotKind::Image),
                Amount::Fewest | Amount::NoFrame | Amount::MostMedia => slot.kinds.first().copied(),
            };
            for _ in 0..count {
                let frames = match amount {
                    Amount::NoFrame => 0,
                    Amount::Long => MOST_FRAMES,
                    Amount::Fewest | Amount::MostMedia => 1,
                };
                scene.add(slot, kind?, content, size, frames);
            }
        }
        Some(scene)
    }

    fn add(
        &mut self,
        slot: &Slot,
        kind: SlotKind,
        content: Content,
        size: (u32, u32),
        frames: u32,
    ) {
        let index = self.media.len() as u32;
        let picture = |frame: u32| {
            content.picture(size, index * 1_000 + frame).at(i64::from(frame) * STEP_US)
        };
        let pictures: Vec<Picture> = (0..frames).map(picture).collect();
        let tags = slot.all_tags.iter().chain(slot.any_tags.first()).cloned().collect();
        let duration_us = (kind == SlotKind::Video).then(|| i64::from(frames) * STEP_US);
        self.push(slot, Sample { kind, tags, duration_us, size, pictures });
    }

    fn push(&mut self, slot: &Slot, sample: Sample) {
        let track_count = sample.track_count();
        self.media.push(JobMedium {
            index: self.media.len() as u32,
            slot: slot.name.clone(),
            kind: sample.kind,
            tags: sample.tags,
            width: sample.size.0,
            height: sample.size.1,
            duration_us: sample.duration_us,
            frame_count: sample.pictures.len() as u32,
            track_count,
            named: true,
        });
        self.pictures.push(sample.pictures);
    }

    /// The author's media, each in the first slot that it fits and that is not full. `None` if a
    /// slot has too few media, or if none fits.
    pub(super) fn of_samples(spec: &AnalysisSpec, samples: &[Sample]) -> Option<Self> {
        let mut scene = Self::default();
        let taken = |scene: &Self, slot: &Slot| {
            scene.media.iter().filter(|medium| medium.slot == slot.name).count() as u32
        };
        for sample in samples {
            if let Some(slot) =
                spec.slots.iter().find(|slot| sample.fits(slot) && taken(&scene, slot) < slot.max)
            {
                scene.push(slot, sample.clone());
            }
        }
        let enough = spec.slots.iter().all(|slot| taken(&scene, slot) >= slot.min);
        (enough && !scene.media.is_empty()).then_some(scene)
    }
}

impl Sample {
    /// Decodes a file. The error is a sentence for the author.
    pub(super) fn decode(
        file: std::fs::File,
        tags: Vec<String>,
        limits: &Limits,
    ) -> Result<Self, String> {
        let byte_size = file.metadata().map_err(|error| error.to_string())?.len();
        let source = MediumSource::new(file.into());
        let frames = vultus_media::decode(source, byte_size, limits, DecodeOptions::default())
            .map_err(|e| e.to_string())?;
        let Frames { kind, width, height, duration_us, frames, .. } = frames;
        let kind = match kind {
            MediaKind::Image => SlotKind::Image,
            MediaKind::Video => SlotKind::Video,
            MediaKind::ShotSet => SlotKind::ShotSet,
        };
        let pictures = frames
            .into_iter()
            .map(|frame| Picture {
                width: frame.width,
                height: frame.height,
                rgb: frame.rgb,
                pts_us: frame.pts_us,
            })
            .collect();
        Ok(Self { kind, tags, duration_us, size: (width, height), pictures })
    }

    /// The track of a clip has the pictures of the medium.
    fn track_count(&self) -> u32 {
        if self.kind == SlotKind::Video { self.pictures.len() as u32 } else { 0 }
    }

    fn fits(&self, slot: &Slot) -> bool {
        let has = |tag: &String| self.tags.contains(tag);
        slot.kinds.contains(&self.kind)
            && slot.all_tags.iter().all(has)
            && (slot.any_tags.is_empty() || slot.any_tags.iter().any(has))
    }
}
