//! The machine-readable zone: where it is, which way up it reads, and the characters at its places with their
//! likelihood. What they mean is for the other half of the analyzer.

mod band;
mod grid;
mod lines;

use image::RgbImage;
use vultus_document_text::MrzReading;
use vultus_vision::VisionError;

use crate::text::detect::FoundLine;
use crate::text::recognise::TextReader;
use band::Band;

/// Mean fit from which no other place or direction is tried.
const SURE_FIT: f32 = -0.3;

/// A zone with the way that it reads.
#[derive(Debug, Clone)]
pub(crate) struct FoundZone {
    pub(crate) reading: MrzReading,
    /// Direction of its lines in the picture, in degrees clockwise from the right, 0–360.
    pub(crate) angle: f32,
    pub(crate) score: f32,
}

/// Finds and reads the zone among the lines found in `picture`. `upright` is the direction in which text is likely
/// to run, in degrees, where something else tells.
pub(crate) fn find(
    reader: &mut TextReader,
    picture: &RgbImage,
    found: &[FoundLine],
    upright: Option<f32>,
) -> Result<Option<FoundZone>, VisionError> {
    let mut best: Option<FoundZone> = None;
    for band in band::bands(found) {
        let forwards = upright.is_none_or(|angle| (angle_of(&band) - angle).to_radians().cos() >= 0.0);
        let ways = if forwards { [band.clone(), band.reversed()] } else { [band.reversed(), band] };
        for way in ways {
            if let Some(zone) = lines::read(reader, picture, &way)? {
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
