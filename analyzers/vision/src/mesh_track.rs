//! The feature `face_mesh/1` as a table: one row for each frame of a clip, in order.
//!
//! | column | content |
//! | --- | --- |
//! | 0 | time from the start of the clip in milliseconds |
//! | 1 | presence, 0.5–1; 0 if the frame shows no face, and then all further columns are 0 |
//! | 2–4 | yaw, pitch and roll of the head in degrees |
//! | 5–56 | the 52 blendshapes in MediaPipe's order, 0–1 |
//! | 57–1490 | x, y and z of the 478 points, in pixels of the medium's upright pictures |

use vultus_plugin_api::{Failure, Table};

use crate::mesh::{BLENDSHAPES, FaceMesh, MESH_POINTS};
use crate::mesh_rotation::HeadRotation;

const ANGLES: usize = 2;
const SHAPES: usize = ANGLES + 3;
const POINTS: usize = SHAPES + BLENDSHAPES;
const COLUMNS: usize = POINTS + 3 * MESH_POINTS;

/// One frame of a clip.
#[derive(Debug, Clone, PartialEq)]
pub struct MeshFrame {
    /// Time from the start of the clip in microseconds.
    pub pts_us: i64,
    /// The face, in pixels of the medium's upright pictures.
    pub mesh: Option<FaceMesh>,
}

/// The table of a clip.
pub fn mesh_table(frames: &[MeshFrame]) -> Result<Table, Failure> {
    let mut values = Vec::with_capacity(frames.len() * COLUMNS);
    for frame in frames {
        let end = values.len() + COLUMNS;
        values.push((frame.pts_us as f64 / 1e3) as f32);
        if let Some(mesh) = &frame.mesh {
            let HeadRotation { yaw, pitch, roll } = mesh.rotation;
            values.extend([mesh.presence, yaw, pitch, roll]);
            values.extend(mesh.blendshapes);
            values.extend(mesh.points.as_flattened());
        }
        values.resize(end, 0.0);
    }
    Table::new(COLUMNS as u32, values)
        .map_err(|problem| Failure::internal(format!("writing face_mesh/1: {problem}")))
}

/// The frames of a table. `INTERNAL` if it has other columns.
pub fn mesh_frames(table: &Table) -> Result<Vec<MeshFrame>, Failure> {
    let mut frames = Vec::new();
    for row in table.rows() {
        let frame = frame_of(row).ok_or_else(|| {
            Failure::internal(format!("face_mesh/1 has {} columns, not {COLUMNS}", row.len()))
        })?;
        frames.push(frame);
    }
    Ok(frames)
}

fn frame_of(row: &[f32]) -> Option<MeshFrame> {
    if row.len() != COLUMNS {
        return None;
    }
    let pts_us = (f64::from(row[0]) * 1e3).round() as i64;
    if row[1] <= 0.0 {
        return Some(MeshFrame { pts_us, mesh: None });
    }
    let mut points = Box::new([[0.0; 3]; MESH_POINTS]);
    points.as_flattened_mut().copy_from_slice(&row[POINTS..]);
    let [yaw, pitch, roll] = *row[ANGLES..].first_chunk::<3>()?;
    let mesh = FaceMesh {
        presence: row[1],
        rotation: HeadRotation { yaw, pitch, roll },
        blendshapes: *row[SHAPES..].first_chunk()?,
        points,
    };
    Some(MeshFrame { pts_us, mesh: Some(mesh) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_table() {
        let mut points = Box::new([[1.5, -2.0, 3.25]; MESH_POINTS]);
        points[477] = [640.0, 360.0, -9.0];
        let mesh = FaceMesh {
            presence: 0.75,
            rotation: HeadRotation { yaw: 12.5, pitch: -3.0, roll: 1.0 },
            blendshapes: [0.5; BLENDSHAPES],
            points,
        };
        let frames = [
            MeshFrame { pts_us: 0, mesh: Some(mesh) },
            MeshFrame { pts_us: 33_366, mesh: None },
            MeshFrame { pts_us: 16_999_983, mesh: None },
        ];
        let read = mesh_frames(&mesh_table(&frames).unwrap()).unwrap();
        assert_eq!(read[..2], frames[..2]);
        assert!((read[2].pts_us - frames[2].pts_us).abs() <= 1000);
        assert!(mesh_frames(&Table::new(3, vec![0.0; 6]).unwrap()).is_err());
    }
}
