//! Reads a band line by line: first with a standard crop, then badly read lines with the positions
//! of well read ones, then lines that remain uncertain with other crops.

use image::RgbImage;
use vultus_document_text::{MrzLine, MrzReading, Quad, confirmed};
use vultus_vision::VisionError;

use super::band::Band;
use super::grid::{self, Fit, LENGTHS, Place};
use crate::plane;
use crate::text::recognise::{MrzSheet, TextReader};

/// Minimum fit of a line that certainly belongs to a zone: no other place or direction is tried
/// then.
const SURE_FIT: f32 = -0.3;
/// Minimum probability of a certain place; lines with a lower one are read again.
const DOUBTFUL: f32 = 0.85;
/// Minimum mean fit, per character, of the lines of a zone.
const LEAST_FIT: f32 = -0.7;
/// Minimum fit of each line of a zone if one of them is certain.
const LEAST_BESIDE: f32 = -1.7;
/// Minimum fit, for any length, of a line of a zone.
const LEAST_OF_LINE: f32 = -1.6;
/// Fit of an empty line.
const NO_FIT: f32 = -4.0;
/// Minimum number of fillers in a zone.
const FEWEST_FILLERS: usize = 4;
/// Height of a line, in pixels, below which a smoothed crop reads better than the original, and
/// narrower crops read worse.
const SMALL: f32 = 24.0;
/// Minimum probability, and maximum number, of reported alternatives per place.
const LEAST_LIKELY: f32 = 0.005;
const MOST_ALTERNATIVES: usize = 5;

/// A zone that was found and read.
#[derive(Debug, Clone)]
pub(crate) struct FoundZone {
    pub(crate) reading: MrzReading,
    /// Direction of its lines in the picture, in degrees clockwise from the right, 0–360.
    pub(crate) angle: f32,
    /// Mean fit of its lines per character; 0 is perfect.
    pub(crate) score: f32,
    /// Whether no other place or direction needs to be tried.
    pub(crate) is_sure: bool,
}

/// A way to cut a line out: margins at both ends and above and below, in heights; horizontal
/// stretch; whether noise is reduced.
#[derive(Debug, Clone, Copy)]
struct Crop {
    beyond: f32,
    growth: f32,
    stretch: f32,
    soft: bool,
}

/// The standard crop. Its margin is more than one character, because the detector may miss the
/// last one.
const FIRST: Crop = Crop { beyond: 1.5, growth: 0.0, stretch: 1.0, soft: false };
/// Further crops of a small line that the standard crop leaves uncertain.
const AGAIN: [Crop; 3] = [
    Crop { beyond: 1.5, growth: 0.12, stretch: 1.0, soft: false },
    Crop { beyond: 1.5, growth: -0.08, stretch: 1.25, soft: false },
    Crop { beyond: 1.5, growth: 0.0, stretch: 1.1, soft: true },
];
/// Further crops of a line that is not small: narrower crops read equally well and cost less.
const AGAIN_TALL: [Crop; 2] = [
    Crop { beyond: 1.5, growth: 0.12, stretch: 0.8, soft: false },
    Crop { beyond: 1.5, growth: -0.08, stretch: 0.8, soft: false },
];

impl Crop {
    fn margin(&self, line: &Quad) -> f32 {
        self.beyond * plane::height(line) / plane::width(line).max(1.0)
    }

    /// Converts positions along the line to positions along its crop, both as shares of the length.
    fn along(&self, line: &Quad, places: &[f32]) -> Vec<f32> {
        let margin = self.margin(line);
        places.iter().map(|place| (place + margin) / (1.0 + 2.0 * margin)).collect()
    }

    /// Converts positions along the crop to positions along the line.
    fn back(&self, line: &Quad, places: &[f32]) -> Vec<f32> {
        let margin = self.margin(line);
        places.iter().map(|place| place * (1.0 + 2.0 * margin) - margin).collect()
    }
}

/// A line read with the standard crop.
struct ReadLine {
    quad: Quad,
    sheet: MrzSheet,
    /// The fit for each of [`LENGTHS`].
    fits: Vec<Option<Fit>>,
}

impl ReadLine {
    fn score(&self, kind: usize) -> Option<f32> {
        self.fits[kind].as_ref().map(|fit| fit.score)
    }

    /// Whether the line may belong to a zone. Other text rarely contains a filler, and a line of a
    /// zone without fillers, filled with data, usually fits well.
    fn may_be_of_zone(&self) -> bool {
        self.best() >= if grid::has_filler(&self.sheet) { LEAST_OF_LINE } else { LEAST_FIT }
    }

    fn best(&self) -> f32 {
        self.fits.iter().flatten().map(|fit| fit.score).fold(NO_FIT, f32::max)
    }

    /// The fit to the positions of another line's characters, given as shares of the length.
    fn beside(&self, guide: &[f32]) -> Option<Fit> {
        grid::fit_beside(&self.sheet, &FIRST.along(&self.quad, guide))
    }
}

/// Lines with the same number of characters.
struct Aligned {
    lines: Vec<(ReadLine, Fit)>,
    /// Positions of the characters of a certain line, as shares of its length.
    guide: Option<Vec<f32>>,
    score: f32,
}

/// Reads a band; `None` if it is not a zone.
pub(super) fn read(
    reader: &mut TextReader,
    picture: &RgbImage,
    band: &Band,
) -> Result<Option<FoundZone>, VisionError> {
    let Some(Aligned { lines, guide, score }) =
        read_first(reader, picture, band)?.and_then(aligned)
    else {
        return Ok(None);
    };
    let band = Band { lines: lines.iter().map(|(line, _)| line.quad).collect() };
    let Some(quad) = band.quad() else { return Ok(None) };
    let mut reading =
        MrzReading { lines: lines.iter().map(|(_, fit)| as_line(&fit.places)).collect(), quad };
    let confirmed = confirmed(&reading);
    for ((text, (line, fit)), _) in
        reading.lines.iter_mut().zip(lines).zip(confirmed).filter(|(_, confirmed)| !confirmed)
    {
        *text = as_line(&read_again(reader, picture, &line.quad, fit, guide.as_deref())?);
    }
    let fillers = reading.lines.iter().map(|line| line.text.matches('<').count()).sum::<usize>();
    let zone = FoundZone { reading, angle: band.angle(), score, is_sure: guide.is_some() };
    Ok(Some(zone).filter(|_| fillers >= FEWEST_FILLERS))
}

/// Reads a line that is a zone by itself: of 30 characters.
pub(super) fn read_single(
    reader: &mut TextReader,
    picture: &RgbImage,
    quad: Quad,
) -> Result<Option<MrzReading>, VisionError> {
    let mut line = read_line(reader, picture, quad)?;
    let kind = LENGTHS.iter().position(|length| *length == 30).unwrap_or(0);
    let Some(fit) = line.fits[kind].take().filter(|fit| fit.score >= LEAST_FIT) else {
        return Ok(None);
    };
    let places = read_again(reader, picture, &line.quad, fit, None)?;
    Ok(Some(MrzReading { lines: vec![as_line(&places)], quad }))
}

/// Reads all lines once; returns as many as the likeliest format has, and its index in [`LENGTHS`].
fn read_first(
    reader: &mut TextReader,
    picture: &RgbImage,
    band: &Band,
) -> Result<Option<(Vec<ReadLine>, usize)>, VisionError> {
    // The middle one of three lines belongs to every possible zone among them.
    let mut order: Vec<usize> = (0..band.lines.len()).collect();
    order.sort_by_key(|at| *at != 1);
    let mut lines: Vec<(usize, ReadLine)> = Vec::new();
    let mut missing = band.lines.len().saturating_sub(2);
    for at in order {
        let line = read_line(reader, picture, band.lines[at])?;
        if line.may_be_of_zone() {
            lines.push((at, line));
        } else if at == 1 || missing == 0 {
            return Ok(None);
        } else {
            missing -= 1;
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut lines: Vec<ReadLine> = lines.into_iter().map(|(_, line)| line).collect();
    if lines.len() < 2 {
        return Ok(None);
    }
    let Some(mut kind) = best_length(&lines) else { return Ok(None) };
    // A card has three lines; the detector may have missed one.
    if LENGTHS[kind] == 30 && lines.len() == 2 {
        complete(reader, picture, &mut lines)?;
    }
    if LENGTHS[kind] != 30 && lines.len() == 3 {
        lines.remove(usize::from(lines[0].score(kind) > lines[2].score(kind)) * 2);
        let Some(again) = best_length(&lines) else { return Ok(None) };
        kind = again;
    }
    Ok(Some((lines, kind)))
}

/// Aligns all lines to one length; lines with a bad fit use the positions of a certain one. `None`
/// if the lines do not form a zone.
fn aligned((mut lines, kind): (Vec<ReadLine>, usize)) -> Option<Aligned> {
    let mut fits =
        lines.iter_mut().map(|line| line.fits[kind].take()).collect::<Option<Vec<Fit>>>()?;
    let best = (0..fits.len()).max_by(|a, b| fits[*a].score.total_cmp(&fits[*b].score))?;
    let score = fits.iter().map(|fit| fit.score).sum::<f32>() / fits.len() as f32;
    let guide =
        (fits[best].score > SURE_FIT).then(|| FIRST.back(&lines[best].quad, &fits[best].along));
    if let Some(guide) = &guide {
        for (line, fit) in lines.iter().zip(&mut fits).filter(|(_, fit)| fit.score <= SURE_FIT) {
            if let Some(beside) = line.beside(guide) {
                *fit = beside;
            }
        }
    }
    let fits_together = guide.is_some() && fits.iter().all(|fit| fit.score > LEAST_BESIDE);
    (score >= LEAST_FIT || fits_together).then(|| Aligned {
        lines: lines.into_iter().zip(fits).collect(),
        guide,
        score,
    })
}

/// The places of a line; reads further crops if the first one leaves doubts.
fn read_again(
    reader: &mut TextReader,
    picture: &RgbImage,
    line: &Quad,
    first: Fit,
    guide: Option<&[f32]>,
) -> Result<Vec<Place>, VisionError> {
    if !grid::has_doubt(&first.places, DOUBTFUL) {
        return Ok(first.places);
    }
    let length = first.places.len();
    let mut readings = vec![first];
    let crops: &[Crop] = if plane::height(line) < SMALL { &AGAIN } else { &AGAIN_TALL };
    for crop in crops {
        let sheet = read_sheet(reader, picture, line, *crop)?;
        let free = grid::fit(&sheet, length).filter(|fit| guide.is_none() || fit.score > SURE_FIT);
        readings.extend(free.or_else(|| grid::fit_beside(&sheet, &crop.along(line, guide?))));
        if grid::is_settled(&readings, DOUBTFUL) {
            break;
        }
    }
    Ok(grid::mean(&grid::agreeing(&readings)))
}

fn read_sheet(
    reader: &mut TextReader,
    picture: &RgbImage,
    line: &Quad,
    crop: Crop,
) -> Result<MrzSheet, VisionError> {
    reader.read_mrz(picture, &plane::grown(line, crop.beyond, crop.growth), crop.stretch, crop.soft)
}

fn read_line(
    reader: &mut TextReader,
    picture: &RgbImage,
    quad: Quad,
) -> Result<ReadLine, VisionError> {
    let sheet = read_sheet(reader, picture, &quad, FIRST)?;
    let fits = LENGTHS.iter().map(|length| grid::fit(&sheet, *length)).collect();
    Ok(ReadLine { quad, sheet, fits })
}

/// Index in [`LENGTHS`] of the best total fit of all lines.
fn best_length(lines: &[ReadLine]) -> Option<usize> {
    let total =
        |kind: usize| lines.iter().map(|line| line.score(kind).unwrap_or(NO_FIT)).sum::<f32>();
    let best = (0..LENGTHS.len()).max_by(|a, b| total(*a).total_cmp(&total(*b)))?;
    (total(best) > NO_FIT * lines.len() as f32).then_some(best)
}

/// Adds the third line of a card, extrapolated below or above the two known lines, if one fits.
fn complete(
    reader: &mut TextReader,
    picture: &RgbImage,
    lines: &mut Vec<ReadLine>,
) -> Result<(), VisionError> {
    let band = Band { lines: lines.iter().map(|line| line.quad).collect() };
    let kind = LENGTHS.iter().position(|length| *length == 30).unwrap_or(0);
    let mut best: Option<(f32, f32, ReadLine)> = None;
    for side in [1.0, -1.0] {
        let Some(quad) = band.next_line(side) else { continue };
        let line = read_line(reader, picture, quad)?;
        let score = line.score(kind).unwrap_or(f32::MIN);
        if score > LEAST_FIT && best.as_ref().is_none_or(|(known, ..)| score > *known) {
            best = Some((score, side, line));
        }
    }
    if let Some((_, side, line)) = best {
        lines.insert(if side > 0.0 { lines.len() } else { 0 }, line);
    }
    Ok(())
}

fn as_line(places: &[Place]) -> MrzLine {
    let alternatives: Vec<Vec<(char, f32)>> =
        places.iter().map(|place| grid::ranked(place, LEAST_LIKELY, MOST_ALTERNATIVES)).collect();
    let text = alternatives.iter().map(|ranked| ranked.first().map_or('<', |(c, _)| *c)).collect();
    MrzLine { text, alternatives }
}
