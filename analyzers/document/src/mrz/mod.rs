//! Locates and reads the machine-readable zone: its lines, its reading direction, and the
//! characters at its places with their probabilities. `vultus-document-text` interprets them.

mod band;
mod grid;
mod lines;

use std::ops::RangeInclusive;

use image::RgbImage;
use vultus_document_text::{MrzReading, TextLine};
use vultus_vision::VisionError;

use crate::text::detect::FoundLine;
use crate::text::recognise::TextReader;
use band::Band;

pub(crate) use lines::FoundZone;

/// Reads a line as a zone by itself, as some driving licences have, if it begins like one.
pub(crate) fn read_single(
    reader: &mut TextReader,
    picture: &RgbImage,
    line: &TextLine,
) -> Result<Option<MrzReading>, VisionError> {
    let text: String = line.text.chars().filter(char::is_ascii_graphic).collect();
    if !SINGLE.iter().any(|first| text.starts_with(first)) || !SINGLE_LENGTHS.contains(&text.len())
    {
        return Ok(None);
    }
    lines::read_single(reader, picture, line.quad)
}

/// Beginnings and lengths, as read, of a zone of one line: of the French driving licence.
const SINGLE: [&str; 3] = ["D1FRA", "DIFRA", "DLFRA"];
const SINGLE_LENGTHS: RangeInclusive<usize> = 25..=34;

/// Finds and reads the zone among the lines found in `picture`. `upright` is the expected direction
/// of text, in degrees clockwise from the right, if known.
pub(crate) fn find(
    reader: &mut TextReader,
    picture: &RgbImage,
    found: &[FoundLine],
    upright: Option<f32>,
) -> Result<Option<FoundZone>, VisionError> {
    let bands = band::bands(found);
    let is_forwards =
        |band: &Band| upright.is_none_or(|angle| (band.angle() - angle).to_radians().cos() >= 0.0);
    let forwards =
        bands.iter().map(|band| if is_forwards(band) { band.clone() } else { band.reversed() });
    let ways: Vec<Band> = match upright {
        // The expected direction is rarely wrong: the opposite one is tried once.
        Some(_) => forwards.clone().chain(forwards.take(1).map(|band| band.reversed())).collect(),
        None => forwards.flat_map(|band| [band.clone(), band.reversed()]).collect(),
    };
    let mut best: Option<FoundZone> = None;
    for way in ways {
        let Some(zone) = lines::read(reader, picture, &way)? else { continue };
        let is_sure = zone.is_sure;
        if best.as_ref().is_none_or(|known| zone.score > known.score) {
            best = Some(zone);
        }
        if is_sure {
            break;
        }
    }
    Ok(best)
}
