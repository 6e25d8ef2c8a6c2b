//! What a person looks at: a hand drawn over its photo, a mesh seen from all around, meshes and moving pictures as files.

mod canvas;
pub mod gif;
pub mod glb;
pub mod obj;
pub mod overlay;
pub mod turntable;

pub use gif::save_gif;
pub use glb::{SkinnedJoint, SkinnedMesh, save_glb};
pub use obj::save_obj;
pub use overlay::{draw_mesh, draw_skeleton, mesh_view};
pub use turntable::Turntable;
