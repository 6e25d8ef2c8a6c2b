//! A hand over its photo, and its mesh from another side.

use glam::{Mat3, Vec2, Vec3};

use super::canvas::{Colour, Corner, line, triangles};
use crate::data::Photo;
use crate::hand::joints::{BONES, JOINTS, WRIST};

/// Colours of the five fingers, thumb first.
const FINGERS: [Colour; 5] = [[255, 90, 70], [255, 200, 40], [80, 220, 90], [60, 170, 255], [210, 110, 255]];
const WRIST_COLOUR: Colour = [245, 245, 245];
/// Colour of a lit mesh.
const MESH: Vec3 = Vec3::new(150.0, 195.0, 235.0);

/// Draws the joints (px) and the bones between them, a colour a finger.
pub fn draw_skeleton(photo: &mut Photo, joints_px: &[Vec2; JOINTS]) {
    let width = (photo.width().min(photo.height()) as f32 / 110.0).max(1.0);
    let colour = |joint: usize| if joint == WRIST { WRIST_COLOUR } else { FINGERS[(joint - 1) / 4] };
    for (parent, child) in BONES {
        line(photo, [joints_px[parent], joints_px[child]], width, colour(child));
    }
    for (joint, at) in joints_px.iter().enumerate() {
        line(photo, [*at; 2], 2.2 * width, colour(joint));
    }
}

/// Draws a shaded mesh over a photo, with `alpha` 1 to hide what is behind it. `vertices_px` are its corners in the photo,
/// `vertices_mm` the same in camera axes, for depth and shading.
pub fn draw_mesh(photo: &mut Photo, vertices_px: &[Vec2], vertices_mm: &[Vec3], faces: &[[u32; 3]], alpha: f32) {
    let colours = shade(vertices_mm, faces);
    let corner = |v: u32| {
        let v = v as usize;
        Some(Corner { at: *vertices_px.get(v)?, depth: vertices_mm.get(v)?.z, colour: *colours.get(v)? })
    };
    let corners = faces.iter().filter_map(|f| Some([corner(f[0])?, corner(f[1])?, corner(f[2])?]));
    triangles(photo, &corners.collect::<Vec<_>>(), alpha);
}

/// The mesh alone on a dark ground of `size` × `size` pixels, turned by `angle` radians about the vertical axis, without perspective.
pub fn mesh_view(vertices_mm: &[Vec3], faces: &[[u32; 3]], angle: f32, size: u32) -> Photo {
    let size = size.max(1);
    let mut photo =
        Photo::from_rgb(size, size, vec![28; size as usize * size as usize * 3]).expect("three bytes for each pixel");
    let centre = vertices_mm.iter().copied().sum::<Vec3>() / vertices_mm.len().max(1) as f32;
    let turn = Mat3::from_rotation_y(angle);
    let turned: Vec<Vec3> = vertices_mm.iter().map(|v| turn * (*v - centre)).collect();
    let radius = turned.iter().map(|v| v.length()).fold(f32::MIN_POSITIVE, f32::max);
    let scale = 0.48 * size as f32 / radius;
    let pixels: Vec<Vec2> = turned.iter().map(|v| v.truncate() * scale + 0.5 * size as f32).collect();
    draw_mesh(&mut photo, &pixels, &turned, faces, 1.0);
    photo
}

/// Colours of the vertices under a lamp above the camera's left shoulder.
fn shade(vertices: &[Vec3], faces: &[[u32; 3]]) -> Vec<Vec3> {
    let mut normals = vec![Vec3::ZERO; vertices.len()];
    for face in faces.iter().filter(|f| f.iter().all(|v| (*v as usize) < vertices.len())) {
        let [a, b, c] = face.map(|v| vertices[v as usize]);
        for vertex in face {
            normals[*vertex as usize] += (b - a).cross(c - a); // weighted by area
        }
    }
    let lamp = Vec3::new(-0.45, -0.6, -0.65).normalize();
    let light = |normal: Vec3| {
        let n = normal.normalize_or_zero();
        let shine = (lamp - Vec3::Z).normalize().dot(n).max(0.0).powi(20);
        (MESH * (0.3 + 0.7 * lamp.dot(n).max(0.0)) + 45.0 * shine).min(Vec3::splat(255.0))
    };
    normals.into_iter().map(light).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::{Pose, RiggedHand, Shape};

    fn rest() -> (Vec<Vec3>, Vec<[u32; 3]>) {
        let hand = RiggedHand::right();
        (hand.pose(&Pose::default(), &Shape::default()).vertices, hand.faces().to_vec())
    }

    fn drawn(photo: &Photo) -> Vec<usize> {
        photo.rgb().chunks_exact(3).enumerate().filter(|(_, p)| p != &[28; 3]).map(|(i, _)| i).collect()
    }

    #[test]
    fn the_resting_hand_fills_its_view_and_its_palm_is_lit() {
        let (vertices, faces) = rest();
        let view = mesh_view(&vertices, &faces, 0.0, 100);
        let pixels = drawn(&view);
        assert!(pixels.len() > 1000, "{}", pixels.len());
        // Fingers up: the hand reaches near the upper border and its middle is covered.
        assert!(pixels[0] / 100 < 10 && pixels.contains(&(60 * 100 + 50)));
        let middle = &view.rgb()[(60 * 100 + 50) * 3..][..3];
        assert!(middle[2] > 90, "the palm faces camera and lamp: {middle:?}");
        // Seen from the side it is thin.
        let side = drawn(&mesh_view(&vertices, &faces, std::f32::consts::FRAC_PI_2, 100));
        assert!(side.len() * 3 < pixels.len() * 2, "{} against {}", side.len(), pixels.len());
        assert!(drawn(&mesh_view(&[], &[], 0.0, 10)).is_empty());
        assert!(drawn(&mesh_view(&vertices[..3], &[[0, 1, 7]], 0.0, 10)).is_empty(), "a face of no vertex");
    }

    #[test]
    fn skeletons_have_a_colour_a_finger() {
        let mut photo = Photo::from_rgb(200, 200, vec![28; 120_000]).unwrap();
        let joints = std::array::from_fn(|j| Vec2::new(9.0 * j as f32 + 5.5, if j == 0 { 190.5 } else { 50.5 }));
        draw_skeleton(&mut photo, &joints);
        for (finger, colour) in FINGERS.iter().enumerate() {
            let x = joints[1 + 4 * finger].x as usize;
            assert_eq!(photo.rgb()[(50 * 200 + x) * 3..][..3], colour[..], "finger {finger}");
        }
        assert_eq!(photo.rgb()[(190 * 200 + 5) * 3..][..3], WRIST_COLOUR);
    }
}
