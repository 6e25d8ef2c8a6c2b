//! `knuckle demo`.

use std::path::PathBuf;
use std::time::Instant;

use glam::Vec2;
use knuckle::data::{Photo, Sample, SceneRenderer, SceneSampler};
use knuckle::hand::RiggedHand;
use knuckle::hand::camera::Crop;
use knuckle::models::{HandMesh, InferOptions};
use knuckle::output::mesh_view;
use knuckle::train::metrics::Evaluation;
use knuckle::{Gpu, Result};

use crate::infer::overlay;
use crate::model::Weights;

/// What to draw.
#[derive(clap::Args)]
pub struct Arguments {
    /// The picture to write (PNG)
    #[arg(long, default_value = "demo.png")]
    out: PathBuf,
    /// Which hands
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    #[command(flatten)]
    weights: Weights,
}

/// Hands rendered, and how many of them a row of the picture holds.
const HANDS: usize = 8;
const HANDS_A_ROW: usize = 2;
/// Side of a panel, pixels.
const PANEL: usize = 256;
/// How far the third panel's mesh is turned, radians.
const TURN: f32 = 1.0;

/// Renders hands, finds them again, writes the picture.
pub fn run(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let gpu = Gpu::new()?;
    println!("adapter  {}", gpu.adapter());
    let mut model = arguments.weights.load(&gpu)?;
    println!("model    {}, ready after {:.1} s", arguments.weights.name(&model), start.elapsed().as_secs_f64());

    let rendering = Instant::now();
    let sampler = SceneSampler::new(&RiggedHand::right(), model.config().photo_px(), arguments.seed);
    let samples = SceneRenderer::new(&gpu, sampler).render(0, HANDS)?;
    println!("photos   {HANDS} rendered in {:.1} s", rendering.elapsed().as_secs_f64());

    let mut evaluation = Evaluation::default();
    let mut times = Vec::new();
    let mut panels = Vec::new();
    for sample in &samples {
        let photo = enlarged(sample)?;
        let zoom = photo.width() as f32 / sample.size_px as f32;
        let c = sample.camera;
        let camera = knuckle::hand::Camera { fx: c.fx * zoom, fy: c.fy * zoom, cx: c.cx * zoom, cy: c.cy * zoom };
        let finding = Instant::now();
        let known = InferOptions {
            camera: Some(camera),
            rigged: true,
            fill: model.config().second_look,
            ..InferOptions::default()
        };
        let hand = model.infer(&photo, &known)?;
        times.push(finding.elapsed().as_secs_f64() * 1e3);
        evaluation.add(&hand.joints_mm, &sample.joints_mm, None);
        panels.push(row(photo, &hand));
    }
    times.sort_by(f64::total_cmp);
    let figures = evaluation.summary();
    println!("hands    found in {:.0} ms each (median)", times[times.len() / 2]);
    println!("joints   {:.1} mm from the truth on average, {:.1} mm after alignment", figures.epe, figures.pa_epe);
    tiled(&panels).save_png(&arguments.out)?;
    println!("picture  {} (photo, mesh and joints over it, mesh from the side)", arguments.out.display());
    println!("took     {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn enlarged(sample: &Sample) -> Result<Photo> {
    let size = sample.size_px;
    let rgb = sample.rgb.iter().map(|v| (v * 255.0).round() as u8).collect();
    let photo = Photo::from_rgb(size as u32, size as u32, rgb)?;
    Ok(photo.cropped(&Crop { corner: Vec2::ZERO, side: size as f32, size: PANEL as f32 }))
}

/// Photo, overlay and turned mesh of one hand.
fn row(photo: Photo, hand: &HandMesh) -> [Photo; 3] {
    let drawn = overlay(&photo, hand);
    [photo, drawn, mesh_view(&hand.vertices_mm, &hand.faces, TURN, PANEL as u32)]
}

fn tiled(hands: &[[Photo; 3]]) -> Photo {
    let columns = 3 * HANDS_A_ROW;
    let (width, height) = (columns * PANEL, hands.len().div_ceil(HANDS_A_ROW) * PANEL);
    let mut rgb = vec![28; width * height * 3];
    for (i, panel) in hands.iter().flatten().enumerate() {
        let (x, y) = (i % columns * PANEL, i / columns * PANEL);
        for (row, pixels) in panel.rgb().chunks_exact(PANEL * 3).enumerate() {
            rgb[((y + row) * width + x) * 3..][..PANEL * 3].copy_from_slice(pixels);
        }
    }
    Photo::from_rgb(width as u32, height as u32, rgb).expect("three bytes for each pixel")
}
