//! Whether a selfie and an ID photo are copies of one picture: the same file, or the same picture
//! at another size, quality, brightness, or mirrored. Of a clip, every frame is compared.
//!
//! A person who uploads the photo of a document as the selfie, or the other way round, would match
//! perfectly.

use vultus_plugin_api::{Frame, Job, JobMedium, PixelFormat};

/// Number of cells per side in which brightness is compared.
const CELLS: usize = 24;
/// Number of pixels per side that a cell looks at.
const SAMPLES: usize = 4;
/// Correlation of the cells' brightness from which two pictures are copies. An estimate: it was not
/// chosen on data.
const COPY: f32 = 0.985;
/// Maximum ratio of the shapes of copies.
const SHAPE: f32 = 1.03;

/// The signature of a picture: its shape, and the brightness of its cells with mean 0 and length 1.
struct Signature {
    shape: f32,
    cells: Vec<f32>,
}

impl Signature {
    /// `None` for a picture of one colour.
    fn of(frame: &Frame<'_>) -> Option<Self> {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let channels = match frame.format() {
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
            PixelFormat::Gray8 => 1,
        };
        let side = CELLS * SAMPLES;
        let mut cells = vec![0.0; CELLS * CELLS];
        for row in 0..side {
            let line = frame.row(((2 * row + 1) * height / (2 * side)) as u32)?;
            for column in 0..side {
                let at = (2 * column + 1) * width / (2 * side) * channels;
                let sum: f32 = line[at..at + channels].iter().map(|&value| f32::from(value)).sum();
                cells[row / SAMPLES * CELLS + column / SAMPLES] += sum;
            }
        }
        let mean = cells.iter().sum::<f32>() / cells.len() as f32;
        cells.iter_mut().for_each(|cell| *cell -= mean);
        let length = cells.iter().map(|cell| cell * cell).sum::<f32>().sqrt();
        cells.iter_mut().for_each(|cell| *cell /= length.max(1.0));
        let flat = (SAMPLES * SAMPLES * channels * CELLS) as f32;
        (length > flat).then_some(Self { shape: width as f32 / height as f32, cells })
    }

    fn is_copy_of(&self, other: &Self) -> bool {
        let shapes = self.shape.max(other.shape) / self.shape.min(other.shape);
        let mirrored = |at: usize| at / CELLS * CELLS + CELLS - 1 - at % CELLS;
        let correlation = |place: &dyn Fn(usize) -> usize| -> f32 {
            self.cells.iter().enumerate().map(|(at, cell)| cell * other.cells[place(at)]).sum()
        };
        shapes < SHAPE && (correlation(&|at| at) > COPY || correlation(&mirrored) > COPY)
    }
}

/// The media, other than ID photos, that copy an ID photo of the job.
pub(crate) fn copies(job: &Job<'_>) -> Vec<u32> {
    let is_document = |medium: u32| {
        let medium = job.media().iter().find(|m| m.index == medium);
        medium.is_some_and(is_id_photo)
    };
    let documents = job.media().iter().filter(|medium| is_id_photo(medium)).count();
    if documents == 0 || documents == job.media().len() {
        return Vec::new();
    }
    let (mut of_documents, mut of_others) = (Vec::new(), Vec::new());
    job.rewind();
    while let Some(frame) = job.next_frame() {
        let Some(signature) = Signature::of(&frame) else { continue };
        if is_document(frame.medium()) {
            of_documents.push(signature);
        } else {
            of_others.push((frame.medium(), signature));
        }
    }
    let is_copy =
        |signature: &Signature| of_documents.iter().any(|document| signature.is_copy_of(document));
    let mut copies: Vec<u32> = of_others
        .iter()
        .filter(|(_, signature)| is_copy(signature))
        .map(|(medium, _)| *medium)
        .collect();
    copies.dedup();
    copies
}

fn is_id_photo(medium: &JobMedium) -> bool {
    medium.tags.iter().any(|tag| tag.starts_with("photo_id"))
}
