//! What a person looks at: a hand drawn over its photo, a mesh seen from elsewhere, a mesh as a file.

mod canvas;
pub mod obj;
pub mod overlay;

pub use obj::save_obj;
pub use overlay::{draw_mesh, draw_skeleton, mesh_view};
