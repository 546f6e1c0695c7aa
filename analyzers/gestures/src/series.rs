//! The measures of a face over the frames of a clip, relative to the person's own neutral face.

use vultus_plugin_api::Failure;
use vultus_vision::{ExpressionModel, FaceMesh, MESH_POINTS, MeshFrame, MeshPoint, failure};

/// Time at the beginning in which the neutral face is looked for, in microseconds.
const NEUTRAL_US: i64 = 1_000_000;
/// Time at the beginning from which a movement is told.
const SEED_US: i64 = 300_000;
/// Degrees by which a head that rests may differ from its first position.
const RESTING: f32 = 6.0;
/// Degrees by which a head may turn from its neutral position for its template to be compared.
const STRAIGHT: f32 = 15.0;

/// Blendshapes 44 and 45, the corners of the mouth; 9 and 10, the lids.
const SMILE: [usize; 2] = [44, 45];
const BLINK: [usize; 2] = [9, 10];

/// Points of the forehead, the temples and the nose, which no expression moves much.
const UPPER: [usize; 24] = [
    10, 67, 297, 109, 338, 151, 9, 8, 168, 6, 197, 195, 103, 332, 54, 284, 21, 251, 127, 356, 70,
    300, 107, 336,
];
/// Outer corners of the eyes; bridge and tip of the nose.
const EYE_CORNERS: [usize; 2] = [33, 263];
const NOSE: [usize; 2] = [168, 1];
/// Two pairs of upper and lower lid, and the corners, for each eye.
const LIDS: [([[usize; 2]; 2], [usize; 2]); 2] =
    [([[159, 145], [158, 153]], [33, 133]), ([[386, 374], [385, 380]], [362, 263])];

type Points = [MeshPoint; MESH_POINTS];

/// One frame that shows the face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measures {
    /// Degrees from the neutral position: positive to the person's right, and up.
    pub(crate) yaw: f32,
    pub(crate) pitch: f32,
    /// Degrees from the camera's axis.
    pub(crate) absolute_yaw: f32,
    /// 0–1, of the points fitted to the neutral face.
    pub(crate) smile: f32,
    /// The less closed eye, 0–1.
    pub(crate) closed: f32,
    /// The more open eye: height over width.
    pub(crate) opening: f32,
    /// Distance of the eyes, in neutral ones.
    pub(crate) size: f32,
    /// Length of the nose over the distance of the eyes, in neutral ones.
    pub(crate) nose: f32,
}

/// The neutral face of a clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Neutral {
    pub(crate) yaw: f32,
    pub(crate) pitch: f32,
    pub(crate) roll: f32,
    pub(crate) smile: f32,
}

/// A clip.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// Time of each frame in microseconds.
    pub(crate) times: Vec<i64>,
    /// Its measures; `None` if it does not show the face.
    pub(crate) frames: Vec<Option<Measures>>,
    pub(crate) neutral: Neutral,
    /// Median time between two frames in microseconds.
    pub(crate) step_us: i64,
}

impl Series {
    /// Measures a clip. `None` if no frame of its first second shows a face.
    pub(crate) fn measure(
        frames: &[MeshFrame],
        expression: &mut ExpressionModel,
    ) -> Result<Option<Self>, Failure> {
        let Some(rest) = Rest::of(frames) else { return Ok(None) };
        let mut smiles = Vec::with_capacity(frames.len());
        for frame in frames {
            smiles.push(match &frame.mesh {
                Some(mesh) => Some(smile(mesh, &rest.mesh.points, expression)?),
                None => None,
            });
        }
        let resting = rest.frames.iter().filter_map(|index| smiles[*index]);
        let Rest { yaw, pitch, roll, .. } = rest;
        let neutral = Neutral { yaw, pitch, roll, smile: median(resting) };
        let measures = |(frame, smile): (&MeshFrame, &Option<f32>)| {
            Some(rest.measures(frame.mesh.as_ref()?, (*smile)?))
        };
        let times: Vec<i64> = frames.iter().map(|frame| frame.pts_us).collect();
        let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.sort_unstable();
        Ok(Some(Self {
            frames: frames.iter().zip(&smiles).map(measures).collect(),
            neutral,
            step_us: steps.get(steps.len() / 2).copied().unwrap_or(i64::MAX),
            times,
        }))
    }

    /// Whether the face is near its neutral position at `time`.
    pub(crate) fn is_straight_at(&self, time: i64) -> bool {
        let nearest = (0..self.times.len()).min_by_key(|i| (self.times[*i] - time).abs());
        let measures = nearest.and_then(|i| self.frames[i]);
        measures.is_some_and(|it| it.yaw.abs() < STRAIGHT && it.pitch.abs() < STRAIGHT)
    }

    /// Frames per second.
    pub(crate) fn rate(&self) -> f64 {
        1e6 / (self.step_us.max(1) as f64)
    }

    /// Time from the first frame to the end of the last one in microseconds.
    pub(crate) fn duration_us(&self) -> i64 {
        match (self.times.first(), self.times.last()) {
            (Some(first), Some(last)) if self.times.len() > 1 => last - first + self.step_us,
            _ => 0,
        }
    }
}

/// The face at rest at the beginning of a clip.
struct Rest<'a> {
    /// The frames.
    frames: Vec<usize>,
    yaw: f32,
    pitch: f32,
    roll: f32,
    /// The frame closest to the median.
    mesh: &'a FaceMesh,
    eyes: f32,
    nose: f32,
}

impl<'a> Rest<'a> {
    /// Medians over the first second, as far as the head does not move away in it.
    fn of(frames: &'a [MeshFrame]) -> Option<Self> {
        let begin = frames.iter().find(|frame| frame.mesh.is_some())?.pts_us;
        let within = |limit: i64| {
            frames.iter().enumerate().filter_map(move |(index, frame)| {
                let mesh = frame.mesh.as_ref()?;
                (frame.pts_us - begin < limit).then_some((index, mesh))
            })
        };
        let seed = [
            median(within(SEED_US).map(|(_, mesh)| mesh.rotation.yaw)),
            median(within(SEED_US).map(|(_, mesh)| mesh.rotation.pitch)),
        ];
        let resting: Vec<(usize, &FaceMesh)> = within(NEUTRAL_US)
            .take_while(|(_, mesh)| {
                (mesh.rotation.yaw - seed[0]).abs() < RESTING
                    && (mesh.rotation.pitch - seed[1]).abs() < RESTING
            })
            .collect();
        let resting = if resting.is_empty() { within(SEED_US).collect() } else { resting };
        let of = |measure: fn(&FaceMesh) -> f32| median(resting.iter().map(|(_, it)| measure(it)));
        let yaw = of(|mesh| mesh.rotation.yaw);
        let pitch = of(|mesh| mesh.rotation.pitch);
        let distance =
            |mesh: &FaceMesh| (mesh.rotation.yaw - yaw).abs() + (mesh.rotation.pitch - pitch).abs();
        let (_, mesh) =
            *resting.iter().min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))?;
        let (eyes, nose) = (of(eye_distance), of(nose_length));
        let roll = of(|mesh| mesh.rotation.roll);
        Some(Self {
            frames: resting.iter().map(|(index, _)| *index).collect(),
            yaw,
            pitch,
            roll,
            mesh,
            eyes,
            nose,
        })
    }

    fn measures(&self, mesh: &FaceMesh, smile: f32) -> Measures {
        Measures {
            yaw: mesh.rotation.yaw - self.yaw,
            pitch: mesh.rotation.pitch - self.pitch,
            absolute_yaw: mesh.rotation.yaw,
            smile,
            closed: mesh.blendshapes[BLINK[0]].min(mesh.blendshapes[BLINK[1]]),
            opening: opening(mesh),
            size: eye_distance(mesh) / self.eyes.max(f32::MIN_POSITIVE),
            nose: nose_length(mesh) / self.nose.max(f32::MIN_POSITIVE),
        }
    }
}

/// The smile of `mesh`, with its points fitted to those of the neutral face by an affine map of the
/// upper face: a turned head changes the network's opinion of the mouth otherwise.
fn smile(
    mesh: &FaceMesh,
    neutral: &Points,
    expression: &mut ExpressionModel,
) -> Result<f32, Failure> {
    let shapes = match fitted(&mesh.points, neutral) {
        Some(points) => expression.blendshapes(&points).map_err(failure)?,
        None => mesh.blendshapes,
    };
    Ok((shapes[SMILE[0]] + shapes[SMILE[1]]) / 2.0)
}

/// `points` under the affine map that takes their upper face to that of `neutral` with the least
/// squared error. `None` if the upper face is a line.
fn fitted(points: &Points, neutral: &Points) -> Option<Box<Points>> {
    // Centred on the mean, so that the shift separates from the 2×2 part.
    let mean = |points: &Points, axis: usize| {
        UPPER.iter().map(|index| f64::from(points[*index][axis])).sum::<f64>() / UPPER.len() as f64
    };
    let (from, to) =
        ([0, 1].map(|axis| mean(points, axis)), [0, 1].map(|axis| mean(neutral, axis)));
    let (mut xx, mut xy, mut yy, mut cross) = (0.0, 0.0, 0.0, [[0.0; 2]; 2]);
    for index in UPPER {
        let [x, y] = [0, 1].map(|axis| f64::from(points[index][axis]) - from[axis]);
        xx += x * x;
        xy += x * y;
        yy += y * y;
        for (axis, sums) in cross.iter_mut().enumerate() {
            let target = f64::from(neutral[index][axis]) - to[axis];
            sums[0] += x * target;
            sums[1] += y * target;
        }
    }
    let determinant = xx * yy - xy * xy;
    if determinant <= 1e-9 * (xx + yy).powi(2) {
        return None;
    }
    let map =
        cross.map(|[x, y]| [(yy * x - xy * y) / determinant, (xx * y - xy * x) / determinant]);
    let mut moved = Box::new(*points);
    for point in moved.iter_mut() {
        let [x, y] = [0, 1].map(|axis| f64::from(point[axis]) - from[axis]);
        for axis in 0..2 {
            point[axis] = (map[axis][0] * x + map[axis][1] * y + to[axis]) as f32;
        }
    }
    Some(moved)
}

fn flat_distance(points: &Points, [a, b]: [usize; 2]) -> f32 {
    (points[a][0] - points[b][0]).hypot(points[a][1] - points[b][1])
}

/// Distance of the outer corners of the eyes in space.
fn eye_distance(mesh: &FaceMesh) -> f32 {
    let [a, b] = EYE_CORNERS.map(|index| mesh.points[index]);
    (a[0] - b[0]).hypot(a[1] - b[1]).hypot(a[2] - b[2])
}

fn nose_length(mesh: &FaceMesh) -> f32 {
    let eyes = flat_distance(&mesh.points, EYE_CORNERS).max(f32::MIN_POSITIVE);
    flat_distance(&mesh.points, NOSE) / eyes
}

fn opening(mesh: &FaceMesh) -> f32 {
    let of_eye = |(lids, corners): ([[usize; 2]; 2], [usize; 2])| {
        let height = lids.iter().map(|pair| flat_distance(&mesh.points, *pair)).sum::<f32>() / 2.0;
        height / flat_distance(&mesh.points, corners).max(f32::MIN_POSITIVE)
    };
    LIDS.map(of_eye).into_iter().fold(0.0, f32::max)
}

/// The median; 0 without values.
pub(crate) fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}
