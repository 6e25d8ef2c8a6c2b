//! Synthetic hands: scenes drawn at random, rendered on the GPU into photos with everything known about them.

pub mod look;
pub mod mesh;
pub mod raster;
pub mod render;
pub mod scene;
pub mod sheet;

pub use render::{RenderedVars, Sample, SceneRenderer};
pub use scene::{Scene, SceneBatch, SceneSampler, Views};
pub use sheet::{SheetOptions, contact_sheet};
