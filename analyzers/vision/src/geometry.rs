//! Boxes and landmarks of faces, in pixels of an upright picture. Pure arithmetic.

use serde::{Deserialize, Serialize};

/// A point: x to the right, y down.
pub type Point = [f32; 2];

/// Left eye, right eye, nose tip, left and right mouth corner; left and right as seen in the image.
pub type Landmarks = [Point; 5];

/// A box; `[x, y, width, height]` in JSON, in pixels. It may extend beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width, at least 0.
    pub width: f32,
    /// Height, at least 0.
    pub height: f32,
}

impl From<[f32; 4]> for Rect {
    fn from([x, y, width, height]: [f32; 4]) -> Self {
        Self { x, y, width: width.max(0.0), height: height.max(0.0) }
    }
}

impl From<Rect> for [f32; 4] {
    fn from(rect: Rect) -> Self {
        [rect.x, rect.y, rect.width, rect.height]
    }
}

impl Rect {
    /// Area in square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// The centre.
    pub fn centre(&self) -> Point {
        [self.x + self.width / 2.0, self.y + self.height / 2.0]
    }

    /// The area shared with `other`, in square pixels.
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, 0–1.
    pub fn overlap(&self, other: &Self) -> f32 {
        let shared = self.intersection(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// The share of this box inside a picture of the given size in pixels, 0–1.
    pub fn inside(&self, width: u32, height: u32) -> f32 {
        let picture = Self { x: 0.0, y: 0.0, width: width as f32, height: height as f32 };
        let area = self.area();
        if area > 0.0 { self.intersection(&picture) / area } else { 0.0 }
    }

    /// The box in a picture scaled by `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f32) -> Self {
        Self {
            x: self.x * factor,
            y: self.y * factor,
            width: self.width * factor,
            height: self.height * factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_intersection_over_union() {
        let a = Rect::from([10.0, 10.0, 20.0, 40.0]);
        let beside = Rect::from([30.0, 10.0, 20.0, 40.0]);
        let half = Rect::from([20.0, 10.0, 20.0, 40.0]);
        assert!((a.overlap(&a) - 1.0).abs() < 1e-6);
        assert_eq!(a.overlap(&beside), 0.0);
        assert!((a.overlap(&half) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn box_across_the_edge_is_partly_inside() {
        let cut = Rect::from([-10.0, 0.0, 40.0, 20.0]);
        assert!((cut.inside(100, 100) - 0.75).abs() < 1e-6);
    }
}
