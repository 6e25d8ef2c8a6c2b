//! `knuckle view`.

use std::path::PathBuf;

use knuckle::data::Surface;
use knuckle::output::{Turntable, save_gif};
use knuckle::{Error, Gpu, Result};

/// Which mesh, and how to show it.
#[derive(clap::Args)]
pub struct Arguments {
    /// A mesh (.obj or .glb), or what `knuckle fit` or `knuckle infer --json FILE --with-mesh` wrote (.json), of which the first hand is shown
    mesh: PathBuf,
    /// The picture to write: .png shows one view, .gif a whole turn
    #[arg(long, value_name = "PNG|GIF")]
    out: PathBuf,
    /// Width and height, pixels
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Pictures of the turn (GIF)
    #[arg(long, default_value_t = 36)]
    frames: usize,
    /// How high above the mesh the camera stands, degrees
    #[arg(long, default_value_t = 14.0, allow_negative_numbers = true, value_name = "DEG")]
    elevation: f32,
    /// From where the first picture is seen, degrees: 0 as the camera saw it, positive from the right
    #[arg(long, default_value_t = -26.0, allow_negative_numbers = true, value_name = "DEG")]
    azimuth: f32,
}

/// How long a whole turn takes, seconds, and the fewest and most pictures in one of them.
const TURN_SECONDS: f32 = 2.4;
const RATES: (f32, f32) = (1.0, 25.0);

/// Draws the mesh and writes the picture.
pub fn run(arguments: &Arguments) -> Result<()> {
    let ending = arguments.out.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let frames = match ending.as_str() {
        "gif" => arguments.frames,
        "png" => 1,
        _ => return Err(Error::invalid("--out", "a name that ends in .png or .gif", arguments.out.display())),
    };
    let mesh = Surface::open(&arguments.mesh)?;
    let turn = Turntable {
        size: arguments.size,
        frames,
        azimuth: arguments.azimuth.to_radians(),
        elevation: arguments.elevation.to_radians(),
    };
    let pictures = turn.draw(&Gpu::new()?, &mesh.vertices, &mesh.faces)?;
    match ending.as_str() {
        "gif" => {
            let rate = (frames as f32 / TURN_SECONDS).clamp(RATES.0, RATES.1).round();
            save_gif(&arguments.out, &pictures, rate as u32)?;
        }
        _ => pictures[0].save_png(&arguments.out)?,
    }
    let (vertices, faces, size) = (mesh.vertices.len(), mesh.faces.len(), turn.size);
    println!("{}: {frames} × {size} × {size} pixels of {vertices} vertices, {faces} faces", arguments.out.display());
    Ok(())
}
