//! A picture rotated by quarter turns, and the way back for faces found in it.

use crate::features::Face;
use crate::geometry::{Landmarks, Point, Rect};
use crate::pixels::{Channels, PixelView};

/// Number of clockwise quarter turns that make a face upright, by the way from its eyes to its
/// mouth. 0 for a face that is tilted by about half a quarter.
pub fn turns_to_upright(landmarks: &Landmarks) -> u8 {
    const CLEARLY: f32 = 1.3;
    let [left_eye, right_eye, _, left_mouth, right_mouth] = landmarks;
    let down = |i: usize| left_mouth[i] + right_mouth[i] - left_eye[i] - right_eye[i];
    let (x, y) = (down(0), down(1));
    if x.abs() > CLEARLY * y.abs() {
        if x > 0.0 { 1 } else { 3 }
    } else if -y > CLEARLY * x.abs() {
        2
    } else {
        0
    }
}

/// A copy of a picture, rotated by quarter turns.
#[derive(Debug)]
pub struct QuarterTurned {
    pixels: Vec<u8>,
    width: u32,
    height: u32,
    channels: Channels,
    turns: u8,
}

impl QuarterTurned {
    /// `picture` rotated clockwise by `turns` quarter turns.
    pub fn of(picture: &PixelView<'_>, turns: u8) -> Self {
        let (turns, channels) = (turns % 4, picture.channels());
        let (width, height) = match turns {
            0 | 2 => (picture.width(), picture.height()),
            _ => (picture.height(), picture.width()),
        };
        let mut turned = Self { pixels: Vec::new(), width, height, channels, turns };
        turned.pixels.reserve(width as usize * height as usize * channels.count());
        for y in 0..height {
            for x in 0..width {
                let [from_x, from_y] = turned.source_pixel(x, y);
                let start = from_x as usize * channels.count();
                let row = picture.row(from_y as usize);
                turned.pixels.extend_from_slice(&row[start..start + channels.count()]);
            }
        }
        turned
    }

    /// The rotated picture.
    pub fn view(&self) -> PixelView<'_> {
        let stride = self.width as usize * self.channels.count();
        PixelView::new(&self.pixels, self.width, self.height, stride, self.channels)
            .expect("the buffer has one row of `width` pixels for each of `height` rows")
    }

    /// Maps a face of this copy back to coordinates of the source picture.
    pub fn turn_back(&self, face: &Face) -> Face {
        let Rect { x, y, width, height } = face.rect;
        let corner = self.source_point([x, y]);
        let opposite = self.source_point([x + width, y + height]);
        let rect = Rect {
            x: corner[0].min(opposite[0]),
            y: corner[1].min(opposite[1]),
            width: (corner[0] - opposite[0]).abs(),
            height: (corner[1] - opposite[1]).abs(),
        };
        Face { rect, score: face.score, landmarks: face.landmarks.map(|p| self.source_point(p)) }
    }

    /// Maps a box of the source picture to this copy.
    pub fn turned_box(&self, rect: &Rect) -> Rect {
        let (width, height) = (self.width as f32, self.height as f32);
        let Rect { x, y, width: across, height: down } = *rect;
        match self.turns {
            0 => *rect,
            1 => Rect { x: width - y - down, y: x, width: down, height: across },
            2 => Rect { x: width - x - across, y: height - y - down, ..*rect },
            _ => Rect { x: y, y: height - x - across, width: down, height: across },
        }
    }

    fn source_pixel(&self, x: u32, y: u32) -> [u32; 2] {
        match self.turns {
            0 => [x, y],
            1 => [y, self.width - 1 - x],
            2 => [self.width - 1 - x, self.height - 1 - y],
            _ => [self.height - 1 - y, x],
        }
    }

    fn source_point(&self, [x, y]: Point) -> Point {
        let (width, height) = (self.width as f32, self.height as f32);
        match self.turns {
            0 => [x, y],
            1 => [y, width - x],
            2 => [width - x, height - y],
            _ => [height - y, x],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turned_face_maps_back_to_its_source_pixels() {
        let bytes: Vec<u8> = (0..6 * 4).collect();
        let picture = PixelView::new(&bytes, 6, 4, 6, Channels::Gray).unwrap();
        for turns in 0..4 {
            let turned = QuarterTurned::of(&picture, turns);
            let (x, y) = (1, 2);
            let level = turned.view().row(y)[x];
            let point = [x as f32 + 0.5, y as f32 + 0.5];
            let rect = Rect::from([x as f32, y as f32, 1.0, 1.0]);
            let face = Face { rect, score: 1.0, landmarks: [point; 5] };
            let back = turned.turn_back(&face);
            assert_eq!(picture.row(back.rect.y as usize)[back.rect.x as usize], level);
            let [px, py] = back.landmarks[0];
            assert_eq!(picture.row(py as usize)[px as usize], level);
            assert_eq!(turned.turned_box(&back.rect), rect);
        }
    }

    #[test]
    fn turns_follow_the_way_from_eyes_to_mouth() {
        let upright = [[40.0, 40.0], [60.0, 41.0], [50.0, 52.0], [43.0, 62.0], [58.0, 62.0]];
        let clockwise = |[x, y]: Point| [100.0 - y, x];
        let mut face = upright;
        for turns in [0, 3, 2, 1] {
            assert_eq!(turns_to_upright(&face), turns);
            face = face.map(clockwise);
        }
    }
}
