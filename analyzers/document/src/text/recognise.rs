//! Recognition of a line: PP-OCRv4's recogniser, whose output is a row of probabilities over all
//! characters for every few pixels of the line, and two ways to decode it.

use image::RgbImage;
use vultus_document_text::Quad;
use vultus_vision::{Model, ModelOptions, VisionError};

use crate::plane;
use crate::sample;

pub(crate) const WEIGHTS: &str = "ppocr_v4_rec.onnx";
/// Height of the network's input in pixels.
pub(crate) const HEIGHT: u32 = 48;
/// Minimum width of the input in pixels; narrower lines are padded.
const NARROWEST: u32 = 320;
/// Widths are rounded up to a multiple of this, so that the runtime plans few shapes.
const STEP: u32 = 64;
/// Maximum width of the input in pixels: 40 heights.
const WIDEST: u32 = 1920;
/// The characters of a machine-readable zone.
pub(crate) const MRZ: &[u8; 37] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<";
/// Index of "no character" in a row of an [`MrzSheet`].
pub(crate) const NOTHING: usize = MRZ.len();

/// Recognised text and its mean probability, 0–1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) confidence: f32,
}

/// For each position along a line, the probabilities of the 37 characters and of "no character".
#[derive(Debug, Clone)]
pub(crate) struct MrzSheet {
    /// Rows, from left to right.
    pub(crate) rows: Vec<[f32; 38]>,
    /// Number of rows of the line itself; the rows after it belong to the padding.
    pub(crate) span: f32,
}

/// The recogniser with its buffer.
#[derive(Debug)]
pub(crate) struct TextReader {
    model: Model,
    tensor: Vec<f32>,
    characters: Vec<String>,
    /// For each class of the network its index in [`MRZ`], [`NOTHING`], or `None`.
    places: Vec<Option<usize>>,
}

impl TextReader {
    /// Opens the model.
    pub(crate) fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        let model = Model::open_for_many_sizes(options, WEIGHTS)?;
        let listed = model.note("character").ok_or_else(|| VisionError::Open {
            file: WEIGHTS.to_owned(),
            source: "the model does not list its characters".into(),
        })?;
        let mut characters = vec![String::new()];
        characters.extend(listed.lines().map(str::to_owned));
        characters.push(" ".to_owned());
        let places = characters
            .iter()
            .enumerate()
            .map(|(i, c)| if i == 0 { Some(NOTHING) } else { mrz_place(c) })
            .collect();
        Ok(Self { model, tensor: Vec::new(), characters, places })
    }

    /// Reads the line of `picture` inside `quad` as ordinary text.
    pub(crate) fn read(&mut self, picture: &RgbImage, quad: &Quad) -> Result<Text, VisionError> {
        let Some(Line { picture: line, .. }) = cut_line(picture, quad, 1.0, false) else {
            return Ok(Text { text: String::new(), confidence: 0.0 });
        };
        let classes = self.characters.len();
        let characters = std::mem::take(&mut self.characters);
        let read = self.run(&line, |values| {
            let mut text = String::new();
            let (mut sum, mut count, mut previous) = (0.0, 0, 0);
            for row in values.chunks_exact(classes) {
                let (best, value) = highest(row);
                if best != 0 && best != previous {
                    text.push_str(&characters[best]);
                    sum += value;
                    count += 1;
                }
                previous = best;
            }
            Text { text, confidence: if count == 0 { 0.0 } else { sum / count as f32 } }
        });
        self.characters = characters;
        read
    }

    /// Reads the line of `picture` inside `quad` as part of a machine-readable zone. `stretch`
    /// widens the line, which gives more rows per character; `soft` reduces the noise of an
    /// enlarged line.
    pub(crate) fn read_mrz(
        &mut self,
        picture: &RgbImage,
        quad: &Quad,
        stretch: f32,
        soft: bool,
    ) -> Result<MrzSheet, VisionError> {
        let Some(Line { picture: line, width }) = cut_line(picture, quad, stretch, soft) else {
            return Ok(MrzSheet { rows: Vec::new(), span: 0.0 });
        };
        let classes = self.characters.len();
        let places = std::mem::take(&mut self.places);
        let rows = self.run(&line, |values| {
            let rows = values.chunks_exact(classes).map(|row| {
                let mut folded = [0.0f32; 38];
                for (value, place) in row.iter().zip(&places) {
                    if let Some(place) = place {
                        folded[*place] += value;
                    }
                }
                let sum: f32 = folded.iter().sum();
                if sum > 0.0 { folded.map(|v| v / sum) } else { folded }
            });
            rows.collect::<Vec<_>>()
        });
        self.places = places;
        let rows = rows?;
        let span = rows.len() as f32 * width as f32 / line.width() as f32;
        Ok(MrzSheet { rows, span })
    }

    fn run<T>(
        &mut self,
        line: &RgbImage,
        read: impl FnOnce(&[f32]) -> T,
    ) -> Result<T, VisionError> {
        let (width, height) = (line.width() as usize, line.height() as usize);
        let output = self.model.output().to_owned();
        super::detect::fill(line, &mut self.tensor);
        self.model
            .run([1, 3, height, width], &self.tensor, |outputs| Ok(read(outputs.read(&output, 1)?)))
    }
}

/// A line prepared for the network, padded on the right.
struct Line {
    picture: RgbImage,
    /// Width without the padding, in pixels.
    width: u32,
}

fn cut_line(picture: &RgbImage, quad: &Quad, stretch: f32, soft: bool) -> Option<Line> {
    let (wide, high) = (plane::width(quad), plane::height(quad));
    if !(wide >= 1.0 && high >= 1.0) {
        return None;
    }
    let width = ((HEIGHT as f32 * wide / high * stretch).round() as u32).clamp(8, WIDEST);
    let cut = if soft { sample::cut_soft } else { sample::cut };
    let line = cut(picture, quad, width, HEIGHT)?;
    let padded = width.max(NARROWEST).next_multiple_of(STEP);
    let mut input = RgbImage::from_pixel(padded, HEIGHT, image::Rgb([128; 3]));
    image::imageops::replace(&mut input, &line, 0, 0);
    Some(Line { picture: input, width })
}

fn highest(row: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::MIN);
    for (i, value) in row.iter().enumerate() {
        if *value > best.1 {
            best = (i, *value);
        }
    }
    best
}

/// Index in [`MRZ`] of the character that a class of the network represents.
fn mrz_place(character: &str) -> Option<usize> {
    let c = character.chars().next()?;
    let c = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0)?,
        '〈' | '《' | '«' | '‹' | 'く' => '<',
        other => other,
    };
    let byte = u8::try_from(c).ok()?.to_ascii_uppercase();
    MRZ.iter().position(|known| *known == byte)
}
