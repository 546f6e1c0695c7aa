//! The rotation of a head: the proper rotation that takes the canonical face model to the points of
//! a mesh with the least weighted squared error (Procrustes, by Horn's quaternions 1987).
//!
//! Points, coordinates and weights are those of MediaPipe's face geometry metadata (Apache-2.0).

use crate::mesh::{MESH_POINTS, MeshPoint};

/// Point of the mesh, weight, place in the canonical model: x to the right, y up, z to the viewer.
const MODEL: [(usize, f32, [f32; 3]); 33] = [
    (4, 0.07091, [0.0, -0.46317, 7.58658]),
    (6, 0.0321, [0.0, 2.473255, 5.788627]),
    (10, 0.008447, [0.0, 8.261778, 4.481535]),
    (33, 0.058724, [-4.445859, 2.663991, 3.173422]),
    (54, 0.007667, [-6.279331, 6.615427, 1.42585]),
    (67, 0.009078, [-3.523964, 8.005976, 3.729163]),
    (117, 0.009792, [-5.258659, 0.945811, 2.974312]),
    (119, 0.014565, [-3.300681, 0.861641, 3.872784]),
    (121, 0.018591, [-1.820731, 1.467954, 4.224124]),
    (127, 0.005198, [-7.743095, 2.364999, -2.005167]),
    (129, 0.120625, [-1.785794, -0.978284, 4.85047]),
    (132, 0.00556, [-7.270895, -2.890917, -2.252455]),
    (133, 0.053286, [-1.856432, 2.585245, 3.757904]),
    (136, 0.06689, [-5.085276, -7.17859, 0.714711]),
    (143, 0.014817, [-6.407571, 2.236021, 1.560843]),
    (147, 0.014263, [-6.234883, -1.94443, 1.663542]),
    (198, 0.025462, [-1.246815, 0.230297, 5.681036]),
    (205, 0.047252, [-3.832928, -1.537326, 4.137731]),
    (263, 0.058724, [4.445859, 2.663991, 3.173422]),
    (284, 0.007667, [6.279331, 6.615427, 1.42585]),
    (297, 0.009078, [3.523964, 8.005976, 3.729163]),
    (346, 0.009792, [5.258659, 0.945811, 2.974312]),
    (348, 0.014565, [3.300681, 0.861641, 3.872784]),
    (350, 0.018591, [1.820731, 1.467954, 4.224124]),
    (356, 0.005198, [7.743095, 2.364999, -2.005167]),
    (358, 0.120625, [1.785794, -0.978284, 4.85047]),
    (361, 0.00556, [7.270895, -2.890917, -2.252455]),
    (362, 0.053286, [1.856432, 2.585245, 3.757904]),
    (365, 0.06689, [5.085276, -7.17859, 0.714711]),
    (372, 0.014817, [6.407571, 2.236021, 1.560843]),
    (376, 0.014263, [6.234883, -1.94443, 1.663542]),
    (420, 0.025462, [1.246815, 0.230297, 5.681036]),
    (425, 0.047252, [3.832928, -1.537326, 4.137731]),
];

/// Angles of a head in degrees; 0 is facing the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadRotation {
    /// Positive if the nose points to the image's left: in an unmirrored picture the person turns
    /// to their own right.
    pub yaw: f32,
    /// Positive if the nose points up.
    pub pitch: f32,
    /// Positive if the head leans to the image's left: against the clock.
    pub roll: f32,
}

/// The rotation of a mesh in pixels (x to the right, y down, z away from the viewer). `None` if the
/// points coincide or are not finite.
pub fn head_rotation(points: &[MeshPoint; MESH_POINTS]) -> Option<HeadRotation> {
    let total: f64 = MODEL.iter().map(|(_, weight, _)| f64::from(*weight)).sum();
    let seen = |index: usize| {
        let [x, y, z] = points[index].map(f64::from);
        [x, -y, -z]
    };
    let (mut mean_model, mut mean_seen) = ([0.0; 3], [0.0; 3]);
    for (index, weight, place) in MODEL {
        let (share, point) = (f64::from(weight) / total, seen(index));
        for axis in 0..3 {
            mean_model[axis] += share * f64::from(place[axis]);
            mean_seen[axis] += share * point[axis];
        }
    }
    let mut covariance = [[0.0; 3]; 3];
    for (index, weight, place) in MODEL {
        let point = seen(index);
        for (row, line) in covariance.iter_mut().enumerate() {
            let model = f64::from(weight) * (f64::from(place[row]) - mean_model[row]);
            for (column, sum) in line.iter_mut().enumerate() {
                *sum += model * (point[column] - mean_seen[column]);
            }
        }
    }
    let size: f64 = covariance.iter().flatten().map(|value| value.abs()).sum();
    if !size.is_finite() || size < 1e-9 {
        return None;
    }
    Some(angles(quaternion(&covariance)))
}

/// The eigenvector of the largest eigenvalue of Horn's symmetric matrix, by Jacobi's rotations.
fn quaternion(s: &[[f64; 3]; 3]) -> [f64; 4] {
    let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = *s;
    let mut matrix = [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ];
    let mut vectors = [[0.0; 4]; 4];
    for (axis, row) in vectors.iter_mut().enumerate() {
        row[axis] = 1.0;
    }
    for _sweep in 0..12 {
        for p in 0..3 {
            for q in p + 1..4 {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
    }
    let largest = (0..4).max_by(|a, b| matrix[*a][*a].total_cmp(&matrix[*b][*b])).unwrap_or(0);
    [0, 1, 2, 3].map(|row: usize| vectors[row][largest])
}

/// One Jacobi rotation that makes the element (`p`, `q`) zero.
fn rotate(matrix: &mut [[f64; 4]; 4], vectors: &mut [[f64; 4]; 4], p: usize, q: usize) {
    if matrix[p][q].abs() < 1e-300 {
        return;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    for row in matrix.iter_mut().chain(vectors.iter_mut()) {
        (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
    }
    let (upper, lower) = (matrix[p], matrix[q]);
    matrix[p] = std::array::from_fn(|at| cosine * upper[at] - sine * lower[at]);
    matrix[q] = std::array::from_fn(|at| sine * upper[at] + cosine * lower[at]);
}

fn angles([w, x, y, z]: [f64; 4]) -> HeadRotation {
    // The model's axis to the viewer, and its axis to the right, after the rotation.
    let nose = [2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)];
    let side = [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z)];
    HeadRotation {
        yaw: -nose[0].atan2(nose[2]).to_degrees() as f32,
        pitch: nose[1].clamp(-1.0, 1.0).asin().to_degrees() as f32,
        roll: side[1].atan2(side[0]).to_degrees() as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The model turned by yaw, then pitch, as pixels of a face of 20 pixels per unit.
    fn turned(yaw: f32, pitch: f32) -> Box<[MeshPoint; MESH_POINTS]> {
        let mut points = Box::new([[0.0; 3]; MESH_POINTS]);
        let (sin_yaw, cos_yaw) = (-yaw).to_radians().sin_cos();
        let (sin_pitch, cos_pitch) = pitch.to_radians().sin_cos();
        for (index, _, [x, y, z]) in MODEL {
            let (y, z) = (y * cos_pitch + z * sin_pitch, z * cos_pitch - y * sin_pitch);
            let (x, z) = (x * cos_yaw + z * sin_yaw, z * cos_yaw - x * sin_yaw);
            points[index] = [300.0 + 20.0 * x, 200.0 - 20.0 * y, 7.0 - 20.0 * z];
        }
        points
    }

    #[test]
    fn rotation_of_the_turned_model_is_found() {
        for (yaw, pitch) in [(0.0, 0.0), (25.0, 0.0), (-60.0, 0.0), (0.0, 30.0), (20.0, -35.0)] {
            let found = head_rotation(&turned(yaw, pitch)).unwrap();
            assert!((found.yaw - yaw).abs() < 0.1, "{yaw} {pitch}: {found:?}");
            assert!((found.pitch - pitch).abs() < 0.1, "{yaw} {pitch}: {found:?}");
        }
    }

    #[test]
    fn coinciding_points_have_no_rotation() {
        assert_eq!(head_rotation(&[[5.0; 3]; MESH_POINTS]), None);
        assert_eq!(head_rotation(&[[f32::NAN; 3]; MESH_POINTS]), None);
    }
}
