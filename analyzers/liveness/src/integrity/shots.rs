//! Shot sets, which have no track and no times: whether their pictures are one picture.
//!
//! Of live people, at three to five pictures per second, neighbours differ in the face by 0.37 of
//! its contrast and more; of a still with noise by less than 0.05.

use vultus_vision::motion::{Grey, quantile};
use vultus_vision::{PixelView, Rect};

use super::{FEWEST_SHOTS, Integrity, SMALL_SIDE, still};

/// The pictures of a shot set, reduced, with the face's box in them.
#[derive(Debug, Default)]
pub(crate) struct Shots {
    small: Vec<Grey>,
    faces: Vec<Option<[f32; 4]>>,
}

impl Shots {
    /// Adds the next picture, with the subject's face in its pixels.
    pub(crate) fn add(&mut self, picture: &PixelView<'_>, face: Option<Rect>) {
        let small = Grey::of(picture, SMALL_SIDE);
        let scale = small.width as f32 / picture.width() as f32;
        self.faces.push(face.map(|face| {
            let Rect { x, y, width, height } = face.scaled(scale);
            [x, y, x + width, y + height]
        }));
        self.small.push(small);
    }

    pub(super) fn measure(&self) -> Integrity {
        let mut integrity = Integrity { frames: self.small.len(), ..Integrity::default() };
        if self.small.len() >= FEWEST_SHOTS {
            integrity.frozen = Some(still::frozen(&self.small));
            integrity.face_change = self.face_change();
        }
        integrity
    }

    /// Change of the face's structure from one picture to the next and to the one after, over its
    /// contrast: the larger median. `None` without a face.
    fn face_change(&self) -> Option<f64> {
        let area = (*self.faces.get(self.faces.len() / 2)?)
            .or_else(|| self.faces.iter().copied().flatten().next())?;
        let faces: Vec<Grey> = self.small.iter().map(|it| it.structure().part(area)).collect();
        let contrast = quantile(faces.iter().map(Grey::contrast).collect(), 0.5);
        let change = |apart: usize| {
            let pairs = faces.windows(apart + 1).map(|it| it[0].distance(&it[apart]));
            quantile(pairs.collect(), 0.5)
        };
        let change = change(1).max(change(2));
        (contrast > 0.0).then(|| Integrity::rounded(f64::from(change / contrast)))
    }
}
