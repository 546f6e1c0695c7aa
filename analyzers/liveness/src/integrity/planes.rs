//! Whether the face, and the scene around it, moves as one plane: a picture before the camera, or
//! one that is moved by a program.
//!
//! Corners are followed for a second. What remains of their movement after the best homography is
//! depth and expression. A living head has that even if it only breathes and blinks; of a flat
//! picture nothing remains but noise.

use vultus_vision::Point;
use vultus_vision::motion::{Region, corners, fit_plane, follow, quantile};

use super::{Clip, Integrity};

/// Frames that corners are followed: a second.
const WINDOW: usize = 15;
/// Minimum number of frames, if the clip ends or the corners are lost.
const FEWEST_FRAMES: usize = 8;
/// Maximum number of corners of the face, and around it.
const MOST: usize = 36;
/// Minimum number of followed corners.
const FEWEST: usize = 10;
/// Minimum number of windows.
const FEWEST_WINDOWS: usize = 2;
/// Distance, in pixels, up to which a corner followed forth and back is the same.
const RETURNED: f32 = 0.5;
/// Share of the corners below whose residual the depth is measured.
const MOST_CORNERS: f32 = 0.8;
/// Movement of the background, in widths of the face, from which it tells something.
const MOVED: f32 = 0.01;

/// One window.
struct Measured {
    depth: f32,
    scene: Option<f32>,
}

pub(super) fn measure(clip: &Clip, integrity: &mut Integrity) {
    let windows: Vec<Measured> =
        (0..clip.times.len()).step_by(WINDOW).filter_map(|start| window(clip, start)).collect();
    let scenes: Vec<f32> = windows.iter().filter_map(|it| it.scene).collect();
    let median = |values: Vec<f32>| {
        let enough = values.len() >= FEWEST_WINDOWS;
        enough.then(|| Integrity::rounded(f64::from(quantile(values, 0.5))))
    };
    integrity.face_depth = median(windows.iter().map(|it| it.depth).collect());
    integrity.scene_depth = median(scenes);
}

fn window(clip: &Clip, start: usize) -> Option<Measured> {
    let first = &clip.pyramids[start];
    let (width, height) = first.size();
    let face @ [left, top, right, bottom] = clip.face(start, width)?;
    let (face_width, face_height) = (right - left, bottom - top);
    // Without the edge, where the background shows.
    let inner = [
        left + 0.08 * face_width,
        top + 0.05 * face_height,
        right - 0.08 * face_width,
        bottom - 0.05 * face_height,
    ];
    let apart = (0.04 * face_width).max(3.0);
    let region = Region { inside: inner, except: None };
    let on_face = followed(clip, start, &corners(first, &region, MOST, apart))?;
    let plane = fit_plane(&on_face)?;
    let residuals = on_face.iter().map(|(from, to)| plane.residual(*from, *to)).collect();
    let depth = quantile(residuals, MOST_CORNERS) / face_width;
    let scene = scene(clip, start, face, (width, height), &on_face);
    Some(Measured { depth, scene })
}

/// Movement of the face that the background's plane does not explain, over the face's movement.
/// `None` if the background does not move, or has too few corners.
fn scene(
    clip: &Clip,
    start: usize,
    [left, top, right, bottom]: [f32; 4],
    (width, height): (usize, usize),
    on_face: &[(Point, Point)],
) -> Option<f32> {
    let (face_width, face_height) = (right - left, bottom - top);
    // The head and shoulders belong to the face.
    let person =
        [left - 0.5 * face_width, top - 0.5 * face_height, right + 0.5 * face_width, height as f32];
    let region = Region { inside: [0.0, 0.0, width as f32, height as f32], except: Some(person) };
    let apart = (0.08 * face_width).max(5.0);
    let around = corners(&clip.pyramids[start], &region, MOST, apart);
    let around = followed(clip, start, &around)?;
    let distance = |pair: &(Point, Point)| (pair.0[0] - pair.1[0]).hypot(pair.0[1] - pair.1[1]);
    let moved = quantile(around.iter().map(distance).collect(), 0.5);
    let face_moved = quantile(on_face.iter().map(distance).collect(), 0.5);
    if moved < MOVED * face_width || face_moved <= 0.0 {
        return None;
    }
    let plane = fit_plane(&around)?;
    let residuals = on_face.iter().map(|(from, to)| plane.residual(*from, *to)).collect();
    Some(quantile(residuals, 0.5) / face_moved)
}

/// The corners that can be followed through the window, with their last places. `None` if they are
/// too few, or lost too early.
fn followed(clip: &Clip, start: usize, points: &[Point]) -> Option<Vec<(Point, Point)>> {
    let mut alive: Vec<(Point, Point)> = points.iter().map(|point| (*point, *point)).collect();
    let mut frames = 0;
    for pair in clip.pyramids[start..].windows(2).take(WINDOW) {
        let next: Vec<(Point, Point)> = alive
            .iter()
            .filter_map(|(origin, here)| {
                let there = follow(&pair[0], &pair[1], *here)?;
                let back = follow(&pair[1], &pair[0], there)?;
                let same = (back[0] - here[0]).hypot(back[1] - here[1]) < RETURNED;
                same.then_some((*origin, there))
            })
            .collect();
        if next.len() < FEWEST {
            break;
        }
        alive = next;
        frames += 1;
    }
    (frames >= FEWEST_FRAMES).then_some(alive)
}
