//! Reads single letters that the detector of lines missed, where a label says that one should be.

use image::RgbImage;
use vultus_document_text::{TextLine, empty_places};
use vultus_vision::VisionError;

use crate::text::recognise::TextReader;

/// Minimum confidence of letters at a place where no line was detected.
const SURE: f32 = 0.85;
/// Maximum number of letters; longer values are detected.
const MOST: usize = 2;

/// Adds the letters that are found to the lines.
pub(crate) fn add_missed(
    reader: &mut TextReader,
    picture: &RgbImage,
    lines: &mut Vec<TextLine>,
) -> Result<(), VisionError> {
    for quad in empty_places(lines) {
        let read = reader.read(picture, &quad)?;
        let text = read.text.trim();
        let is_letter = |c: char| c.is_alphabetic() || c == '0';
        let fits = (1..=MOST).contains(&text.chars().count()) && text.chars().all(is_letter);
        if fits && read.confidence >= SURE {
            let text = text.to_owned();
            lines.push(TextLine { text, confidence: read.confidence, quad });
        }
    }
    Ok(())
}
