//! Meshes drawn pixel by pixel, every face against every pixel.

use super::Tensor;

type Vec3 = [f64; 3];

/// A mesh, how it is seen, and the image it is drawn to.
#[derive(Debug, Clone)]
pub struct View {
    /// Corners of each face.
    pub faces: Vec<[usize; 3]>,
    /// Whether pixels are divided by z.
    pub perspective: bool,
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// The least z that is drawn.
    pub near: f64,
    /// Whether faces whose corners run clockwise in the image are left out.
    pub cull_back: bool,
}

/// One image's vertices and its camera: fx, fy, cx, cy.
struct Image<'a> {
    view: &'a View,
    vertices: Vec<Vec3>,
    camera: [f64; 4],
}

impl View {
    /// Each image with the polygons of its faces.
    fn images(&self, vertices: &Tensor, camera: &Tensor) -> Vec<(Image<'_>, Vec<Vec<[i64; 2]>>)> {
        let image = |i: usize| {
            let of_image = &vertices.data[i * vertices.dims[1] * 3..(i + 1) * vertices.dims[1] * 3];
            let image = Image {
                view: self,
                vertices: of_image.chunks(3).map(|v| [v[0], v[1], v[2]]).collect(),
                camera: [0, 1, 2, 3].map(|k| camera.data[4 * i + k]),
            };
            let polygons = self.faces.iter().map(|face| image.polygon(face)).collect();
            (image, polygons)
        };
        (0..vertices.dims[0]).map(image).collect()
    }

    /// What `pixel` gives in every pixel of every image: `channels` numbers.
    fn draw(
        &self,
        vertices: &Tensor,
        camera: &Tensor,
        channels: usize,
        mut pixel: impl FnMut(usize, &Image<'_>, Option<usize>, [f64; 2]) -> Vec<f64>,
    ) -> Tensor {
        let mut data = Vec::new();
        for (i, (image, covers)) in self.images(vertices, camera).iter().enumerate() {
            for row in 0..self.height {
                for column in 0..self.width {
                    let at = [column as f64 + 0.5, row as f64 + 0.5];
                    data.extend(pixel(i, image, image.seen(covers, row, column), at));
                }
            }
        }
        Tensor { dims: vec![vertices.dims[0], self.height, self.width, channels], data }
    }

    /// 1 where something is seen.
    pub fn mask(&self, vertices: &Tensor, camera: &Tensor) -> Tensor {
        self.draw(vertices, camera, 1, |_, _, seen, _| vec![if seen.is_some() { 1.0 } else { 0.0 }])
    }

    /// Which face is seen, N×H×W; where none is 2³² − 1, as f32 has it.
    pub fn faces_seen(&self, vertices: &Tensor, camera: &Tensor) -> Tensor {
        let ids = self.draw(vertices, camera, 1, |_, _, seen, _| {
            vec![seen.map_or(f64::from(u32::MAX as f32), |face| face as f64)]
        });
        Tensor { dims: ids.dims[..3].to_vec(), ..ids }
    }

    /// The depth of what is seen.
    pub fn depth(&self, vertices: &Tensor, camera: &Tensor, background: f64) -> Tensor {
        self.draw(vertices, camera, 1, |_, image, seen, at| {
            vec![seen.map_or(background, |face| image.depth(&self.faces[face], at))]
        })
    }

    /// What vertices carry, V×C or N×V×C, where they are seen.
    pub fn interpolate(&self, vertices: &Tensor, camera: &Tensor, attributes: &Tensor) -> Tensor {
        let (rank, c) = (attributes.dims.len(), *attributes.dims.last().expect("channels"));
        let stride = if rank == 3 && attributes.dims[0] > 1 { attributes.dims[1] * c } else { 0 };
        self.draw(vertices, camera, c, |i, image, seen, at| match seen {
            None => vec![0.0; c],
            Some(face) => {
                let weights = image.weights(&self.faces[face], at);
                let of_corner = |k: usize, ch: usize| attributes.data[i * stride + self.faces[face][k] * c + ch];
                (0..c).map(|ch| (0..3).map(|k| weights[k] * of_corner(k, ch)).sum()).collect()
            }
        })
    }

    /// 1 − Π (1 − sigmoid(±d² / σ²)) over the faces within reach.
    pub fn soft(&self, vertices: &Tensor, camera: &Tensor, sigma_px: f64) -> Tensor {
        let far = (1e4f64 - 1.0).ln();
        self.draw(vertices, camera, 1, |_, image, _, at| {
            let mut clear = 1.0;
            for face in &self.faces {
                if image.polygon(face).is_empty() || face.iter().any(|&v| image.vertices[v][2] < self.near) {
                    continue;
                }
                let corners = face.map(|v| image.pixel(image.vertices[v]));
                let s = signed_square(&corners, at) / (sigma_px * sigma_px);
                if s > -far {
                    clear *= 1.0 / (1.0 + s.exp());
                }
            }
            vec![1.0 - clear]
        })
    }

    /// Kato et al.'s approximate gradient of Σ g · mask, "Neural 3D Mesh Renderer", 2018, section 3: with respect to vertices
    /// N×V×3 and cameras N×4.
    ///
    /// Every edge of a face that is seen may be moved by each of its ends, across the lines of pixel centres: along columns
    /// and along rows. Moved outward as far as a pixel's centre the edge would give that pixel what the one just within it
    /// shows; moved inward as far as a pixel of its own face, what the one just beyond it shows. What of the loss that would
    /// save, over how far the end has to move, is pulled at. `least` is added to how far, away from 0.
    pub fn edge_gradient(&self, vertices: &Tensor, camera: &Tensor, g: &Tensor, least: f64) -> [Tensor; 2] {
        let zeros = |x: &Tensor| Tensor { dims: x.dims.clone(), data: vec![0.0; x.data.len()] };
        let (mut of_vertices, mut of_cameras) = (zeros(vertices), zeros(camera));
        for (i, (image, polygons)) in self.images(vertices, camera).iter().enumerate() {
            let ids: Vec<Vec<Option<usize>>> = (0..self.height)
                .map(|row| (0..self.width).map(|column| image.seen(polygons, row, column)).collect())
                .collect();
            for (f, face) in self.faces.iter().enumerate() {
                if polygons[f].is_empty() || face.iter().any(|&v| image.vertices[v][2] < self.near) {
                    continue;
                }
                let at = face.map(|v| image.pixel(image.vertices[v]).map(|p| p - 0.5));
                // What pulls corners to the right and down.
                let mut pull = [[0.0; 2]; 3];
                for (across, along) in [(0, 1), (1, 0)] {
                    let lines = [self.width, self.height][across];
                    let places = [self.width, self.height][along];
                    let id = |line: usize, place: usize| match across {
                        0 => ids[place][line],
                        _ => ids[line][place],
                    };
                    let weight = |line: usize, place: usize| match across {
                        0 => g.at(&[i, place, line, 0]),
                        _ => g.at(&[i, line, place, 0]),
                    };
                    let shows = |line, place| f64::from(u8::from(id(line, place).is_some()));
                    for (a, b, c) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
                        let (p, q, r) = (at[a], at[b], at[c]);
                        let slope = (q[along] - p[along]) / (q[across] - p[across]);
                        let crossing_at = |line: f64| p[along] + slope * (line - p[across]);
                        let outward_is_up = crossing_at(r[across]) > r[along];
                        for line in 0..lines {
                            let d = line as f64;
                            if p[across] == q[across] || (d - p[across]) * (d - q[across]) > 0.0 {
                                continue;
                            }
                            let crossing = crossing_at(d);
                            let (within, beyond) = match outward_is_up {
                                true => (crossing.floor(), crossing.floor() + 1.0),
                                false => (crossing.ceil(), crossing.ceil() - 1.0),
                            };
                            if within.min(beyond) < 0.0 || within.max(beyond) > (places - 1) as f64 {
                                continue;
                            }
                            let (within, beyond) = (within as usize, beyond as usize);
                            for place in 0..places {
                                let is_outside = if outward_is_up { place > within } else { place < within };
                                let would_show =
                                    match (is_outside, id(line, within) == Some(f), id(line, place) == Some(f)) {
                                        (true, true, _) => shows(line, within),
                                        (false, _, true) => shows(line, beyond),
                                        _ => continue,
                                    };
                                let saves = (shows(line, place) - would_show) * weight(line, place);
                                if saves <= 0.0 {
                                    continue;
                                }
                                for (end, other, corner) in [(p, q, a), (q, p, b)] {
                                    if other[across] == d {
                                        continue;
                                    }
                                    let arm = (other[across] - end[across]) / (other[across] - d);
                                    let far = (place as f64 - crossing) * arm;
                                    pull[corner][along] -= saves / (far + least * if far > 0.0 { 1.0 } else { -1.0 });
                                }
                            }
                        }
                    }
                }
                for (k, &v) in face.iter().enumerate() {
                    let [x, y, z] = image.vertices[v];
                    let ([fx, fy, ..], w, [gu, gv]) = (image.camera, image.divisor([x, y, z]), pull[k]);
                    let vertex = &mut of_vertices.data[3 * (i * image.vertices.len() + v)..][..3];
                    vertex[0] += gu * fx / w;
                    vertex[1] += gv * fy / w;
                    if self.perspective {
                        vertex[2] -= (gu * fx * x + gv * fy * y) / (z * z);
                    }
                    let terms = [gu * x / w, gv * y / w, gu, gv];
                    of_cameras.data[4 * i..4 * i + 4].iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
                }
            }
        }
        [of_vertices, of_cameras]
    }
}

/// Means of blocks of 2×2 pixels, N×2H×2W×C to N×H×W×C.
pub fn halved(x: &Tensor) -> Tensor {
    let &[n, h, w, c] = &x.dims[..] else { panic!("an image: {:?}", x.dims) };
    Tensor::from_fn(&[n, h / 2, w / 2, c], |i| {
        let sample = |row, column| x.at(&[i[0], 2 * i[1] + row, 2 * i[2] + column, i[3]]);
        (sample(0, 0) + sample(0, 1) + sample(1, 0) + sample(1, 1)) / 4.0
    })
}

impl Image<'_> {
    fn divisor(&self, v: Vec3) -> f64 {
        if self.view.perspective { v[2] } else { 1.0 }
    }

    fn pixel(&self, v: Vec3) -> [f64; 2] {
        let [fx, fy, cx, cy] = self.camera;
        [fx * v[0] / self.divisor(v) + cx, fy * v[1] / self.divisor(v) + cy]
    }

    /// Sub-pixels of a pixel's side: the guard band of twice the longer side fits 15 bits.
    fn steps(&self) -> f64 {
        let longest = self.view.width.max(self.view.height).next_power_of_two() as f64;
        (16384.0 / longest).min(256.0)
    }

    /// A face in front of the near plane, in sub-pixels from the image's centre; empty if it has no extent or is turned away.
    fn polygon(&self, face: &[usize; 3]) -> Vec<[i64; 2]> {
        let corners = face.map(|v| self.vertices[v]);
        let mut front: Vec<Vec3> = Vec::new();
        for k in 0..3 {
            let (p, q) = (corners[k], corners[(k + 1) % 3]);
            if p[2] >= self.view.near {
                front.push(p);
            }
            if (p[2] >= self.view.near) != (q[2] >= self.view.near) {
                let t = (self.view.near - p[2]) / (q[2] - p[2]);
                front.push([0, 1, 2].map(|k| p[k] + t * (q[k] - p[k])));
            }
        }
        let centre = [self.view.width as f64 / 2.0, self.view.height as f64 / 2.0];
        let snap = |v: &Vec3| {
            let pixel = self.pixel(*v);
            [0, 1].map(|k| ((pixel[k] - centre[k]) * self.steps() + 0.5).floor() as i64)
        };
        let polygon: Vec<[i64; 2]> = front.iter().map(snap).collect();
        let twice: i64 = (0..polygon.len())
            .map(|k| {
                let (a, b) = (polygon[k], polygon[(k + 1) % polygon.len()]);
                a[0] * b[1] - a[1] * b[0]
            })
            .sum();
        if twice == 0 || (self.view.cull_back && twice > 0) { Vec::new() } else { polygon }
    }

    /// Whether a pixel's centre is inside, with those on an edge that is on top or to the left.
    fn covers(&self, polygon: &[[i64; 2]], row: usize, column: usize) -> bool {
        if polygon.is_empty() {
            return false;
        }
        let steps = self.steps() as i64;
        let at = [
            (2 * column as i64 + 1 - self.view.width as i64) * steps / 2,
            (2 * row as i64 + 1 - self.view.height as i64) * steps / 2,
        ];
        let clockwise: i64 = (0..polygon.len())
            .map(|k| {
                let (a, b) = (polygon[k], polygon[(k + 1) % polygon.len()]);
                a[0] * b[1] - a[1] * b[0]
            })
            .sum();
        let mut corners = polygon.to_vec();
        if clockwise < 0 {
            corners.reverse();
        }
        (0..corners.len()).all(|k| {
            let (a, b) = (corners[k], corners[(k + 1) % corners.len()]);
            let d = [b[0] - a[0], b[1] - a[1]];
            let side = d[0] * (at[1] - a[1]) - d[1] * (at[0] - a[0]);
            // y points down: a left edge leads up, a top edge to the right.
            side > 0 || (side == 0 && (d[1] < 0 || (d[1] == 0 && d[0] > 0)))
        })
    }

    /// The first of the nearest faces.
    fn seen(&self, covers: &[Vec<[i64; 2]>], row: usize, column: usize) -> Option<usize> {
        let at = [column as f64 + 0.5, row as f64 + 0.5];
        let hits = covers.iter().enumerate().filter(|(_, polygon)| self.covers(polygon, row, column));
        let depths: Vec<(usize, f64)> = hits.map(|(f, _)| (f, self.depth(&self.view.faces[f], at))).collect();
        let nearest = depths.iter().map(|(_, z)| *z).fold(f64::INFINITY, f64::min);
        depths.iter().find(|(_, z)| *z <= nearest + nearest.abs() * 1e-6).map(|(face, _)| *face)
    }

    /// What the corners weigh where a pixel's ray meets the face's plane, held at 0 or more: the places a with Σ a = 1 and
    /// Σ a_k (pixel_k − pixel) w_k = 0, by Cramer's rule.
    fn weights(&self, face: &[usize; 3], at: [f64; 2]) -> Vec3 {
        let corners = face.map(|v| self.vertices[v]);
        let columns = corners.map(|v| {
            let (pixel, w) = (self.pixel(v), self.divisor(v));
            [(pixel[0] - at[0]) * w, (pixel[1] - at[1]) * w, 1.0]
        });
        let determinant = |m: [Vec3; 3]| {
            m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[1][0] * (m[0][1] * m[2][2] - m[0][2] * m[2][1])
                + m[2][0] * (m[0][1] * m[1][2] - m[0][2] * m[1][1])
        };
        let whole = determinant(columns);
        let held = [0, 1, 2].map(|k| {
            let mut replaced = columns;
            replaced[k] = [0.0, 0.0, 1.0];
            (determinant(replaced) / whole).max(0.0)
        });
        let sum: f64 = held.iter().sum();
        held.map(|w| w / sum)
    }

    fn depth(&self, face: &[usize; 3], at: [f64; 2]) -> f64 {
        let weights = self.weights(face, at);
        let z: f64 = (0..3).map(|k| weights[k] * self.vertices[face[k]][2]).sum();
        z.max(self.view.near)
    }
}

/// The square of the distance from a point to a triangle's outline, negative outside.
fn signed_square(corners: &[[f64; 2]; 3], at: [f64; 2]) -> f64 {
    let mut least = f64::INFINITY;
    let mut sides = [0.0; 3];
    for k in 0..3 {
        let (a, b) = (corners[k], corners[(k + 1) % 3]);
        let (d, p) = ([b[0] - a[0], b[1] - a[1]], [at[0] - a[0], at[1] - a[1]]);
        let t = ((p[0] * d[0] + p[1] * d[1]) / (d[0] * d[0] + d[1] * d[1])).clamp(0.0, 1.0);
        least = least.min((p[0] - t * d[0]).powi(2) + (p[1] - t * d[1]).powi(2));
        sides[k] = d[0] * p[1] - d[1] * p[0];
    }
    let inside = sides.iter().all(|s| *s > 0.0) || sides.iter().all(|s| *s < 0.0);
    if inside { least } else { -least }
}
