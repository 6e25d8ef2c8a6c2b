//! Hand models, from the papers' formulas.

use super::{Tensor, mesh};

type Vec3 = [f64; 3];
/// Row by row.
type Mat3 = [[f64; 3]; 3];

const IDENTITY: Mat3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

fn product(a: Mat3, b: Mat3) -> Mat3 {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

fn transposed(a: Mat3) -> Mat3 {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| a[j][i]))
}

fn times(a: Mat3, v: Vec3) -> Vec3 {
    a.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

fn plus(a: Vec3, b: Vec3) -> Vec3 {
    [0, 1, 2].map(|k| a[k] + b[k])
}

fn minus(a: Vec3, b: Vec3) -> Vec3 {
    [0, 1, 2].map(|k| a[k] - b[k])
}

/// The rotation about a vector by its length.
fn rotation(v: &[f64]) -> Mat3 {
    matrix(&mesh::axis_angle(&Tensor { dims: vec![1, 3], data: v.to_vec() }).data)
}

fn matrix(rows: &[f64]) -> Mat3 {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| rows[3 * i + j]))
}

fn point(x: &[f64], i: usize) -> Vec3 {
    [0, 1, 2].map(|k| x[3 * i + k])
}

/// A joint of a rig at rest; axes are columns.
#[derive(Debug, Clone)]
pub struct Joint {
    /// The joint it hangs from; the root's own place.
    pub parent: usize,
    /// Where it is.
    pub origin: Vec3,
    /// What it bends about.
    pub axes: Mat3,
    /// What it stretches along.
    pub stretch: Mat3,
}

/// Twist about y, then flexion about x, then abduction about z.
fn bend(flexion: f64, abduction: f64, twist: f64) -> Mat3 {
    let by = |axis: usize, angle: f64| {
        let mut v = [0.0; 3];
        v[axis] = angle;
        rotation(&v)
    };
    product(by(2, abduction), product(by(0, flexion), by(1, twist)))
}

/// What a joint does to space at rest: stretches it along its axes of stretch, by factors of these logarithms.
fn stretched(joint: &Joint, logs: Vec3) -> Mat3 {
    let mut scaled = joint.stretch;
    scaled.iter_mut().for_each(|row| (0..3).for_each(|k| row[k] *= logs[k].exp()));
    product(scaled, transposed(joint.stretch))
}

fn affine(linear: Mat3, offset: Vec3) -> impl Iterator<Item = f64> {
    (0..3).flat_map(move |i| [linear[i][0], linear[i][1], linear[i][2], offset[i]])
}

/// Maps from each joint's axes to its parent's, from angles and logarithms of stretches N×J×3, rotation N×9, translation N×3.
pub fn rig_pose(angles: &Tensor, logs: &Tensor, turn: &Tensor, place: &Tensor, joints: &[Joint]) -> Tensor {
    let n = angles.dims[0];
    let mut data = Vec::new();
    for sample in 0..n {
        for (j, joint) in joints.iter().enumerate() {
            let a = point(&angles.data, sample * joints.len() + j);
            let bent = product(joint.axes, bend(a[0], a[1], a[2]));
            let parent = &joints[joint.parent];
            let (linear, offset) = if joint.parent == j {
                (product(matrix(&turn.data[9 * sample..]), bent), point(&place.data, sample))
            } else {
                let stretch = stretched(parent, point(&logs.data, sample * joints.len() + joint.parent));
                let back = transposed(parent.axes);
                (product(back, bent), times(back, times(stretch, minus(joint.origin, parent.origin))))
            };
            data.extend(affine(linear, offset));
        }
    }
    Tensor { dims: vec![n, joints.len(), 12], data }
}

/// Maps from the rest space to each joint's axes, stretched.
pub fn rig_shape(logs: &Tensor, joints: &[Joint]) -> Tensor {
    let data = (0..logs.data.len() / 3).flat_map(|i| {
        let joint = &joints[i % joints.len()];
        let linear = product(transposed(joint.axes), stretched(joint, point(&logs.data, i)));
        let offset = times(linear, joint.origin).map(|v| -v);
        affine(linear, offset)
    });
    Tensor { dims: vec![logs.dims[0], joints.len(), 12], data: data.collect() }
}

/// Maps that turn about points.
pub fn turn_about(rotations: &Tensor, points: &Tensor) -> Tensor {
    let mut dims = rotations.dims.clone();
    *dims.last_mut().expect("channels") = 12;
    let data = (0..points.data.len() / 3).flat_map(|i| {
        let (turn, p) = (matrix(&rotations.data[9 * i..]), point(&points.data, i));
        affine(turn, minus(p, times(turn, p)))
    });
    Tensor { dims, data: data.collect() }
}

/// A rigged hand.
#[derive(Debug, Clone)]
pub struct Rig {
    /// Its joints at rest, parents first.
    pub joints: Vec<Joint>,
    /// Its vertices at rest, with the (joint, weight) of each.
    pub vertices: Vec<(Vec3, Vec<(usize, f64)>)>,
    /// The joint and the axis (flexion, abduction, twist) of each pose parameter.
    pub freedoms: Vec<(usize, usize)>,
    /// The finger of each joint, thumb 0; none for the palm.
    pub fingers: Vec<Option<usize>>,
    /// The joint of each of the 21, or the vertex where it is a fingertip.
    pub places: Vec<Result<usize, usize>>,
    /// Whether it is a left hand.
    pub left: bool,
}

impl Rig {
    /// Vertices, then the 21 joints, N×(V + 21)×3, of rotations N×3 (axis times angle), places N×3, angles and logarithms of
    /// the shape's factors.
    pub fn hands(&self, turn: &Tensor, place: &Tensor, pose: &Tensor, shape: &Tensor) -> Tensor {
        let n = turn.dims[0];
        let row = |x: &Tensor, i: usize| x.data[i * x.dims[1]..(i + 1) * x.dims[1]].to_vec();
        let hand = |i: usize| self.hand(row(turn, i), point(&place.data, i), &row(pose, i), &row(shape, i));
        let data: Vec<f64> = (0..n).flat_map(hand).flatten().collect();
        Tensor { dims: vec![n, self.vertices.len() + self.places.len(), 3], data }
    }

    fn hand(&self, turn: Vec<f64>, place: Vec3, pose: &[f64], shape: &[f64]) -> Vec<Vec3> {
        // A left hand is a right one in the mirror.
        let mirror = if self.left { -1.0 } else { 1.0 };
        let turn = rotation(&[turn[0], turn[1] * mirror, turn[2] * mirror]);
        let place = [place[0] * mirror, place[1], place[2]];

        let angle = |joint: usize, axis: usize| {
            let place = self.freedoms.iter().position(|f| *f == (joint, axis));
            place.map_or(0.0, |k| pose[k])
        };
        let stretch = |j: usize| {
            let own = match self.fingers[j] {
                None => [shape[1], shape[2], shape[3]],
                Some(f) => [shape[9 + f], shape[4 + f], shape[9 + f]],
            };
            stretched(&self.joints[j], own.map(|log| log + shape[0]))
        };
        // Where each joint is and how its axes are turned.
        let mut posed: Vec<(Vec3, Mat3)> = Vec::new();
        for (j, joint) in self.joints.iter().enumerate() {
            let bent = product(joint.axes, bend(angle(j, 0), angle(j, 1), angle(j, 2)));
            posed.push(if joint.parent == j {
                (place, product(turn, bent))
            } else {
                let parent = &self.joints[joint.parent];
                // From the rest space to the posed one, as the parent does it.
                let carried = product(posed[joint.parent].1, transposed(parent.axes));
                let step = times(stretch(joint.parent), minus(joint.origin, parent.origin));
                (plus(posed[joint.parent].0, times(carried, step)), product(carried, bent))
            });
        }
        let carried = |j: usize| product(posed[j].1, transposed(self.joints[j].axes));
        let maps: Vec<Mat3> = (0..self.joints.len()).map(|j| product(carried(j), stretch(j))).collect();
        let moved = |(rest, weights): &(Vec3, Vec<(usize, f64)>)| {
            weights.iter().fold([0.0; 3], |sum, &(j, weight)| {
                let p = plus(posed[j].0, times(maps[j], minus(*rest, self.joints[j].origin)));
                plus(sum, p.map(|v| weight * v))
            })
        };
        let mut points: Vec<Vec3> = self.vertices.iter().map(moved).collect();
        let joints: Vec<Vec3> = self.places.iter().map(|p| p.map_or_else(|v| points[v], |j| posed[j].0)).collect();
        points.extend(joints);
        points.iter_mut().for_each(|p| p[0] *= mirror);
        points
    }
}

/// MANO's arrays as the file has them, metres; see Romero et al. 2017, equations 2 to 6.
#[derive(Debug, Clone)]
pub struct Mano {
    /// V×3.
    pub template: Vec<f64>,
    /// V×3×10.
    pub shape_dirs: Vec<f64>,
    /// V×3×135.
    pub pose_dirs: Vec<f64>,
    /// 16×V.
    pub regressor: Vec<f64>,
    /// V×16.
    pub weights: Vec<f64>,
    /// Of 16 joints; the first is its own.
    pub parents: Vec<usize>,
    /// 45.
    pub mean: Vec<f64>,
    /// Components of the pose, 45 numbers each; none where the pose is angles.
    pub components: Vec<f64>,
    /// The vertices that are fingertips, thumb first.
    pub tips: [usize; 5],
}

impl Mano {
    /// Vertices, then the 21 joints, N×(V + 21)×3, mm, the wrist at `place`.
    pub fn hands(&self, turn: &Tensor, place: &Tensor, pose: &Tensor, shape: &Tensor) -> Tensor {
        let n = turn.dims[0];
        let row = |x: &Tensor, i: usize| x.data[i * x.dims[1]..(i + 1) * x.dims[1]].to_vec();
        let hand = |i: usize| self.hand(&row(turn, i), point(&place.data, i), &row(pose, i), &row(shape, i));
        let data: Vec<f64> = (0..n).flat_map(hand).flatten().collect();
        Tensor { dims: vec![n, self.template.len() / 3 + 21, 3], data }
    }

    fn hand(&self, turn: &[f64], place: Vec3, pose: &[f64], shape: &[f64]) -> Vec<Vec3> {
        let mut angles = turn.to_vec();
        for k in 0..45 {
            let along: f64 = self.components.chunks(45).zip(pose).map(|(component, c)| c * component[k]).sum();
            angles.push(self.mean[k] + if self.components.is_empty() { pose[k] } else { along });
        }
        let turns: Vec<Mat3> = angles.chunks(3).map(rotation).collect();
        let blend = |dirs: &[f64], weights: &[f64]| -> Vec<f64> {
            dirs.chunks(weights.len()).map(|d| d.iter().zip(weights).map(|(d, w)| d * w).sum()).collect()
        };
        let sum = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
        let shaped = sum(&self.template, &blend(&self.shape_dirs, shape));
        let feature = |j: usize| (0..9).map(move |k| (j, k / 3, k % 3));
        let features = (1..16).flat_map(feature).map(|(j, r, c)| turns[j][r][c] - IDENTITY[r][c]);
        let rest = sum(&shaped, &blend(&self.pose_dirs, &features.collect::<Vec<f64>>()));

        let vertices = self.template.len() / 3;
        let joint = |j: usize| {
            (0..vertices)
                .fold([0.0; 3], |at, v| plus(at, point(&shaped, v).map(|x| x * self.regressor[j * vertices + v])))
        };
        let joints: Vec<Vec3> = (0..16).map(joint).collect();
        // Global turns and places of the joints.
        let mut posed = vec![(turns[0], joints[0])];
        for j in 1..16 {
            let (turn, at) = posed[self.parents[j]];
            let step = minus(joints[j], joints[self.parents[j]]);
            posed.push((product(turn, turns[j]), plus(at, times(turn, step))));
        }
        let moved = |v: usize| {
            (0..16).fold([0.0; 3], |sum, j| {
                let p = plus(posed[j].1, times(posed[j].0, minus(point(&rest, v), joints[j])));
                plus(sum, p.map(|x| self.weights[16 * v + j] * x))
            })
        };
        let mut points: Vec<Vec3> = (0..vertices).map(moved).collect();
        let mut own: Vec<Vec3> = posed.iter().map(|p| p.1).collect();
        own.extend(self.tips.map(|tip| points[tip]));
        points.extend([0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20].map(|j| own[j]));
        points.into_iter().map(|p| plus(place, minus(p, joints[0]).map(|x| 1000.0 * x))).collect()
    }
}
