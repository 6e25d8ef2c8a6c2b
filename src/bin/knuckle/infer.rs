//! `knuckle infer`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use knuckle::data::Photo;
use knuckle::hand::RiggedHand;
use knuckle::models::{GraphCnn, HandMesh, InferOptions};
use knuckle::output::{SkinnedMesh, draw_mesh, draw_skeleton, save_obj};
use knuckle::{Error, Gpu, Result};
use serde::Serialize;

use crate::model::Weights;

/// Which photos, and what to write.
#[derive(clap::Args)]
pub struct Arguments {
    /// Photos (PNG or JPEG) with the hand in the middle square
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Folder for each photo's overlay (PNG) and mesh (OBJ)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// In that folder also each mesh with joints that move it (GLB), for Blender and three.js
    #[arg(long, requires = "out")]
    glb: bool,
    /// File for the joints of all photos (JSON)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// In that file also the vertices and faces of the meshes, for `knuckle view`
    #[arg(long, requires = "json")]
    with_mesh: bool,
    /// True length of the middle finger's MCP–PIP bone, millimetres
    #[arg(long, value_name = "S")]
    scale_mm: Option<f32>,
    /// The hands are left ones
    #[arg(long)]
    left: bool,
    /// Mesh and joints are those of the rigged hand, posed by inverse kinematics on the joints found
    #[arg(long)]
    rigged: bool,
    /// Where the network looks again at the square around the hand: the part of it that the hand is to fill, 0.3 to 1 [default: 0.55]
    #[arg(long, value_name = "PART")]
    fill: Option<f32>,
    #[command(flatten)]
    weights: Weights,
}

#[derive(Serialize)]
struct Report {
    adapter: String,
    model: String,
    images: Vec<Image>,
}

#[derive(Serialize)]
struct Image {
    file: String,
    joints_mm: Vec<[f32; 3]>,
    uv: Vec<[f32; 2]>,
    vertices: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    vertices_mm: Option<Vec<[f32; 3]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faces: Option<Vec<[u32; 3]>>,
    ms: f64,
}

/// Finds the hands. A photo that cannot be used is told and left out; the others are still written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(scale) = arguments.scale_mm.filter(|s| !(s.is_finite() && *s > 0.0)) {
        return Err(Error::invalid("--scale-mm", "a positive length", scale));
    }
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    }
    let gpu = Gpu::new()?;
    let mut model = arguments.weights.load(&gpu)?;
    let mut report =
        Report { adapter: gpu.adapter().to_string(), model: arguments.weights.name(&model), images: Vec::new() };
    let mut code = ExitCode::SUCCESS;
    let mut stems = HashSet::new();
    for path in &arguments.photos {
        let base = arguments.out.as_ref().map(|folder| folder.join(unique_stem(path, &mut stems)));
        match find(&mut model, path, base.as_deref(), arguments) {
            Ok(image) => report.images.push(image),
            Err(error @ (Error::Picture { .. } | Error::File { .. })) => {
                eprintln!("error: {error}");
                code = ExitCode::FAILURE;
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(path) = &arguments.json {
        knuckle::files::write_atomically(path, |out| {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            writeln!(out)
        })?;
    }
    Ok(code)
}

fn find(model: &mut GraphCnn, path: &Path, base: Option<&Path>, arguments: &Arguments) -> Result<Image> {
    let photo = Photo::open(path)?;
    let options = InferOptions {
        scale_mm: arguments.scale_mm,
        left: arguments.left,
        rigged: arguments.rigged,
        fill: arguments.fill,
        ..InferOptions::default()
    };
    let start = Instant::now();
    let hand = model.infer(&photo, &options)?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    print!("{}: {ms:.0} ms", path.display());
    if let Some(base) = base {
        let (overlay_path, mesh_path) = (with_ending(base, ".overlay.png"), with_ending(base, ".obj"));
        overlay(&photo, &hand).save_png(&overlay_path)?;
        save_obj(&mesh_path, &hand.vertices_mm, &hand.faces)?;
        print!(", {}, {}", overlay_path.display(), mesh_path.display());
        if arguments.glb {
            let (rig, path) = (RiggedHand::right(), with_ending(base, ".glb"));
            SkinnedMesh::of_joints(&rig, &hand.vertices_mm, &hand.faces, &hand.joints_mm, arguments.left)?
                .save_glb(&path)?;
            print!(", {}", path.display());
        }
    }
    println!();
    Ok(Image {
        file: path.display().to_string(),
        joints_mm: hand.joints_mm.iter().map(|j| j.to_array()).collect(),
        uv: hand.uv.iter().map(|p| p.to_array()).collect(),
        vertices: hand.vertices_mm.len(),
        vertices_mm: arguments.with_mesh.then(|| hand.vertices_mm.iter().map(|v| v.to_array()).collect()),
        faces: arguments.with_mesh.then(|| hand.faces.clone()),
        ms,
    })
}

/// The photo with mesh and joints over it.
pub fn overlay(photo: &Photo, hand: &HandMesh) -> Photo {
    let mut picture = photo.clone();
    draw_mesh(&mut picture, &hand.vertices_uv, &hand.vertices_mm, &hand.faces, 0.6);
    draw_skeleton(&mut picture, &hand.uv);
    picture
}

/// The photo's name without its ending; a number makes it unique among photos from several folders.
fn unique_stem(path: &Path, taken: &mut HashSet<String>) -> String {
    let stem = path.file_stem().map_or("photo".into(), |s| s.to_string_lossy().into_owned());
    let numbered = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}-{n}")));
    let free = numbered.into_iter().find(|name| !taken.contains(name)).expect("numbers do not end");
    taken.insert(free.clone());
    free
}

fn with_ending(base: &Path, ending: &str) -> PathBuf {
    let mut name = base.as_os_str().to_os_string();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_of_one_name_do_not_overwrite_each_other() {
        let mut taken = HashSet::new();
        let names = ["a/x.png", "b/x.jpg", "c/x-2.png", "d/x.png"].map(|p| unique_stem(Path::new(p), &mut taken));
        assert_eq!(names, ["x", "x-2", "x-2-2", "x-3"]);
        assert_eq!(with_ending(Path::new("d/v1.5"), ".obj"), Path::new("d/v1.5.obj"));
    }
}
