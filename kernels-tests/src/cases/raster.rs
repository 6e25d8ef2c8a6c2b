//! Meshes drawn: depth, attributes, textures, silhouettes, with gradients to vertices, attributes and cameras.

use knuckle::graph::TensorData;
use knuckle::ops::{Faces, Projection, Raster, Rasterized, TriangleMesh};
use knuckle::rng::Rng;
use knuckle::{Recorder, Result, Var};

use crate::case::{Case, Fill, Operand};
use crate::reference::Tensor;
use crate::reference::raster::{View, halved};
use crate::reference::sample::{self, Around};

/// What `edge_silhouette` adds to distances, in halves of the image's longer side.
const LEAST_DISTANCE: f64 = 1e-4;

/// The kind of camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Divided by z.
    Perspective,
    /// Not divided.
    Orthographic,
    /// Not divided, with one scale for both axes.
    Weak,
}

/// Where faces are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// On the host.
    Known,
    /// On the device, the same for all images.
    Once,
    /// On the device, for each image its own copy.
    Each,
}

/// A mesh of triangles between random vertices, and where these are: x and y between −1 and 1, z between `z.0` and `z.1`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// For messages.
    pub name: &'static str,
    /// Images.
    pub images: usize,
    /// Vertices, at least three.
    pub vertices: usize,
    /// Faces.
    pub faces: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// The cameras.
    pub seen: Seen,
    /// See [`Raster::cull_back`].
    pub cull_back: bool,
    /// Where vertices are.
    pub z: (f32, f32),
    /// See [`Raster::near`].
    pub near: f32,
    /// How the faces are given.
    pub listed: Listed,
    /// See [`Raster::supersample`].
    pub supersample: bool,
    /// Whether vertices are on the centres of pixels, so that edges pass through others.
    pub on_centres: bool,
    /// Of the faces.
    pub seed: u64,
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Image {
    /// Where something is seen.
    Mask,
    /// Which face.
    Faces,
    /// How far away it is.
    Depth,
    /// So many numbers a vertex, the same for all images or not.
    Attributes(usize, bool),
    /// A texture.
    Texture,
    /// The soft silhouette at this σ.
    Soft(f32),
    /// The hard silhouette that has a gradient.
    Edges,
    /// That gradient: of the vertices, or else of the cameras.
    EdgeGradient(bool),
}

/// Seven faces seen by one camera.
pub const PLAIN: Setting = Setting {
    name: "perspective",
    images: 1,
    vertices: 9,
    faces: 7,
    size: [16, 16],
    seen: Seen::Perspective,
    cull_back: false,
    z: (2.0, 4.0),
    near: 0.5,
    listed: Listed::Known,
    supersample: false,
    on_centres: false,
    seed: 7,
};

const SETTINGS: [Setting; 19] = [
    PLAIN,
    Setting { name: "one face", vertices: 3, faces: 1, ..PLAIN },
    Setting { name: "one pixel", size: [1, 1], ..PLAIN },
    Setting { name: "a row", size: [1, 37], ..PLAIN },
    Setting { name: "a column", size: [29, 1], images: 2, ..PLAIN },
    Setting { name: "oblong", size: [13, 21], images: 3, faces: 11, ..PLAIN },
    Setting { name: "back faces left out", cull_back: true, faces: 12, ..PLAIN },
    Setting { name: "orthographic", vertices: 8, seen: Seen::Orthographic, z: (-1.0, 1.0), near: -2.0, ..PLAIN },
    Setting { name: "orthographic, oblong", seen: Seen::Orthographic, size: [9, 24], images: 2, ..PLAIN },
    Setting { name: "weak perspective", seen: Seen::Weak, size: [20, 13], images: 2, ..PLAIN },
    Setting { name: "crossing the near plane", z: (0.3, 2.0), near: 1.0, faces: 10, ..PLAIN },
    Setting {
        name: "orthographic, crossing the near plane",
        seen: Seen::Orthographic,
        z: (0.0, 2.0),
        near: 1.0,
        ..PLAIN
    },
    Setting { name: "bands of rows", size: [140, 140], vertices: 6, faces: 4, ..PLAIN },
    Setting { name: "on centres", images: 3, seen: Seen::Orthographic, on_centres: true, ..PLAIN },
    Setting { name: "on centres of oblong pictures", size: [7, 12], seen: Seen::Weak, on_centres: true, ..PLAIN },
    Setting { name: "faces listed", listed: Listed::Once, images: 2, ..PLAIN },
    Setting { name: "faces listed for each", listed: Listed::Each, images: 3, size: [11, 15], ..PLAIN },
    Setting { name: "supersampled", supersample: true, size: [9, 12], images: 2, ..PLAIN },
    Setting { name: "supersampled, weak perspective", supersample: true, seen: Seen::Weak, size: [7, 5], ..PLAIN },
];

impl Setting {
    /// Faces of three different vertices.
    fn mesh(&self) -> Vec<[u32; 3]> {
        let mut rng = Rng::new(self.seed, self.faces as u64);
        let face = |_| {
            let a = rng.below(self.vertices);
            let b = (a + 1 + rng.below(self.vertices - 1)) % self.vertices;
            let mut c = rng.below(self.vertices);
            while c == a || c == b {
                c = (c + 1) % self.vertices;
            }
            [a, b, c].map(|v| v as u32)
        };
        (0..self.faces).map(face).collect()
    }

    /// Samples along a side of a pixel.
    fn samples(&self) -> usize {
        if self.supersample { 2 } else { 1 }
    }

    fn view(&self) -> View {
        View {
            faces: self.mesh().iter().map(|f| f.map(|v| v as usize)).collect(),
            perspective: self.seen == Seen::Perspective,
            width: self.size[1] * self.samples(),
            height: self.size[0] * self.samples(),
            near: self.near.into(),
            cull_back: self.cull_back,
        }
    }

    /// Places of vertices, in units that spread them over the image, and cameras around 1 of them.
    fn operands(&self) -> Vec<Operand> {
        let numbers = if self.seen == Seen::Weak { 3 } else { 4 };
        let (places, cameras) = match self.on_centres {
            true => (Fill::Whole(8), Fill::Uniform(1.0, 1.0)),
            false => (Fill::Uniform(-1.0, 1.0), Fill::Uniform(0.9, 1.1)),
        };
        let places = Operand::filled([self.images, self.vertices, 3], places);
        vec![places, Operand::filled([self.images, numbers], cameras)]
    }

    /// What makes operands of vertices and cameras: offset and factor for each channel.
    fn scales(&self) -> [(Vec<f32>, Vec<f32>); 2] {
        let (low, high) = self.z;
        let (h, w) = (self.size[0] as f32, self.size[1] as f32);
        let reach = if self.seen == Seen::Perspective { low.max(self.near) } else { 1.0 };
        let vertices = (vec![0.0, 0.0, 0.5 * (low + high)], vec![1.0, 1.0, 0.5 * (high - low)]);
        let (wide, middle) = (0.6 * reach, [0.5 * w, 0.5 * h]);
        let camera = match self.seen {
            Seen::Weak if self.on_centres => vec![2.0, -1.5, 0.5],
            _ if self.on_centres => vec![2.0, 2.0, 0.5, 0.5],
            Seen::Weak => [&[wide * w.min(h)][..], &middle].concat(),
            _ => [&[wide * w, wide * h][..], &middle].concat(),
        };
        [vertices, (vec![0.0; camera.len()], camera)]
    }

    /// Vertices, and cameras fx, fy, cx, cy in samples.
    fn scaled_f64(&self, x: &[Tensor]) -> [Tensor; 2] {
        let scales = self.scales();
        let [vertices, camera] = [0, 1].map(|i| {
            let (offset, factor) = &scales[i];
            let c = offset.len();
            let at = |(k, v): (usize, &f64)| f64::from(offset[k % c]) + f64::from(factor[k % c]) * v;
            Tensor { dims: x[i].dims.clone(), data: x[i].data.iter().enumerate().map(at).collect() }
        });
        let camera = camera.map(|v| v * self.samples() as f64);
        let column = |k: usize| if self.seen == Seen::Weak { k.saturating_sub(1) } else { k };
        [vertices, Tensor::from_fn(&[self.images, 4], |i| camera.at(&[i[0], column(i[1])]))]
    }

    fn draw<'r>(&self, r: &'r Recorder, x: &[Var<'r>]) -> Result<Rasterized<'r>> {
        let [vertices, camera] = self
            .scales()
            .map(|(offset, factor)| (r.constant([offset.len()], &offset), r.constant([factor.len()], &factor)));
        let vertices = x[0].mul(vertices.1?)?.add(vertices.0?)?;
        let camera = x[1].mul(camera.1?)?.add(camera.0?)?;
        let projection = match self.seen {
            Seen::Perspective => Projection::Perspective(camera),
            Seen::Orthographic => Projection::Orthographic(camera),
            Seen::Weak => Projection::WeakPerspective(camera),
        };
        let raster = Raster {
            near: self.near,
            cull_back: self.cull_back,
            supersample: self.supersample,
            ..Raster::new(self.size[1], self.size[0])
        };
        let mesh = self.mesh();
        let listed = |dims: &[usize], indices: &[u32]| {
            r.constant_data(TensorData::u32(dims, indices).expect("as many as its shape says"))
        };
        let faces: Faces<'r> = match self.listed {
            Listed::Known => (&TriangleMesh::new(self.vertices, &mesh)?).into(),
            Listed::Once => listed(&[self.faces, 3], mesh.as_flattened()).into(),
            Listed::Each => listed(&[self.images, self.faces, 3], &mesh.as_flattened().repeat(self.images)).into(),
        };
        vertices.rasterize(faces, projection, raster)
    }

    /// What is drawn sample by sample, as pixels.
    fn image(&self, x: &[Tensor], draw: impl Fn(&View, &Tensor, &Tensor) -> Tensor) -> Tensor {
        let [vertices, camera] = self.scaled_f64(x);
        let samples = draw(&self.view(), &vertices, &camera);
        if self.supersample { halved(&samples) } else { samples }
    }

    fn mask(&self, x: &[Tensor]) -> Tensor {
        self.image(x, |view, vertices, camera| view.mask(vertices, camera))
    }

    /// Divided by how much is covered, `otherwise` where nothing is.
    fn of_covered(&self, x: &[Tensor], sums: Tensor, otherwise: f64) -> Tensor {
        let (mask, c) = (self.mask(x), sums.dims[3]);
        let each = |(i, sum): (usize, &f64)| if mask.data[i / c] == 0.0 { otherwise } else { sum / mask.data[i / c] };
        let data = sums.data.iter().enumerate().map(each).collect();
        Tensor { data, ..sums }
    }

    fn depth(&self, x: &[Tensor], background: f64) -> Tensor {
        let sums = self.image(x, |view, vertices, camera| view.depth(vertices, camera, 0.0));
        self.of_covered(x, sums, background)
    }

    fn attributes(&self, x: &[Tensor]) -> Tensor {
        self.image(x, |view, vertices, camera| view.interpolate(vertices, camera, &x[2]))
    }

    /// Texture `x[3]` at coordinates `x[2]` of the vertices.
    fn textured(&self, x: &[Tensor]) -> Tensor {
        let uv = self.of_covered(x, self.attributes(x), 0.0);
        let coordinate = |k: usize| {
            let dims = [&uv.dims[..3], &[1]].concat();
            Tensor::from_fn(&dims, |i| 2.0 * uv.at(&[i[0], i[1], i[2], k]) - 1.0)
        };
        let colours = sample::grid_sample(&x[3], &coordinate(0), &coordinate(1), false, Around::Border, false);
        let mask = self.mask(x);
        Tensor::from_fn(&colours.dims, |i| colours.at(i) * mask.at(&[i[0], i[1], i[2], 0]))
    }

    /// The gradients of vertices and cameras before these are scaled, for pixels' gradients `x[2]`.
    fn edge_gradients(&self, x: &[Tensor]) -> [Tensor; 2] {
        let ([vertices, camera], view) = (self.scaled_f64(x), self.view());
        // Each of a pixel's samples has its part.
        let s = self.samples();
        let g = Tensor::from_fn(&[self.images, view.height, view.width, 1], |i| {
            x[2].at(&[i[0], i[1] / s, i[2] / s, 0]) / (s * s) as f64
        });
        let least = LEAST_DISTANCE * 0.5 * view.width.max(view.height) as f64;
        let [of_vertices, of_cameras] = view.edge_gradient(&vertices, &camera, &g, least);
        // In samples, fx, fy, cx, cy, to what was given.
        let given = |i: &[usize]| match (self.seen, i[1]) {
            (Seen::Weak, 0) => of_cameras.at(&[i[0], 0]) + of_cameras.at(&[i[0], 1]),
            (Seen::Weak, k) => of_cameras.at(&[i[0], k + 1]),
            (_, k) => of_cameras.at(&[i[0], k]),
        };
        let of_cameras = Tensor::from_fn(&x[1].dims, |i| given(i) * s as f64);
        let scales = self.scales();
        let scaled = |k: usize, of: &Tensor| {
            let factor = &scales[k].1;
            Tensor::from_fn(&of.dims, |i| of.at(i) * f64::from(factor[i[i.len() - 1]]))
        };
        [scaled(0, &of_vertices), scaled(1, &of_cameras)]
    }

    /// The case of this image.
    pub fn case(self, image: Image) -> Case {
        let (name, mut operands) = (self.name, self.operands());
        match image {
            Image::Mask => {
                Case::new("face_mask", name, operands, move |r, x| self.draw(r, x)?.mask(), move |x| self.mask(x))
                    .forward_only()
            }
            Image::Faces => {
                let seen = move |x: &[Tensor]| {
                    let [vertices, camera] = self.scaled_f64(x);
                    self.view().faces_seen(&vertices, &camera)
                };
                Case::new("visible_faces", name, operands, move |r, x| Ok(self.draw(r, x)?.face_ids()), seen)
                    .forward_only()
            }
            Image::Depth => {
                let depth = move |x: &[Tensor]| self.depth(x, 5.0);
                Case::new("depth", name, operands, move |r, x| self.draw(r, x)?.depth(5.0), depth)
            }
            Image::Attributes(channels, shared) => {
                let dims = [self.images, self.vertices, channels];
                operands.push(Operand::filled(&dims[usize::from(shared)..], Fill::Uniform(-1.0, 1.0)));
                Case::new(
                    "interpolate",
                    format!("{name}, {channels} channels"),
                    operands,
                    move |r, x| self.draw(r, x)?.vertex_attributes(x[2]),
                    move |x| self.attributes(x),
                )
            }
            Image::Texture => {
                operands.push(Operand::filled([self.vertices, 2], Fill::Uniform(-0.1, 1.1)));
                operands.push(Operand::filled([self.images, 5, 4, 3], Fill::Uniform(0.0, 1.0)));
                Case::new(
                    "textured",
                    name,
                    operands,
                    move |r, x| {
                        let drawn = self.draw(r, x)?;
                        drawn.textured(x[3], drawn.vertex_attributes(x[2])?)
                    },
                    move |x| self.textured(x),
                )
            }
            Image::Soft(sigma) => {
                let sigma_px = f64::from(sigma) * self.samples() as f64;
                Case::new(
                    "soft_silhouette",
                    format!("{name}, σ {sigma}"),
                    operands,
                    move |r, x| self.draw(r, x)?.soft_silhouette(sigma),
                    move |x| self.image(x, |view, vertices, camera| view.soft(vertices, camera, sigma_px)),
                )
            }
            Image::Edges => {
                let mask = move |x: &[Tensor]| self.mask(x);
                Case::new("edge_silhouette", name, operands, move |r, x| self.draw(r, x)?.edge_silhouette(), mask)
                    .forward_only()
            }
            Image::EdgeGradient(of_vertices) => {
                let of = usize::from(!of_vertices);
                operands.push(Operand::filled([self.images, self.size[0], self.size[1], 1], Fill::Uniform(-1.0, 1.0)));
                Case::new(
                    "edge_gradient",
                    format!("{name}, of {}", ["vertices", "cameras"][of]),
                    operands,
                    move |r, x| {
                        let silhouette = self.draw(r, x)?.edge_silhouette()?;
                        Ok(silhouette.pullback(x[2], &[x[of]])?.of(x[of]).expect("a gradient"))
                    },
                    move |x| {
                        let [vertices, cameras] = self.edge_gradients(x);
                        if of_vertices { vertices } else { cameras }
                    },
                )
                .forward_only()
            }
        }
    }
}

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in SETTINGS {
        let attributes =
            [(1, false), (3, true), (8, false)].map(|(channels, shared)| Image::Attributes(channels, shared));
        let hard = [Image::Mask, Image::Depth, Image::Texture, Image::Edges];
        let gradients = [true, false].map(Image::EdgeGradient);
        if setting.on_centres {
            // Gradients jump there.
            cases.extend([Image::Mask, Image::Faces, Image::Edges].map(|image| setting.case(image)));
            continue;
        }
        if !setting.supersample {
            cases.push(setting.case(Image::Faces));
        }
        cases.extend([&hard[..], &attributes, &gradients].concat().into_iter().map(|image| setting.case(image)));
        let widest = setting.size[0].max(setting.size[1]) as f32 / 4.0;
        cases.extend(
            [0.3, 1.0, 3.0].into_iter().filter(|&sigma| sigma <= widest).map(|sigma| setting.case(Image::Soft(sigma))),
        );
    }
    cases
}
