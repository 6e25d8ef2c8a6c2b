//! `knuckle data`.

use std::path::PathBuf;

use knuckle::data::{Photo, SceneRenderer, SceneSampler, SheetOptions, contact_sheet};
use knuckle::hand::RiggedHand;
use knuckle::{Error, Gpu, Result};

/// What to draw.
#[derive(clap::Args)]
pub struct Arguments {
    /// The picture to write (PNG)
    #[arg(long)]
    sheet: PathBuf,
    /// How many hands
    #[arg(long, default_value_t = 32)]
    count: usize,
    /// Hands in a row
    #[arg(long, default_value_t = 8)]
    columns: usize,
    /// Side of each, pixels
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// Which hands: the same seed draws the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Below each row of photos, one with the joints drawn in
    #[arg(long)]
    skeleton: bool,
    /// Below each row of photos, one with depth
    #[arg(long)]
    depth: bool,
}

/// Hands rendered at once.
const BATCH: usize = 8;

/// Renders the hands and writes the sheet.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { count, columns, size, seed, .. } = *arguments;
    for (what, value, most) in [("--count", count, 4096), ("--columns", columns, 256), ("--size", size, 1024)] {
        if !(1..=most).contains(&value) {
            return Err(Error::invalid(what, format!("1 to {most}"), value));
        }
    }
    let sampler = SceneSampler::new(&RiggedHand::right(), size, seed);
    let mut renderer = SceneRenderer::new(&Gpu::new()?, sampler);
    let mut samples = Vec::with_capacity(count);
    while samples.len() < count {
        samples.extend(renderer.render(samples.len() as u64, BATCH)?);
    }
    samples.truncate(count);
    let options = SheetOptions { skeleton: arguments.skeleton, depth: arguments.depth };
    let sheet = contact_sheet(&samples, columns, options);
    let sheet = Photo::from_rgb(sheet.width(), sheet.height(), sheet.into_raw())?;
    sheet.save_png(&arguments.sheet)?;
    println!("{}: {count} hands of seed {seed}", arguments.sheet.display());
    Ok(())
}
