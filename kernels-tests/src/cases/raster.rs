//! Meshes drawn: depth, attributes, silhouettes, with gradients to vertices, attributes and cameras.

use knuckle::ops::{Projection, Raster, Rasterized, TriangleMesh};
use knuckle::rng::Rng;
use knuckle::{Recorder, Result, Var};

use crate::case::{Case, Fill, Operand};
use crate::reference::Tensor;
use crate::reference::raster::View;

/// A mesh of triangles between random vertices, and where these are: x and y between −1 and 1, z between `z.0` and `z.1`.
#[derive(Debug, Clone, Copy)]
struct Setting {
    name: &'static str,
    images: usize,
    vertices: usize,
    faces: usize,
    size: [usize; 2],
    perspective: bool,
    cull_back: bool,
    z: (f32, f32),
    near: f32,
}

const PLAIN: Setting = Setting {
    name: "perspective",
    images: 1,
    vertices: 9,
    faces: 7,
    size: [16, 16],
    perspective: true,
    cull_back: false,
    z: (2.0, 4.0),
    near: 0.5,
};

const SETTINGS: [Setting; 12] = [
    PLAIN,
    Setting { name: "one face", vertices: 3, faces: 1, ..PLAIN },
    Setting { name: "one pixel", size: [1, 1], ..PLAIN },
    Setting { name: "a row", size: [1, 37], ..PLAIN },
    Setting { name: "a column", size: [29, 1], images: 2, ..PLAIN },
    Setting { name: "oblong", size: [13, 21], images: 3, faces: 11, ..PLAIN },
    Setting { name: "back faces left out", cull_back: true, faces: 12, ..PLAIN },
    Setting { name: "orthographic", vertices: 8, perspective: false, z: (-1.0, 1.0), near: -2.0, ..PLAIN },
    Setting { name: "orthographic, oblong", perspective: false, size: [9, 24], images: 2, ..PLAIN },
    Setting { name: "crossing the near plane", z: (0.3, 2.0), near: 1.0, faces: 10, ..PLAIN },
    Setting { name: "orthographic, crossing the near plane", perspective: false, z: (0.0, 2.0), near: 1.0, ..PLAIN },
    Setting { name: "bands of rows", size: [140, 140], vertices: 6, faces: 4, ..PLAIN },
];

impl Setting {
    /// Faces of three different vertices.
    fn mesh(&self) -> Vec<[u32; 3]> {
        let mut rng = Rng::new(7, self.faces as u64);
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

    fn view(&self) -> View {
        View {
            faces: self.mesh().iter().map(|f| f.map(|v| v as usize)).collect(),
            perspective: self.perspective,
            width: self.size[1],
            height: self.size[0],
            near: self.near.into(),
            cull_back: self.cull_back,
        }
    }

    /// Places of vertices, in units that spread them over the image, and cameras around 1 of them.
    fn operands(&self) -> [Operand; 2] {
        let place = Operand::filled([self.images, self.vertices, 3], Fill::Uniform(-1.0, 1.0));
        [place, Operand::filled([self.images, 4], Fill::Uniform(0.9, 1.1))]
    }

    /// What makes operands of vertices and cameras: offset and factor for each channel.
    fn scales(&self) -> [(Vec<f32>, Vec<f32>); 2] {
        let (low, high) = self.z;
        let (h, w) = (self.size[0] as f32, self.size[1] as f32);
        let reach = if self.perspective { low.max(self.near) } else { 1.0 };
        let vertices = (vec![0.0, 0.0, 0.5 * (low + high)], vec![1.0, 1.0, 0.5 * (high - low)]);
        [vertices, (vec![0.0; 4], vec![0.6 * w * reach, 0.6 * h * reach, 0.5 * w, 0.5 * h])]
    }

    fn scaled_f64(&self, x: &[Tensor]) -> [Tensor; 2] {
        let scales = self.scales();
        [0, 1].map(|i| {
            let (offset, factor) = &scales[i];
            let c = offset.len();
            let at = |(k, v): (usize, &f64)| f64::from(offset[k % c]) + f64::from(factor[k % c]) * v;
            Tensor { dims: x[i].dims.clone(), data: x[i].data.iter().enumerate().map(at).collect() }
        })
    }

    fn draw<'r>(&self, r: &'r Recorder, x: &[Var<'r>]) -> Result<Rasterized<'r>> {
        let [vertices, camera] = self
            .scales()
            .map(|(offset, factor)| (r.constant([offset.len()], &offset), r.constant([factor.len()], &factor)));
        let vertices = x[0].mul(vertices.1?)?.add(vertices.0?)?;
        let camera = x[1].mul(camera.1?)?.add(camera.0?)?;
        let projection =
            if self.perspective { Projection::Perspective(camera) } else { Projection::Orthographic(camera) };
        let raster = Raster { near: self.near, cull_back: self.cull_back, ..Raster::new(self.size[1], self.size[0]) };
        vertices.rasterize(&TriangleMesh::new(self.vertices, &self.mesh())?, projection, raster)
    }
}

/// The family's cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in SETTINGS {
        let name = setting.name;
        cases.push(
            Case::new(
                "face_mask",
                name,
                setting.operands(),
                move |r, x| setting.draw(r, x)?.mask(),
                move |x| {
                    let [vertices, camera] = setting.scaled_f64(x);
                    setting.view().mask(&vertices, &camera)
                },
            )
            .forward_only(),
        );
        cases.push(Case::new(
            "depth",
            name,
            setting.operands(),
            move |r, x| setting.draw(r, x)?.depth(5.0),
            move |x| {
                let [vertices, camera] = setting.scaled_f64(x);
                setting.view().depth(&vertices, &camera, 5.0)
            },
        ));
        for (channels, shared) in [(1, false), (3, true), (8, false)] {
            let dims = if shared {
                vec![setting.vertices, channels]
            } else {
                vec![setting.images, setting.vertices, channels]
            };
            let [vertices, camera] = setting.operands();
            cases.push(Case::new(
                "interpolate",
                format!("{name}, {channels} channels"),
                [vertices, camera, Operand::filled(dims, Fill::Uniform(-1.0, 1.0))],
                move |r, x| setting.draw(r, x)?.vertex_attributes(x[2]),
                move |x| {
                    let [vertices, camera] = setting.scaled_f64(x);
                    setting.view().interpolate(&vertices, &camera, &x[2])
                },
            ));
        }
        for sigma in [0.3, 1.0, 3.0] {
            if sigma > setting.size[0].max(setting.size[1]) as f32 / 4.0 {
                continue;
            }
            cases.push(Case::new(
                "soft_silhouette",
                format!("{name}, σ {sigma}"),
                setting.operands(),
                move |r, x| setting.draw(r, x)?.soft_silhouette(sigma),
                move |x| {
                    let [vertices, camera] = setting.scaled_f64(x);
                    setting.view().soft(&vertices, &camera, sigma.into())
                },
            ));
        }
    }
    cases
}
