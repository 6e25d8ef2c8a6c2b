//! `knuckle fit`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use glam::{Quat, Vec2, Vec3};
use knuckle::data::{Photo, Sample, SceneRenderer, SceneSampler};
use knuckle::hand::camera::{Crop, Mirror};
use knuckle::hand::joints::{JOINTS, MIDDLE_MCP, MIDDLE_PIP};
use knuckle::hand::{Camera, RiggedHand, Shape, Side, inverse_kinematics};
use knuckle::models::{FitOptions, FittedHand, HandFitter, HandMesh, HandParameters, InferOptions, Observation};
use knuckle::nn::hand::HandRig;
use knuckle::output::{SkinnedMesh, draw_mesh, draw_skeleton, save_gif, save_obj};
use knuckle::rng::Rng;
use knuckle::{Error, Gpu, Result};
use serde::Serialize;

use crate::model::Weights;

/// What to fit to, and what to write.
#[derive(clap::Args)]
pub struct Arguments {
    /// A photo (PNG or JPEG) with the hand in the middle square; the network finds the joints and where to start
    #[arg(required_unless_present = "synthetic", value_name = "PHOTO")]
    photo: Option<PathBuf>,
    /// Instead of a photo, this rendered hand with its true joints and mask
    #[arg(long, value_name = "INDEX", conflicts_with_all = ["photo", "mask", "depth", "joints", "left", "scale_mm"])]
    synthetic: Option<u64>,
    /// A picture that is white where the hand is (PNG, the photo's size)
    #[arg(long, value_name = "PNG")]
    mask: Option<PathBuf>,
    /// The hand's depth, millimetres, 0 where unknown (16-bit PNG, the photo's size)
    #[arg(long, value_name = "PNG")]
    depth: Option<PathBuf>,
    /// The 21 joints in the photo, instead of those the network finds (JSON: [[u, v], …] or [[u, v, confidence], …])
    #[arg(long, value_name = "FILE")]
    joints: Option<PathBuf>,
    /// Compare a rendered hand's depth too
    #[arg(long, requires = "synthetic")]
    with_depth: bool,
    /// Folder for the steps (GIF), the hand (OBJ and GLB) and the losses (JSON)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Gradient steps
    #[arg(long, default_value_t = 50)]
    steps: usize,
    /// Hands that start a little apart and descend side by side; the best is kept
    #[arg(long, default_value_t = 4)]
    hypotheses: usize,
    /// Side of the pictures in which silhouettes are compared, pixels
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// True length of the middle finger's MCP–PIP bone, millimetres
    #[arg(long, value_name = "S")]
    scale_mm: Option<f32>,
    /// The hand is a left one
    #[arg(long)]
    left: bool,
    #[command(flatten)]
    weights: Weights,
}

/// A picture to fit to: its middle square, what is seen there, and what the network makes of it.
struct Picture {
    name: String,
    square: Photo,
    seen: Observation,
    /// From the photo to that square.
    crop: Crop,
    found: HandMesh,
    truth: Option<Sample>,
}

#[derive(Serialize)]
struct Report {
    adapter: String,
    /// Of each hypothesis, the best first: before every step and in the end.
    losses: Vec<Vec<f32>>,
    joints_mm: Vec<[f32; 3]>,
    uv: Vec<[f32; 2]>,
    vertices_mm: Vec<[f32; 3]>,
    faces: Vec<[u32; 3]>,
    rotation: [f32; 3],
    translation_mm: [f32; 3],
    pose_rad: Vec<f32>,
    shape_logs: Vec<f32>,
    ms_per_step: f64,
}

/// Side of the rendered hands' pictures, pixels.
const SYNTHETIC_PX: usize = 256;
/// The longest side of the pictures of the animation, pixels.
const FRAME_PX: u32 = 384;
const FRAMES_PER_SECOND: u32 = 12;
/// How far hypotheses start apart: turns of the hand and of each joint, radians.
const APART: (f32, f32) = (0.3, 0.15);

/// Fits the hand, prints what it came to, writes the files.
pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    }
    let gpu = Gpu::new()?;
    let rig = RiggedHand::right();
    let side = if arguments.left { Side::Left } else { Side::Right };
    let picture = picture(&gpu, arguments)?;
    let options = FitOptions {
        steps: arguments.steps,
        hypotheses: arguments.hypotheses,
        size_px: arguments.size,
        ..FitOptions::default()
    };
    let mut fitter = HandFitter::new(&gpu, Arc::new(HandRig::new(&rig, side)?), options)?;
    let starts = starts(&rig, &picture.found, side, options.hypotheses)?;
    let faces = fitter.model().faces().to_vec();
    let (mut frames, mut start) = (Vec::new(), None);
    let (begin, mut drawing) = (Instant::now(), 0.0);
    let fitted = fitter.fit_watched(&picture.seen, &starts, |step, look| {
        let looking = Instant::now();
        if arguments.out.is_some() || step == 0 {
            let hand = look()?.swap_remove(0);
            if arguments.out.is_some() {
                frames.push(frame(&picture, &hand, &faces)?);
            }
            start.get_or_insert(hand);
        }
        drawing += looking.elapsed().as_secs_f64();
        Ok(())
    })?;
    let seconds = begin.elapsed().as_secs_f64() - drawing;
    let ms_per_step = if options.steps > 0 { 1e3 * seconds / options.steps as f64 } else { 0.0 };
    let best = &fitted[0];
    let (first, last) = (best.losses[0], best.losses[best.losses.len() - 1]);
    println!("{}: loss {first:.3} to {last:.3} in {} steps of {ms_per_step:.1} ms", picture.name, options.steps);
    if let (Some(truth), Some(start)) = (&picture.truth, &start) {
        let [before, after] = [start, best].map(|hand| mesh_error(hand, truth));
        println!("mesh error, relative to the wrist: {before:.1} mm at the start, {after:.1} mm fitted");
    }
    let Some(folder) = &arguments.out else { return Ok(()) };
    let path = |ending: &str| folder.join(format!("{}.fit.{ending}", picture.name));
    save_gif(path("gif"), &frames, FRAMES_PER_SECOND)?;
    save_obj(path("obj"), &best.vertices_mm, &faces)?;
    SkinnedMesh::of_joints(&rig, &best.vertices_mm, &faces, &best.joints_mm, arguments.left)?.save_glb(path("glb"))?;
    let report = Report::new(&gpu, &picture, &fitted, &faces, ms_per_step);
    knuckle::files::write_atomically(&path("json"), |out| {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)
    })?;
    println!("{}", ["gif", "obj", "glb", "json"].map(|ending| path(ending).display().to_string()).join(", "));
    Ok(())
}

impl Report {
    fn new(gpu: &Gpu, picture: &Picture, fitted: &[FittedHand], faces: &[[u32; 3]], ms_per_step: f64) -> Self {
        let best = &fitted[0];
        let in_photo = |joint: &Vec3| picture.crop.backward(picture.seen.camera.project(*joint)).to_array();
        Report {
            adapter: gpu.adapter().to_string(),
            losses: fitted.iter().map(|hand| hand.losses.clone()).collect(),
            joints_mm: best.joints_mm.iter().map(Vec3::to_array).collect(),
            uv: best.joints_mm.iter().map(in_photo).collect(),
            vertices_mm: best.vertices_mm.iter().map(Vec3::to_array).collect(),
            faces: faces.to_vec(),
            rotation: best.parameters.rotation.to_array(),
            translation_mm: best.parameters.translation_mm.to_array(),
            pose_rad: best.parameters.pose.clone(),
            shape_logs: best.parameters.shape.clone(),
            ms_per_step,
        }
    }
}

/// The photo or rendered hand that the arguments name.
fn picture(gpu: &Gpu, arguments: &Arguments) -> Result<Picture> {
    let mut network = arguments.weights.load(gpu)?;
    if let Some(index) = arguments.synthetic {
        let sampler = SceneSampler::new(&RiggedHand::right(), SYNTHETIC_PX, 0);
        let sample = SceneRenderer::new(gpu, sampler).render(index, 1)?.remove(0);
        let bytes = sample.rgb.iter().map(|v| (v * 255.0).round() as u8).collect();
        let square = Photo::from_rgb(SYNTHETIC_PX as u32, SYNTHETIC_PX as u32, bytes)?;
        let scale = sample.joints_mm[MIDDLE_MCP].distance(sample.joints_mm[MIDDLE_PIP]);
        let known = InferOptions {
            scale_mm: Some(scale),
            camera: Some(sample.camera),
            fill: network.config().second_look,
            ..InferOptions::default()
        };
        let found = network.infer(&square, &known)?;
        let seen = Observation {
            camera: sample.camera,
            size_px: SYNTHETIC_PX,
            joints_px: sample.joints_px,
            confidence: [1.0; JOINTS],
            mask: Some(sample.mask.clone()),
            depth_mm: arguments.with_depth.then(|| sample.depth_mm.clone()),
            scale_mm: Some(scale),
        };
        let crop = Crop { corner: Vec2::ZERO, side: SYNTHETIC_PX as f32, size: SYNTHETIC_PX as f32 };
        return Ok(Picture { name: format!("synthetic-{index}"), square, seen, crop, found, truth: Some(sample) });
    }
    let path = arguments.photo.as_ref().expect("required without --synthetic");
    let photo = Photo::open(path)?;
    let known = InferOptions { scale_mm: arguments.scale_mm, left: arguments.left, ..InferOptions::default() };
    let found = network.infer(&photo, &known)?;
    let side = photo.width().min(photo.height());
    let corner = Vec2::new((photo.width() - side) as f32, (photo.height() - side) as f32) * 0.5;
    let crop = Crop { corner: corner.floor(), side: side as f32, size: side as f32 };
    let joints = match &arguments.joints {
        Some(file) => read_joints(file)?,
        None => found.uv.map(|p| (p, 1.0)),
    };
    let seen = Observation {
        camera: known.camera_of(&photo)?.cropped(&crop),
        size_px: side as usize,
        joints_px: joints.map(|(p, _)| crop.forward(p)),
        confidence: joints.map(|(_, c)| c),
        mask: arguments.mask.as_ref().map(|file| read_square(file, &photo, &crop, 255.0)).transpose()?,
        depth_mm: arguments.depth.as_ref().map(|file| read_square(file, &photo, &crop, 1.0)).transpose()?,
        scale_mm: arguments.scale_mm,
    };
    let name = path.file_stem().map_or("photo".into(), |s| s.to_string_lossy().into_owned());
    Ok(Picture { name, square: photo.cropped(&crop), seen, crop, found, truth: None })
}

/// Joints in the photo and how much each counts.
fn read_joints(file: &Path) -> Result<[(Vec2, f32); JOINTS]> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::file(file, e))?;
    let rows: Vec<Vec<f32>> = serde_json::from_str(&text)
        .map_err(|e| Error::invalid(file.display(), "[[u, v], …] or [[u, v, confidence], …]", e))?;
    let wrong = rows.iter().any(|row| !(2..=3).contains(&row.len()));
    if rows.len() != JOINTS || wrong {
        let got = if wrong { "a row of another length".to_string() } else { rows.len().to_string() };
        return Err(Error::invalid(file.display(), format!("{JOINTS} joints of two or three numbers"), got));
    }
    let joint = |row: &Vec<f32>| (Vec2::new(row[0], row[1]), row.get(2).copied().unwrap_or(1.0));
    Ok(std::array::from_fn(|k| joint(&rows[k])))
}

/// The middle square of a grey picture of the photo's size, divided by `white`.
fn read_square(file: &Path, photo: &Photo, crop: &Crop, white: f32) -> Result<Vec<f32>> {
    let picture = image::open(file).map_err(|e| Error::invalid(file.display(), "a picture", e))?;
    if (picture.width(), picture.height()) != (photo.width(), photo.height()) {
        let expected = format!("{} × {} pixels as the photo", photo.width(), photo.height());
        return Err(Error::invalid(file.display(), expected, format!("{} × {}", picture.width(), picture.height())));
    }
    let (x, y, side) = (crop.corner.x as u32, crop.corner.y as u32, crop.side as u32);
    let square = picture.crop_imm(x, y, side, side);
    Ok(match white {
        1.0 => square.to_luma16().into_raw().into_iter().map(f32::from).collect(),
        _ => square.to_luma8().into_raw().into_iter().map(|v| f32::from(v) / white).collect(),
    })
}

/// The hand that the network found, as the model's parameters, and others around it.
fn starts(rig: &RiggedHand, found: &HandMesh, side: Side, count: usize) -> Result<Vec<HandParameters>> {
    // Inverse kinematics knows right hands.
    let mirror = Mirror { width: 0.0 };
    let turned = |p: Vec3| if side == Side::Left { mirror.point(p) } else { p };
    let shape = Shape::default();
    let placed = found.joints_mm.map(|joint| turned(joint + found.root_mm));
    let fit = inverse_kinematics(rig, &placed, &shape)?;
    let mut rng = Rng::new(1, 0);
    let start = |k: usize| {
        let (turn, bend) = if k == 0 { (0.0, 0.0) } else { APART };
        let jitter = Vec3::new(rng.normal(), rng.normal(), rng.normal()) * turn;
        let rotation = (Quat::from_scaled_axis(jitter) * fit.pose.rotation).to_scaled_axis();
        HandParameters {
            // In a mirror turns about y and z go the other way.
            rotation: if side == Side::Left { rotation * Vec3::new(1.0, -1.0, -1.0) } else { rotation },
            translation_mm: turned(fit.pose.translation_mm),
            pose: fit.angles.iter().map(|angle| angle + bend * rng.normal()).collect(),
            shape: shape.logs().to_vec(),
        }
    };
    Ok((0..count).map(start).collect())
}

/// A step of the animation: the hand over its picture, and the joints it is to reach.
fn frame(picture: &Picture, hand: &FittedHand, faces: &[[u32; 3]]) -> Result<Photo> {
    let size = picture.square.width().min(FRAME_PX) as f32;
    let crop = Crop { corner: Vec2::ZERO, side: picture.square.width() as f32, size };
    let mut drawn = picture.square.cropped(&crop);
    let camera: Camera = picture.seen.camera.cropped(&crop);
    let vertices_px: Vec<Vec2> = hand.vertices_mm.iter().map(|v| camera.project(*v)).collect();
    draw_mesh(&mut drawn, &vertices_px, &hand.vertices_mm, faces, 0.65);
    draw_skeleton(&mut drawn, &picture.seen.joints_px.map(|p| crop.forward(p)));
    Ok(drawn)
}

/// The mean distance of vertices from the truth, both relative to the wrist, mm.
fn mesh_error(hand: &FittedHand, truth: &Sample) -> f32 {
    let offset = hand.joints_mm[0] - truth.joints_mm[0];
    let pairs = hand.vertices_mm.iter().zip(&truth.vertices_mm);
    pairs.map(|(a, b)| (*a - *b - offset).length()).sum::<f32>() / truth.vertices_mm.len() as f32
}
