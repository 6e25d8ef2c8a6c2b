//! Hands to learn from and to judge by: synthetic ones, drawn at random and rendered on the GPU with everything known about
//! them; photos and meshes from files; folders of photos with known joints.

pub mod arm;
pub mod folder;
pub mod gestures;
pub mod look;
pub mod mesh;
pub mod photo;
pub mod pose;
pub mod raster;
pub mod render;
pub mod scene;
pub mod sheet;
pub mod surface;

pub use folder::{LabelledPhoto, PhotoFolder};
pub use photo::Photo;
pub use pose::PoseSampler;
pub use render::{RenderedVars, Sample, SceneRenderer};
pub use scene::{Framing, Scene, SceneBatch, SceneSampler, Views};
pub use sheet::{SheetOptions, contact_sheet};
pub use surface::Surface;
