//! Reading direction of text: PP-OCR's direction classifier, applied to a few long lines.

use image::RgbImage;
use vultus_document_text::Quad;
use vultus_vision::{Model, ModelOptions, VisionError};

use crate::plane;
use crate::sample;

pub(crate) const WEIGHTS: &str = "ppocr_v2_cls.onnx";
/// Size of the network's input.
const WIDTH: u32 = 192;
const HEIGHT: u32 = 48;
/// Maximum number of lines that are classified.
const ASKED: usize = 9;
/// Minimum length of a line, in heights; shorter ones are unreliable.
const SHORTEST: f32 = 3.0;

/// The classifier with its buffer.
#[derive(Debug)]
pub(crate) struct DirectionReader {
    model: Model,
    tensor: Vec<f32>,
}

impl DirectionReader {
    /// Opens the model.
    pub(crate) fn open(options: &ModelOptions) -> Result<Self, VisionError> {
        Ok(Self { model: Model::open(options, WEIGHTS)?, tensor: Vec::new() })
    }

    /// The direction of most of the text, in degrees clockwise from the right, 0–360; `None`
    /// without text.
    pub(crate) fn angle(
        &mut self,
        picture: &RgbImage,
        lines: &[Quad],
    ) -> Result<Option<f32>, VisionError> {
        let angle = |quad: &Quad| {
            let [a, b, ..] = quad.0;
            (b[1] - a[1]).atan2(b[0] - a[0]).to_degrees()
        };
        let mut long: Vec<&Quad> =
            lines.iter().filter(|q| plane::width(q) > SHORTEST * plane::height(q)).collect();
        long.sort_by(|a, b| plane::width(b).total_cmp(&plane::width(a)));
        let Some(longest) = long.first() else { return Ok(None) };
        // Of horizontal and vertical lines, those with the greater total length count.
        let steep = |quad: &Quad| angle(quad).abs() > 45.0;
        let length = |wanted: bool| {
            long.iter().filter(|q| steep(q) == wanted).map(|q| plane::width(q)).sum::<f32>()
        };
        let wanted = length(true) > length(false);
        let Some(typical) = long.iter().find(|q| steep(q) == wanted).or(Some(longest)) else {
            return Ok(None);
        };
        let mut turned = 0.0;
        for quad in long.iter().filter(|q| steep(q) == wanted).take(ASKED) {
            turned += self.upside_down(picture, quad)? - 0.5;
        }
        let angle = angle(typical) + if turned > 0.0 { 180.0 } else { 0.0 };
        Ok(Some(angle.rem_euclid(360.0)))
    }

    /// Probability that the line is upside down, 0–1.
    fn upside_down(&mut self, picture: &RgbImage, quad: &Quad) -> Result<f32, VisionError> {
        let width = (HEIGHT as f32 * plane::width(quad) / plane::height(quad).max(1.0))
            .round()
            .clamp(8.0, WIDTH as f32);
        // Of a line that is too long, only the beginning is classified.
        let [a, b, c, d] = quad.0;
        let share =
            (width * plane::height(quad) / HEIGHT as f32 / plane::width(quad).max(1.0)).min(1.0);
        let start = Quad([a, plane::between(a, b, share), plane::between(d, c, share), d]);
        let Some(line) = sample::cut(picture, &start, width as u32, HEIGHT) else { return Ok(0.5) };
        let mut input = RgbImage::from_pixel(WIDTH, HEIGHT, image::Rgb([128; 3]));
        image::imageops::replace(&mut input, &line, 0, 0);
        super::detect::fill(&input, &mut self.tensor);
        let output = self.model.output().to_owned();
        let shape = [1, 3, HEIGHT as usize, WIDTH as usize];
        self.model.run(shape, &self.tensor, |outputs| Ok(outputs.read(&output, 2)?[1]))
    }
}
