//! A rigged hand: skinning data, degrees of freedom, inverse kinematics, mesh topology, coarsening, cameras and joint orders;
//! and the arrays of MANO, from a user's file.
//!
//! [`RiggedHand::right`] is the hand that ships with the crate. [`RiggedHand::pose`] turns a [`Pose`] and a [`Shape`] into
//! vertices and the 21 joints, [`inverse_kinematics`] joints into a pose. Only right hands exist here: a left hand is a right
//! one seen through [`camera::Mirror`]. In a graph there are hands of either [`Side`]: see `nn::hand`.
mod array;
pub mod camera;
pub mod coarsen;
pub mod contact;
mod error;
pub mod freedoms;
pub(crate) mod glb;
mod interpolation;
mod inverse;
pub mod joints;
pub mod laplacian;
pub mod mano;
mod npz;
mod rig;
pub mod shape;
mod side;
mod skinning;
pub mod topology;

pub use array::Array;
pub use camera::Camera;
pub use coarsen::{Coarsening, GraphLevel};
pub use error::HandError;
pub use inverse::{IkFit, inverse_kinematics};
pub use mano::ManoData;
pub use rig::{JointFrame, RiggedHand};
pub use shape::Shape;
pub use side::Side;
pub use skinning::{Pose, PosedHand};
pub use topology::Topology;
