//! A rigged hand: skinning data, mesh topology, coarsening, cameras and joint orders.
//!
//! [`RiggedHand::right`] is the hand that ships with the crate. [`RiggedHand::pose`] turns a [`Pose`] and a [`Shape`] into
//! vertices and the 21 joints. Only right hands exist here: a left hand is a right one seen through [`camera::Mirror`].
pub mod camera;
pub mod coarsen;
pub mod contact;
mod error;
pub(crate) mod glb;
pub mod joints;
pub mod laplacian;
mod rig;
mod skinning;
pub mod topology;

pub use camera::Camera;
pub use coarsen::{Coarsening, GraphLevel};
pub use error::HandError;
pub use rig::{JointFrame, RiggedHand};
pub use skinning::{Pose, PosedHand, Shape};
pub use topology::Topology;
