use std::f32::consts::PI;

use super::*;
use crate::data::Surface;
use crate::rng::Rng;

fn some_pose(seed: u64) -> Pose {
    let mut rng = Rng::new(seed, 0);
    let mut pose = Pose::default();
    for joint in 0..RIG_JOINTS {
        pose.bend(joint, rng.range(-0.3, 1.2), rng.range(-0.3, 0.3), rng.range(-0.2, 0.2));
    }
    pose.rotation = Quat::from_euler(glam::EulerRot::XYZ, 0.7, -1.9, 0.4);
    pose.translation_mm = Vec3::new(30.0, -40.0, 500.0);
    pose
}

/// The bytes as a file that is read as a mesh.
fn read(name: &str, bytes: &[u8]) -> Surface {
    let folder = crate::files::tests::scratch(name);
    let path = folder.join("a.glb");
    write_bytes(&path, bytes).unwrap();
    let surface = Surface::open(&path).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    surface
}

/// The largest distance between corners of faces, mm.
fn apart(surface: &Surface, vertices: &[Vec3], faces: &[[u32; 3]]) -> f32 {
    assert_eq!(surface.faces.len(), faces.len());
    let pairs = surface.faces.iter().flatten().zip(faces.iter().flatten());
    pairs.map(|(&a, &b)| surface.vertices[a as usize].distance(vertices[b as usize])).fold(0.0, f32::max)
}

#[test]
fn skinned_by_its_nodes_the_file_shows_the_posed_hand() {
    let hand = RiggedHand::right();
    let thick =
        Shape { scale: 1.1, palm_width: 0.9, finger_thickness: [1.3; 5], finger_length: [0.85; 5], ..Shape::default() };
    for (seed, shape) in [(0, Shape::default()), (1, Shape::default()), (2, thick)] {
        let pose = if seed == 0 { Pose::default() } else { some_pose(seed) };
        let bytes = SkinnedMesh::of_hand(&hand, &pose, &shape).unwrap().to_glb().unwrap();
        let worst = apart(&read("glb-posed", &bytes), &hand.pose(&pose, &shape).vertices, hand.faces());
        assert!(worst < 1e-3, "{worst} mm for pose {seed}");
    }
}

#[test]
fn the_rig_is_read_back_as_it_was() {
    let hand = RiggedHand::right();
    let bytes = SkinnedMesh::of_hand(&hand, &some_pose(3), &Shape::default()).unwrap().to_glb().unwrap();
    let again = RiggedHand::from_glb(&bytes).unwrap();
    assert_eq!((again.faces(), again.tip_vertices()), (hand.faces(), hand.tip_vertices()));
    for (a, b) in again.rest_vertices().iter().zip(hand.rest_vertices()) {
        assert!(a.distance(*b) < 2e-3, "{a} against {b}");
    }
    for (a, b) in again.rest_frames().iter().zip(hand.rest_frames()) {
        assert!(a.origin.distance(b.origin) < 1e-3 && a.axes.angle_between(b.axes) < 2e-3, "{a:?} against {b:?}");
    }
    for (a, b) in again.influences().iter().flatten().zip(hand.influences().iter().flatten()) {
        assert!((a.1 - b.1).abs() < 1e-6);
    }
}

#[test]
fn joints_found_in_a_photo_move_the_mesh_and_know_the_flexion_axis() {
    let hand = RiggedHand::right();
    let found = hand.pose(&some_pose(4), &Shape::default());
    let mirror = |v: &Vec3| Vec3::new(-v.x, v.y, v.z);
    for left in [false, true] {
        let vertices: Vec<Vec3> = found.vertices.iter().map(|v| if left { mirror(v) } else { *v }).collect();
        let joints = found.joints.map(|v| if left { mirror(&v) } else { v });
        let turned = |&[a, b, c]: &[u32; 3]| if left { [a, c, b] } else { [a, b, c] };
        let faces: Vec<[u32; 3]> = hand.faces().iter().map(turned).collect();
        let mesh = SkinnedMesh::of_joints(&hand, &vertices, &faces, &joints, left).unwrap();
        assert_eq!((mesh.joints().len(), mesh.rest_mm().len()), (16, vertices.len()));
        assert!(apart(&read("glb-found", &mesh.to_glb().unwrap()), &vertices, &faces) < 1e-3);
        // At rest, bending the index finger's knuckle about its x brings the fingertip to where the palm looks: to the camera.
        let rest = hand.pose(&Pose::default(), &Shape::default());
        let joints = rest.joints.map(|v| if left { mirror(&v) } else { v });
        let vertices: Vec<Vec3> = rest.vertices.iter().map(|v| if left { mirror(v) } else { *v }).collect();
        let mesh = SkinnedMesh::of_joints(&hand, &vertices, &faces, &joints, left).unwrap();
        let knuckle = mesh.joints().iter().find(|j| j.name == "index-finger-phalanx-proximal").unwrap();
        let bent = knuckle.rest.axes * Quat::from_rotation_x(0.5) * Vec3::Y;
        assert!(bent.z < -0.3, "{bent}, left {left}");
    }
}

/// The parts of a file: JSON and binary chunk, both checked to be whole.
fn parts(bytes: &[u8]) -> (Value, &[u8]) {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((&bytes[..4], word(4), word(8)), (&b"glTF"[..], 2, bytes.len()));
    let json = word(12);
    assert_eq!((&bytes[16..20], json % 4), (&b"JSON"[..], 0));
    let (chunk, binary) = (20 + json, word(20 + json));
    assert_eq!((&bytes[chunk + 4..chunk + 8], chunk + 8 + binary), (&b"BIN\0"[..], bytes.len()));
    (serde_json::from_slice(&bytes[20..20 + json]).unwrap(), &bytes[chunk + 8..])
}

#[test]
fn everything_is_aligned_bounded_and_named() {
    let hand = RiggedHand::right();
    let bytes = SkinnedMesh::of_hand(&hand, &some_pose(5), &Shape::default()).unwrap().to_glb().unwrap();
    let (json, binary) = parts(&bytes);
    let number = |v: &Value| v.as_u64().unwrap() as usize;
    for accessor in json["accessors"].as_array().unwrap() {
        let view = &json["bufferViews"][number(&accessor["bufferView"])];
        assert!(number(&view["byteOffset"]).is_multiple_of(4));
        assert!(number(&view["byteOffset"]) + number(&view["byteLength"]) <= binary.len());
    }
    assert_eq!(number(&json["buffers"][0]["byteLength"]), binary.len());
    let position = &json["accessors"][number(&json["meshes"][0]["primitives"][0]["attributes"]["POSITION"])];
    let at = number(&json["bufferViews"][number(&position["bufferView"])]["byteOffset"]);
    let values: Vec<f32> = binary[at..at + 12 * hand.rest_vertices().len()]
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    for k in 0..3 {
        let column = || values.iter().skip(k).step_by(3).copied();
        assert_eq!(position["min"][k].as_f64().unwrap() as f32, column().fold(f32::INFINITY, f32::min));
        assert_eq!(position["max"][k].as_f64().unwrap() as f32, column().fold(f32::NEG_INFINITY, f32::max));
    }
    let names: Vec<&str> = json["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect();
    assert_eq!(names[1..], RIG_JOINT_NAMES);
    assert_eq!(json["nodes"].as_array().unwrap().iter().filter(|n| n["translation"].is_array()).count(), RIG_JOINTS);
}

#[test]
fn a_plain_mesh_comes_back_from_its_file() {
    let hand = RiggedHand::right();
    let bytes = plain(hand.rest_vertices(), hand.faces()).unwrap();
    assert!(parts(&bytes).0.get("skins").is_none());
    assert!(apart(&read("glb-plain", &bytes), hand.rest_vertices(), hand.faces()) < 1e-3);
}

#[test]
fn a_vertex_between_opposite_turns_follows_one_of_them() {
    let frame = |angle: f32| JointFrame { origin: Vec3::ZERO, axes: Quat::from_rotation_z(angle) };
    let joint = |angle: f32| SkinnedJoint { name: "j".into(), parent: None, rest: frame(0.0), posed: frame(angle) };
    let vertices = [Vec3::X, Vec3::Y, Vec3::new(3.0, 4.0, 5.0)];
    let five = [(0, 0.5), (1, 0.5), (1, 0.0), (0, 0.0), (1, 0.0)];
    let mesh = SkinnedMesh::new(&vertices, &[[0, 1, 2]], vec![joint(0.0), joint(PI)], &[five; 3]).unwrap();
    assert_eq!(mesh.influences()[0], [(0, 1.0), (0, 0.0), (0, 0.0), (0, 0.0)]);
    assert!(apart(&read("glb-half-turn", &mesh.to_glb().unwrap()), &vertices, &[[0, 1, 2]]) < 1e-3);
}

#[test]
fn what_no_file_can_hold_is_refused() {
    let says = |error: Error, words: &str| assert!(error.to_string().contains(words), "{error}");
    says(plain(&[Vec3::ZERO; 3], &[[0, 1, 3]]).unwrap_err(), "vertices below 3");
    says(plain(&[Vec3::ZERO; 3], &[]).unwrap_err(), "at least one face");
    says(plain(&[Vec3::ZERO, Vec3::NAN], &[[0, 0, 1]]).unwrap_err(), "vertex 1");
    let frame = JointFrame { origin: Vec3::ZERO, axes: Quat::IDENTITY };
    let joint = SkinnedJoint { name: "j".into(), parent: None, rest: frame, posed: frame };
    let mesh = |joints: &[SkinnedJoint], weights: &[Vec<(usize, f32)>]| {
        SkinnedMesh::new(&[Vec3::X, Vec3::Y, Vec3::Z], &[[0, 1, 2]], joints.to_vec(), weights).unwrap_err()
    };
    let one = vec![vec![(0, 1.0)]; 3];
    says(mesh(&[], &one), "1 to 256");
    says(mesh(&vec![joint.clone(); 257], &one), "1 to 256");
    says(mesh(std::slice::from_ref(&joint), &one[..2]), "3 lists");
    says(mesh(&[SkinnedJoint { parent: Some(0), ..joint.clone() }], &one), "earlier joint");
    says(mesh(&[SkinnedJoint { posed: JointFrame { origin: Vec3::NAN, ..frame }, ..joint.clone() }], &one), "joint 0");
    for (bad, words) in
        [((1, 1.0), "joints below 1"), ((0, -1.0), "at least 0"), ((0, f32::NAN), "at least 0"), ((0, 0.0), "above 0")]
    {
        says(mesh(std::slice::from_ref(&joint), &vec![vec![bad]; 3]), words);
    }
}
