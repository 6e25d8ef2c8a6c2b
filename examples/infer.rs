//! A photo in, a 3D hand out: `cargo run --release --example infer -- photo.jpg` writes `hand.obj`.

use knuckle::{Gpu, Result, data::Photo, models::GraphCnn, output::save_obj};

fn main() -> Result<()> {
    let mut model = GraphCnn::shipped(&Gpu::new()?)?;
    let photo = Photo::open(std::env::args().nth(1).unwrap_or("hand.jpg".into()))?;
    let hand = model.infer(&photo, &Default::default())?;
    println!("index fingertip: {:.0} mm from the wrist, at {:.0} px", hand.joints_mm[8], hand.uv[8]);
    save_obj("hand.obj", &hand.vertices_mm, &hand.faces)
}
