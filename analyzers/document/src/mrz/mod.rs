//! The machine-readable zone: where it is, which way up it reads, and the characters at its places with their
//! likelihood. What they mean is for the other half of the analyzer.

mod band;
mod grid;

use image::RgbImage;
use vultus_document_text::{MrzLine, MrzReading, Quad};
use vultus_vision::VisionError;

use crate::plane;
use crate::text::detect::FoundLine;
use crate::text::recognise::TextReader;
use band::Band;
use grid::{Fit, LENGTHS, Place};

/// A place read with less probability is read again.
const DOUBTFUL: f32 = 0.85;
/// Mean fit per character from which lines are those of a zone.
const LEAST_FIT: f32 = -0.7;
/// Mean fit from which no other place or direction is tried.
const SURE_FIT: f32 = -0.3;
/// A way to cut a line out: how much is read beyond both of its ends and above and below, in heights, and how much it is widened.
#[derive(Debug, Clone, Copy)]
struct Crop {
    beyond: f32,
    growth: f32,
    stretch: f32,
}

/// The first: more than one character beyond the ends, where the detector may miss the last.
const FIRST: Crop = Crop { beyond: 1.5, growth: 0.0, stretch: 1.0 };
/// Fillers that a zone has at the least, and their least probability.
const FEWEST_FILLERS: usize = 4;
/// Those of a line that the first leaves doubts about. The end of a run of fillers may be missed for longer.
const AGAIN: [Crop; 2] = [Crop { beyond: 1.5, growth: 0.12, stretch: 1.0 }, Crop { beyond: 1.5, growth: -0.08, stretch: 1.25 }];
/// Readings of a place with less probability, and more of them, are not told.
const LEAST_LIKELY: f32 = 0.005;
const MOST_ALTERNATIVES: usize = 5;

/// A zone with the way that it reads.
#[derive(Debug, Clone)]
pub(crate) struct FoundZone {
    pub(crate) reading: MrzReading,
    /// Direction of its lines in the picture, in degrees clockwise from the right, 0–360.
    pub(crate) angle: f32,
    pub(crate) score: f32,
}

/// Finds and reads the zone among the lines of `picture`. `upright` is the direction in which text is likely
/// to run, in degrees, where something else tells.
pub(crate) fn find(
    reader: &mut TextReader,
    picture: &RgbImage,
    lines: &[FoundLine],
    upright: Option<f32>,
) -> Result<Option<FoundZone>, VisionError> {
    let mut best: Option<FoundZone> = None;
    for band in band::bands(lines) {
        let forwards = upright.is_none_or(|angle| (angle_of(&band) - angle).to_radians().cos() >= 0.0);
        let ways = if forwards { [band.clone(), band.reversed()] } else { [band.reversed(), band] };
        for way in ways {
            let zone = read(reader, picture, way)?;
            if let Some(zone) = zone {
                let sure = zone.score > SURE_FIT;
                if best.as_ref().is_none_or(|known| zone.score > known.score) {
                    best = Some(zone);
                }
                if sure {
                    return Ok(best);
                }
            }
        }
    }
    Ok(best)
}

fn angle_of(band: &Band) -> f32 {
    let [a, b, ..] = band.lines[0].0;
    (b[1] - a[1]).atan2(b[0] - a[0]).to_degrees().rem_euclid(360.0)
}

/// Reads a band; `None` when it is no zone.
fn read(reader: &mut TextReader, picture: &RgbImage, mut band: Band) -> Result<Option<FoundZone>, VisionError> {
    let mut fits: Vec<Vec<Option<Fit>>> = Vec::new();
    for line in &band.lines {
        fits.push(read_line(reader, picture, line, FIRST)?);
    }
    let Some(mut kind) = best_length(&fits) else { return Ok(None) };
    // A card has a third line, which the detector may have missed.
    if LENGTHS[kind] == 30 && band.lines.len() == 2 {
        complete(reader, picture, &mut band, &mut fits)?;
    }
    if LENGTHS[kind] != 30 && band.lines.len() == 3 {
        let dropped = usize::from(fits[0][kind].as_ref().map(|f| f.score) > fits[2][kind].as_ref().map(|f| f.score)) * 2;
        band.lines.remove(dropped);
        fits.remove(dropped);
        let Some(again) = best_length(&fits) else { return Ok(None) };
        kind = again;
    }
    let mut chosen: Vec<Fit> = Vec::new();
    for line in &mut fits {
        match line[kind].take() {
            Some(fit) => chosen.push(fit),
            None => return Ok(None),
        }
    }
    let score = chosen.iter().map(|fit| fit.score).sum::<f32>() / chosen.len() as f32;
    if score < LEAST_FIT {
        return Ok(None);
    }
    let mut lines = Vec::new();
    for (quad, fit) in band.lines.iter().zip(chosen) {
        let doubtful = grid::has_doubt(&fit.places, DOUBTFUL);
        let mut readings = vec![fit];
        if doubtful {
            for crop in AGAIN {
                readings.extend(read_line(reader, picture, quad, crop)?[kind].take());
            }
        }
        lines.push(as_line(&grid::mean(&grid::agreeing(readings))));
    }
    let fillers = lines.iter().map(|line| line.text.matches('<').count()).sum::<usize>();
    let Some(quad) = band.quad().filter(|_| fillers >= FEWEST_FILLERS) else { return Ok(None) };
    let angle = angle_of(&band);
    Ok(Some(FoundZone { reading: MrzReading { lines, quad }, angle, score }))
}

/// The line read as each of the lengths.
fn read_line(reader: &mut TextReader, picture: &RgbImage, line: &Quad, crop: Crop) -> Result<Vec<Option<Fit>>, VisionError> {
    let sheet = reader.read_mrz(picture, &plane::grown(line, crop.beyond, crop.growth), crop.stretch)?;
    Ok(LENGTHS.iter().map(|length| grid::fit(&sheet, *length)).collect())
}

/// The place in [`LENGTHS`] that all lines together fit best.
fn best_length(fits: &[Vec<Option<Fit>>]) -> Option<usize> {
    let total = |kind: usize| fits.iter().map(|line| line[kind].as_ref().map_or(-4.0, |fit| fit.score)).sum::<f32>();
    let best = (0..LENGTHS.len()).max_by(|a, b| total(*a).total_cmp(&total(*b)))?;
    (total(best) > -4.0 * fits.len() as f32).then_some(best)
}

fn complete(
    reader: &mut TextReader,
    picture: &RgbImage,
    band: &mut Band,
    fits: &mut Vec<Vec<Option<Fit>>>,
) -> Result<(), VisionError> {
    let kind = LENGTHS.iter().position(|length| *length == 30).unwrap_or(0);
    let mut best: Option<(f32, f32, Quad, Vec<Option<Fit>>)> = None;
    for side in [1.0, -1.0] {
        let Some(line) = band.next_line(side) else { continue };
        let fit = read_line(reader, picture, &line, FIRST)?;
        let score = fit[kind].as_ref().map_or(f32::MIN, |fit| fit.score);
        if score > LEAST_FIT && best.as_ref().is_none_or(|(known, ..)| score > *known) {
            best = Some((score, side, line, fit));
        }
    }
    if let Some((_, side, line, fit)) = best {
        let at = if side > 0.0 { band.lines.len() } else { 0 };
        band.lines.insert(at, line);
        fits.insert(at, fit);
    }
    Ok(())
}

fn as_line(places: &[Place]) -> MrzLine {
    let alternatives: Vec<Vec<(char, f32)>> =
        places.iter().map(|place| grid::ranked(place, LEAST_LIKELY, MOST_ALTERNATIVES)).collect();
    let text = alternatives.iter().map(|ranked| ranked.first().map_or('<', |(c, _)| *c)).collect();
    MrzLine { text, alternatives }
}
