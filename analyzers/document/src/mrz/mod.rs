//! The machine-readable zone: where it is, which way up it reads, and the characters at its places
//! with their likelihood. What they mean is for the other half of the analyzer.

mod band;
mod grid;
mod lines;

use image::RgbImage;
use vultus_document_text::MrzReading;
use vultus_vision::VisionError;

use crate::text::detect::FoundLine;
use crate::text::recognise::TextReader;
use band::Band;

/// Fit of a line from which it surely is one of a zone: then no other place or direction is tried.
const SURE_FIT: f32 = -0.3;

/// A zone with the way that it reads.
#[derive(Debug, Clone)]
pub(crate) struct FoundZone {
    pub(crate) reading: MrzReading,
    /// Direction of its lines in the picture, in degrees clockwise from the right, 0–360.
    pub(crate) angle: f32,
    /// Mean fit of its lines.
    pub(crate) score: f32,
    /// Whether nothing else need be tried.
    pub(crate) is_sure: bool,
}

/// Finds and reads the zone among the lines found in `picture`. `upright` is the direction in which
/// text is likely to run, in degrees, where something else tells.
pub(crate) fn find(
    reader: &mut TextReader,
    picture: &RgbImage,
    found: &[FoundLine],
    upright: Option<f32>,
) -> Result<Option<FoundZone>, VisionError> {
    let bands = band::bands(found);
    let is_forwards = |band: &Band| {
        upright.is_none_or(|angle| (angle_of(band) - angle).to_radians().cos() >= 0.0)
    };
    let forwards =
        bands.iter().map(|band| if is_forwards(band) { band.clone() } else { band.reversed() });
    let ways: Vec<Band> = match upright {
        // What tells is seldom wrong: the other direction is tried once.
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

fn angle_of(band: &Band) -> f32 {
    let [a, b, ..] = band.lines[0].0;
    (b[1] - a[1]).atan2(b[0] - a[0]).to_degrees().rem_euclid(360.0)
}
