//! Reads one side of a document: edges, portrait, zone, lines, barcodes and quality.

use image::{RgbImage, imageops};
use vultus_document_text::{MrzReading, PageReading, Quad, TextLine, is_understood};
use vultus_plugin_api::{Failure, Job};
use vultus_vision::{Face, FaceDetector, ModelOptions, VisionError, failure};

use crate::mrz::{self, FoundZone};
use crate::plane::{self, Point};
use crate::text::detect::{FoundLine, TextDetector};
use crate::text::direction::DirectionReader;
use crate::text::recognise::TextReader;
use crate::turning::{forwards, guessed_turn, turn};
use crate::{barcode, edges, mirror, portrait, quality, sample};

/// Longer side, in pixels, of the picture for line detection.
const SIDE: u32 = 960;
/// Share of the picture's longer side below which a document is cut out before it is read.
const SMALL: f32 = 0.6;
/// Maximum longer side, in pixels, of the document that is cut out.
const CUT_SIDE: f32 = 1920.0;
/// Longer side, in pixels, below which a picture without a zone is searched again after smoothing.
const FEW_PIXELS: f32 = 640.0;
/// Rotation of text, in degrees, above which the picture is levelled before it is read: the text
/// detector was trained on level lines and loses the ends of others.
const SKEWED: f32 = 8.0;
/// Maximum sum of the widths, in heights, of the lines that are read per side, largest lines first.
/// A page of a book is not a document.
const MOST_WIDTH: f32 = 600.0;
/// Minimum confidence of a line.
const LEAST_CONFIDENCE: f32 = 0.5;

/// The models, opened on first use.
#[derive(Debug)]
pub(crate) struct Models {
    options: ModelOptions,
    faces: Option<FaceDetector>,
    lines: Option<TextDetector>,
    reader: Option<TextReader>,
    direction: Option<DirectionReader>,
}

/// The edges of the document and the face of its portrait in a picture.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) document: Option<Quad>,
    pub(crate) face: Option<Face>,
}

/// A side that was read, with the face and rotation for the portrait.
#[derive(Debug)]
pub(crate) struct Side {
    /// In pixels of the picture that was read.
    pub(crate) reading: PageReading,
    pub(crate) face: Option<Face>,
    /// Clockwise rotation of the document in quarter turns.
    pub(crate) quarters: usize,
    /// Whether all this is of the mirrored picture.
    pub(crate) mirrored: bool,
    /// Number of lines that were found, whether they could be read or not.
    found: usize,
}

fn opened<'m, T>(
    slot: &'m mut Option<T>,
    options: &ModelOptions,
    open: impl FnOnce(&ModelOptions) -> Result<T, VisionError>,
) -> Result<&'m mut T, Failure> {
    if slot.is_none() {
        *slot = Some(open(options).map_err(failure)?);
    }
    slot.as_mut().ok_or_else(|| Failure::internal("the model was not opened"))
}

impl Models {
    pub(crate) fn new(options: ModelOptions) -> Self {
        Self { options, faces: None, lines: None, reader: None, direction: None }
    }

    /// Finds the document and its portrait. `faces` are the faces found in the whole picture.
    pub(crate) fn layout(&mut self, picture: &RgbImage, faces: &[Face]) -> Result<Layout, Failure> {
        let document = edges::find(picture);
        let mut face = portrait::largest(faces).cloned();
        if let Some(area) = document.as_ref().filter(|_| portrait::is_doubtful(face.as_ref())) {
            let detector = opened(&mut self.faces, &self.options, FaceDetector::open)?;
            let closer = portrait::find_in(detector, picture, area).map_err(failure)?;
            face = closer.or(face);
            // The portrait may be on another part of a page with both sides of a card.
            if face.is_none() && is_small(area, picture) {
                face = portrait::find_in_halves(detector, picture).map_err(failure)?;
            }
        }
        Ok(Layout { document, face })
    }

    /// Direction of the picture's text, in degrees clockwise from the right; `None` without text.
    pub(crate) fn text_angle(&mut self, picture: &RgbImage) -> Result<Option<f32>, Failure> {
        let lines = opened(&mut self.lines, &self.options, TextDetector::open)?
            .find(picture, SIDE)
            .map_err(failure)?;
        let quads: Vec<Quad> = lines.iter().map(|line| line.quad).collect();
        let direction = opened(&mut self.direction, &self.options, DirectionReader::open)?;
        direction.angle(picture, &quads).map_err(failure)
    }

    /// Reads one side, mirrored if it makes sense only then.
    pub(crate) fn read(
        &mut self,
        job: &Job<'_>,
        picture: &RgbImage,
        faces: &[Face],
        visual_zone: bool,
    ) -> Result<Side, Failure> {
        let side = self.read_as_it_is(job, picture, faces, visual_zone)?;
        if !visual_zone || !mirror::is_suspected(&side.reading, side.found) {
            return Ok(side);
        }
        let width = picture.width() as f32;
        let flipped = imageops::flip_horizontal(picture);
        let faces: Vec<Face> = faces.iter().map(|face| mirror::face(face, width)).collect();
        let other = self.read_as_it_is(job, &flipped, &faces, visual_zone)?;
        let makes_sense = other.reading.mrz.is_some() || is_understood(&other.reading.lines);
        Ok(if makes_sense { Side { mirrored: true, ..other } } else { side })
    }

    fn read_as_it_is(
        &mut self,
        job: &Job<'_>,
        picture: &RgbImage,
        faces: &[Face],
        visual_zone: bool,
    ) -> Result<Side, Failure> {
        let layout = self.layout(picture, faces)?;
        let hint = layout.face.as_ref().map(portrait::angle);
        let mut text = self.find_text(picture, &layout, hint)?;
        let angle = match (&text.zone, hint) {
            (Some(zone), _) => Some(zone.angle + text.turned),
            (None, Some(hint)) => Some(hint),
            (None, None) => {
                let quads: Vec<Quad> = text.lines.iter().map(|line| line.quad).collect();
                let direction = opened(&mut self.direction, &self.options, DirectionReader::open)?;
                direction
                    .angle(&text.canvas, &quads)
                    .map_err(failure)?
                    .map(|angle| angle + text.turned)
            }
        };
        let quarters = angle.map_or(0, edges::quarters);
        let band = text.zone.as_ref().map(|zone| zone.reading.quad);
        let mut lines = if visual_zone {
            self.read_lines(job, picture, &text, band.as_ref(), angle)?
        } else {
            Vec::new()
        };
        // Edges that do not enclose the machine-readable zone are not those of the document.
        let band = band.map(|quad| plane::mapped(&quad, |p| text.placed(p)));
        let document =
            layout.document.filter(|area| band.as_ref().is_none_or(|band| encloses(area, band)));
        let mrz = match text.zone.take() {
            Some(FoundZone { reading, .. }) => {
                let quad = plane::mapped(&reading.quad, |p| text.placed(p));
                Some(MrzReading { quad, ..reading })
            }
            None => self.single_zone(picture, &mut lines)?,
        };
        let quality = quality::measure(picture, document.as_ref(), quarters);
        let barcodes = barcode::read(picture);
        let reading = PageReading {
            document: document.map(|area| edges::upright(&area, quarters)),
            rotation: quarters as u16 * 90,
            mrz,
            lines,
            barcodes,
            portrait: None,
            quality,
            mirrored: false,
        };
        let found = text.lines.len();
        Ok(Side { reading, face: layout.face, quarters, mirrored: false, found })
    }

    /// Lines and zone: of the document only if it is small, otherwise of the whole picture.
    fn find_text(
        &mut self,
        picture: &RgbImage,
        layout: &Layout,
        hint: Option<f32>,
    ) -> Result<TextSeen, Failure> {
        let longest = picture.width().max(picture.height()) as f32;
        let document = layout.document.as_ref();
        let small = document.filter(|area| is_small(area, picture));
        if let Some((area, (canvas, back))) =
            small.and_then(|area| Some((area, cut_out(picture, area)?)))
        {
            let mut seen = self.find_in(&canvas, Some(back), guessed_turn(None, hint), hint)?;
            if seen.zone.is_some() {
                let centre = layout.face.as_ref().map(portrait::centre);
                // The other side of a card on the same page.
                if centre.is_some_and(|centre| !has_inside(area, centre)) {
                    let detector = opened(&mut self.lines, &self.options, TextDetector::open)?;
                    let mut lines = detector.find(picture, SIDE).map_err(failure)?;
                    lines.retain(|line| !has_inside(area, plane::centre(&line.quad)));
                    seen.beside = lines.into_iter().map(|line| line.quad).collect();
                }
                return Ok(seen);
            }
        }
        let guess = guessed_turn(document, hint);
        let seen = self.find_in(picture, None, guess, hint)?;
        let again = Some(picture)
            .filter(|_| seen.zone.is_none() && longest < FEW_PIXELS)
            .and_then(softened);
        let Some((canvas, back)) = again else { return Ok(seen) };
        let softened = self.find_in(&canvas, Some(back), guess, hint)?;
        Ok(if softened.zone.is_some() { softened } else { seen })
    }

    /// Lines and zone in a canvas, which is levelled if its text is rotated; `guess` is the
    /// expected rotation in degrees.
    fn find_in(
        &mut self,
        canvas: &RgbImage,
        back: Option<Back>,
        guess: f32,
        hint: Option<f32>,
    ) -> Result<TextSeen, Failure> {
        let detector = opened(&mut self.lines, &self.options, TextDetector::open)?;
        let detected = |detector: &mut TextDetector, turned: f32| {
            let levelled = Some(turned)
                .filter(|turned| turned.abs() > SKEWED)
                .and_then(|turned| levelled(canvas, turned));
            let (turned, canvas, back) = match levelled {
                Some((level, way)) => (turned, level, Some(back.map_or(way, |back| back * way))),
                None => (0.0, canvas.clone(), back),
            };
            let lines = detector.find(&canvas, SIDE).map_err(failure)?;
            let beside = Vec::new();
            Ok::<_, Failure>(TextSeen { canvas, back, turned, lines, zone: None, beside })
        };
        let mut seen = detected(detector, guess)?;
        // Without text, the guess is discarded.
        let left = turn(&seen.lines, hint.map(|hint| hint - seen.turned)).unwrap_or(-seen.turned);
        if left.abs() > SKEWED {
            seen = detected(detector, seen.turned + left)?;
        }
        let reader = opened(&mut self.reader, &self.options, TextReader::open)?;
        seen.zone =
            mrz::find(reader, &seen.canvas, &seen.lines, hint.map(|hint| hint - seen.turned))
                .map_err(failure)?;
        Ok(seen)
    }

    /// The zone of one line that is among the lines. It is then no other line.
    fn single_zone(
        &mut self,
        picture: &RgbImage,
        lines: &mut Vec<TextLine>,
    ) -> Result<Option<MrzReading>, Failure> {
        let reader = opened(&mut self.reader, &self.options, TextReader::open)?;
        for at in 0..lines.len() {
            if let Some(zone) = mrz::read_single(reader, picture, &lines[at]).map_err(failure)? {
                lines.remove(at);
                return Ok(Some(zone));
            }
        }
        Ok(None)
    }

    fn read_lines(
        &mut self,
        job: &Job<'_>,
        picture: &RgbImage,
        text: &TextSeen,
        band: Option<&Quad>,
        angle: Option<f32>,
    ) -> Result<Vec<TextLine>, Failure> {
        let reader = opened(&mut self.reader, &self.options, TextReader::open)?;
        let mut quads: Vec<Quad> = text.lines.iter().map(|line| line.quad).collect();
        quads.retain(|quad| band.is_none_or(|band| !encloses(&plane::grown(band, 0.2, 0.1), quad)));
        largest_first(&mut quads);
        let inside = quads.iter().map(|quad| {
            (&text.canvas, forwards(*quad, angle.map_or(0.0, |angle| angle - text.turned)))
        });
        let beside =
            text.beside.iter().map(|quad| (picture, forwards(*quad, angle.unwrap_or_default())));
        let mut lines = Vec::new();
        for (canvas, quad) in inside.chain(beside) {
            if job.is_cancelled() {
                return Err(Failure::cancelled("reading the lines of a document"));
            }
            let read = reader.read(canvas, &quad).map_err(failure)?;
            if read.confidence >= LEAST_CONFIDENCE && !read.text.trim().is_empty() {
                let is_placed = std::ptr::eq(canvas, picture);
                let place = |p: Point| if is_placed { p } else { text.placed(p) };
                lines.push(TextLine {
                    text: read.text.trim().to_owned(),
                    confidence: read.confidence,
                    quad: plane::mapped(&quad, place),
                });
            }
        }
        Ok(lines)
    }
}

/// The largest lines first, as many as are read.
fn largest_first(quads: &mut Vec<Quad>) {
    quads.sort_by(|a, b| plane::area(b).abs().total_cmp(&plane::area(a).abs()));
    let mut width = 0.0;
    quads.retain(|quad| {
        width += plane::width(quad) / plane::height(quad).max(1.0);
        width <= MOST_WIDTH
    });
}

type Back = imageproc::geometric_transformations::Projection;
type Cut = fn(&RgbImage, &Quad, u32, u32) -> Option<RgbImage>;

/// Lines and zone found in the picture or in a part of it, the canvas.
struct TextSeen {
    canvas: RgbImage,
    /// Projection from the canvas to the picture; `None` if they are the same.
    back: Option<Back>,
    /// Rotation that was removed from the canvas, in degrees; to be added to directions in it.
    turned: f32,
    lines: Vec<FoundLine>,
    zone: Option<FoundZone>,
    /// Lines of the picture that are not in the canvas.
    beside: Vec<Quad>,
}

impl TextSeen {
    /// Maps a point of the canvas to the picture.
    fn placed(&self, p: Point) -> Point {
        self.back.as_ref().map_or(p, |back| plane::project(back, p))
    }
}

/// A part of a picture as a canvas of `size`, cut by `cut`, with the projection back to the
/// picture.
fn canvas(picture: &RgbImage, area: &Quad, size: [f32; 2], cut: Cut) -> Option<(RgbImage, Back)> {
    let size = size.map(|side| side as u32);
    let canvas = cut(picture, area, size[0], size[1])?;
    let back = plane::projection(&plane::rectangle(size[0] as f32, size[1] as f32), area)?;
    Some((canvas, back))
}

/// The picture enlarged twice and smoothed.
fn softened(picture: &RgbImage) -> Option<(RgbImage, Back)> {
    let [width, height] = [picture.width() as f32, picture.height() as f32];
    canvas(picture, &plane::rectangle(width, height), [width * 2.0, height * 2.0], sample::cut_soft)
}

fn cut_out(picture: &RgbImage, area: &Quad) -> Option<(RgbImage, Back)> {
    let area = plane::grown(area, 0.04, 0.04);
    let (wide, high) = (plane::width(&area), plane::height(&area));
    let factor = (CUT_SIDE / wide.max(high)).min(1.0);
    canvas(picture, &area, [wide * factor, high * factor], sample::cut)
}

/// The whole picture rotated back by `degrees`, and the projection from it to the picture.
fn levelled(picture: &RgbImage, degrees: f32) -> Option<(RgbImage, Back)> {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (wide, high) =
        (width * cos.abs() + height * sin.abs(), width * sin.abs() + height * cos.abs());
    let corner = |x: f32, y: f32| {
        let (x, y) = (x * wide / 2.0, y * high / 2.0);
        [width / 2.0 + x * cos - y * sin, height / 2.0 + x * sin + y * cos]
    };
    let area = Quad([corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)]);
    canvas(picture, &area, [wide, high], sample::cut)
}

/// Whether the centre of `inner` and the midpoints of its left and right sides are inside `outer`.
fn encloses(outer: &Quad, inner: &Quad) -> bool {
    let [a, b, c, d] = inner.0;
    [plane::centre(inner), plane::between(a, d, 0.5), plane::between(b, c, 0.5)]
        .into_iter()
        .all(|p| has_inside(outer, p))
}

/// Whether a point is inside a convex quadrilateral.
fn has_inside(area: &Quad, p: Point) -> bool {
    let q = area.0;
    let side = |i: usize| {
        let (a, b) = (q[i], q[(i + 1) % 4]);
        (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    };
    (0..4).all(|i| side(i) >= 0.0) || (0..4).all(|i| side(i) <= 0.0)
}

/// Whether a document is a small part of the picture.
fn is_small(area: &Quad, picture: &RgbImage) -> bool {
    let longest = picture.width().max(picture.height()) as f32;
    plane::width(area).max(plane::height(area)) < SMALL * longest
}
